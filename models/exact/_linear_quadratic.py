import functools as ft
from collections import namedtuple
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..base import MOST_COPIES, Point, Scalar, Variable, check_positive, measured_in, parameter
from ..equation import AbstractPreferences, Ambiguity, StateConstraint, TimeAdditive, check_time_additive
from ._quadratic_form import QuadraticForm, QuadraticModel


@ft.cache
def numbered_point(kind: str, dimension: int) -> type:
    """The NamedTuple class of `dimension` scalars; one class per dimension, so that pytrees agree."""
    fields = [kind] if dimension == 1 else [f"{kind}_{n + 1}" for n in range(dimension)]
    point = namedtuple(f"{kind.capitalize()}{dimension}", fields)
    point.__module__, point.__qualname__ = __name__, point.__name__
    globals()[point.__name__] = point  # picklable
    return point


class LinearQuadratic(QuadraticModel):
    r"""The linear-quadratic regulator, with ambiguity: exact in any dimension.

    $$\delta V = \max_u\; -\tfrac12(x^\top Qx + u^\top Ru) + V_x\cdot(Ax + Bu) + \tfrac12\mathrm{tr}(SS^\top V_{xx})
        - \tfrac1{2\xi}|S^\top V_x|^2$$

    $V = -\tfrac12x^\top Px - c$ solves it for *several* $P$; only the stabilising root of the Riccati equation is the
    value function, although the residual of the other roots is zero too (`abatax.validation.riccati`). The model therefore
    tests whether a solver finds the right root.

    **Arguments:**

    - `dimension`: number of states and of controls.
    - `feedback`, `coupling`: $A$ has `feedback` on the diagonal, and `coupling` above and minus `coupling` below it; per year.
    - `state_cost`, `control_cost`: $Q$ and $R$, multiples of the identity. $B$ is the identity.
    - `volatility`: $S$, a multiple of the identity, per square root of a year.
    - `preferences`, `ambiguity`: discounting and ambiguity about the shocks.

    **Raises:** `ValueError` if the dimension, the control cost or the discount rate is not positive, or preferences are recursive
    (the closed form of the control is that of time-additive utility).

    **Good values:** ambiguity penalties above `volatility**2 * control_cost`: with smaller penalties the value is finite only
    if the uncontrolled state is stable (see `abatax.validation.riccati`).

    **References:** Hansen and Sargent 2008, *Robustness*, chapter 2; Jacobson 1973, doi:10.1109/TAC.1973.1100265.

    !!! example

        ```python
        import abatax as ab

        assert ab.models.LinearQuadratic(dimension=2).states._fields == ("state_1", "state_2")
        ```
    """

    dimension: int = eqx.field(static=True, default=1)
    feedback: Float[Array, "..."] = eqx.field(default=0.05, converter=parameter, metadata=measured_in("1/yr"))
    coupling: Float[Array, "..."] = eqx.field(default=0.1, converter=parameter)
    state_cost: Float[Array, "..."] = eqx.field(default=1.0, converter=parameter)
    control_cost: Float[Array, "..."] = eqx.field(default=1.0, converter=parameter)
    volatility: Float[Array, "..."] = eqx.field(default=0.3, converter=parameter, metadata=measured_in("yr^-1/2"))
    preferences: AbstractPreferences = eqx.field(default_factory=lambda: TimeAdditive(0.05))
    ambiguity: Ambiguity = eqx.field(default_factory=Ambiguity)

    name: ClassVar[str] = "linear_quadratic"
    source: ClassVar[str] = "Hansen and Sargent 2008, Robustness"

    def __check_init__(self):
        check_time_additive(self)
        if self.dimension < 1:
            raise ValueError(f"`dimension` is {self.dimension}; it must be at least 1.")
        if self.dimension > MOST_COPIES:
            raise ValueError(f"`dimension` is {self.dimension}; it must be at most {MOST_COPIES}.")
        check_positive("state_cost", self.state_cost)
        check_positive("control_cost", self.control_cost)
        check_positive("volatility", self.volatility, allow_zero=True)

    @property
    def matrix(self) -> Float[Array, "state state"]:
        """$A$, per year."""
        n = self.dimension
        return self.feedback * jnp.eye(n) + self.coupling * (jnp.eye(n, k=1) - jnp.eye(n, k=-1))

    @property
    def states(self) -> Point:
        point = numbered_point("state", self.dimension)
        return point(*(Variable(f.replace("_", " "), "1", -3.0, 3.0) for f in point._fields))

    @property
    def controls(self) -> Point:
        point = numbered_point("control", self.dimension)
        return point(*(Variable(f.replace("_", " "), "1/yr", -50.0, 50.0) for f in point._fields))

    def interior_controls(self) -> tuple[str, ...]:
        return self.controls._fields

    def drift(self, t: Scalar, x: Point, u: Point, climate: Scalar) -> Point:
        return type(x)(*(self.matrix @ jnp.stack(x) + jnp.stack(u)))

    def diffusion(self, t: Scalar, x: Point, u: Point) -> Point:
        return type(x)(*(self.volatility * jnp.eye(self.dimension)))

    def utility(self, t: Scalar, x: Point, u: Point) -> Scalar:
        z, v = jnp.stack(x), jnp.stack(u)
        return -0.5 * (self.state_cost * (z @ z) + self.control_cost * (v @ v))

    def best_control(
        self, t: Scalar, x: Point, value: Scalar, costate: Point, hessian: Float[Array, "state state"]
    ) -> Point:
        controls = self.controls
        best = (jnp.clip(p / self.control_cost, c.low, c.high) for p, c in zip(costate, controls, strict=True))
        return type(controls)(*best)

    def closures(self) -> Point:
        face = StateConstraint(truncation=True)
        return type(self.states)(*((face, face) for _ in self.states))

    def initial_state(self) -> Point:
        return type(self.states)(*(parameter(1.0) for _ in range(self.dimension)))

    def quadratic_form(self) -> QuadraticForm:
        n, nothing = self.dimension, np.zeros(self.dimension)
        return QuadraticForm(
            transition=np.asarray(self.matrix),
            loading=np.eye(n),
            intercept=nothing,
            volatility=float(self.volatility) * np.eye(n),
            state_cost=float(self.state_cost) * np.eye(n),
            control_cost=float(self.control_cost) * np.eye(n),
            cross_cost=np.zeros((n, n)),
            state_reward=nothing,
            control_reward=nothing,
            constant=0.0,
            aversion=np.broadcast_to(self.ambiguity.shocks, (n,)),
            discount_rate=float(self.preferences.discount_rate),
        )
