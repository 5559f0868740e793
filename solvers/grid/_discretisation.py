"""Difference operators on a tensor grid, and the sparse matrix for a frozen policy."""

import functools as ft
import itertools as it
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float

from ._stencils import Axis, biased, centred, downstream, one_sided, slope_jump


class Scheme(NamedTuple):
    """Difference matrices of every state: forward, backward and second differences.

    The centred scheme has equal forward and backward matrices.
    """

    forward: tuple[Float[np.ndarray, "n n"], ...]
    backward: tuple[Float[np.ndarray, "n n"], ...]
    second: tuple[Float[np.ndarray, "n n"], ...]
    mixed: tuple[Float[np.ndarray, "n n"], ...]  # first derivatives used in mixed second derivatives


class Derivatives(NamedTuple):
    """One-sided first derivatives and the hessian at all nodes of all members."""

    forward: Float[np.ndarray, "family node state"]
    backward: Float[np.ndarray, "family node state"]
    hessian: Float[np.ndarray, "family node state state"]


class FaceSlopes(NamedTuple):
    """Known first and second normal derivatives at the faces, by state and side (0 low, 1 high); other faces have no entry."""

    slope: dict[tuple[int, int], Float[np.ndarray, "family node"]]
    bend: dict[tuple[int, int], Float[np.ndarray, "family node"]]


class Discretisation:
    """A tensor grid with two schemes: a monotone first-order scheme and a centred high-order scheme.

    In time-like states (`marched`: the sign of their drift, 0 for other states), which have no noise, the high-order scheme is
    one-sided and its system is triangular. In other states without noise, or with noise too faint for the cells (`quiet`), it is
    biased to the side of the drift.
    """

    def __init__(
        self,
        axes: tuple[Axis, ...],
        order: int,
        marched: tuple[int, ...] | None = None,
        quiet: tuple[bool, ...] | None = None,
    ):
        self.axes = axes
        self.order = order
        self.marched = marched or (0,) * len(axes)
        # the biased differences have order 3; at order 2 the centred scheme is kept
        leaning = quiet or (False,) * len(axes)
        self.leaning = tuple(q and not m and order > 2 for q, m in zip(leaning, self.marched, strict=True))
        self.shape = tuple(len(a.nodes) for a in axes)
        self.size = int(np.prod(self.shape))
        self.dimension = len(axes)

    @property
    def nodes(self) -> tuple[Float[np.ndarray, "..."], ...]:
        """The nodes of each state."""
        return tuple(a.nodes for a in self.axes)

    @ft.cached_property
    def points(self) -> Float[np.ndarray, "node state"]:
        """Coordinates of all nodes, the last state fastest."""
        mesh = np.meshgrid(*self.nodes, indexing="ij")
        return np.stack([m.ravel() for m in mesh], axis=-1)

    def on_face(self, axis: int, side: int) -> Bool[np.ndarray, " node"]:
        """The nodes on a face."""
        index = np.unravel_index(np.arange(self.size), self.shape)[axis]
        return index == (self.shape[axis] - 1 if side else 0)

    def scheme(self, high_order: bool, known_faces: frozenset[tuple[int, int]]) -> Scheme:
        """Matrices of one of the two schemes; rows at faces with a known slope are zero."""
        forward, backward, second, mixed = [], [], [], []
        for d, axis in enumerate(self.axes):
            first, bend = centred(axis, self.order if high_order else 2)
            if high_order and self.marched[d]:
                first = downstream(axis, self.order, self.marched[d], (d, int(self.marched[d] > 0)) in known_faces)
            plus, minus, three_point = one_sided(axis)
            mixed.append(first)
            if high_order:
                first, bend = first.copy(), bend.copy()
                pair = [biased(axis, 1), biased(axis, -1)] if self.leaning[d] else [first]
                for side in (0, 1):
                    if (d, side) in known_faces:
                        for matrix in (*pair, bend):
                            matrix[-side] = 0.0
                forward.append(pair[0])
                backward.append(pair[-1])
                second.append(bend)
            else:
                forward.append(plus)
                backward.append(minus)
                second.append(three_point)
        return Scheme(tuple(forward), tuple(backward), tuple(second), tuple(mixed))

    def differentiate(
        self, scheme: Scheme, values: Float[np.ndarray, "family node"], faces: FaceSlopes, high_order: bool
    ) -> Derivatives:
        """Derivatives of all members at all nodes, with the known slopes at the faces."""
        family = values.shape[0]
        grid = values.reshape(family, *self.shape)
        n, d = self.size, self.dimension
        forward, backward = np.zeros((family, n, d)), np.zeros((family, n, d))
        hessian = np.zeros((family, n, d, d))

        def along(matrix, axis, v=grid):
            return np.moveaxis(np.tensordot(v, matrix, axes=(axis + 1, 1)), -1, axis + 1)

        for a in range(d):
            forward[:, :, a] = along(scheme.forward[a], a).reshape(family, n)
            backward[:, :, a] = along(scheme.backward[a], a).reshape(family, n)
            hessian[:, :, a, a] = along(scheme.second[a], a).reshape(family, n)
        for a, b in it.combinations(range(d), 2):
            cross = along(scheme.mixed[b], b, along(scheme.mixed[a], a)).reshape(family, n)
            hessian[:, :, a, b] = hessian[:, :, b, a] = cross
        for (a, side), slope in faces.slope.items():
            on = self.on_face(a, side)
            if high_order and self.marched[a] == (1 if side else -1):
                # slope at the node before the face: twice the mean slope of the cell minus the slope at the face
                index = [slice(None)] * d
                index[a] = slice(-2, -1) if side else slice(1, 2)
                last = [slice(None)] * d
                last[a] = slice(-1, None) if side else slice(0, 1)
                near = np.zeros((family, *self.shape))
                near[(slice(None), *index)] = slope.reshape(family, *self.shape)[(slice(None), *last)]
                forward[:, :, a] -= near.reshape(family, n)
                backward[:, :, a] -= near.reshape(family, n)
            if high_order or side == 1:
                forward[:, on, a] = slope[:, on]
            if high_order or side == 0:
                backward[:, on, a] = slope[:, on]
            hessian[:, on, a, a] = faces.bend[a, side][:, on]
        return Derivatives(forward, backward, hessian)

    def _lift(self, matrix: Float[np.ndarray, "n n"], axis: int) -> sp.csr_matrix:
        before, after = int(np.prod(self.shape[:axis])), int(np.prod(self.shape[axis + 1 :]))
        whole = sp.kron(sp.kron(sp.identity(before), sp.csr_matrix(matrix)), sp.identity(after))
        return sp.csr_matrix(whole)

    def matching(self, order: int) -> tuple[Bool[np.ndarray, " node"], sp.csr_matrix]:
        """The nodes on kinks, and the matrix rows that impose a continuous slope there, to the given order.

        In a time-like state the slope may jump. In other states the equation holds on both sides of a kink with different second
        derivatives, and the sides are joined by continuity of the value and the slope. The rows are scaled by the smallest cell, so
        that they have the unit of the value.
        """
        on_kink, rows = np.zeros(self.size, dtype=bool), sp.csr_matrix((self.size, self.size))
        for a, axis in enumerate(self.axes):
            if self.marched[a]:
                continue
            jump = np.zeros((self.shape[a], self.shape[a]))
            for kink in axis.breaks:
                jump[kink] = slope_jump(axis, kink, order) * np.diff(axis.nodes).min()
            index = np.unravel_index(np.arange(self.size), self.shape)[a]
            at_kink = np.isin(index, axis.breaks) & ~on_kink
            rows = rows + sp.diags(at_kink.astype(float)) @ self._lift(jump, a)
            on_kink |= at_kink
        return on_kink, sp.csr_matrix(rows)

    def operators(self, scheme: Scheme, has_mixed: bool) -> "Operators":
        """The matrices of a scheme on the whole grid."""
        d = self.dimension
        mixed = {}
        if has_mixed:
            lifted = [self._lift(m, a) for a, m in enumerate(scheme.mixed)]
            mixed = {(a, b): lifted[a] @ lifted[b] for a, b in it.combinations(range(d), 2)}
        forward = tuple(self._lift(m, a) for a, m in enumerate(scheme.forward))
        # the centred scheme has one matrix for both sides, so that `assemble` does not split the drift by its sign
        backward = tuple(
            forward[a] if m is scheme.forward[a] else self._lift(m, a) for a, m in enumerate(scheme.backward)
        )
        return Operators(
            forward,
            backward,
            tuple(self._lift(m, a) for a, m in enumerate(scheme.second)),
            mixed,
        )


