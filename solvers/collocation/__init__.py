"""Collocation on polynomials and on features: bases, workspace, and verdict on the result."""

from ._collocation_workspace import (
    CollocationWorkspace as CollocationWorkspace,
    family_at as family_at,
    residual_unit as residual_unit,
)
from ._determinacy import LOOSE as LOOSE, looseness as looseness
from ._feature_basis import (
    follow_layers as follow_layers,
    plain_features as plain_features,
    truncated as truncated,
)
from ._feature_map import (
    FeatureMap as FeatureMap,
    FeatureValue as FeatureValue,
    combine as combine,
    make_features as make_features,
    operate as operate,
)
from ._features import Features as Features, count_products as count_products
from ._judgement import chain_of as chain_of, error_left as error_left, judge as judge
from ._polynomials import Polynomials as Polynomials
from ._scattered import AbstractScattered as AbstractScattered
from ._spectral import Spectral as Spectral
