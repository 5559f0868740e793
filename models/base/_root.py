from collections.abc import Callable

import jax
import jax.numpy as jnp

from ._types import Scalar

# Newton steps converge quadratically: after a step this small, relative to the unknown, the error is rounding.
_CONVERGED = 1e-9
_MOST_STEPS = 80  # bisections of a bracket of 60 e-folds down to rounding, where Newton steps leave it


def increasing_root(
    function: Callable[[Scalar], Scalar], low: Scalar, high: Scalar, start: Scalar, *, size: float = 0.0
) -> Scalar:
    r"""The root of an increasing function on a bracket: Newton steps, halving where they leave it.

    Across a kink Newton steps can go to and fro for ever: one that turns back must be shorter than half of the last.

    Works under `jit` and `vmap`. The loop has no derivative in reverse mode: a caller that needs one adds one Newton step
    after `jax.lax.stop_gradient` (implicit function theorem).

    **Arguments:**

    - `function`: increasing, pointwise.
    - `low`, `high`: finite bracket; without a change of sign the nearer end is returned.
    - `start`: first guess.
    - `size`: of the unknown, where that may be zero: 1 for logarithms.

    **Returns:** the root, to rounding of `function`.
    """

    def unfinished(carry):
        at, _, _, moved, count = carry
        return (jnp.abs(moved) > _CONVERGED * jnp.maximum(jnp.abs(at), size)) & (count < _MOST_STEPS)

    def step(carry):
        at, left, right, moved, count = carry
        value, slope = jax.jvp(function, (at,), (jnp.ones_like(at),))
        left, right = jnp.where(value < 0, at, left), jnp.where(value > 0, at, right)
        newton = at - value / jnp.where(slope > 0, slope, 1.0)
        turns = ((newton - at) * moved < 0) & (jnp.abs(newton - at) > 0.5 * jnp.abs(moved))
        inside = (slope > 0) & (newton >= left) & (newton <= right) & ~turns
        new = jnp.where(inside, newton, 0.5 * (left + right))
        return new, left, right, new - at, count + 1

    init = jnp.clip(start, low, high), low, high, jnp.full_like(start, jnp.inf), jnp.array(0)
    return jax.lax.while_loop(unfinished, step, init)[0]
