"""Optimisers of first order, by name, with their schedules."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float

from ..base import check_whole
from ._soap import soap

OPTIMIZERS = ("adam", "adamw", "muon", "soap", "lbfgs")
SCHEDULES = ("cosine", "constant", "exponential")
# Share of the steps in which the learning rate rises, and what is left of it at the end.
_WARM, _LEFT = 0.02, 1e-3
_LONGEST = 1000  # steps of warming up: where seconds end a training nobody knows how many it will take


def check_optimizer(optimizer: str, schedule: str) -> None:
    """**Raises:** `ValueError` if there is no such optimiser or schedule."""
    for field, value, known in (("optimizer", optimizer, OPTIMIZERS), ("schedule", schedule, SCHEDULES)):
        if value not in known:
            raise ValueError(f"`solver.{field}` is {value!r}; it must be one of {', '.join(known)}.")


def check_training(inner: int, batch: int, learning_rate: float) -> None:
    """**Raises:** `ValueError` if a number is out of its range."""
    for name, value in (("inner", inner), ("batch", batch)):
        check_whole(name, value, 1)
    if not 0.0 < learning_rate < math.inf:
        raise ValueError(f"`solver.learning_rate` is {learning_rate}; it must be > 0 and finite.")


def learning_rates(schedule: str, steps: int, first: int, count: int) -> Float[np.ndarray, " step"]:
    """The learning rate over that at its height, for `count` steps from `first` of `steps`."""
    warm = max(min(int(_WARM * steps), _LONGEST), 1)
    if schedule == "constant":
        made = optax.constant_schedule(1.0)
    elif schedule == "exponential":
        made = optax.warmup_exponential_decay_schedule(0.0, 1.0, warm, max(steps - warm, 1), _LEFT)
    else:
        made = optax.warmup_cosine_decay_schedule(0.0, 1.0, warm, max(steps, warm + 1), _LEFT)
    with jax.numpy_dtype_promotion("standard"):  # optax mixes whole and real numbers
        return np.asarray(jax.vmap(made)(first + jnp.arange(count)), dtype=float)


def make_optimizer(optimizer: str) -> optax.GradientTransformationExtraArgs:
    """An optimiser with learning rate 1: what it returns is multiplied by the schedule.

    L-BFGS searches along its own line and knows no rate.
    """
    made = {
        "adam": lambda: optax.adam(1.0),
        "adamw": lambda: optax.adamw(1.0, weight_decay=1e-6),
        "muon": lambda: optax.contrib.muon(1.0),
        "soap": lambda: soap(1.0),
        "lbfgs": lambda: optax.lbfgs(),
    }
    return optax.with_extra_args_support(made[optimizer]())


class Rule(NamedTuple):
    """An optimiser of parameters whose leaves have a leading axis over networks."""

    init: Any
    update: Any


def lifted(optimizer: str) -> Rule:
    """Every network has its own optimiser, but for L-BFGS, which sees them as one."""
    made = make_optimizer(optimizer)
    whole = optimizer == "lbfgs"

    def init(parameters):
        with jax.numpy_dtype_promotion("standard"):  # optax mixes whole and real numbers
            return made.init(parameters) if whole else jax.vmap(made.init)(parameters)

    def update(slope, moments, parameters, **more):
        with jax.numpy_dtype_promotion("standard"):
            if whole:
                return made.update(slope, moments, parameters, **more)
            return jax.vmap(made.update)(slope, moments, parameters)

    return Rule(init, update)


def moved(parameters: Any, move: Any, rate: Any) -> Any:
    """Parameters after a step."""
    return jax.tree.map(lambda p, m: p + (rate * m).astype(p.dtype), parameters, move)
