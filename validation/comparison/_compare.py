"""Comparison of solvers, architectures and seeds on one problem with an equal budget against one reference."""

import json
import math
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...models import HJBProblem, nearest
from ...models.base import fingerprint
from ...neural_operators import ARCHITECTURES, architecture
from ...solvers import (
    SOLVERS,
    AbstractProgress,
    AbstractSolver,
    AbstractTrainedSolver,
    make_solver,
    solver_class,
    solver_options,
)
from ...solvers.base import release_programs
from ._comparison_row import Budget, Entry, Record, residual_of_trial, run_entry
from ._target import Target
from ._tuning import UNTUNED, Trial, Tuned, tune

# Options that the comparison itself sets, and the options of the comparison that replace them.
_RESERVED = {
    "architecture": "--architectures",
    "parameters": "--parameters",
    "steps": "--steps",
    "patience": "--budget",
}


class Comparison(NamedTuple):
    """The result of a comparison.

    **Fields:** `records`, one for each row; `target`, the reference; `budget`; `about`, the settings of the comparison for files.
    `print` shows the main columns.

    !!! example

        ```python
        import abatax as ab

        comparison = ab.compare(ab.models.LinearQuadratic(), solvers=["spectral", "features"], seeds=1)
        assert set(comparison.table.solver) == {"spectral", "features"}
        ```
    """

    records: tuple[Record, ...]
    target: Target
    budget: Budget
    about: dict[str, Any]

    @property
    def table(self):
        """A pandas DataFrame with one row for each solver, architecture and seed."""
        from ._comparison_table import table_of

        return table_of(self)

    @property
    def summary(self):
        """A pandas DataFrame with medians and spreads over seeds, ranks and tests for each solver and architecture."""
        from ._comparison_table import summary_of

        return summary_of(self.table, self.target.solver)

    def to_dataset(self):
        """An xarray Dataset with the table, curves, slices and residual maps."""
        from ._comparison_table import dataset_of

        return dataset_of(self)

    def plot(self):
        """Draw the error of the policy by solver and architecture, best first: seeds as circles, medians as bars.

        **Returns:** the matplotlib axes.

        **Raises:** `ValueError` if no run finished.
        """
        from ...scenarios.figures import plot_comparison

        return plot_comparison(self)

    def __str__(self):
        columns = ["solver", "architecture", "seed", "parameters", "seconds", "policy_error", "residual_rms", "failure"]
        return self.table[columns].to_string(index=False, float_format="{:.2e}".format)  # pyright: ignore[reportArgumentType]


def entries_of(
    solvers: Sequence[str], architectures: Sequence[str] | str, options: Mapping[str, Any] | None = None
) -> tuple[Entry, ...]:
    """The entries of a comparison: every neural solver with every architecture, every other solver once.

    **Arguments:** `architectures`: names, or `"all"`. `options`: options of the neural solvers; each solver takes the options
    that it has.

    **Raises:** `ValueError` with the nearest known name.
    """
    options = dict(options or {})
    names = tuple(ARCHITECTURES) if architectures in ("all", ["all"], ("all",)) else tuple(architectures)
    for kind, choice in (("solver", tuple(solvers)), ("architecture", names)):
        if not choice:
            raise ValueError(f"no {kind} is given; name one or more.")
        repeated = next((name for name in choice if choice.count(name) > 1), None)
        if repeated:
            raise ValueError(f"{kind} `{repeated}` is given twice; name it once.")
    for name in names:
        architecture(name)
    classes = {name: solver_class(name) for name in solvers}
    for name, cls in classes.items():
        if not issubclass(cls, AbstractSolver):
            raise ValueError(
                f"solver `{name}` finds paths in discrete time; `compare` needs a solver of HJB equations."
            )
    neural = [name for name, cls in classes.items() if issubclass(cls, AbstractTrainedSolver)]
    _check_options(neural, options)
    entries = []
    for name in solvers:
        if name not in neural:
            entries.append(Entry(name, "", _hjb(make_solver(name, {}))))
            continue
        applicable = {k: v for k, v in options.items() if k in solver_options(make_solver(name, {}))}
        solver = _hjb(make_solver(name, applicable))
        entries += [Entry(name, a, solver, tuple(applicable)) for a in names]
    return tuple(entries)


_MOST_RUNS, _MOST_PARAMETERS, _MOST_STEPS = 1000, 10**6, 10**9


def check_numbers(seeds: int, budget: float | None, steps: int | None, parameters: int, tuning: int) -> Budget:
    """The budget.

    **Raises:** `ValueError` naming the number that is out of its range.
    """
    for name, value, least, most in (
        ("seeds", seeds, 1, _MOST_RUNS),
        ("parameters", parameters, 8, _MOST_PARAMETERS),
        ("tuning", tuning, 0, _MOST_RUNS),
        ("steps", 1 if steps is None else steps, 1, _MOST_STEPS),
    ):
        if value < least:
            raise ValueError(f"`{name}` is {value}; it must be a whole number >= {least}.")
        if value > most:
            raise ValueError(f"`{name}` is {value}; it must be at most {most}.")
    if (budget is None) == (steps is None):
        raise ValueError("give either `budget` in seconds or `steps`, which all runs have in common.")
    if budget is not None and not (0.0 < budget < math.inf):
        raise ValueError(f"`budget` is {budget}; it must be a number of seconds > 0.")
    return Budget(None if budget is None else float(budget), steps, parameters)


