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

    gradient, hessian = jax.grad(objective), jax.hessian(objective)
    # an infinite side is scanned over a unit length around the finite one, or around zero
    centre = jnp.where(jnp.isfinite(low), low, jnp.where(jnp.isfinite(high), high - 2.0, -1.0))
    reach = jnp.where(jnp.isfinite(high), high, centre + 2.0) - centre
    fractions = jnp.array([1e-6, 1e-4, 1e-3, 1e-2, 0.05, 0.2, 0.5, 0.8, 0.95])
    scan = centre[None, :] + fractions[:, None] * reach[None, :]
    start = scan[jnp.argmax(jax.vmap(safe)(scan))]
    for n in range(len(start)):  # then every control on its own: they may be of very different size
        lines = jnp.broadcast_to(start, scan.shape).at[:, n].set(scan[:, n])
        lines = jnp.concatenate([start[None, :], lines])
        start = lines[jnp.argmax(jax.vmap(safe)(lines))]

    def cond(carry):
        _, _, damping, step, moved = carry
        return (step < max_steps) & (moved > 1e-13) & (damping < 1e18)

    def body(carry):
        u, value, damping, step, _ = carry
        g, h = gradient(u), hessian(u)
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
        new, new_value = _better_of(safe, new, jnp.where(jnp.isfinite(short), short, new))
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

    init = (start, safe(start), jnp.array(1e-3), jnp.array(0), jnp.array(1.0))
    return jax.lax.while_loop(cond, body, init)[0]


def _better_of(function, first, second):
    """Of two points the better one, and its value."""
    values = function(first), function(second)
    return jnp.where(values[1] > values[0], second, first), jnp.maximum(*values)
