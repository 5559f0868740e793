"""Compare solvers and architectures on one model: `ab.compare` and `abatax compare`."""

import dataclasses
import json
import warnings
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from ..._writing import complete_file
from ...models import AbstractModel, HJBProblem
from ...solvers import AbstractProgress, FiniteDifference, NoProgress, Solution, solve
from ...solvers._kinds import pose
from ...validation import Comparison, NoReferenceError, Reference, exact_value
from ...validation.comparison import Target, check_numbers, entries_of, make_target, run_comparison
from ..report import write_comparison
from ..store import VERSION, ReferenceStore, source_hash
from ._pipeline import COMPARISON_ROWS, check_absent, hjb_only, prepare_folder

FILES = "comparison.csv", "comparison.nc", "comparison.html"
SECONDS = 20.0  # the budget if none is given


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
    """Solvers, architectures and seeds on one problem, on an equal budget, against one reference.

    **Main arguments:**

    - `model`: or a problem.
    - `solvers`: names on the command line; those that are no networks run once.
    - `architectures`: names, or `"all"`.
    - `seeds`: runs of every network; seeds are 0, 1, …
    - `budget`: seconds of every run, per regime, compilation apart; 20 if neither it nor `steps` is given.
    - `steps`: of training, instead of seconds: the same on every machine.
    - `parameters`: of every network, as near as its width allows.
    - `tuning`: trials of a random search over the options of each architecture, on a quarter of the budget each; 0 for none.

    **Other arguments:**

    - `options`: of the neural solvers, such as `{"points": 256}`; each takes those that it has.
    - `reference`: what errors are measured against: the exact solution if the model has one, otherwise finite differences,
      from `store` (`ReferenceStore()` if left out), if left out.
    - `progress`: as in `solve`.
    - `folder`: gets `comparison.csv`, `comparison.nc`, `comparison.html` and `figures/`, and every row as soon as it is finished;
      a comparison that was interrupted goes on from there. `force`: overwrite.

    **Returns:** a [`Comparison`][]: `table`, `summary`, `to_dataset()`.

    **Raises:** `ValueError` for an unknown name or a number out of its range; `FileExistsError` if there is a comparison in `folder`.

    **Good values:** 5 seeds or more (with fewer no paired test can find a difference), 20 to 60 seconds, 1000 parameters.

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
        raise ValueError(f"`{problem.model.name}` is known in closed form with these parameters: no solver is needed.")
    entries = entries_of(tuple(solvers), architectures, options)
    asked = check_numbers(seeds, SECONDS if budget is None and steps is None else budget, steps, parameters, tuning)
    progress = NoProgress() if progress is None else progress
    kept: MutableMapping[str, Any] = {}
    if folder is not None:
        folder = Path(folder)
        if not (folder / COMPARISON_ROWS).is_dir() or (folder / FILES[-1]).exists():  # otherwise it was interrupted
            check_absent(folder, FILES, force, "choose another folder with --out, or ")
    target = _target(problem, reference, store, progress)
    if folder is not None:
        kept = _Rows(prepare_folder(folder, (), True) / COMPARISON_ROWS)
    comparison = run_comparison(
        problem,
        entries,
        target,
        asked,
        seeds=seeds,
        tuning=tuning,
        kept=kept,
        mark=(VERSION, source_hash()),
        progress=progress,
    )
    if folder is not None:
        write_comparison(comparison, folder)
    return comparison


def _target(problem: HJBProblem, reference: Any, store: ReferenceStore | None, progress: AbstractProgress) -> Target:
    """What errors are measured against; where it comes from is part of it."""
    if reference is not None or exact_value(problem.model) is not None:
        return make_target(problem, reference)
    store, solver = ReferenceStore() if store is None else store, FiniteDifference()
    nodes = " × ".join(str(count) for count in solver.counts(problem))
    origin = (
        "read from the store of references" if store.path(problem, solver).exists() else "computed for this comparison"
    )
    try:
        found: Any = store.reference(problem, solver, progress=progress)
        return make_target(problem, found, source=f"finite differences with {nodes} nodes, {origin}")
    except NoReferenceError as error:
        reason = " ".join(str(error).split())
    progress.done("reference", f"{reason} Its error is unknown.")
    solution = solve(problem, solver, throw=False)
    if not solution.converged:
        raise ValueError(f"no reference: finite differences did not converge. {solution.advice}")
    target = make_target(
        problem, solution, source=f"finite differences with {nodes} nodes, whose own error is unknown ({reason})"
    )
    return dataclasses.replace(target, solver="finite_difference")


class _Rows(MutableMapping[str, Any]):
    """Finished rows in a folder, each complete or absent."""

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
                f"{self._path(key)} cannot be read ({type(error).__name__}); it is computed again.", stacklevel=3
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
