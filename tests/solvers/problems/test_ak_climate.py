"""A separable climate economy in two states, against its one-dimensional pieces solved by collocation."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers import ak_reference, at_states

from abatax import HJBProblem, solve
from abatax.models import AKClimate, Ambiguity
from abatax.solvers import FiniteDifference

# The target of numerics.md for two states without boundary data is 1e-4; this grid is better, and stays so.
ACCURACY = 1e-6
# The asymptotic slope in log capital is imposed at both faces and stencils are exact on linear functions.
ROUNDING = 1e-12

TEMPERATURE = np.linspace(0.1, 4.0, 40)
POINTS = np.stack([np.linspace(4.1, 8.9, 40), TEMPERATURE], axis=-1)


def a_problem(penalty=np.inf, **options):
    return HJBProblem(AKClimate(productivity=None, ambiguity=Ambiguity(shocks=1.0 / penalty)), **options)


@pytest.fixture(scope="module")
def solved():
    """At most 252 nodes: one compiled kernel serves the whole file."""
    return {penalty: solve(a_problem(penalty), FiniteDifference(points=(7, 36))) for penalty in (np.inf, 0.01)}


@pytest.mark.parametrize("penalty", [np.inf, 0.01])
def test_emissions_and_the_value_of_temperature(solved, penalty):
    slope, emissions = ak_reference(TEMPERATURE, 1.0 / penalty)
    _, found, _, control = at_states(solved[penalty], POINTS)
    np.testing.assert_allclose(control.emissions, emissions, rtol=ACCURACY)
    np.testing.assert_allclose(found[:, 1], slope, rtol=ACCURACY)


def test_distrust_moves_the_reference_by_far_more_than_the_tolerance():
    neutral, averse = ak_reference(TEMPERATURE)[1], ak_reference(TEMPERATURE, 100.0)[1]
    assert np.all(averse < (1.0 - 1e3 * ACCURACY) * neutral)


@pytest.mark.parametrize("top, count", [(16.0, 60), (30.0, 110)])
def test_reference_does_not_depend_on_its_interval(top, count):
    for found, expected in zip(ak_reference(TEMPERATURE, 0.0, top, count), ak_reference(TEMPERATURE), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-8)


@pytest.mark.parametrize("penalty", [np.inf, 0.01])
def test_value_is_linear_in_log_capital(solved, penalty):
    # constant returns to scale: V_k = 1 - eta exactly, and investment is the same everywhere
    _, slope, bend, control = at_states(solved[penalty], POINTS)
    np.testing.assert_allclose(slope[:, 0], 0.968, rtol=ROUNDING)
    np.testing.assert_allclose(bend[:, 0], 0.0, atol=1e-9)  # second derivative: rounding over h^2
    economy = solved[penalty].problem.model.economy
    np.testing.assert_allclose(control.investment, economy.best_investment(jnp.asarray(0.01)), rtol=1e-10)


@pytest.mark.parametrize("order, least", [(2, 1.8), (4, 3.6)])
def test_policy_converges_with_the_order_of_the_scheme(order, least):
    # within the region of interest; beyond 30 nodes the fourth-order error is that of the margin's closure
    errors, counts = [], np.array([15, 22, 29])
    inside = POINTS[TEMPERATURE < 2.5]
    expected = ak_reference(inside[:, 1])[1]
    for count in counts:
        solution = solve(a_problem(), FiniteDifference(points=(7, int(count)), order=order))
        found = at_states(solution, np.resize(inside, POINTS.shape))[3].emissions[: len(inside)]
        errors.append(np.max(np.abs(found / expected - 1.0)))
    measured = -np.polyfit(np.log(counts - 1.0), np.log(errors), 1)[0]
    assert measured > least


@pytest.mark.parametrize(
    "options", [{"extension": 1.5}, {"box": {"log_capital": (3.0, 11.0), "temperature": (0.05, 5.0)}}]
)
def test_moving_the_edge_of_the_box_moves_no_policy(solved, options):
    moved = solve(a_problem(**options), FiniteDifference(points=(7, 36)))
    before, after = (at_states(s, POINTS)[3] for s in (solved[np.inf], moved))
    np.testing.assert_allclose(after.emissions, before.emissions, rtol=1e-4)  # the target of numerics.md section 4
    np.testing.assert_allclose(after.investment, before.investment, rtol=1e-4)


def test_warmer_is_worse_and_cleaner_is_costly(solved):
    slope, emissions = at_states(solved[np.inf], POINTS)[1][:, 1], at_states(solved[np.inf], POINTS)[3].emissions
    assert np.all(slope < 0.0) and np.all(np.diff(slope) < 0.0)  # damages are convex
    assert np.all(np.diff(emissions) < 0.0) and np.all(emissions > 0.0)
