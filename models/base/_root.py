from collections.abc import Callable

import jax
import jax.numpy as jnp

from ._types import Scalar

# Newton's method converges quadratically: after a step of this relative size the error is rounding.
_CONVERGED = 1e-9
_MOST_STEPS = 80  # enough to bisect a bracket of 60 e-folds down to rounding


def increasing_root(
    function: Callable[[Scalar], Scalar], low: Scalar, high: Scalar, start: Scalar, *, size: float = 0.0
) -> Scalar:
    r"""The root of an increasing function on a bracket by Newton's method, with bisection if a step leaves the bracket.

    Newton steps can alternate across a kink; a step that reverses direction must therefore be shorter than half of the last step.

    The function works under `jit` and `vmap`. The loop has no derivative in reverse mode: a caller that needs one adds one Newton step
    after `jax.lax.stop_gradient` (implicit function theorem).

    **Arguments:**

    - `function`: increasing, pointwise.
    - `low`, `high`: finite bracket; without a change of sign the end nearer to a root is returned.
    - `start`: first guess.
    - `size`: typical magnitude of the unknown, if the unknown may be zero: 1 for logarithms.

    **Returns:** the root, to rounding of `function`.
    """

    def unfinished(carry):
        x, _, _, last_step, count = carry
        return (jnp.abs(last_step) > _CONVERGED * jnp.maximum(jnp.abs(x), size)) & (count < _MOST_STEPS)

    def step(carry):
        x, lower, upper, last_step, count = carry
        value, slope = jax.jvp(function, (x,), (jnp.ones_like(x),))
        lower, upper = jnp.where(value < 0, x, lower), jnp.where(value > 0, x, upper)
        newton = x - value / jnp.where(slope > 0, slope, 1.0)
        alternates = ((newton - x) * last_step < 0) & (jnp.abs(newton - x) > 0.5 * jnp.abs(last_step))
        accepted = (slope > 0) & (newton >= lower) & (newton <= upper) & ~alternates
        new = jnp.where(accepted, newton, 0.5 * (lower + upper))
        return new, lower, upper, new - x, count + 1

    init = jnp.clip(start, low, high), low, high, jnp.full_like(start, jnp.inf), jnp.array(0)
    return jax.lax.while_loop(unfinished, step, init)[0]
