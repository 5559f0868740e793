import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..base import Point, Scalar


class AbstractValue(eqx.Module):
    """A value function with derivatives of its own; any other callable is differentiated automatically."""

    @abc.abstractmethod
    def __call__(self, t: Scalar, x: Point) -> Scalar:
        """The value at one time and state."""

    @abc.abstractmethod
    def derivatives(self, t: Scalar, x: Point) -> tuple[Scalar, Float[Array, " state"], Float[Array, "state state"]]:
        """Value, costate and hessian."""


def derivatives(
    t: Scalar, x: Point, value: Callable[[Scalar, Point], Scalar]
) -> tuple[Scalar, Float[Array, " state"], Float[Array, "state state"]]:
    """Value, costate and hessian of a callable value function at one state."""
    if isinstance(value, AbstractValue):
        return value.derivatives(t, x)

    def f(z: Any):
        return value(t, type(x)(*z))

    z = jnp.stack(x)
    return f(z), jax.grad(f)(z), jax.hessian(f)(z)
