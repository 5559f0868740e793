"""Command-line runs in a temporary folder: files, exit codes, one-line errors."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from typer.testing import CliRunner

from abatax.cli import app
from abatax.scenarios import open_netcdf

FAST = ["--set", "solver.points=41"]


def call(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def solved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "averse"
    result = call(
        "solve",
        "uncertain_damages",
        "--set",
        "ambiguity.shocks=1",
        "--set",
        "ambiguity.jumps=1",
        *FAST,
        "--out",
        folder,
    )
    assert result.exit_code == 0, result.output + result.stderr
    return folder


def test_models_lists_every_model_with_states_and_controls():
    result = call("models")
    assert result.exit_code == 0
    for word in ("linear_quadratic", "ak_climate", "uncertain_damages", "dice2016", "log_capital", "emissions"):
        assert word in result.output
    lines = [line.replace(" ", "").split("│")[1:-1] for line in result.output.splitlines() if line.startswith("│")]
    rows = {name: cells for name, *cells in lines if name}
    assert rows["ak_climate"][0] == "3" and rows["ak_climate"][4:6] == ["closedform", "exact"]
    assert rows["net_zero"][4:6] == ["closedform", "-"] and rows["dice2023"][4:6] == ["numerical", "bestpath"]


def test_solve_writes_solution_and_run(solved):
    with xr.open_dataset(solved / "solution.nc") as file:
        assert dict(file.sizes) == {"temperature": 41}
        assert {"value", "emissions", "scc", "residual"} <= set(file.data_vars)
        assert file.scc.attrs["unit_native"] == "US$/tCO2" and file.temperature.attrs["units"] == "degC"
    after = open_netcdf(solved / "solution.nc", group="after_damage")
    assert after.value.dims == ("outcome", "temperature") and after.sizes["outcome"] == 20
    with xr.open_datatree(solved / "solution.nc") as tree:  # other nodes than before the jump: a dimension of its own
        assert tree["after_damage"].dataset.value.dims == ("outcome", "temperature_after_damage")
        np.testing.assert_array_equal(tree["after_damage/temperature_after_damage"], after.temperature)
        np.testing.assert_array_equal(tree["after_damage/value"], after.value)
    run = json.loads((solved / "run.json").read_text())
    needed = "model parameters solver seed versions command converged iterations residual_rms residual_max seconds"
    assert set(needed.split()) | {"compile_seconds", "platform"} <= set(run)
    assert run["converged"] is True and run["parameters"]["ambiguity"]["climate"] == "inf"


def test_simulate_export_and_refusal_to_overwrite(solved):
    assert call("simulate", solved, "--years", 10, "--paths", 16, "--seed", 3).exit_code == 0
    with xr.open_dataset(solved / "paths.nc") as paths:
        assert dict(paths.sizes) == {"realization": 16, "year": 11}
        assert {"temperature", "emissions", "consumption", "output", "damages", "scc"} <= set(paths.data_vars)
        medians = paths.emissions.median("realization").values
    for kind in ("netcdf", "iamc-csv", "html"):
        result = call("export", solved, "--format", kind)
        assert result.exit_code == 0, result.output + result.stderr
    table = pd.read_csv(solved / "scenario.csv").set_index("Variable")
    row = table.loc["Emissions|CO2"]
    assert row["Unit"] == "Mt CO2/yr"
    years = [c for c in table.columns if re.fullmatch(r"\d{4}", c)]
    np.testing.assert_allclose(row[years].astype(float), medians * 44 / 12 * 1000, rtol=1e-9)
    page = (solved / "report.html").read_text(encoding="utf-8")
    assert "<html" in page and "US$" in page
    refused = call("simulate", solved, "--years", 5)
    assert refused.exit_code == 2 and "paths.nc" in refused.stderr and "--force" in refused.stderr
    assert call("simulate", solved, "--years", 10, "--paths", 12, "--force").exit_code == 0
    with xr.open_dataset(solved / "paths.nc") as paths:
        assert dict(paths.sizes) == {"realization": 12, "year": 11}


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["solve", "uncertain_damage"], ["unknown model", "uncertain_damages"]),
        (["solve", "ak_climate", "--set", "climate.sensitivity=1"], ["climate.sensitivity", "Known"]),
        (["solve", "ak_climate", "--solver", "finite_diference"], ["unknown solver", "finite_difference"]),
        (["solve", "uncertain_damages", "--set", "ambiguity.shocks=-1"], ["ambiguity.shocks", "-1", "> 0"]),
        (["solve", "uncertain_damages", "--set", "ambiguity.shocks=0"], ["ambiguity.shocks", "> 0"]),
        (["solve", "uncertain_damages", "--set", "ambiguity.shocks=strong"], ["ambiguity.shocks", "strong", "number"]),
        (["solve", "uncertain_damages", "--set", "box.temperature=3,2"], ["temperature", "3", "2"]),
        (["solve", "uncertain_damages", "--set", "box.warming=0,2"], ["warming", "temperature"]),
        (["solve", "uncertain_damages", "--set", "solver.points=4"], ["solver.points", "4", "at least"]),
        (["solve", "uncertain_damages", "--set", "solver.pionts=41"], ["solver.pionts", "points"]),
        (["solve", "uncertain_damages", "--set", "climate.ensemble=absent.csv"], ["absent.csv"]),
        (["solve", "uncertain_damages", "--set", "ambiguity"], ["FIELD=VALUE"]),
        (["solve", "uncertain_damages", "--set", "economy.productivity=-1"], ["productivity", "-1", "> 0"]),
        (["solve", "net_zero", "--set", "economy.green.initial_capital=1e9"], ["log_capital_ratio", "15.1", "outside"]),
        (["simulate", "absent-folder"], ["absent-folder", "run.json"]),
        (["export", "absent-folder"], ["absent-folder"]),
        (["run", "absent.toml"], ["absent.toml"]),
        (["solve"], ["name of a model"]),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = call(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ") and len(result.stderr.strip().splitlines()) == 1
    for word in words:
        assert word in result.stderr
    assert list(tmp_path.iterdir()) == []  # nothing half-written


def test_a_folder_that_cannot_be_written(tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("not a folder")
    result = call("solve", "linear_quadratic", "--out", blocker / "runs")
    assert result.exit_code == 2 and "cannot be written" in result.stderr and "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "damage", ["truncated", "foreign", "text", "other model", "cut archive", "no archive", "flipped archive"]
)
def test_a_damaged_or_foreign_solution_is_named(solved, tmp_path, damage):
    for name in ("solution.nc", "solution.abatax", "run.json"):
        (tmp_path / name).write_bytes((solved / name).read_bytes())
    path, archive = tmp_path / "solution.nc", tmp_path / "solution.abatax"
    kept = ["run.json", "solution.abatax", "solution.nc"]
    if damage == "cut archive":
        archive.write_bytes(archive.read_bytes()[:2000])
    elif damage == "flipped archive":
        whole = bytearray(archive.read_bytes())
        whole[len(whole) // 2] ^= 1
        archive.write_bytes(bytes(whole))
    elif damage == "no archive":
        archive.unlink()
        kept.remove(archive.name)
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:2000])
    elif damage == "foreign":
        xr.Dataset({"a": ("b", [1.0])}).to_netcdf(path)
    elif damage == "text":
        path.write_text("hello")
    else:
        run = json.loads((tmp_path / "run.json").read_text())
        run["model"] = "linear_quadratic"
        (tmp_path / "run.json").write_text(json.dumps(run))
    result = call("simulate", tmp_path)
    assert result.exit_code == 2, result.output
    assert len(result.stderr.strip().splitlines()) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == kept


def test_not_converged_is_exit_code_3_and_results_are_written_and_flagged(tmp_path, monkeypatch):
    import abatax.scenarios.run._pipeline as pipeline

    real = pipeline.solve
    monkeypatch.setattr(pipeline, "solve", lambda *a, **k: real(*a, **k, max_steps=2))
    result = call("solve", "linear_quadratic", "--set", "solver.points=41", "--out", tmp_path / "short")
    assert result.exit_code == 3 and "NOT CONVERGED" in result.output and "max_steps" in result.output
    run = json.loads((tmp_path / "short" / "run.json").read_text())
    assert run["converged"] is False and run["results"] == {"initial": "max_steps_reached"}
    assert (tmp_path / "short" / "solution.nc").exists()


def test_saved_and_loaded_solutions_agree(solved):
    import jax.numpy as jnp

    import abatax as ab

    solution, run = ab.load(solved)
    assert run["model"] == "uncertain_damages"
    again = solution.to_dataset()
    with xr.open_dataset(solved / "solution.nc") as file:
        np.testing.assert_allclose(again.value.values, file.value.values, atol=1e-12)
        # emissions and cost need second derivatives of the spline: a little rounding
        np.testing.assert_allclose(again.emissions.values, file.emissions.values, rtol=1e-9)
        np.testing.assert_allclose(again.scc.values, file.scc.values, rtol=1e-9)
    assert solution.policy(jnp.zeros(()), solution.problem.model.initial_state()).emissions > 0


def test_a_configuration_file_says_the_same_as_set(tmp_path):
    from abatax.scenarios import read_settings

    path = tmp_path / "run.toml"
    path.write_text(
        'model = "uncertain_damages"\nseed = 7\n[parameters]\nambiguity.shocks = 1.0\n'
        'climate.ensemble = "assessed"\n[solver]\npoints = 41\n[simulation]\npaths = 10\n'
    )
    settings = read_settings(path)
    assert float(settings.problem().model.ambiguity.shocks) == 1.0
    assert settings.simulation.paths == 10 and settings.make_solver().points == 41
    path.write_text('model = "uncertain_damages"\nsolvr = 1\n')
    with pytest.raises(ValueError, match="unknown field `solvr`.*did you mean `solver`"):
        read_settings(path)
    path.write_text('model = "uncertain_damages"\n[simulation]\nyears = -3\n')
    with pytest.raises(ValueError, match=r"simulation.years.*-3"):
        read_settings(path)


@pytest.mark.slow
def test_run_writes_every_file_and_goes_on_where_it_was_stopped(tmp_path):
    config = tmp_path / "small.toml"
    config.write_text(
        'model = "uncertain_damages"\n[parameters]\nambiguity.shocks = 1.0\nambiguity.jumps = 1.0\n'
        "ambiguity.climate = 0.01\n[solver]\npoints = 41\n[simulation]\nyears = 12\npaths = 20\n"
    )
    folder = tmp_path / "out"
    (folder / ".checkpoint").mkdir(parents=True)  # as a stopped run leaves it
    result = call("run", config, "--out", folder)
    assert result.exit_code == 0, result.output + result.stderr
    names = "solution.nc run.json paths.nc scenario.nc scenario.csv scenario.xlsx report.html validation.csv"
    assert set(names.split()) <= {p.name for p in folder.iterdir()}
    assert not (folder / ".checkpoint").exists()
    assert list((folder / "figures").glob("*.svg")) and list((folder / "figures").glob("*.png"))
    assert "domain_exits" in result.output
    assert call("run", config, "--out", folder).exit_code == 2


def test_help_needs_no_heavy_import():
    script = (
        "import sys, abatax.cli, typer.testing as t;"
        "r = t.CliRunner().invoke(abatax.cli.app, ['--help']); assert r.exit_code == 0;"
        "heavy = {'jax', 'xarray', 'pandas', 'matplotlib', 'scipy'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", script], check=True, env=os.environ | {"PYTHONPATH": str(Path.cwd())})
