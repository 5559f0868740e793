"""How good it is: exact solutions, errors, orders, domains."""

from ._compare import Comparison as Comparison
from ._estimates import Estimate as Estimate, NoReferenceError as NoReferenceError, enlarged as enlarged
from ._exact import (
    AKExact as AKExact,
    MultiRegionExact as MultiRegionExact,
    exact_value as exact_value,
    has_exact_value as has_exact_value,
)
from ._fossil_limit import FossilLimit as FossilLimit
from ._green_transition import GreenTransition as GreenTransition
from ._metrics import (
    quantities as quantities,
    region_points as region_points,
    relative_errors as relative_errors,
    visited_points as visited_points,
)
from ._open_loop import OpenLoop as OpenLoop, OpenLoopPath as OpenLoopPath
from ._reference import SAFETY as SAFETY, Reference as Reference, reference as reference
from ._report import Row as Row, ValidationReport as ValidationReport
from ._riccati import riccati as riccati
from ._validate import validate as validate
