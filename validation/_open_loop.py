"""The best deterministic path, found without any value function: a check that shares no solver and no grid."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
from jaxtyping import Array, Float

from ..models import AbstractModel
from ..models._types import Point, Scalar

# Start from little investment: capital that grows faster than damages are discounted makes a path worth minus infinity.
_FIRST = 0.0
# Controls are of this size: the first step of the optimiser, of length one in this unit, must not be a leap.
_UNIT = 0.01


class OpenLoop(eqx.Module):
    r"""The optimum of a model without noise, ambiguity and jumps over paths of its controls.

    $$\max_{u(\cdot)}\int_0^T e^{-\delta t}\big[U(x,u) + p\cdot b_a(x,u)\big]dt + e^{-\delta T}g(x_T),\qquad \dot x = b(x,u)$$

    with $p$ the costates of additive states and $b_a$ their drift. Controls are linear between nodes that spread with time; the
    equations are integrated by Runge-Kutta steps of order 4, the gradient is that of the discrete problem, and the
    optimiser is quasi-Newton with bounds. By the envelope theorem the derivative in the start is the costate.

    **Arguments:**

    - `model`: with volatilities of zero; its drift is taken at the prior mean of the climate.
    - `horizon`: $T$, years; what follows is worth $g(x_T)$, taken as that of controls held at their last value for ever with a
      state that no longer moves.
    - `nodes`, `steps`: nodes of the controls, steps of the integration.

    **Good values:** a horizon of $10/\delta$: what lies beyond weighs 5e-5.
    """

    model: AbstractModel
    horizon: float = eqx.field(static=True, default=1000.0)
    nodes: int = eqx.field(static=True, default=51)
    steps: int = eqx.field(static=True, default=500)

    def __check_init__(self):
        if self.steps % (self.nodes - 1):
            raise ValueError(f"`steps` is {self.steps}; it must be a multiple of `nodes` - 1, {self.nodes - 1}.")

    @property
    def times(self) -> Float[np.ndarray, " step"]:
        """Nodes of the integration, denser at the start."""
        return self.horizon * np.linspace(0.0, 1.0, self.steps + 1) ** 2

    def value(self, start: Point, path: Float[Array, "node control"]) -> Scalar:
        """What a path of controls is worth."""
        model, delta = self.model, self.model.preferences.discount_rate
        prices = jnp.stack(model.additive_costates())
        t0, knots = jnp.zeros(()), jnp.asarray(self.times[:: self.steps // (self.nodes - 1)])
        states, controls = type(model.states), type(model.controls)

        def control(t):
            return controls(*(jnp.interp(t, knots, column) for column in path.T))

        def rate(t, z):
            x, u = states(*z[:-1]), control(t)
            gain = jnp.stack(model.additive_drift(t0, x, u, model.climate_mean)) @ prices
            flow = jnp.exp(-delta * t) * (model.utility(t0, x, u) + gain)
            return jnp.stack([*model.drift(t0, x, u, model.climate_mean), flow])

        def step(z, span):
            t, h = span
            a = rate(t, z)
            b = rate(t + 0.5 * h, z + 0.5 * h * a)
            c = rate(t + 0.5 * h, z + 0.5 * h * b)
            d = rate(t + h, z + h * c)
            return z + h / 6.0 * (a + 2.0 * b + 2.0 * c + d), None

        spans = jnp.asarray(self.times[:-1]), jnp.asarray(np.diff(self.times))
        end, _ = jax.lax.scan(step, jnp.append(jnp.stack(start), 0.0), spans)
        last = jnp.asarray(self.horizon)
        return end[-1] + (rate(last, end)[-1]) / delta

    def solve(self, start: Point, *, tolerance: float = 1e-10) -> tuple[Scalar, Point, Point]:
        """Value, costate and controls at a start."""
        bounds = self.model.controls
        low, high = (np.repeat([[getattr(c, end) for c in bounds]], self.nodes, 0) for end in ("low", "high"))
        first = np.clip(np.full_like(low, _FIRST), low, high)
        shape = first.shape

        @eqx.filter_jit
        def both(start, flat):
            return jax.value_and_grad(self.value, argnums=(0, 1))(start, flat)

        def loss(flat):
            value, (_, slope) = both(start, jnp.asarray(flat.reshape(shape) * _UNIT))
            if not np.isfinite(value):  # nothing is left to consume: too long a step
                return 1e12, np.zeros_like(flat)
            return -float(value), -np.asarray(slope).ravel() * _UNIT

        limits = list(zip(low.ravel() / _UNIT, high.ravel() / _UNIT, strict=True))
        options = {"maxiter": 2000, "maxfun": 4000, "ftol": tolerance * 1e-3, "gtol": tolerance, "maxcor": 40}
        best = (
            scipy.optimize.minimize(
                loss, first.ravel() / _UNIT, jac=True, bounds=limits, method="L-BFGS-B", options=options
            ).x.reshape(shape)
            * _UNIT
        )
        value, (costate, _) = both(start, jnp.asarray(best))
        return value, costate, type(bounds)(*jnp.asarray(best[0]))
