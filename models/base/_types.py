"""Shared annotations: scalars are zero-dimensional arrays, or anything that becomes one."""

from typing import Any, TypeAlias

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Real

Scalar: TypeAlias = Float[Array, ""]
ScalarLike: TypeAlias = Real[ArrayLike, ""]
# A state, control or additive state: a NamedTuple of scalars (the class differs from model to model).
Point: TypeAlias = Any


def parameter(value: Any) -> Array:
    """Turn a number or a list of numbers into a float64 parameter: differentiable, vmappable."""
    return jnp.asarray(value, dtype=jnp.float64)
