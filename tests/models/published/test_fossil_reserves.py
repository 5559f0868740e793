"""The fossil-reserve model: its equation, its prior, its controls and its input."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from fossil_cases import CASES, PENALTY, certainty_equivalent, make
from helpers import TIME, distrusting, on_points, tree_allclose

import abatax as ab
from abatax import HJBProblem
from abatax.models import Derivatives, Exploration, FossilReserves, GaussianTCRE, LogarithmicEconomy, NordhausWeitzman
from abatax.validation import FossilLimit

# Gauss-Hermite quadrature of a tilted Gaussian, up to E F = 2e4.
QUADRATURE = 1e-11
ROUNDING = 1e-12


def sample(count=30, seed=0):
    """States and slopes of value functions similar to that of the model."""
    rng = np.random.default_rng(seed)
    x = rng.uniform([0.0, 200.0, 4.0], [9.0, 4000.0, 14.0], (count, 3))
    scale = np.array([0.5, 1.0, 0.05])
    slope = np.array([0.015, -3e-5, 0.96]) * np.exp(scale * rng.standard_normal((count, 3)))
    return jnp.asarray(x), jnp.asarray(slope)


# -- the prior ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("aversion", [0.0, 1e-6, 100.0, 4000.0])
def test_quadrature_of_the_tilted_gaussian_is_its_closed_form(aversion):
    climate = GaussianTCRE()
    nodes, weights = climate.untruncated()

    def both(emissions, carbon):
        b, c = -0.968 * emissions * 1.7675e-4, -2.0 * 0.968 * emissions * carbon * 0.0044
        a = jnp.asarray(aversion)
        return ab.models.robust_mean(a, b * nodes + 0.5 * c * nodes**2, weights), climate.robust_quadratic(a, b, c)

    emissions, carbon = jnp.array([1e-3, 10.0, 20.0, 10.0, 4.0]), jnp.array([290.0, 300.0, 1000.0, 2000.0, 5000.0])
    quadrature, closed = on_points(both, emissions, carbon)
    np.testing.assert_allclose(quadrature, closed, rtol=QUADRATURE)


def test_closed_form_has_its_derivative_at_neutral():
    # d/da at a = 0 is minus half the variance of b beta + c beta^2 / 2
    climate, b, c = GaussianTCRE(), jnp.array(-0.3), jnp.array(40.0)
    m, s = float(climate.mean), float(climate.standard_deviation)
    variance = (b + c * m) ** 2 * s**2 + 0.5 * c**2 * s**4
    slope = jax.grad(lambda a: climate.robust_quadratic(a, b, c))(jnp.zeros(()))
    np.testing.assert_allclose(slope, -0.5 * variance, rtol=1e-12)


@eqx.filter_jit
def robust_damages(model, emissions, carbon):
    def at(emissions, carbon):
        gains = jax.vmap(lambda c: -0.968 * emissions * model.damages.per_carbon(carbon, c))(model.climates)
        return model.ambiguity.climate_term(gains, model.ensemble.weights)

    return jax.vmap(at)(emissions, carbon)


@pytest.mark.parametrize("weight, penalty", CASES)
def test_joint_tilt_is_the_published_two_level_tilt(weight, penalty):
    model = make(weight, penalty)

    points = [(10.0, 290.0), (8.0, 700.0), (4.0, 1500.0), (5.0, 4000.0), (0.3, 9000.0), (1e-3, 1000.0)]
    found = robust_damages(model, *(jnp.asarray(v) for v in np.array(points).T))
    expected = [certainty_equivalent(*p, weight, penalty) for p in points]
    # the closed form in numpy subtracts 1 / s^2-sized terms
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-13)


def test_prior_is_that_of_the_data(shared_data):
    values = np.loadtxt(shared_data / "TCRE_MacDougallEtAl2017_update.csv") / 1000.0
    climate = GaussianTCRE()
    np.testing.assert_allclose(
        [climate.mean, climate.standard_deviation], [values.mean(), values.std(ddof=1)], rtol=1e-9
    )


def test_damages_per_carbon_are_the_derivative_of_log_damages():
    model = make()
    carbon = jnp.array([0.0, 290.0, 1100.0, 4000.0])

    def at(f):
        slope = jax.vmap(lambda c: jax.grad(model.damages.log_damages)(f, c))(model.climates)
        return slope, jax.vmap(lambda c: model.damages.per_carbon(f, c))(model.climates)

    slope, per_carbon = on_points(at, carbon)
    np.testing.assert_allclose(per_carbon, slope, atol=1e-18)


# -- the equation ---------------------------------------------------------------------------------------------------


@eqx.filter_jit
def hamiltonian(model, x, u, derivatives):
    return HJBProblem(model).hamiltonian(TIME, x, u, derivatives)


@eqx.filter_jit
def best_control(model, z, slope):
    problem = HJBProblem(model)
    return problem.best_control(TIME, problem.state(z), Derivatives(jnp.zeros(()), slope, jnp.zeros((3, 3))))


@pytest.mark.parametrize("weight, penalty", CASES)
def test_hamiltonian_is_the_published_equation(weight, penalty):
    # models.md 3.1, term by term
    r, f, k, i, j, e, v = 5.9, 840.0, 7.1, 0.08, 4e-4, 7.3, -0.4
    v_r, v_f, v_k, v_rr, v_kk = 0.011, -2.7e-5, 0.957, -0.004, -0.002
    delta, kappa = 0.01, 0.032
    expected = -delta * v + delta * kappa * (np.log(e / np.exp(r)) + r)
    expected += delta * (1.0 - kappa) * (np.log(0.115 - i - j) + k)
    found_reserves = 0.11273340789168 * j ** (1.0 / 7.0) * np.exp((k - r) / 7.0)
    expected += v_r * (-e / np.exp(r) + found_reserves - 0.5 * 0.0339**2) + v_f * e
    expected += v_k * (-0.034977443912449 + 0.06 * np.log(1.0 + i / 0.06) - 0.5 * 0.0161**2)
    expected += 0.5 * 0.0339**2 * v_rr + 0.5 * 0.0161**2 * v_kk + certainty_equivalent(e, f, weight, penalty)
    model = make(weight, penalty)
    x, u = (type(p)(*map(jnp.asarray, z)) for p, z in ((model.states, (r, f, k)), (model.controls, (i, j, e))))
    hessian = jnp.diag(jnp.array([v_rr, 0.0, v_kk]))
    found = hamiltonian(model, x, u, Derivatives(jnp.asarray(v), jnp.array([v_r, v_f, v_k]), hessian))
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@eqx.filter_jit
def controls(model, x, slope):
    problem = HJBProblem(model)

    def at(x, p):
        state, derivatives = problem.state(x), Derivatives(jnp.zeros(()), p, jnp.zeros((3, 3)))
        closed, numerical = (
            choose(TIME, state, derivatives) for choose in (problem.best_control, problem.numerical_control)
        )
        best = [problem.hamiltonian(TIME, state, u, derivatives) for u in (closed, numerical)]
        return closed, numerical, *best

    return jax.vmap(at)(x, slope)


@pytest.mark.slow
@pytest.mark.parametrize("weight, penalty", [(0.5, PENALTY), (0.0, PENALTY), (1.0, np.inf)])
def test_closed_form_is_the_numerical_maximiser(weight, penalty):
    closed, numerical, at_closed, at_numerical = controls(make(weight, penalty), *sample(12))
    assert tree_allclose(closed, numerical, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(at_closed, at_numerical, rtol=ROUNDING)
    assert bool(jnp.all(at_closed >= at_numerical - ROUNDING * jnp.abs(at_numerical)))


@pytest.mark.parametrize("exogenous", [0.0, 2.0])
@pytest.mark.parametrize("weight, penalty", CASES)
def test_emissions_maximise_the_published_saddle(weight, penalty, exogenous):
    # a bracketing search on the two-level formula: no derivative, no shared code
    model = make(weight, penalty, exogenous_emissions=exogenous)
    x, slope = sample(4, seed=3)
    for z, p in zip(x, slope, strict=True):
        u = best_control(model, z, p)
        cost = float(p[0] * jnp.exp(-z[0]) - p[1])

        def loss(log_e, cost=cost, z=z):
            e = np.exp(log_e)
            worst = certainty_equivalent(e + exogenous, float(z[1]), weight, penalty)
            return -(0.01 * 0.032 * log_e - cost * e + worst)

        found = scipy.optimize.minimize_scalar(loss, bounds=(np.log(1e-6), np.log(50.0)), options={"xatol": 1e-9})
        np.testing.assert_allclose(u.emissions, np.exp(found.x), rtol=3e-5)


@pytest.mark.parametrize(
    "v_r, v_k", [(-0.01, 0.968), (0.0, 0.968), (0.02, -0.1), (0.02, 0.0), (50.0, 0.968), (1e-9, 5.0)]
)
def test_spending_stays_within_its_budget_and_bounds(v_r, v_k):
    model = make()
    u = best_control(model, jnp.array([1.0, 500.0, 9.0]), jnp.array([v_r, -2e-5, v_k]))
    i, j = model.controls.investment, model.controls.exploration
    assert float(model.economy.productivity) - float(u.investment + u.exploration) > 0.0
    assert i.low <= float(u.investment) <= i.high and j.low <= float(u.exploration) <= j.high
    # spending without value is at its lower bound
    assert v_r > 0.0 or float(u.exploration) == j.low
    assert v_k > 0.0 or float(u.investment) == i.low


@eqx.filter_jit
def social_costs(model, x, slope):
    problem = HJBProblem(model)

    def at(z, p):
        x = problem.state(z)
        derivatives = Derivatives(jnp.zeros(()), p, jnp.zeros((3, 3)))
        u = problem.best_control(TIME, x, derivatives)
        general = problem.social_cost_of_carbon(TIME, x, model.initial_additive(), u, derivatives)
        return general, model.social_cost_from_emissions(x, u), model.scarcity_rent(x, u, p[0])

    return jax.vmap(at)(x, slope)


@pytest.mark.parametrize("weight, penalty", [(0.5, PENALTY), (1.0, np.inf)])
def test_social_cost_is_the_first_order_condition(weight, penalty):
    # the general definition against kappa C / ((1 - kappa) E), and its split into scarcity and harm
    general, condition, rent = social_costs(make(weight, penalty), *sample())
    np.testing.assert_allclose(general, condition, rtol=1e-10)
    assert bool(jnp.all((rent > 0.0) & (rent < general)))


# -- input ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make_one, words",
    [
        (lambda: NordhausWeitzman(nordhaus_weight=1.5), "`damages.nordhaus_weight` is 1.5"),
        (lambda: GaussianTCRE(mean=-1.0), "`climate.mean` is -1.0"),
        (lambda: GaussianTCRE(standard_deviation=0.0), "`climate.standard_deviation` is 0.0"),
        (lambda: Exploration(elasticity=1.0), "`exploration.elasticity` is 1.0"),
        (lambda: Exploration(initial_reserves=0.0), "`exploration.initial_reserves` is 0.0"),
        (lambda: LogarithmicEconomy(adjustment_scale=0.0), "`economy.adjustment_scale` is 0.0"),
        (lambda: FossilReserves(emissions_share=1.0), "`emissions_share` is 1.0"),
        (lambda: FossilLimit(FossilReserves(ambiguity=distrusting("ak_climate"))), "FossilLimit"),
        (lambda: FossilLimit(FossilReserves(exogenous_emissions=1.0)), "FossilLimit"),
    ],
)
def test_parameters_out_of_range_are_named(make_one, words):
    with pytest.raises(ValueError, match=words):
        make_one()


def test_settings_by_name():
    model = ab.models.configure("fossil_reserves", {"damages.nordhaus_weight": 1, "ambiguity.climate": PENALTY})
    assert isinstance(model, FossilReserves)
    assert (float(model.damages.nordhaus_weight), float(model.ambiguity.climate)) == (1.0, 4000.0)
    assert ab.models.parameter_units(model)["climate.mean"] == "degC/GtC"
