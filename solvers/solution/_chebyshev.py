"""Piecewise Chebyshev polynomials along each state: nodes, derivative matrices and value functions."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...models import AbstractValue
from ...models.base import Point, Scalar
from ._tensor import contract, tensor_derivatives

# Scale of the stretched coordinate in lengths of the region. A smaller scale puts more nodes in the region but resolves the margin
# less, which reduces accuracy: on ak_climate with margins of two to four regions, 4 is ten to a hundred times more accurate than 1.
_SCALE = 4.0
# Ratio of the sizes of neighbouring elements, which grow with the distance from a kink.
GROWTH = 5.0


class ChebyshevAxis(NamedTuple):
    """The elements of one state.

    With margins and without kinks there is one element in the stretched coordinate $t = \\sinh^{-1}((x - c)/\\kappa)$, which
    concentrates the nodes in the region of interest; otherwise $t = x$.
    """

    nodes: Float[np.ndarray, " node"]  # Chebyshev-Lobatto nodes of every element; joints are listed once
    joints: tuple[int, ...]  # indices of nodes that two elements share
    first: Float[np.ndarray, "node node"]  # derivative matrices; rows at a joint are those of the element above
    second: Float[np.ndarray, "node node"]
    jumps: Float[np.ndarray, "joint node"]  # slope from above minus slope from below
    edges: Float[np.ndarray, " edge"]  # of the elements, in t
    centre: float
    scale: float  # kappa; 0 stands for t = x

    @property
    def degree(self) -> int:
        """The degree of the polynomial in each element."""
        return (len(self.nodes) - 1) // (len(self.edges) - 1)


def lobatto(count: int) -> tuple[Float[np.ndarray, " node"], Float[np.ndarray, "node node"]]:
    """Chebyshev-Lobatto points on [-1, 1] and their derivative matrix (Trefethen 2000, doi:10.1137/1.9780898719598)."""
    j = np.arange(count)
    angle = np.pi * j / (count - 1)
    sign = np.where((j == 0) | (j == count - 1), 2.0, 1.0) * (-1.0) ** j
    # product formula for differences of cosines, which avoids cancellation
    gap = 2.0 * np.sin(0.5 * (angle[:, None] + angle)) * np.sin(0.5 * (angle[:, None] - angle))
    matrix = np.outer(sign, 1.0 / sign) / (gap + np.eye(count))
    matrix -= np.diag(matrix.sum(axis=1))
    return -np.cos(angle), matrix


def chebyshev_axis(
    region: tuple[float, float], domain: tuple[float, float], count: int, kinks: tuple[float, ...], refinement: int
) -> ChebyshevAxis:
    """The elements of a state: one element without kinks, otherwise graded elements on both sides of every kink.

    `count` is the number of nodes per element; `refinement` is the number of graded elements on each side of a kink.
    """
    centre, scale = stretch(region, domain) if not kinks else (0.0, 0.0)
    edges = _graded(domain, kinks, refinement) if kinks else _stretched(np.array(domain), centre, scale)
    s, d = lobatto(count)
    size = (len(edges) - 1) * (count - 1) + 1
    t, first, second = np.zeros(size), np.zeros((size, size)), np.zeros((size, size))
    below = np.zeros((len(edges) - 2, size))
    for e, (left, right) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        element_nodes = slice(e * (count - 1), e * (count - 1) + count)
        half = 0.5 * (right - left)
        t[element_nodes] = 0.5 * (left + right) + half * s
        t[element_nodes.start], t[element_nodes.stop - 1] = left, right
        first[element_nodes] = second[element_nodes] = 0.0  # the joint below belongs to this element
        first[element_nodes, element_nodes], second[element_nodes, element_nodes] = d / half, d @ d / half**2
        if e < len(below):
            below[e, element_nodes] = d[-1] / half
    joints = tuple((count - 1) * e for e in range(1, len(edges) - 1))
    jumps = first[list(joints)] - below
    if scale:
        first, second = _unstretched(t, scale, first, second)
        t = centre + scale * np.sinh(t)
    t[0], t[-1] = domain
    return ChebyshevAxis(t, joints, first, second, jumps, edges, centre, scale)


def _unstretched(t, scale: float, first, second):
    """The first and second derivative matrices in the state, from those in the stretched coordinate."""
    slope, bend = 1.0 / (scale * np.cosh(t)), -np.tanh(t) / (scale * np.cosh(t)) ** 2
    return slope[:, None] * first, slope[:, None] ** 2 * second + bend[:, None] * first


def stretch(region: tuple[float, float], domain: tuple[float, float]) -> tuple[float, float]:
    """Centre and scale of the stretched coordinate of a state; scale 0 without margins."""
    below, above = region[0] - domain[0], domain[1] - region[1]
    if below + above <= 0.0:
        return 0.0, 0.0
    # nodes are densest at an end without a margin, or in the region between two margins
    centre = (region[0] * above + region[1] * below) / (below + above)
    return centre, _SCALE * (region[1] - region[0])


def _stretched(x, centre, scale):
    return np.arcsinh((x - centre) / scale) if scale else x


def _graded(domain: tuple[float, float], kinks: tuple[float, ...], refinement: int) -> Float[np.ndarray, " edge"]:
    """Edges at the kinks and, on both sides, at distances that grow geometrically."""
    low, high = domain
    fixed = [low, *sorted(k for k in kinks if low < k < high), high]
    edges = [low]
    for n, (left, right) in enumerate(zip(fixed[:-1], fixed[1:], strict=True)):
        length = right - left
        from_left, from_right = n > 0, n < len(fixed) - 2
        reach = 0.5 * length if from_left and from_right else length
        distances = reach * GROWTH ** -np.arange(refinement, 0, -1.0)
        inner = [left + x for x in distances] if from_left else []
        if from_left and from_right:
            inner.append(left + reach)
        edges += [*inner, *([right - x for x in distances[::-1]] if from_right else []), right]
    return np.array(edges)


class PiecewiseChebyshev(AbstractValue):
    """A value function of piecewise Chebyshev polynomials along each state, with exact derivatives.

    Outside the box the polynomial of the last element is extrapolated.

    **Arguments:**

    - `coefficients`: one axis per state, with the coefficients of degree 0 to `degree` of one element after the other.
    - `edges`: for each state the edges of its elements, in the stretched coordinate.
    - `centre`, `scale`: of the stretched coordinate of each state; scale 0 for none.
    - `degree`: for each state.

    !!! example

        ```python
        import abatax as ab

        solution = ab.solve(ab.HJBProblem(ab.models.LinearQuadratic()), ab.solvers.Spectral(points=5))
        assert isinstance(solution.value, ab.solvers.PiecewiseChebyshev)
        ```
    """

    coefficients: Float[Array, "..."]
    edges: tuple[Float[Array, "..."], ...]
    centre: Float[Array, "*family state"]
    scale: Float[Array, "*family state"]
    degree: tuple[int, ...] = eqx.field(static=True)

    def __call__(self, t: Scalar, x: Point) -> Scalar:
        block, bases = self._local(x)
        return contract(block, [basis[0] for basis in bases])

    def derivatives(self, t: Scalar, x: Point) -> tuple[Scalar, Float[Array, " state"], Float[Array, "state state"]]:
        block, bases = self._local(x)
        return tensor_derivatives(block, bases)

    def _local(self, x: Point):
        """The coefficients of the element that contains a state, and for each state the polynomials and two derivatives."""
        bases, starts = [], []
        for a, (edges, degree, z) in enumerate(zip(self.edges, self.degree, x, strict=True)):
            stretched = self.scale[a] > 0.0
            width = jnp.where(stretched, self.scale[a], 1.0)
            y = (z - self.centre[a]) / width
            r = 1.0 / jnp.sqrt(1.0 + y**2)
            t = jnp.where(stretched, jnp.arcsinh(y), z)
            slope = jnp.where(stretched, r / width, 1.0)
            bend = jnp.where(stretched, -y * r**3 / width**2, 0.0)
            element = jnp.clip(jnp.searchsorted(edges, t, side="right") - 1, 0, edges.shape[0] - 2)
            left, right = edges[element], edges[element + 1]
            half = 0.5 * (right - left)
            value, first, second = polynomials((t - 0.5 * (left + right)) / half, degree)
            first, second = first / half, second / half**2
            bases.append([value, first * slope, second * slope**2 + first * bend])
            starts.append(element * (degree + 1))
        widths = tuple(n + 1 for n in self.degree)
        return jax.lax.dynamic_slice(self.coefficients, tuple(starts), widths), bases

    def of_member(self, index: int) -> "PiecewiseChebyshev":
        """One member of a family with stacked leaves."""
        return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)[index]), self)

    def resample(self, nodes: tuple[Float[np.ndarray, "..."], ...]) -> Float[np.ndarray, "..."]:
        """Values on the tensor product of `nodes`, on the host."""
        values = np.asarray(self.coefficients)
        for a, (edges, degree, x) in enumerate(zip(self.edges, self.degree, nodes, strict=True)):
            edges, scale = np.asarray(edges), float(self.scale[a])
            t = _stretched(np.asarray(x), float(self.centre[a]), scale)
            element = np.clip(np.searchsorted(edges, t, side="right") - 1, 0, len(edges) - 2)
            left, right = edges[element], edges[element + 1]
            local = np.polynomial.chebyshev.chebvander((2.0 * t - left - right) / (right - left), degree)
            matrix = np.zeros((len(t), values.shape[a]))
            columns = element[:, None] * (degree + 1) + np.arange(degree + 1)
            np.put_along_axis(matrix, columns, local, axis=1)
            values = np.moveaxis(np.tensordot(matrix, values, axes=(1, a)), 0, a)
        return values


def cardinals(axis: ChebyshevAxis, x: Float[np.ndarray, " point"]) -> Float[np.ndarray, "point node"]:
    """The polynomials that are 1 at one node and 0 at the others of its element, by the barycentric formula."""
    t = _stretched(x, axis.centre, axis.scale)
    element = np.clip(np.searchsorted(axis.edges, t, side="right") - 1, 0, len(axis.edges) - 2)
    left, right = axis.edges[element], axis.edges[element + 1]
    n = axis.degree + 1
    gap = ((2.0 * t - left - right) / (right - left))[:, None] - lobatto(n)[0]
    sign = (-1.0) ** np.arange(n)
    sign[[0, -1]] *= 0.5
    hit = np.abs(gap) < 1e-14
    local = sign / np.where(hit, 1.0, gap)
    local = np.where(hit.any(axis=1, keepdims=True), hit, local / np.sum(local, axis=1, keepdims=True))
    rows = np.zeros((len(t), len(axis.nodes)))
    np.put_along_axis(rows, element[:, None] * (n - 1) + np.arange(n), local, axis=1)
    return rows


def polynomials(s, degree: int, xp: Any = jnp):
    """Chebyshev polynomials of degree 0 to `degree` at `s` and their first two derivatives, by recurrence."""
    tables = [[xp.ones_like(s), s], [xp.zeros_like(s), xp.ones_like(s)], [xp.zeros_like(s)] * 2]
    for n in range(1, degree):
        for k in (2, 1, 0):
            table = tables[k]
            below = 2.0 * k * tables[k - 1][n] if k else 0.0
            table.append(2.0 * s * table[n] - table[n - 1] + below)
    return [xp.stack(table[: degree + 1], axis=-1) for table in tables]


def tables_at(axis: ChebyshevAxis, x: Float[np.ndarray, " point"]) -> list[Float[np.ndarray, "point node"]]:
    """Matrices from the values at the nodes of a state to the value and its first two derivatives at given points."""
    t, n = _stretched(x, axis.centre, axis.scale), axis.degree + 1
    element = np.clip(np.searchsorted(axis.edges, t, side="right") - 1, 0, len(axis.edges) - 2)
    left, right = axis.edges[element], axis.edges[element + 1]
    half = 0.5 * (right - left)
    inverse = np.linalg.inv(np.polynomial.chebyshev.chebvander(lobatto(n)[0], n - 1))
    local = [np.asarray(p) @ inverse for p in polynomials((t - 0.5 * (left + right)) / half, n - 1, np)]
    value, first, second = local[0], local[1] / half[:, None], local[2] / half[:, None] ** 2
    if axis.scale:
        first, second = _unstretched(t, axis.scale, first, second)
    tables = [np.zeros((len(x), len(axis.nodes))) for _ in range(3)]
    columns = element[:, None] * (n - 1) + np.arange(n)
    for table, part in zip(tables, (value, first, second), strict=True):
        np.put_along_axis(table, columns, part, axis=1)
    return tables


def chebyshev_values(axes: tuple[ChebyshevAxis, ...], values: Float[np.ndarray, "family ..."]) -> PiecewiseChebyshev:
    """The value functions of a family from their values on the nodes, leaves stacked."""
    coefficients, family = np.asarray(values), len(values)
    for a, axis in enumerate(axes):
        n = axis.degree + 1
        s = lobatto(n)[0]
        inverse = np.linalg.inv(np.polynomial.chebyshev.chebvander(s, n - 1))
        pieces = []
        for e in range(len(axis.edges) - 1):
            piece = np.take(coefficients, range(e * (n - 1), e * (n - 1) + n), axis=a + 1)
            pieces.append(np.moveaxis(np.tensordot(inverse, piece, axes=(1, a + 1)), 0, a + 1))
        coefficients = np.concatenate(pieces, axis=a + 1)

    def stacked(array):
        return jnp.asarray(np.broadcast_to(array, (family, *np.shape(array))))

    return PiecewiseChebyshev(
        jnp.asarray(coefficients),
        tuple(stacked(axis.edges) for axis in axes),
        stacked(np.array([axis.centre for axis in axes])),
        stacked(np.array([axis.scale for axis in axes])),
        tuple(axis.degree for axis in axes),
    )
