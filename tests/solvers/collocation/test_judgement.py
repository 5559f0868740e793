"""A converged solution is determined by the equation, resolved, finite, and its reported error bounds the true one."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers import TIME, stabilising_root
from one_state_cases import (
    Consumption,
    Level,
    Proportional,
    Slope,
    State,
    TwoActions,
    Wachter,
    two_actions_value,
    wachter_value,
)

from abatax import HJBProblem, solve
from abatax.models import Ambiguity, Inflow, LinearQuadratic, QuadraticRegulator, TimeAdditive
from abatax.solvers import Features, FiniteDifference, GaussNewton, Spectral, reshape_leading, result_name
from abatax.solvers.base import flat, value_ranges
from abatax.solvers.collocation import LOOSE, CollocationWorkspace, chain_of, looseness
from abatax.validation import riccati

NETWORK = GaussNewton(parameters=60, steps=40)


def slope_at(solution, x):
    state = type(solution.problem.model.states)(jnp.asarray(x))
    return float(solution.value.derivatives(TIME, state)[1][0])


def value_at(solution, points):
    return np.array([float(solution.value(TIME, State(jnp.asarray(x)))) for x in points])


# -- determined by the equation ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", [Features(), Features(degree=14), Spectral()])
@pytest.mark.parametrize(
    "feedback, state_cost, control_cost, volatility, discount_rate, half_width",
    [
        (-0.2, 0.01, 5.0, 2.0, 0.35, 1.0),
        (-0.2, 0.01, 5.0, 1.0, 0.35, 1.0),
        (-0.2, 0.01, 5.0, 0.5, 0.35, 1.0),
        (0.05, 0.01, 5.0, 2.0, 0.35, 1.0),
        (-0.2, 1.0, 1.0, 2.0, 0.05, 1.0),
        (-0.5, 0.01, 5.0, 2.0, 0.35, 2.0),
        (-0.5, 0.1, 5.0, 0.8, 0.1, 1.0),
    ],
)
@pytest.mark.representative("-0.2-0.01-5.0-2.0", "-0.5-0.1-5.0")
def test_small_boxes_and_strong_noise(
    solver, feedback, state_cost, control_cost, volatility, discount_rate, half_width
):
    # noise leaves through both faces, and smooth solutions of residual zero, wrong by a third to a factor of seven, are many
    model = LinearQuadratic(
        feedback=feedback,
        state_cost=state_cost,
        control_cost=control_cost,
        volatility=volatility,
        preferences=TimeAdditive(discount_rate),
    )
    problem = HJBProblem(model, box={"state": (-half_width, half_width)})
    solution = solve(problem, solver, throw=False, max_steps=60)
    exact = stabilising_root(model)[0][0, 0]
    assert not solution.converged or slope_at(solution, half_width / 2) == pytest.approx(-exact * half_width / 2, 1e-3)


# What the optimum of this problem pulls back to the middle, per year.
PULL = float(
    0.2 + stabilising_root(LinearQuadratic(feedback=-0.2, state_cost=0.5, preferences=TimeAdditive(0.1)))[0][0, 0]
)


def in_a_box_of(deviations):
    """A problem in a box of so many standard deviations of the optimally controlled state."""
    noise, preferences = np.sqrt(2.0 * PULL) / deviations, TimeAdditive(0.1)
    model = LinearQuadratic(feedback=-0.2, state_cost=0.5, volatility=noise, preferences=preferences)
    return HJBProblem(model, box={"state": (-1.0, 1.0)})


@pytest.mark.parametrize("solver", [Spectral(points=9), Features(degree=8)])
@pytest.mark.parametrize(
    "deviations, right", [(1.0, False), (1.3, False), (1.6, False), (2.5, True), (3.0, True), (4.0, True)]
)
@pytest.mark.representative("1.6-False", "2.5-True")
def test_a_layer_at_the_faces_is_refused_and_the_smooth_solution_is_not(solver, deviations, right):
    solution = solve(in_a_box_of(deviations), solver, throw=False)
    assert result_name(solution.result) == ("successful" if right else "undetermined")
    error = abs(slope_at(solution, 0.5) / (-0.5 * (PULL - 0.2)) - 1.0)
    assert error < 1e-12 if right else error > 0.1


@pytest.mark.parametrize("solver", [Spectral(points=9), Features(degree=8)])
def test_a_smooth_solution_that_noise_at_the_faces_would_move_a_hundredfold_is_accepted(solver):
    model = QuadraticRegulator(
        transition=[[-0.337]],
        loading=[[1.493]],
        state_cost=[[0.110]],
        control_cost=[[3.161]],
        cross_cost=[[-0.262]],
        volatility=[[0.429]],
        preferences=TimeAdditive(0.0218),
        ambiguity=Ambiguity(shocks=5.09),
        half_width=1.0,
    )
    solution = solve(HJBProblem(model), solver)
    slope = float(solution.value.derivatives(TIME, type(model.states)(jnp.asarray(0.5)))[1][0])
    # rounding, as much larger
    assert slope == pytest.approx(-0.5 * float(riccati(model).matrix[0, 0]), rel=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("deviations, right", [(1.3, False), (4.0, True)])
def test_layers_of_networks_are_reported_too(deviations, right):
    solution = solve(in_a_box_of(deviations), GaussNewton(parameters=80, points=100, steps=60), throw=False)
    assert result_name(solution.result) == ("successful" if right else "undetermined")
    error = abs(slope_at(solution, 0.5) / (-0.5 * (PULL - 0.2)) - 1.0)
    assert error < 2e-3 if right else error > 0.1


class Open(LinearQuadratic):
    """Faces through which the drift comes in, without a constraint."""

    def closures(self):
        return type(self.states)((Inflow(), Inflow()))


@pytest.mark.parametrize("deviations, right", [(1.3, False), (3.5, True)])
def test_layers_at_inflow_faces_are_reported(deviations, right):
    noise, preferences = np.sqrt(2.0 * PULL) / deviations, TimeAdditive(0.1)
    model = Open(feedback=-0.2, state_cost=0.5, volatility=noise, preferences=preferences)
    solution = solve(HJBProblem(model, box={"state": (-1.0, 1.0)}), Features(degree=24), throw=False)
    # with so many functions random right-hand sides are answered with layers in both boxes
    assert result_name(solution.result) == ("successful" if right else "undetermined")
    assert (abs(slope_at(solution, 0.5) / (-0.5 * (PULL - 0.2)) - 1.0) < 1e-3) is right


def collocated(problem, basis):
    """The workspace of a basis for one problem."""
    return CollocationWorkspace(reshape_leading(problem, (1,), 0), 1, basis)


@pytest.mark.parametrize("volatility, half_width, determined", [(0.3, 3.0, True), (0.3, 1.0, True), (2.0, 1.0, False)])
def test_random_right_sides_have_bounded_answers_where_the_solution_is_determined(volatility, half_width, determined):
    model = LinearQuadratic(volatility=volatility)
    problem = HJBProblem(model, box={"state": (-half_width, half_width)})
    for solver in (Spectral(points=17), Features(degree=16)):
        basis = solver.basis(problem, 1)
        workspace = collocated(problem, basis)
        unknowns = basis.fit(-0.5 * stabilising_root(model)[0][0, 0] * basis.points.T**2)
        answer = looseness(workspace, unknowns, workspace.evaluate(unknowns))
        # by the maximum principle once their size; an open solution answers with as much of another as rounding allows
        assert answer < 10.0 if determined else answer > 10.0 * LOOSE


# -- problems without a finite value -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [Consumption(), Proportional()])
@pytest.mark.parametrize(
    "solver",
    [
        Spectral(),
        Spectral(points=9),
        Features(),
        FiniteDifference(points=41),
        NETWORK,
    ],
)
@pytest.mark.representative("solver0", "solver2", "solver3")
def test_utility_that_outgrows_discounting_has_no_value(model, solver):
    solution = solve(HJBProblem(model), solver, throw=False)
    assert result_name(solution.result) == "infinite_value" and "Discount more" in solution.advice


# -- resolved ----------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bent():
    """The value of two equally good actions at some points."""
    points = np.linspace(-1.0, 1.0, 21)
    return points, two_actions_value(points)


@pytest.mark.parametrize(
    "solver", [Spectral(), Spectral(points=41), Features(), FiniteDifference(points=21), FiniteDifference(points=41)]
)
@pytest.mark.representative("solver0", "solver2", "solver3")
def test_a_kink_that_polynomials_smear_is_seen_between_their_points(solver, bent):
    points, known = bent
    solution = solve(HJBProblem(TwoActions()), solver, throw=False)
    error = np.max(np.abs(value_at(solution, points) - known)) / np.ptp(known)
    assert error > 1e-3 and result_name(solution.result) == "unresolved"
    assert solution.stats["unresolved"] > error


def test_a_kink_is_resolved_by_enough_nodes(bent):
    points, known = bent
    solution = solve(HJBProblem(TwoActions()), FiniteDifference(points=321))
    error = np.max(np.abs(value_at(solution, points) - known)) / np.ptp(known)
    assert error < 1e-3 and solution.stats["unresolved"] < 1e-3


def reported_error(solver):
    """The reported error of a solution of the portfolio, and the true one."""
    solution = solve(HJBProblem(Wachter()), solver, throw=False)
    points = np.linspace(*solution.problem.region[0], 40)
    exact = wachter_value(Wachter(), points)
    return solution.stats["unresolved"], np.max(np.abs(value_at(solution, points) - exact)) / np.ptp(exact)


@pytest.mark.parametrize(
    "solver",
    [
        Spectral(points=5),
        Spectral(points=7),
        Features(degree=5),
        FiniteDifference(points=11),
        FiniteDifference(points=15),
    ],
)
@pytest.mark.representative("solver0", "solver2", "solver3")
def test_the_reported_error_bounds_the_true_error(solver):
    reported, true = reported_error(solver)
    assert 1e-9 < true <= reported < 1e3 * true


@pytest.mark.slow
@pytest.mark.parametrize(
    "solver", [NETWORK, GaussNewton(parameters=200, steps=60), GaussNewton(parameters=60, steps=10)]
)
def test_the_reported_error_of_networks_bounds_the_true_error(solver):
    reported, true = reported_error(solver)
    assert true <= reported < 100.0 * true


@pytest.mark.parametrize("centre", [-2.0, 0.0, 1.0])
def test_residuals_add_up_along_the_paths(centre):
    # a bump on an exact solution is found again, its size at least
    model = LinearQuadratic()
    problem, solver = HJBProblem(model), Spectral(points=33)
    basis = solver.basis(problem, 1)
    workspace = collocated(problem, basis)
    x = basis.points[:, 0]
    exact = -0.5 * stabilising_root(model)[0][0, 0] * x**2
    assert chain_of(workspace, exact[None] - stabilising_root(model)[1]).error() < 1e-10
    size = 1e-3 * np.ptp(exact)
    bumped = exact - stabilising_root(model)[1] + size * np.exp(-((x - centre) ** 2))
    assert 1e-3 < chain_of(workspace, bumped[None]).error() < 0.1


# -- nothing left to learn ------------------------------------------------------------------------------------------------------------

ALL = [FiniteDifference(points=41), Spectral(), Features(), Spectral(points=9)]


@pytest.mark.parametrize("level", [2.0, 0.0, -1e6])
@pytest.mark.parametrize("solver", [*ALL[:3], pytest.param(NETWORK, marks=pytest.mark.slow)])
def test_a_value_that_does_not_depend_on_the_state(solver, level):
    solution = solve(HJBProblem(Level(level=level)), solver)
    np.testing.assert_allclose(value_at(solution, [-0.9, 0.0, 0.9]), level / 0.05, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("solver", [*ALL, NETWORK])
@pytest.mark.representative("solver0", "solver1", "solver2")
def test_a_value_whose_slopes_are_known(solver):
    solution = solve(HJBProblem(Slope()), solver)
    assert slope_at(solution, 0.5) == pytest.approx(1.0 / 0.15, rel=1e-8)
    assert value_at(solution, [0.5])[0] == pytest.approx(0.5 / 0.15, rel=1e-8)


def test_ranges_of_values_that_do_not_vary():
    values = np.array([[0.0, 1.0], [7.0, 7.0], [0.0, 0.0]])
    np.testing.assert_allclose(value_ranges(values), [1.0, 7e-4, 1e-12])
    # known growth is no range, but nothing is measured by less than a hundredth of it
    np.testing.assert_allclose(value_ranges(values, np.zeros_like(values))[0], 1e-2)
    np.testing.assert_array_equal(flat(values), [False, True, True])
