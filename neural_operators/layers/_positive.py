"""A dense layer whose weights are positive by construction."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray


class PositiveLinear(eqx.Module):
    r"""$y = \mathrm{softplus}(M)x$ without bias; initial weights are exponentially distributed with mean `total` / inputs."""

    raw: Float[Array, "output input"]

    def __init__(self, in_size: int, out_size: int, *, total: float, dtype: Any, key: PRNGKeyArray):
        weight = jr.exponential(key, (out_size, in_size), dtype) * (total / in_size)
        # The inverse of softplus; the lower bound keeps weights near zero trainable.
        self.raw = jnp.log(jnp.expm1(jnp.maximum(weight, 1e-3 * total / in_size)))

    def __call__(self, x: Float[Array, " input"]) -> Float[Array, " output"]:
        return jax.nn.softplus(self.raw) @ x
