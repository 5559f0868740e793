"""Jumps that lead back to the family, on a tensor grid: the value after a jump is the interpolated unknown at another state."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spla
from jaxtyping import Float

from ...models import HJBProblem
from ..equation import Local
from ..solution import Landing, landings
from ._discretisation import Discretisation
from ._linear import LinearSystem, gmres
from ._stencils import Axis, fornberg

# Largest number of unknowns for which the coupled system is factorised, by number of states (fill-in grows with both); larger
# systems are solved by GMRES.
_DIRECT = {1: 200_000, 2: 30_000, 3: 3_000}
_TOLERANCE, _MOST_STEPS = 1e-11, 600


class Interpolated(NamedTuple):
    """One jump that leads back to the family, from all nodes of every member.

    The value after the jump from node n of member f with outcome m is row (n, m) of `rows[f]` applied to the concatenated values of
    all members, plus `known[f]`.
    """

    jump: int
    rows: list[sp.csr_matrix]  # by member: (node outcome) x (family node)
    known: Float[np.ndarray, "family node outcome"]

    def after(self, values: Float[np.ndarray, "family node"]) -> Float[np.ndarray, "family point outcome"]:
        interpolated_values = np.stack([(rows @ values.ravel()).reshape(self.known.shape[1:]) for rows in self.rows])
        return interpolated_values + self.known


def interpolated(problem: HJBProblem, grid: Discretisation, high: bool) -> tuple[Interpolated, ...]:
    """Every jump that leads back, on a grid: interpolation by polynomials through the nearest nodes, linear in the monotone scheme.

    Beyond its box a value function is extended with the known slope of the face, or as a parabola where no slope is known; in the
    monotone scheme it is extended as a constant.
    """
    return interpolated_from(problem, grid, high, grid.points)


def interpolated_from(
    problem: HJBProblem, grid: Discretisation, high: bool, points: Float[np.ndarray, "node state"]
) -> tuple[Interpolated, ...]:
    """The interpolation of `interpolated` for jumps from the given points instead of the nodes of the grid."""
    return tuple(_one(landing, grid, high, len(points)) for landing in landings(problem, points))


def _one(landing: Landing, grid: Discretisation, high: bool, count: int) -> Interpolated:
    family, outcomes = landing.members.shape
    rows = []
    for f in range(family):
        # ordered by node, then by outcome
        inside = np.swapaxes(landing.inside[f], 0, 1).reshape(-1, grid.dimension)
        distance = np.swapaxes(landing.distance[f], 0, 1).reshape(-1, grid.dimension)
        index, weight = np.zeros((len(inside), 1), dtype=int), np.ones((len(inside), 1))
        for a, axis in enumerate(grid.axes):
            width = min(grid.order + 2, grid.shape[a]) if high else 2
            stencil, axis_weight = axis_weights(axis, inside[:, a], distance[:, a] if high else None, width)
            index = (index[:, :, None] * grid.shape[a] + stencil[:, None, :]).reshape(len(inside), -1)
            weight = (weight[:, :, None] * axis_weight[:, None, :]).reshape(len(inside), -1)
        index += grid.size * np.tile(landing.members[f], count)[:, None]
        start = np.arange(len(inside) + 1) * index.shape[1]
        shape = (len(inside), family * grid.size)
        matrix = sp.csr_matrix((weight.ravel(), index.ravel(), start), shape=shape)
        matrix.eliminate_zeros()
        rows.append(matrix)
    return Interpolated(landing.jump, rows, np.swapaxes(landing.known, 1, 2))


def axis_weights(
    axis: Axis, z: Float[np.ndarray, " point"], distance: Float[np.ndarray, " point"] | None, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of the interpolating polynomial through the `width` nodes nearest to each point, without crossing a kink.

    `distance` is the distance beyond the last node, over which the value is extended by a second-order Taylor polynomial.
    """
    nodes = axis.nodes
    edges = np.array([0, *axis.breaks, len(nodes) - 1])
    cell = np.clip(np.searchsorted(nodes, z, side="right") - 1, 0, len(nodes) - 2)
    piece = np.clip(np.searchsorted(edges, cell, side="right") - 1, 0, len(edges) - 2)
    low, high = edges[piece], edges[piece + 1]
    width = min(width, int(np.diff(edges).min()) + 1)
    first = np.clip(cell - (width - 1) // 2, low, high - width + 1)
    stencil = first[:, None] + np.arange(width)
    x = nodes[stencil]
    weights = np.ones((len(z), width))
    for i in range(width):
        for j in range(width):
            if i != j:
                weights[:, i] *= (z - x[:, j]) / (x[:, i] - x[:, j])
    if distance is not None:
        for side, past in ((0, distance < 0.0), (-1, distance > 0.0)):
            if past.any():
                window = slice(0, width) if side == 0 else slice(len(nodes) - width, None)
                _, slope, bend = fornberg(nodes[side], nodes[window], 2)
                d = distance[past, None]
                weights[past] += d * slope + 0.5 * d**2 * bend
    return stencil, weights


def coupled_correction(
    systems: list[LinearSystem], jumps: tuple[Interpolated, ...], local: Local
) -> Float[np.ndarray, "family node"]:
    """The Newton correction of all members at once, with the coupling of the members by jumps in the matrix."""
    family, size = len(systems), len(systems[0].right)
    diagonal = sp.block_diag([system.matrix for system in systems], format="csr")
    coupling = sp.csr_matrix((family * size, family * size))
    for jump in jumps:
        weights = local.after[jump.jump]
        blocks = []
        for f, rows in enumerate(jump.rows):
            outcomes = weights.shape[2]
            gather = sp.csr_matrix(
                (weights[f].ravel(), np.arange(size * outcomes), np.arange(size + 1) * outcomes),
                shape=(size, size * outcomes),
            )
            blocks.append(gather @ rows)
        coupling = coupling + sp.vstack(blocks, format="csr")
    matrix, right = sp.csr_matrix(diagonal + coupling), np.concatenate([system.right for system in systems])
    return _solve(matrix, right, diagonal, coupling, systems[0].shape).reshape(family, size)


def _solve(matrix, right, diagonal, coupling, shape):
    """Solve directly while that is cheap, otherwise by GMRES with a preconditioner that neglects the change of state by jumps."""
    if not (np.all(np.isfinite(matrix.data)) and np.all(np.isfinite(right))):
        return np.full_like(right, np.nan)
    direct = len(right) <= _DIRECT.get(len(shape), 2_000)
    # if jumps hardly change the state, their gain term acts almost at the same node as their loss term
    factorised = matrix if direct else diagonal + sp.diags(np.asarray(coupling.sum(axis=1)).ravel())
    try:
        factor = spla.splu(sp.csc_matrix(factorised))
    except RuntimeError:  # exactly singular: the driver reports the nonfinite result
        return np.full_like(right, np.nan)
    if direct:
        x = factor.solve(right)
        return x + factor.solve(right - matrix @ x)
    preconditioner = spla.LinearOperator(matrix.shape, factor.solve, dtype=float)  # pyright: ignore[reportCallIssue]
    return gmres(LinearSystem(matrix, right, shape), preconditioner, _TOLERANCE, _MOST_STEPS)[0]
