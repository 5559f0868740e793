"""Solve, estimate the error of the solution and store it as a reference: `abatax solve --reference`."""

from pathlib import Path
from typing import Any

from ...solvers import AbstractProgress, Solution
from ...validation import NoReferenceError
from ...validation.errors import check_solver
from ..store import ReferenceStore, save
from ._pipeline import hjb_only, solve_run
from ._settings import RunSettings


def reference_run(
    settings: RunSettings,
    folder: Path,
    *,
    progress: AbstractProgress | None = None,
    store: ReferenceStore | None = None,
) -> dict[str, Any]:
    """Write `solution.nc` and `run.json` with the estimated error of every quantity under `reference`.

    References in the store are not solved again. If the error cannot be estimated, the solution is written without a reference, and
    `advice` states the reason.

    **Returns:** the contents of run.json, and under `table` the errors as text (None if there is no reference).

    **Raises:** `ValueError` if the solver has no grid from which an error can be estimated; nothing is written.
    """
    problem = hjb_only(settings.problem(), "--reference")
    solver = check_solver(problem, settings.make_solver())
    store = ReferenceStore() if store is None else store
    solved: dict[str, Any] = {}

    def solution() -> Solution:
        solved.update(solve_run(settings, folder, progress=progress))
        return solved["solution"]

    try:
        reference = store.reference(problem, solver, solution=solution, progress=progress)
    except NoReferenceError as error:
        return solved | {"converged": False, "advice": str(error), "table": None}
    about = {"seed": settings.seed, "simulation": settings.simulation.model_dump(), "reference": reference.to_dict()}
    run = save(reference.solution, folder, solver=solver, force=True, **about)
    return run | {"table": str(reference)}
