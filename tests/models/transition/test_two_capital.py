"""The two-capital model: its equation, its controls, its exact limits, and the branch it is on."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from helpers import TIME, distrusting, small_model, tree_allclose

import abatax as ab
from abatax import HJBProblem
from abatax.models import Ambiguity, Derivatives, FixedHazard, KnowledgeHazard, TCREClimate, TwoCapital, TwoCapitals
from abatax.models.economy import CapitalSpending, Effort, Investment
from abatax.validation import GreenTransition, OpenLoop

# The published table of the limit without emissions has seven digits.
PUBLISHED = 1e-6
ROUNDING = 1e-12
# Tolerance of slopes and controls against the best deterministic path: weak noise, and the error of the coarse grid.
DETERMINISTIC = 2e-3

# Green productivity to value and slope dv/dZ at shares 0.5, 0.7 and the value at 1
TABLE = {
    0.1085: ((-1.3090086, -0.514762), (-1.4248771, -0.661573), -1.9490756),
    0.1303: ((-1.0968431, 0.0), (-1.0968431, 0.0), -1.0968431),
    0.1567: ((-0.4077681, 0.537467), (-0.3095476, 0.451540), -0.1869212),
}


def economy(green, volatility=0.01, **changes):
    made = eqx.tree_at(
        lambda e: (e.green.productivity, e.green.volatility, e.dirty.volatility),
        TwoCapitals(**changes),
        tuple(map(jnp.asarray, (green, volatility, volatility))),
    )
    return made


def settled(green=0.1567, **changes):
    """The model after all jumps, with three states."""
    return TwoCapital(economy=economy(green, **changes), technology=None, damage_jump=None, phase="mature")


# -- without emissions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("green", TABLE)
def test_path_without_emissions_is_the_published_table(green):
    transition = GreenTransition(settled(green))
    value, slope = transition.at_share(np.array([0.5, 0.7]))
    half, most, corner = TABLE[green]
    np.testing.assert_allclose(value, [half[0], most[0]], atol=PUBLISHED)
    np.testing.assert_allclose(slope, [half[1], most[1]], atol=PUBLISHED)
    np.testing.assert_allclose(transition.corner(), corner, atol=PUBLISHED)


@pytest.mark.slow
def test_solved_without_emissions_is_the_published_table():
    # many points, as the equation without noise is of first order
    model = settled(volatility=0.0, carbon_intensity=0.0)
    problem = HJBProblem(model, extension=2.0)
    solution = ab.solve(problem, ab.solvers.FiniteDifference(points=(9, 161, 9), order=6))
    assert solution.converged
    for share, (value, slope) in zip((0.5, 0.7), TABLE[0.1567][:2], strict=True):
        x = model.state_at(880.0, share, 1.2)
        found, costate, _ = ab.models.derivatives(TIME, x, solution.value)
        slopes = model.published_slopes(x, type(x)(*costate))
        np.testing.assert_allclose(found + model.damages.log_damages(x.temperature), value, atol=PUBLISHED)
        np.testing.assert_allclose(slopes["green_share"], slope, atol=1e-5)
        np.testing.assert_allclose(slopes["capital"], 1.0, atol=1e-9)  # returns to scale are constant


# -- the controls -----------------------------------------------------------------------------------------------------


def spending(returns=0.5, low=-0.055, high=1.0, gain=0.01, prices=(0.25, 0.74), most=1.0):
    """A planner with 70 % green capital."""
    investments = tuple(
        Investment(*map(jnp.asarray, (share, price, 0.06, 16.7)), low, high)
        for share, price in zip((0.3, 0.7), prices, strict=True)
    )
    effort = Effort(jnp.asarray(gain), jnp.asarray(returns), 1e-10, most)
    return CapitalSpending(jnp.asarray(0.01), jnp.asarray(0.14878), investments, (effort,))


def test_spending_is_the_published_quadratic():
    # c (1 + Gamma V_k / delta) + c^2 X = A + 1 / theta
    claims = spending()
    dirty, green, research = map(float, claims.settle())
    c = 0.14878 - 0.3 * dirty - 0.7 * green - research
    square = (0.01 / 0.02) ** 2
    np.testing.assert_allclose(c * (1.0 + 0.06 * 0.99 / 0.01) + c**2 * square, 0.14878 + 1.0 / 16.7, rtol=1e-10)
    np.testing.assert_allclose(research, c**2 * square, rtol=1e-10)
    np.testing.assert_allclose(dirty, 0.06 * c * 0.25 / (0.01 * 0.3) - 1.0 / 16.7, rtol=1e-10)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"returns": 0.25},
        {"prices": (0.01, 0.9)},  # lower bound of dirty investment
        {"prices": (-0.1, 0.05)},  # both lower bounds
        {"high": 0.08},
        {"most": 1e-4},
        {"gain": -1.0},
    ],
)
def test_spending_is_the_maximum_whichever_bounds_bind(changes):
    # a bounded search without first-order conditions
    claims = spending(**changes)
    found = np.array([float(v) for v in claims.settle()])
    low, high = claims.investments[0].low, claims.investments[0].high
    a, b = (float(i.price) for i in claims.investments)
    gain, returns, most = float(claims.efforts[0].gain), float(claims.efforts[0].returns), claims.efforts[0].high

    def loss(u):
        c = 0.14878 - 0.3 * u[0] - 0.7 * u[1] - u[2]
        if c <= 0.0:
            return 1e3 - c
        worth = 0.06 * (a * np.log1p(16.7 * u[0]) + b * np.log1p(16.7 * u[1]))
        return -(0.01 * np.log(c) + worth + gain * max(u[2], 0.0) ** returns)

    start = np.clip([0.0, 0.0, 1e-3], [low, low, 1e-10], [high, high, most])
    bounds = [(low, high), (low, high), (1e-10, most)]
    for _ in range(3):  # coordinates in turn, then all
        for n in range(3):
            one = scipy.optimize.minimize_scalar(
                lambda z, n=n: loss(np.where(np.arange(3) == n, z, start)),
                bounds=bounds[n],
                method="bounded",
                options={"xatol": 1e-10},
            )
            start[n] = one.x
    best = scipy.optimize.minimize(
        loss, start, bounds=bounds, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-16, "maxiter": 4000}
    )
    assert loss(found) <= best.fun + 1e-12
    np.testing.assert_allclose(found, best.x, atol=2e-5)


def sample(model, count=6, seed=0):
    rng = np.random.default_rng(seed)
    d = len(model.states)
    low, high = np.array([[v.low, v.high] for v in model.states]).T
    x = low + (high - low) * rng.random((count, d))
    slope = np.array([-0.02, 0.02, -0.01, 0.04])[:d] * np.exp(rng.standard_normal((count, d)))
    return jnp.asarray(x), jnp.asarray(slope)


@eqx.filter_jit
def both_controls(model, x, slope):
    problem = HJBProblem(model)

    def at(z, p):
        d = z.shape[0]
        after = tuple(jnp.zeros_like(j.probabilities) for j in model.jumps())
        state, derivatives = problem.state(z), Derivatives(jnp.zeros(()), p, jnp.zeros((d, d)), after)
        closed, numerical = (f(TIME, state, derivatives) for f in (problem.best_control, problem.numerical_control))
        best = [problem.hamiltonian(TIME, state, u, derivatives) for u in (closed, numerical)]
        return closed, numerical, *best

    return jax.vmap(at)(x, slope)


@pytest.mark.parametrize(
    "technology",
    [pytest.param(FixedHazard(), id="fixed", marks=pytest.mark.slow), pytest.param(KnowledgeHazard(), id="knowledge")],
)
@pytest.mark.slow
def test_closed_form_is_the_numerical_maximiser(technology):
    model = small_model("two_capital", technology=technology)
    closed, numerical, at_closed, at_numerical = both_controls(model, *sample(model))
    assert bool(jnp.all(at_closed >= at_numerical - ROUNDING * jnp.maximum(1.0, jnp.abs(at_numerical))))
    np.testing.assert_allclose(at_closed, at_numerical, rtol=1e-9)
    assert tree_allclose(closed[:2], numerical[:2], rtol=1e-5, atol=1e-6)


# -- the equation -------------------------------------------------------------------------------------------------------


def test_hamiltonian_is_the_published_one():
    # the equation in k and Z, term by term, for V = k + a q + b w + g y with q = k + log(1-Z), w = log(Z/(1-Z))
    a, b, g = -0.03, 0.08, -0.01
    model = TwoCapital(
        economy=economy(0.1567), technology=None, damage_jump=None, phase="mature", ambiguity=Ambiguity(shocks=10.0)
    )
    k, z, y, i_d, i_g, sigma = np.log(880.0), 0.7, 1.2, 0.05, 0.14, 0.01
    v_k, v_z = 1.0 + a, -a / (1.0 - z) + b / (z * (1.0 - z))
    v_kk, v_kz, v_zz = 0.0, 0.0, -a / (1.0 - z) ** 2 + b * (1.0 / (1.0 - z) ** 2 - 1.0 / z**2)
    value = k + a * (k + np.log(1.0 - z)) + b * np.log(z / (1.0 - z)) + g * y
    phi_d, phi_g = (-0.035 + 0.06 * np.log1p(16.7 * i) for i in (i_d, i_g))
    c = (0.1303 - i_d) * (1.0 - z) + (0.1567 - i_g) * z
    carbon = 0.291 * 0.1303 * (1.0 - z) * 880.0
    varsigma = 1.2 * 1.86e-3
    expected = 0.01 * (np.log(c) + k - (1.7675e-4 * y + 0.0022 * y**2) - value)
    expected += v_k * ((1.0 - z) * phi_d + z * phi_g - 0.5 * sigma**2 * ((1.0 - z) ** 2 + z**2))
    expected += v_z * z * (1.0 - z) * (phi_g - phi_d + sigma**2 * (1.0 - 2.0 * z))
    expected += 0.5 * sigma**2 * ((1.0 - z) ** 2 + z**2) * v_kk + z**2 * (1.0 - z) ** 2 * sigma**2 * v_zz
    expected += z * (1.0 - z) * (z - (1.0 - z)) * sigma**2 * v_kz + g * 1.86e-3 * carbon
    exposed = ((v_k - z * v_z) * (1.0 - z) * sigma, (v_k + (1.0 - z) * v_z) * z * sigma, g * carbon * varsigma)
    expected -= 0.5 * 10.0 * sum(e**2 for e in exposed)
    x = model.state_at(880.0, z, y)
    u = type(model.controls)(jnp.asarray(i_d), jnp.asarray(i_g))
    found = HJBProblem(model).hamiltonian(
        TIME, x, u, Derivatives(jnp.asarray(value - k), jnp.array([a, b, g]), jnp.zeros((3, 3)), ())
    )
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    slopes = model.published_slopes(x, type(x)(*map(jnp.asarray, (a, b, g))))
    np.testing.assert_allclose([slopes["capital"], slopes["green_share"]], [v_k, v_z], rtol=1e-12)


# -- the jumps ----------------------------------------------------------------------------------------------------------


def test_six_regimes_solved_backwards():
    found = set()

    def walk(model):
        found.add(model.phase)
        for jump in model.jumps():
            walk(jax.tree.map(lambda leaf: leaf[0] if eqx.is_array(leaf) else leaf, jump.destination))

    walk(small_model("two_capital", distrusting("two_capital")))
    assert found == {"before", "parity", "mature", "before_revealed", "parity_revealed", "mature_revealed"}


def test_rates_of_the_breakthrough_are_the_published_ones():
    model = TwoCapital()
    x = model.initial_state()
    rates = [float(j.intensity(TIME, x, None)) for j in model.jumps()[:2]]
    np.testing.assert_allclose(rates, [0.96 * 11.2 / 746.67, 0.04 * 11.2 / 746.67], rtol=1e-12)
    productive = [float(j.destination.economy.green.productivity[0]) for j in model.jumps()[:2]]
    assert productive == [0.1303, 0.1567]


def test_one_penalty_is_that_of_the_damage_jump():
    model = TwoCapital(ambiguity=Ambiguity.from_penalties(jumps=0.1))
    np.testing.assert_allclose(model.ambiguity.jumps, [0.0, 0.0, 10.0])
    by_name = ab.models.configure("two_capital", {"ambiguity.jumps": 0.1})
    np.testing.assert_allclose(by_name.ambiguity.jumps, [0.0, 0.0, 10.0])
    after = jax.tree.map(lambda leaf: leaf[0] if eqx.is_array(leaf) else leaf, model.jumps()[1].destination)
    np.testing.assert_allclose(after.ambiguity.jumps, [10.0])


def test_every_regime_keeps_the_aversions_of_its_jumps():
    model = TwoCapital(ambiguity=Ambiguity.from_penalties(jumps=[1.0, 2.0, 0.1]))
    parity, mature, revealed = (j.destination.ambiguity.jumps[0] for j in model.jumps())
    np.testing.assert_allclose(parity, [0.5, 10.0])
    np.testing.assert_allclose(mature, [10.0])
    np.testing.assert_allclose(revealed, [1.0, 0.5])


def test_a_penalty_of_a_tenth_switches_the_technology_off():
    # the certainty equivalent of any gain is at most xi, which is why the technology has its own penalty
    worth = [float(Ambiguity(jumps=1.0 / xi).jump_term(0, jnp.array([0.6]), jnp.ones(1))) for xi in (0.1, 1.0)]
    assert worth[0] < 0.1 and worth[1] > 0.4


# -- solutions and independent references ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def solution():
    return ab.solve(HJBProblem(settled()), ab.solvers.FiniteDifference(points=(13, 17, 13)))


@pytest.mark.slow
def test_values_and_policies_after_the_technology(solution):
    model = solution.problem.model
    x = model.state_at(880.0, 0.7, 1.2)
    value, costate, _ = ab.models.derivatives(TIME, x, solution.value)
    slopes, u = model.published_slopes(x, type(x)(*costate)), solution.policy(TIME, x)
    np.testing.assert_allclose(model.total_value(x, value, model.initial_additive()), 6.449, atol=2e-3)
    np.testing.assert_allclose(slopes["capital"], 0.988, atol=1e-3)
    np.testing.assert_allclose(slopes["ratio"], 0.1066, atol=1.5e-3)
    np.testing.assert_allclose(slopes["temperature"], -0.0100, atol=1e-4)
    np.testing.assert_allclose([u.dirty_investment, u.green_investment], [0.0545, 0.1461], atol=7e-4)
    price = solution.policy.social_cost_of_carbon(TIME, x, model.initial_additive())
    np.testing.assert_allclose(price, 13.5, atol=0.5)
    # the general definition against -V_y theta C / delta, up to the noise from emissions
    cost = -slopes["temperature"] * 1.86e-3 * model.consumption_share(x, u) * 880.0 / 0.01
    np.testing.assert_allclose(price, cost * 1000.0 * 12.0 / 44.0, rtol=0.02)


@pytest.mark.slow
def test_solution_is_the_best_deterministic_path(solution):
    # no grid, no value function, no first-order condition: gradients through the dynamics
    still = TwoCapital(
        economy=economy(0.1567, volatility=0.0),
        climate=TCREClimate(ab.models.Ensemble.certain(1.86e-3), 0.0, 1.2),
        technology=None,
        damage_jump=None,
        phase="mature",
    )
    x = still.state_at(880.0, 0.7, 1.2)
    _, costate, u = OpenLoop(still, nodes=41, steps=240).solve(x)
    path = still.published_slopes(x, costate)
    model = solution.problem.model
    slopes = model.published_slopes(x, type(x)(*ab.models.derivatives(TIME, x, solution.value)[1]))
    for name in ("capital", "ratio", "temperature"):
        np.testing.assert_allclose(slopes[name], path[name], atol=DETERMINISTIC)
    np.testing.assert_allclose(solution.policy(TIME, x), u, atol=DETERMINISTIC)


def test_value_of_capital_without_dirty_capital(solution):
    # without dirty capital nothing depends on its stock: V_k = 1
    model = solution.problem.model
    x = model.state_at(880.0, 1.0 - 1e-4, 1.2)._replace(log_capital_ratio=jnp.asarray(4.0))
    x = x._replace(log_dirty_capital=jnp.asarray(2.0))
    slopes = model.published_slopes(x, type(x)(*ab.models.derivatives(TIME, x, solution.value)[1]))
    np.testing.assert_allclose(slopes["capital"], 1.0, atol=1e-3)


def test_simulated_capital_is_that_of_its_parts(solution):
    paths = ab.simulate(solution, years=30, shocks=False)
    data = paths.to_dataset()
    for name in ("log_capital", "log_capital_ratio", "temperature", "emissions", "consumption", "output", "scc"):
        assert name in data
    parts = np.log(data["capital"].values)  # exp(q)(1 + e^w)
    np.testing.assert_allclose(data["log_capital"].values, parts, atol=2e-3)
    np.testing.assert_allclose(data["emissions"].values[0, 0], 10.01, atol=0.01)


# -- input ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make_one, words",
    [
        (lambda: TwoCapital(phase="later"), "`phase` is 'later'"),
        (lambda: TwoCapital(lowest_investment=-0.06), "`lowest_investment` is -0.06"),
        (lambda: FixedHazard(rate=-1.0), "`technology.rate` is -1.0"),
        (lambda: KnowledgeHazard(direct=1.5), "`technology.direct` is 1.5"),
        (lambda: TwoCapitals(carbon_intensity=-1.0), "`economy.carbon_intensity` is -1.0"),
        (
            lambda: TwoCapital(damage_jump=None, ambiguity=Ambiguity.from_penalties(jumps=0.1)),
            "`ambiguity.jumps` is one penalty, 0.1",
        ),
    ],
)
def test_parameters_out_of_range_are_named(make_one, words):
    with pytest.raises(ValueError, match=words):
        make_one()
