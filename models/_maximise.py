from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._types import Scalar


def maximise(
    objective: Callable[[Float[Array, " control"]], Scalar],
    low: Float[Array, " control"],
    high: Float[Array, " control"],
    *,
    max_steps: int = 60,
) -> Float[Array, " control"]:
    r"""Maximise a smooth function over a box: projected Newton steps with Levenberg damping.

    The first point is the best of a coarse scan along the diagonal of the box, then along each control, so that functions which are
    minus infinity on part of the box (a logarithm of consumption) are no obstacle. Every accepted step
    increases the objective; controls at a bound with an outward gradient are held there.

    **Arguments:**

    - `objective`: twice differentiable, pointwise; non-finite values count as minus infinity.
    - `low`, `high`: bounds; infinite ones are allowed.

    **Returns:** the maximiser, to about 1e-10 relative.

    !!! example

        ```python
        import jax.numpy as jnp
        import abatax as ab

        best = ab.models.maximise(lambda u: -jnp.sum((u - 2.0) ** 2), jnp.zeros(1), jnp.ones(1))
        assert best[0] == 1.0
        ```
    """

    def safe(u):
        value = objective(u)
        return jnp.where(jnp.isfinite(value), value, -jnp.inf)

    # an infinite side is scanned over a unit length around the finite one, or around zero
    centre = jnp.where(jnp.isfinite(low), low, jnp.where(jnp.isfinite(high), high - 2.0, -1.0))
    reach = jnp.where(jnp.isfinite(high), high, centre + 2.0) - centre
    fractions = jnp.array([1e-6, 1e-4, 1e-3, 1e-2, 0.05, 0.2, 0.5, 0.8, 0.95])
    scan = centre[None, :] + fractions[:, None] * reach[None, :]
    # all controls together, then every control on its own: they may be of very different size
    moved = jnp.concatenate([jnp.ones((1, len(centre)), dtype=bool), jnp.eye(len(centre), dtype=bool)])

    def pick(best, along):
        lines = jnp.concatenate([best[0][None, :], jnp.where(along, scan, best[0][None, :])])
        return _best_of(safe, lines), None

    (start, at_start), _ = jax.lax.scan(pick, (scan[0], jnp.array(-jnp.inf)), moved)

    def twice(u):
        slope = jax.grad(objective)(u)
        return slope, slope

    def cond(carry):
        _, _, damping, step, moved = carry
        return (step < max_steps) & (moved > 1e-13) & (damping < 1e18)

    def body(carry):
        u, value, damping, step, _ = carry
        h, g = jax.jacfwd(twice, has_aux=True)(u)  # one pass for both
        held = ((u <= low) & (g < 0)) | ((u >= high) & (g > 0))
        free = ~held
        scale = jnp.maximum(jnp.abs(jnp.diagonal(h)), 1e-12)
        both = free[:, None] & free[None, :]
        # flip the curvature where the function is not concave: then this is a gradient step
        curvature = jnp.where(both, -h, 0.0) + jnp.diag(jnp.where(free, damping * scale, 1.0))
        convex = jnp.any((jnp.diagonal(h) > 0) & free)
        curvature = jnp.where(convex, jnp.diag(jnp.where(free, scale * (1.0 + damping), 1.0)), curvature)
        move = jnp.linalg.solve(curvature, jnp.where(free, g, 0.0))
        new = jnp.clip(u + jnp.where(jnp.isfinite(move), move, 0.0), low, high)
        # a bound at which the slope is infinite (a power of a control) is a trap: nine tenths of the way may be better
        short = jnp.where(new <= low, low + 0.1 * (u - low), jnp.where(new >= high, high - 0.1 * (high - u), new))
        new, new_value = _best_of(safe, jnp.stack([new, jnp.where(jnp.isfinite(short), short, new)]))
        better = new_value >= value
        size = jnp.max(jnp.abs(new - u) / (1.0 + jnp.abs(u)))
        damping = jnp.where(better, damping * 0.05, jnp.maximum(damping, 1e-4) * 10.0)
        damping = jnp.where(damping < 1e-9, 0.0, damping)
        return (
            jnp.where(better, new, u),
            jnp.where(better, new_value, value),
            damping,
            step + 1,
            jnp.where(better, size, 1.0),
        )

    init = (start, at_start, jnp.array(1e-3), jnp.array(0), jnp.array(1.0))
    return jax.lax.while_loop(cond, body, init)[0]


def _best_of(function, points):
    """Of several points the best one, and its value."""
    values = jax.vmap(function)(points)
    best = jnp.argmax(values)
    return points[best], values[best]
