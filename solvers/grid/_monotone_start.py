"""The coarse solution from which other solvers start: it decides which root is found."""

import math
from typing import Any

import numpy as np
from jaxtyping import Float

from ...models import HJBProblem
from ..base import CONVERGED, STALLED, UNSETTLED, WRONG_SIGN
from ._finite_difference import FiniteDifference
from ._gridded import check_kinks, per_state
from ._linear import one_thread

# Nodes per state by number of states; beyond, no grid.
_POINTS = {1: 41, 2: 21, 3: 11, 4: 7, 5: 5}
# From so many states on, nodes are so few that it matters along which state they lie; so many times as many are afforded.
_FEW, _MORE = 4, 4


def monotone_start(problem: HJBProblem) -> FiniteDifference | None:
    """A first-order solver on few nodes, more where kinks need them; None if the problem has too many states."""
    points = _POINTS.get(len(problem.region))
    if points is None:
        return None
    least = _on((points,) * len(problem.region)).fewest(problem)
    return _on(tuple(max(points, count) for count in least))


def bent_start(problem: HJBProblem, family: int, key: Any) -> FiniteDifference | None:
    """The same, with more nodes where the value bends: of many states only some do, as a solve on few nodes tells.

    Five nodes along each of the five states of `net_zero` smear the value so much that three of six trainings ended on a false branch,
    or near one.
    """
    solver = monotone_start(problem)
    if solver is None or len(problem.region) < _FEW:
        return solver
    state, workspace = solver.init(problem, family, key, None)
    with one_thread():
        while not solver.terminate(state):
            state = solver.step(problem, state, workspace, key)
    if not can_start_from(int(state.status)):
        return solver
    grid, counts = workspace.grid(int(state.level)), solver.counts(problem)
    bends = bends_of(grid.nodes, np.asarray(state.values).reshape(-1, *grid.shape))
    return _on(finer(counts, bends, _MORE * math.prod(counts)))


def finer(counts: tuple[int, ...], bends: Float[np.ndarray, " state"], most: int) -> tuple[int, ...]:
    """Cells halved along the state that bends most, which quarters its bend, as long as there are no more than so many nodes."""
    a = int(np.argmax(bends))
    halved = tuple(2 * n - 1 if b == a else n for b, n in enumerate(counts))
    if math.prod(halved) > most:
        return counts
    return finer(halved, np.where(np.arange(len(bends)) == a, bends / 4.0, bends), most)


def bends_of(nodes: tuple[np.ndarray, ...], values: Float[np.ndarray, "family ..."]) -> Float[np.ndarray, " state"]:
    """For each state how far values lie from the straight line between their neighbours' (root mean square)."""
    found = []
    for a, x in enumerate(nodes):
        v = np.moveaxis(values, a + 1, -1)
        share = (x[1:-1] - x[:-2]) / (x[2:] - x[:-2])
        found.append(np.sqrt(np.mean((v[..., 1:-1] - (1.0 - share) * v[..., :-2] - share * v[..., 2:]) ** 2)))
    return np.array(found)


def _on(counts: tuple[int, ...]) -> FiniteDifference:
    return FiniteDifference(points=counts, levels=2, order=1, tolerance=1e-6)


def coarse_start(problem: HJBProblem, nodes: int | tuple[int, ...]) -> FiniteDifference:
    """A solver of high order on few nodes, whose solution networks correct; one number for all states gives way to kinks.

    Its differences lean where noise is too faint for the cells: there centred ones wander, on few nodes always.

    **Raises:** `ValueError` if there are not as many numbers as states, or kinks need more nodes.
    """
    counts, fewest = per_state("coarse", nodes, problem), FiniteDifference().fewest(problem)
    if not isinstance(nodes, tuple):
        counts = tuple(map(max, counts, fewest))
    check_kinks("coarse", counts, fewest, problem)
    return FiniteDifference(points=counts, leaning=True)


def can_start_from(status: int) -> bool:
    """Whether a monotone iteration ended at a solution of its grid, or near one.

    On so few nodes a small marginal value may have the wrong sign, and a few nodes may go to and fro between two policies; what comes
    out is judged again.
    """
    return status in (CONVERGED, STALLED, UNSETTLED, WRONG_SIGN)
