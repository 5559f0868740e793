"""Small problems whose jumps lead back, with what their value functions are."""

import dataclasses
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import root

import abatax as ab
from abatax.models import AbstractModel, AbstractPreferences, AbstractValue, Ambiguity, Inflow, Jump, Variable
from abatax.models.base import parameter
from abatax.models.equation import NoAdditive

TIME = jnp.zeros(())


class Position(NamedTuple):
    position: jax.Array | Variable


class Carried(NamedTuple):
    load: jax.Array | Variable


class Effort(NamedTuple):
    effort: jax.Array | Variable


class Parabola(AbstractValue):
    r"""$a + bx + cx^2$."""

    coefficients: jax.Array

    def __call__(self, t, x):
        a, b, c = self.coefficients
        return a + b * x.position + c * x.position**2

    def derivatives(self, t, x):
        _, b, c = self.coefficients
        return self(t, x), jnp.stack([b + 2.0 * c * x.position]), jnp.stack([jnp.stack([2.0 * c])])


class Shaken(AbstractModel):
    r"""An Ornstein-Uhlenbeck position that is pushed by $J_m$ at a rate, $U = -\tfrac12x^2$: $V = a + bx + cx^2$.

    At the rate `ending` a quiet regime comes, for ever, in which nothing is pushed.
    """

    sizes: jax.Array = eqx.field(converter=parameter, default=(0.5,))
    chances: jax.Array = eqx.field(converter=parameter, default=(1.0,))
    ending: jax.Array = eqx.field(converter=parameter, default=0.0)
    ends: bool = eqx.field(static=True, default=False)  # whether it can
    quiet: bool = eqx.field(static=True, default=False)
    back: str = eqx.field(static=True, default="none")  # how the jump says that it leads back
    carried: bool = eqx.field(
        static=True, default=False
    )  # whether an additive state, worth 1 per unit, is pushed as well
    feedback: jax.Array = eqx.field(converter=parameter, default=0.3)
    volatility: jax.Array = eqx.field(converter=parameter, default=0.2)
    rate: jax.Array = eqx.field(converter=parameter, default=0.5)
    preferences: AbstractPreferences = ab.models.TimeAdditive(0.05)
    ambiguity: Ambiguity = Ambiguity()

    @property
    def states(self):
        return Position(Variable("position", "1", -1.0, 1.0))

    @property
    def controls(self):
        return Effort(Variable("effort", "1", -1.0, 1.0))

    def drift(self, t, x, u, climate):
        return Position(-self.feedback * x.position)

    def diffusion(self, t, x, u):
        return Position(jnp.stack([self.volatility]))

    def utility(self, t, x, u):
        return -0.5 * x.position**2 - 0.5 * u.effort**2

    def initial_state(self):
        return Position(jnp.zeros(()))

    def closures(self):
        # no margins, in whose coordinates polynomials of few degrees are no parabolas
        return Position((Inflow(), Inflow()))

    @property
    def regime(self):
        return "quiet" if self.quiet else "shaken"

    def exact_value(self):
        return Parabola(shaken_coefficients(self)) if self.quiet else None

    def jumps(self):
        if self.quiet:
            return ()
        outcomes = self.sizes.shape[-1]
        stacked = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (outcomes, *leaf.shape)), self)
        alone = lambda rate: jax.tree.map(lambda leaf: leaf[None], eqx.tree_at(lambda m: m.rate, self, rate))
        destination = {
            "none": lambda: None,
            "itself": lambda: self,
            "stacked": lambda: stacked,
            # there and back: 0.3 and 0.1, but for rounding
            "thirds": lambda: alone(jnp.where(self.rate > 0.2, self.rate / 3.0, self.rate * 3.0)),
            "endless": lambda: alone(1.1 * self.rate),
        }[self.back]()
        land = lambda x: Position(x.position + (self.sizes if outcomes > 1 else self.sizes[0]))
        carry = (lambda x: Carried(2.0 * self.sizes)) if self.carried else None
        return (Jump(lambda t, x, u: self.rate, land, self.chances, destination, "push", carry), *self._end())

    def _end(self):
        if not self.ends:
            return ()
        after = jax.tree.map(lambda leaf: leaf[None], dataclasses.replace(self, quiet=True))
        return (Jump(lambda t, x, u: self.ending, lambda x: x, jnp.ones(1), after, "end"),)

    @property
    def additive(self):
        return Carried(Variable("load", "1")) if self.carried else NoAdditive()

    def additive_costates(self):
        return Carried(jnp.ones(())) if self.carried else NoAdditive()

    def additive_drift(self, t, x, u, climate):
        return Carried(jnp.zeros(())) if self.carried else NoAdditive()

    def additive_diffusion(self, t, x, u):
        return Carried(jnp.zeros(1)) if self.carried else NoAdditive()

    def initial_additive(self):
        return Carried(jnp.zeros(())) if self.carried else NoAdditive()