def run_comparison(
    problem: HJBProblem,
    entries: Iterable[Entry],
    target: Target,
    budget: Budget,
    *,
    seeds: int,
    tuning: int,
    kept: MutableMapping[str, Any],
    mark: Any,
    progress: AbstractProgress,
) -> Comparison:
    """Run all rows that are not finished yet; a failed run is listed and does not stop the others.

    **Arguments:** `kept`: finished rows and searches as plain data, by a hash of their settings. `mark`: further contents of the hash.
    """
    entries = tuple(entries)
    truth = {name: np.asarray(field) for name, field in target.truth.items()}
    common = (mark, problem.replace(continuations=()), budget, truth)
    records = []
    for entry in entries:
        release_programs()
        settings = (common, entry, architecture(entry.architecture) if entry.architecture else None)
        tuned = _tuned(entry, budget, problem, tuning, kept, fingerprint((settings, tuning)), progress)
        for seed in range(seeds if entry.architecture else 1):
            key = fingerprint((settings, tuned.trial, tuned.trials, seed))
            if key not in kept:
                try:
                    record = run_entry(entry, seed, budget, target, problem, tuned, progress)
                except Exception as error:  # any failure is listed, and the other runs continue
                    failure = f"{type(error).__name__}: {' '.join(str(error).split())}"
                    progress.done(f"{entry.label} {seed}", failure)
                    records.append(_failed(entry, seed, tuned, failure))
                    continue
                record.row["options"] = json.dumps(_options(entry, tuned))
                kept[key] = record._asdict()
                progress.done(f"{entry.label} {seed}", f"policy error {record.row['policy_error']:.1e}")
            records.append(Record(**kept[key]))
    about = {
        "model": problem.model.name,
        "reference": target.source,
        "reference_errors": target.errors,
        "seeds": seeds,
        "budget_seconds": budget.seconds,
        "budget_steps": budget.steps,
        "parameters": budget.parameters,
        "tuning_trials": tuning,
    }
    return Comparison(tuple(records), target, budget, about)


def _tuned(entry: Entry, budget: Budget, problem: HJBProblem, trials: int, kept, key: str, progress) -> Tuned:
    if not isinstance(entry.solver, AbstractTrainedSolver) or not trials:
        return UNTUNED
    if key not in kept:

        def residual(trial: Trial, number: int) -> float:
            size = residual_of_trial(entry, trial, number, budget, problem)
            progress.update(f"{entry.label} tuning", "", number + 1, {"residual": size})
            return size

        kept[key] = tune(entry.architecture, entry.solver, trials, residual, entry.fixed).to_dict()
        progress.done(f"{entry.label} tuning", f"{trials} trials")
    plain: dict[str, Any] = dict(kept[key])
    return Tuned(**{**plain, "trial": Trial(**plain["trial"])})


def _options(entry: Entry, tuned: Tuned) -> dict[str, Any]:
    """The options that a search chose; empty for the defaults."""
    return {"architecture": tuned.trial.architecture, "solver": tuned.trial.solver} if entry.architecture else {}


def _failed(entry: Entry, seed: int, tuned: Tuned, failure: str) -> Record:
    row = {
        "solver": entry.name,
        "architecture": entry.architecture,
        "seed": seed,
        "converged": False,
        "tuning_seconds": tuned.seconds,
        "tuning_compile_seconds": tuned.compile_seconds,
        "tuning_trials": tuned.trials,
        "options": json.dumps(_options(entry, tuned)),
        "failure": failure,
    }
    return Record(row, {}, {}, None)


def _hjb(solver: Any) -> AbstractSolver:
    assert isinstance(solver, AbstractSolver)  # `entries_of` refuses other solvers
    return solver


def _check_options(neural: Sequence[str], options: Mapping[str, Any]) -> None:
    """Raise unless every option belongs to a solver of the comparison."""
    valid = sorted({option for name in neural for option in solver_options(make_solver(name, {}))})
    for option in options:
        if option in _RESERVED:
            raise ValueError(f"`solver.{option}` is set by the comparison: use {_RESERVED[option]}.")
        if not neural:
            kinds = ", ".join(n for n, c in SOLVERS.items() if issubclass(c, AbstractTrainedSolver))
            raise ValueError(
                f"`solver.{option}` is an option of neural solvers ({kinds}), and none of them is compared."
            )
        if option not in valid:
            raise ValueError(f"unknown field `solver.{option}`: {nearest(option, valid)}")
