"""Consumption out of wealth with recursive utility: log wealth is additive, and the state on the grid hardly matters."""

from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp

from abatax.models import AbstractModel, Ambiguity, EpsteinZin, Inflow, Variable


class Mood(NamedTuple):
    mood: Any


class LogWealth(NamedTuple):
    log_wealth: Any


class AbstractConsumer(AbstractModel):
    """Log consumption over wealth as flow utility, and a state with noise of its own; subclasses add controls and wealth."""

    preferences: EpsteinZin
    ambiguity: Ambiguity = eqx.field(default_factory=Ambiguity)
    states = property(lambda self: Mood(Variable("mood", "1", -1.0, 1.0)))
    additive = property(lambda self: LogWealth(Variable("log wealth", "1")))

    def drift(self, t, x, u, climate):
        return Mood(-0.1 * x.mood)

    def diffusion(self, t, x, u):
        return Mood(jnp.array([0.0, 0.1]))

    def utility(self, t, x, u):
        return jnp.log(u.share)

    def initial_state(self):
        return Mood(jnp.array(0.0))

    def additive_costates(self):
        return LogWealth(jnp.ones(()))

    def initial_additive(self):
        return LogWealth(jnp.zeros(()))

    def closures(self):
        return Mood((Inflow(), Inflow()))
