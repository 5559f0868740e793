"""The accuracy of solutions: exact solutions, errors, measured orders, truncation of the domain, comparison of solvers."""

from .comparison import Comparison as Comparison
from .errors import (
    SAFETY as SAFETY,
    Estimate as Estimate,
    NoReferenceError as NoReferenceError,
    Reference as Reference,
    Row as Row,
    ValidationReport as ValidationReport,
    enlarged as enlarged,
    quantities as quantities,
    reference as reference,
    region_points as region_points,
    relative_errors as relative_errors,
    validate as validate,
    visited_points as visited_points,
)
from .exact import (
    AKExact as AKExact,
    FossilLimit as FossilLimit,
    GreenTransition as GreenTransition,
    MultiRegionExact as MultiRegionExact,
    OpenLoop as OpenLoop,
    OpenLoopPath as OpenLoopPath,
    exact_value as exact_value,
    has_exact_value as has_exact_value,
    riccati as riccati,
)
