"""A run.json repeats the run that wrote it, to the last bit."""

import json
import re

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

import abatax as ab
from abatax import scenarios
from abatax.cli import app


def call(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rerun") / "first"
    asked = "feedback=-0.2 volatility=0.4 ambiguity.shocks=0.9 box.state=-1,2 solver.points=31".split()
    sets = [part for text in asked for part in ("--set", text)]
    result = call("solve", "linear_quadratic", *sets, "--seed", 5, "--out", folder)
    assert result.exit_code == 0, result.output + result.stderr
    return folder


def values(folder):
    with xr.open_dataset(folder / "solution.nc") as file:
        return file.load().drop_attrs()


def test_solve_repeats_the_run(first, tmp_path):
    assert call("solve", "--config", first / "run.json", "--out", tmp_path / "again").exit_code == 0
    xr.testing.assert_identical(values(tmp_path / "again"), values(first))
    runs = [scenarios.read_run(folder) for folder in (first, tmp_path / "again")]
    same = ("solution_fingerprint", "parameters", "box", "solver", "seed", "extension", "simulation")
    assert all(runs[0][name] == runs[1][name] for name in same) and runs[0]["seed"] == 5


def test_the_solution_has_the_global_attributes_of_the_cf_conventions(first):
    with xr.open_dataset(first / "solution.nc") as file:
        given = file.attrs
    assert (
        given["Conventions"] == "CF-1.11"
        and given["title"] == "Solution of the climate-economic model linear_quadratic"
    )
    assert given["source"].startswith("abatax ")
    command = scenarios.read_run(first)["command"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ " + re.escape(command), given["history"])


def test_changes_come_on_top(first):
    settings = scenarios.read_settings(first / "run.json")
    changed = scenarios.run.apply(settings, ["feedback=-0.3", "solver.points=21", "box.state=-1,1"])
    model = changed.problem().model
    assert float(np.ravel(model.feedback)[0]) == -0.3 and float(model.volatility) == 0.4
    assert changed.make_solver().points == 21 and changed.problem().region == ((-1.0, 1.0),)
    assert type(settings.with_solver("spectral").make_solver()).__name__ == "Spectral"


def test_run_repeats_paths_and_horizon(tmp_path):
    config = tmp_path / "run.toml"
    config.write_text(
        'model = "linear_quadratic"\nseed = 3\n[solver]\npoints = 31\n[simulation]\nyears = 5\npaths = 7\n'
    )
    assert call("run", config, "--out", tmp_path / "first").exit_code == 0
    assert call("run", tmp_path / "first" / "run.json", "--out", tmp_path / "again").exit_code == 0
    one, two = (scenarios.open_netcdf(tmp_path / name / "paths.nc") for name in ("first", "again"))
    dates = [data.attrs.pop("history") for data in (one, two)]
    xr.testing.assert_identical(one, two)
    assert all(date.endswith(scenarios.read_run(tmp_path / "first")["command"]) for date in dates)
    assert one.attrs["Conventions"] == "CF-1.11" and "Simulated paths" in one.attrs["title"]
    assert dict(one.sizes) == {"realization": 7, "year": 6}


@pytest.mark.parametrize("name", sorted(ab.models.MODELS))
def test_the_question_of_every_model_is_repeated(name, tmp_path):
    from abatax.scenarios.run import RunSettings, settings_of_run
    from abatax.scenarios.store import FORMAT
    from abatax.solvers.solution import MARK, question_hash

    settings = RunSettings(model=name)
    problem = settings.problem()
    run = {"format": FORMAT, "model": name, **ab.models.portable_parameters(problem.model), "results": {}}
    run |= {"converged": True, "advice": ""}
    if isinstance(problem, ab.HJBProblem):
        box = dict(zip(problem.model.states._fields, map(list, problem.region), strict=True))
        run |= {"box": box, "extension": problem.extension}
    run["solver"] = _solver_entry(settings)
    run[MARK] = question_hash(run) + "-0"
    again = settings_of_run(tmp_path / "run.json", json.dumps(run))
    assert ab.models.portable_parameters(again.problem().model) == ab.models.portable_parameters(problem.model)
    assert again.make_solver() == settings.make_solver()


def _solver_entry(settings):
    from abatax.solvers import SOLVERS, solver_options

    solver = settings.make_solver()
    return {"name": next(n for n, kind in SOLVERS.items() if kind is type(solver)), **solver_options(solver)}


@pytest.mark.parametrize("name", sorted(ab.solvers.SOLVERS))
def test_the_options_of_every_solver_are_repeated(name):
    from abatax.solvers import make_solver, solver_options

    solver = make_solver(name, {})
    assert make_solver(name, json.loads(json.dumps(solver_options(solver)))) == solver


def test_what_cannot_be_repeated_is_refused(first, tmp_path):
    run = json.loads((first / "run.json").read_text())
    for change, words in (
        ({"parameters": run["parameters"] | {"feedback": 1.0}}, "was changed"),
        ({"solver": None}, "`solver`"),
        ({"seed": "many"}, "`seed`"),
        ({"simulation": {"years": 0}}, "`years`"),
    ):
        (tmp_path / "run.json").write_text(json.dumps(run | change))
        result = call("solve", "--config", tmp_path / "run.json", "--out", tmp_path / "never")
        assert result.exit_code == 2 and words in result.stderr and len(result.stderr.strip().splitlines()) == 1
    assert call("solve", "ak_climate", "--config", first / "run.json", "--out", tmp_path / "never").exit_code == 2
    assert not (tmp_path / "never").exists()
