"""Problems of one state with controls in closed form, cheap to compile, whose solvability is known."""

from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from scipy.integrate import simpson, solve_ivp
from scipy.linalg import solve_banded

from abatax.models import (
    Ambiguity,
    ClosedFormControl,
    EpsteinZin,
    Growth,
    Inflow,
    Outflow,
    StateConstraint,
    TimeAdditive,
    Variable,
)


class State(NamedTuple):
    x: Any


class Control(NamedTuple):
    u: Any


class _OneState(ClosedFormControl):
    """Closed by nothing that is known, in its default box."""

    preferences: TimeAdditive = eqx.field(default_factory=lambda: TimeAdditive(0.05))
    ambiguity: Ambiguity = eqx.field(default_factory=Ambiguity)

    @property
    def states(self):
        return State(Variable("x", "1", -1.0, 1.0))

    @property
    def controls(self):
        return Control(Variable("u", "1", -1.0, 1.0))

    def drift(self, t, x, u, climate):
        return State(-0.1 * x.x)

    def diffusion(self, t, x, u):
        return State(jnp.array([0.1]))

    def best_control(self, t, x, value, costate, hessian):
        return Control(0.3 + 0.0 * x.x)

    def initial_state(self):
        return State(jnp.array(0.5))

    def closures(self):
        return State((Outflow(), Outflow()))


class Level(_OneState):
    """The state moves and nothing depends on it: V = level / 0.05 everywhere."""

    level: Any = eqx.field(default=2.0, converter=jnp.asarray)

    def utility(self, t, x, u):
        return self.level - (u.u - 0.3) ** 2 + 0.0 * x.x


class Slope(_OneState):
    """Utility x and mean reversion at 0.1 per year: V = x / (0.05 + 0.1), and the faces know it."""

    def utility(self, t, x, u):
        return x.x - (u.u - 0.3) ** 2

    def closures(self):
        known = Growth(slope=lambda t, x: 1.0 / 0.15 + 0.0 * x.x)
        return State((known, known))


class Consumption(_OneState):
    """Log wealth that grows at 9.5 % less the share u that is consumed, utility the root: at small u it outgrows discounting."""

    preferences: TimeAdditive = eqx.field(default_factory=lambda: TimeAdditive(0.02))

    @property
    def states(self):
        return State(Variable("x", "1", -2.0, 2.0))

    @property
    def controls(self):
        return Control(Variable("u", "1/yr", 0.001, 1.0))

    def drift(self, t, x, u, climate):
        return State(0.095 - u.u + 0.0 * x.x)

    def utility(self, t, x, u):
        return 2.0 * jnp.sqrt(u.u * jnp.exp(x.x))

    def best_control(self, t, x, value, costate, hessian):
        slope = jnp.maximum(costate.x, 1e-6)
        return Control(jnp.clip(jnp.exp(x.x) / slope**2, 0.001, 1.0))


class Proportional(_OneState):
    """Utility x, which grows at 10 % and is discounted at 5 %: the line -20 x solves the equation and is no value."""

    @property
    def states(self):
        return State(Variable("x", "1", 1.0, 10.0))

    def drift(self, t, x, u, climate):
        return State(0.1 * x.x)

    def diffusion(self, t, x, u):
        return State(jnp.array([0.05]) * x.x)

    def utility(self, t, x, u):
        return x.x - 0.1 * (u.u - 0.3) ** 2

    def initial_state(self):
        return State(jnp.array(5.5))


class TwoActions(_OneState):
    """Two actions that push either way, one slightly better: the value bends sharply where they are equally good."""

    def drift(self, t, x, u, climate):
        return State(0.3 * u.u - 0.2 * x.x)

    def diffusion(self, t, x, u):
        return State(jnp.array([0.05]))

    def utility(self, t, x, u):
        return 0.02 * u.u - (x.x - 0.1) ** 2

    def best_control(self, t, x, value, costate, hessian):
        return Control(jnp.where(0.3 * costate.x + 0.02 > 0.0, 0.6, -0.6))


def two_actions_value(points: np.ndarray, nodes: int = 6001) -> np.ndarray:
    """The value of `TwoActions` by policy iteration with central differences, in a wider box; its drift leads inwards."""
    x = np.linspace(-1.5, 1.5, nodes)
    h, rate = x[1] - x[0], 0.5 * 0.05**2
    value = np.zeros(nodes)
    for _ in range(50):
        action = np.where(0.3 * np.gradient(value, h) + 0.02 > 0.0, 0.6, -0.6)
        drift = 0.3 * action - 0.2 * x
        up, down = rate / h**2 + drift / (2.0 * h), rate / h**2 - drift / (2.0 * h)
        assert np.all(up > 0.0) and np.all(down > 0.0)  # monotone
        up[0], down[0] = drift[0] / h, 0.0
        up[-1], down[-1] = 0.0, -drift[-1] / h
        bands = np.zeros((3, nodes))
        bands[0, 1:], bands[1], bands[2, :-1] = -up[:-1], 0.05 + up + down, -down[1:]
        change, value = value, solve_banded((1, 1), bands, 0.02 * action - (x - 0.1) ** 2)
        if np.max(np.abs(change - value)) < 1e-12:
            break
    return np.interp(points, x, value)


# -- a portfolio with a mean-reverting price of risk ---------------------------------------------------------------------------


