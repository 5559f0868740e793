"""Optimisers of first order, by name, with their schedules."""

from typing import Any

import optax

OPTIMIZERS = ("adam", "adamw", "muon", "lbfgs")
SCHEDULES = ("cosine", "constant", "exponential")
# Share of the steps in which the learning rate rises, and what is left of it at the end.
_WARM, _LEFT = 0.02, 1e-3


def check_optimizer(optimizer: str, schedule: str) -> None:
    """**Raises:** `ValueError` if there is no such optimiser or schedule."""
    for field, value, known in (("optimizer", optimizer, OPTIMIZERS), ("schedule", schedule, SCHEDULES)):
        if value not in known:
            raise ValueError(f"`solver.{field}` is {value!r}; it must be one of {', '.join(known)}.")


def make_schedule(schedule: str, steps: int) -> Any:
    """The learning rate over that at its height, by step."""
    if schedule == "constant":
        return optax.constant_schedule(1.0)
    warm = max(int(_WARM * steps), 1)
    if schedule == "exponential":
        return optax.warmup_exponential_decay_schedule(0.0, 1.0, warm, max(steps - warm, 1), _LEFT)
    return optax.warmup_cosine_decay_schedule(0.0, 1.0, warm, max(steps, warm + 1), _LEFT)


def make_optimizer(optimizer: str) -> optax.GradientTransformationExtraArgs:
    """An optimiser with learning rate 1: what it returns is multiplied by the schedule.

    L-BFGS searches along its own line and knows no rate.
    """
    made = {
        "adam": lambda: optax.adam(1.0),
        "adamw": lambda: optax.adamw(1.0, weight_decay=1e-6),
        "muon": lambda: optax.contrib.muon(1.0),
        "lbfgs": lambda: optax.lbfgs(),
    }
    return optax.with_extra_args_support(made[optimizer]())
