"""Sensitivities of a solution with respect to the parameters of its model: `abatax solve --sensitivities`."""

from pathlib import Path
from typing import Any

from ...solvers import AbstractProgress, FiniteDifference, NoProgress, Solution, sensitivities
from ..figures import SavedFigure, save_tornado, sensitivity_table
from ._pipeline import hjb_only


def check_asked(problem: Any, solver: Any, reference: bool) -> None:
    """Raise, before the solve, if sensitivities cannot be computed.

    **Raises:** `ValueError`: one line.
    """
    hjb_only(problem, "--sensitivities")
    if not isinstance(solver, FiniteDifference):
        raise ValueError(f"--sensitivities needs the solver `finite_difference`, not `{type(solver).__name__}`.")
    if reference:
        raise ValueError("--sensitivities and --reference cannot be combined; solve twice, with different --out.")


def sensitivity_run(solution: Solution, folder: Path, *, progress: AbstractProgress | None = None) -> SavedFigure:
    """Write `sensitivities.csv`, `.png` and `.svg` of a solution."""
    derivatives = sensitivities(solution)
    figure = save_tornado(folder, sensitivity_table(derivatives))
    outcome = f"{derivatives.sizes['functional']} functionals, {derivatives.sizes['parameter']} parameters"
    (progress or NoProgress()).done("sensitivities", outcome)
    return figure
