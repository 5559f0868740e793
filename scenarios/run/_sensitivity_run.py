"""What an answer leans on: `abatax solve --sensitivities`."""

from pathlib import Path
from typing import Any

from ...solvers import AbstractProgress, FiniteDifference, NoProgress, Solution, sensitivities
from ..figures import SavedFigure, save_tornado, sensitivity_table
from ._pipeline import hjb_only


def check_asked(problem: Any, solver: Any, reference: bool) -> None:
    """Raise, before anything is solved, if no sensitivities can be had.

    **Raises:** `ValueError`: one line.
    """
    hjb_only(problem, "--sensitivities")
    if not isinstance(solver, FiniteDifference):
        raise ValueError(f"--sensitivities needs the solver `finite_difference`, not `{type(solver).__name__}`.")
    if reference:
        raise ValueError("--sensitivities and --reference cannot be asked together; solve twice, with different --out.")


def sensitivity_run(solution: Solution, folder: Path, *, progress: AbstractProgress | None = None) -> SavedFigure:
    """Write `sensitivities.csv`, `.png` and `.svg` of a solution."""
    found = sensitivities(solution)
    figure = save_tornado(folder, sensitivity_table(found))
    outcome = f"{found.sizes['functional']} functionals in {found.sizes['parameter']} parameters"
    (progress or NoProgress()).done("sensitivities", outcome)
    return figure
