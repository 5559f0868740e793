from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..base import Point, Scalar, Variable, is_traced, measured_in, parameter
from ..equation import AbstractPreferences, Ambiguity, StateConstraint, TimeAdditive, check_time_additive
from ._linear_quadratic import numbered_point
from ._quadratic_form import QuadraticForm, QuadraticModel

# Bounds of the controls, far beyond any optimal control; the closed form ignores them.
_LARGEST_CONTROL = 1e6


class QuadraticRegulator(QuadraticModel):
    r"""The general linear-quadratic problem with arbitrary matrices, correlated shocks, a target and linear terms.

    $$dx = (m + Ax + Bu)\,dt + S\,dW,\qquad U = k + q^\top x + r^\top u
        - \tfrac12(x-\bar x)^\top Q(x-\bar x) - (x-\bar x)^\top Nu - \tfrac12u^\top Ru$$

    Its value function is $-\tfrac12x^\top Px + p^\top x + c$ (`abatax.validation.riccati`), with the linear policy
    $u = k_0 - Kx$, in unbounded space. Every face of the box is a state constraint: the optimally controlled state must not
    leave the box.

    **Arguments:**

    - `transition`, `loading`: $A$ (state × state) and $B$ (state × control), per year.
    - `state_cost`, `control_cost`, `cross_cost`: $Q$, $R$ and $N$ (state × control); no cross term if left out.
    - `volatility`: $S$ (state × shock), per square root of a year.
    - `intercept`: $m$. `target`: $\bar x$. `state_reward`, `control_reward`: $q$ and $r$. `constant`: $k$. All zero if left out.
    - `half_width`: every state is in the interval from -`half_width` to `half_width`.
    - `preferences`, `ambiguity`: discounting and ambiguity about the shocks.

    **Raises:** `ValueError` if shapes do not agree, or `control_cost` is not positive definite.

    **References:** Anderson and Moore 1990, *Optimal Control: Linear Quadratic Methods*; Hansen and Sargent 2008, *Robustness*,
    chapter 2.

    !!! example

        ```python
        import jax.numpy as jnp

        import abatax as ab

        pushed = ab.models.QuadraticRegulator(
            transition=[[0.0, 1.0], [0.0, -0.1]],
            loading=[[0.0], [1.0]],
            state_cost=jnp.diag(jnp.array([1.0, 0.0])),
            control_cost=[[1.0]],
            volatility=[[0.0], [0.1]],
        )
        assert ab.validation.riccati(pushed).gain.shape == (1, 2)
        ```
    """

    transition: Float[Array, "*family state state"] = eqx.field(converter=parameter)
    loading: Float[Array, "*family state control"] = eqx.field(converter=parameter)
    state_cost: Float[Array, "*family state state"] = eqx.field(converter=parameter)
    control_cost: Float[Array, "*family control control"] = eqx.field(converter=parameter)
    volatility: Float[Array, "*family state shock"] = eqx.field(converter=parameter, metadata=measured_in("yr^-1/2"))
    cross_cost: Float[Array, "..."] = eqx.field(default=0.0, converter=parameter)
    intercept: Float[Array, "..."] = eqx.field(default=0.0, converter=parameter)
    target: Float[Array, "..."] = eqx.field(default=0.0, converter=parameter)
    state_reward: Float[Array, "..."] = eqx.field(default=0.0, converter=parameter)
    control_reward: Float[Array, "..."] = eqx.field(default=0.0, converter=parameter)
    constant: Float[Array, "..."] = eqx.field(default=0.0, converter=parameter)
    half_width: float = eqx.field(static=True, default=3.0)
    preferences: AbstractPreferences = eqx.field(default_factory=lambda: TimeAdditive(0.05))
    ambiguity: Ambiguity = eqx.field(default_factory=Ambiguity)

    name: ClassVar[str] = "quadratic_regulator"
    source: ClassVar[str] = "Anderson and Moore 1990, Optimal Control"

    def __check_init__(self):
        check_time_additive(self)
        if self.transition.ndim < 2 or self.loading.ndim < 2:
            raise ValueError("`transition` and `loading` must be matrices (lists of rows).")
        n, m = self.loading.shape[-2:]
        shapes = {"transition": (n, n), "state_cost": (n, n), "control_cost": (m, m)}
        for name, shape in shapes.items():
            if getattr(self, name).shape[-2:] != shape:
                raise ValueError(
                    f"`{name}` has shape {getattr(self, name).shape[-2:]}; with `loading` {(n, m)} it must be {shape}."
                )
        if self.volatility.shape[-2:-1] != (n,):
            raise ValueError(
                f"`volatility` has shape {self.volatility.shape[-2:]}; it must have {n} rows, one per state."
            )
        if not self.half_width > 0.0:
            raise ValueError(f"`half_width` is {self.half_width}; it must be > 0.")
        if not is_traced(self.control_cost):
            cost = np.asarray(self.control_cost)
            if not np.all(np.linalg.eigvalsh(0.5 * (cost + np.swapaxes(cost, -1, -2))) > 0.0):
                raise ValueError(f"`control_cost` is {cost.tolist()}; it must be positive definite.")

    @property
    def states(self) -> Point:
        point = numbered_point("state", self.loading.shape[-2])
        return point(*(Variable(f.replace("_", " "), "1", -self.half_width, self.half_width) for f in point._fields))

    @property
    def controls(self) -> Point:
        point = numbered_point("control", self.loading.shape[-1])
        return point(
            *(Variable(f.replace("_", " "), "1/yr", -_LARGEST_CONTROL, _LARGEST_CONTROL) for f in point._fields)
        )

    def drift(self, t: Scalar, x: Point, u: Point, climate: Scalar) -> Point:
        return type(x)(*(self.intercept + self.transition @ jnp.stack(x) + self.loading @ jnp.stack(u)))

    def diffusion(self, t: Scalar, x: Point, u: Point) -> Point:
        return type(x)(*self.volatility)

    def utility(self, t: Scalar, x: Point, u: Point) -> Scalar:
        z, v = jnp.stack(x), jnp.stack(u)
        deviation = z - self.target
        cost = deviation @ self.state_cost @ deviation + v @ self.control_cost @ v
        cross = jnp.sum(self.cross_cost * deviation[:, None] * v[None, :])
        return self.constant + jnp.sum(self.state_reward * z) + jnp.sum(self.control_reward * v) - cross - 0.5 * cost

    def best_control(
        self, t: Scalar, x: Point, value: Scalar, costate: Point, hessian: Float[Array, "state state"]
    ) -> Point:
        deviation = jnp.stack(x) - self.target
        cross = jnp.sum(self.cross_cost * jnp.ones_like(self.loading) * deviation[:, None], axis=0)
        slope = self.loading.T @ jnp.stack(costate) + self.control_reward - cross
        cost = 0.5 * (self.control_cost + self.control_cost.T)
        return type(self.controls)(*jnp.linalg.solve(cost, slope))

    def closures(self) -> Point:
        return type(self.states)(*((StateConstraint(), StateConstraint()) for _ in self.states))

    def initial_state(self) -> Point:
        return type(self.states)(*(parameter(self.half_width / 3.0) for _ in self.states))

    def quadratic_form(self) -> QuadraticForm:
        n, m = self.loading.shape
        target, shocks = np.broadcast_to(self.target, (n,)), self.volatility.shape[1]
        cost, cross = _symmetric(self.state_cost), np.broadcast_to(self.cross_cost, (n, m))
        return QuadraticForm(
            transition=np.asarray(self.transition),
            loading=np.asarray(self.loading),
            intercept=np.broadcast_to(self.intercept, (n,)),
            volatility=np.asarray(self.volatility),
            state_cost=cost,
            control_cost=_symmetric(self.control_cost),
            cross_cost=cross,
            state_reward=np.broadcast_to(self.state_reward, (n,)) + cost @ target,
            control_reward=np.broadcast_to(self.control_reward, (m,)) + cross.T @ target,
            constant=float(self.constant) - 0.5 * float(target @ cost @ target),
            aversion=np.broadcast_to(self.ambiguity.shocks, (shocks,)),
            discount_rate=float(self.preferences.discount_rate),
        )


def _symmetric(matrix: Float[Array, "n n"]) -> Float[np.ndarray, "n n"]:
    return 0.5 * (np.asarray(matrix) + np.asarray(matrix).T)
