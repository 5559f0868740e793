"""A solution as a folder.

`run.json` describes the problem, `solution.abatax` contains the solution to the last bit, and `solution.nc` contains it on a grid for
readers.
"""

import functools
import json
import math
import os
import platform
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np
import xarray as xr

from ...common import complete_file
from ...models import (
    HJBProblem,
    build,
    class_label,
    imported_class,
    model_class,
    own_classes,
    parameter_units,
    portable_parameters,
)
from ...models.base import fingerprint
from ...solvers import AbstractPathSolver, AbstractSolver, Solution, Trajectory, regime_datasets, solver_options
from ...solvers.base import DamagedArchiveError, ForeignArchiveError, read_archive, write_archive
from ...solvers.solution import MARK, describe, question_hash, question_of, read_back_as, restore, solution_fingerprint
from ..labels import check_mark, command_line, flatten, open_attributes, with_global_attributes, write_netcdf
from ._run_kinds import check_kinds

FORMAT = 1  # of run.json; increases with every change that older readers would misinterpret
ARCHIVE = "solution.abatax"
_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"  # hashes of code are valid for one version


def describe_run(solution: Solution | Trajectory, **given: Any) -> dict[str, Any]:
    """The contents of run.json for a solution; `given` adds further entries such as solver, seed and residuals."""
    problem = solution.problem
    packages = ("abatax", "jax", "equinox", "numpy", "scipy", "xarray")
    return {
        "format": FORMAT,
        MARK: solution_fingerprint(solution),
        **question_of(solution),
        **_own_code(problem.model),
        "parameter_units": parameter_units(problem.model),
        "converged": solution.converged,
        "advice": solution.advice,
        **found_of(solution),
        "versions": {name: version(name) for name in packages} | {"python": platform.python_version()},
        "platform": {"system": platform.platform(), "device": jax.devices()[0].device_kind, "cores": os.cpu_count()},
        "command": command_line(),
        "date": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "source": problem.model.source,
        **given,
    }


@functools.singledispatch
def found_of(solution: Any) -> dict[str, Any]:
    """The entries of run.json for one type of solution: statistics of the solve, and data for reading it back."""
    raise TypeError(f"save: {type(solution).__name__} is not a solution.")


@found_of.register
def _(solution: Solution) -> dict[str, Any]:
    seconds = {"seconds": 0.0, "compile_seconds": 0.0}
    iterations = 0
    faces: dict[str, Any] = {}

    def collect(part: Solution) -> None:
        nonlocal iterations
        if part.problem.faces is not None:
            margins = [[face.extension for face in sides] for sides in part.problem.faces]
            faces[part.problem.model.regime] = {"margins": margins, **part.stats.get("faces", {})}
        iterations += int(part.stats["steps"])
        for name in seconds:
            seconds[name] += float(part.stats[name])
        for destination in part.later:
            collect(destination)

    collect(solution)
    return {"iterations": iterations, **seconds} | ({"faces": faces} if faces else {})


def _own_code(model: Any) -> dict[str, Any]:
    """Hashes of the code of user-defined classes, by which later changes of a class are detected."""
    hashes = {class_label(cls): fingerprint(cls) for cls in own_classes(model)}
    return {"own_code": {"python": _PYTHON, "classes": hashes}} if hashes else {}


