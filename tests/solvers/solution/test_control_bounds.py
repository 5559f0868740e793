"""Bounds of controls: those that bind rightly, those that are infinite, and clipped first-order conditions, which are wrong."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from control_cases import State, of_slope, one_state
from helpers import TIME

from abatax import HJBProblem, solve
from abatax.models import AbstractValue, ClosedFormControl, Jump
from abatax.solvers import FiniteDifference, result_name


def at(solution, x):
    """Value and control at a state."""
    point = State(jnp.array(x))
    return float(solution.value(TIME, point)), float(solution.policy(TIME, point).u)


# -- infinite bounds ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bounds", [(-np.inf, np.inf), *(pytest.param(b, marks=pytest.mark.slow) for b in ((-np.inf, 30.0), (-1.0, np.inf)))]
)
def test_infinite_bounds_of_a_control_are_not_binding(bounds):
    # V = -P x^2 with P^2 + 0.05 P - 1 = 0, and u = -P x
    model = one_state(lambda x, u: u, 0.05, lambda x, u: -(x**2) - u**2, bounds=(bounds,))
    solution = solve(HJBProblem(model), FiniteDifference(points=41))
    root = 0.5 * (np.sqrt(0.05**2 + 4.0) - 0.05)
    assert at(solution, 0.5)[1] == pytest.approx(-0.5 * root, rel=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1e-9, 1e6])
def test_very_small_and_very_large_controls(scale):
    # the same problem with the control in other units
    model = one_state(
        lambda x, u: u / scale, 0.05, lambda x, u: -(x**2) - (u / scale) ** 2, bounds=((-np.inf, np.inf),)
    )
    solution = solve(HJBProblem(model), FiniteDifference(points=41))
    root = 0.5 * (np.sqrt(0.05**2 + 4.0) - 0.05)
    assert at(solution, 0.5)[1] / scale == pytest.approx(-0.5 * root, rel=1e-8)


# -- bounds that bind rightly -------------------------------------------------------------------------------------------------


def test_a_cap_on_extraction_binds_over_most_of_the_region():
    # Hotelling with a choke price of one: q = min(cap, 1 - exp(-d T)), T the years to exhaustion below the stock at which the cap ends
    cap, discount = 0.1, 0.05
    model = one_state(
        lambda x, u: -u,
        0.0,
        lambda x, u: u - 0.5 * u**2,
        discount=discount,
        box=(0.0, 10.0),
        bounds=((0.0, cap),),
        base=of_slope(lambda p: 1.0 - p),
    )
    solution = solve(HJBProblem(model), FiniteDifference(points=161, order=1))
    switch = -np.log(1.0 - cap) / discount - cap / discount
    for stock in (1.0, 3.0, 6.0, 9.0):
        fade = np.exp(-discount * (stock - switch) / cap)
        exact = (cap - 0.5 * cap**2) / discount * (1.0 - fade) + fade * cap**2 / (2.0 * discount)
        value, extraction = at(solution, stock)
        assert value == pytest.approx(exact, abs=0.02)  # first order, one per cent of the range
        assert extraction == cap


class Constant(AbstractValue):
    """A value that does not depend on the state."""

    level: jax.Array

    def __call__(self, t, x):
        return self.level

    def derivatives(self, t, x):
        return self.level, jnp.zeros(1), jnp.zeros((1, 1))


SCRAP, FASTEST, REVERSION, NOISE, DISCOUNT = 2.0, 5.0, 0.2, 0.3, 0.05


def stopping():
    """A plant that earns x per year and is scrapped at a chosen intensity."""

    class Scrapped(type(one_state(lambda x, u: -x, 0.1, lambda x, u: -(u**2)))):
        def exact_value(self):
            return Constant(jnp.array(SCRAP))

        @property
        def regime(self):
            return "scrapped"

    after = eqx.filter_vmap(lambda _: Scrapped())(jnp.zeros(1))
    jump = Jump(lambda t, x, u: u.u, lambda x: x, jnp.ones(1), after, "scrapping")
    return one_state(
        lambda x, u: -REVERSION * x, NOISE, lambda x, u: x, box=(-2.0, 2.0), bounds=((0.0, FASTEST),), jumps=(jump,)
    )


def stopping_reference(nodes=4001):
    """Howard's policy iteration on a fine monotone grid."""
    x = np.linspace(-2.0, 2.0, nodes)
    h = x[1] - x[0]
    up = 0.5 * NOISE**2 / h**2 + np.maximum(-REVERSION * x, 0.0) / h
    down = 0.5 * NOISE**2 / h**2 + np.maximum(REVERSION * x, 0.0) / h
    up[-1] = down[0] = 0.0
    bands = np.zeros((3, nodes))
    bands[0, 1:], bands[2, :-1] = -up[:-1], -down[1:]
    value = np.zeros(nodes)
    for _ in range(50):
        rate = np.where(value < SCRAP, FASTEST, 0.0)
        bands[1] = DISCOUNT + rate + up + down
        new = scipy.linalg.solve_banded((1, 1), bands, x + rate * SCRAP)
        if np.max(np.abs(new - value)) < 1e-12:
            break
        value = new
    return x, value


@pytest.mark.slow
def test_stopping_as_the_control_of_an_intensity():
    solution = solve(HJBProblem(stopping()), FiniteDifference(points=81))
    nodes, exact = stopping_reference()
    for x in (-1.5, -0.5, 0.5):  # away from the faces, across which noise is treated differently
        value, intensity = at(solution, x)
        reference = np.interp(x, nodes, exact)
        assert value == pytest.approx(reference, abs=5e-3)
        assert intensity == (FASTEST if reference < SCRAP else 0.0)


# -- clipped first-order conditions -------------------------------------------------------------------------------------------


class _Minimiser(ClosedFormControl):
    """A closed form with the sign of the marginal value reversed."""

    def best_control(self, t, x, value, costate, hessian):
        u = self.controls
        return type(u)(jnp.clip(-10.0 * costate.x / (1.0 + jnp.abs(costate.x)) * 100.0, u.u.low, u.u.high))


def test_a_clipped_first_order_condition_is_a_false_branch():
    model = one_state(
        lambda x, u: 0.3 * u - x, 0.05, lambda x, u: x - 0.01 * u**2, bounds=((-1.0, 1.0),), base=_Minimiser
    )
    solution = solve(HJBProblem(model), FiniteDifference(points=41), throw=False)
    assert result_name(solution.result) == "pinned"
