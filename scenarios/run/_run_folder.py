"""The files in the folder of a run, and checks that all of them belong to the same solution."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from ...solvers.solution import MARK
from ..labels import check_mark, flatten, open_attributes, open_netcdf, open_netcdf_groups
from ..store import read_run

NEUTRAL = "neutral"  # subfolder of the same scenario without ambiguity
PATHS = {"baseline": "paths.nc", "worst-case": "paths_worst_case.nc"}  # by the probability measure of the paths
SENSITIVITIES = "sensitivities"


def paths_name(measure: str) -> str:
    """The file of paths under a measure.

    **Raises:** `ValueError` if there is no such measure.
    """
    if measure not in PATHS:
        raise ValueError(f"--measure is {measure!r}; use one of {', '.join(PATHS)}.")
    return PATHS[measure]


def check_solution(folder: Path, run: Mapping[str, Any]) -> None:
    """Raise if solution.nc is not the solution that run.json describes."""
    path = folder / "solution.nc"
    check_mark(path, open_attributes(path), run, "solve again with --force")


def read_tables(folder: Path, run: Mapping[str, Any]) -> dict[str, xr.Dataset]:
    """The groups of the solution.nc of a folder.

    **Raises:** `ValueError`: one line with the file and the remedy, if the file belongs to another solution or has other contents.
    """
    path = folder / "solution.nc"
    groups = open_netcdf_groups(path)
    check_mark(path, groups[""].attrs, run, "solve again with --force")
    value = groups[""].get("value")
    if value is None or tuple(value.dims) != tuple(run["box"]):
        raise ValueError(f"{path}: it contains no value function of `{run['model']}`; solve again with --force.")
    return groups


def read_paths(folder: Path, run: Mapping[str, Any], measure: str = "baseline") -> xr.Dataset:
    """The simulated paths of a folder under a measure.

    **Raises:** `ValueError`: one line with the file and the remedy, if the file is missing, belongs to another solution or measure, or
    has paths with values that are not numbers.
    """
    path = folder / PATHS[measure]
    again = f"run `abatax simulate {folder}{'' if measure == 'baseline' else ' --measure ' + measure}"
    if not path.exists():
        raise ValueError(f"{path} is missing; {again}` first.")
    paths = open_netcdf(path)
    check_mark(path, paths.attrs, run, f"{again} --force`")
    measure_of_paths = paths.attrs.get("measure", "baseline")
    if measure_of_paths != measure:
        raise ValueError(f"{path} contains paths under the {measure_of_paths} measure; {again} --force`.")
    _check_numbers(path, paths, f"{again} --force`")
    return paths


def read_beside(folder: Path, run: Mapping[str, Any], paths: xr.Dataset, measure: str = "baseline") -> xr.Dataset:
    """As [`read_paths`][], with the requirement that years and shocks equal those of the paths with which they are compared."""
    beside = read_paths(folder, run, measure)
    years = int(paths["year"].values[-1] - paths["year"].values[0])
    differ = [
        words
        for words, mine, theirs in (
            ("years", paths["year"].values.tolist(), beside["year"].values.tolist()),
            ("shocks", paths.attrs.get("shocks"), beside.attrs.get("shocks")),
        )
        if mine != theirs
    ]
    if differ:
        options = f" --years {years}" + ("" if measure == "baseline" else f" --measure {measure}")
        options += "" if paths.attrs.get("shocks") != "off" else " --no-shocks"
        raise ValueError(
            f"{folder / PATHS[measure]} has other {' and '.join(differ)} than the paths with which it is compared; run"
            f" `abatax simulate {folder}{options} --force`."
        )
    return beside


def read_neutral(folder: Path, run: Mapping[str, Any]) -> dict[str, Any] | None:
    """The run.json of the planner without ambiguity, None if there is none.

    **Raises:** `ValueError`: one line, if it differs from the run.json of the folder in more than ambiguity.
    """
    inner = folder / NEUTRAL
    if not inner.is_dir():
        return None
    neutral = read_run(inner)
    remedy = f"remove {inner}, or run `abatax run` with --force"
    mine, theirs = _without_ambiguity(run), _without_ambiguity(neutral)
    differ = [name for name in mine | theirs if mine.get(name) != theirs.get(name)]
    if differ:
        raise ValueError(f"{inner / 'run.json'} has another `{differ[0]}` than {folder / 'run.json'}; {remedy}.")
    for name, penalty in neutral["parameters"].get("ambiguity", {}).items():
        if name != "type" and any(part != "inf" for part in np.ravel(penalty).tolist()):
            raise ValueError(f"{inner / 'run.json'} has `ambiguity.{name}` {penalty}, which is not neutral; {remedy}.")
    return neutral


def read_table(path: Path, run: Mapping[str, Any], remedy: str) -> pd.DataFrame | None:
    """A CSV file that belongs to a solution; None if there is none.

    **Raises:** `ValueError`: one line, if the file is not such a table or belongs to another solution.
    """
    if not path.exists():
        return None
    try:
        table = pd.read_csv(path)
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} is not a readable table ({' '.join(str(error).split())}); {remedy}.") from None
    marks = set(table[MARK]) if MARK in table else {None}
    for mark in marks or {None}:
        check_mark(path, {MARK: mark}, run, remedy)
    return table


def marked_table(table: pd.DataFrame, mark: str) -> pd.DataFrame:
    """A table with the fingerprint of its solution as the last column."""
    return table.assign(**{MARK: mark})


def discard_others(folder: Path, mark: str, *, neutral: bool, worst: bool) -> None:
    """Remove files of an earlier run that this run does not write, since they belong to another solution."""
    if not neutral:
        shutil.rmtree(folder / NEUTRAL, ignore_errors=True)
    if not worst:
        (folder / PATHS["worst-case"]).unlink(missing_ok=True)
    table = folder / f"{SENSITIVITIES}.csv"
    try:
        read_table(table, {MARK: mark}, "")
    except ValueError:
        for ending in ("csv", "png", "svg"):
            table.with_suffix(f".{ending}").unlink(missing_ok=True)


def _without_ambiguity(run: Mapping[str, Any]) -> dict[str, Any]:
    """The problem and its parameters by dotted name, without ambiguity."""
    problem = {name: run[name] for name in ("model", "model_class", "box", "extension") if name in run}
    parameters = {name: value for name, value in run["parameters"].items() if name != "ambiguity"}
    return problem | dict(flatten(parameters))


def _check_numbers(path: Path, paths: xr.Dataset, remedy: str) -> None:
    """Raise if a variable is not a number on all or on some of the paths."""
    for name, variable in paths.data_vars.items():
        if set(variable.dims) != {"realization", "year"} or variable.dtype.kind != "f":
            continue
        absent = np.isnan(variable.transpose("realization", "year").values)
        # a quantity may be undefined in a year, but only on every path
        if absent.all() or np.any(absent.any(axis=0) != absent.all(axis=0)):
            count = int(absent.any(axis=1).sum())
            raise ValueError(f"{path}: `{name}` is not a number on {count} of {len(absent)} paths; {remedy}.")
