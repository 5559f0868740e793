"""Physical climates alone and inside an economy: impulse responses, long-run warming, budgets, faces, names."""

import itertools
import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from helpers import TIME, Guess

import abatax as ab
from abatax import HJBProblem
from abatax.models import (
    AbstractPhysicalClimate,
    CarbonCycleClimate,
    CarbonReservoirs,
    Derivatives,
    Ensemble,
    LaggedClimate,
    NetZero,
    TCREClimate,
    build,
    parameters_of,
)

PRINTED = 5.1e-9  # half of the last digit
# An interpolation through eigenvalues that lie 0.004 apart loses two digits and a half.
MATRIX = 1e-13
GENERATORS = ("logarithm", "euler")
LIKELY = (1.0, 2.3)  # degC per 1000 GtC, IPCC AR6 WGI SPM D.1.1
CERTAIN = Ensemble.certain(1.86e-3)
CLIMATES = {
    "tcre": TCREClimate(CERTAIN),
    "lagged": LaggedClimate(CERTAIN),
    "logarithm": CarbonCycleClimate(ensemble=CERTAIN),
    "euler": CarbonCycleClimate(ensemble=CERTAIN, generator="euler"),
}


@eqx.filter_jit
def path(climate, start, emissions, years):
    """States at the end of every year under constant emissions, the members at their mean: Runge-Kutta, quarters of a year."""

    def rate(y):
        return jnp.stack(climate.rates(type(climate.states)(*y), emissions, climate.ensemble.mean))

    def quarter(y, _):
        a = rate(y)
        b = rate(y + 0.125 * a)
        c = rate(y + 0.125 * b)
        d = rate(y + 0.25 * c)
        return y + (a + 2.0 * b + 2.0 * c + d) / 24.0, y

    return jax.lax.scan(quarter, jnp.asarray(start, dtype=jnp.float64), None, length=4 * years + 1)[1][4::4]


def before_industry(climate):
    """The climate in preindustrial equilibrium, without other gases."""
    if isinstance(climate, CarbonCycleClimate):
        still = eqx.tree_at(lambda c: c.exogenous_forcing, climate, jnp.zeros(()))
        return still, [588.0, 360.0, 1720.0, 0.0, 0.0]
    return climate, [0.0] * len(climate.states)


def warming(name, emissions, years):
    climate, start = before_industry(CLIMATES[name])
    at = climate.states._fields.index("temperature")
    return np.asarray(path(climate, start, jnp.asarray(emissions), int(max(years)))[:, at])[np.array(years) - 1]


# -- rates from steps -------------------------------------------------------------------------------------------------


def test_rates_agree_with_an_independent_program():
    # of an independent program, per year
    climate = CarbonCycleClimate()
    exchange, heat = climate.carbon.rates("logarithm"), climate.layers.rates("logarithm")
    printed = [
        [-0.02886471, 0.04732221, -3.694e-5],
        [0.02897278, -0.04890554, 0.00033139],
        [-0.00010807, 0.00158333, -0.00029445],
    ]
    np.testing.assert_allclose(exchange, printed, atol=PRINTED)
    np.testing.assert_allclose(heat.matrix, [[-0.02746359, 0.00191768], [0.00542086, -0.00508861]], atol=PRINTED)
    np.testing.assert_allclose(heat.input, [0.02151205, -0.00027978], atol=PRINTED)
    np.testing.assert_allclose(climate.layers.rates("euler").input, [0.0201, 0.0], rtol=1e-14)


def test_logarithmic_rates_reproduce_the_steps():
    climate = CarbonCycleClimate()
    exchange, heat = climate.carbon.rates("logarithm"), climate.layers.rates("logarithm")
    np.testing.assert_allclose(exchange, scipy.linalg.logm(climate.carbon.exchange) / 5.0, atol=MATRIX)
    # a constant forcing for five years, as a state of its own
    whole = np.zeros((3, 3))
    whole[:2, :2], whole[:2, 2] = heat.matrix, heat.input
    after = scipy.linalg.expm(5.0 * whole) @ [1.2, 0.05, 3.0]
    np.testing.assert_allclose(after[:2], climate.layers.advance(jnp.array([1.2, 0.05]), jnp.array(3.0)), rtol=MATRIX)


