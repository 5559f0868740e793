"""A small random search over the options of an architecture and a solver, counted and never judged by the reference."""

import dataclasses
import inspect
import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ... import neural_operators
from ...neural_operators import SCALE
from ...solvers import AbstractNeural
from ...solvers.base import compile_clock

SHARE = 0.25  # of the budget, for every trial
_SEED = 982_451  # of the draws and of the trials, apart from the seeds of the comparison

# How options with these names are drawn around their default.
_CHOICES = {
    "activation": ("tanh", "silu", "gelu", "sine"),
    "gate": ("swiglu", "geglu"),
    "edges": ("chebyshev", "spline"),
}
_FACTORS = {"frequency": 2.0, "gain": 2.0, SCALE: 2.0, "learning_rate": 10.0}  # up to so many times more or less


class Trial(NamedTuple):
    """What a trial tried: options of the architecture and of the solver."""

    architecture: dict[str, Any]
    solver: dict[str, Any]


class Tuned(NamedTuple):
    """What a search chose and cost.

    - `trial`: the options. `residual`: what they left on fresh points, relative to the range of the value.
    - `seconds`, `compile_seconds`: of all trials. `trials`: how many, the defaults included. `failed`: how many of them failed.
    """

    trial: Trial
    residual: float
    seconds: float
    compile_seconds: float
    trials: int
    failed: int

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and text, for files."""
        return self._asdict() | {"trial": self.trial._asdict()}


UNTUNED = Tuned(Trial({}, {}), math.nan, 0.0, 0.0, 0, 0)


def draw_trial(name: str, solver: AbstractNeural, number: int, fixed: tuple[str, ...] = ()) -> Trial:
    """The options of one trial: the defaults for number 0, otherwise drawn at random, the same in every process.

    Depth moves by one layer, sizes by a third, frequencies, gains and the scale of the first weights by up to a factor of two,
    a learning rate (where the solver has one) by up to ten, all evenly in their logarithm; choices are drawn evenly.

    **Arguments:** `name`: of the architecture. `fixed`: solver's options that the user has set.
    """
    if number == 0:
        return Trial({}, {})
    letters = [ord(letter) for letter in f"{type(solver).__name__}/{name}"]
    random = np.random.default_rng([_SEED, number, *letters])
    chosen: dict[str, Any] = {}
    for option, default in (neural_operators.architecture_options(name) | {SCALE: 1.0}).items():
        if option in _CHOICES:
            chosen[option] = str(random.choice(_CHOICES[option]))
        elif option in _FACTORS:
            chosen[option] = _scaled(default, _FACTORS[option], random)
        elif option == "depth":
            chosen[option] = max(1, default + int(random.integers(-1, 2)))
        elif option in ("size", "conditioner"):
            chosen[option] = max(2, round(_scaled(default, 4 / 3, random)))
        elif option == "mixing":
            chosen[option] = round(float(random.uniform(0.1, 0.9)), 2)
    mine = {}
    if "learning_rate" in inspect.signature(type(solver)).parameters and "learning_rate" not in fixed:
        mine["learning_rate"] = _scaled(solver.learning_rate, _FACTORS["learning_rate"], random)  # pyright: ignore[reportAttributeAccessIssue]
    return Trial(chosen, mine)


def tune(
    name: str,
    solver: AbstractNeural,
    trials: int,
    residual_of: Callable[[Trial, int], float],
    fixed: tuple[str, ...] = (),
) -> Tuned:
    """The best of some trials by the residual that they leave on fresh points.

    **Arguments:**

    - `name`, `solver`, `fixed`: as in `draw_trial`.
    - `trials`: how many, the defaults being the first; 0 for no search.
    - `residual_of`: runs one trial, of a number, on its share of the budget.

    **Returns:** a [`Tuned`][]; a trial that fails has the residual infinity.
    """
    if trials == 0:
        return UNTUNED
    best, least, failed, spent, compiled = Trial({}, {}), math.inf, 0, 0.0, 0.0
    for number in range(trials):
        trial = draw_trial(name, solver, number, fixed)
        clock = _Stopwatch()
        try:
            left = residual_of(trial, number)
        except (ValueError, ArithmeticError, RuntimeError):
            left, failed = math.inf, failed + 1
        seconds, compiling = clock.read()
        spent, compiled = spent + seconds, compiled + compiling
        if left < least:
            best, least = trial, left
    return Tuned(best, least, spent, compiled, trials, failed)


def with_options(solver: AbstractNeural, trial: Trial, architecture: str, **budget: Any) -> AbstractNeural:
    """The solver with the options of a trial."""
    network = solver.network.with_options(trial.architecture)
    return dataclasses.replace(solver, architecture=architecture, network=network, **trial.solver, **budget)


def seed_of(number: int) -> int:
    """The seed of a trial: none of the comparison's."""
    return _SEED + number


def _scaled(default: float, most: float, random: np.random.Generator) -> float:
    return float(f"{default * most ** random.uniform(-1.0, 1.0):.3g}")


class _Stopwatch:
    """Seconds since it was made, compilation apart."""

    def __init__(self):
        self._start, self._compiled = time.perf_counter(), compile_clock()

    def read(self) -> tuple[float, float]:
        compiling = compile_clock() - self._compiled
        return time.perf_counter() - self._start - compiling, compiling
