"""The basis of spectral collocation: tensor products of Chebyshev polynomials, represented by their values at the nodes."""

import functools as ft
import itertools as it
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.linalg as sla
import scipy.sparse as sp
import scipy.sparse.linalg as spla
from jaxtyping import Float

from ..base import value_ranges
from ..equation import Local
from ..solution import ChebyshevAxis, cardinals, chebyshev_values, lobatto, tables_at
from ._collocation_workspace import AbstractBasis

# Largest number of unknowns of a dense factorisation; larger systems are factored as sparse matrices to save memory.
_DENSE = 6000
# States whose coefficients are below this fraction of the range of V do not enter the error estimate.
_OF_RANGE = 1e-6


class Polynomials(AbstractBasis):
    """Chebyshev polynomials on the tensor product of the nodes of all states; the unknowns are the values at the nodes."""

    def __init__(self, axes: tuple[ChebyshevAxis, ...]):
        self.axes = axes
        self.shape = tuple(len(a.nodes) for a in axes)
        self.size = int(np.prod(self.shape))
        mesh = np.meshgrid(*(a.nodes for a in axes), indexing="ij")
        self.points = np.stack([m.ravel() for m in mesh], axis=-1)
        self.index = np.stack(np.unravel_index(np.arange(self.size), self.shape), axis=-1)

    def on_face(self, axis, side):
        return self.index[:, axis] == (self.shape[axis] - 1 if side else 0)

    def along(self, matrix, axis: int, values):
        """Apply a matrix along one state to values on the grid, "family *shape"."""
        return np.moveaxis(np.tensordot(values, matrix, axes=(axis + 1, 1)), -1, axis + 1)

    def differentiate(self, unknowns):
        family, n, d = len(unknowns), self.size, len(self.axes)
        grid = unknowns.reshape(family, *self.shape)
        slopes, hessians = np.zeros((family, n, d)), np.zeros((family, n, d, d))
        firsts = [self.along(axis.first, a, grid) for a, axis in enumerate(self.axes)]
        for a, axis in enumerate(self.axes):
            slopes[:, :, a] = firsts[a].reshape(family, n)
            hessians[:, :, a, a] = self.along(axis.second, a, grid).reshape(family, n)
        for a, b in it.combinations(range(d), 2):
            cross = self.along(self.axes[b].first, b, firsts[a]).reshape(family, n)
            hessians[:, :, a, b] = hessians[:, :, b, a] = cross
        return unknowns, slopes, hessians

    def differentiate_at(self, unknowns, points):
        tables = [tables_at(axis, x) for axis, x in zip(self.axes, points.T, strict=True)]
        grid, d = unknowns.reshape(-1, *self.shape), len(self.axes)

        def contracted(orders: Sequence[int]) -> Float[np.ndarray, "family point"]:
            """The mixed derivative with the given order in each state."""
            contraction = np.tensordot(tables[0][orders[0]], grid, axes=(1, 1))  # point family ...
            for table, order in zip(tables[1:], orders[1:], strict=True):
                contraction = np.einsum("pfi...,pi->pf...", contraction, table[order])
            return contraction.T

        def orders_of(*states: int) -> list[int]:
            return [states.count(a) for a in range(d)]

        slopes = np.stack([contracted(orders_of(a)) for a in range(d)], axis=-1)
        hessians = np.zeros((*slopes.shape, d))
        for a, b in it.combinations_with_replacement(range(d), 2):
            hessians[..., a, b] = hessians[..., b, a] = contracted(orders_of(a, b))
        return contracted(orders_of()), slopes, hessians

    def fit(self, values):
        return values

    # -- the linear system --------------------------------------------------------------------------------

    @ft.cached_property
    def joints(self) -> tuple[np.ndarray, sp.csr_matrix]:
        """Joints of the elements, and the rows of the condition that the slope is continuous there.

        The equation holds on both sides, with different second derivatives. The rows are scaled by the smallest element.
        """
        on_joint, rows = np.zeros(self.size, dtype=bool), sp.csr_matrix((self.size, self.size))
        for a, axis in enumerate(self.axes):
            if not axis.joints:
                continue
            jump = np.zeros((self.shape[a], self.shape[a]))
            jump[list(axis.joints)] = axis.jumps * np.diff(axis.edges).min()
            is_joint = np.isin(self.index[:, a], axis.joints) & ~on_joint
            rows = rows + sp.diags(is_joint.astype(float)) @ self._lift(jump, a)
            on_joint |= is_joint
        return on_joint, sp.csr_matrix(rows)

    def _lift(self, matrix, axis: int) -> sp.csr_matrix:
        before, after = int(np.prod(self.shape[:axis])), int(np.prod(self.shape[axis + 1 :]))
        lifted = sp.kron(sp.kron(sp.identity(before), sp.csr_matrix(matrix)), sp.identity(after))
        return sp.csr_matrix(lifted)

    @ft.cached_property
    def first(self) -> list[sp.csr_matrix]:
        return [self._lift(axis.first, a) for a, axis in enumerate(self.axes)]

    @ft.cached_property
    def second(self) -> list[sp.csr_matrix]:
        return [self._lift(axis.second, a) for a, axis in enumerate(self.axes)]

    @ft.cache  # noqa: B019 - a basis lives as long as its solve
    def cross(self, a: int, b: int) -> sp.csr_matrix:
        return sp.csr_matrix(self.first[a] @ self.first[b])

    def residuals(self, local, unknowns, scale, known):
        del known  # known slopes are inserted in the equation
        on_joint, rows = self.joints
        if not on_joint.any():
            return local.residual
        return np.where(on_joint, scale[:, None] * (rows @ unknowns.T).T, local.residual)

    def correct(self, local, unknowns, residuals, scale, shift):
        on_joint = self.joints[0]
        matrices = [self.system(local, f, scale[f], shift[f]) for f in range(len(residuals))]
        if not self.landings:
            return np.stack([_solve(matrix, -residual) for matrix, residual in zip(matrices, residuals, strict=True)])
        blocks: list[list[Any]] = [
            [matrix if k == f else None for k in range(len(matrices))] for f, matrix in enumerate(matrices)
        ]
        for f, row in enumerate(blocks):
            for k, part in self.coupling(unknowns, local, f).items():
                part = sp.csr_matrix(np.where(on_joint[:, None], 0.0, part))
                row[k] = part if row[k] is None else row[k] + part
        return _solve(sp.csr_matrix(sp.bmat(blocks)), -residuals.ravel()).reshape(residuals.shape)

    def system(self, local: Local, member: int, scale: float, shift: float = 0.0) -> sp.csr_matrix:
        """The linearised equation of one member, with one row per node."""
        discount, drift, variance = (leaf[member] for leaf in (local.discount, local.drift, local.variance))
        on_joint, rows = self.joints
        matrix = sp.diags(discount - shift)
        for a in range(len(self.axes)):
            matrix = matrix + sp.diags(drift[:, a]) @ self.first[a]
            matrix = matrix + sp.diags(variance[:, a, a]) @ self.second[a]
        for a, b in it.combinations(range(len(self.axes)), 2):
            mixed = variance[:, a, b] + variance[:, b, a]
            if mixed.any():  # shocks of the two states are correlated
                matrix = matrix + sp.diags(mixed) @ self.cross(a, b)
        if on_joint.any():
            matrix = sp.diags((~on_joint).astype(float)) @ matrix + scale * rows
        return sp.csr_matrix(matrix)

    def answers(self, workspace, unknowns, local, sources):
        del unknowns
        scale = workspace.discount_rate
        responses = [_solve(self.system(local, f, scale[f]), right.T).T for f, right in enumerate(sources(local))]
        return self.points, np.stack(responses)

    def landed_rows(self, unknowns, member, weight, inside, distance):
        del unknowns, member  # the value is linear in the unknowns, and all members have the same nodes
        rows = weight[:, None]
        for a, axis in enumerate(self.axes):
            factor, step = cardinals(axis, inside[:, a]), distance[:, a]
            if step.any():
                factor = (
                    factor + step[:, None] * (factor @ axis.first) + 0.5 * step[:, None] ** 2 * (factor @ axis.second)
                )
            rows = (rows[:, :, None] * factor[:, None, :]).reshape(len(inside), -1)
        return rows

    # -- the value function ------------------------------------------------------------------------------------

    def value(self, unknowns):
        return chebyshev_values(self.axes, unknowns.reshape(-1, *self.shape))

    def shown(self):
        """Twice as many nodes, so that splines through them represent the polynomials accurately; from four states on, the nodes."""
        return tuple(a.nodes if len(self.axes) > 3 else _twice(a) for a in self.axes)

    def unresolved(self, workspace, unknowns):
        """The larger of the two highest coefficients in each element, relative to the largest coefficient of that state."""
        del workspace
        coefficients = np.abs(np.asarray(self.value(unknowns).coefficients))
        error, ranges = 0.0, value_ranges(unknowns)
        for a, axis in enumerate(self.axes):
            n = axis.degree + 1
            series = np.moveaxis(coefficients, a + 1, -1).reshape(len(unknowns), -1, len(axis.edges) - 1, n)
            largest = np.max(series[..., 1:], axis=(1, 2, 3))
            tail = np.max(series[..., -2:], axis=(1, 2, 3))
            error = max(error, float(np.max(tail / np.maximum(largest, _OF_RANGE * ranges))))
        return error


