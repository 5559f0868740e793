"""A small random search over the options of an architecture and a solver, which does not use the reference."""

import inspect
import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ... import neural_operators
from ...neural_operators import SCALE
from ...solvers import AbstractTrainedSolver
from ...solvers.base import compile_clock

SHARE = 0.25  # share of the budget for every trial
_SEED = 982_451  # seed of the draws and of the trials, distinct from the seeds of the comparison

# Values and largest factors with which options of these names are drawn.
_CHOICES = {
    "activation": ("tanh", "silu", "gelu", "sine"),
    "gate": ("swiglu", "geglu"),
    "edges": ("chebyshev", "spline"),
}
_FACTORS = {"frequency": 2.0, "gain": 2.0, SCALE: 2.0, "learning_rate": 10.0}


class Trial(NamedTuple):
    """The options of a trial, of the architecture and of the solver."""

    architecture: dict[str, Any]
    solver: dict[str, Any]


class Tuned(NamedTuple):
    """The result and the cost of a search.

    - `trial`: the chosen options. `residual`: their residual on fresh points, relative to the range of the value.
    - `seconds`, `compile_seconds`: time of all trials. `trials`: number of trials, including the defaults. `failed`: number of
      failed trials.
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


def draw_trial(name: str, solver: AbstractTrainedSolver, number: int, fixed: tuple[str, ...] = ()) -> Trial:
    """The options of one trial: the defaults for number 0, and otherwise random options, which are the same in every process.

    Depth changes by at most one layer, sizes by a third, frequencies, gains and the scale of the first weights by up to a
    factor of two, and a learning rate (if the solver has one) by up to ten, uniformly in the logarithm; choices are drawn with
    equal probability.

    **Arguments:** `name`: name of the architecture. `fixed`: options of the solver that the user has set.
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
    of_solver = {}
    if "learning_rate" in inspect.signature(type(solver)).parameters and "learning_rate" not in fixed:
        of_solver["learning_rate"] = _scaled(solver.learning_rate, _FACTORS["learning_rate"], random)  # pyright: ignore[reportAttributeAccessIssue]
    return Trial(chosen, of_solver)


def tune(
    name: str,
    solver: AbstractTrainedSolver,
    trials: int,
    residual_of: Callable[[Trial, int], float],
    fixed: tuple[str, ...] = (),
) -> Tuned:
    """The trial with the smallest residual on fresh points.

    **Arguments:**

    - `name`, `solver`, `fixed`: as in `draw_trial`.
    - `trials`: number of trials, of which the first has the defaults; 0 for no search.
    - `residual_of`: a function that runs a trial with a given number on its share of the budget.

    **Returns:** a [`Tuned`][]; a trial that fails has the residual infinity.
    """
    if trials == 0:
        return UNTUNED
    best, least, failed, spent, compiled = Trial({}, {}), math.inf, 0, 0.0, 0.0
    for number in range(trials):
        trial = draw_trial(name, solver, number, fixed)
        clock = _Stopwatch()
        try:
            residual = residual_of(trial, number)
        except (ValueError, ArithmeticError, RuntimeError):
            residual, failed = math.inf, failed + 1
        seconds, compiling = clock.read()
        spent, compiled = spent + seconds, compiled + compiling
        if residual < least:
            best, least = trial, residual
    return Tuned(best, least, spent, compiled, trials, failed)


def with_options(
    solver: AbstractTrainedSolver, trial: Trial, architecture: str, **budget: Any
) -> AbstractTrainedSolver:
    """The solver with the options of a trial."""
    return solver.trained_with(architecture, trial.architecture, **trial.solver, **budget)


def seed_of(number: int) -> int:
    """The seed of a trial, which is not a seed of the comparison."""
    return _SEED + number


def _scaled(default: float, most: float, random: np.random.Generator) -> float:
    return float(f"{default * most ** random.uniform(-1.0, 1.0):.3g}")


class _Stopwatch:
    """Seconds since the creation of the stopwatch, without compilation."""

    def __init__(self):
        self._start, self._compiled = time.perf_counter(), compile_clock()

    def read(self) -> tuple[float, float]:
        compiling = compile_clock() - self._compiled
        return time.perf_counter() - self._start - compiling, compiling
