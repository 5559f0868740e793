"""The main job: solve, validate, simulate and export; each step writes its files to the folder of the run."""

import dataclasses
import importlib.util
from pathlib import Path
from typing import Any

import jax.random as jr
import pandas as pd
import xarray as xr

from ...common import check_writable, complete_file, nearest, remove_leftovers
from ...models import HJBProblem
from ...solvers import AbstractProgress, FiniteDifference, NoProgress, Paths, Solution, Trajectory, solve
from ...solvers.grid import one_thread
from ...solvers.solution import MARK
from ...validation import ValidationReport, validate
from ...validation.errors import coarse_counts
from ..figures import save_figures, save_tornado
from ..labels import (
    meta,
    scenario_dataset,
    summarise,
    to_iamc,
    with_global_attributes,
    write_csv,
    write_iamc_csv,
    write_iamc_xlsx,
    write_netcdf,
)
from ..report import write_report
from ..store import paths_of, read_run, save
from ._beside import Beside, NamedProgress
from ._rerun import RepeatedSettings
from ._resume import CHECKPOINT, discard_checkpoint, may_resume, resumable
from ._run_folder import (
    NEUTRAL,
    PATHS,
    SENSITIVITIES,
    check_solution,
    discard_others,
    marked_table,
    read_beside,
    read_neutral,
    read_paths,
    read_table,
    read_tables,
)
from ._settings import RunSettings

FORMATS = ("netcdf", "zarr", "iamc-csv", "iamc-xlsx", "html")
COMPARISON_ROWS = ".comparison"  # finished rows of a comparison, one file each
_MANY = 3  # with this number of states or more, one coarser grid replaces the refinement of each state


def prepare_folder(folder: Path, names: tuple[str, ...], force: bool, settings: RunSettings | None = None) -> Path:
    """Check that a folder is writable and that no file would be overwritten; a stopped run with the same settings may be continued.

    The folder is created with the first file, so that a run that is refused later leaves no folder.

    **Raises:** `ValueError` or `FileExistsError`: one line.
    """
    if settings is None or not may_resume(folder, settings):
        check_absent(folder, names, force, "choose another folder with --out, or ")
    try:
        check_writable(folder)
    except OSError as error:
        raise ValueError(f"--out {folder} cannot be written: {error.strerror}; choose another folder.") from None
    tidy(folder)
    return folder


def tidy(folder: Path) -> None:
    """Remove incomplete files of stopped processes from the folder of a run."""
    planners = [folder, folder / NEUTRAL]
    inner = CHECKPOINT, f"{CHECKPOINT}/coarse", "figures", COMPARISON_ROWS
    remove_leftovers(*planners, *(planner / name for planner in planners for name in inner))


def check_absent(folder: Path, names: tuple[str, ...], force: bool, instead: str = "") -> None:
    """Raise if one of the files exists and must not be overwritten, or is a folder; `instead` is further advice."""
    for name in names:
        if (folder / name).exists() and not force:
            raise FileExistsError(f"{folder / name} exists; {instead}overwrite it with --force.")
        if (folder / name).is_dir() and Path(name).suffix != ".zarr":
            raise ValueError(f"{folder / name} is a folder; remove it, or choose another folder.")


def outlook(folder: Path) -> str:
    """The advice for continuing an interrupted solve."""
    if any((folder / CHECKPOINT).rglob("*.checkpoint")) or any((folder / COMPARISON_ROWS).glob("*.json")):
        return f"finished steps are kept; the same command with --out {folder} continues from there."
    return "no step was finished; start again."


