"""Jumps that lead back: the value after them is the unknown itself at another state."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from coupled_cases import (
    TIME,
    Labelled,
    Place,
    Plane,
    Position,
    Shaken,
    Switching,
    disasters_value,
    shaken_value,
    switching_value,
)

import abatax as ab
from abatax.scenarios.labels import open_netcdf_groups
from abatax.scenarios.store import read_back
from abatax.solvers.solution import Regimes, reshape_leading

X = np.linspace(-1.0, 1.0, 9)
FINITE = ab.solvers.FiniteDifference(points=41)
PUSHED = Shaken((0.5, -0.3, 0.1), (0.5, 0.2, 0.3), carried=True, ends=True)


def values(solution, points=X):
    kind = type(solution.problem.model.states)
    return np.array([float(solution.value(TIME, kind(jnp.asarray(x)))) for x in points])


@pytest.fixture(scope="module")
def pushed() -> Any:
    return ab.solve(PUSHED, FINITE)


@pytest.fixture(scope="module")
def switching() -> Any:
    return ab.solve(Switching(), FINITE)


def group_of(model):
    problem = reshape_leading(ab.HJBProblem(model), (1,), 0)
    return Regimes(problem, 1).group(problem, 1)


# -- values with closed forms ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_recurrent_jump_with_several_outcomes_has_the_closed_form(pushed):
    # each outcome lands elsewhere, and pushes an additive state as well; the value is a parabola, which both stages continue
    np.testing.assert_allclose(values(pushed), shaken_value(PUSHED, X), rtol=1e-7)
    assert pushed.stats["steps_high_order"] <= 4 and pushed.stats["beyond"] < 1e-5


@pytest.mark.slow
def test_recurrent_jumps_and_one_that_ends_them():
    model = dataclasses.replace(PUSHED, ending=0.1)
    solution = ab.solve(model, FINITE)
    assert solution.later[0].stats["exact"]
    np.testing.assert_allclose(values(solution), shaken_value(model, X), rtol=1e-7)


@pytest.mark.slow
def test_large_systems_are_solved_by_gmres(monkeypatch, pushed, switching):
    monkeypatch.setattr("abatax.solvers.grid._coupled_grid._DIRECT", {1: 0})
    for solution in (pushed, switching):
        again = ab.solve(solution.problem.replace(continuations=()), FINITE)
        np.testing.assert_allclose(values(again), values(solution), rtol=1e-8)


@pytest.mark.parametrize("member", [0, 1])
def test_regimes_that_follow_each_other_solve_coupled_riccati_equations(switching, member):
    p, c = switching_value(Switching())
    part = switching.coupled.member(member)
    np.testing.assert_allclose(values(part), -0.5 * p[member] * X**2 - c[member], rtol=1e-7)
    control = float(part.policy(TIME, Position(jnp.array(0.5))).effort)
    assert control == pytest.approx(-0.5 * p[member], rel=1e-7)


@pytest.mark.slow
def test_a_chain_of_three_regimes():
    rates = ((0.0, 0.3, 0.1), (0.7, 0.0, 0.2), (0.05, 0.4, 0.0))
    chain = Switching(1, (0.1, -0.4, 0.0), (1.0, 3.0, 0.5), (0.2, 0.5, 0.1), rates)
    solution = ab.solve(chain, FINITE)
    p, c = switching_value(chain)
    np.testing.assert_allclose(values(solution), -0.5 * p[1] * X**2 - c[1], rtol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize(
    "solver", [ab.solvers.FiniteDifference(points=17), ab.solvers.Spectral(points=5)], ids=["finite", "spectral"]
)
def test_two_states_that_jump_together(solver):
    one, other = Shaken((0.5, -0.3), (0.4, 0.6)), Shaken((-0.2, 0.4), (0.4, 0.6), feedback=0.5, volatility=0.3)
    solution = ab.solve(Plane(one, other), solver)
    truth = shaken_value(one, X) + shaken_value(other, X[::-1] ** 3)
    at = [float(solution.value(TIME, Place(jnp.array(x), jnp.array(y)))) for x, y in zip(X, X[::-1] ** 3, strict=True)]
    np.testing.assert_allclose(at, truth, rtol=1e-6)


def test_regimes_that_differ_in_static_fields_are_one_family():
    group = group_of(Labelled())
    assert group is not None and group.size == 2
    # the storm leads from calm, member 0, to wild, member 1, and the lull back
    np.testing.assert_array_equal([group.targets[0][0], group.targets[1][1]], [[1], [0]])


@pytest.mark.slow
def test_regimes_that_differ_in_static_fields_are_solved_together():
    solution = ab.solve(Labelled(), FINITE)
    p, c = switching_value(Switching())
    assert solution.problem.model.regime == "calm" and isinstance(solution.problem.model, Labelled)
    np.testing.assert_allclose(values(solution), -0.5 * p[0] * X**2 - c[0], rtol=1e-7)
    np.testing.assert_allclose(values(solution.coupled.member(1)), -0.5 * p[1] * X**2 - c[1], rtol=1e-7)


@pytest.mark.slow
def test_disasters_of_pindyck_and_wang():
    text = (Path(__file__).parents[3] / "docs" / "jumps.md").read_text(encoding="utf-8")
    page: dict[str, Any] = {"__name__": "page"}
    exec(compile(re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)[0], "jumps.md", "exec"), page)
    solution, model = page["solution"], page["solution"].problem.model
    survival, chances = np.asarray(model.survival), np.asarray(model.chances)
    i, v = disasters_value(survival, chances)
    np.testing.assert_allclose(values(solution), X + v, atol=1e-7)
    at = type(model.states)(jnp.array(0.2))
    assert float(solution.policy(TIME, at).investment) == pytest.approx(i, rel=1e-6)
    # large losses are feared most, by a factor Z^(1 - gamma)
    np.testing.assert_allclose(solution.policy.worst_case(TIME, at).jumps[0], survival**-2.0, rtol=1e-6)
    # 100 paths of 50 years tell the growth rate within 0.003 a year (its standard deviation is 0.02)
    growth = i - 4.0 * i**2 - 0.5 * 0.1**2 + 0.2 * chances @ np.log(survival)
    grown = np.asarray(page["paths"].states.log_capital)[:, -1] / 50
    assert np.mean(grown) == pytest.approx(growth, abs=0.006)


@pytest.mark.parametrize(
    "solver", [ab.solvers.Spectral(points=7), ab.solvers.Features(degree=4)], ids=["spectral", "features"]
)
@pytest.mark.parametrize("model", [Shaken(), PUSHED], ids=["one outcome", "three outcomes"])
@pytest.mark.representative("one outcome-spectral")
def test_collocation_evaluates_its_basis_where_jumps_land(solver, model):
    np.testing.assert_allclose(values(ab.solve(model, solver)), shaken_value(model, X), rtol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize(
    "solver", [ab.solvers.Spectral(points=7), ab.solvers.Features(degree=4)], ids=["spectral", "features"]
)
def test_collocation_couples_regimes(solver):
    p, c = switching_value(Switching())
    np.testing.assert_allclose(values(ab.solve(Switching(), solver)), -0.5 * p[0] * X**2 - c[0], rtol=1e-7)


@pytest.mark.slow
def test_networks_are_evaluated_where_jumps_land():
    p, c = switching_value(Switching())
    truth = -0.5 * p[0] * X**2 - c[0]
    solution = ab.solve(Switching(), ab.solvers.GaussNewton(parameters=80, steps=60))
    np.testing.assert_allclose(values(solution), truth, atol=5e-4 * np.ptp(truth))


@pytest.mark.slow
def test_a_network_that_jumps_beyond_its_box_is_not_accepted():
    # its third derivative at the face is anything; off by 1 % there, and everywhere through the jumps
    solution = ab.solve(PUSHED, ab.solvers.GaussNewton(parameters=80, steps=60), throw=False)
    off = np.max(np.abs(values(solution) - shaken_value(PUSHED, X))) / np.ptp(shaken_value(PUSHED, X))
    assert not solution.converged or off < 1e-3


# -- how a model says that a jump leads back ------------------------------------------------------------------


@pytest.mark.parametrize("back", ["none", "itself", "stacked"])
def test_none_the_model_itself_and_the_model_stacked_mean_the_same(back):
    group = group_of(dataclasses.replace(PUSHED, back=back))
    assert group is not None and group.size == 1
    np.testing.assert_array_equal(group.targets[0], [[0, 0, 0]])


def test_regimes_are_recognised_by_their_parameters_up_to_rounding():
    group = group_of(Shaken(rate=0.3, back="thirds"))
    assert group is not None and group.size == 2
    np.testing.assert_array_equal(group.targets[0], [[1], [0]])


def test_final_regimes_are_as_they_were():
    assert group_of(ab.models.UncertainDamages(damage_jump=ab.models.DamageJump(jnp.array([0.0, 0.3])))) is None


def test_ever_new_regimes_are_refused_in_one_line():
    with pytest.raises(ValueError, match="lead to ever new regimes") as error:
        ab.solve(Shaken(back="endless"), FINITE)
    assert "\n" not in str(error.value)


def test_a_solver_without_coupled_regimes_names_one_that_has_them():
    problem, solver = ab.HJBProblem(PUSHED), ab.solvers.FiniteDifference()
    with pytest.raises(ValueError, match="jumps of `model` lead back to a regime before them: use FiniteDifference"):
        ab.solvers.AbstractSolver.check(solver, problem, 1, coupled=True)
    with pytest.raises(ValueError, match="`solver.joint` is False"):
        ab.solve(Switching(), ab.solvers.GaussNewton(joint=False))


class Untried(ab.solvers.FiniteDifference):
    """A solver that cannot solve the regime before the jump, and must not be asked to solve the one after it."""

    name = ""

    def check(self, problem, family, coupled):
        raise ValueError(f"refused before `{problem.model.jumps()[0].name}`.")

    def init(self, problem, family, key, guess):
        raise AssertionError("a destination was solved")


def test_a_problem_is_refused_before_its_destinations_are_solved():
    model = ab.models.UncertainDamages()
    with pytest.raises(ValueError, match="refused before `damage_jump`"):
        ab.solve(model, Untried())


# -- what reads solutions -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pushed", "switching"])
@pytest.mark.representative("switching")
def test_the_residual_vanishes_through_the_problem(name, request):
    solution = request.getfixturevalue(name)
    fields = ab.solvers.fields_at(solution.problem, solution.value, jnp.asarray(X)[:, None])
    assert np.max(np.abs(fields["residual"])) < 1e-6 * np.ptp(fields["value"])


@pytest.mark.slow
def test_simulated_positions_are_pushed_by_outcome(pushed):
    paths = ab.simulate(pushed, years=120, num_paths=500)
    assert set(np.unique(paths.regime)) == {0} and set(np.unique(paths.outcome)) == {0}
    # the long-run mean is rate * E[J] / feedback; 500 paths of 60 years tell it within 0.02
    late = np.asarray(paths.states.position)[:, 60:]
    mean = 0.5 * (0.5 * 0.5 - 0.2 * 0.3 + 0.3 * 0.1) / 0.3
    assert np.mean(late) == pytest.approx(mean, abs=0.02)
    load = np.asarray(paths.additive.load)
    assert np.mean(load[:, -1]) == pytest.approx(120 * 0.5 * 2.0 * 0.22, rel=0.05)
    pushes = np.diff(load, axis=1) / 0.2
    np.testing.assert_allclose(pushes, np.round(pushes), atol=1e-9)
    # dates of the first push are exponential
    assert np.nanmean(paths.jump_years["push"]) - 2020 == pytest.approx(2.0, abs=0.5)


def test_simulated_regimes_follow_the_chain(switching):
    paths = ab.simulate(switching, years=60, num_paths=400)
    other = np.asarray(paths.outcome)
    assert np.all(other[:, 0] == 0) and set(np.unique(other)) == {0, 1}
    assert np.mean(other[:, 20:]) == pytest.approx(0.3, abs=0.05)
    volatile = np.asarray(paths.states.position)
    assert np.std(volatile[other == 1]) > 1.2 * np.std(volatile[other == 0])
    np.testing.assert_array_equal(paths.in_first, other == 0)


@pytest.mark.parametrize("name", ["pushed", "switching"])
@pytest.mark.representative("switching")
def test_a_solution_survives_saving(name, request, tmp_path):
    solution = request.getfixturevalue(name)
    run = ab.scenarios.save(solution, tmp_path)
    groups = open_netcdf_groups(tmp_path / "solution.nc")
    assert set(groups) == {"pushed": {"", "quiet"}, "switching": {"", "coupled"}}[name]
    again = read_back(solution.problem.model, run, tmp_path)
    assert again.converged
    np.testing.assert_array_equal(values(again), values(solution))
    if name == "switching":
        np.testing.assert_array_equal(values(again.coupled.member(1)), values(solution.coupled.member(1)))
    gains = [s.problem.after(TIME, Position(jnp.array(0.5)))[0] for s in (again, solution)]
    np.testing.assert_array_equal(*gains)


@pytest.mark.slow
def test_errors_of_a_coupled_solution_are_estimated_and_stored(switching, tmp_path):
    report = ab.validate(switching, thorough=False, solver=FINITE)
    rows = {row.name: row.value for row in report.rows}
    assert rows["residual_rms"] < 1e-6 and rows["residual_rms_coupled"] < 1e-6
    problem = switching.problem.replace(continuations=())
    made, found = (ab.scenarios.ReferenceStore(tmp_path).reference(problem, FINITE) for _ in range(2))
    assert made.errors == found.errors and max(e.l2 for e in found.errors.values()) < 1e-4
    np.testing.assert_array_equal(values(found.solution), values(made.solution))


def test_an_interrupted_solve_goes_on(switching, tmp_path):
    problem = switching.problem.replace(continuations=())
    begun = ab.solve(problem, FINITE, max_steps=6, throw=False, checkpoint=tmp_path)
    assert not begun.converged
    ended = ab.solve(problem, FINITE, checkpoint=tmp_path)
    np.testing.assert_array_equal(values(ended), values(switching))


def test_a_nearby_solution_is_a_guess(switching):
    warm = ab.solve(Switching(), FINITE, guess=switching)
    assert warm.stats["steps_first_order"] == 0 and warm.converged
    np.testing.assert_allclose(values(warm), values(switching), rtol=1e-9)


def test_a_member_can_be_taken_and_moved_to_other_nodes(switching):
    coarse = ab.solve(Switching(), ab.solvers.FiniteDifference(points=21))
    moved = coarse.on_nodes_of(switching)
    assert moved.nodes[0].size == 41
    np.testing.assert_allclose(values(moved), values(coarse), rtol=1e-8)
    control = [float(s.policy(TIME, Position(jnp.array(0.5))).effort) for s in (moved, switching)]
    assert control[0] == pytest.approx(control[1], rel=1e-6)


def test_sensitivities_of_coupled_regimes_are_refused(switching):
    with pytest.raises(ValueError, match="lead back to it"):
        ab.sensitivities(switching)
