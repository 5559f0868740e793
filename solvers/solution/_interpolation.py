from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.interpolate import BSpline, make_interp_spline

from ...models import AbstractValue, HJBProblem
from ...models.base import Point, Scalar
from ._tensor import contract, tensor_derivatives


class TensorSpline(AbstractValue):
    """A value function on a tensor grid: the interpolating B-spline, at least twice continuously differentiable.

    Residuals, policies and social costs are computed with this spline, because linear interpolation has zero second derivatives
    between nodes. Outside the grid the last polynomial piece is extrapolated.

    **Arguments:**

    - `nodes`: for each state its grid nodes.
    - `coefficients`: B-spline coefficients, one axis per state.
    - `knots`: for each state the knots.
    - `degree`: degree of the polynomial pieces, 5 if there are enough nodes.

    The field `pieces` holds the polynomials of the B-splines on every interval.

    Use `TensorSpline.interpolate(nodes, values)` to create a spline.

    !!! example

        ```python
        import abatax as ab

        solution = ab.solve(ab.models.LinearQuadratic(), ab.solvers.FiniteDifference(points=21))
        assert isinstance(solution.value, ab.solvers.TensorSpline) and len(solution.nodes) == 1
        ```
    """

    coefficients: Float[Array, "..."]
    knots: tuple[Float[Array, "..."], ...]
    pieces: tuple[Float[Array, "..."], ...]
    degree: tuple[int, ...] = eqx.field(static=True)

    def __init__(
        self,
        coefficients: Float[Array, "..."],
        knots: tuple[Float[Array, "..."], ...],
        degree: tuple[int, ...],
    ):
        self.coefficients, self.knots, self.degree = coefficients, knots, degree
        self.pieces = tuple(jnp.asarray(_pieces(np.asarray(k), d)) for k, d in zip(knots, degree, strict=True))

    @classmethod
    def interpolate(
        cls,
        nodes: tuple[Float[np.ndarray, "..."], ...],
        values: Float[np.ndarray, "..."],
        breaks: tuple[tuple[int, ...], ...] | None = None,
        degree: int = 5,
    ) -> "TensorSpline":
        """The spline through `values` on the tensor product of `nodes`.

        `breaks` lists for each state the nodes at which derivatives may jump: the spline has separate pieces on both sides, and
        derivatives at the node are those from above.
        """
        coefficients, knots, degrees = np.asarray(values, dtype=float), [], []
        for axis, x in enumerate(nodes):
            t, k = _knots(np.asarray(x), breaks[axis] if breaks else (), degree)
            spline = make_interp_spline(np.asarray(x), coefficients, k=k, t=t, axis=axis)
            coefficients = np.moveaxis(spline.c, 0, axis)  # scipy puts the interpolated axis first
            knots.append(jnp.asarray(spline.t))
            degrees.append(k)
        return cls(jnp.asarray(coefficients), tuple(knots), tuple(degrees))

    def __call__(self, t: Scalar, x: Point) -> Scalar:
        block, bases = self._local(x)
        return contract(block, [basis[0] for basis in bases])

    def derivatives(self, t: Scalar, x: Point) -> tuple[Scalar, Float[Array, " state"], Float[Array, "state state"]]:
        block, bases = self._local(x)
        return tensor_derivatives(block, bases)

    def _local(self, x: Point):
        """The nonzero coefficients at a state, and for each state its B-splines and two derivatives.

        They can be differentiated with respect to the state; knots are constants.
        """
        bases, starts = [], []
        for knots, pieces, degree, z in zip(self.knots, self.pieces, self.degree, x, strict=True):
            fixed, pieces = jax.lax.stop_gradient(knots), jax.lax.stop_gradient(pieces)
            # with few knots, counting compiles faster than a binary search
            span = jnp.clip(jnp.sum(fixed <= z) - 1, degree, fixed.shape[0] - degree - 2)
            bases.append(_basis(pieces[span - degree], fixed[span + 1] - fixed[span], z - fixed[span]))
            starts.append(span - degree)
        widths = tuple(d + 1 for d in self.degree)
        return jax.lax.dynamic_slice(self.coefficients, tuple(starts), widths), bases

    def resample(
        self, nodes: tuple[Float[np.ndarray, "..."], ...], *, linear: bool = False
    ) -> Float[np.ndarray, "..."]:
        """Values on the tensor product of `nodes`, on the host; with `linear`, extrapolated linearly beyond the grid."""
        values = np.asarray(self.coefficients)
        for axis, (knots, degree, x) in enumerate(zip(self.knots, self.degree, nodes, strict=True)):
            spline, x = BSpline(np.asarray(knots), np.moveaxis(values, axis, 0), degree), np.asarray(x)
            inside = np.clip(x, spline.t[0], spline.t[-1]) if linear else x
            resampled = spline(inside)
            if np.any(inside != x):
                resampled = resampled + (x - inside).reshape(-1, *[1] * (resampled.ndim - 1)) * spline.derivative()(
                    inside
                )
            values = np.moveaxis(resampled, 0, axis)
        return values


