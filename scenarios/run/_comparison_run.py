"""Compare solvers and architectures on one model: `ab.compare` and `abatax compare`."""

import dataclasses
import json
import warnings
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from ...common import complete_file
from ...models import AbstractModel, HJBProblem
from ...solvers import AbstractProgress, FiniteDifference, NoProgress, Solution, pose, solve
from ...validation import Comparison, NoReferenceError, Reference, exact_value
from ...validation.comparison import Target, check_numbers, entries_of, make_target, run_comparison
from ..report import write_comparison
from ..store import VERSION, ReferenceStore, source_hash
from ._pipeline import COMPARISON_ROWS, check_absent, hjb_only, prepare_folder

FILES = "comparison.csv", "comparison.nc", "comparison.html"
SECONDS = 20.0  # default budget


def compare(
    model: AbstractModel | HJBProblem,
    *,
    solvers: Sequence[str] = ("gauss_newton", "features"),
    architectures: Sequence[str] | str = ("mlp", "gated_mlp"),
    seeds: int = 3,
    budget: float | None = None,
    steps: int | None = None,
    parameters: int = 1000,
    tuning: int = 0,
    options: Mapping[str, Any] | None = None,
    reference: Solution | Reference | Callable | None = None,
    store: ReferenceStore | None = None,
    progress: AbstractProgress | None = None,
    folder: str | Path | None = None,
    force: bool = False,
) -> Comparison:
    """Compare solvers, architectures and seeds on one problem with an equal budget against one reference.

    **Main arguments:**

    - `model`: a model or a problem.
    - `solvers`: names of the command line; solvers without networks run once.
    - `architectures`: names, or `"all"`.
    - `seeds`: number of runs of every network; seeds are 0, 1, …
    - `budget`: seconds of every run per regime, without compilation; 20 if neither `budget` nor `steps` is given.
    - `steps`: number of training steps instead of seconds, which is reproducible on every machine.
    - `parameters`: number of parameters of every network, as close as its width allows.
    - `tuning`: number of trials of a random search over the options of each architecture, each with a quarter of the budget; 0
      for no search.

    **Other arguments:**

    - `options`: options of the neural solvers, such as `{"points": 256}`; each solver takes the options that it has.
    - `reference`: the solution against which errors are measured. By default it is the exact solution if the model has one,
      and otherwise finite differences from `store` (default `ReferenceStore()`).
    - `progress`: as in `solve`.
    - `folder`: the folder for `comparison.csv`, `comparison.nc`, `comparison.html` and `figures/`, and for every row as soon
      as it is finished; an interrupted comparison is continued from there. `force`: overwrite.

    **Returns:** a [`Comparison`][]: `table`, `summary`, `to_dataset()`.

    **Raises:** `ValueError` for an unknown name or a number out of its range; `FileExistsError` if there is a comparison in `folder`.

    **Good values:** 5 seeds or more (with fewer seeds no paired test is significant), 20 to 60 seconds, 1000 parameters.

    !!! example

        ```python
        import abatax as ab

        comparison = ab.compare(
            ab.models.LinearQuadratic(), solvers=["gauss_newton"], architectures=["mlp"], seeds=1, steps=5, parameters=60
        )
        assert comparison.table.policy_error[0] < 0.05
        ```
    """
    problem = hjb_only(pose(model), "compare")
    if problem.model.exact_value() is not None:
        raise ValueError(f"`{problem.model.name}` has a closed form with these parameters: no solver is needed.")
    entries = entries_of(tuple(solvers), architectures, options)
    budgets = check_numbers(seeds, SECONDS if budget is None and steps is None else budget, steps, parameters, tuning)
    progress = NoProgress() if progress is None else progress
    finished_rows: MutableMapping[str, Any] = {}
    if folder is not None:
        folder = Path(folder)
        if not (folder / COMPARISON_ROWS).is_dir() or (folder / FILES[-1]).exists():  # not an interrupted comparison
            check_absent(folder, FILES, force, "choose another folder with --out, or ")
    target = _target(problem, reference, store, progress)
    if folder is not None:
        finished_rows = _Rows(prepare_folder(folder, (), True) / COMPARISON_ROWS)
    comparison = run_comparison(
        problem,
        entries,
        target,
        budgets,
        seeds=seeds,
        tuning=tuning,
        kept=finished_rows,
        mark=(VERSION, source_hash()),
        progress=progress,
    )
    if folder is not None:
        write_comparison(comparison, folder)
    return comparison


def _target(problem: HJBProblem, reference: Any, store: ReferenceStore | None, progress: AbstractProgress) -> Target:
    """The reference against which errors are measured, with a description of its origin."""
    if reference is not None or exact_value(problem.model) is not None:
        return make_target(problem, reference)
    store, solver = ReferenceStore() if store is None else store, FiniteDifference()
    nodes = " × ".join(str(count) for count in solver.counts(problem))
    origin = (
        "read from the store of references" if store.path(problem, solver).exists() else "computed for this comparison"
    )
    try:
        stored: Any = store.reference(problem, solver, progress=progress)
        return make_target(problem, stored, source=f"finite differences with {nodes} nodes, {origin}")
    except NoReferenceError as error:
        reason = " ".join(str(error).split())
    progress.done("reference", f"{reason} Its error is unknown.")
    solution = solve(problem, solver, throw=False)
    if not solution.converged:
        raise ValueError(f"no reference: finite differences did not converge. {solution.advice}")
    target = make_target(
        problem, solution, source=f"finite differences with {nodes} nodes, with unknown error ({reason})"
    )
    return dataclasses.replace(target, solver="finite_difference")


class _Rows(MutableMapping[str, Any]):
    """Finished rows in a folder, one file each, which is either complete or absent."""

    def __init__(self, folder: Path):
        self.folder = folder

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.json"

    def __getitem__(self, key: str) -> Any:
        try:
            return json.loads(self._path(key).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise KeyError(key) from None
        except (ValueError, OSError) as error:
            warnings.warn(
                f"{self._path(key)} cannot be read ({type(error).__name__}); the row is computed again.", stacklevel=3
            )
            raise KeyError(key) from None

    def __setitem__(self, key: str, value: Any) -> None:
        with complete_file(self._path(key)) as beside:
            beside.write_text(json.dumps(value), encoding="utf-8")

    def __delitem__(self, key: str) -> None:
        self._path(key).unlink()

    def __iter__(self) -> Iterator[str]:
        return (path.stem for path in sorted(self.folder.glob("*.json")))

    def __len__(self) -> int:
        return sum(1 for _ in self)
