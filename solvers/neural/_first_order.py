"""What the solvers that train with first-order optimisers share: their options, learning rates and recovery."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..base import NONFINITE, check_whole
from ._neural import AbstractNeural, NeuralState
from ._optimizers import check_optimizer, learning_rates
from ._workspace import TrainingSet

# Largest number of restarts from the best networks after a non-finite step; each restart halves the learning rate.
_RECOVERIES = 8


class AbstractFirstOrder(AbstractNeural):
    """Training with a first-order optimiser: one step of the driver is a compiled sequence of `inner` optimiser steps on batches.

    The state of an optimiser has the fields `rate` (factor on the learning rate after recoveries) and `recoveries`.
    """

    resample: int = eqx.field(static=True, default=5)
    patience: int = eqx.field(static=True, default=1000)
    optimizer: str = eqx.field(static=True, default="adam")
    schedule: str = eqx.field(static=True, default="cosine")
    learning_rate: float = eqx.field(static=True, default=2e-3)
    inner: int = eqx.field(static=True, default=50)
    batch: int = eqx.field(static=True, default=256)

    def __check_init__(self):
        check_optimizer(self.optimizer, self.schedule)
        for name in ("inner", "batch"):
            check_whole(name, getattr(self, name), 1)
        if not 0.0 < self.learning_rate < math.inf:
            raise ValueError(f"`solver.learning_rate` is {self.learning_rate}; it must be > 0 and finite.")

    def rates(self, state: NeuralState) -> Float[np.ndarray, " step"]:
        """The learning rates of the optimiser steps of one training step."""
        first = (self.training_steps(state) - 1) * self.inner
        rates = learning_rates(self.schedule, self.steps * self.inner, first, self.inner)
        return self.learning_rate * float(state.optimizer_state.rate) * rates

    def time_step_pace(self, state: NeuralState, training: TrainingSet) -> Float[Array, ""] | None:
        """The reciprocal time step as an argument of a compiled step."""
        pace = self.pace(state, training)
        return None if pace is None else jnp.asarray(pace)

    def recovered(self, state: NeuralState, training: TrainingSet) -> NeuralState:
        """The best networks with a new optimiser and half the learning rate, after networks became infinite."""
        rate, recoveries = 0.5 * state.optimizer_state.rate, state.optimizer_state.recoveries + 1
        state = state._replace(unknowns=state.best_unknowns)
        optimizer_state = self.prepare(state, training)._replace(rate=rate, recoveries=recoveries)
        state = state._replace(optimizer_state=optimizer_state)
        return state._replace(status=np.array(NONFINITE)) if recoveries > _RECOVERIES else state


def to_device(tree: Any) -> Any:
    """Arrays of a state as arguments of a compiled step."""
    return jax.tree.map(jnp.asarray, tree)


def to_host(tree: Any) -> Any:
    """Arrays that a compiled step returns, as leaves of a state."""
    return jax.tree.map(np.asarray, tree)
