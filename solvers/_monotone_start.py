"""The coarse monotone solution from which other solvers start: it decides which root is found."""

from ..models import HJBProblem
from ._finite_difference import FiniteDifference
from ._status import CONVERGED, STALLED, WRONG_SIGN

# Nodes per state by number of states; beyond, no grid.
_POINTS = {1: 41, 2: 21, 3: 11, 4: 7, 5: 5}


def monotone_start(problem: HJBProblem) -> FiniteDifference | None:
    """A first-order solver on few nodes, more where kinks need them; None if the problem has too many states."""
    points = _POINTS.get(len(problem.region))
    if points is None:
        return None
    solver = FiniteDifference(points=points, levels=2, order=1, tolerance=1e-6)
    needed = tuple(max(points, least) for least in solver.fewest(problem))
    return FiniteDifference(points=needed, levels=2, order=1, tolerance=1e-6)


def can_start_from(status: int) -> bool:
    """Whether a monotone iteration ended at a solution of its grid, or near one.

    On so few nodes a small marginal value may have the wrong sign, and a few nodes may go to and fro between two policies; what comes
    out is judged again.
    """
    return status in (CONVERGED, STALLED, WRONG_SIGN)
