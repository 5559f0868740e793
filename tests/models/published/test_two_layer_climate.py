"""A temperature with a lag: the limit without lag, controls, the time-like state, and refused input."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import TIME

from abatax import HJBProblem, solve
from abatax.models import Ambiguity, DamageJump, Derivatives, TCREClimate, TwoLayerClimate, UncertainDamages
from abatax.models.base import USD_PER_TCO2
from abatax.solvers import FiniteDifference
from abatax.solvers.equation import time_like_states
from abatax.solvers.solution import reshape_leading

DOUBT = Ambiguity.from_penalties(jumps=1.0, climate=0.01)
FEW = DamageJump(jnp.array([0.0, 1.0 / 6.0, 1.0 / 3.0]), jnp.full(3, 1.0 / 3.0))


def state(model, temperature, rate):
    return type(model.states)(jnp.asarray(temperature), jnp.asarray(rate))


@pytest.fixture(scope="module")
def quick():
    model = TwoLayerClimate(adjustment=50.0, ambiguity=DOUBT, damage_jump=FEW)
    return solve(HJBProblem(model), FiniteDifference(points=(41, 17), levels=2))


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [0.5, 1.1, 1.4])
def test_a_fast_response_approaches_the_model_without_lag(quick, temperature):
    still = TCREClimate(relative_volatility=0.0)
    other = solve(
        HJBProblem(UncertainDamages(climate=still, ambiguity=DOUBT, damage_jump=FEW)), FiniteDifference(points=81)
    )
    e = other.policy(TIME, type(other.problem.model.states)(jnp.asarray(temperature))).emissions
    x = state(quick.problem.model, temperature, float(still.ensemble.mean * e))
    # the lag of 1/50 of a year itself moves emissions by about 1e-4
    assert float(quick.policy(TIME, x).emissions) == pytest.approx(float(e), rel=2e-3)


@pytest.mark.slow
def test_temperature_is_time_like_and_nothing_has_noise(quick):
    found = time_like_states(reshape_leading(quick.problem, (1,), 0))
    assert found.signs == (1, 0) and found.quiet == (True, True)


@pytest.mark.parametrize("aversion", [0.0, 100.0])
def test_emissions_are_those_of_a_numerical_maximiser(aversion):
    model = TwoLayerClimate(ambiguity=Ambiguity(climate=aversion), phase="after_damage")
    problem, rng = HJBProblem(model), np.random.default_rng(1)
    both = eqx.filter_jit(
        lambda *point: (problem.best_control(*point).emissions, problem.numerical_control(*point).emissions)
    )
    for _ in range(3):
        x = state(model, rng.uniform(0.5, 3.0), rng.uniform(0.0, 0.04))
        costate = jnp.asarray([-1.0, -rng.uniform(5.0, 40.0)])
        best, found = both(TIME, x, Derivatives(jnp.asarray(1.0), costate, jnp.zeros((2, 2))))
        assert float(best) == pytest.approx(float(found), rel=1e-5)


def test_warming_from_a_pulse_approaches_the_response_at_the_adjustment_rate():
    # the drift is linear: dY2/de = lambda theta, and the constant rate theta e is its equilibrium
    model = TwoLayerClimate(adjustment=0.7)
    theta = model.ensemble.mean
    at_rest = model.drift(TIME, state(model, 1.0, float(theta) * 8.0), type(model.controls)(jnp.asarray(8.0)), theta)
    assert float(at_rest.warming_rate) == pytest.approx(0.0, abs=1e-15)
    assert float(at_rest.temperature) == pytest.approx(8.0 * float(theta))
    pulsed = model.drift(TIME, state(model, 1.0, 0.0), type(model.controls)(jnp.asarray(1.0)), theta)
    assert float(pulsed.warming_rate) == pytest.approx(0.7 * float(theta))


@pytest.mark.slow
def test_social_cost_is_the_price_of_emissions(quick):
    model, x = quick.problem.model, state(quick.problem.model, 1.1, 0.005)
    general = quick.policy.social_cost_of_carbon(TIME, x, model.initial_additive())
    e = quick.policy(TIME, x).emissions
    first_order = USD_PER_TCO2 * model.social_cost_from_emissions(e, model.initial_additive().log_capital)
    assert float(general) == pytest.approx(float(first_order), rel=1e-6)


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: TwoLayerClimate(adjustment=0.0), "`adjustment` is "),
        (lambda: TwoLayerClimate(climate=TCREClimate()), "`climate.relative_volatility` is 1.2"),
        (lambda: TwoLayerClimate(emissions_share=2.0), "`emissions_share` is "),
        (lambda: TwoLayerClimate(phase="x"), "`phase` is 'x'"),
    ],
)
def test_parameters_out_of_range_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()
