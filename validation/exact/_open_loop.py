"""The optimal deterministic path without a value function: a check that shares neither solver nor grid."""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
from jaxtyping import Array, Float

from ...models import AbstractModel
from ...models.base import Point, Scalar
from ...models.equation import valued_additive

# Default initial controls. They are small, because a path on which capital grows faster than damages are discounted has the value
# minus infinity. They are not zero, because the slope of a control that enters as a power is infinite there.
_FIRST = 1e-3
# The unit of controls in the optimiser, whose first step has length one.
_UNIT = 0.01

# Rates are evaluated just before the end of a step: a discontinuity in time at the end of a step belongs to the next step.
_BEFORE = 1.0 - 1e-9


class OpenLoopPath(NamedTuple):
    """A path at the nodes of its controls.

    **Arguments:**

    - `times`: years since the start.
    - `value`: the value of the path.
    - `states`: by node.
    - `costates`: derivatives of the value in the states, in current values.
    - `controls`: by node.

    !!! example

        ```python
        import jax.numpy as jnp

        import abatax as ab

        model = ab.models.LinearQuadratic(volatility=0.0)
        path = ab.validation.OpenLoop(model, horizon=100.0, nodes=11, steps=100).path(model.initial_state())
        assert isinstance(path, ab.validation.OpenLoopPath) and len(path.times) == 11
        ```
    """

    times: Float[np.ndarray, " node"]
    value: Scalar
    states: Point
    costates: Point
    controls: Point


