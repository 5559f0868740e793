"""The best deterministic path, found without any value function: a check that shares no solver and no grid."""

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

# Start from little: capital that grows faster than damages are discounted makes a path worth minus infinity. Not from nothing:
# where a control enters as a power, the slope at zero is infinite, and no gradient leads away from it.
_FIRST = 1e-3
# Controls are of this size: the first step of the optimiser, of length one in this unit, must not be a leap.
_UNIT = 0.01

# What jumps at the end of a step, for a state that counts time, belongs to the next.
_BEFORE = 1.0 - 1e-9


class OpenLoopPath(NamedTuple):
    """A path at the nodes of its controls: times (yr), value, states, costates (values of their time) and controls."""

    times: Float[np.ndarray, " node"]
    value: Scalar
    states: Point
    costates: Point
    controls: Point


class OpenLoop(eqx.Module):
    r"""The optimum of a model without noise and ambiguity over paths of its controls.

    $$\max_{u(\cdot)}\int_0^T S_te^{-\delta t}\Big[U(x,u) + p\cdot b_a(x,u) + \sum_j\lambda_j\sum_m\pi_mV^{jm}(x^+)\Big]dt
    + S_Te^{-\delta T}g(x_T),\qquad \dot x = b(x,u),\quad \dot S = -S\sum_j\lambda_j$$

    with $p$ the costates of additive states, $b_a$ their drift and $S$ the probability that nothing has jumped, after which the
    world is worth what `continuations` say. Controls are linear between nodes that spread with time; the
    equations are integrated by Runge-Kutta steps of order 4, the gradient is that of the discrete problem, and the
    optimiser is quasi-Newton with bounds. By the envelope theorem the derivative in the start is the costate.

    **Arguments:**

    - `model`: with volatilities of zero; its drift is taken at the prior mean of the climate.
    - `continuations`: what each jump leads to, as those of an `HJBProblem`; without them nothing jumps.
    - `box`: least and greatest value of each state at which a continuation is asked, which is worth there what it is at the nearest
      state inside. Paths are long, and a solution beyond its own box is an extrapolation.
    - `horizon`: $T$, years; what follows is worth $g(x_T)$, taken as that of controls held at their last value for ever with a
      state that no longer moves.
    - `nodes`, `steps`: nodes of the controls, steps of the integration.
    - `spread`: times are as evenly spaced numbers to this power; 1 makes even steps.
    - `tail`: without it the world ends at the horizon.

    **Raises:** `ValueError` if steps are no multiple of the intervals between nodes, and for continuations that are not one per
    jump or belong to a model that doubts its jumps.

    **Good values:** a horizon of $10/\delta$: what lies beyond weighs 5e-5.
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
        given, jumps = len(self.continuations), self.model.jumps()
        if given and given != len(jumps):
            raise ValueError(f"`continuations` has {given} entries; the model has {len(jumps)} jumps.")
        if given and any(bool(self.model.ambiguity.jump_aversion(j) > 0) for j in range(given)):
            raise ValueError(
                "`model.ambiguity.jumps` doubts the jumps; a path maximises what is expected. Give it no aversion."
            )

    @property
    def times(self) -> Float[np.ndarray, " step"]:
        """Nodes of the integration, denser at the start."""
        return self.horizon * np.linspace(0.0, 1.0, self.steps + 1) ** self.spread

    @property
    def _knots(self) -> Float[np.ndarray, " node"]:
        return self.times[:: self.steps // (self.nodes - 1)]

    def value(self, start: Point, path: Float[Array, "node control"]) -> Scalar:
        """What a path of controls is worth."""
        return self._follow(jnp.stack(start), path, jnp.zeros((self.nodes, len(start))))[0]

    def _follow(self, start, path, kicks):
        """Value, and states and log of survival at the nodes of the controls; `kicks` are added to the states there."""
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
            """Of the states, of the log of survival and of the value, in this order."""
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

        def interval(z, given):
            (left, right), (first, last), kick, spans = given
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
        given = (knots[:-1], knots[1:]), (path[:-1], path[1:]), kicks[:-1], spans
        end, at_nodes = jax.lax.scan(interval, jnp.concatenate([start, jnp.zeros(2)]), given)
        end = end.at[:-2].add(kicks[-1])
        total = end[-1]
        if self.tail:
            *_, fall, gain = rate(jnp.asarray(self.horizon), end, path[-1])
            total = total + gain / (delta - fall)
        return total, jnp.concatenate([at_nodes, end[None, :-1]])

    def solve(self, start: Point, *, tolerance: float = 1e-10) -> tuple[Scalar, Point, Point]:
        """Value, costate and controls at a start."""
        path = self.path(start, tolerance=tolerance)
        first = jax.tree.map(lambda leaf: leaf[0], (path.costates, path.controls))
        return path.value, *first

    def path(self, start: Point, *, guess: Point | None = None, tolerance: float = 1e-10) -> OpenLoopPath:
        """The best path.

        **Arguments:**

        - `start`: the state at time zero.
        - `guess`: controls to begin with, constant or one per node; 0.001, within the bounds, if left out.
        - `tolerance`: of the gradient.

        **Raises:** `ValueError` if what `guess` leads to is not finite: nothing would be left to consume, and no search could begin.
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
            if not np.isfinite(value):  # nothing is left to consume: too long a step
                return 1e12, np.zeros_like(flat)
            return -float(value), -np.asarray(slope).ravel() * _UNIT

        if not np.isfinite(both(start, jnp.asarray(first))[0]):
            raise ValueError(
                f"`guess` leads to a path without a value over {self.horizon:g} years; give lower controls."
            )
        limits = list(zip(low.ravel() / _UNIT, high.ravel() / _UNIT, strict=True))
        options = {"maxiter": 2000, "maxfun": 4000, "ftol": tolerance * 1e-3, "gtol": tolerance, "maxcor": 40}
        found = scipy.optimize.minimize(
            loss, first.ravel() / _UNIT, jac=True, bounds=limits, method="L-BFGS-B", options=options
        ).x
        return self.along(start, type(bounds)(*jnp.asarray(found.reshape(first.shape) * _UNIT).T))

    def along(self, start: Point, controls: Point) -> OpenLoopPath:
        """What controls at the nodes lead to: states, and costates by the derivative in a kick of the state."""
        times = self._knots

        @eqx.filter_jit
        def look(start, path, kicks):
            return jax.value_and_grad(lambda k: self._follow(start, path, k), has_aux=True)(kicks)

        point, kicks = jnp.stack(start), jnp.zeros((self.nodes, len(start)))
        (value, nodes), slopes = look(point, jnp.stack(controls, axis=1), kicks)
        *states, survival = nodes.T
        present = jnp.exp(survival - self.model.preferences.discount_rate * jnp.asarray(times))
        named = type(self.model.states)
        return OpenLoopPath(times, value, named(*states), named(*(slopes / present[:, None]).T), controls)
