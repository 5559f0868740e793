import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.interpolate import BSpline, make_interp_spline

from ..models import AbstractValue, HJBProblem
from ..models._types import Point, Scalar
from ._tensor import contract, tensor_derivatives


class TensorSpline(AbstractValue):
    """A value function on a tensor grid: the interpolating B-spline, twice continuously differentiable or better.

    Linear interpolation would make the second derivative zero between nodes; every residual, policy and social cost
    is taken on this spline instead. Outside the grid it extrapolates its last polynomial piece.

    **Arguments:**

    - `nodes`: for each state its grid nodes.
    - `coefficients`: B-spline coefficients, one axis per state.
    - `knots`: for each state the knots.
    - `degree`: of the polynomial pieces, 5 where there are enough nodes.

    Use `TensorSpline.interpolate(nodes, values)` to make one.
    """

    coefficients: Float[Array, "..."]
    knots: tuple[Float[Array, "..."], ...]
    degree: tuple[int, ...] = eqx.field(static=True)

    @classmethod
    def interpolate(
        cls,
        nodes: tuple[Float[np.ndarray, "..."], ...],
        values: Float[np.ndarray, "..."],
        breaks: tuple[tuple[int, ...], ...] | None = None,
        degree: int = 5,
    ) -> "TensorSpline":
        """The spline through `values` on the tensor product of `nodes`.

        `breaks` lists for each state the nodes at which second derivatives jump: the spline has separate pieces on
        either side, and derivatives at the node are those from above.
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

    def moving_derivatives(self, x: Point) -> tuple[Scalar, Float[Array, " state"], Float[Array, "state state"]]:
        """`derivatives` with their own derivative in the state and the coefficients, knots held fixed.

        To be differentiated once: the recursion of the B-splines is passed forwards only, which compiles in a fraction
        of the time.
        """
        fixed = type(x)(*map(jax.lax.stop_gradient, x))
        block, bases = self._local(fixed)
        bases, steeper = [list(map(jax.lax.stop_gradient, b)) for b in bases], []
        for knots, degree, z in zip(self.knots, self.degree, fixed, strict=True):
            span = jnp.clip(jnp.searchsorted(knots, z, side="right") - 1, degree, knots.shape[0] - degree - 2)
            stopped = jax.lax.stop_gradient(knots)
            third = jax.jvp(lambda z, k=stopped, d=degree, s=span: _basis(k, d, s, z)[2], (z,), (jnp.ones_like(z),))[1]
            steeper.append(jax.lax.stop_gradient(third))
        moved = [
            [b + (z - at) * after for b, after in zip(basis, [*basis[1:], third], strict=True)]
            for basis, third, z, at in zip(bases, steeper, x, fixed, strict=True)
        ]
        return tensor_derivatives(block, moved)

    def _local(self, x: Point):
        """The coefficients that matter at a state, and for each state its B-splines and two derivatives."""
        bases, starts = [], []
        for knots, degree, z in zip(self.knots, self.degree, x, strict=True):
            size = knots.shape[0] - degree - 1
            span = jnp.clip(jnp.searchsorted(knots, z, side="right") - 1, degree, size - 1)
            bases.append(_basis(knots, degree, span, z))
            starts.append(span - degree)
        widths = tuple(d + 1 for d in self.degree)
        return jax.lax.dynamic_slice(self.coefficients, tuple(starts), widths), bases

    def resample(self, nodes: tuple[Float[np.ndarray, "..."], ...]) -> Float[np.ndarray, "..."]:
        """Values on the tensor product of `nodes`, on the host."""
        values = np.asarray(self.coefficients)
        for axis, (knots, degree, x) in enumerate(zip(self.knots, self.degree, nodes, strict=True)):
            spline = BSpline(np.asarray(knots), np.moveaxis(values, axis, 0), degree)
            values = np.moveaxis(spline(np.asarray(x)), 0, axis)
        return values


def _knots(x: Float[np.ndarray, " node"], breaks: tuple[int, ...], degree: int) -> tuple[np.ndarray, int]:
    """Not-a-knot knots of odd degree, segment by segment between the breaks."""
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
    """The value functions of a family from their values on a grid, leaves stacked; the model's kinks are kept."""
    kinks = problem.model.breakpoints()
    breaks = tuple(
        tuple(int(n) for n in np.flatnonzero(np.isin(x[1:-1], kinks.get(field, ()))) + 1)
        for field, x in zip(problem.model.states._fields, nodes, strict=True)
    )
    splines = [TensorSpline.interpolate(nodes, v, breaks) for v in values]
    return jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves)), *splines)


def _basis(knots: Array, degree: int, span: Array, z: Scalar) -> list[Float[Array, " local"]]:
    """The degree + 1 B-splines that are not zero at `z`, and their first and second derivatives.

    Cox-de Boor recursion (de Boor 1978, algorithm X.8); a derivative is a difference of splines of one degree less.
    """
    around = jax.lax.dynamic_slice(knots, (span - degree + 1,), (2 * degree,))

    def knot(offset):  # knots[span + offset]
        return around[degree - 1 + offset]

    table = [[jnp.ones_like(z)]]
    for k in range(1, degree + 1):
        saved, new = jnp.zeros_like(z), []
        for r in range(k):
            right, left = knot(r + 1), knot(r + 1 - k)
            term = table[-1][r] / (right - left)
            new.append(saved + (right - z) * term)
            saved = (z - left) * term
        table.append([*new, saved])

    def differentiate(lower, k):
        """Derivatives of the splines of degree k from the values (or derivatives) of those of degree k - 1."""
        steps = [k * lower[r] / (knot(r + 1) - knot(r + 1 - k)) for r in range(k)]
        zero = jnp.zeros_like(z)
        return [before - after for before, after in zip([zero, *steps], [*steps, zero], strict=True)]

    second = [jnp.zeros_like(z)] * (degree + 1)
    if degree > 1:
        second = differentiate(differentiate(table[degree - 2], degree - 1), degree)
    first = differentiate(table[degree - 1], degree)
    return [jnp.stack(table[degree]), jnp.stack(first), jnp.stack(second)]