class LogWealth(NamedTuple):
    log_wealth: Any


class Portfolio(NamedTuple):
    log_share: Any
    risky: Any


class Wachter(ClosedFormControl):
    """Consumption and a stock whose price of risk is an Ornstein-Uhlenbeck process, the shock of both the same.

    With constant relative risk aversion the ratio of wealth to consumption is an integral of exponentials of quadratics
    (Wachter 2002, Journal of Financial and Quantitative Analysis 37, 63-91).
    """

    risk_aversion: float = eqx.field(static=True, default=4.0)
    width: float = eqx.field(static=True, default=1.85)
    preferences: Any = eqx.field(default_factory=lambda: EpsteinZin(0.052, 4.0))
    ambiguity: Ambiguity = eqx.field(default_factory=lambda: Ambiguity.from_penalties(shocks=1.0 / 3.0))

    rate, volatility, reversion, mean, noise = 0.0168, 0.151, 0.2712, 0.31, 0.0655

    @property
    def states(self):
        return State(Variable("price of risk", "1", self.mean - self.width, self.mean + self.width))

    @property
    def controls(self):
        return Portfolio(Variable("log share", "1", -8.0, 1.0), Variable("risky share", "1", -30.0, 30.0))

    @property
    def additive(self):
        return LogWealth(Variable("log wealth", "1"))

    def drift(self, t, x, u, climate):
        return State(-self.reversion * (x.x - self.mean))

    def diffusion(self, t, x, u):
        return State(jnp.array([-self.noise]))

    def utility(self, t, x, u):
        return u.log_share

    def best_control(self, t, x, value, costate, hessian):
        gamma, delta, rho = self.risk_aversion, self.preferences.discount_rate, self.preferences.inverse_eis
        share = (jnp.log(delta) - (1.0 - rho) * value) / rho
        risky = (x.x + (gamma - 1.0) * self.noise * costate.x) / (gamma * self.volatility)
        return Portfolio(jnp.clip(share, -8.0, 1.0), jnp.clip(risky, -30.0, 30.0))

    def additive_costates(self):
        return LogWealth(jnp.ones(()))

    def additive_drift(self, t, x, u, climate):
        exposure = u.risky * self.volatility
        return LogWealth(self.rate + exposure * x.x - jnp.exp(u.log_share) - 0.5 * exposure**2)

    def additive_diffusion(self, t, x, u):
        return LogWealth(jnp.array([self.volatility]) * u.risky)

    def initial_state(self):
        return State(jnp.array(self.mean))

    def initial_additive(self):
        return LogWealth(jnp.zeros(()))

    def closures(self):
        return State((Inflow(extension=0.5), Inflow(extension=0.5)))


def wachter_value(model: Wachter, x: np.ndarray) -> np.ndarray:
    r"""The value less log wealth, $\gamma\log\int_0^\infty e^{c_\tau x^2/2 + b_\tau x + a_\tau}d\tau/(1-\gamma)$, and a constant."""
    gamma, delta = model.risk_aversion, 0.052
    power = (1.0 - gamma) / gamma
    pull, target, variance = model.reversion + power * model.noise, model.reversion * model.mean, model.noise**2

    def change(_, y):
        c, b, _ = y
        return [
            power / gamma - 2.0 * pull * c + variance * c**2,
            target * c - pull * b + variance * b * c,
            target * b + 0.5 * variance * (b**2 + c) + power * model.rate - delta / gamma,
        ]

    times = np.concatenate([np.linspace(0.0, 60.0, 6001), np.linspace(60.0, 1500.0, 12001)[1:]])
    found = solve_ivp(change, (0.0, 1500.0), [0.0] * 3, t_eval=times, rtol=1e-11, atol=1e-13, method="LSODA")
    c, b, a = found.y
    x = x[:, None]
    wealth = simpson(np.exp(0.5 * c * x**2 + b * x + a), x=times)
    return (np.log(delta) + gamma * np.log(wealth)) / (1.0 - gamma)


# -- utility that is not a number --------------------------------------------------------------------------------------------------


class Position(NamedTuple):
    position: Any


class Speed(NamedTuple):
    speed: Any


class Cliff(ClosedFormControl):
    """Steer to the origin at a quadratic cost; utility is not a number beyond `edge`."""

    edge: Any
    preferences: TimeAdditive = eqx.field(default_factory=lambda: TimeAdditive(0.05))
    ambiguity: Ambiguity = eqx.field(default_factory=Ambiguity)

    name: ClassVar[str] = "cliff"

    @property
    def states(self):
        return Position(Variable("position", "m", -1.0, 1.0))

    @property
    def controls(self):
        return Speed(Variable("speed", "m/yr", -10.0, 10.0))

    def drift(self, t, x, u, climate):
        return Position(u.speed)

    def diffusion(self, t, x, u):
        return Position(jnp.array([0.1]))

    def utility(self, t, x, u):
        return jnp.log(jnp.where(x.position > self.edge, jnp.nan, 1.0)) - 0.5 * (x.position**2 + u.speed**2)

    def best_control(self, t, x, value, costate, hessian):
        return Speed(jnp.clip(costate.position, -10.0, 10.0))

    def closures(self):
        return Position((StateConstraint(), StateConstraint()))

    def initial_state(self):
        return Position(jnp.asarray(0.5))
