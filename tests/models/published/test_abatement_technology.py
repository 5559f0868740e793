"""Two breakthroughs in abatement: controls, budget, closed forms without emissions, jumps, and refused input."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from helpers import TIME, small_model

from abatax import HJBProblem
from abatax.models import (
    Abatement,
    AbatementProgress,
    AbatementTechnology,
    Ambiguity,
    Derivatives,
    EpsteinZin,
    ThresholdDamages,
    configure,
)

# maximise() promises 1e-10 relative; where a maximum is flat it stops when the Hamiltonian no longer changes.
CONTROL = 2e-7
ROUNDING = 1e-13
SAMPLES = 60
PLANNERS = {
    "neutral": Ambiguity(),
    "averse": Ambiguity.from_penalties(shocks=5.0, jumps=5.0, climate=0.02),
    "by channel": Ambiguity.from_penalties(shocks=[2.5, 5.0], jumps=[2.5, 7.5], climate=0.01),
}


def in_phase(model, phase, curvature=0.05):
    damages = dataclasses.replace(model.damages, curvature=curvature if phase.endswith("_revealed") else 0.0)
    ambiguity = model.ambiguity
    if phase != "before" and ambiguity.jumps.ndim:
        ambiguity = dataclasses.replace(ambiguity, jumps=ambiguity.jumps[0])
    return dataclasses.replace(model, phase=phase, damages=damages, ambiguity=ambiguity)


class Sample(eqx.Module):
    """States, values and derivatives of value functions that grow in capital and fall with warming."""

    x: jax.Array
    value: jax.Array
    costate: jax.Array
    hessian: jax.Array
    after: tuple


def sample(model, seed=0):
    rng, n = np.random.default_rng(seed), SAMPLES
    low, high = np.array(HJBProblem(model).domain).T
    x = low + (high - low) * rng.random((n, 2))
    value = 100.0 * x[:, 0] - 170.0 + 2.0 * rng.standard_normal(n)
    costate = np.array([98.0, -1.0]) * np.exp(np.array([0.2, 1.2]) * rng.standard_normal((n, 2)))
    hessian = np.zeros((n, 2, 2))
    hessian[:, 1, 1] = -1.0 * np.exp(rng.standard_normal(n))
    after = tuple(value[:, None] + rng.standard_normal((n, j.probabilities.size)) for j in model.jumps())
    return jax.tree.map(jnp.asarray, Sample(x, value, costate, hessian, after))


@eqx.filter_jit
def _controls(model, points):
    problem = HJBProblem(model)

    def at(p):
        x = problem.state(p.x)
        u = problem.best_control(TIME, x, Derivatives(p.value, p.costate, p.hessian, p.after))
        return jnp.stack(u), model.consumption_share(x, u)

    return jax.vmap(at)(points)


def controls(model, points):
    """Closed-form controls, and consumption per unit of capital."""
    return jax.tree.map(np.asarray, _controls(model, points))


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
    "planner, phase, exponent",
    [
        pytest.param("neutral", "before_revealed", 3.0, marks=pytest.mark.slow),
        pytest.param("averse", "improved_revealed", 2.6, marks=pytest.mark.slow),
        ("by channel", "before", 3.0),
        pytest.param("averse", "complete", 3.0, marks=pytest.mark.slow),
    ],
)
@pytest.mark.slow
def test_closed_form_is_the_numerical_maximiser(planner, phase, exponent):
    abatement = Abatement(cost=0.0453, exponent=exponent)
    model = in_phase(small_model("abatement_technology", PLANNERS[planner], abatement=abatement), phase)
    points = sample(model)
    closed, consumption = controls(model, points)
    found, at_found, at_closed = map(np.asarray, numerical(model, points, closed))
    np.testing.assert_allclose(at_closed, at_found, atol=ROUNDING * np.max(np.abs(at_closed)))
    scale = np.array([0.09, 9.0])  # of investment and emissions at the start
    np.testing.assert_allclose(closed / scale, found / scale, rtol=CONTROL, atol=CONTROL)
    assert np.all(consumption > 0.0)
    if phase == "complete":
        assert np.all(closed[:, 1] == 0.0)


def test_the_sample_contains_corners():
    # complete abatement and the interior: both branches of the scalar equation are tested above
    model = in_phase(small_model("abatement_technology"), "before_revealed")
    emissions = controls(model, sample(model))[0][:, 1]
    assert np.any(emissions == 0.0) and np.mean(emissions > 0.0) > 0.3


def test_harmless_warming_is_not_abated():
    model = small_model("abatement_technology")
    points = sample(model)
    points = eqx.tree_at(lambda p: p.costate, points, points.costate.at[:, 1].set(1e3))
    points = eqx.tree_at(lambda p: p.hessian, points, 0.0 * points.hessian)
    emissions = controls(model, points)[0][:, 1]
    np.testing.assert_allclose(emissions, 0.1206 * 0.115 * np.exp(points.x[:, 0]), rtol=1e-14)


@pytest.mark.parametrize("phase", ["before", "improved_revealed", "complete"])
def test_budget_identity(phase):
    model = in_phase(small_model("abatement_technology", PLANNERS["averse"]), phase)
    points = sample(model)
    closed = controls(model, points)[0]
    for z, u in zip(points.x[:5], closed[:5], strict=True):
        x = type(model.states)(*z)
        reported = model.observables(TIME, x, type(model.controls)(*map(jnp.asarray, u)), model.initial_additive())
        claims = sum(reported[c] for c in ("consumption", "investment_flow", "abatement_cost"))
        assert float(claims) == pytest.approx(float(reported["output"]), rel=1e-14)


def test_first_order_conditions_are_the_published_ones():
    # a e^2 + b e + c = 0 with t = mc cost exponent / (lambda K), smaller root, and i = (1 - mc / Phi_k) / kappa
    model = small_model("abatement_technology", Ambiguity.from_penalties(shocks=5.0, jumps=5.0))
    points = sample(model)
    closed, share = controls(model, points)
    y, capital = np.asarray(points.x[:, 1]), np.exp(np.asarray(points.x[:, 0]))
    gain = np.asarray(points.costate[:, 1]) - (1.7675e-4 + 0.0044 * y) / 0.01
    second = np.asarray(points.hessian[:, 1, 1]) - 0.44 - gain**2 / 5.0
    theta, baseline = float(model.ensemble.mean), 0.115 * 0.1206 * capital
    t = 3.0 * 0.0453 / (share * 0.1206 * capital)
    a, b, c = t / baseline**2, -2.0 * t / baseline + second * (1.2 * theta) ** 2, t + gain * theta
    root = 2.0 * c / (-b + np.sqrt(b**2 - 4.0 * a * c))  # the smaller root, without cancellation
    np.testing.assert_allclose(closed[:, 1], np.where(c > 0.0, root, 0.0), rtol=1e-10)
    investment = (1.0 - 1.0 / (share * np.asarray(points.costate[:, 0]))) / 6.667
    np.testing.assert_allclose(closed[:, 0], np.maximum(investment, 0.0), rtol=1e-10, atol=1e-12)


@pytest.mark.slow
def test_the_social_cost_is_the_marginal_cost_of_abatement():
    model = small_model("abatement_technology", PLANNERS["averse"])
    problem, points = HJBProblem(model), sample(model)
    emissions, seen = controls(model, points)[0][:, 1], 0
    for n in np.flatnonzero(emissions > 0.1)[:4]:
        p = jax.tree.map(lambda v, n=n: v[n], points)
        x = problem.state(p.x)
        u = problem.best_control(TIME, x, Derivatives(p.value, p.costate, p.hessian, p.after))
        cost = problem.social_cost_of_carbon(
            TIME, x, model.initial_additive(), u, Derivatives(p.value, p.costate, p.hessian)
        )
        want = model.social_cost_from_emissions(u.emissions, x.log_capital)
        assert float(cost) == pytest.approx(float(want), rel=1e-9)
        seen += 1
    assert seen == 4


# -- without emissions ---------------------------------------------------------------------------------------------


@eqx.filter_jit
def clean(model, states):
    problem, value = HJBProblem(model), model.clean_value()
    return jax.vmap(lambda z: problem.residual(TIME, problem.state(z), value))(states)


@pytest.mark.parametrize("planner", ["neutral", "averse"])
@pytest.mark.parametrize("phase", ["complete", "complete_revealed"])
def test_the_closed_form_solves_the_equation_with_free_abatement(planner, phase):
    model = in_phase(small_model("abatement_technology", PLANNERS[planner]), phase)
    assert model.exact_value() is not None
    assert np.max(np.abs(clean(model, sample(model).x))) < 1e-12


def test_the_closed_form_agrees_with_a_numerical_search():
    # permanently constant investment has the value k / delta + log(alpha - i) / delta + growth / delta^2: scipy, no shared code
    sigma2 = 0.0087**2 + 0.0038**2

    def level(i):
        return np.log(0.115 - i) / 0.01 + (-0.043 + i - 0.5 * 6.667 * i**2 - 0.5 * sigma2 * (1.0 + 100.0 / 5.0)) / 1e-4

    best = scipy.optimize.minimize_scalar(lambda i: -level(i), bounds=(0.05, 0.1149), options={"xatol": 1e-12})
    model = dataclasses.replace(AbatementTechnology(ambiguity=Ambiguity.from_penalties(shocks=5.0)), phase="complete")
    assert float(model.clean_value().constant) == pytest.approx(-best.fun, rel=1e-12)


@pytest.mark.parametrize("aversion", [0.0, 0.2, 0.4])
def test_value_of_complete_abatement_before_each_breakthrough(aversion):
    # an economy of productivity alpha (1 - cost), until the next stage comes: bisection, no shared code
    def idle(cost):
        alpha = 0.115 * (1.0 - cost)
        i = scipy.optimize.brentq(lambda i: (alpha - i) * (1.0 - 6.667 * i) - 0.01, 0.0, alpha)
        sigma2 = 0.0087**2 + 0.0038**2
        return np.log(alpha - i) + (-0.043 + i - 0.5 * 6.667 * i**2 - 0.5 * sigma2) / 0.01

    def before(flow, next_level):
        def excess(level):
            gap = next_level - level
            return flow - 0.01 * level + 0.05 * (-np.expm1(-aversion * gap) / aversion if aversion else gap)

        return scipy.optimize.brentq(excess, next_level - 100.0, next_level + 1.0, xtol=1e-13)

    complete = idle(0.0) / 0.01
    improved = before(idle(0.5 * 0.0453), complete)
    want = {"before": before(idle(0.0453), improved), "improved": improved, "complete": complete}
    start = AbatementTechnology(ambiguity=Ambiguity(jumps=aversion))
    better = dataclasses.replace(start, phase="improved", abatement=start.progress.improve(start.abatement))
    done = dataclasses.replace(start, phase="complete")
    for model in (start, better, done):
        assert float(model.clean_value().constant) == pytest.approx(want[model.phase], abs=1e-10)
        assert float(model.clean_value().price) == pytest.approx(100.0, rel=1e-15)


# -- limits, jumps --------------------------------------------------------------------------------------------------


def test_tiny_aversions_give_the_neutral_control():
    neutral = small_model("abatement_technology")
    almost = small_model("abatement_technology", Ambiguity.from_penalties(1e12, 1e12, 1e12))
    points = sample(neutral)
    np.testing.assert_allclose(controls(almost, points)[0], controls(neutral, points)[0], rtol=1e-8)


def test_damage_curvatures_are_those_of_equally_spaced_losses():
    curvatures = AbatementTechnology().damage_jump.curvatures
    left = [float(jnp.exp(-ThresholdDamages(curvature=c).log_damages(jnp.asarray(2.5)))) for c in curvatures]
    assert len(left) == 20 and float(curvatures[0]) == 0.0
    assert float(curvatures[-1]) == pytest.approx(1.0 / 3.0, rel=1e-12)
    np.testing.assert_allclose(np.diff(left), np.diff(left)[0], rtol=1e-11)


def test_regimes_and_destinations_of_jumps():
    model = small_model("abatement_technology", PLANNERS["by channel"])
    improvement, damage = model.jumps()
    assert (improvement.destination.regime, damage.destination.regime) == ("improved", "before_revealed")
    assert float(damage.land(model.initial_state()).temperature) == 2.0
    # an improvement keeps both penalties; a revelation keeps that of the technology
    np.testing.assert_allclose(improvement.destination.ambiguity.jumps, [[1.0 / 2.5, 1.0 / 7.5]])
    np.testing.assert_allclose(damage.destination.ambiguity.jumps, np.full((3, 1), 1.0 / 2.5))
    np.testing.assert_allclose(improvement.destination.abatement.cost, [0.0453 / 2.0])
    np.testing.assert_allclose(improvement.destination.abatement.carbon_intensity, [0.1206 / 2.0])
    better = in_phase(model, "improved")
    completion, damage = better.jumps()
    assert (completion.destination.regime, damage.destination.regime) == ("complete", "improved_revealed")
    assert completion.destination.ambiguity.jumps.shape == (1,) and completion.destination.jumps() == ()
    assert completion.name == "completion_jump"
    last = in_phase(model, "before_revealed").jumps()
    assert [jump.destination.regime for jump in last] == ["improved_revealed"]
    assert float(completion.intensity(TIME, better.initial_state(), None)) == 0.05


# -- refused input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: AbatementTechnology(phase="later"), "`phase` is 'later'; use before"),
        (lambda: AbatementTechnology(preferences=EpsteinZin()), "`preferences` is EpsteinZin.*TimeAdditive"),
        (lambda: AbatementProgress(rate=-0.1), "`progress.rate` is -0.1"),
        (lambda: AbatementProgress(remaining=1.0), "`progress.remaining` is 1.*between 0 and 1"),
        (lambda: configure("abatement_technology", {"ambiguity.jumps": "1,2,3"}), "`ambiguity.jumps` has 3 entries"),
        (lambda: configure("abatement_technology", {"progress.ratee": 1}), "did you mean `rate`"),
    ],
)
def test_parameters_out_of_range_are_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_penalties_by_name_on_the_command_line():
    settings = {"ambiguity.shocks": "2.5,5", "ambiguity.jumps": "5,7.5", "progress.rate": "0.1"}
    model = configure("abatement_technology", settings)
    np.testing.assert_allclose(model.ambiguity.shocks, [0.4, 0.2])
    np.testing.assert_allclose(model.ambiguity.jumps, [0.2, 1.0 / 7.5])
    assert float(model.progress.rate) == 0.1
