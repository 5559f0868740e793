"""Simulation of jumps, against a model whose jump is known in closed form, and wrong arguments."""

import dataclasses
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from helpers import TIME, at_states, quadratic_guess

from abatax import HJBProblem, simulate, solve
from abatax.models import Ambiguity, ClosedFormControl, Jump, LinearQuadratic, StateConstraint, TimeAdditive, Variable
from abatax.solvers import FiniteDifference
from abatax.validation import validate

# Stencils are exact on quadratics: rounding over the discount rate.
EXACT = 1e-8
# A share of n paths is off by more than four standard errors once in 16 000 draws; the keys are fixed.
ERRORS = 4.0

# No multiple of the number of lanes of a vector instruction. One program simulates all of them.
YEARS, PATHS = 20, 1003
SOLVER = FiniteDifference(points=21)
DELTA, NOISE = 0.05, 0.1


class Position(NamedTuple):
    position: jax.Array


class Speed(NamedTuple):
    speed: jax.Array


class Waiting(ClosedFormControl):
    """Steer to the origin and wait for an event of constant rate, after which every year costs `cost`.

    V = -P x^2/2 - c - cost/delta after the event and -P x^2/2 - c - k before it, so that
    0 = delta k + (rate/a) sum_m pi_m (1 - exp(-a (k - cost_m/delta))): one scalar equation, whatever x.
    """

    rate: jax.Array
    costs: jax.Array
    probabilities: jax.Array
    cost: jax.Array
    preferences: TimeAdditive = eqx.field(default_factory=lambda: TimeAdditive(DELTA))
    ambiguity: Ambiguity = eqx.field(default_factory=Ambiguity)
    phase: str = eqx.field(static=True, default="before")

    name: ClassVar[str] = "waiting"
    start_year: ClassVar[int] = 2030

    @property
    def regime(self):
        return self.phase

    @property
    def states(self):
        return Position(Variable("position", "m", -2.0, 2.0))

    @property
    def controls(self):
        return Speed(Variable("speed", "m/yr", -50.0, 50.0))

    def drift(self, t, x, u, climate):
        return Position(u.speed)

    def diffusion(self, t, x, u):
        return Position(jnp.array([NOISE]))

    def utility(self, t, x, u):
        return -0.5 * (x.position**2 + u.speed**2) - self.cost

    def best_control(self, t, x, value, costate, hessian):
        return Speed(jnp.clip(costate.position, -50.0, 50.0))

    def closures(self):
        return Position((StateConstraint(), StateConstraint()))

    def initial_state(self):
        return Position(jnp.asarray(1.0))

    def jumps(self):
        if self.phase == "after":
            return ()
        after = eqx.filter_vmap(lambda cost: dataclasses.replace(self, cost=cost, phase="after"))(self.costs)
        return (Jump(self._rate, lambda x: x, self.probabilities, after, "event"),)

    def _rate(self, t, x, u):
        return self.rate


COSTS, PRIOR = np.array([0.0, 0.05, 0.15]), np.array([0.5, 0.3, 0.2])


def waiting(rate, aversion=0.0):
    zero = jnp.zeros(())
    return Waiting(jnp.asarray(rate), jnp.asarray(COSTS), jnp.asarray(PRIOR), zero, ambiguity=Ambiguity(jumps=aversion))


def waiting_cost(rate, aversion):
    """k, the value lost to the event that has not come yet."""

    def equation(k):
        gains = k - COSTS / DELTA
        loss = gains if aversion == 0.0 else -np.expm1(-aversion * gains) / aversion
        return DELTA * k + rate * (PRIOR @ loss)

    return scipy.optimize.brentq(equation, 0.0, 10.0, xtol=1e-14)


@pytest.fixture(scope="module")
def solutions():
    return {case: solve(HJBProblem(waiting(*case)), SOLVER) for case in [(0.1, 0.0), (0.1, 1.0), (0.0, 1.0)]}


@pytest.mark.parametrize("case", [(0.1, 0.0), (0.1, 1.0), (0.0, 1.0)])
def test_value_before_and_after_the_event_is_exact(solutions, case):
    x = np.linspace(-1.8, 1.8, 41)[:, None]
    p = 0.5 * (-DELTA + np.sqrt(DELTA**2 + 4.0))
    common = -0.5 * p * x[:, 0] ** 2 - 0.5 * NOISE**2 * p / DELTA
    solution = solutions[case]
    np.testing.assert_allclose(at_states(solution, x)[0], common - waiting_cost(*case), atol=EXACT)
    for m, cost in enumerate(COSTS):
        after = at_states(solution.destinations[0].member(m), x)[0]
        np.testing.assert_allclose(after, common - cost / DELTA, atol=EXACT)


