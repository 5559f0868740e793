"""The files of a run belong together: whatever is of another solution, horizon or measure is refused in one line."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import abatax as ab
from abatax import scenarios
from abatax.cli import app
from abatax.scenarios.labels import open_attributes
from abatax.scenarios.run import discard_others, read_table
from abatax.solvers import solution_fingerprint

MARK = "solution_fingerprint"


def call(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def one_line(result, *words):
    """The refusal of a command: exit code 2 and one line that names all of `words`."""
    assert result.exit_code == 2, result.output + result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 and all(word in lines[0] for word in words), lines
    return True


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run with everything in it; a solution of other parameters; both with seven dates of eight paths."""
    base = tmp_path_factory.mktemp("folders")
    text = 'model = "linear_quadratic"\n[parameters]\nambiguity.shocks = {}\n[solver]\npoints = 41\n'
    text += "[simulation]\nyears = 6\npaths = 8\n"
    for name, penalty in (("run", 0.5), ("other", 0.7)):
        (base / f"{name}.toml").write_text(text.format(penalty))
    result = call("run", base / "run.toml", "--out", base / "run")
    assert result.exit_code == 0, result.output + result.stderr
    assert call("solve", "--config", base / "other.toml", "--out", base / "other").exit_code == 0
    assert call("simulate", base / "other", "--years", 6, "--paths", 8).exit_code == 0
    return base


@pytest.fixture
def folder(made, tmp_path):
    """A copy of the run."""
    return shutil.copytree(made / "run", tmp_path / "run")


def exported(folder):
    return call("export", folder, "--force", "--format", "iamc-csv")


def test_everything_derived_carries_the_fingerprint_of_its_solution(made):
    run = scenarios.read_run(made / "run")
    for name in ("solution.nc", "paths.nc", "paths_worst_case.nc", "scenario.nc"):
        assert open_attributes(made / "run" / name)[MARK] == run[MARK]
    assert set(pd.read_csv(made / "run" / "validation.csv")[MARK]) == {run[MARK]}
    assert pd.read_csv(made / "run" / "scenario_meta.csv")["Solution fingerprint"].nunique() == 2  # averse and neutral
    neutral = scenarios.read_run(made / "run" / "neutral")
    assert open_attributes(made / "run" / "neutral" / "paths.nc")[MARK] == neutral[MARK] != run[MARK]


def test_the_fingerprint_survives_saving_and_loading_and_tells_solutions_apart(tmp_path):
    def fingerprints(points, **parameters):
        solution = ab.solve(ab.models.LinearQuadratic(**parameters), ab.solvers.FiniteDifference(points=points))
        ab.save(solution, tmp_path, force=True)
        again, _ = ab.load(tmp_path)
        ab.save(again, tmp_path / "again", force=True)
        thrice, _ = ab.load(tmp_path / "again")
        return {solution_fingerprint(s) for s in (solution, again, thrice)}

    # solved twice, the same solution; other parameters, another grid, another
    all_of_them = [fingerprints(21), fingerprints(21), fingerprints(21, feedback=0.06), fingerprints(25)]
    assert [len(f) for f in all_of_them] == [1, 1, 1, 1] and all_of_them[0] == all_of_them[1]
    assert len(set.union(*all_of_them)) == 3


def test_paths_of_the_solution_before_are_not_exported_with_the_one_after(folder, made):
    config = made / "other.toml"
    assert call("solve", "--config", config, "--out", folder, "--force").exit_code == 0
    before = (folder / "scenario.csv").read_bytes()
    for kind in ("netcdf", "iamc-csv", "iamc-xlsx", "html", "all"):
        one_line(call("export", folder, "--force", "--format", kind), "paths.nc", "another solution", "simulate")
    assert (folder / "scenario.csv").read_bytes() == before
    assert call("simulate", folder, "--years", 6, "--paths", 8, "--force").exit_code == 0
    one_line(exported(folder), "paths_worst_case.nc", "--measure worst-case --force")
    assert call("simulate", folder, "--years", 6, "--measure", "worst-case", "--paths", 8, "--force").exit_code == 0
    assert exported(folder).exit_code == 0
    one_line(call("export", folder, "--force", "--format", "html"), "validation.csv", "another solution")


@pytest.mark.parametrize("name", ["run.json", "solution.nc", "paths.nc"])
def test_a_file_copied_from_another_folder_is_refused(folder, made, name):
    shutil.copy(made / "other" / name, folder / name)
    one_line(exported(folder), name if name != "run.json" else "another solution")
    if name != "paths.nc":
        one_line(call("simulate", folder, "--force"), "solution.nc", "another solution")


def test_another_horizon_does_not_mix_averse_neutral_and_worst_case(folder):
    assert call("simulate", folder, "--years", 4, "--paths", 8, "--force").exit_code == 0
    one_line(exported(folder), "neutral/paths.nc", "other years", f"simulate {folder / 'neutral'} --years 4 --force")
    assert call("simulate", folder / "neutral", "--years", 4, "--paths", 8, "--force").exit_code == 0
    one_line(exported(folder), "paths_worst_case.nc", "--years 4 --measure worst-case --force")
    assert call("simulate", folder, "--years", 4, "--measure", "worst-case", "--force").exit_code == 0
    assert exported(folder).exit_code == 0
    assert call("simulate", folder, "--years", 4, "--no-shocks", "--force").exit_code == 0
    one_line(exported(folder), "neutral/paths.nc", "other shocks", "--no-shocks")


