"""The net-zero model: its structure, special cases, limits, and the reference solution."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import TIME, distrusting, small_model

import abatax as ab
from abatax import HJBProblem
from abatax.models import (
    Ambiguity,
    CarbonIntensity,
    DamageJump,
    Derivatives,
    FixedHazard,
    KnowledgeHazard,
    NetZero,
    TCREClimate,
    TwoCapital,
    TwoCapitals,
)
from abatax.validation import OpenLoop

ROUNDING = 1e-12
# Tolerance of slopes and controls against the best path: weak noise, and the error of the coarse grid (2e-4 on twice the nodes).
DETERMINISTIC = 4e-4


def economy(green=0.1567, volatility=0.01):
    return eqx.tree_at(
        lambda e: (e.green.productivity, e.green.volatility, e.dirty.volatility),
        TwoCapitals(),
        tuple(map(jnp.asarray, (green, volatility, volatility))),
    )


def settled(noise=1.0):
    """The model after all jumps; `noise` scales all volatilities."""
    return NetZero(
        economy=economy(volatility=0.01 * noise),
        climate=TCREClimate(ab.models.Ensemble.certain(1.86e-3), 1.2 * noise, 1.2),
        intensity=CarbonIntensity(volatility=0.01 * noise),
        technology=None,
        damage_jump=None,
        phase="mature",
    )


def sample(model, count=6, seed=0):
    rng = np.random.default_rng(seed)
    low, high = np.array([[v.low, v.high] for v in model.states]).T
    x = low + (high - low) * rng.random((count, len(low)))
    slope = np.array([-0.02, 0.02, -0.01, 0.04, 1.0])[: len(low)] * np.exp(0.5 * rng.standard_normal((count, len(low))))
    return jnp.asarray(x), jnp.asarray(slope)


# -- structure --------------------------------------------------------------------------------------------------------


def test_hamiltonian_is_that_of_all_four_states():
    # the equation in (k, w, z, y), term by term, for V = k + a eps + b w + g y + c eps^2 / 2 with eps = k - log(1 + e^w) + z
    a, b, g, c = -0.03, 0.08, -0.01, -0.004
    model = NetZero(
        economy=economy(), technology=None, damage_jump=None, phase="mature", ambiguity=Ambiguity(shocks=10.0)
    )
    capital, share, y, level, i_d, i_g, x_z, sigma = 880.0, 0.7, 1.2, 0.8, 0.05, 0.14, 0.004, 0.01
    k, z = np.log(capital), np.log(level)
    eps = k + np.log(1.0 - share) + z
    slope = a + c * eps
    v_k, v_z = 1.0 + slope, slope
    v_w = -share * slope + b
    v_kk = v_kz = v_zz = c
    v_kw, v_wz = -share * c, -share * c
    v_ww = -share * (1.0 - share) * slope + share**2 * c
    f = a * eps + b * np.log(share / (1.0 - share)) + g * y + 0.5 * c * eps**2
    phi_d, phi_g = (-0.035 + 0.06 * np.log1p(16.7 * i) for i in (i_d, i_g))
    consumed = (0.1303 * (1.0 - x_z) - i_d) * (1.0 - share) + (0.1567 - i_g) * share
    carbon = 0.291 * 0.1303 * level * (1.0 - share) * capital
    varsigma = 1.2 * 1.86e-3
    expected = 0.01 * (np.log(consumed) + k - (1.7675e-4 * y + 0.0022 * y**2) - (k + f))
    expected += v_k * ((1.0 - share) * phi_d + share * phi_g - 0.5 * sigma**2 * ((1.0 - share) ** 2 + share**2))
    expected += v_w * (phi_g - phi_d) + v_z * (-0.005 - 0.0376 * x_z**0.25) + g * 1.86e-3 * carbon
    # loadings of k, w, z on the shocks of dirty capital, green capital, intensity
    loads = np.array([[(1.0 - share) * sigma, -sigma, 0.0], [share * sigma, sigma, 0.0], [0.0, 0.0, sigma]])
    hessian = np.array([[v_kk, v_kw, v_kz], [v_kw, v_ww, v_wz], [v_kz, v_wz, v_zz]])
    expected += 0.5 * np.einsum("si,ij,sj->", loads, hessian, loads)
    exposed = [*(loads @ np.array([v_k, v_w, v_z])), g * carbon * varsigma]
    expected -= 0.5 * 10.0 * sum(e**2 for e in exposed)
    x = model.state_at(capital, share, y, intensity=level)
    np.testing.assert_allclose(x.log_emitting_capital, eps, rtol=1e-14)
    u = type(model.controls)(*map(jnp.asarray, (i_d, i_g, x_z)))
    found = HJBProblem(model).hamiltonian(
        TIME, x, u, Derivatives(jnp.asarray(f), jnp.array([slope, b, g]), jnp.diag(jnp.array([c, 0.0, 0.0])), ())
    )
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    # V_k = 1 + V_z
    prices = model.published_slopes(x, type(x)(*map(jnp.asarray, (slope, b, g))))
    np.testing.assert_allclose([prices["capital"], prices["ratio"]], [v_k, v_w], rtol=1e-12)


@pytest.mark.slow
def test_constant_knowledge_is_a_fixed_hazard():
    # five states at V = k + f and knowledge worth nothing, against three: the same equation
    known = NetZero(technology=NetZero.knowledge())
    fixed = NetZero(technology=FixedHazard(rate=11.2 / 746.67))
    x, slope = sample(fixed)
    for at, p in zip(x, slope, strict=True):
        three = type(fixed.states)(*at)
        u = fixed.best_control(TIME, three, jnp.zeros(()), type(three)(*p), jnp.zeros((3, 3)))
        after = tuple(jnp.full_like(j.probabilities, 0.1) for j in fixed.jumps())
        small = HJBProblem(fixed).hamiltonian(
            TIME, three, u, Derivatives(jnp.asarray(0.2), p, jnp.zeros((3, 3)), after)
        )
        five = type(known.states)(*at, jnp.log(11.2), jnp.asarray(6.5))
        costate = jnp.array([*p, 0.0, 1.0])
        wide = type(known.controls)(*u, jnp.zeros(()))
        level = tuple(a + 6.5 for a in after)
        large = HJBProblem(known).hamiltonian(
            TIME, five, wide, Derivatives(jnp.asarray(6.7), costate, jnp.zeros((5, 5)), level)
        )
        np.testing.assert_allclose(large, small, rtol=1e-9)


@pytest.mark.slow
def test_two_capital_is_a_special_case():
    shared = {"technology": FixedHazard(), "damage_jump": DamageJump([0.0, 0.2]), "reset_temperature": False}
    nothing = CarbonIntensity(productivity=0.0, decline=0.0, volatility=0.0)
    climate, damages = NetZero().climate, NetZero().damages
    one = NetZero(intensity=nothing, climate=climate, damages=damages, **shared)
    other = TwoCapital(climate=climate, damages=damages, **shared)
    for at, p in zip(*sample(one), strict=True):
        values = []
        for model in (one, other):
            x = type(model.states)(*at)
            u = model.best_control(TIME, x, jnp.zeros(()), type(x)(*p), jnp.zeros((3, 3)))
            after = tuple(jnp.full_like(j.probabilities, 0.1) for j in model.jumps())
            hamiltonian = HJBProblem(model).hamiltonian(
                TIME, x, u, Derivatives(jnp.asarray(0.2), p, jnp.zeros((3, 3)), after)
            )
            values.append([*u[:2], hamiltonian])
        np.testing.assert_allclose(*values, rtol=ROUNDING)


def test_no_spending_without_effect():
    model = NetZero(intensity=CarbonIntensity(productivity=0.0))
    x = model.initial_state()
    costate = type(x)(*map(jnp.asarray, (-0.02, 0.1, -0.01)))
    assert float(model.best_control(TIME, x, jnp.zeros(()), costate, jnp.zeros((3, 3))).intensity_reduction) == 0.0


@pytest.mark.parametrize(
    "technology",
    [
        pytest.param(FixedHazard(), id="fixed", marks=pytest.mark.slow),
        pytest.param(NetZero.knowledge(), id="knowledge"),
    ],
)
@pytest.mark.slow
def test_closed_form_is_the_numerical_maximiser(technology):
    problem = HJBProblem(small_model("net_zero", technology=technology))
    dimension = len(problem.model.states)

    outcomes = [j.probabilities.shape for j in problem.model.jumps()]

    @eqx.filter_jit
    def both(problem, x, slope):
        def at(z, p):
            after = tuple(jnp.zeros(shape) for shape in outcomes)
            x, derivatives = problem.state(z), Derivatives(jnp.zeros(()), p, jnp.zeros((dimension, dimension)), after)
            controls = (f(TIME, x, derivatives) for f in (problem.best_control, problem.numerical_control))
            return [problem.hamiltonian(TIME, x, u, derivatives) for u in controls]

        return jax.vmap(at)(x, slope)

    closed, numerical = both(problem, *sample(problem.model))
    assert bool(jnp.all(closed >= numerical - ROUNDING))
    np.testing.assert_allclose(closed, numerical, rtol=1e-8, atol=1e-9)


def test_start_is_as_calibrated():
    model = NetZero()
    x = model.initial_state()
    u = type(model.controls)(*map(jnp.asarray, (0.0744, 0.0952, 0.0071)))
    seen = model.observables(TIME, x, u, model.initial_additive())
    np.testing.assert_allclose(seen["emissions"], 10.0, atol=0.05)
    np.testing.assert_allclose([seen["output"], seen["consumption"]], [101.2, 22.7], atol=0.2)
    assert float(seen["carbon_intensity"]) == 1.0
    np.testing.assert_allclose(model.intensity.drift(jnp.asarray(0.005)), -0.015, atol=1e-5)


def test_the_revelation_of_damages_leaves_temperature_unchanged():
    model = NetZero()
    jump = {j.name: j for j in model.jumps()}["damage_jump"]
    x = model.initial_state()
    assert float(jump.land(x).temperature) == float(x.temperature)
    assert float(jump.intensity(TIME, x._replace(temperature=jnp.asarray(4.0)), None)) == pytest.approx(4.0)
    revealed = jax.tree.map(lambda leaf: leaf[0] if eqx.is_array(leaf) else leaf, jump.destination)
    assert float(revealed.initial_state().temperature) == float(x.temperature)


def test_the_technology_has_its_own_penalty():
    model = NetZero(ambiguity=Ambiguity.from_penalties(jumps=0.1))
    np.testing.assert_allclose(model.ambiguity.jumps, [0.0, 10.0])
    assert distrusting("net_zero").jumps.shape == (2,)


# -- solutions and independent references -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def solution():
    return ab.solve(HJBProblem(settled()), ab.solvers.FiniteDifference(points=(13, 17, 13), leaning=True))


@pytest.mark.slow
def test_solution_is_the_best_deterministic_path(solution):
    still = settled(noise=0.0)
    x = still.state_at(880.0, 0.7, 1.2)
    _, costate, u = OpenLoop(still, nodes=41, steps=240).solve(x)
    path = still.published_slopes(x, costate)
    model = solution.problem.model
    slopes = model.published_slopes(x, type(x)(*ab.models.derivatives(TIME, x, solution.value)[1]))
    for name in ("capital", "ratio", "temperature"):
        np.testing.assert_allclose(slopes[name], path[name], atol=DETERMINISTIC)
    np.testing.assert_allclose(solution.policy(TIME, x), u, atol=DETERMINISTIC)


def test_reference_after_the_technology(solution):
    # 25 x 49 x 17 points; the coarse grid here is 3e-4 and 5e-4 off
    model, x = solution.problem.model, solution.problem.model.initial_state()
    u = solution.policy(TIME, x)
    np.testing.assert_allclose(u, [0.05736, 0.14502, 0.00109], atol=6e-4)
    price = solution.policy.social_cost_of_carbon(TIME, x, model.initial_additive())
    np.testing.assert_allclose(price, 12.340, rtol=1e-3)


@pytest.mark.slow
def test_simulated_intensity_and_emissions_agree(solution):
    data = ab.simulate(solution, years=30, shocks=False).to_dataset()
    dirty = data["capital"] * (1.0 - data["green_share"])
    expected = 0.291 * 0.1303 * np.exp(data["log_carbon_intensity"]) * dirty
    # ln K_d + z, carried by the state, against capital and intensity carried beside it: the error of Euler's steps
    np.testing.assert_allclose(data["emissions"].values, expected.values, rtol=2e-3)
    assert float(data["carbon_intensity"][0, -1]) < 0.8


@pytest.mark.slow
def test_before_the_technology_and_with_a_damage_jump():
    # one outcome each
    model = NetZero(damage_jump=DamageJump([0.2], highest_rate=4.0))
    solution = ab.solve(HJBProblem(model), ab.solvers.FiniteDifference(points=(11, 15, 19), leaning=True))
    assert solution.converged
    x = model.initial_state()
    slopes = model.published_slopes(x, type(x)(*ab.models.derivatives(TIME, x, solution.value)[1]))
    assert 0.93 < float(slopes["capital"]) < 0.98 and float(slopes["temperature"]) < 0.0
    # the price contains the harm of warming until the technology arrives, and that of a threshold that may be near
    price = float(solution.policy.social_cost_of_carbon(TIME, x, model.initial_additive()))
    assert 35.0 < price < 55.0
    after = {s.problem.model.phase: s for s in _all(solution)}
    assert set(after) == {"before", "mature", "before_revealed", "mature_revealed"}


def _all(solution):
    yield solution
    for destination in solution.destinations:
        yield from _all(destination.member(0) if destination.value is not None else destination)


# -- input ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make_one, words",
    [
        (lambda: NetZero(phase="later"), "`phase` is 'later'"),
        (lambda: NetZero(climate=ab.models.CarbonReservoirs()), "`climate` is CarbonReservoirs.*TCREClimate"),
        (lambda: CarbonIntensity(returns=1.5), "`intensity.returns` is 1.5"),
        (lambda: CarbonIntensity(productivity=-1.0), "`intensity.productivity` is -1.0"),
        (lambda: DamageJump(highest_rate=-1.0), "`damage_jump.highest_rate` is -1.0"),
        (
            lambda: NetZero(damage_jump=None, ambiguity=Ambiguity.from_penalties(jumps=0.1)),
            "`ambiguity.jumps` is one penalty, 0.1",
        ),
    ],
)
def test_parameters_out_of_range_are_named(make_one, words):
    with pytest.raises(ValueError, match=words):
        make_one()


def test_knowledge_is_a_state_of_its_own():
    model = NetZero(technology=KnowledgeHazard(parity=None))
    assert model.states._fields[-2:] == ("log_knowledge", "log_capital")
    assert model.additive._fields == ("log_carbon_intensity",)
    assert model.controls._fields == ("dirty_investment", "green_investment", "intensity_reduction", "research")
