"""First-order optimisers and learning-rate schedules, by name."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float

from ._soap import soap

OPTIMIZERS = ("adam", "adamw", "muon", "soap", "lbfgs")
SCHEDULES = ("cosine", "constant", "exponential")
# Fraction of the steps in the warm-up, and the final learning rate relative to its maximum.
_WARM, _FINAL_RATE = 0.02, 1e-3
_LONGEST = 1000  # largest number of warm-up steps: a limit in seconds may end training long before the last step


def check_optimizer(optimizer: str, schedule: str) -> None:
    """Check the names of an optimiser and a schedule.

    **Raises:** `ValueError` if a name is unknown.
    """
    for field, value, names in (("optimizer", optimizer, OPTIMIZERS), ("schedule", schedule, SCHEDULES)):
        if value not in names:
            raise ValueError(f"`solver.{field}` is {value!r}; it must be one of {', '.join(names)}.")


def learning_rates(schedule: str, steps: int, first: int, count: int) -> Float[np.ndarray, " step"]:
    """The learning rate relative to its maximum, for the `count` steps from step `first` of `steps`."""
    warm = max(min(int(_WARM * steps), _LONGEST), 1)
    if schedule == "constant":
        rate_at = optax.constant_schedule(1.0)
    elif schedule == "exponential":
        rate_at = optax.warmup_exponential_decay_schedule(0.0, 1.0, warm, max(steps - warm, 1), _FINAL_RATE)
    else:
        rate_at = optax.warmup_cosine_decay_schedule(0.0, 1.0, warm, max(steps, warm + 1), _FINAL_RATE)
    with jax.numpy_dtype_promotion("standard"):  # optax mixes integers and floats
        return np.asarray(jax.vmap(rate_at)(first + jnp.arange(count)), dtype=float)


def make_optimizer(optimizer: str) -> optax.GradientTransformationExtraArgs:
    """An optimiser with learning rate 1; the caller multiplies its updates by the schedule.

    L-BFGS has a line search and uses no learning rate.
    """
    optimizers = {
        "adam": lambda: optax.adam(1.0),
        "adamw": lambda: optax.adamw(1.0, weight_decay=1e-6),
        "muon": lambda: optax.contrib.muon(1.0),
        "soap": lambda: soap(1.0),
        "lbfgs": lambda: optax.lbfgs(),
    }
    return optax.with_extra_args_support(optimizers[optimizer]())


class Rule(NamedTuple):
    """An optimiser of parameters whose leaves have a leading axis over networks."""

    init: Any
    update: Any


def lifted(optimizer: str) -> Rule:
    """An optimiser for each network; L-BFGS treats all networks as one vector of parameters."""
    transformation = make_optimizer(optimizer)
    joint = optimizer == "lbfgs"

    def init(parameters):
        with jax.numpy_dtype_promotion("standard"):  # optax mixes integers and floats
            return transformation.init(parameters) if joint else jax.vmap(transformation.init)(parameters)

    def update(slope, moments, parameters, **more):
        with jax.numpy_dtype_promotion("standard"):
            if joint:
                return transformation.update(slope, moments, parameters, **more)
            return jax.vmap(transformation.update)(slope, moments, parameters)

    return Rule(init, update)


def moved(parameters: Any, move: Any, rate: Any) -> Any:
    """Parameters after an update with a learning rate."""
    return jax.tree.map(lambda p, m: p + (rate * m).astype(p.dtype), parameters, move)
