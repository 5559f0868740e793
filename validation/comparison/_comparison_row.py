"""One row of a comparison: the run of a solver with an architecture and a seed on its budget, and its errors."""

import dataclasses
import math
import time
from typing import Any, NamedTuple

import jax.random as jr
import numpy as np

from ...models import HJBProblem
from ...solvers import (
    AbstractProgress,
    AbstractSolver,
    AbstractTrainedSolver,
    Solution,
    Watched,
    result_name,
    solve,
)
from ...solvers.base import compile_clock
from ...solvers.solution import MAXIMISER, on_host
from ..errors import region_points
from ._budgeted import UNBOUNDED, Budgeted
from ._loss import policy_loss
from ._target import Target
from ._tuning import SHARE, Trial, Tuned, seed_of, with_options

_FIRST, _GROWTH = 0.05, 1.5  # seconds of the first sample of a curve, and the factor to the next sample
_FRESH = 21  # seed of the points at which residuals of trials are measured


class Budget(NamedTuple):
    """The budget of every run: seconds per regime (without compilation) or training steps, and number of parameters."""

    seconds: float | None
    steps: int | None
    parameters: int

    def share(self, part: float) -> "Budget":
        """The budget with a share of the seconds or steps."""
        seconds = None if self.seconds is None else part * self.seconds
        return self._replace(
            seconds=seconds, steps=None if self.steps is None else max(1, math.ceil(part * self.steps))
        )


class Record(NamedTuple):
    """A row of the table and the data of figures, as plain values for files."""

    row: dict[str, Any]
    curve: dict[str, list[float]]
    slices: dict[str, Any]
    residuals: dict[str, Any] | None


@dataclasses.dataclass(frozen=True)
class Entry:
    """A solver in a comparison: its name, its architecture (empty if it has none), and the solver itself."""

    name: str
    architecture: str
    solver: AbstractSolver
    fixed: tuple[str, ...] = ()  # options that the user has set

    @property
    def label(self) -> str:
        """The name in tables and figures."""
        return f"{self.name} {self.architecture}".strip()


def run_entry(
    entry: Entry,
    seed: int,
    budget: Budget,
    target: Target,
    problem: HJBProblem,
    tuned: Tuned,
    progress: AbstractProgress,
) -> Record:
    """Solve on the budget and measure the errors; the seconds do not include measurements."""
    watcher = _Watcher(target, problem.model.regime, progress, f"{entry.label} {seed}")
    solution = _solve(entry, tuned.trial, jr.key(seed), budget, problem, watcher)
    parts, result = _parts(solution), (solution.problem, solution.value, solution.rule)
    errors = target.errors_of(*result)
    loss, stats = policy_loss(target, solution), solution.stats
    watcher.note(_seconds(stats) - watcher.seconds, int(stats["steps"]), errors)
    row = {
        "solver": entry.name,
        "architecture": entry.architecture,
        "seed": seed,
        "parameters": int(stats.get("unknowns", 0)),
        "steps": sum(int(p.get("steps_training", p["steps"])) for p in parts),
        "seconds": sum(map(_seconds, parts)) - watcher.seconds,
        "compile_seconds": sum(p["compile_seconds"] for p in parts) - watcher.compile_seconds,
        **errors,
        **target.constant_errors(),
        "welfare_loss": loss.percent,
        "exits": loss.exits,
        "converged": solution.converged,
        "result": str(stats.get("judged", result_name(solution.result))),
        "welfare_loss_error": loss.percent_error,
        "value_loss": loss.value,
        "tuning_seconds": tuned.seconds,
        "tuning_compile_seconds": tuned.compile_seconds,
        "tuning_trials": tuned.trials,
        "note": loss.note,
        "failure": "",
    }
    return Record(row, watcher.curve, target.slices(*result), target.residual_map(*result))


def residual_of_trial(entry: Entry, trial: Trial, number: int, budget: Budget, problem: HJBProblem) -> float:
    """The residual of a trial at fresh points, relative to the range of its value; the reference is not used."""
    solution = _solve(entry, trial, jr.key(seed_of(number)), budget.share(SHARE), problem, None)
    fields = solution.on(region_points(problem, 256, _FRESH))
    residual = float(np.sqrt(np.mean(fields["residual"] ** 2)) / max(np.ptp(fields["value"]), 1e-300))
    return residual if math.isfinite(residual) else math.inf


def _solve(entry: Entry, trial: Trial, key, budget: Budget, problem: HJBProblem, watch) -> Solution:
    seconds = math.inf if budget.seconds is None else budget.seconds
    how: dict[str, Any] = {"key": key, "throw": False, "watch": watch, "max_seconds": seconds}
    if not isinstance(entry.solver, AbstractTrainedSolver):
        return solve(problem, entry.solver, **how)
    # learning-rate schedules end with the last step; with a budget in seconds rates do not decrease
    steps = budget.steps or UNBOUNDED
    long = {"steps": steps, "patience": UNBOUNDED, "parameters": budget.parameters}
    long = {option: value for option, value in long.items() if option not in entry.fixed}
    solver = with_options(entry.solver, trial, entry.architecture, **long)
    return solve(problem, Budgeted(solver, steps), max_steps=UNBOUNDED, **how)


def _parts(solution: Solution) -> list[dict[str, Any]]:
    """The statistics of every regime that was solved, without repetition."""
    statistics: dict[int, dict[str, Any]] = {}

    def add(part: Solution) -> None:
        for later in part.later:
            add(later)
        statistics[id(part.stats)] = part.stats

    add(solution)
    return list(statistics.values())


def _seconds(stats: dict[str, Any]) -> float:
    """Seconds of a solve without compilation and without the tests of its result."""
    return stats["seconds"] - stats.get("judging_seconds", 0.0)


class _Watcher:
    """Errors of the first regime at geometrically spaced times; the time of the measurements is recorded, to be subtracted."""

    def __init__(self, target: Target, regime: str, progress: AbstractProgress, label: str):
        self.target, self.regime, self.progress, self.label = target, regime, progress, label
        self.curve: dict[str, list[float]] = {}
        self.seconds = self.compile_seconds = 0.0
        self._next = _FIRST

    def __call__(self, watched: Watched) -> None:
        if watched.regime != self.regime or watched.seconds < self._next:
            return
        start, compiled = time.perf_counter(), compile_clock()
        while self._next <= watched.seconds:
            self._next *= _GROWTH
        finish = watched.finish()
        policy = MAXIMISER if finish.policy is None else finish.policy
        errors = self.target.errors_of(*on_host(lambda leaf: leaf[0], (watched.problem, finish.value, policy)))
        self.note(watched.seconds, watched.step, errors)
        self.progress.update(self.label, "", watched.step, {"policy error": errors["policy_error"]})
        compiling = compile_clock() - compiled
        self.seconds += time.perf_counter() - start - compiling
        self.compile_seconds += compiling

    def note(self, seconds: float, step: int, errors: dict[str, float]) -> None:
        """Append one sample to the curves."""
        for name, number in ({"seconds": seconds, "step": float(step)} | errors).items():
            self.curve.setdefault(name, []).append(number)
