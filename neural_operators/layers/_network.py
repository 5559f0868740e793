"""What every architecture has in common."""

import abc
from typing import Literal

import equinox as eqx
from jaxtyping import Array, Float

OutSize = int | Literal["scalar"]


class AbstractNetwork(eqx.Module):
    """A smooth function of a vector with entries in [-1, 1].

    Every architecture is made as `Name(in_size, out_size, *, width, depth, ..., dtype, key)`, is the same for the same key, and
    holds nothing but arrays: `jax.jit`, `jax.vmap` and `jax.tree` take it as it is. Its parameters are its floating-point
    arrays; see `trainable`. For many points at once use `jax.vmap`.
    """

    name: eqx.AbstractClassVar[str]  # on the command line and in files
    in_size: eqx.AbstractVar[int]

    @abc.abstractmethod
    def forward(self, x: Float[Array, " input"]) -> Float[Array, "*output"]:
        """The function itself."""

    def __call__(self, x: Float[Array, " input"]) -> Float[Array, "*output"]:
        """The output, a scalar or a vector (out_size).

        **Raises:** `ValueError` if `x` has the wrong shape.
        """
        if x.shape != (self.in_size,):
            raise ValueError(f"`x` has shape {x.shape}; it must be ({self.in_size},). For many points use `jax.vmap`.")
        return self.forward(x)
