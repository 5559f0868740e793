"""Networks that correct a finite-difference solution on few nodes."""

import dataclasses

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import TIME, errors

import abatax as ab
from abatax.solvers import DeepGalerkin, FiniteDifference, GaussNewton, PolicyIteration, make_solver, result_name
from abatax.solvers.collocation import family_at
from abatax.validation import region_points

MODEL = ab.models.LinearQuadratic()
GAUSS = GaussNewton(parameters=60, points=64, steps=20, resample=5, coarse=9)
FIRST_ORDER = (
    DeepGalerkin(parameters=60, points=64, steps=4, inner=20, batch=64, resample=2, coarse=9),
    PolicyIteration(parameters=60, points=64, steps=4, inner=20, batch=64, resample=2, coarse=9),
)


@pytest.mark.slow
def test_networks_take_away_what_few_nodes_leave():
    problem = ab.HJBProblem(ab.models.AKClimate())
    grid = ab.solve(problem, FiniteDifference(points=7))
    solver = GaussNewton(parameters=200, points=600, steps=60, tolerance=1e-9, coarse=7)
    solution = ab.solve(problem, solver)
    assert solution.stats["coarse"] == [7, 7, 7]
    assert solution.stats["unresolved"] < 0.5 * solution.stats["unresolved_coarse"]
    assert errors(solution, count=256)["emissions"] < 0.5 * errors(grid, count=256)["emissions"]


@pytest.mark.parametrize("solver", [GAUSS, *FIRST_ORDER])
@pytest.mark.representative("solver0")
def test_what_is_exact_is_not_blurred(solver):
    """Nine nodes hold a quadratic value to rounding: networks begin with no correction, and keep what leaves least."""
    solution = ab.solve(ab.HJBProblem(MODEL), solver)
    assert errors(solution, count=256)["control"] < 1e-7
    assert solution.stats["unresolved"] <= solution.stats["unresolved_coarse"] < 1e-5


def test_the_solution_is_the_grid_and_a_correction():
    # two steps, so that something has been learnt
    solver = dataclasses.replace(GAUSS, steps=2, resample=1, tolerance=1e-12)
    solution = ab.solve(ab.HJBProblem(MODEL), solver, throw=False)
    value, x = solution.value, MODEL.initial_state()
    z = jnp.stack(x)
    np.testing.assert_allclose(value(TIME, x), value.base.at(z) + value.learnt(z), rtol=1e-14)
    grid = ab.solve(ab.HJBProblem(MODEL), FiniteDifference(points=9, leaning=True))
    np.testing.assert_allclose(value.base.at(z), grid.value(TIME, x), rtol=1e-14)


@pytest.mark.parametrize("where", ["finite differences", "training"])
@pytest.mark.representative("training")
def test_a_resumed_correction_is_the_same_to_the_last_bit(where, tmp_path):
    solver = dataclasses.replace(GAUSS, steps=6, resample=2, tolerance=1e-15, sampling="trajectories")
    problem = ab.HJBProblem(MODEL)
    whole = ab.solve(problem, solver, throw=False)
    start = whole.stats["steps_monotone"]
    stop = start - 2 if where == "finite differences" else start + 4
    ab.solve(problem, solver, max_steps=stop, throw=False, checkpoint=tmp_path)
    seen = []
    again = ab.solve(problem, solver, throw=False, checkpoint=tmp_path, watch=lambda w: seen.append(w.step))
    assert seen[0] == stop + 1 and seen[-1] == whole.stats["steps"]
    assert again.stats["unresolved_coarse"] == whole.stats["unresolved_coarse"]
    for one, other in zip(jax.tree.leaves(whole.value), jax.tree.leaves(again.value), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("stop", [3, "fit"])
def test_a_stop_before_training_returns_the_grid(stop):
    """Not networks that have learnt nothing yet."""
    problem = ab.HJBProblem(MODEL)
    steps = ab.solve(problem, GAUSS).stats["steps_monotone"] if stop == "fit" else stop
    solution = ab.solve(problem, GAUSS, max_steps=steps, throw=False)
    assert result_name(solution.result) == "max_steps_reached"
    assert isinstance(solution.value, ab.solvers.TensorSpline)
    assert stop == 3 or errors(solution, count=256)["control"] < 1e-12


@pytest.mark.slow
def test_every_member_of_a_family_corrects_its_own_grid():
    model = ab.models.UncertainDamages(damage_jump=ab.models.DamageJump(jnp.array([0.0, 0.3])))
    problem, nodes = ab.HJBProblem(model), 25
    solver = GaussNewton(parameters=150, points=96, steps=40, resample=5, coarse=nodes)
    solution = ab.solve(problem, solver, key=jr.key(1), throw=False)
    after = solution.destinations[0]
    assert after.stats["unresolved"] < 0.3 * after.stats["unresolved_coarse"] and after.stats["coarse"] == [nodes]
    reference = ab.solve(problem).destinations[0]
    points = np.asarray(region_points(problem, 64))
    values = family_at(after.problem, after.value, points)
    assert np.max(np.abs(values[0] - values[1])) > 0.05
    for m in range(2):
        assert errors(after.member(m), reference.member(m), 256)["emissions"] < 3e-3  # that of the grid alone is 1.1e-2


def test_a_grid_that_does_not_converge_is_not_corrected(monkeypatch):
    monkeypatch.setattr("abatax.solvers.grid._finite_difference._MOST_NEWTON", 1)
    solution = ab.solve(ab.HJBProblem(MODEL), GAUSS, throw=False)
    assert result_name(solution.result) == "stalled" and solution.stats["steps_training"] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"coarse": 3}, "`solver.coarse` is 3; .* at least 7"),
        ({"coarse": (9, 5)}, "at least 7"),
        ({"coarse": -1}, "`solver.coarse` is -1"),
        ({"coarse": 9, "start": 0}, "`solver.start` is 0"),
    ],
)
def test_bad_grids_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        GaussNewton(**options)


def test_a_grid_must_suit_the_problem():
    with pytest.raises(ValueError, match="`solver.coarse` has 2 entries; the problem has 1 states"):
        ab.solve(MODEL, GaussNewton(coarse=(9, 9)))
    with pytest.raises(ValueError, match="`solver.coarse` is 7 for `temperature`; its kinks need at least"):
        ab.solve(ab.models.UncertainDamages(), GaussNewton(coarse=(7,)))


def test_the_option_is_typed_as_others_are():
    made = make_solver("gauss_newton", {"coarse": "15,17,19"})
    assert made.coarse == (15, 17, 19) and make_solver("gauss_newton", {"coarse": "9"}).coarse == 9
