import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..base import Point, Scalar, parameter
from ..equation import AbstractValue


class LogLinearValue(AbstractValue):
    """$v = pk + c$, with log capital as the first state: the value function if production needs no emissions."""

    constant: Float[Array, "..."]
    price: Float[Array, "..."] = eqx.field(default=1.0, converter=parameter)

    def __call__(self, t: Scalar, x: Point) -> Scalar:
        return self.price * x.log_capital + self.constant

    def derivatives(self, t: Scalar, x: Point) -> tuple[Scalar, Float[Array, " state"], Float[Array, "state state"]]:
        n = len(x)
        return self(t, x), jnp.zeros(n).at[0].set(self.price), jnp.zeros((n, n))
