"""Capital, temperature and knowledge: controls, budget, the closed form after the technology, and limits."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from helpers import TIME, distrusting, small_model

from abatax import HJBProblem
from abatax.models import (
    Abatement,
    AbstractPreferences,
    AKEconomy,
    Ambiguity,
    Derivatives,
    EpsteinZin,
    KnowledgeCapital,
    Research,
    TimeAdditive,
    configure,
    derivatives,
)

# maximise() promises 1e-10 relative; where a maximum is flat it stops when the Hamiltonian no longer changes.
CONTROL = 2e-7
ROUNDING = 1e-13
SAMPLES = 60
PLANNERS = {
    "neutral": Ambiguity(),
    "averse": Ambiguity.from_penalties(shocks=0.15, jumps=0.15, climate=0.005),
    "by channel": Ambiguity.from_penalties(shocks=[0.1, 0.2, 0.3], jumps=[0.1, 0.4], climate=0.0025),
}


def in_phase(model, phase, curvature=0.2):
    damages = dataclasses.replace(model.damages, curvature=curvature if phase == "after_damage" else 0.0)
    ambiguity = model.ambiguity
    if phase != "before" and ambiguity.jumps.ndim:
        ambiguity = dataclasses.replace(ambiguity, jumps=ambiguity.jumps[0])
    return dataclasses.replace(model, phase=phase, damages=damages, ambiguity=ambiguity)


class Sample(eqx.Module):
    """States, values and derivatives of value functions that grow in capital and knowledge and fall with warming."""

    x: jax.Array
    value: jax.Array
    costate: jax.Array
    hessian: jax.Array
    after: tuple


def sample(model, seed=0):
    rng, n = np.random.default_rng(seed), SAMPLES
    low, high = np.array(HJBProblem(model).domain).T
    x = low + (high - low) * rng.random((n, 3))
    value = x[:, 0] - 1.7 + 0.2 * rng.standard_normal(n)
    costate = np.array([0.95, -0.05, 0.03]) * np.exp(np.array([0.5, 1.2, 0.5]) * rng.standard_normal((n, 3)))
    hessian = np.zeros((n, 3, 3))
    hessian[:, 1, 1] = -0.02 * np.exp(rng.standard_normal(n))
    after = tuple(value[:, None] + 0.1 * rng.standard_normal((n, j.probabilities.size)) for j in model.jumps())
    return jax.tree.map(jnp.asarray, Sample(x, value, costate, hessian, after))


def controls(model, points):
    """Closed-form controls, and consumption per unit of capital."""
    return jax.tree.map(np.asarray, _controls(model, points))


@eqx.filter_jit
def _controls(model, points):
    problem = HJBProblem(model)

    def at(p):
        x = problem.state(p.x)
        u = problem.best_control(TIME, x, Derivatives(p.value, p.costate, p.hessian, p.after))
        return jnp.stack(u), model.consumption_share(x, u)

    return jax.vmap(at)(points)


@eqx.filter_jit
def numerical(model, points, closed):
    """The numerical maximiser, and the Hamiltonian there and at the closed form."""
    problem = HJBProblem(model)

    def at(p, u):
        x, derivatives = problem.state(p.x), Derivatives(p.value, p.costate, p.hessian, p.after)
        best = problem.numerical_control(TIME, x, derivatives)
        return jnp.stack(best), *(problem.hamiltonian(TIME, x, v, derivatives) for v in (best, type(best)(*u)))

    return jax.vmap(at)(points, jnp.asarray(closed))


# -- the control --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "planner, rho, phase",
    [
        pytest.param("neutral", 1.0, "after_damage", marks=pytest.mark.slow),
        pytest.param("averse", 0.66, "after_technology", marks=pytest.mark.slow),
        ("by channel", 1.5, "before"),
    ],
)
@pytest.mark.slow
def test_closed_form_is_the_numerical_maximiser(planner, rho, phase):
    plain = small_model("knowledge_capital", PLANNERS[planner], preferences=EpsteinZin(0.01, rho))
    model = in_phase(plain, phase)
    points = sample(model)
    closed, consumption = controls(model, points)
    found, at_found, at_closed = map(np.asarray, numerical(model, points, closed))
    np.testing.assert_allclose(at_closed, at_found, atol=ROUNDING * np.max(np.abs(at_closed)))
    scale = np.array([0.09, 1e-3, 9.0])  # of investment, research and emissions at the start
    np.testing.assert_allclose(closed / scale, found / scale, rtol=CONTROL, atol=CONTROL)
    assert np.all(consumption > 0.0)
    if phase == "after_technology":
        assert np.all(closed[:, 2] == 0.0)


def test_the_sample_contains_corners():
    # full abatement and the interior: both branches of the scalar equation are tested above
    model = in_phase(small_model("knowledge_capital"), "after_damage", 1.0 / 3.0)
    emissions = controls(model, sample(model))[0][:, 2]
    assert np.any(emissions == 0.0) and np.mean(emissions > 0.0) > 0.5


def test_harmless_warming_is_not_abated():
    model = small_model("knowledge_capital")
    points = sample(model)
    points = eqx.tree_at(lambda p: p.costate, points, points.costate.at[:, 1].set(1.0))
    emissions = controls(model, points)[0][:, 2]
    baseline = float(model.abatement.carbon_intensity * model.economy.productivity) * np.exp(points.x[:, 0])
    np.testing.assert_allclose(emissions, baseline, rtol=1e-14)


def test_no_spending_on_capital_or_knowledge_without_value():
    model = small_model("knowledge_capital", PLANNERS["averse"])
    points = sample(model)
    points = eqx.tree_at(lambda p: p.costate, points, points.costate.at[:, ::2].multiply(-1.0))
    closed, consumption = controls(model, points)
    assert np.all(closed[:, 0] == model.controls.investment.low)
    assert np.all(closed[:, 1] == model.controls.research.low)
    assert np.all(consumption > 0.0)


def test_budget_identity():
    model = small_model("knowledge_capital", PLANNERS["averse"])
    points = sample(model)
    closed = controls(model, points)[0]
    for z, u in zip(points.x[:10], closed[:10], strict=True):
        x = type(model.states)(*z)
        reported = model.observables(TIME, x, type(model.controls)(*map(jnp.asarray, u)), model.initial_additive())
        claims = ("consumption", "investment_flow", "research_flow", "abatement_cost")
        assert float(sum(reported[c] for c in claims)) == pytest.approx(float(reported["output"]), rel=1e-14)


def test_emissions_satisfy_the_published_quadratic():
    # with a neutral climate channel and u = e / (alpha beta K), t (1 - u)^2 + F varsigma^2 E u + G Theta = 0
    model = small_model("knowledge_capital", Ambiguity.from_penalties(shocks=0.15, jumps=0.15))
    points = sample(model)
    closed, c = controls(model, points)
    y, capital = np.asarray(points.x[:, 1]), np.exp(np.asarray(points.x[:, 0]))
    gain = np.asarray(points.costate[:, 1]) - (1.7675e-4 + 0.0044 * y)
    curvature = np.asarray(points.hessian[:, 1, 1]) - 0.0044 - gain**2 / 0.15
    theta, baseline = float(model.ensemble.mean), 0.115 * 0.1206 * capital
    t = 0.01 / c * 3.0 * 0.5 / (0.1206 * capital)
    b = 2.0 * t - curvature * (1.2 * theta) ** 2 * baseline
    root = b + np.sqrt(b**2 - 4.0 * t * (t + gain * theta))
    want = np.where(t + gain * theta > 0.0, 2.0 * (t + gain * theta) / root, 0.0)
    np.testing.assert_allclose(closed[:, 2] / baseline, want, rtol=1e-11)


# -- after the technology ------------------------------------------------------------------------------------------

CLEAN = {  # penalty, rho: investment per unit of capital, constant of v = k + c
    (np.inf, 1.0): (0.0899985, -1.69401),
    (0.15, 1.0): (0.0899985, -1.72735),
    (0.075, 1.0): (0.0899985, -1.76068),
    (np.inf, 0.66): (0.111923, 1.71595),
    (0.15, 0.66): (0.111331, 1.32868),
    (0.075, 0.66): (0.110758, 1.00365),
}


@pytest.mark.parametrize("penalty, rho", CLEAN)
def test_constants_after_the_technology_are_the_published_ones(penalty, rho):
    model = KnowledgeCapital(preferences=EpsteinZin(0.01, rho), ambiguity=Ambiguity.from_penalties(shocks=penalty))
    found = [float(v) for v in model.clean_value()]
    np.testing.assert_allclose(found, CLEAN[penalty, rho], atol=1e-5)  # as printed


@eqx.filter_jit
def clean(model, states):
    problem, value = HJBProblem(model), model.exact_value()

    def at(z):
        x = problem.state(z)
        return problem.residual(TIME, x, value), problem.best_control(
            TIME, x, Derivatives(*derivatives(TIME, x, value))
        ).investment

    return jax.vmap(at)(states)


@pytest.mark.parametrize("rho", [0.66, 1.0, 1.0 + 1e-9, 1.5])
@pytest.mark.parametrize("planner", ["neutral", "averse"])
def test_the_closed_form_solves_the_equation(rho, planner):
    plain = small_model("knowledge_capital", PLANNERS[planner], preferences=EpsteinZin(0.01, rho))
    model = in_phase(plain, "after_technology")
    residual, investment = clean(model, sample(model).x)
    # research has a floor of 1e-10 per unit of capital, 4e-9 of consumption
    assert np.max(np.abs(residual)) < 1e-8 * 0.01
    np.testing.assert_allclose(investment, float(model.clean_value()[0]), rtol=1e-7)


def test_the_closed_form_agrees_with_a_numerical_search():
    # the constant is the largest c for which permanently constant investment has the value k + c: scipy, no shared code
    rho, delta, alpha, kappa, mu, sigma = 0.66, 0.01, 0.115, 6.667, -0.043, 0.01

    def level(i):
        growth = mu + i - 0.5 * kappa * i**2 - 0.5 * sigma**2
        return np.log(alpha - i) - np.log(1.0 - (1.0 - rho) * growth / delta) / (1.0 - rho)

    best = scipy.optimize.minimize_scalar(lambda i: -level(i), bounds=(0.05, 0.1149), options={"xatol": 1e-12})
    investment, constant = KnowledgeCapital(preferences=EpsteinZin(delta, rho)).clean_value()
    assert float(constant) == pytest.approx(-best.fun, abs=1e-12)
    assert float(investment) == pytest.approx(best.x, abs=1e-6)


# -- limits --------------------------------------------------------------------------------------------------------


def test_time_additive_preferences_are_recursive_ones_with_unit_elasticity():
    recursive = small_model("knowledge_capital", PLANNERS["averse"])
    additive = small_model("knowledge_capital", PLANNERS["averse"], preferences=TimeAdditive())
    points = sample(recursive)
    first, second = controls(recursive, points), controls(additive, points)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, rtol=CONTROL, atol=1e-12)


def test_tiny_aversions_give_the_neutral_control():
    neutral = small_model("knowledge_capital")
    almost = small_model("knowledge_capital", Ambiguity.from_penalties(1e12, 1e12, 1e12))
    points = sample(neutral)
    np.testing.assert_allclose(controls(almost, points)[0], controls(neutral, points)[0], rtol=1e-9)


def test_ambiguity_about_the_climate_lowers_emissions():
    points = sample(small_model("knowledge_capital"))
    emissions = [
        controls(small_model("knowledge_capital", Ambiguity.from_penalties(climate=xi)), points)[0][:, 2]
        for xi in (np.inf, 0.01, 0.0025)
    ]
    assert np.all(emissions[0] >= emissions[1]) and np.all(emissions[1] >= emissions[2])
    assert np.mean(emissions[0] - emissions[2]) > 0.0


def test_a_jump_with_zero_intensity_does_not_change_the_equation():
    never = small_model("knowledge_capital", PLANNERS["averse"], research=Research(arrival_scale=1e300))
    x = never.initial_state()
    technology, damage = never.jumps()
    assert float(technology.intensity(TIME, x, None)) < 1e-290
    assert float(damage.intensity(TIME, x, None)) == 0.0  # 1.1 degC is below the onset


def test_after_the_damage_jump_the_slope_is_the_published_one():
    model = in_phase(small_model("knowledge_capital"), "after_damage", 0.25)
    for y in (1.95, 2.0, 3.0):
        assert float(model.damage_slope(jnp.asarray(y))) == pytest.approx(
            1.7675e-4 + 0.0044 * y + 0.25 * (y - 2.0), rel=1e-14
        )
        assert float(model.damage_bend(jnp.asarray(y))) == pytest.approx(0.2544, rel=1e-14)


def test_regimes_and_destinations_of_jumps():
    model = small_model("knowledge_capital", PLANNERS["by channel"])
    technology, damage = model.jumps()
    assert (technology.destination.regime, damage.destination.regime) == ("after_technology", "after_damage")
    assert float(damage.land(model.initial_state()).temperature) == 2.0
    # the penalty of the technology is kept, and that of the damage jump is dropped
    np.testing.assert_allclose(damage.destination.ambiguity.jumps, 1.0 / 0.1)
    after = eqx.filter_vmap(lambda m: m.jumps()[0].intensity(TIME, m.initial_state(), None))(damage.destination)
    np.testing.assert_allclose(after, 0.01, rtol=1e-12)


class _Other(AbstractPreferences):
    discount_rate: jax.Array = eqx.field(default_factory=lambda: jnp.asarray(0.01))

    def aggregate(self, utility, value):
        return utility - value


# -- refused input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: KnowledgeCapital(phase="later"), "`phase` is 'later'; use before"),
        (lambda: KnowledgeCapital(preferences=_Other()), "`preferences` is _Other"),
        (lambda: KnowledgeCapital(preferences=EpsteinZin(0.01, 0.3)), "`preferences.inverse_eis` is 0.3.*infinite"),
        (lambda: KnowledgeCapital(economy=AKEconomy(productivity=-1.0)), "`economy.productivity` is -1"),
        (lambda: Research(returns=1.0), "`research.returns` is 1.*between 0 and 1"),
        (lambda: Research(arrival_scale=0.0), "`research.arrival_scale` is 0.*> 0 trillion US"),
        (lambda: Abatement(exponent=1.0), "`abatement.exponent - 1` is 0"),
        (lambda: Abatement(carbon_intensity=-0.1), "`abatement.carbon_intensity` is -0.1"),
        (lambda: configure("knowledge_capital", {"ambiguity.jumps": "1,2,3"}), "`ambiguity.jumps` has 3 entries"),
        (lambda: configure("knowledge_capital", {"research.efficency": 1}), "did you mean `efficiency`"),
    ],
)
def test_parameters_out_of_range_are_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_penalties_by_name_on_the_command_line():
    model = configure("knowledge_capital", {"ambiguity.shocks": "0.15", "ambiguity.jumps": "0.1,0.2"})
    np.testing.assert_allclose(model.ambiguity.jumps, [10.0, 5.0])
    assert distrusting("knowledge_capital").shocks > 0.0
