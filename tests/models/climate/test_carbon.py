"""Model equations as published: Hamiltonians, budgets, damages, the jump's intensity, the social cost of carbon."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import TIME, distrusting, on_points, small_model

from abatax import HJBProblem
from abatax.models import AKEconomy, DamageJump, Derivatives, LinearQuadratic, ThresholdDamages

# Some hundred roundings of the largest term.
ROUNDING = 1e-13
# The first-order condition is solved to 1e-13 in log emissions; the cost is proportional to them.
FIRST_ORDER = 1e-11


@eqx.filter_jit
def hamiltonian(model, x, u, value, slope, bend, after):
    x, u = type(model.states)(*x), type(model.controls)(*u)
    return HJBProblem(model).hamiltonian(TIME, x, u, Derivatives(value, slope, bend, after))


def numbers(*values):
    return tuple(jnp.asarray(float(v)) for v in values)


@pytest.mark.parametrize("planner", ["neutral", "averse"])
@pytest.mark.parametrize("phase, y", [("before_damage", 1.7), ("before_damage", 1.2), ("after_damage", 2.6)])
def test_uncertain_damages_is_the_published_equation(phase, y, planner):
    # models.md 1.2 and 1.3 in numpy, with xi = 1, 1, 0.01 or infinity
    model = small_model("uncertain_damages", phase=phase)
    if planner == "averse":
        model = eqx.tree_at(lambda m: m.ambiguity, model, distrusting("uncertain_damages"))
    model = eqx.tree_at(lambda m: m.damages.curvature, model, jnp.asarray(0.2 if phase == "after_damage" else 0.0))
    e, phi, dphi, ddphi, phi_m = 4.5, 0.9, -2.1, -1.3, np.array([0.6, 0.2, -0.7])
    theta, prior = np.asarray(model.climate.ensemble.values), np.asarray(model.climate.ensemble.weights)
    delta, eta, varsigma = 0.01, 0.032, 1.2 * (prior @ theta)
    v_n = (eta - 1.0) / delta
    beyond = max(y - 2.0, 0.0) * (phase == "after_damage")
    g = dphi + v_n * (1.7675e-4 + 0.0044 * y + 0.2 * beyond)
    h = ddphi + v_n * (0.0044 + 0.2 * (beyond > 0))
    expected = -delta * phi + eta * np.log(e) + 0.5 * varsigma**2 * e**2 * h
    intensity = 1.5 * (np.exp(1.25 * max(y - 1.5, 0.0) ** 2) - 1.0) if phase == "before_damage" else 0.0
    pi = np.array([0.5, 0.3, 0.2])
    if planner == "averse":
        expected += -0.01 * np.log(prior @ np.exp(-g * e * theta / 0.01)) - 0.5 * varsigma**2 * e**2 * g**2
        expected += intensity * (1.0 - pi @ np.exp(phi - phi_m))
    else:
        expected += g * e * (prior @ theta) + intensity * (pi @ (phi_m - phi))
    after = (jnp.asarray(phi_m),) if phase == "before_damage" else ()
    found = hamiltonian(model, numbers(y), numbers(e), jnp.asarray(phi), jnp.array([dphi]), jnp.array([[ddphi]]), after)
    # capital's constant, set to zero by the model, is a sum of terms of size one
    np.testing.assert_allclose(found, expected, atol=ROUNDING * 10.0)


def test_ak_climate_satisfies_the_written_equation():
    # models.md 7.2 with a flow cost of productivity, neutral
    model = small_model("ak_climate")
    model = eqx.tree_at(lambda m: m.productivity.cost, model, jnp.asarray(0.3))
    k, y, z, i, e = 6.1, 1.4, 0.02, 0.07, 9.0
    slope, bend = np.array([0.9, -0.03, 1.4]), np.array([-0.1, -0.02, -0.3])
    theta = float(model.ensemble.mean)
    delta, eta, varsigma = 0.01, 0.032, 1.2 * theta
    damages = 1.7675e-4 * y + 0.0022 * y**2
    flow = eta * np.log(e) + (1 - eta) * (np.log(0.115 - i) + k - damages) - 0.3 * np.exp(40.0 * z)
    drift = np.array([-0.043 + i - 0.5 * 6.667 * i**2 - 0.5 * 0.0095**2 + z, theta * e, -0.05 * z])
    variance = np.array([0.0095, varsigma * e, 0.01]) ** 2
    expected = delta * (flow - 0.5) + slope @ drift + 0.5 * variance @ bend
    found = hamiltonian(
        model, numbers(k, y, z), numbers(i, e), jnp.asarray(0.5), jnp.asarray(slope), jnp.diag(jnp.asarray(bend)), ()
    )
    np.testing.assert_allclose(found, expected, rtol=ROUNDING)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_linear_quadratic_satisfies_the_written_equation(dimension):
    rng = np.random.default_rng(dimension)
    model = small_model("linear_quadratic", distrusting("linear_quadratic"), dimension=dimension)
    x, u, p = rng.standard_normal((3, dimension))
    m = rng.standard_normal((dimension, dimension))
    m = m + m.T
    a = 0.05 * np.eye(dimension) + 0.1 * (np.eye(dimension, k=1) - np.eye(dimension, k=-1))
    expected = -0.5 * (x @ x + u @ u) + p @ (a @ x + u) + 0.5 * 0.09 * np.trace(m) - 0.5 / 0.5 * 0.09 * p @ p
    found = hamiltonian(model, numbers(*x), numbers(*u), jnp.asarray(0.7), jnp.asarray(p), jnp.asarray(m), ())
    np.testing.assert_allclose(found, expected - 0.05 * 0.7, atol=ROUNDING * 20.0)


# -- blocks -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("curvature", [0.0, 1.0 / 3.0])
def test_damage_slope_and_bend_are_derivatives(curvature):
    damages = ThresholdDamages(curvature=curvature)
    y = jnp.array([0.0, 0.7, 1.9999, 2.0, 2.0001, 4.0])

    def at(y):
        first, second = jax.grad(damages.log_damages)(y), jax.grad(jax.grad(damages.log_damages))(y)
        return damages.slope(y) - first, damages.bend(y) - second

    slope, bend = on_points(at, y)
    np.testing.assert_allclose(slope, 0.0, atol=1e-16)
    smooth = np.array([True, True, True, False, True, True])  # at the threshold the bend jumps
    np.testing.assert_allclose(bend[smooth], 0.0, atol=1e-16)
    np.testing.assert_allclose(damages.bend(jnp.array(2.0)), 0.0044 + curvature, rtol=1e-15)
    jump = damages.slope(jnp.array(2.0)) - damages.slope(jnp.array(2.0 - 1e-12))
    assert abs(float(jump)) < 1e-14


@pytest.mark.parametrize("y, rate", [(1.0, 0.0), (1.5, 0.0), (1.6, 0.019), (1.7, 0.077), (1.8, 0.179), (2.0, 0.550)])
def test_intensity_of_the_damage_jump_as_published(y, rate):
    # figures to three digits; exactly zero up to the onset
    found = float(DamageJump().intensity(jnp.asarray(y)))
    assert found == rate if rate == 0.0 else abs(found - rate) < 5e-4


def test_probabilities_of_the_jump_are_normalised():
    np.testing.assert_allclose(DamageJump([0.0, 0.1], [3.0, 1.0]).prior, [0.75, 0.25], rtol=1e-15)
    np.testing.assert_allclose(DamageJump().prior, np.full(20, 0.05), rtol=1e-15)


def test_investment_of_the_ak_economy_as_published():
    # the root of (alpha - i)(1 - kappa i) = delta, published as 0.0899985 (its sixth digit is not the root's)
    economy = AKEconomy()
    i = float(economy.best_investment(jnp.asarray(0.01)))
    assert abs(i - 0.0899985) < 3e-7
    np.testing.assert_allclose((0.115 - i) * (1.0 - 6.667 * i), 0.01, rtol=1e-13)
    # growth of log capital is stationary where the marginal return vanishes
    assert abs(float(jax.grad(economy.drift)(jnp.asarray(1.0 / 6.667)))) < 1e-12


# -- budgets and the social cost of carbon --------------------------------------------------------------------


@eqx.filter_jit
def at_the_optimum(model, seed_slopes):
    """Control, observables, social cost by definition and marginal utility, for many slopes of the value function."""
    problem = HJBProblem(model)
    additive = type(model.additive)(*(a + 0.1 for a in model.initial_additive()))

    def at(scale):
        slopes = {"log_capital": 0.9, "temperature": -0.02 if model.name == "ak_climate" else -2.0}
        costate = jnp.stack([slopes[s] * scale for s in model.states._fields])
        hessian = -0.3 * scale * jnp.diag(jnp.abs(costate))
        x, value = model.initial_state(), jnp.asarray(0.4)
        after = tuple(jnp.array([0.6, 0.2, -0.7]) for _ in model.jumps())
        u = problem.best_control(TIME, x, Derivatives(value, costate, hessian, after))
        cost = problem.social_cost_of_carbon(TIME, x, additive, u, Derivatives(value, costate, hessian))
        return u, model.observables(TIME, x, u, additive), cost, model.marginal_utility(TIME, x, u, additive)

    return jax.vmap(at)(seed_slopes)


SCALES = np.array([0.3, 1.0, 2.5])


def carbon_model(name, planner, exogenous=0.0):
    fields = {"productivity": None} if name == "ak_climate" else {}
    ambiguity = distrusting(name) if planner == "averse" else None
    return small_model(name, ambiguity, exogenous_emissions=exogenous, **fields)


@pytest.mark.parametrize("name", ["ak_climate", "uncertain_damages"])
def test_output_is_consumption_plus_investment(name):
    observed = at_the_optimum(carbon_model(name, "averse"), jnp.asarray(SCALES))[1]
    investment = observed["investment_flow" if name == "ak_climate" else "investment"]
    np.testing.assert_allclose(observed["consumption"] + investment, observed["output"], rtol=1e-14)
    np.testing.assert_allclose(observed["output"], 0.115 * observed["capital"], rtol=1e-14)
    assert np.all((observed["damages"] > 0) & (observed["damages"] < observed["consumption"]))


@pytest.mark.parametrize("name", ["ak_climate", "uncertain_damages"])
def test_every_observable_is_described(name):
    model = carbon_model(name, "neutral")
    observed = at_the_optimum(model, jnp.asarray(SCALES))[1]
    assert observed.keys() == model.observable_variables.keys()
    assert all(v.unit for v in model.observable_variables.values())


@pytest.mark.parametrize("exogenous", [0.0, 3.0])
@pytest.mark.parametrize("planner", ["neutral", "averse"])
@pytest.mark.parametrize("name", ["ak_climate", "uncertain_damages"])
def test_social_cost_is_the_first_order_condition_for_emissions(name, planner, exogenous):
    # at the optimum the marginal benefit of a tonne is its social cost: eta C / ((1 - eta) e)
    model = carbon_model(name, planner, exogenous)
    u, observed, cost, _ = at_the_optimum(model, jnp.asarray(SCALES))
    eta = 0.032
    expected = eta / (1.0 - eta) * observed["consumption"] / u.emissions
    np.testing.assert_allclose(cost, expected, rtol=FIRST_ORDER)
    if name == "uncertain_damages":
        log_capital = jnp.log(observed["capital"])
        stated = jax.vmap(model.social_cost_from_emissions)(u.emissions, log_capital)
        np.testing.assert_allclose(stated, expected, rtol=1e-14)


def test_social_cost_by_temperature_is_the_published_formula():
    # models.md 1.8 (a): US$/tC; C0 = (alpha - 0.09) K0 = 18.478, with the rounded investment 0.09
    model = small_model("uncertain_damages")
    y, e, eta = np.array([1.1, 1.5, 2.0]), np.array([4.5, 2.9, 12.1]), 0.032
    found = on_points(model.social_cost_of_temperature, jnp.asarray(y), jnp.asarray(e))
    damages = 1.7675e-4 * y + 0.0022 * y**2
    stated = np.log(1000.0) + np.log(18.478) - damages - np.log(e) + np.log(eta) - np.log(1.0 - eta)
    np.testing.assert_allclose(np.log(1000.0 * found), stated, atol=1e-4)  # 0.09 for 0.0899985 in C0


def test_marginal_utility_is_the_derivative_of_the_flow_in_consumption():
    # ak_climate: consumption falls by K when investment per unit of capital rises by one
    model = carbon_model("ak_climate", "neutral")
    x = model.initial_state()
    u = type(model.controls)(*numbers(0.07, 9.0))
    slope = jax.grad(lambda i: model.utility(TIME, x, u._replace(investment=i)))(u.investment)
    found = model.marginal_utility(TIME, x, u, model.initial_additive())
    np.testing.assert_allclose(found, -slope / jnp.exp(x.log_capital), rtol=1e-14)


def test_without_carbon_there_is_no_social_cost():
    model = LinearQuadratic()
    with pytest.raises(ValueError, match="`linear_quadratic` has no social cost of carbon"):
        HJBProblem(model).social_cost_of_carbon(
            TIME,
            model.initial_state(),
            model.initial_additive(),
            type(model.controls)(*numbers(0.0)),
            Derivatives(*numbers(0.0), jnp.zeros(1), jnp.zeros((1, 1))),
        )