def shaken_coefficients(model: Shaken) -> jax.Array:
    """$a$, $b$ and $c$, as functions of the model's parameters."""
    delta, feedback = model.preferences.discount_rate, model.feedback
    rate, ending = (
        (jnp.zeros(()), jnp.zeros(())) if model.quiet else (model.rate, model.ending if model.ends else jnp.zeros(()))
    )
    after = jnp.zeros(3) if model.quiet else shaken_coefficients(dataclasses.replace(model, quiet=True))
    mean, square = (model.chances @ model.sizes**n for n in (1.0, 2.0))
    c = (ending * after[2] - 0.5) / (delta + ending + 2.0 * feedback)
    b = (2.0 * rate * c * mean + ending * after[1]) / (delta + ending + feedback)
    pushed = b * mean + c * square + (2.0 if model.carried else 0.0) * mean
    a = (model.volatility**2 * c + rate * pushed + ending * after[0]) / (delta + ending)
    return jnp.stack([a, b, c])


def shaken_value(model: Shaken, x: np.ndarray) -> np.ndarray:
    a, b, c = np.asarray(shaken_coefficients(model))
    return a + b * x + c * x**2


class Switching(AbstractModel):
    r"""Linear-quadratic control in one of several regimes that follow each other: a member of a Markov chain.

    $dx = (a_sx + u)dt + \sigma_sdW$, $U = -\tfrac12(q_sx^2 + u^2)$; from regime $s$ to $s'$ at the rate $\lambda_{ss'}$.
    """

    regime_number: jax.Array = eqx.field(converter=lambda n: jnp.asarray(n, dtype=jnp.int64), default=0)
    growth: jax.Array = eqx.field(converter=parameter, default=(0.1, -0.4))
    weight: jax.Array = eqx.field(converter=parameter, default=(1.0, 3.0))
    volatility: jax.Array = eqx.field(converter=parameter, default=(0.2, 0.5))
    rates: jax.Array = eqx.field(converter=parameter, default=((0.0, 0.3), (0.7, 0.0)))
    preferences: AbstractPreferences = ab.models.TimeAdditive(0.05)
    ambiguity: Ambiguity = Ambiguity()

    @property
    def states(self):
        return Position(Variable("position", "1", -1.0, 1.0))

    @property
    def controls(self):
        return Effort(Variable("effort", "1", -8.0, 8.0))

    def drift(self, t, x, u, climate):
        return Position(self.growth[self.regime_number] * x.position + u.effort)

    def diffusion(self, t, x, u):
        return Position(self.volatility[self.regime_number][None])

    def utility(self, t, x, u):
        return -0.5 * (self.weight[self.regime_number] * x.position**2 + u.effort**2)

    def initial_state(self):
        return Position(jnp.zeros(()))

    def closures(self):
        # no margins, in whose coordinates polynomials of few degrees are no parabolas
        return Position((Inflow(), Inflow()))

    def jumps(self):
        count = self.growth.shape[-1]
        chances = self.rates[self.regime_number] / jnp.sum(self.rates[self.regime_number])
        following = eqx.filter_vmap(lambda n: eqx.tree_at(lambda m: m.regime_number, self, n))(jnp.arange(count))
        rate = lambda t, x, u: jnp.sum(self.rates[self.regime_number])
        return (Jump(rate, lambda x: x, chances, following, "switch"),)


def switching_value(model: Switching) -> tuple[np.ndarray, np.ndarray]:
    r"""$P_s$ and $c_s$ of $V_s = -\tfrac12P_sx^2 - c_s$, from coupled Riccati equations."""
    delta, a, q = float(model.preferences.discount_rate), np.asarray(model.growth), np.asarray(model.weight)
    rates, variance = np.asarray(model.rates), np.asarray(model.volatility) ** 2
    generator = rates - np.diag(rates.sum(axis=1))
    p = root(lambda p: q - delta * p + 2.0 * a * p - p**2 + generator @ p, np.ones_like(a), tol=1e-13).x
    return p, np.linalg.solve(delta * np.eye(len(a)) - generator, 0.5 * variance * p)