class Operators(NamedTuple):
    """The matrices of a scheme on the whole grid."""

    forward: tuple[sp.csr_matrix, ...]
    backward: tuple[sp.csr_matrix, ...]
    second: tuple[sp.csr_matrix, ...]
    mixed: dict[tuple[int, int], sp.csr_matrix]

    def assemble(
        self,
        discount: Float[np.ndarray, " node"],
        drift: Float[np.ndarray, "node state"],
        variance: Float[np.ndarray, "node state state"],
    ) -> sp.csr_matrix:
        r"""The matrix of $V\mapsto cV + b\cdot V_x + \tfrac12\mathrm{tr}(\sigma\sigma^\top V_{xx})$, upwinded by the sign of $b$."""
        total = sp.diags(discount)
        for a in range(drift.shape[1]):
            if self.forward[a] is self.backward[a]:
                total = total + sp.diags(drift[:, a]) @ self.forward[a]
            else:
                total = total + sp.diags(np.maximum(drift[:, a], 0.0)) @ self.forward[a]
                total = total + sp.diags(np.minimum(drift[:, a], 0.0)) @ self.backward[a]
            if np.any(variance[:, a, a]):
                total = total + sp.diags(variance[:, a, a]) @ self.second[a]
        for (a, b), matrix in self.mixed.items():
            if np.any(variance[:, a, b]):
                total = total + sp.diags(variance[:, a, b] + variance[:, b, a]) @ matrix
        total = sp.csr_matrix(total)
        total.eliminate_zeros()  # stored zeros would hide a triangular structure
        return total

    def with_axis(self, axis: int, other: "Operators") -> "Operators":
        """These operators with the matrices of one state replaced by those of `other`."""

        def pick(here, there):
            return tuple(there[a] if a == axis else here[a] for a in range(len(here)))

        return Operators(
            pick(self.forward, other.forward),
            pick(self.backward, other.backward),
            pick(self.second, other.second),
            self.mixed,
        )