def _twice(axis: ChebyshevAxis) -> np.ndarray:
    """The Chebyshev nodes of twice the degree, element by element; ends and joints keep their exact positions."""
    n = axis.degree + 1
    s = lobatto(2 * n - 1)[0]
    pieces = []
    for left, right in zip(axis.edges[:-1], axis.edges[1:], strict=True):
        t = 0.5 * (left + right) + 0.5 * (right - left) * s
        pieces.append(axis.centre + axis.scale * np.sinh(t) if axis.scale else t)
    nodes = np.concatenate([piece[:-1] for piece in pieces] + [pieces[-1][-1:]])
    nodes[:: 2 * (n - 1)] = axis.nodes[:: n - 1]
    return nodes


def _solve(matrix: sp.csr_matrix, right: np.ndarray) -> np.ndarray:
    """Solve a linear system with scaled rows, pivoting and one step of refinement; NaN if the matrix is singular."""
    size = np.asarray(abs(matrix).max(axis=1).todense()).ravel()
    if not (np.all(np.isfinite(matrix.data)) and np.all(size > 0)):
        return np.full_like(right, np.nan)
    scaled, b = sp.csr_matrix(sp.diags(1.0 / size) @ matrix), (right.T / size).T
    if len(b) > _DENSE:
        try:
            solve = spla.splu(scaled.tocsc()).solve
        except RuntimeError:  # exactly singular: the driver reports the non-finite solution
            return np.full_like(right, np.nan)
    else:
        # `lu_factor` would also issue a warning for a singular matrix
        (factorise,) = sla.get_lapack_funcs(("getrf",), dtype=np.float64)
        *factor, singular = factorise(scaled.toarray())
        if singular:
            return np.full_like(right, np.nan)
        solve = ft.partial(sla.lu_solve, tuple(factor), check_finite=False)
    x = solve(b)
    return x + solve(b - scaled @ x)
