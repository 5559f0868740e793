"""Next to a kink of the value differences of high order overshoot: such a solution is not believed, the monotone one is returned."""

import jax.numpy as jnp
import numpy as np
import pytest
from control_cases import State, of_slope, one_state
from helpers import TIME

from abatax import HJBProblem, solve
from abatax.solvers import FiniteDifference, result_name
from abatax.solvers.grid import Discretisation, make_axis, zigzags

# Lake (Maeler, Xepapadeas and de Zeeuw 2003; Wagener 2003): loading u, log utility of it, damage c x^2, no noise.
RECYCLING, DAMAGE, DISCOUNT = 0.6, 0.5, 0.03


def lake():
    return one_state(
        lambda x, u: u - RECYCLING * x + x**2 / (1.0 + x**2),
        0.0,
        lambda x, u: jnp.log(u) - DAMAGE * x**2,
        discount=DISCOUNT,
        box=(0.02, 3.0),
        bounds=((1e-3, 0.8),),
        base=of_slope(lambda p: -1.0 / jnp.minimum(p, -1e-6)),
    )


def lake_on_a_fine_grid(nodes=1201):
    """Policy iteration of the upwind scheme on a grid seven times finer: a first-order solution close to the limit."""
    x = np.linspace(0.02, 3.0, nodes)
    h = x[1] - x[0]
    natural = -RECYCLING * x + x**2 / (1.0 + x**2)
    value = -100.0 * np.ones(nodes) - x
    for _ in range(1000):
        slope = np.diff(value) / h
        up, down = np.append(slope, -np.inf), np.insert(slope, 0, -np.inf)
        options = []
        for p, sign in ((up, 1.0), (down, -1.0)):
            u = np.clip(-1.0 / np.minimum(p, -1e-6), 1e-3, 0.8)
            drift = natural + u
            gain = np.log(u) - DAMAGE * x**2 + np.where(np.isfinite(p), p, 0.0) * drift
            options.append((np.where((drift * sign > 0.0) & np.isfinite(p), gain, -np.inf), u))
        still = np.clip(-natural, 1e-3, 0.8)
        options.append((np.where(np.abs(still + natural) < 1e-12, np.log(still) - DAMAGE * x**2, -np.inf), still))
        best = np.argmax([gain for gain, _ in options], axis=0)
        u = np.choose(best, [u for _, u in options])
        drift = np.where(best == 2, 0.0, natural + u)
        new = _evaluate(x, np.log(u) - DAMAGE * x**2, drift, h)
        if np.max(np.abs(new - value)) < 1e-8:
            return x, new
        value = new
    raise AssertionError("policy iteration did not converge")


def _evaluate(x, flow, drift, h):
    from scipy.linalg import solve_banded

    up, down = np.maximum(drift, 0.0) / h, np.maximum(-drift, 0.0) / h
    bands = np.zeros((3, len(x)))
    bands[0, 1:], bands[2, :-1] = -up[:-1], -down[1:]
    bands[1] = DISCOUNT + up + down
    return solve_banded((1, 1), bands, flow)


def test_a_threshold_between_two_basins_does_not_make_the_policy_zigzag():
    solution = solve(HJBProblem(lake()), FiniteDifference(points=161), throw=False)
    assert result_name(solution.result) in ("successful", "oscillating")
    nodes, exact = lake_on_a_fine_grid()
    points = np.linspace(0.1, 2.9, 57)
    values = [float(solution.value(TIME, State(jnp.array(x)))) for x in points]
    reference = np.interp(points, nodes, exact)
    assert np.max(np.abs(values - reference)) < 0.01 * np.ptp(reference)
    # above the threshold the loading rises with the phosphorus that is there: no zigzags
    near = np.linspace(1.05, 1.4, 20)
    loading = np.array([float(solution.policy(TIME, State(jnp.array(x))).u) for x in near])
    assert np.sum(np.diff(np.sign(np.diff(loading))) != 0) == 0


def jump_of_utility():
    return one_state(
        lambda x, u: u,
        0.0,
        lambda x, u: -jnp.where(x > 0.503, 1.0, 0.0) - 0.5 * u**2,
        box=(0.0, 1.0),
        bounds=((-1.0, 1.0),),
        base=of_slope(lambda p: p),
    )


@pytest.mark.parametrize("points", [41, 161])
@pytest.mark.representative("41")
def test_a_value_never_exceeds_the_highest_utility_for_ever(points):
    solution = solve(HJBProblem(jump_of_utility()), FiniteDifference(points=points), throw=False)
    highest = max(float(solution.value(TIME, State(jnp.array(x)))) for x in solution.nodes[0])
    assert highest <= 1e-9 or (not solution.converged and highest < 1e-3)


# -- the mark itself ----------------------------------------------------------------------------------------------------------


def grid(breaks=()):
    return Discretisation((make_axis((0.0, 1.0), (0.0, 1.0), 41, breaks),), 4)


def verdict(values, monotone, breaks=()):
    made = grid(breaks)
    x = made.nodes[0]
    return zigzags(made, np.ones(len(x), dtype=bool), values(x)[None], monotone(x)[None])


def ripple(x):
    """Slopes that alternate around those of a kinked function near its kink, by one in a hundred."""
    n = np.arange(len(x))
    return np.abs(x - 0.5) + 1e-4 * (-1.0) ** n * np.exp(-(((x - 0.5) / 0.1) ** 2))


def test_a_ripple_next_to_a_kink_is_noticed():
    assert verdict(ripple, lambda x: np.abs(x - 0.5))


@pytest.mark.parametrize(
    "values", [lambda x: np.abs(x - 0.5), lambda x: np.sin(9.0 * x), lambda x: np.tanh((x - 0.4) / 0.02), np.zeros_like]
)
def test_kinks_waves_and_layers_are_no_zigzags(values):
    assert not verdict(values, values)
    assert not verdict(values, lambda x: x)


def test_what_the_monotone_solution_shows_as_well_is_not_the_doing_of_the_scheme():
    assert not verdict(ripple, ripple)
