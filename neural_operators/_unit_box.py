"""States scaled to [-1, 1]."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .layers import Frozen


class UnitBox(eqx.Module):
    r"""States as a vector with entries in [-1, 1]: $2(x - l)/(h - l) - 1$. The bounds are not trained.

    **Arguments:**

    - `box`: (low, high) for each state, in its unit.

    **Raises:** `ValueError` if a low is not below its high.
    """

    ends: Frozen

    def __init__(self, box: tuple[tuple[float, float], ...], dtype: Any = jnp.float64):
        low, high = (np.array(ends, dtype=np.float64) for ends in zip(*box, strict=True))
        if not np.all(low < high):
            raise ValueError(f"`box` is {box}; every low must be below its high.")
        self.ends = Frozen((jnp.asarray(low, dtype), jnp.asarray(high, dtype)))

    def __call__(self, x: Any) -> Float[Array, " state"]:
        low, high = self.ends.value
        return 2.0 * (jnp.stack(tuple(x)) - low) / (high - low) - 1.0
