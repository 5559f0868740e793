"""Comparisons: files and columns, interruption, failures, determinism, the constant policy, tests over seeds, bad input."""

import dataclasses
import json
import math
import re
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from typer.testing import CliRunner

import abatax as ab
from abatax.cli import app
from abatax.neural_operators import SCALE
from abatax.scenarios.run import _comparison_run
from abatax.scenarios.words import sentences
from abatax.scenarios.words._comparison_text import _significance
from abatax.solvers import AbstractProgress
from abatax.validation.comparison import (
    Trial,
    _compare,
    draw_trial,
    make_target,
    policy_loss,
    rows_of,
    summary_of,
    tune,
)
from abatax.validation.exact import QuadraticValue

ASKED = ("value_error", "gradient_error", "policy_error_control", "constant_policy_error_control")
COLUMNS = ["solver", "architecture", "seed", "parameters", "steps", "seconds", "compile_seconds", *ASKED]
COLUMNS += ["residual_rms", "residual_max", "welfare_loss", "exits", "converged"]
TINY = {"solvers": ["gauss_newton", "features"], "architectures": ["mlp"], "seeds": 2, "steps": 3}


def model():
    return ab.models.LinearQuadratic()


def tiny(**changes):
    return ab.compare(model(), **TINY | {"parameters": 60} | changes)


def call(*arguments):
    return CliRunner().invoke(app, ["compare", *(str(a) for a in arguments)])


class Interrupting(AbstractProgress):
    """Stops everything after some rows, as Ctrl-C does; None for never. Counts the rows that were computed."""

    def __init__(self, after=None):
        self.after, self.rows = after, []

    def update(self, task, stage, step, numbers):
        del task, stage, step, numbers

    def done(self, task, outcome):
        del outcome
        self.rows.append(task)
        if self.after is not None and len(self.rows) >= self.after:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A comparison that was interrupted after two rows and continued."""
    folder = tmp_path_factory.mktemp("compare") / "runs"
    with pytest.raises(KeyboardInterrupt):
        tiny(folder=folder, progress=Interrupting(2))
    assert not (folder / "comparison.csv").exists()
    second = Interrupting()
    return SimpleNamespace(folder=folder, comparison=tiny(folder=folder, progress=second), computed=second.rows)


def test_an_interrupted_comparison_continues_with_the_rows_that_were_finished(made):
    assert made.computed == ["features 0"]
    assert len(made.comparison.table) == 3 and set(made.comparison.table.failure) == {""}


def test_files_and_columns(made):
    table = pd.read_csv(made.folder / "comparison.csv", keep_default_na=False)
    assert list(table.columns)[: len(COLUMNS)] == COLUMNS
    assert list(table.solver) == ["gauss_newton", "gauss_newton", "features"]
    assert list(table.architecture) == ["mlp", "mlp", ""] and list(table.seed) == [0, 1, 0]
    networks = table[table.architecture != ""]
    assert set(networks.steps) == {3}
    assert networks.parameters.between(48, 72).all()
    with xr.open_dataset(made.folder / "comparison.nc") as file:
        np.testing.assert_allclose(file.policy_error_control, made.comparison.table.policy_error_control, rtol=1e-12)
        assert file.attrs["reference"] == "the exact solution"
        last = file.curve_policy_error.values[0]
        assert last[np.isfinite(last)][-1] == file.policy_error.values[0]
    page = (made.folder / "comparison.html").read_text(encoding="utf-8")
    assert "features is exact to rounding" in page and "best constant policy" in page and "too few seeds" in page
    for name in ("policy_error", "error_time", "slice_state"):
        assert all((made.folder / "figures" / f"{name}.{kind}").exists() for kind in ("svg", "png", "csv"))
    assert not list(made.folder.rglob("*.partial*"))


def test_errors_are_those_of_the_exact_solution(made):
    """V = -Px²/2 + c and u = -Px: a network's errors from its own slice, features exact to rounding."""
    table = made.comparison.table
    root = float(ab.validation.riccati(model()).matrix[0, 0])
    line = made.comparison.records[0].slices["state"]
    gap = np.array(line["control"]) + root * np.array(line["at"])
    # evenly spaced points instead of the table's: errors agree to a few percent
    own = np.sqrt(np.mean(gap**2) / np.mean((root * np.array(line["at"])) ** 2))
    assert own == pytest.approx(table.policy_error_control[0], rel=0.2)
    # the control is the gradient of the value divided by the control cost of one
    np.testing.assert_allclose(table.gradient_error, table.policy_error_control, rtol=1e-6, atol=1e-14)
    assert table.policy_error[2] < 1e-12 and table.converged[2] and table.residual_rms[2] < 1e-12