class OpenLoop(eqx.Module):
    r"""The optimum of a model without noise and ambiguity over paths of its controls.

    $$\max_{u(\cdot)}\int_0^T S_te^{-\delta t}\Big[U(x,u) + p\cdot b_a(x,u) + \sum_j\lambda_j\sum_m\pi_mV^{jm}(x^+)\Big]dt
    + S_Te^{-\delta T}g(x_T),\qquad \dot x = b(x,u),\quad \dot S = -S\sum_j\lambda_j$$

    with the costates $p$ of additive states, their drift $b_a$ and the probability $S$ that no jump has occurred; the value after a
    jump is given by `continuations`. Controls are piecewise linear between nodes whose distance grows with time. The
    equations are integrated by Runge-Kutta steps of order 4, the gradient is the gradient of the discrete problem, and the
    optimiser is a quasi-Newton method with bounds. By the envelope theorem the derivative with respect to the initial state is the
    costate.

    **Arguments:**

    - `model`: a model with zero volatilities; its drift is evaluated at the prior mean of the climate.
    - `continuations`: the value after each jump, as in `HJBProblem`; without continuations there are no jumps.
    - `box`: smallest and largest value of each state at which continuations are evaluated; outside, the value at the nearest
      state of the box is used. Paths are long, and a solution outside its own box is an extrapolation.
    - `horizon`: $T$ in years; the value $g(x_T)$ thereafter is the value of constant controls at a constant state.
    - `nodes`, `steps`: number of nodes of the controls and of steps of the integration.
    - `spread`: times are evenly spaced numbers to this power; with 1 steps are equal.
    - `tail`: whether the value after the horizon is included.

    **Raises:** `ValueError` if `steps` is not a multiple of the number of intervals between nodes, and for continuations that
    are not one per jump or belong to a model with ambiguity about its jumps.

    **Good values:** a horizon of $10/\delta$, at which the discount factor is 5e-5.

    !!! example

        ```python
        import abatax as ab

        model = ab.models.LinearQuadratic(volatility=0.0)
        path = ab.validation.OpenLoop(model, horizon=100.0, nodes=11, steps=100).path(model.initial_state())
        assert abs(float(path.controls.control[0]) + 1.0253) < 0.2  # few nodes: a coarse control
        ```
    """

    model: AbstractModel
    continuations: tuple[Callable[[Scalar, Point], Float[Array, " outcome"]], ...] = ()
    box: tuple[tuple[float, float], ...] | None = eqx.field(static=True, default=None)
    horizon: float = eqx.field(static=True, default=1000.0)
    nodes: int = eqx.field(static=True, default=51)
    steps: int = eqx.field(static=True, default=500)
    spread: float = eqx.field(static=True, default=2.0)
    tail: bool = eqx.field(static=True, default=True)

    def __check_init__(self):
        if self.steps % (self.nodes - 1):
            raise ValueError(f"`steps` is {self.steps}; it must be a multiple of `nodes` - 1, {self.nodes - 1}.")
        count, jumps = len(self.continuations), self.model.jumps()
        if count and count != len(jumps):
            raise ValueError(f"`continuations` has {count} entries; the model has {len(jumps)} jumps.")
        if count and any(bool(self.model.ambiguity.jump_aversion(j) > 0) for j in range(count)):
            raise ValueError(
                "`model.ambiguity.jumps` is positive, but a path maximises expected utility; set this aversion to zero."
            )

    @property
    def times(self) -> Float[np.ndarray, " step"]:
        """Nodes of the integration, which are denser at the start."""
        return self.horizon * np.linspace(0.0, 1.0, self.steps + 1) ** self.spread

    @property
    def _knots(self) -> Float[np.ndarray, " node"]:
        return self.times[:: self.steps // (self.nodes - 1)]

    def value(self, start: Point, path: Float[Array, "node control"]) -> Scalar:
        """The value of a path of controls."""
        return self._follow(jnp.stack(start), path, jnp.zeros((self.nodes, len(start))))[0]

    def _follow(self, start, path, kicks):
        """The value, and states and the logarithm of survival at the nodes of the controls; `kicks` are added to these states."""
        model, delta = self.model, self.model.preferences.discount_rate
        valued = valued_additive(model)
        prices = valued(model.additive_costates())
        t0, times, knots = jnp.zeros(()), self.times, jnp.asarray(self._knots)
        jumps = self.model.jumps() if self.continuations else ()
        each = self.steps // (self.nodes - 1)
        states, controls = type(model.states), type(model.controls)

        def within(x):
            return x if self.box is None else states(*(jnp.clip(v, *ends) for v, ends in zip(x, self.box, strict=True)))

        def rate(t, z, u):
            """Rates of change of the states, of the logarithm of survival and of the value, in this order."""
            x, u = states(*z[:-2]), controls(*u)
            more = valued(model.additive_drift(t0, x, u, model.climate_mean))
            gain = sum((drift * price for drift, price in zip(more, prices, strict=True)), jnp.zeros(()))
            hazard = jnp.zeros(())
            for jump, after in zip(jumps, self.continuations, strict=True):
                one = jump.intensity(t0, x, u)
                then = after(t0, within(jump.land(x))) + jump.shift(x, model.additive_costates())
                hazard, gain = hazard + one, gain + one * (jump.probabilities @ then)
            flow = jnp.exp(z[-2] - delta * t) * (model.utility(t0, x, u) + gain)
            return jnp.stack([*model.drift(t0, x, u, model.climate_mean), -hazard, flow])

        def interval(z, inputs):
            (left, right), (first, last), kick, spans = inputs
            z = z.at[:-2].add(kick)

            def step(z, span):
                t, h = span

                def slope(t, z):
                    return rate(t, z, first + (t - left) / (right - left) * (last - first))

                a = slope(t, z)
                b = slope(t + 0.5 * h, z + 0.5 * h * a)
                c = slope(t + 0.5 * h, z + 0.5 * h * b)
                d = slope(t + h * _BEFORE, z + h * _BEFORE * c)
                return z + h / 6.0 * (a + 2.0 * b + 2.0 * c + d), None

            return jax.lax.scan(step, z, spans)[0], z[:-1]

        spans = jnp.asarray(times[:-1]).reshape(-1, each), jnp.asarray(np.diff(times)).reshape(-1, each)
        inputs = (knots[:-1], knots[1:]), (path[:-1], path[1:]), kicks[:-1], spans
        end, at_nodes = jax.lax.scan(interval, jnp.concatenate([start, jnp.zeros(2)]), inputs)
        end = end.at[:-2].add(kicks[-1])
        total = end[-1]
        if self.tail:
            *_, fall, gain = rate(jnp.asarray(self.horizon), end, path[-1])
            total = total + gain / (delta - fall)
        return total, jnp.concatenate([at_nodes, end[None, :-1]])

    def solve(self, start: Point, *, tolerance: float = 1e-10) -> tuple[Scalar, Point, Point]:
        """Value, costate and controls at an initial state."""
        path = self.path(start, tolerance=tolerance)
        first = jax.tree.map(lambda leaf: leaf[0], (path.costates, path.controls))
        return path.value, *first

    def path(self, start: Point, *, guess: Point | None = None, tolerance: float = 1e-10) -> OpenLoopPath:
        """The optimal path.

        **Arguments:**

        - `start`: the state at time zero.
        - `guess`: initial controls, constant or one per node; by default 0.001, within the bounds.
        - `tolerance`: tolerance of the gradient.

        **Raises:** `ValueError` if the value of `guess` is not finite, for example because consumption would be negative.
        """
        bounds = self.model.controls
        low, high = (np.repeat([[getattr(c, end) for c in bounds]], self.nodes, 0) for end in ("low", "high"))
        first = (
            np.full_like(low, _FIRST)
            if guess is None
            else np.stack([np.broadcast_to(np.asarray(g), self.nodes) for g in guess], axis=1)
        )
        first = np.clip(first, low, high)

        @eqx.filter_jit
        def both(start, path):
            return jax.value_and_grad(self.value, argnums=1)(start, path)

        def loss(flat):
            value, slope = both(start, jnp.asarray(flat.reshape(first.shape) * _UNIT))
            if not np.isfinite(value):  # consumption is negative after a step that is too long
                return 1e12, np.zeros_like(flat)
            return -float(value), -np.asarray(slope).ravel() * _UNIT

        if not np.isfinite(both(start, jnp.asarray(first))[0]):
            raise ValueError(
                f"`guess` leads to a path without a finite value over {self.horizon:g} years; give lower controls."
            )
        limits = list(zip(low.ravel() / _UNIT, high.ravel() / _UNIT, strict=True))
        options = {"maxiter": 2000, "maxfun": 4000, "ftol": tolerance * 1e-3, "gtol": tolerance, "maxcor": 40}
        optimum = scipy.optimize.minimize(
            loss, first.ravel() / _UNIT, jac=True, bounds=limits, method="L-BFGS-B", options=options
        ).x
        return self.along(start, type(bounds)(*jnp.asarray(optimum.reshape(first.shape) * _UNIT).T))

    def along(self, start: Point, controls: Point) -> OpenLoopPath:
        """The path of given controls at the nodes; costates are derivatives with respect to perturbations of the state."""
        times = self._knots

        @eqx.filter_jit
        def simulated_path(start, path, kicks):
            return jax.value_and_grad(lambda k: self._follow(start, path, k), has_aux=True)(kicks)

        point, kicks = jnp.stack(start), jnp.zeros((self.nodes, len(start)))
        (value, nodes), slopes = simulated_path(point, jnp.stack(controls, axis=1), kicks)
        *states, survival = nodes.T
        present = jnp.exp(survival - self.model.preferences.discount_rate * jnp.asarray(times))
        named = type(self.model.states)
        return OpenLoopPath(times, value, named(*states), named(*(slopes / present[:, None]).T), controls)
