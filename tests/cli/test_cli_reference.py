"""`abatax solve --reference`: the table, the run's file, the store, and the exit codes."""

import json

import pytest
from typer.testing import CliRunner

from abatax.cli import app

SMALL = ["solve", "linear_quadratic", "--reference", "--set", "solver.points=21", "--set", "solver.levels=2"]


def call(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "abatax" / "references"


def test_errors_are_printed_written_and_kept(tmp_path, cache):
    first = call(*SMALL, "--out", tmp_path / "first")
    assert first.exit_code == 0, first.output + first.stderr
    run = json.loads((tmp_path / "first" / "run.json").read_text())
    errors = run["reference"]["errors"]
    assert set(errors) == {"value", "slope_state", "control"} and 0.0 < errors["control"]["l2"] < 1e-10
    assert f"{errors['control']['l2']:.1e}" in first.output and (tmp_path / "first" / "solution.nc").exists()
    assert len(list(cache.iterdir())) == 1
    second = call(*SMALL, "--out", tmp_path / "second")
    assert second.exit_code == 0 and "found in" in second.stderr + second.output
    again = json.loads((tmp_path / "second" / "run.json").read_text())
    assert again["reference"] == run["reference"] and again["seconds"] == run["seconds"]


def test_no_convergence_is_exit_code_3_and_the_solution_is_written(tmp_path, cache):
    # the larger box cannot be held by the control (it reaches 50 per year, 52.2 are needed)
    result = call(*SMALL, "--set", "feedback=14.5", "--out", tmp_path / "run")
    assert result.exit_code == 3 and "larger box" in result.output
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run["converged"] and "reference" not in run and not cache.exists()


def test_a_solver_without_a_grid_is_exit_code_2_and_nothing_is_written(tmp_path):
    result = call("solve", "linear_quadratic", "--reference", "--solver", "spectral", "--out", tmp_path / "run")
    assert result.exit_code == 2 and "finite_difference" in result.stderr
    assert not (tmp_path / "run").exists()
