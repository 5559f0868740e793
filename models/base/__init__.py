"""Tools that do not depend on models: types, checks, parameters, units, root finding and fingerprints."""

from ._block import AbstractBlock as AbstractBlock
from ._checks import (
    MOST_COPIES as MOST_COPIES,
    check_capital as check_capital,
    check_finite as check_finite,
    check_positive as check_positive,
    check_share as check_share,
    check_variables as check_variables,
    is_traced as is_traced,
)
from ._constants import Constants as Constants, changed_constant as changed_constant, constants_read as constants_read
from ._dependence import dependent_outputs as dependent_outputs
from ._fingerprint import fingerprint as fingerprint, home_module as home_module
from ._neutral import (
    entropy_density as entropy_density,
    log1p_ratio as log1p_ratio,
    positive_power as positive_power,
    robust_mean as robust_mean,
    scaled_expm1 as scaled_expm1,
    tilted_weights as tilted_weights,
)
from ._parameter import measured_in as measured_in, optional_parameter as optional_parameter, parameter as parameter
from ._reads import is_packaged as is_packaged
from ._root import increasing_root as increasing_root
from ._types import Point as Point, Scalar as Scalar, ScalarLike as ScalarLike
from ._units import CO2_PER_CARBON as CO2_PER_CARBON, USD_PER_TCO2 as USD_PER_TCO2, USD_PER_TONNE as USD_PER_TONNE
from ._variable import Variable as Variable
