"""The numerical maximiser finds the highest of several maxima, or a finer scan says that it did not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from control_cases import State, one_state
from helpers import TIME

from abatax import HJBProblem, solve
from abatax.models import maximise
from abatax.solvers import FiniteDifference, result_name

DRAWS = 64


def bumps(u, centre, width, other):
    """A wide bump, and a higher one that is narrow."""
    return 0.6 * jnp.exp(-jnp.sum(((u - other) / 0.3) ** 2)) + jnp.exp(-jnp.sum(((u - centre) / width) ** 2))


@pytest.mark.parametrize(("controls", "width"), [(1, 0.13), (1, 0.01), (2, 0.13), (2, 0.04), (3, 0.13)])
@pytest.mark.representative("1-0.01", "2-0.04", "3-0.13")
def test_the_higher_of_two_maxima_is_found_wherever_they_are(controls, width):
    centre, other = np.random.default_rng(controls).random((2, DRAWS, controls))
    low, high = jnp.zeros(controls), jnp.ones(controls)

    @jax.jit
    def value_at_best(centre, other):
        return bumps(maximise(lambda u: bumps(u, centre, width, other), low, high), centre, width, other)

    found = jax.vmap(value_at_best)(jnp.asarray(centre), jnp.asarray(other))
    near = jax.vmap(lambda c, o: bumps(c, c, width, o))(jnp.asarray(centre), jnp.asarray(other))
    assert np.all(found >= near)


def test_every_control_has_its_own_two_maxima():
    # of equal width and nearly equal height, far apart, in each of three controls
    centre = jnp.array([0.123, 0.456, 0.789])

    def objective(u):
        return jnp.sum(
            jnp.exp(-(((u - centre) / 0.04) ** 2)) + 0.999 * jnp.exp(-(((u - centre[::-1] - 0.1) / 0.04) ** 2))
        )

    best = jax.jit(lambda: maximise(objective, jnp.zeros(3), jnp.ones(3)))()
    np.testing.assert_allclose(best, centre, atol=1e-3)


def test_a_kink_is_no_obstacle():
    best = jax.jit(lambda: maximise(lambda u: -jnp.sum(jnp.abs(u - 0.3)), jnp.zeros(1), jnp.ones(1)))()
    np.testing.assert_allclose(best, 0.3, atol=1e-4)


@pytest.mark.parametrize("scale", [1e-9, 1e-3, 1.0, 1e6, 1e9])
@pytest.mark.parametrize(("low", "high"), [(-np.inf, np.inf), (0.0, np.inf), (-np.inf, 0.0)])
def test_maxima_of_any_size_between_infinite_bounds(low, high, scale):
    centre = scale if high > 0 else -scale
    found = _bowl(jnp.asarray(centre), jnp.array([low]), jnp.array([high]))
    np.testing.assert_allclose(found, centre, rtol=1e-10)


@jax.jit
def _bowl(centre, low, high):
    return maximise(lambda u: -jnp.sum((u / centre - 1.0) ** 2), low, high)


def two_bumps(width, controls=1, fineness=1):
    def of_one(u):
        return 0.3 * jnp.exp(-(((u - 0.2) / 0.15) ** 2)) + jnp.exp(-(((u - 0.65) / width) ** 2))

    return one_state(
        lambda x, *u: 0.1 * (u[0] - 0.5) - 0.2 * (x - 0.5),
        0.05,
        lambda x, *u: sum(of_one(v) for v in u) - 0.5 * (x - 0.5) ** 2,
        box=(0.0, 1.0),
        bounds=((0.0, 1.0),) * controls,
        fineness=fineness,
    )


# policy iteration on 2001 and 8001 nodes
VALUE_AT_HALF = 19.905


@pytest.mark.parametrize("controls", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_narrow_maximum_of_utility_is_found_at_every_node(controls):
    solution = solve(HJBProblem(two_bumps(0.04, controls)), FiniteDifference(points=41))
    # a second control that moves nothing adds one, its highest utility, for ever
    value = float(solution.value(TIME, State(jnp.array(0.5)))) - 20.0 * (controls - 1)
    assert value == pytest.approx(VALUE_AT_HALF, abs=2e-3)


@pytest.mark.slow
def test_a_maximum_narrower_than_the_scan_is_detected():
    solver = FiniteDifference(points=21, order=1)
    missed = solve(HJBProblem(two_bumps(0.001)), solver, throw=False)
    assert result_name(missed.result) == "missed_maximum" and "scan_fineness" in missed.advice
    found = solve(HJBProblem(two_bumps(0.001, fineness=16)), solver)
    control = float(found.policy(TIME, State(jnp.array(0.5)))[0])
    assert control == pytest.approx(0.65, abs=1e-3)