def solve_run(
    settings: RunSettings,
    folder: Path,
    *,
    neutral: bool = False,
    progress: AbstractProgress | None = None,
    keep_checkpoint: bool = False,
    from_coarse: bool = False,
) -> dict[str, Any]:
    """Solve and write `solution.nc` and `run.json`; a stopped solve continues from its checkpoint.

    **Arguments:**

    - `settings`: the settings, as from [`read_settings`][].
    - `folder`: the folder of the results.
    - `neutral`: whether the planner has no aversion to ambiguity.
    - `progress`: an `AbstractProgress`; none by default.
    - `keep_checkpoint`: whether the checkpoint remains after the end of the solve.
    - `from_coarse`: with three or more states, solve first on the coarser grid that is also used to estimate errors.

    **Returns:** the contents of run.json, with the solution under `solution` and the solution on the coarser grid, if any,
    under `coarse`.

    !!! example

        ```python
        import tempfile
        from pathlib import Path

        import abatax as ab

        settings = ab.scenarios.RunSettings(model="linear_quadratic", solver={"points": 21})
        folder = Path(tempfile.mkdtemp())
        run = ab.scenarios.solve_run(settings, folder)
        assert run["converged"] and (folder / "run.json").exists()
        ```
    """
    problem: Any = settings.problem(neutral=neutral)
    solver: Any = settings.make_solver()
    checkpoint, progress = folder / CHECKPOINT, progress or NoProgress()
    key, coarse = jr.key(settings.seed), None
    if isinstance(settings, RepeatedSettings):
        from_coarse = settings.from_coarse
    with resumable(folder, settings):
        if from_coarse and isinstance(solver, FiniteDifference) and len(problem.region) >= _MANY:
            fewer = dataclasses.replace(solver, points=coarse_counts(solver, problem))
            named, kept = NamedProgress("coarse", progress), checkpoint / "coarse"
            coarse = solve(problem, fewer, key=key, throw=False, progress=named, checkpoint=kept)
        start = coarse if coarse is not None and coarse.converged else None
        solution = solve(problem, solver, key=key, guess=start, throw=False, progress=progress, checkpoint=checkpoint)
    repeat = {"simulation": settings.simulation.model_dump(), "from_coarse": start is not None}
    run = save(solution, folder, solver=solver, force=True, seed=settings.seed, **repeat)
    if not keep_checkpoint:
        discard_checkpoint(folder)
    return run | {"solution": solution, "solver_object": solver, "coarse": coarse}


def simulate_run(
    solution: Solution | Trajectory,
    folder: Path,
    *,
    years: int = 80,
    paths: int = 1000,
    seed: int = 0,
    measure: str = "baseline",
    shocks: bool = True,
):
    """Simulate and write `paths.nc`, or `paths_worst_case.nc` under the worst-case measure.

    **Arguments:**

    - `solution`: the solution of the folder.
    - `folder`: the folder of the results.
    - `years`: length of the paths in years.
    - `paths`: number of paths.
    - `seed`: seed of the shocks and jumps.
    - `measure`: `baseline` or `worst-case`.
    - `shocks`: whether there are shocks and jumps; otherwise one path follows the drift.

    **Returns:** the simulated paths; the file contains their `to_dataset()`.

    !!! example

        ```python
        import tempfile
        from pathlib import Path

        import abatax as ab

        settings = ab.scenarios.RunSettings(model="linear_quadratic", solver={"points": 21})
        folder = Path(tempfile.mkdtemp())
        solution = ab.scenarios.solve_run(settings, folder)["solution"]
        ab.scenarios.simulate_run(solution, folder, years=5, paths=10)
        assert (folder / "paths.nc").exists()
        ```
    """
    simulated = paths_of(solution, years=years, num_paths=paths, key=jr.key(seed), measure=measure, shocks=shocks)
    model = solution.problem.model
    title = f"Simulated paths of the climate-economic model {model.name}, {measure} measure"
    data = with_global_attributes(simulated.to_dataset().assign_attrs(seed=seed), title, references=model.source)
    write_netcdf(data, folder / PATHS[measure])
    return simulated


def hjb_only(problem: Any, verb: str) -> HJBProblem:
    """The problem; raise if a command needs an HJB equation and the problem is a path in discrete time."""
    if not isinstance(problem, HJBProblem):
        name = problem.model.name
        raise ValueError(
            f"`{verb}` needs an HJB equation; `{name}` is a path in discrete time: use `abatax solve {name}` alone."
        )
    return problem