def test_the_neutral_planner_must_be_that_of_the_same_question(folder, made):
    shutil.rmtree(folder / "neutral")
    shutil.copytree(made / "other", folder / "neutral")
    one_line(exported(folder), "neutral/run.json", "`ambiguity.shocks`", "not neutral")
    config = made / "other.toml"
    asked = ["--set", "ambiguity.shocks=inf", "--set", "feedback=0.06", "--force"]
    assert call("solve", "--config", config, "--out", folder / "neutral", *asked).exit_code == 0
    assert call("simulate", folder / "neutral", "--years", 6, "--paths", 8, "--force").exit_code == 0
    one_line(exported(folder), "neutral/run.json", "`feedback`")


def test_worst_case_paths_leave_the_baseline_alone(folder):
    before = (folder / "paths.nc").read_bytes()
    result = call("simulate", folder, "--measure", "worst-case", "--paths", 4)
    one_line(result, "paths_worst_case.nc exists", "--force")
    assert call("simulate", folder, "--measure", "worst-case", "--paths", 4, "--force").exit_code == 0
    assert (folder / "paths.nc").read_bytes() == before
    assert open_attributes(folder / "paths_worst_case.nc")["measure"] == "worst-case"
    shutil.copy(folder / "paths_worst_case.nc", folder / "paths.nc")
    one_line(exported(folder), "paths.nc", "worst-case measure", "--force")
    one_line(call("simulate", folder, "--measure", "worst"), "--measure", "worst-case")


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda run: run | {"model": "ak_climate"}, ["run.json", "was changed"]),
        (lambda run: run | {"model": "nothing_known"}, ["run.json", "unknown model"]),
        (lambda run: run | {"parameters": run["parameters"] | {"feedback": 0.06}}, ["run.json", "was changed"]),
        (lambda run: run | {"parameters": run["parameters"] | {"feedback": float("nan")}}, ["`feedback` is nan"]),
        (lambda run: run | {"parameters": run["parameters"] | {"feedback": [1.0, "nan"]}}, ["`feedback`", "nan"]),
        (lambda run: run | {"box": {"state": [-2.0, 2.0]}}, ["run.json", "was changed"]),
        (lambda run: run | {"results": {"initial": "stalled"}}, ["run.json", "was changed"]),
        (lambda run: run | {"parameters": [1.0]}, ["run.json", "`parameters`"]),
        (lambda run: [run], ["run.json", "not a table"]),
        (lambda run: {k: v for k, v in run.items() if k != MARK}, ["run.json", MARK, "solve again"]),
    ],
)
def test_a_changed_run_json_is_refused(folder, change, words):
    path = folder / "run.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    one_line(exported(folder), *words)
    one_line(call("simulate", folder, "--force"), *words)


@pytest.mark.parametrize("broken", ["everywhere", "on one path"])
def test_paths_that_are_no_numbers_are_refused(folder, broken):
    paths = scenarios.open_netcdf(folder / "paths.nc")
    paths["state"][slice(None) if broken == "everywhere" else 3, :] = np.nan
    scenarios.write_netcdf(paths, folder / "paths.nc")
    one_line(exported(folder), "paths.nc", "`state`", "8 of 8" if broken == "everywhere" else "1 of 8", "simulate")


def test_reports_and_tables_in_python_refuse_what_belongs_to_another(made):
    run = scenarios.read_run(made / "run")
    paths = scenarios.open_netcdf(made / "other" / "paths.nc")
    summary = scenarios.summarise(paths)
    for call_with in (
        lambda: scenarios.meta(run, paths),
        lambda: scenarios.scenario_dataset(summary, run),
        lambda: scenarios.write_report(made / "never.html", run=run, summary=summary, figures={}),
    ):
        with pytest.raises(ValueError, match="another solution"):
            call_with()
    assert not (made / "never.html").exists()


def test_sensitivities_say_whose_they_are_and_a_new_run_clears_what_it_does_not_write(folder, made):
    solution, run = ab.load(folder)
    table = pd.DataFrame({"functional": ["a"], "parameter": ["b"], "elasticity": [1.0], MARK: [run[MARK]]})
    table.to_csv(folder / "sensitivities.csv", index=False)
    assert read_table(folder / "sensitivities.csv", run, "remedy") is not None
    other = scenarios.read_run(made / "other")
    with pytest.raises(ValueError, match=r"sensitivities.csv belongs to another solution.*remedy"):
        read_table(folder / "sensitivities.csv", other, "remedy")
    discard_others(folder, run[MARK], neutral=True, worst=True)
    assert (folder / "sensitivities.csv").exists() and (folder / "neutral").exists()
    discard_others(folder, other[MARK], neutral=False, worst=False)
    for name in ("sensitivities.csv", "neutral", "paths_worst_case.nc"):
        assert not (folder / name).exists()