def test_worst_case_of_the_event(solutions):
    # g_m = exp(-a (V_m - V)) = exp(-a (k - cost_m/delta)), the same at every x
    found = solutions[0.1, 1.0].policy.worst_case(TIME, Position(jnp.asarray(0.7))).jumps[0]
    np.testing.assert_allclose(found, np.exp(-(waiting_cost(0.1, 1.0) - COSTS / DELTA)), rtol=EXACT)


@pytest.mark.slow
def test_the_value_at_the_end_of_paths_is_that_of_their_regime(solutions):
    case = (0.1, 0.0)
    paths = simulate(solutions[case], years=30, num_paths=64)
    x, regime, outcome = (np.asarray(leaf[:, -1]) for leaf in (paths.states.position, paths.regime, paths.outcome))
    assert 0.8 < np.mean(regime == 1) < 1.0  # 1 - exp(-3) = 0.95
    p = 0.5 * (-DELTA + np.sqrt(DELTA**2 + 4.0))
    lost = np.where(regime == 0, waiting_cost(*case), COSTS[outcome * (regime == 1)] / DELTA)
    exact = -0.5 * p * x**2 - 0.5 * NOISE**2 * p / DELTA - lost
    found = validate(solutions[case], paths=paths)["transversality_discounted"]
    np.testing.assert_allclose(found, np.exp(-30.0 * DELTA) * np.mean(exact), rtol=1e-9)


def test_a_longer_horizon_continues_the_same_paths_and_more_paths_are_added_to_them(solutions):
    key = jax.random.key(3)

    def bits(years, num_paths, shown_years=6, shown=8):
        paths = simulate(solutions[0.1, 0.0], years=years, num_paths=num_paths, key=key)
        kept = paths.states.position, paths.controls.speed, paths.regime, paths.outcome
        return [np.asarray(leaf)[:shown, : shown_years + 1] for leaf in kept]

    first = bits(6, 8)
    assert np.any(first[2] == 1) and len(np.unique(first[0][:, -1])) == 8
    for other in (bits(YEARS, PATHS), bits(6, 1, shown=1)):
        for leaf, same in zip(first, other, strict=True):
            np.testing.assert_array_equal(leaf[: len(same)], same)


def shares(paths):
    """Share of paths without the event by year, and of the outcomes among the others."""
    regime, outcome = np.asarray(paths.regime), np.asarray(paths.outcome)
    return np.mean(regime == 0, axis=0), np.bincount(outcome[regime[:, -1] == 1, -1], minlength=3)


@pytest.mark.parametrize("measure", ["baseline", "worst-case"])
def test_dates_are_exponential_and_outcomes_have_their_probabilities(solutions, measure):
    paths = simulate(solutions[0.1, 1.0], years=YEARS, num_paths=PATHS, key=jax.random.key(11), measure=measure)
    mass = PRIOR * (np.exp(-(waiting_cost(0.1, 1.0) - COSTS / DELTA)) if measure == "worst-case" else 1.0)
    waiting_share, outcomes = shares(paths)
    expected = np.exp(-0.1 * mass.sum() * np.arange(YEARS + 1))
    error = np.sqrt(expected * (1.0 - expected) / PATHS)
    assert np.all(np.abs(waiting_share - expected) <= ERRORS * error)
    expected, count = mass / mass.sum(), outcomes.sum()
    assert np.all(np.abs(outcomes / count - expected) <= ERRORS * np.sqrt(expected * (1.0 - expected) / count))
    # dates are those of the change of regime, to the step
    dates, years = np.asarray(paths.jump_years["event"]), np.asarray(paths.years)
    np.testing.assert_array_equal(np.asarray(paths.regime) == 1, years >= dates[:, None])
    assert np.nanmin(dates) >= 2030.25 and years[0] == 2030


def test_the_two_measures_differ(solutions):
    mass = PRIOR @ np.exp(-(waiting_cost(0.1, 1.0) - COSTS / DELTA))
    assert abs(mass - 1.0) > 0.2  # far more than four standard errors


def test_event_of_rate_zero_never_comes(solutions):
    for measure in ("baseline", "worst-case"):
        paths = simulate(solutions[0.0, 1.0], years=YEARS, num_paths=PATHS, key=jax.random.key(5), measure=measure)
        assert np.all(np.asarray(paths.regime) == 0)
        assert np.all(np.isnan(paths.jump_years["event"]))


