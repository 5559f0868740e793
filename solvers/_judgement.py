"""Whether an iteration on a basis ended at a solution: resolved, on the right branch, determined by the equation."""

import numpy as np
from jaxtyping import Float

from ..models import StateConstraint
from ._branch import false_branch, left_open
from ._collocation_workspace import CollocationWorkspace
from ._status import CONVERGED, OPEN, ROUGH

# More than this relative error left by the basis is no solution.
_UNRESOLVED = 1e-3


def judge(workspace: CollocationWorkspace, unknowns: Float[np.ndarray, "family unknown"]) -> tuple[int, float]:
    """The status of the end of an iteration, and the relative error that the basis leaves."""
    points, local = workspace.basis.judged(workspace, unknowns)
    at_own = workspace.evaluate(unknowns)
    left = workspace.basis.unresolved(workspace, unknowns)
    status = false_branch(workspace.problem, points, local, workspace.leaves(at_own))
    if status is None:
        status = CONVERGED
        if not left <= _UNRESOLVED:
            status = ROUGH
        elif _hangs_on_faces(workspace, unknowns, at_own):
            status = OPEN
    return status, left


def _hangs_on_faces(workspace: CollocationWorkspace, unknowns, local) -> bool:
    """Whether slopes in the region hang on the noise across state constraints, as of finite differences."""
    basis, delta = workspace.basis, workspace.discount_rate
    _, slopes, hessians = basis.differentiate(unknowns)
    barred = np.zeros(basis.points.shape, dtype=bool)
    for a, sides in enumerate(workspace.closures):
        for side, closure in enumerate(sides):
            if isinstance(closure, StateConstraint):
                barred[:, a] |= basis.on_face(a, side)

    def respond(across):
        rows = np.zeros_like(basis.residuals(local, unknowns, delta, workspace.slopes))
        rows[:, : across.shape[1]] = across
        move = basis.correct(local, unknowns, rows, delta, np.zeros_like(delta))
        return basis.respond(unknowns, move)

    return left_open(workspace.problem, basis.points, barred, local.variance, slopes, hessians, respond)
