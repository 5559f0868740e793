"""Validation numbers against known truths: exact solutions, orders, estimates that must not flatter."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import abatax as ab
from abatax.validation import (
    AKExact,
    enlarged,
    exact_value,
    quantities,
    region_points,
    relative_errors,
    riccati,
    validate,
    visited_points,
)

T = jnp.zeros(())


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("penalty", [float("inf"), 0.3])
@pytest.mark.representative("inf-1")
def test_the_riccati_solution_satisfies_the_equation_and_is_stable(dimension, penalty):
    ambiguity = ab.models.Ambiguity.from_penalties(shocks=penalty)
    model = ab.models.LinearQuadratic(dimension=dimension, ambiguity=ambiguity)
    problem, value = ab.HJBProblem(model), riccati(model)
    for seed in range(3):
        x = problem.state(jax.random.uniform(jax.random.key(seed), (dimension,), minval=-2.0, maxval=2.0))
        assert abs(float(problem.residual(T, x, value))) < 1e-13  # rounding
    closed = np.asarray(model.matrix) - np.asarray(value.matrix) / float(model.control_cost)
    assert np.all(np.linalg.eigvals(closed).real < 0)


def test_too_strong_ambiguity_has_no_riccati_solution():
    model = ab.models.LinearQuadratic(ambiguity=ab.models.Ambiguity.from_penalties(shocks=0.05))
    with pytest.raises(ValueError, match="ambiguity.shocks"):
        riccati(model)


@pytest.mark.parametrize("cost", [0.0, 0.05])
@pytest.mark.representative("0.0")
def test_the_pieces_of_ak_climate_satisfy_the_whole_equation(cost):
    model = ab.models.AKClimate(productivity=ab.models.Productivity(cost=cost))
    problem, value = ab.HJBProblem(model), AKExact(model)
    fields = ab.solvers.fields_at(problem, value, region_points(problem, 64))
    # residual over delta of values of order one
    assert np.max(np.abs(fields["residual"])) < 1e-9


@pytest.mark.parametrize("rate, tolerance", [(0.01, 1e-9), (0.02, 1e-9), (0.03, 1e-8)])
@pytest.mark.representative("0.01-1e-09")
def test_the_pieces_do_not_depend_on_nodes_or_interval(rate, tolerance):
    model = ab.models.AKClimate(preferences=ab.models.TimeAdditive(rate), productivity=None)
    problem = ab.HJBProblem(model)
    points = region_points(problem, 64)
    found = [quantities(problem, AKExact(model, *options), points) for options in ((81, 16.0), (101, 20.0))]
    # the layer that noise makes at the lower end is 0.02 degC wide at 0.01 per year and grows with the rate
    assert relative_errors(*found)["emissions"][1] < tolerance


def test_the_capital_piece_is_the_published_investment():
    # root of (alpha - i)(1 - kappa i) = delta, models' appendix A: 0.0899985
    assert abs(float(ab.models.UncertainDamages().investment) - 0.0899985) < 5e-7


def test_models_without_an_exact_solution_say_so():
    assert exact_value(ab.models.UncertainDamages()) is None


@pytest.fixture(scope="module")
def report():
    model = ab.models.AKClimate(productivity=None)
    solver = ab.solvers.FiniteDifference(points=(7, 33))
    solution = ab.solve(ab.HJBProblem(model), solver)
    paths = ab.simulate(solution, years=10, num_paths=32)
    return validate(solution, solver=solver, paths=paths)


@pytest.mark.slow
def test_the_report_measures_at_least_second_order(report):
    assert report["order_emissions"] >= 2.0
    assert report["order_slope_temperature"] >= 2.0


@pytest.mark.slow
def test_estimates_of_the_error_do_not_flatter(report):
    # the grid and the box are the two sources of error: together they must cover the truth
    for quantity in ("emissions", "slope_temperature", "scc"):
        estimate = report[f"grid_error_{quantity}"] + report[f"domain_change_{quantity}"]
        assert report[f"error_{quantity}"] <= 2.0 * estimate, quantity
        assert report[f"error_{quantity}"] < 1e-5


@pytest.mark.slow
def test_one_coarser_grid_does_not_flatter_either():
    model = ab.models.AKClimate(productivity=None)
    solver = ab.solvers.FiniteDifference(points=(9, 33))
    solution = ab.solve(ab.HJBProblem(model), solver)
    quick = validate(solution, solver=solver, paths=ab.simulate(solution, years=2, num_paths=2), thorough=False)
    for quantity in ("emissions", "slope_temperature", "scc"):
        assert quick[f"error_{quantity}"] <= quick[f"grid_error_{quantity}"] + quick[f"domain_change_{quantity}"]
        assert quick[f"grid_error_{quantity}"] < 1e-3
        # two paths of two years stay near the start: other points, the same two solves
        assert 0.0 < quick[f"grid_error_along_paths_{quantity}"] < 1e-3
        assert np.isfinite(quick[f"domain_change_along_paths_{quantity}"])
    assert not any(row.name.startswith("order_") for row in quick.rows)


@pytest.mark.slow
def test_points_of_paths_are_states_before_any_jump():
    solution = ab.solve(ab.HJBProblem(ab.models.LinearQuadratic()), ab.solvers.FiniteDifference(points=7))
    regime = jnp.array([[0, 0, 0, 0], [0, 0, 1, 1], [0, 2, 2, 2]])  # two of three paths jump
    paths = eqx.tree_at(lambda p: p.regime, ab.simulate(solution, years=3, num_paths=3), regime)
    before = np.asarray(paths.states.state)[np.asarray(regime) == 0]
    points = np.asarray(visited_points(paths, 64))
    assert points.shape == (64, 1) and set(points[:, 0]) <= set(before) and len(before) == 7
    # all paths begin at one state; where there are enough points none is taken twice
    few = np.asarray(visited_points(paths, 7))[:, 0]
    np.testing.assert_array_equal(np.sort(few), np.sort(before))


@pytest.mark.slow
def test_one_coarser_grid_needs_a_grid_that_can_be_coarsened():
    solver = ab.solvers.FiniteDifference(points=7)
    solution = ab.solve(ab.HJBProblem(ab.models.LinearQuadratic()), solver)
    quick = validate(solution, solver=solver, paths=ab.simulate(solution, years=2, num_paths=2), thorough=False)
    row = next(row for row in quick.rows if row.name == "grid_error_control")
    assert np.isnan(row.value) and "7 points are the fewest" in row.meaning


def test_the_report_is_a_table_and_a_file(report, tmp_path):
    report.to_csv(tmp_path / "validation.csv")
    text = (tmp_path / "validation.csv").read_text()
    assert "domain_exits" in text and "transversality" in text and report.passed
    assert "error_emissions" in str(report)
    with pytest.raises(KeyError, match="no row `nothing`"):
        report["nothing"]


def test_a_constant_is_scored_beside_the_error():
    truth = {"control": np.array([1.0, 3.0])}
    l2, largest, constant = relative_errors({"control": np.array([2.0, 2.0])}, truth)["control"]
    assert l2 == constant == pytest.approx(1.0 / np.sqrt(5.0)) and largest == pytest.approx(1.0 / 3.0)


@pytest.mark.slow
def test_a_missing_closure_is_noticed_when_the_box_moves():
    class Careless(ab.models.AKClimate):
        """No margin, and a reflecting face where warming flows out."""

        def closures(self):
            good = super().closures()
            return type(good)(good[0], (ab.models.Inflow(), ab.models.Reflecting(extension=0.01)))

    solver = ab.solvers.FiniteDifference(points=(7, 33))
    problem = ab.HJBProblem(Careless(productivity=None))
    solution = ab.solve(problem, solver, throw=False)
    points = region_points(problem, 64)
    found = quantities(problem, solution.value, points)
    wide = ab.solve(enlarged(problem, 100.0), solver, throw=False)
    moved = relative_errors(quantities(wide.problem, wide.value, points), found)["emissions"][0]
    assert moved > 1e-2


def test_fresh_points_lie_in_the_region_and_repeat():
    problem = ab.HJBProblem(ab.models.AKClimate())
    points = np.asarray(region_points(problem, 32))
    low, high = np.array(problem.region).T
    assert np.all((points >= low) & (points <= high))
    np.testing.assert_array_equal(points, np.asarray(region_points(problem, 32)))