@pytest.mark.parametrize("case", [(0.0, 1.0), (0.1, 1.0)])
def test_stationary_spread_of_a_mean_reverting_path(solutions, case):
    # x' = (1 - P dt) x + noise sqrt(dt) xi, before and after the event alike: the exact moments of the Euler scheme
    paths = simulate(solutions[case], years=YEARS, num_paths=PATHS, key=jax.random.key(7))
    p, dt = 0.5 * (-DELTA + np.sqrt(DELTA**2 + 4.0)), 0.25
    keep = (1.0 - p * dt) ** (4.0 * np.arange(YEARS + 1))
    variance = NOISE**2 * dt * (1.0 - keep**2) / (1.0 - (1.0 - p * dt) ** 2)
    x = np.asarray(paths.states.position)
    assert np.all(np.abs(x.mean(axis=0) - keep) <= ERRORS * np.sqrt(variance / PATHS) + 1e-8)
    ratio = x.var(axis=0)[1:] / variance[1:]
    assert np.all(np.abs(ratio - 1.0) <= ERRORS * np.sqrt(2.0 / PATHS))
    np.testing.assert_allclose(paths.controls.speed, -p * x, atol=1e-7)


@pytest.mark.parametrize("steps", [1, 8])
@pytest.mark.representative("8")
def test_steps_per_year(steps):
    # without shocks a linear feedback is a geometric sequence
    solution = solve(HJBProblem(LinearQuadratic()), SOLVER, guess=quadratic_guess([[1.0]]))
    paths = simulate(solution, years=3, shocks=False, steps_per_year=steps)
    root = -float(at_states(solution, np.array([[1.0]]))[1][0, 0])
    expected = (1.0 + (0.05 - root) / steps) ** (steps * np.arange(4))
    np.testing.assert_allclose(paths.states.state[0], expected, atol=1e-8)


def test_paths_that_leave_the_box_are_reported():
    # a stationary spread of 0.7 in a box of half-width 1
    problem = HJBProblem(LinearQuadratic(volatility=1.0), box={"state": (-1.0, 1.0)})
    solution = solve(problem, SOLVER, throw=False)  # such noise leaves the solution open, and that is said
    assert not solution.converged
    paths = simulate(solution, years=3, num_paths=200)
    outside = np.asarray(paths.outside)
    left = np.any(np.abs(np.asarray(paths.states.state)[:, :-1]) > 1.0, axis=1)  # at the dates before the last
    assert 0.1 < np.mean(left) < 0.9
    assert np.all(outside[left])
    # the others may have left between two dates, but not most of them; without noise no path leaves
    assert np.mean(outside) < 1.0
    assert not np.any(np.asarray(simulate(solution, years=3, shocks=False, steps_per_year=8).outside))


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"measure": "worst"}, "`measure` is 'worst'; use one of baseline, worst-case"),
        ({"years": 0}, "`years` is 0; it must be at least 1"),
        ({"num_paths": 0}, "`num_paths` is 0; it must be at least 1"),
        ({"steps_per_year": -1}, "`steps_per_year` is -1; it must be at least 1"),
    ],
)
def test_wrong_arguments_are_named(solutions, arguments, words):
    with pytest.raises(ValueError, match=words):
        simulate(solutions[0.1, 0.0], **arguments)


class Elsewhere(NamedTuple):
    height: jax.Array


class Landed(Waiting):
    @property
    def states(self):
        return Elsewhere(Variable("height", "m", -2.0, 2.0))


def test_regimes_with_other_states_are_refused(solutions):
    one = solutions[0.1, 0.0]
    after = one.destinations[0].problem.model
    other = Landed(**{f.name: getattr(after, f.name) for f in dataclasses.fields(after)})
    with pytest.raises(ValueError, match="the regimes have different states or controls"):
        simulate(eqx.tree_at(lambda s: s.destinations[0].problem.model, one, other))


def test_steps_too_long_for_a_fast_state_are_named():
    model = LinearQuadratic(feedback=-50.0)  # per year
    solution = solve(HJBProblem(model), SOLVER)
    with pytest.raises(ValueError, match=r"`steps_per_year` is 4; `state` moves too fast .* Try 40"):
        simulate(solution, years=3, num_paths=200, steps_per_year=4)


@pytest.mark.parametrize("size", [{"years": 10**8}, {"num_paths": 10**9}, {"steps_per_year": 10**9}])
def test_paths_that_would_not_fit_in_memory_are_refused_before_they_are_drawn(size):
    solution = solve(HJBProblem(LinearQuadratic()), SOLVER)
    with pytest.raises(ValueError, match=r"GiB of memory.*take fewer paths"):
        simulate(solution, **({"years": 80, "num_paths": 1000} | size))
