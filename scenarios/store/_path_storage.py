"""Storage of paths in discrete time in run.json and solution.nc."""

import dataclasses
import functools
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from ...models import AbstractDiscreteModel, DiscreteProblem
from ...solvers import RESULTS, Trajectory, follow, simulate
from ...solvers.solution import MARK, PATH, read_back_as, solution_fingerprint
from ..labels import open_netcdf
from ._storage import found_of, read_back, tables_of


@found_of.register
def _(solution: Trajectory) -> dict[str, Any]:
    stats = solution.stats
    return {
        "iterations": int(stats["steps"]),
        "welfare": solution.welfare,
        # the residual of the optimality conditions, since a path has no HJB equation
        "residual_rms": float(stats["error"]),
        "residual_max": float(stats["error"]),
        "seconds": float(stats["seconds"]),
        "compile_seconds": float(stats["compile_seconds"]),
    }


@tables_of.register
def _(solution: Trajectory) -> tuple[dict[str, xr.Dataset], dict[str, Any]]:
    return {"": solution.to_dataset()}, {}


@read_back.register
def _(model: AbstractDiscreteModel, run: dict[str, Any], folder: Path) -> Trajectory:
    path = folder / "solution.nc"
    dataset, problem = open_netcdf(path), DiscreteProblem(model)
    bounded = problem.dynamics().bounded
    names = (*problem.low._fields, *(f"multiplier_{name}" for name in bounded))
    missing = [name for name in names if name not in dataset or dataset[name].shape != (model.periods,)]
    if missing:
        raise ValueError(f"{path}: `{missing[0]}` is missing; the file is not a solution of `{model.name}`.")
    controls, limits = (
        [np.asarray(dataset[name].values) for name in part]
        for part in (names[: len(problem.low)], names[len(problem.low) :])
    )
    followed = follow(problem, type(problem.low)(*controls), multipliers=dict(zip(bounded, limits, strict=True)))
    result = getattr(RESULTS, run["results"].get(PATH, ""), None)
    if result is None:
        raise ValueError(f"{path}: run.json has no result for the path.")
    stats = {"steps": run.get("iterations", 0), "error": run.get("residual_max", 0.0)}
    trajectory = dataclasses.replace(followed, result=result, stats=stats | {"seconds": 0.0, "compile_seconds": 0.0})
    return read_back_as(trajectory, run[MARK])


class _Certain(NamedTuple):
    path: Trajectory
    years: int

    def to_dataset(self) -> xr.Dataset:
        return path_dataset(self.path, self.years)


@functools.singledispatch
def paths_of(solution: Any, **how: Any) -> Any:
    """Simulated paths of one type of solution; their dataset has the dimensions `realization` and `year`."""
    return simulate(solution, **how)


@paths_of.register
def _(solution: Trajectory, *, years: int, measure: str = "baseline", **how: Any) -> _Certain:
    del how  # options of random numbers have no effect
    if measure != "baseline":
        name = solution.problem.model.name
        raise ValueError(f"--measure is {measure!r}; the path of `{name}` is deterministic: leave the option out.")
    return _Certain(solution, years)


def path_dataset(path: Trajectory, years: int) -> xr.Dataset:
    """A deterministic path in the form of simulated paths with one realization.

    **Arguments:**

    - `path`: the result of `solve`.
    - `years`: horizon; periods that begin later are omitted.

    **Returns:** a Dataset with the dimensions `realization` and `year`.

    !!! example

        ```python
        import abatax as ab

        data = ab.scenarios.path_dataset(ab.solve(ab.models.Dice2016()), years=85)
        assert dict(data.sizes) == {"realization": 1, "year": 18}
        ```
    """
    dataset = path.to_dataset()
    dataset = dataset.sel(year=dataset.year <= path.problem.model.start_year + years)
    dataset = dataset.assign_attrs({MARK: solution_fingerprint(path)})
    return dataset.expand_dims(realization=np.zeros(1, dtype=np.int32)).assign_attrs(
        measure="baseline", shocks="off", num_paths=1, ambiguity="neutral", start_year=path.problem.model.start_year
    )
