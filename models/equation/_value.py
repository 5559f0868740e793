"""Value functions and their derivatives at a state."""

import abc
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..base import Point, Scalar


class Derivatives(NamedTuple):
    r"""A value function at one state: all that the equation at this state contains of it.

    **Fields:**

    - `value`: $V$.
    - `costate`: $V_x$, by state.
    - `hessian`: $V_{xx}$.
    - `after`: for each jump the values after it, one per outcome (see `Equation.after`); empty without jumps.

    !!! example

        ```python
        import jax.numpy as jnp

        import abatax as ab

        problem = ab.HJBProblem(ab.models.LinearQuadratic())
        t, x = jnp.zeros(()), problem.model.initial_state()
        at = problem.derivatives(t, x, lambda t, x: -0.5 * x.state**2)
        assert at.costate == -x.state and problem.best_control(t, x, at).control < 0.0
        ```
    """

    value: Scalar
    costate: Float[Array, " state"]
    hessian: Float[Array, "state state"]
    after: tuple[Float[Array, " ..."], ...] = ()


class AbstractValue(eqx.Module):
    """A value function with derivatives of its own; any other callable is differentiated automatically.

    !!! example

        ```python
        import jax.numpy as jnp

        import abatax as ab

        class Parabola(ab.models.AbstractValue):
            def __call__(self, t, x):
                return -0.5 * x.state**2

            def derivatives(self, t, x):
                return self(t, x), -jnp.stack(x), -jnp.eye(1)

        x = ab.models.LinearQuadratic().initial_state()
        assert ab.models.derivatives(jnp.array(0.0), x, Parabola())[1] == -1.0
        ```
    """

    @abc.abstractmethod
    def __call__(self, t: Scalar, x: Point) -> Scalar:
        """The value at one time and state."""

    @abc.abstractmethod
    def derivatives(self, t: Scalar, x: Point) -> tuple[Scalar, Float[Array, " state"], Float[Array, "state state"]]:
        """Value, costate and hessian."""


def derivatives(
    t: Scalar, x: Point, value: Callable[[Scalar, Point], Scalar]
) -> tuple[Scalar, Float[Array, " state"], Float[Array, "state state"]]:
    """Value, costate and hessian of a callable value function at one state.

    **Arguments:**

    - `t`: time, years.
    - `x`: the state, a NamedTuple of scalars.
    - `value`: a function of time and state. An [`AbstractValue`][] gives its own derivatives; any other function is
      differentiated.

    **Returns:** the value, the costate (one slope per state), and the hessian.

    !!! example

        ```python
        import jax.numpy as jnp

        import abatax as ab

        x = ab.models.LinearQuadratic().initial_state()
        value, costate, hessian = ab.models.derivatives(jnp.array(0.0), x, lambda t, x: -0.5 * x.state**2)
        assert costate == -x.state and hessian == -1.0
        ```
    """
    if isinstance(value, AbstractValue):
        return value.derivatives(t, x)

    def f(z: Any):
        return value(t, type(x)(*z))

    z = jnp.stack(x)
    return f(z), jax.grad(f)(z), jax.hessian(f)(z)
