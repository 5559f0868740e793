"""The step of a stochastic differential equation along paths."""

from typing import TypeVar

import jax
from jaxtyping import Array, Float

from ...models.base import Scalar

Tree = TypeVar("Tree")


def euler_step(
    state: Tree,
    drift: Tree,
    loadings: Tree,
    distortion: Float[Array, " noise"],
    dt: Scalar | float,
    increments: Float[Array, " noise"],
) -> Tree:
    r"""One Euler-Maruyama step, $x + (b + \sigma h)\,\Delta t + \sigma\,\Delta W$, for each leaf of a tree of scalars.

    **Arguments:** `state`, `drift` (per year), `loadings` (one row of $\sigma$ per state): trees of the same structure.
    `distortion`: $h$, the drift that a distorted measure adds to the shocks. `dt`: years. `increments`: $\Delta W$, with variance
    `dt`.

    **Returns:** the state after the step.

    !!! example

        ```python
        import jax.numpy as jnp

        from abatax.solvers.paths import euler_step

        after = euler_step(jnp.array(1.0), jnp.array(-0.5), jnp.array([0.2]), jnp.zeros(1), 0.1, jnp.array([0.3]))
        assert abs(float(after) - 1.01) < 1e-12
        ```
    """
    return jax.tree.map(lambda x, b, s: x + (b + s @ distortion) * dt + s @ increments, state, drift, loadings)