def test_the_constant_policy_is_the_mean_of_the_reference(made):
    target = made.comparison.target
    truth = target.truth["control"]
    best = min(np.sqrt(np.mean((truth - c) ** 2) / np.mean(truth**2)) for c in np.linspace(-1.0, 1.0, 2001))
    assert made.comparison.table.constant_policy_error_control.to_numpy() == pytest.approx(best, rel=1e-5)


def test_steps_as_budget_give_the_same_numbers_again(made):
    again = tiny(architectures=["mlp"], solvers=["gauss_newton"], seeds=1).table
    same = [name for name in COLUMNS if "seconds" not in name]
    pd.testing.assert_frame_equal(again[same], made.comparison.table[same].head(1))


def test_a_failure_is_listed_and_does_not_stop_the_others(tmp_path, monkeypatch):
    asked = dict(solvers=["gauss_newton"], architectures=["mlp"], seeds=2, steps=3, folder=tmp_path / "a")
    run = _compare.run_entry

    def run_entry(entry, seed, *rest):
        if seed == 0:
            raise FloatingPointError("out of range")
        return run(entry, seed, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(_compare, "run_entry", run_entry)
        table = ab.compare(model(), **asked, parameters=60).table
    assert list(table.failure) == ["FloatingPointError: out of range", ""]
    assert np.isnan(table.policy_error[0]) and table.policy_error[1] < 1.0
    assert "out of range" in (tmp_path / "a" / "comparison.html").read_text(encoding="utf-8")
    with pytest.raises(FileExistsError, match="--force"):
        ab.compare(model(), **asked, parameters=60)
    rows = Interrupting()
    table = ab.compare(model(), **asked, parameters=60, force=True, progress=rows).table
    assert rows.rows == ["gauss_newton mlp 0"] and set(table.failure) == {""}  # a failure is tried again


def test_a_network_that_cannot_be_so_small_is_a_failure():
    table = tiny(solvers=["gauss_newton"], architectures=["kan"], seeds=1, parameters=8).table
    assert "narrowest `kan`" in table.failure[0] and not table.converged[0]


def test_seconds_as_budget_end_training():
    """A budget that is used up at once leaves what the start is: a row that is not converged, and no failure."""
    table = tiny(solvers=["gauss_newton"], architectures=["mlp"], seeds=1, steps=None, budget=1e-9).table
    assert table.steps[0] == 0 and not table.converged[0] and table.result[0] == "max_steps_reached"
    assert table.failure[0] == "" and table.policy_error[0] > 0.5 * table.constant_policy_error[0]


class _Idle(ab.models.AKClimate):
    def idle_controls(self):
        return ("investment",)


def test_controls_without_a_use_are_not_averaged():
    problem = ab.HJBProblem(_Idle())
    exact = ab.validation.exact_value(ab.models.AKClimate())
    target = make_target(problem, exact, count=16)
    found = target.errors_of(problem, lambda t, x: 1.1 * exact(t, x)) | target.constant_errors()
    assert found["policy_error"] == found["policy_error_emissions"] != found["policy_error_investment"]
    assert found["constant_policy_error"] == found["constant_policy_error_emissions"]


def test_the_welfare_loss_of_a_policy_is_the_hamiltonian_gap_along_its_path():
    """dx = (ax + u)dt + s dW with u = -kx instead of -Px loses (k - P)²x²/2 a year; E x² of Euler's scheme is a recursion."""
    lq = model()
    problem, delta = ab.HJBProblem(lq), float(lq.preferences.discount_rate)
    root, gain, dt = float(ab.validation.riccati(lq).matrix[0, 0]), 1.5, 0.25
    target = make_target(problem, None)
    solution = ab.solve(problem, ab.solvers.FiniteDifference(points=41))
    wrong = dataclasses.replace(solution, value=QuadraticValue(jnp.full((1, 1), gain), jnp.zeros(())))
    found = policy_loss(target, wrong, years=20, num_paths=4000)
    moment, expected = float(lq.initial_state().state) ** 2, 0.0
    for n in range(20 * 4 + 1):
        if n % 4 == 0:
            expected += np.exp(-delta * n * dt) * 0.5 * (gain - root) ** 2 * moment
        moment = (1.0 + (float(lq.feedback) - gain) * dt) ** 2 * moment + float(lq.volatility) ** 2 * dt
    # the standard error of 4000 paths is below one percent
    assert found.value == pytest.approx(expected, rel=0.04)
    assert math.isnan(found.percent) and "none" in found.note and found.exits == 0.0
    assert abs(policy_loss(target, solution).value) < 1e-10


def test_loss_in_percent_of_consumption():
    """Flow utility is δ(1-η)log C + …, so 1 % more consumption is worth δ(1-η)/100 a year, whatever the path."""
    right, other = (ab.models.AKClimate(productivity=None, emissions_share=share) for share in (0.032, 0.04))
    problem, value = ab.HJBProblem(right), ab.validation.AKExact(other)
    solution = ab.solvers.Solution(problem, value, (), ab.solvers.RESULTS.successful, {})
    loss = policy_loss(make_target(problem, None), solution, years=10, num_paths=4)
    delta = float(right.preferences.discount_rate)
    gain = delta * (1.0 - 0.032) * np.sum(np.exp(-delta * np.arange(11)))
    assert loss.percent == pytest.approx(100.0 * loss.value / gain, rel=1e-10) and loss.percent > 0.0
    assert 0.0 <= loss.percent_error < loss.percent and loss.note == ""


def runs(errors):
    """A table of policy errors by pair and seed."""
    rows = [
        {"solver": "s", "architecture": name, "seed": seed, "policy_error": error, "failure": "", "tuning_seconds": 0.0}
        for name, own in errors.items()
        for seed, error in enumerate(own)
    ]
    rest = ("value_error", "gradient_error", "residual_rms", "welfare_loss", "exits", "seconds", "parameters", "steps")
    return pd.DataFrame(rows).assign(**dict.fromkeys(rest, 1.0))


def test_ranks_spreads_and_paired_tests():
    better = 1e-3 * np.arange(1.0, 9.0)
    summary = summary_of(runs({"worse": 2.0 * better, "best": better, "far": 9.0 * better + 1e-4}))
    assert list(summary.architecture) == ["best", "worse", "far"] and list(summary["rank"]) == [1, 2, 3]
    assert summary.policy_error[0] == pytest.approx(4.5e-3) and summary.policy_error_low[0] == pytest.approx(2.75e-3)
    # all eight signs agree: 2/2⁸, doubled by Holm's correction for two tests
    assert summary.least_p[1] == 2.0**-7 and list(summary.p_value[1:]) == pytest.approx([2.0**-6, 2.0**-6])
    own = summary_of(runs({"worse": 2.0 * better, "best": better}).assign(solver=["s"] * 8 + ["made"] * 8), "made")
    assert list(own["rank"]) == [1, 0] and list(own.architecture) == ["worse", "best"]
    few = summary_of(runs({"a": better[:2], "b": 3.0 * better[:2]}))
    assert few.least_p[1] == 0.5 and few.p_value[1] == pytest.approx(0.5)
    lost = summary_of(runs({"a": [1e-3, np.nan, np.nan], "b": [1e-2, 1e-2, 1e-2]}))
    assert list(lost.architecture) == ["b", "a"] and np.isnan(lost.policy_error[1])  # most of its runs are no numbers


def test_the_text_reports_when_seeds_are_too_few():
    """Of six seeds the least p-value is 1/32: enough for one comparison at 5 %, not for two; seven are."""
    better = 1e-3 * np.arange(1.0, 8.0)

    def told(seeds, *others):
        own = {"best": better[:seeds]} | {name: factor * better[:seeds] for factor, name in enumerate(others, 2)}
        (text,) = _significance(rows_of(summary_of(runs(own))))
        return text

    assert "significantly worse: s b" in told(6, "b") and "significantly worse: s b, s c" in told(7, "b", "c")
    assert "p-value is 0.062" in told(6, "b", "c") and "At least 7" in told(6, "b", "c")
    assert "--seeds 6" in told(1, "b")


def test_tuning_draws_are_reproducible_and_the_least_residual_wins():
    solver = ab.solvers.GaussNewton()
    assert draw_trial("siren", solver, 0) == Trial({}, {})
    trials = [draw_trial("siren", solver, n) for n in range(1, 30)]
    assert trials == [draw_trial("siren", solver, n) for n in range(1, 30)] and len(set(map(str, trials))) == 29
    for trial in trials:
        assert set(trial.architecture) == {"depth", "frequency", SCALE} and 2 <= trial.architecture["depth"] <= 4
        assert 1.25 <= trial.architecture["frequency"] <= 5.0 and 0.5 <= trial.architecture[SCALE] <= 2.0
    left = [0.3, 0.1, 0.2]

    def residual(trial, number):
        if number == 3:
            raise ValueError("too small")
        return left[number]

    found = tune("siren", solver, 4, residual)
    assert found.trial == trials[0] and (found.residual, found.trials, found.failed) == (0.1, 4, 1)


@pytest.mark.slow
def test_tuning_is_counted_and_its_choice_is_in_the_table():
    table = tiny(solvers=["gauss_newton"], architectures=["mlp"], seeds=1, tuning=2).table
    assert table.tuning_trials[0] == 2 and table.tuning_seconds[0] > 0.0
    assert set(json.loads(table.options[0])) == {"architecture", "solver"}


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["--solvers", "gaus_newton"], "did you mean `gauss_newton`"),
        (["--solvers", "interior_point"], "HJB"),
        (["--solvers", "features,features"], "given twice"),
        (["--architectures", "gated_mpl"], "did you mean `gated_mlp`"),
        (["--seeds", "0"], "`seeds` is 0"),
        (["--parameters", "3"], "`parameters` is 3"),
        (["--budget", "-1"], "`budget` is -1"),
        (["--budget", "1", "--steps", "3"], "give either `budget`"),
        (["--set", "solver.pionts=30"], "did you mean `points`"),
        (["--set", "solver.architecture=kan"], "--architectures"),
        (["--set", "volatilty=1"], "volatility"),
        (["--solvers", "features", "--set", "solver.points=30"], "none of them is compared"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(tmp_path, asked, words):
    result = call("linear_quadratic", *asked, "--out", tmp_path / "out")
    assert result.exit_code == 2 and words in result.stderr and result.stderr.count("\n") == 1, result.stderr
    assert not (tmp_path / "out").exists()


def test_models_that_cannot_be_compared_say_so(tmp_path):
    result = call("dice2016", "--out", tmp_path / "out")
    assert result.exit_code == 2 and "discrete time" in result.stderr
    assert "unknown model" in call("linear_quadratc").stderr


def test_the_command_writes_the_page_and_says_who_won(tmp_path):
    result = call("linear_quadratic", "--solvers", "features,spectral", "--steps", 3, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output + result.stderr
    assert re.search(r"(features|spectral) is exact to rounding", result.output) and "comparison.html" in result.output
    assert (tmp_path / "out" / "comparison.html").exists()


def test_without_an_exact_solution_the_reference_is_finite_differences_with_its_own_error(tmp_path, monkeypatch):
    monkeypatch.setattr(_comparison_run, "exact_value", lambda model: None)
    store = ab.scenarios.ReferenceStore(tmp_path)
    for origin in ("computed for this comparison", "read from the store of references"):
        comparison = ab.compare(model(), solvers=["spectral"], steps=1, store=store)
        assert comparison.target.source.endswith(origin) and "finite differences" in comparison.target.source
        assert 0.0 < comparison.target.errors["control"] < 1e-6 and comparison.table.policy_error[0] < 1e-6
    assert any("policy error of the reference is estimated" in text for text in sentences(comparison))


def test_a_reference_of_another_model_is_refused():
    other = ab.solve(ab.HJBProblem(ab.models.LinearQuadratic(volatility=0.2)), ab.solvers.FiniteDifference(points=41))
    with pytest.raises(ValueError, match="another model"):
        ab.compare(model(), solvers=["spectral"], steps=1, reference=other)
