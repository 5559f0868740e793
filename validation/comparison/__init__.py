"""Comparison of solvers and architectures on an equal budget, and the tuning of their options."""

from ._budgeted import UNBOUNDED as UNBOUNDED
from ._compare import (
    Comparison as Comparison,
    check_numbers as check_numbers,
    entries_of as entries_of,
    run_comparison as run_comparison,
)
from ._comparison_row import Record as Record
from ._comparison_table import rows_of as rows_of, summary_of as summary_of
from ._loss import policy_loss as policy_loss
from ._target import Target as Target, make_target as make_target
from ._tuning import Trial as Trial, draw_trial as draw_trial, tune as tune