@pytest.mark.parametrize("generator", GENERATORS)
def test_carbon_is_conserved_and_the_equilibrium_is_stationary(generator):
    carbon = CarbonReservoirs()
    exchange = carbon.rates(generator)
    np.testing.assert_allclose(jnp.sum(exchange, axis=0), 0.0, atol=MATRIX)
    np.testing.assert_allclose(exchange @ carbon.equilibrium, 0.0, atol=1e3 * MATRIX)


# -- each climate alone -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("generator", GENERATORS)
@pytest.mark.parametrize("member", [1.0e-3, 1.86e-3, 2.6e-3])
def test_long_run_warming_from_doubled_carbon_is_the_sensitivity(generator, member):
    climate, _ = before_industry(CLIMATES[generator])
    sensitivity = 3.1 * member / 1.86e-3
    y = type(climate.states)(*map(jnp.asarray, (1176.0, 720.0, 3440.0, sensitivity, sensitivity)))
    rates = climate.rates(y, jnp.zeros(()), jnp.asarray(member))
    np.testing.assert_allclose(rates[3:], 0.0, atol=MATRIX)


def test_airborne_fraction_of_a_pulse_is_the_matrix_exponential():
    # a linear cycle in closed form: the response is exp(G t), for every initial state
    climate, start = before_industry(CLIMATES["logarithm"])
    found = np.asarray(path(climate, [688.0, *start[1:]], jnp.zeros(()), 400))
    left = (found[:, 0] - 588.0) / 100.0
    exact = [scipy.linalg.expm(t * np.asarray(climate.carbon.rates("logarithm")))[0, 0] for t in (10, 50, 100)]
    np.testing.assert_allclose(left[[9, 49, 99]], exact, rtol=1e-9)
    np.testing.assert_allclose(left[[49, 99]], [0.62, 0.60], atol=5e-3)  # as the docstring says
    np.testing.assert_allclose(found[:, :3].sum(axis=1), 2768.0, rtol=1e-13)
    assert np.argmax(found[:, 3]) + 1 == 158


def test_warming_from_a_pulse_with_a_lag_is_the_closed_form():
    climate = CLIMATES["lagged"]
    # 100 GtC at once move the rate by lambda theta 100
    rate = climate.adjustment * 100.0 * 1.86e-3
    found = path(climate, [0.0, rate], jnp.zeros(()), 60)[:, 0]
    years = np.arange(1.0, 61.0)
    np.testing.assert_allclose(found, 0.186 * -np.expm1(-np.log(2.0) / 6.0 * years), rtol=1e-7)


def test_a_short_lag_approaches_the_climate_without_lag():
    fast = LaggedClimate(CERTAIN, adjustment=2.0)
    late = warming_of(fast, 10.0, 100)
    # a permanent delay of 1 / lambda years
    np.testing.assert_allclose(late[-1], 1.86e-3 * 10.0 * (100.0 - 0.5), rtol=1e-4)
    loadings, emissions = fast.loadings(fast.start(), jnp.asarray(10.0)), jnp.asarray(10.0)
    np.testing.assert_allclose(loadings.warming_rate, 2.0 * TCREClimate(CERTAIN).diffusion(emissions), rtol=1e-14)
    assert float(loadings.temperature) == 0.0


def warming_of(climate, emissions, years):
    return path(climate, [0.0] * len(climate.states), jnp.asarray(emissions), years)[:, 0]


@pytest.mark.parametrize("name", CLIMATES)
def test_warming_per_carbon_is_in_the_likely_range(name):
    years = np.array([70, 100])
    per_carbon = 1e3 * warming(name, 10.0, years) / (10.0 * years)
    assert np.all((per_carbon > LIKELY[0]) & (per_carbon < LIKELY[1])), per_carbon


