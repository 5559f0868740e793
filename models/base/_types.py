"""Shared annotations; scalars are zero-dimensional arrays, or values that can be converted to one."""

from typing import Any, TypeAlias

from jaxtyping import Array, ArrayLike, Float, Real

Scalar: TypeAlias = Float[Array, ""]
ScalarLike: TypeAlias = Real[ArrayLike, ""]
# A state, control or additive state: a NamedTuple of scalars (the class differs from model to model).
Point: TypeAlias = Any
