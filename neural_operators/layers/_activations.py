"""Activation functions by name; all are smooth, so that networks have the derivatives of an equation."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array

from ...common import choose

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "tanh": jnp.tanh,
    "silu": jax.nn.silu,
    "gelu": jax.nn.gelu,
    "sine": jnp.sin,
    "softplus": jax.nn.softplus,
}
"""Activation functions by name; all are smooth, so that the equation has its derivatives."""


def activation_function(name: str) -> Callable[[Array], Array]:
    """The activation function of a name.

    **Raises:** `ValueError` with the nearest known name.
    """
    return choose("activation", name, ACTIVATIONS)