def export_run(folder: Path, format: str = "all", *, force: bool = False) -> list[Path]:
    """Write the scenario files of a folder with a solution and paths.

    **Arguments:**

    - `folder`: with `run.json`, `solution.nc`, `paths.nc`; a subfolder `neutral` with the same files adds the comparison.
    - `format`: one of `netcdf`, `zarr`, `iamc-csv`, `iamc-xlsx`, `html`, or `all` (all but zarr).
    - `force`: overwrite.

    **Returns:** the files written.

    **Raises:** `ValueError` or `FileExistsError`: one line.

    !!! example

        ```python
        import tempfile
        from pathlib import Path

        import abatax as ab

        settings = ab.scenarios.RunSettings(model="linear_quadratic", solver={"points": 21})
        folder = Path(tempfile.mkdtemp())
        solution = ab.scenarios.solve_run(settings, folder)["solution"]
        ab.scenarios.simulate_run(solution, folder, years=5, paths=10)
        files = ab.scenarios.export_run(folder, "netcdf")
        assert [file.suffix for file in files] == [".nc"]
        ```
    """
    if format not in (*FORMATS, "all"):
        raise ValueError(f"unknown format `{format}`: {nearest(format, (*FORMATS, 'all'))}")
    run = read_run(folder)
    unreported = "zarr", *(("html",) if is_path(run) else ())
    chosen = [f for f in FORMATS if f not in unreported] if format == "all" else [format]
    if chosen == ["html"] and is_path(run):
        raise ValueError(
            f"--format html reports on value functions; `{run['model']}` has only a path: use iamc-csv or netcdf."
        )
    files = {
        "netcdf": "scenario.nc",
        "zarr": "scenario.zarr",
        "iamc-csv": "scenario.csv",
        "iamc-xlsx": "scenario.xlsx",
        "html": "report.html",
    }
    names = tuple(files[f] for f in chosen)
    check_absent(folder, names, force)
    scenarios = _Scenarios(folder, run, report="html" in chosen)
    for kind in chosen:
        getattr(scenarios, "write_" + kind.replace("-", "_"))(folder / files[kind])
    return [folder / files[kind] for kind in chosen]


def is_path(run: dict[str, Any]) -> bool:
    """Whether a run.json describes a path in discrete time, which has no value function."""
    return "box" not in run


class _Scenarios:
    """The simulated scenarios of a folder: its planner, and the neutral planner and the worst-case measure if available."""

    def __init__(self, folder: Path, run: dict[str, Any], report: bool):
        """Read all inputs, so that files that do not belong together are refused before anything is written."""
        self.folder, self.run = folder, run
        self.paths = read_paths(folder, run)
        self.summary = summarise(self.paths)
        self.neutral: xr.Dataset | None = None
        self.worst: xr.Dataset | None = None
        self.neutral_run = read_neutral(folder, run)
        if self.neutral_run is not None and (folder / NEUTRAL / PATHS["baseline"]).exists():
            self.neutral = read_beside(folder / NEUTRAL, self.neutral_run, self.paths)
        if (folder / PATHS["worst-case"]).exists():
            self.worst = read_beside(folder, run, self.paths, "worst-case")
        check_solution(folder, run)
        self.validation: list[dict[str, Any]] = []
        self.neutral_validation: list[dict[str, Any]] = []
        self.sensitivities: pd.DataFrame | None = None
        if report:
            self.validation = _validation(folder, run)
            table = folder / f"{SENSITIVITIES}.csv"
            self.sensitivities = read_table(table, run, f"remove it, or solve again with --{SENSITIVITIES} --force")
        if report and self.neutral_run is not None:
            check_solution(folder / NEUTRAL, self.neutral_run)
            self.neutral_validation = _validation(folder / NEUTRAL, self.neutral_run)

    @property
    def all_paths(self) -> list[xr.Dataset]:
        return [p for p in (self.paths, self.neutral, self.worst) if p is not None]

    def write_netcdf(self, path: Path) -> None:
        write_netcdf(scenario_dataset(self.summary, self.run), path)

    def write_zarr(self, path: Path) -> None:
        if importlib.util.find_spec("zarr") is None:
            raise ValueError("--format zarr needs zarr: pip install 'abatax[zarr]'.")
        with complete_file(path) as beside:
            scenario_dataset(self.summary, self.run).to_zarr(beside, mode="w")

    def _tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        tables = pd.concat([to_iamc(p) for p in self.all_paths], ignore_index=True)
        runs = [self.neutral_run if p is self.neutral else self.run for p in self.all_paths]
        rows = pd.concat([meta(r or {}, p) for r, p in zip(runs, self.all_paths, strict=True)], ignore_index=True)
        return tables, rows

    def write_iamc_csv(self, path: Path) -> None:
        table, rows = self._tables()
        write_iamc_csv(table, path)
        write_csv(rows, path.with_name("scenario_meta.csv"))

    def write_iamc_xlsx(self, path: Path) -> None:
        table, rows = self._tables()
        write_iamc_xlsx(table, path, rows)

    def write_html(self, path: Path) -> None:
        solution = read_tables(self.folder, self.run)
        neutral_solution = None
        if self.neutral_run is not None:
            neutral_solution = read_tables(self.folder / NEUTRAL, self.neutral_run)
        neutral = None if self.neutral is None else summarise(self.neutral)
        figures = save_figures(
            self.folder / "figures",
            solution=solution,
            summary=self.summary,
            neutral_solution=neutral_solution,
            neutral=neutral,
            worst=self.worst,
        )
        if self.sensitivities is not None:
            figures[SENSITIVITIES] = save_tornado(self.folder, self.sensitivities)
        write_report(
            path,
            run=self.run,
            solution=solution,
            summary=self.summary,
            neutral=neutral,
            worst=self.worst,
            validation=self.validation,
            neutral_validation=self.neutral_validation,
            figures=figures,
        )