class Labelled(AbstractModel):
    """The two regimes of `Switching`, told apart by a static field and by plain numbers; each jump has its own name."""

    label: str = eqx.field(static=True, default="calm")
    preferences: AbstractPreferences = ab.models.TimeAdditive(0.05)
    ambiguity: Ambiguity = Ambiguity()

    @property
    def regime(self):
        return self.label

    @property
    def number(self):
        return {"calm": 0, "wild": 1}[self.label]

    @property
    def states(self):
        return Position(Variable("position", "1", -1.0, 1.0))

    @property
    def controls(self):
        return Effort(Variable("effort", "1", -8.0, 8.0))

    def drift(self, t, x, u, climate):
        return Position((0.1, -0.4)[self.number] * x.position + u.effort)

    def diffusion(self, t, x, u):
        return Position(jnp.array([(0.2, 0.5)[self.number]]))

    def utility(self, t, x, u):
        return -0.5 * ((1.0, 3.0)[self.number] * x.position**2 + u.effort**2)

    def initial_state(self):
        return Position(jnp.zeros(()))

    def closures(self):
        # no margins, in whose coordinates polynomials of few degrees are no parabolas
        return Position((Inflow(), Inflow()))

    def jumps(self):
        name, other, rate = {"calm": ("storm", "wild", 0.3), "wild": ("lull", "calm", 0.7)}[self.label]
        after = jax.tree.map(lambda leaf: leaf[None], Labelled(other, self.preferences, self.ambiguity))
        return (Jump(lambda t, x, u: jnp.array(rate), lambda x: x, jnp.ones(1), after, name),)


def disasters_value(survival: np.ndarray, chances: np.ndarray) -> tuple[float, float]:
    r"""Investment and $v$ of $V = \log K + v$ of the economy in docs/jumps.md, from two algebraic equations."""
    delta, rho, gamma, rate = 0.03, 2.0 / 3.0, 3.0, 0.2
    a, theta, s = 0.11, 8.0, 0.1
    feared = rate * (1.0 - float(chances @ survival ** (1.0 - gamma))) / (gamma - 1.0)

    def equations(z):
        i, v = z
        ratio = ((a - i) * np.exp(-v)) ** (1.0 - rho)
        growth = i - 0.5 * theta * i**2 - 0.5 * gamma * s**2 + feared
        return delta / (1.0 - rho) * (ratio - 1.0) + growth, delta * ratio / (a - i) - (1.0 - theta * i)

    i, v = root(equations, (0.02, np.log(0.09)), tol=1e-13).x
    return float(i), float(v)


class Place(NamedTuple):
    east: jax.Array | Variable
    north: jax.Array | Variable


class Plane(AbstractModel):
    """Two positions as of `Shaken`, pushed at the same dates: the value is the sum of theirs."""

    one: Shaken
    other: Shaken
    preferences: AbstractPreferences = ab.models.TimeAdditive(0.05)
    ambiguity: Ambiguity = Ambiguity()

    @property
    def states(self):
        return Place(*(Variable(name, "1", -1.0, 1.0) for name in Place._fields))

    @property
    def controls(self):
        return self.one.controls

    def drift(self, t, x, u, climate):
        return Place(-self.one.feedback * x.east, -self.other.feedback * x.north)

    def diffusion(self, t, x, u):
        return Place(jnp.stack([self.one.volatility, jnp.zeros(())]), jnp.stack([jnp.zeros(()), self.other.volatility]))

    def utility(self, t, x, u):
        return -0.5 * (x.east**2 + x.north**2 + u.effort**2)

    def initial_state(self):
        return Place(jnp.zeros(()), jnp.zeros(()))

    def closures(self):
        # no margins, in whose coordinates polynomials of few degrees are no parabolas
        return Place((Inflow(), Inflow()), (Inflow(), Inflow()))

    def jumps(self):
        land = lambda x: Place(x.east + self.one.sizes, x.north + self.other.sizes)
        return (Jump(lambda t, x, u: self.one.rate, land, self.one.chances, None, "push"),)