def test_warming_per_carbon_of_the_carbon_cycle_is_above_the_likely_range_at_low_emissions():
    # a limitation that the docstring states: at low emissions warming is outside the range
    years = np.array([70, 100])
    per_carbon = 1e3 * warming("logarithm", 5.0, years) / (5.0 * years)
    np.testing.assert_allclose(per_carbon, [2.46, 2.65], atol=6e-3)
    assert np.all(per_carbon > LIKELY[1])


@pytest.mark.parametrize("name", CLIMATES)
def test_drift_points_inwards_at_inflow_faces(name):
    # over the region of interest of the other states, at emissions compatible with the highest rate of warming
    climate = CLIMATES[name]
    closures = climate.closures(lambda t, x: -x.temperature)
    problem = HJBProblem(NetZero(climate=climate, damage_jump=None, technology=None))
    domain = dict(zip(problem.model.states._fields, problem.domain, strict=True))
    ends = [(v.low, v.high) for v in climate.states]

    @jax.jit
    @jax.vmap
    def drift(y, emissions):
        return jnp.stack(climate.rates(type(climate.states)(*y), emissions, CERTAIN.mean))

    for axis, (field, sides) in enumerate(zip(climate.states._fields, closures, strict=True)):
        for side, closure in enumerate(sides):
            if isinstance(closure, ab.models.Inflow):
                at = [(domain[field][side],) * 2 if n == axis else end for n, end in enumerate(ends)]
                corners = np.array(list(itertools.product(*at, (1.0, 20.0))))
                inward = (1, -1)[side] * drift(corners[:, :-1], corners[:, -1])[:, axis]
                assert np.all(inward > -1e-9), (field, side)


# -- inside an economy ------------------------------------------------------------------------------------------------

NAMES = {
    "lagged": ("temperature", "warming_rate"),
    "logarithm": ("carbon_air", "carbon_upper", "carbon_deep", "temperature", "temperature_ocean"),
}


def settled(name):
    return NetZero(climate=CLIMATES[name], technology=None, damage_jump=None, phase="mature")


@pytest.mark.parametrize("name", NAMES)
def test_an_economy_accepts_every_physical_climate(name):
    model = NetZero(climate=CLIMATES[name])
    assert model.states._fields == ("log_emitting_capital", "log_capital_ratio", *NAMES[name])
    assert type(model.initial_state())._fields == model.states._fields
    assert parameters_of(build("net_zero", parameters_of(model))) == parameters_of(model)
    at = model.state_at(880.0, 0.7, 1.5)
    assert float(at.temperature) == 1.5 and at[3:] != ()


@pytest.mark.parametrize("name", NAMES)
def test_controls_with_a_richer_climate(name):
    model = settled(name)
    problem, x = HJBProblem(model), model.initial_state()
    d = len(x)
    costate = jnp.asarray([-0.05, 0.4, *([-1e-5] * (d - 2))])

    value, hessian = jnp.asarray(-1.0), -0.01 * jnp.eye(d)
    best = jnp.stack(problem.best_control(TIME, x, Derivatives(value, costate, hessian)))
    low, high = (jnp.array([getattr(c, end) for c in model.controls]) for end in ("low", "high"))

    @jax.jit
    @jax.vmap
    def total(u):
        return problem.hamiltonian(TIME, x, type(model.controls)(*u), Derivatives(value, costate, hessian))

    # no other control, distant or near, gives a higher value
    rng = np.random.default_rng(0)
    moves = rng.standard_normal((300, best.size)) * 10.0 ** rng.uniform(-5.0, -1.5, (300, 1))
    beside, here = total(jnp.clip(best[None] + moves, low[None], high[None])), total(best[None])[0]
    assert np.isfinite(here) and float(jnp.nanmax(beside)) <= float(here) + 1e-15
    assert float(jnp.nanmin(beside)) < float(here) - 1e-6


