"""A Markov chain on a small grid under the optimal policy, which accumulates the residuals of a solution to an error of the value."""

import functools

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spla
from jaxtyping import Bool, Float

from ...models import HJBProblem
from ..base import value_ranges
from ..solution import box_map
from ._branch import in_region
from ._godunov import Local
from ._infinite import Flow

# Nodes per state by number of states; with more states the grid is too coarse. Powers of two fill the calls of the compiled kernel.
_NODES = {1: 256, 2: 32, 3: 12, 4: 7, 5: 5}
# A solution with a larger estimated relative error is unresolved.
UNRESOLVED = 1e-3
# The error reported to the user is this multiple of the first-order estimate: on a portfolio problem with a closed-form solution the
# true error of grids, polynomials, features and networks was 0.5 to 1.4 times the estimate.
SAFETY = 2.0


class ChainGrid:
    """The tensor grid of a Markov chain, with few nodes spread over the whole box of the problem."""

    def __init__(self, problem: HJBProblem):
        self.problem, dimension = problem, len(problem.region)
        box, count = box_map(problem.region, problem.domain), _NODES[dimension]
        nodes = box.back(np.linspace(-1.0, 1.0, count)[:, None] * np.ones(dimension)).T
        nodes[:, 0], nodes[:, -1] = np.array(problem.domain).T
        self.nodes, self.shape = nodes, (count,) * dimension
        self.points = np.stack([m.ravel() for m in np.meshgrid(*nodes, indexing="ij")], axis=-1)


def chain_grid(problem: HJBProblem) -> ChainGrid | None:
    """The grid of a Markov chain; None if the problem has so many states that a grid is too coarse."""
    return ChainGrid(problem) if len(problem.region) in _NODES else None


class MarkovChain:
    r"""A Markov chain approximation of the states under the optimal policy and the worst case (Kushner and Dupuis 2001).

    For a frozen policy, a solution with residual $r$ differs from the value function to first order by

    $$e(x) = \mathbb{E}\int_0^\infty e^{-\int_0^t\rho}\,r(X_t)\,dt,\qquad \rho = -\partial H/\partial V.$$

    Residuals far from the optimal paths have little weight, and residuals in states that are occupied for decades have much. The
    matrix of the chain is monotone, so that the solution with $|r|$ instead of $r$ is an upper bound of $|e|$. The chain does not
    leave the box at its faces.
    """

    def __init__(
        self,
        grid: ChainGrid,
        derivatives: tuple[np.ndarray, np.ndarray, np.ndarray],
        local: Local,
        discount_rate: Float[np.ndarray, " family"],
        *,
        coupled: bool,
        known: Float[np.ndarray, "family node"] | None = None,
    ):
        """**Arguments:**

        - `derivatives`: values, slopes and hessians of a solution of every member at the nodes.
        - `local`: the linearised equation at the nodes.
        - `coupled`: whether jumps lead back to the problem itself.
        - `known`: the part of the values that is known before the equation is solved.
        """
        self.problem, self.nodes, self.shape, self.points = grid.problem, grid.nodes, grid.shape, grid.points
        self.index = np.arange(len(self.points)).reshape(self.shape)
        self.values, self.slopes, self.hessians = derivatives
        self.local, self.discount_rate, self.coupled, self.known = local, discount_rate, coupled, known

    @property
    def flow(self) -> Flow:
        """The flow along the optimal paths."""
        return Flow(self.problem, self.nodes, self.local, self.slopes, self.hessians)

    @functools.cached_property
    def rates(self) -> Float[np.ndarray, "family node"]:
        """The discount rates of errors, per year; jumps that lead back to the problem do not discount, because errors persist."""
        delta = self.discount_rate[:, None]
        return np.maximum(0.0 if self.coupled else -self.local.discount, delta) + np.zeros(self.values.shape)

    def pairs(self, axis: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Lower and upper neighbours along a state, their distance, and the widths of the cells around the lower and the upper one."""
        order = np.moveaxis(self.index, axis, 0)
        low, high = order[:-1].ravel(), order[1:].ravel()
        others = low.size // (self.shape[axis] - 1)
        distance, width = np.diff(self.nodes[axis]), np.gradient(self.nodes[axis])
        return low, high, np.repeat(distance, others), np.repeat(width[:-1], others), np.repeat(width[1:], others)

    def matrix(self, member: int) -> sp.csr_matrix:
        """The M-matrix of discounting and of the transition rates to neighbouring nodes."""
        n, drift, variance = len(self.points), self.local.drift[member], self.local.variance[member]
        rows, columns, entries = [np.arange(n)], [np.arange(n)], [self.rates[member]]
        for a in range(len(self.shape)):
            low, high, distance, below, above = self.pairs(a)
            up = (np.maximum(drift[low, a], 0.0) + variance[low, a, a] / below) / distance
            down = (np.maximum(-drift[high, a], 0.0) + variance[high, a, a] / above) / distance
            rows += [low, low, high, high]
            columns += [low, high, high, low]
            entries += [up, -up, down, -down]
        whole = np.concatenate(entries), (np.concatenate(rows), np.concatenate(columns))
        return sp.csr_matrix(whole, shape=(n, n))

    def error(self, where: Bool[np.ndarray, " node"] | None = None) -> float:
        """The largest error of the value in the region estimated from the residuals, relative to the range of the value.

        **Arguments:** `where`: the nodes with residuals that are included; all nodes by default.
        """
        inside, magnitude = in_region(self.problem, self.points), np.abs(self.local.residual)
        magnitude = magnitude if where is None else np.where(where, magnitude, 0.0)
        if not np.all(np.isfinite(magnitude)):
            return np.inf
        if not inside.any():
            inside[:] = True
        rest = self.values if self.known is None else self.values - self.known
        ranges, relative_errors = value_ranges(self.values[:, inside], rest[:, inside]), []
        for f, source in enumerate(magnitude):
            error = np.asarray(spla.spsolve(self.matrix(f).tocsc(), source))
            relative_errors.append(float(np.max(error[inside])) / ranges[f])
        return max(relative_errors)
