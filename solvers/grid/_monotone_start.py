"""The coarse monotone solution from which other solvers start; it determines the branch to which they converge."""

import math
from typing import Any

import numpy as np
from jaxtyping import Float

from ...models import HJBProblem
from ..base import CONVERGED, STALLED, UNSETTLED, WRONG_SIGN
from ._finite_difference import FiniteDifference
from ._gridded import check_kinks, per_state
from ._linear import one_thread

# Nodes per state by number of states; with more states no grid is used.
_POINTS = {1: 41, 2: 21, 3: 11, 4: 7, 5: 5}
# From _FEW states on there are so few nodes per state that their distribution over the states matters; the number of nodes may then
# increase by the factor _MORE.
_FEW, _MORE = 4, 4


def monotone_start(problem: HJBProblem) -> FiniteDifference | None:
    """A first-order solver on few nodes, more where kinks need them; None if the problem has too many states."""
    points = _POINTS.get(len(problem.region))
    if points is None:
        return None
    least = _on((points,) * len(problem.region)).fewest(problem)
    return _on(tuple(max(points, count) for count in least))


def bent_start(problem: HJBProblem, family: int, key: Any) -> FiniteDifference | None:
    """A monotone start with more nodes along the states in which the value is most curved, as measured by a solve on few nodes.

    With five nodes along each of the five states of `net_zero`, numerical diffusion was so large that three of six trainings ended
    on or near a false branch.
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
    """Numbers of nodes after halving the cells of the most curved state repeatedly, with at most `most` nodes in total.

    Each halving reduces the measure of curvature of that state to a quarter.
    """
    a = int(np.argmax(bends))
    halved = tuple(2 * n - 1 if b == a else n for b, n in enumerate(counts))
    if math.prod(halved) > most:
        return counts
    return finer(halved, np.where(np.arange(len(bends)) == a, bends / 4.0, bends), most)


def bends_of(nodes: tuple[np.ndarray, ...], values: Float[np.ndarray, "family ..."]) -> Float[np.ndarray, " state"]:
    """For each state the root mean square deviation of the values from linear interpolation between their neighbours."""
    deviations = []
    for a, x in enumerate(nodes):
        v = np.moveaxis(values, a + 1, -1)
        share = (x[1:-1] - x[:-2]) / (x[2:] - x[:-2])
        deviations.append(np.sqrt(np.mean((v[..., 1:-1] - (1.0 - share) * v[..., :-2] - share * v[..., 2:]) ** 2)))
    return np.array(deviations)


def _on(counts: tuple[int, ...]) -> FiniteDifference:
    return FiniteDifference(points=counts, levels=2, order=1, tolerance=1e-6)


def coarse_start(problem: HJBProblem, nodes: int | tuple[int, ...]) -> FiniteDifference:
    """A high-order solver on few nodes; networks correct its solution. A common number of nodes is raised where kinks need more.

    In states with noise too faint for the cells its differences are biased, because centred differences fail on few nodes.

    **Raises:** `ValueError` if the number of entries differs from the number of states, or if kinks need more nodes.
    """
    counts, fewest = per_state("coarse", nodes, problem), FiniteDifference().fewest(problem)
    if not isinstance(nodes, tuple):
        counts = tuple(map(max, counts, fewest))
    check_kinks("coarse", counts, fewest, problem)
    return FiniteDifference(points=counts, leaning=True)


def can_start_from(status: int) -> bool:
    """Whether a monotone iteration ended at or near a solution on its grid.

    On few nodes a small marginal value may have the wrong sign, and a few nodes may alternate between two policies; the final
    solution is checked again.
    """
    return status in (CONVERGED, STALLED, UNSETTLED, WRONG_SIGN)