def save(
    solution: Solution | Trajectory,
    folder: str | Path,
    *,
    solver: AbstractSolver | AbstractPathSolver | None = None,
    force: bool = False,
    **given: Any,
) -> dict[str, Any]:
    """Write a solution to a folder as complete files `run.json`, `solution.abatax` and, for readers, `solution.nc`.

    **Arguments:**

    - `solution`: a solution of any solver, which is saved to the last bit with all regimes after its jumps; a path in discrete time is
      saved by year.
    - `folder`: the folder, which is created if it does not exist.
    - `solver`: the solver, which is recorded with its options.
    - `force`: overwrite existing files.
    - `given`: further entries of run.json.

    **Returns:** the contents of run.json.

    **Raises:** `FileExistsError` if a file would be overwritten; `ValueError` if run.json cannot represent a field of the
    model.

    !!! example

        ```python
        import tempfile
        from pathlib import Path

        import abatax as ab

        solution = ab.solve(ab.models.LinearQuadratic(), ab.solvers.FiniteDifference(points=21))
        folder = Path(tempfile.mkdtemp(), "run")
        run = ab.save(solution, folder)
        assert run["model"] == "linear_quadratic" and (folder / "solution.nc").exists()
        ```
    """
    folder = Path(folder)
    for name in ("solution.nc", ARCHIVE, "run.json"):
        if (folder / name).exists() and not force:
            raise FileExistsError(f"{folder / name} exists; choose another folder or overwrite it with `force`.")
    model = solution.problem.model
    portable_parameters(model)  # refuses fields that could not be read back
    groups, numbers = tables_of(solution)
    mark = solution_fingerprint(solution)
    title = f"Solution of the climate-economic model {model.name}"
    groups[""] = with_global_attributes(groups[""].assign_attrs({MARK: mark}), title, references=model.source)
    arrays: dict[str, np.ndarray] = {}
    described = describe(solution, arrays) if isinstance(solution, Solution) else None  # a path is exact in solution.nc
    folder.mkdir(parents=True, exist_ok=True)
    if solver is not None:
        given = {"solver": {"name": solver.name} | solver_options(solver)} | given
    if described is not None:
        write_archive(folder / ARCHIVE, {MARK: mark, "solution": described}, arrays)
        given = {"stored_in": ARCHIVE} | given
    run = describe_run(solution, **numbers, **given)
    write_netcdf(groups, folder / "solution.nc")
    write_json(run, folder / "run.json")
    return run


@functools.singledispatch
def tables_of(solution: Any) -> tuple[dict[str, xr.Dataset], dict[str, Any]]:
    """The groups of solution.nc, and entries of run.json that are computed from them."""
    raise TypeError(f"save: {type(solution).__name__} is not a solution.")


@tables_of.register
def _(solution: Solution) -> tuple[dict[str, xr.Dataset], dict[str, Any]]:
    groups = {"": solution.to_dataset()} | regime_datasets(solution)
    residual = _inside(groups[""], solution.problem)
    numbers = float(np.sqrt(np.mean(residual**2))), float(np.max(np.abs(residual)))
    return groups, dict(zip(("residual_rms", "residual_max"), numbers, strict=True))


def _inside(dataset, problem: HJBProblem) -> np.ndarray:
    """Residuals at the nodes of the region of interest."""
    for name, (low, high) in zip(problem.model.states._fields, problem.region, strict=True):
        dataset = dataset.sel({name: (dataset[name] >= low) & (dataset[name] <= high)})
    return dataset["residual"].values


def write_json(content: dict[str, Any], path: Path) -> None:
    """Write a complete JSON file."""
    with complete_file(path) as beside:
        beside.write_text(json.dumps(content, indent=2, default=_plain) + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, (np.generic, np.ndarray, jax.Array)):
        return np.asarray(value).tolist()
    return str(value)


def read_run(folder: str | Path) -> dict[str, Any]:
    """The run.json of a folder.

    **Arguments:**

    - `folder`: a folder that `save`, `abatax solve` or `abatax run` wrote.

    **Returns:** the entries of run.json.

    **Raises:** `ValueError`: one line, if the file is missing or was not written by abatax.

    !!! example

        ```python
        import tempfile
        from pathlib import Path

        import abatax as ab

        solution = ab.solve(ab.models.LinearQuadratic(), ab.solvers.FiniteDifference(points=21))
        folder = Path(tempfile.mkdtemp(), "run")
        ab.save(solution, folder)
        assert ab.scenarios.read_run(folder)["converged"]
        ```
    """
    path = Path(folder) / "run.json"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}; give the folder that `abatax solve` or `run` wrote.") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not a text file; solve again to replace it.") from None
    return parse_run(path, text)


def parse_run(path: Path, text: str) -> dict[str, Any]:
    """The contents of a run.json, checked by [`check_run`][].

    **Raises:** `ValueError`: one line with the file and the remedy.
    """
    try:
        run = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"{path} is not valid JSON; solve again to replace it.") from None
    try:
        check_kinds(run, path)
        check_run(run, path)
    except RecursionError:
        raise ValueError(f"{path} is nested too deeply; solve again to replace it.") from None
    return run


