"""Errors of a solution: against a reference, or estimated from other grids, boxes and methods."""

from ._estimates import (
    ALONG as ALONG,
    Estimate as Estimate,
    NoReferenceError as NoReferenceError,
    coarse_counts as coarse_counts,
    enlarged as enlarged,
    measured_order as measured_order,
)
from ._metrics import (
    quantities as quantities,
    region_points as region_points,
    relative_errors as relative_errors,
    visited_points as visited_points,
)
from ._reference import SAFETY as SAFETY, Reference as Reference, check_solver as check_solver, reference as reference
from ._report import Row as Row, ValidationReport as ValidationReport
from ._validate import validate as validate
