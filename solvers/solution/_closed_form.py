"""Regimes whose value functions their models know in closed form."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...models import AbstractModel, AbstractValue, derivatives
from ...models.base import Point, Scalar


class _Counted(AbstractValue):
    """A value function without arrays, and one that a family of it is counted by."""

    value: Any = eqx.field(static=True)
    count: Float[Array, ""]

    def __call__(self, t: Scalar, x: Point) -> Scalar:
        return self.value(t, x)

    def derivatives(self, t: Scalar, x: Point) -> tuple[Scalar, Float[Array, " state"], Float[Array, "state state"]]:
        return derivatives(t, x, self.value)


def closed_form(model: AbstractModel) -> AbstractValue | None:
    """The value function that a model knows, with at least one array: families of value functions are stacked arrays.

    For a family `eqx.filter_vmap(closed_form)(models)`; None if the model does not know it.
    """
    value = model.exact_value()
    if value is None or jax.tree.leaves(eqx.filter(value, eqx.is_array)):
        return value
    return _Counted(value, jnp.zeros(()))