def _knots(x: Float[np.ndarray, " node"], breaks: tuple[int, ...], degree: int) -> tuple[np.ndarray, int]:
    """Not-a-knot knots for a spline of odd degree, for each segment between the breaks."""
    edges = [0, *breaks, len(x) - 1]
    shortest = int(np.diff(edges).min())
    k = min(degree, shortest if shortest % 2 else shortest - 1)
    skip = (k + 1) // 2
    knots = [np.full(k + 1, x[0])]
    for left, right in zip(edges[:-1], edges[1:], strict=True):
        knots += [x[left + skip : right - skip + 1], np.full(k, x[right])]
    return np.concatenate([*knots, x[-1:]]), k


def splines_through(
    problem: HJBProblem, nodes: tuple[Float[np.ndarray, "..."], ...], values: Float[np.ndarray, "family ..."]
) -> TensorSpline:
    """The value functions of a family from their values on a grid, with stacked leaves; derivatives may jump at the model's kinks."""
    kinks = problem.model.breakpoints()
    breaks = tuple(
        tuple(int(n) for n in np.flatnonzero(np.isin(x[1:-1], kinks.get(field, ()))) + 1)
        for field, x in zip(problem.model.states._fields, nodes, strict=True)
    )
    splines = [TensorSpline.interpolate(nodes, v, breaks) for v in values]
    return jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves)), *splines)


def derivatives_on_axes(
    spline: TensorSpline, axes: Sequence[Float[np.ndarray, " node"]]
) -> tuple[Float[np.ndarray, " point"], Float[np.ndarray, "point state"], Float[np.ndarray, "point state state"]]:
    """Values, slopes and hessians of a spline on a tensor grid, computed by SciPy without compilation.

    **Returns:** arrays over the points of the grid in C order.
    """
    d = len(axes)

    def derivative(orders) -> np.ndarray:
        values = np.asarray(spline.coefficients)
        for axis, (knots, degree, x, nu) in enumerate(zip(spline.knots, spline.degree, axes, orders, strict=True)):
            piece = BSpline(np.asarray(knots), np.moveaxis(values, axis, 0), degree)
            values = np.moveaxis(piece(x, nu=int(nu)), 0, axis)
        return values.ravel()

    unit = np.eye(d, dtype=int)
    slopes = np.stack([derivative(unit[a]) for a in range(d)], axis=-1)
    rows = [[derivative(unit[a] + unit[b]) for b in range(d)] for a in range(d)]
    return derivative(0 * unit[0]), slopes, np.moveaxis(np.array(rows), -1, 0)


def _basis(piece: Float[Array, "local power"], width: Scalar, z: Scalar) -> list[Float[Array, " local"]]:
    """The nonzero B-splines on an interval, at a distance `z` from its start, and their first and second derivatives."""
    count = piece.shape[-1]
    powers, u = np.arange(count, dtype=float), z / width
    ladder = [jnp.ones_like(u)]
    for _ in range(count - 1):
        ladder.append(ladder[-1] * u)
    basis_derivatives = []
    for order in range(3):
        # p (p - 1) ... u^(p - order), divided by the width once per derivative
        factor = np.prod([np.maximum(powers - k, 0) for k in range(order)], axis=0, initial=1.0)
        shifted = jnp.stack([ladder[max(int(p) - order, 0)] for p in powers])
        basis_derivatives.append(piece @ (factor * shifted) / width**order)
    return basis_derivatives


def _pieces(knots: Float[np.ndarray, "*family knot"], degree: int) -> Float[np.ndarray, "*family span local power"]:
    """The polynomials of the B-splines on every interval, in powers of the relative position (0 to 1) on the interval.

    A table compiles in a fraction of the time of the recursion of Cox and de Boor, which would be part of every compiled program.
    """
    family = np.shape(knots)[:-1]
    if family:
        flat = np.reshape(knots, (-1, np.shape(knots)[-1]))
        return np.stack([_pieces(k, degree) for k in flat]).reshape(*family, -1, degree + 1, degree + 1)
    size = len(knots) - degree - 1
    splines, starts = BSpline(knots, np.eye(size), degree), knots[degree:size]
    widths, factorial, columns = np.diff(knots)[degree:size], 1.0, []
    local = np.arange(size - degree)[:, None] + np.arange(degree + 1)
    for power in range(degree + 1):
        factorial *= max(power, 1)
        derivatives = np.take_along_axis(splines(starts, nu=power), local, axis=1)
        columns.append(derivatives * widths[:, None] ** power / factorial)
    return np.stack(columns, axis=-1)