def test_simulated_paths_follow_the_climate_under_a_given_value():
    model = settled("logarithm")
    d = len(model.states)
    slopes = jnp.asarray([-0.05, 0.3, *([-1e-5] * (d - 2))])
    value = Guess(jnp.zeros((d, d)), jnp.zeros(d), slopes / 1e-6, jnp.full(d, 1e-6))  # linear: V = slopes x
    nodes = tuple(np.linspace(*bounds, 5) for bounds in HJBProblem(model).region)
    solution = ab.solvers.Solution(HJBProblem(model), value, nodes, ab.solvers.RESULTS.successful, {})
    paths = ab.simulate(solution, years=20, shocks=False, steps_per_year=1)
    assert np.all(np.isfinite(np.stack(paths.states)))
    states, emissions = (jax.tree.map(lambda z: z[0], part) for part in (paths.states, paths.observables["emissions"]))
    held = states.carbon_air + states.carbon_upper + states.carbon_deep
    np.testing.assert_allclose(np.diff(held), emissions[:-1], rtol=1e-10)  # Euler steps of a year
    assert 1.2 == float(states.temperature[0]) < float(states.temperature[-1])


@pytest.mark.slow
def test_a_model_with_a_lag_is_solved_by_finite_differences():
    # four states by finite differences
    green = eqx.tree_at(lambda e: e.green.productivity, ab.models.TwoCapitals(), jnp.asarray(0.1567))
    model = NetZero(economy=green, climate=CLIMATES["lagged"], technology=None, damage_jump=None, phase="mature")
    solution = ab.solve(HJBProblem(model), ab.solvers.FiniteDifference(points=(9, 11, 13, 7), leaning=True))
    assert solution.converged
    x = model.initial_state()
    slopes = type(x)(*ab.models.derivatives(TIME, x, solution.value)[1])
    # a rate w adds w (1 - exp(-lambda t)) / lambda to the warming at t, a degree adds one: with the slope of damages constant V_w
    # is V_y / (lambda + delta). That slope rises with warming, so V_w is more, but less than V_y / lambda
    speed, discount = float(model.climate.adjustment), float(model.preferences.discount_rate)
    assert 1.0 < slopes.warming_rate * (speed + discount) / slopes.temperature < (speed + discount) / speed
    assert solution.policy.social_cost_of_carbon(TIME, x, model.initial_additive()) > 0.0


# -- input ------------------------------------------------------------------------------------------------------------


class Wrong(AbstractPhysicalClimate):
    """A climate without a temperature in degC."""

    ensemble: Ensemble = eqx.field(default_factory=Ensemble.certain)
    unit: str = eqx.field(static=True, default="degF")

    @property
    def states(self):
        return TCREClimate().states._replace(temperature=ab.models.Variable("temperature", self.unit, 0.0, 4.0))

    def rates(self, y, emissions, member):
        return y

    def loadings(self, y, emissions):
        return y

    def start(self):
        return self.states

    def closures(self, harm):
        return self.states


def checked(climate):
    # bypasses the type checker of these tests, which users do not have
    eqx.tree_at(lambda m: m.climate, NetZero(), climate).__check_init__()


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: checked(ab.models.TemperatureLayers()), "use one of CarbonCycleClimate, LaggedClimate, TCREClimate"),
        (lambda: NetZero(climate=Wrong()), "`climate` is Wrong, with states temperature; it needs one called temperature, in degC"),
        (lambda: LaggedClimate(adjustment=0.0), "`climate.adjustment` is 0.0; it must be finite and > 0 per year"),
        (lambda: CarbonCycleClimate(generator="D"), "`climate.generator` is 'D'; use logarithm or euler"),
        (lambda: CarbonCycleClimate(temperature_volatility=-1.0), "`climate.temperature_volatility` is -1.0"),
        (lambda: CarbonCycleClimate(carbon=CarbonReservoirs(surface_exchange=0.6)), "`climate.carbon.surface_exchange` is 0.6"),
    ],
)  # fmt: skip
def test_climates_that_do_not_fit_are_refused(make, words):
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_fast_exchange_has_an_euler_inverse():
    climate = CarbonCycleClimate(carbon=CarbonReservoirs(surface_exchange=0.6), generator="euler")
    np.testing.assert_allclose(climate.carbon.rates("euler")[0, 0], -0.12, rtol=1e-14)
