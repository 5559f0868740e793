"""Value functions that a model gives in closed form."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...models import AbstractModel, AbstractValue, derivatives
from ...models.base import Point, Scalar


class _Counted(AbstractValue):
    """A value function without arrays, with an array `count` from which the size of a family is read."""

    value: Any = eqx.field(static=True)
    count: Float[Array, ""]

    def __call__(self, t: Scalar, x: Point) -> Scalar:
        return self.value(t, x)

    def derivatives(self, t: Scalar, x: Point) -> tuple[Scalar, Float[Array, " state"], Float[Array, "state state"]]:
        return derivatives(t, x, self.value)


def closed_form(model: AbstractModel) -> AbstractValue | None:
    """The closed-form value function of a model, with at least one array, because families are stacked arrays.

    Use `eqx.filter_vmap(closed_form)(models)` for a family. The result is None if the model has no closed form.
    """
    value = model.exact_value()
    if value is None or jax.tree.leaves(eqx.filter(value, eqx.is_array)):
        return value
    return _Counted(value, jnp.zeros(()))