def _validation(folder: Path, run: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a folder's validation table; an empty list if there is no table."""
    table = read_table(folder / "validation.csv", run, "remove it, or run `abatax run` with --force")
    rows = [] if table is None else table.to_dict("records")
    return [{str(key): value for key, value in row.items()} for row in rows]


def full_run(settings: RunSettings, folder: Path, *, progress: AbstractProgress | None = None) -> dict[str, Any]:
    """Solve for the averse and the neutral planner, validate, simulate both and the worst case, and export all files.

    The neutral planner is solved after the averse planner, when all programs are compiled, while the first solution is processed.

    **Arguments:**

    - `settings`: the settings, as from [`read_settings`][].
    - `folder`: the folder of the results.
    - `progress`: an `AbstractProgress`; none by default.

    **Returns:** `converged`, `advice`, and `table`, the validation report.

    !!! example

        ```python
        import tempfile
        from pathlib import Path

        import abatax as ab

        settings = ab.scenarios.RunSettings(model="linear_quadratic", solver={"points": 21}, simulation={"years": 5, "paths": 10})
        folder = Path(tempfile.mkdtemp())
        assert ab.scenarios.full_run(settings, folder)["converged"]
        assert (folder / "report.html").exists()
        ```
    """
    progress = progress or NoProgress()
    with one_thread():  # linear algebra shares the cores with the other planner
        averse = solve_run(settings, folder, progress=progress, keep_checkpoint=True, from_coarse=True)
        is_averse = not averse["solution"].problem.model.ambiguity.is_neutral()
        neutral = Beside(lambda: _neutral_run(settings, folder / NEUTRAL, progress)) if is_averse else None
        report = _simulated_and_validated(settings, averse, folder, progress)
        if neutral is not None:
            _simulated(settings, averse["solution"], folder, measure="worst-case")
            progress.done("simulation", "the same under the worst-case measure")
            neutral.wait()
    discard_others(folder, averse[MARK], neutral=is_averse, worst=is_averse)
    export_run(folder, "all", force=True)
    progress.done("export", "scenario.nc, scenario.csv, scenario.xlsx, report.html, figures")
    discard_checkpoint(folder)
    return {"converged": averse["converged"], "advice": averse["advice"], "table": str(report)}


def _neutral_run(settings: RunSettings, folder: Path, progress: AbstractProgress) -> None:
    named = NamedProgress(NEUTRAL, progress)
    solved = solve_run(settings, folder, neutral=True, progress=named, from_coarse=True)
    _simulated_and_validated(settings, solved, folder, named)


def _simulated(settings: RunSettings, solution: Solution, folder: Path, **kind: Any) -> Paths:
    simulation = settings.simulation
    return simulate_run(solution, folder, years=simulation.years, paths=simulation.paths, seed=settings.seed, **kind)


def _simulated_and_validated(
    settings: RunSettings, run: dict[str, Any], folder: Path, progress: AbstractProgress
) -> ValidationReport:
    solution: Solution = run["solution"]
    paths = _simulated(settings, solution, folder)
    progress.done("simulation", f"{settings.simulation.paths} paths over {settings.simulation.years} years")
    solver = run["solver_object"] if isinstance(run["solver_object"], FiniteDifference) else None
    # with three or more states, refining each state separately takes longer than all other steps
    thorough = len(solution.problem.region) < _MANY
    report = validate(solution, solver=solver, paths=paths, thorough=thorough, coarse=run["coarse"])
    write_validation(report, folder, run[MARK])
    verdict = "all" if report.passed else "not all"
    progress.done("validation", f"{len(report.rows)} numbers, {verdict} within bounds")
    return report


def write_validation(report: ValidationReport, folder: Path, mark: str) -> None:
    """Write `validation.csv`; its last column is the fingerprint of the solution."""
    write_csv(marked_table(pd.DataFrame(report.to_rows()), mark), folder / "validation.csv")