def check_run(run: Any, path: Path) -> None:
    """Raise unless these are the unchanged contents of a run.json of abatax.

    **Raises:** `ValueError`: one line with the file and the remedy.
    """
    needed = {"format": int, "model": str, "parameters": dict, "results": dict}
    for name, kind in needed.items():
        if not isinstance(run, dict) or name not in run:
            raise ValueError(f"{path} was not written by abatax: `{name}` is missing.")
        if not isinstance(run[name], kind):
            raise ValueError(f"{path} was not written by abatax: `{name}` is {str(run[name])[:40]!r}.")
    if run["format"] != FORMAT:
        raise ValueError(f"{path} has format {run['format']}; this version reads {FORMAT}. Solve again.")
    if MARK not in run:
        raise ValueError(
            f"{path} was written by a version of abatax without fingerprints: `{MARK}` is missing; solve again."
        )
    if "model_class" not in run:
        try:
            model_class(run["model"])
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
    for name, value in flatten(run["parameters"]):
        if _has_nan(value):
            raise ValueError(f"{path}: `{name}` is {value}; a parameter must be a number. Solve again.")
    if str(run[MARK]).partition("-")[0] != question_hash(run):
        raise ValueError(
            f"{path} was changed after it was written: its model, parameters, box or results differ from those that were"
            " solved; restore the file or solve again."
        )


def _has_nan(value: Any) -> bool:
    if isinstance(value, list):
        return any(_has_nan(part) for part in value)
    return value == "nan" or (isinstance(value, float) and math.isnan(value))


def load(folder: str | Path, *, model: type | None = None) -> tuple[Any, dict[str, Any]]:
    """Read a solution back: a `Solution`, or a `Trajectory` of a model in discrete time.

    **Arguments:**

    - `folder`: a folder written by [`save`][].
    - `model`: the class of a user-defined model. It is not needed if the module that defines the class has been imported;
      reading a file imports no code.

    **Returns:** the solution, and the contents of run.json.

    **Raises:** `ValueError`: one line, if a file is missing, damaged or belongs to another solution, or if the code of user-defined
    classes has changed.

    !!! example

        ```python
        import tempfile

        import abatax as ab

        solution = ab.solve(ab.HJBProblem(ab.models.LinearQuadratic()), ab.solvers.FiniteDifference(points=41))
        with tempfile.TemporaryDirectory() as folder:
            ab.save(solution, folder)
            again, run = ab.load(folder)
        assert run["converged"] and again.converged
        ```
    """
    folder = Path(folder)
    run = read_run(folder)
    path = folder / "solution.nc"
    user_class = _own_class(run, path.with_name("run.json")) if model is None else _given_class(model, run)
    check_mark(path, open_attributes(path), run, f"solve again with --force, or restore {folder}")
    return read_back(build(run["model"], run["parameters"], user_class), run, folder), run


def _given_class(model: type, run: Mapping[str, Any]) -> type:
    """The class that the user provides; it must have the recorded name, but may be in another module."""
    saved = str(run.get("model_class", run["model"]))
    if "model_class" not in run or saved.rpartition(":")[2].rpartition(".")[2] != model.__name__:
        raise ValueError(f"`model` is {model.__name__}; the solution belongs to `{saved}`: give that class.")
    return model


def _own_class(run: Mapping[str, Any], path: Path) -> type | None:
    """The user-defined class of a run, None for models of abatax; its code must be unchanged since the solve."""
    recorded = run.get("own_code", {})
    if recorded.get("python") == _PYTHON:
        for label, code in recorded["classes"].items():
            if fingerprint(imported_class(label)) != code:
                raise ValueError(f"{path}: the code of `{label}` has changed since it was solved; solve again.")
    return imported_class(run["model_class"]) if "model_class" in run else None


@functools.singledispatch
def read_back(model: Any, run: dict[str, Any], folder: Path) -> Any:
    """The solution of a model in a folder."""
    path = folder / "run.json"
    for name in ("box", "extension", "stored_in"):
        if name not in run:
            raise ValueError(f"{path} was not written by this version of abatax: `{name}` is missing; solve again.")
    box = {name: (float(low), float(high)) for name, (low, high) in run["box"].items()}
    problem = HJBProblem(model, box=box, extension=float(run["extension"]))
    path = folder / ARCHIVE
    remedy = f"solve again with --force, or restore {folder}"
    try:
        about, arrays = read_archive(path)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}; {remedy}.") from None
    except (DamagedArchiveError, ForeignArchiveError) as error:
        raise ValueError(f"{path}: {error}; {remedy}.") from None
    check_mark(path, about, run, remedy)
    try:
        return read_back_as(restore(problem, about["solution"], arrays), run[MARK])
    except ValueError as error:
        raise ValueError(f"{path}: {error}; {remedy}.") from None
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        reason = f"it does not contain a solution of `{model.name}` ({type(error).__name__})"
        raise ValueError(f"{path}: {reason}; {remedy}.") from None
