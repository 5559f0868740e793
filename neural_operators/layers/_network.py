"""The common interface of all architectures."""

import abc
from typing import Literal

import equinox as eqx
from jaxtyping import Array, Float

OutSize = int | Literal["scalar"]


class AbstractNetwork(eqx.Module):
    """A smooth function of a vector with entries in [-1, 1].

    Every architecture is created by `Name(in_size, out_size, *, width, depth, ..., dtype, key)`, is reproducible for the same key, and
    contains only arrays, so that `jax.jit`, `jax.vmap` and `jax.tree` accept it. Its parameters are its floating-point
    arrays; see `trainable`. Use `jax.vmap` to evaluate many points.

    !!! example

        ```python
        import jax
        import jax.numpy as jnp
        import jax.random as jr

        import abatax as ab

        net = ab.neural_operators.MLP(2, key=jr.key(0))
        assert isinstance(net, ab.neural_operators.AbstractNetwork)
        assert jax.vmap(net)(jnp.zeros((5, 2))).shape == (5,)
        ```
    """

    name: eqx.AbstractClassVar[str]  # on the command line and in files
    in_size: eqx.AbstractVar[int]

    @abc.abstractmethod
    def forward(self, x: Float[Array, " input"]) -> Float[Array, "*output"]:
        """The output of the network, without checks of the input."""

    def __call__(self, x: Float[Array, " input"]) -> Float[Array, "*output"]:
        """The output, a scalar or a vector (out_size).

        **Raises:** `ValueError` if `x` has the wrong shape.
        """
        if x.shape != (self.in_size,):
            raise ValueError(f"`x` has shape {x.shape}; it must be ({self.in_size},). For many points use `jax.vmap`.")
        return self.forward(x)
