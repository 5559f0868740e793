"""DICE-2016R in continuous time: its paths between periods, its rates, its controls, and its best path."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import TIME

import abatax as ab
from abatax import HJBProblem
from abatax.models import Ambiguity, Derivatives, Dice2016, Dice2016Continuous
from abatax.models.base import USD_PER_TCO2
from abatax.models.dice import Policy
from abatax.validation import OpenLoop

CLOSED_FORM = 1e-12  # sums of a hundred terms against their closed form
RATE = 1e-12
# Where savings are at a bound abatement is a root found to 1e-9.
ROOT = 1e-11
# Against an independent program, digits as printed there; the rest is the grid of times.
PATH = 1e-3
OTHER_VARIANT = 1.5e-3  # of capital: A is printed, D solved
YEARS = (2015, 2020, 2030, 2050, 2100)


def variant(generator):
    model = Dice2016Continuous()
    return dataclasses.replace(model, climate=dataclasses.replace(model.climate, generator=generator))


@pytest.fixture(scope="module")
def model():
    return Dice2016Continuous()


# -- exogenous paths --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["population", "productivity", "intensity", "backstop", "land", "forcing"])
def test_closed_forms_agree_with_the_recursions(model, name):
    given, n = Dice2016().dynamics().given, jnp.arange(100.0)
    closed = {
        "population": model.growth.population_path,
        "productivity": model.growth.productivity_at,
        "intensity": model.intensity_at,
        "backstop": model.backstop_at,
        "land": model.land_at,
        "forcing": model.forcing_at,
    }[name]
    np.testing.assert_allclose(jax.vmap(closed)(n), getattr(given, name), rtol=CLOSED_FORM)


def test_recursions_of_the_source(model):
    # as written in the program: A' = A / (1 - g), sigma' = sigma exp(5 g_sigma), one period after the other
    productivity, growth, intensity, decline = 5.115, 0.076, 35.85 / (105.5 * 0.97), -0.0152
    for n in range(60):
        at = jnp.asarray(float(n))
        np.testing.assert_allclose(model.growth.productivity_at(at), productivity, rtol=CLOSED_FORM)
        np.testing.assert_allclose(model.intensity_at(at), intensity, rtol=CLOSED_FORM)
        productivity /= 1.0 - growth * np.exp(-0.005 * 5.0 * n)
        intensity *= np.exp(5.0 * decline)
        decline *= 0.999**5


# -- the rates --------------------------------------------------------------------------------------------------------


def test_euler_steps_of_five_years_are_the_periods_of_dice(model):
    # with the forcing of the next period, as in DICE; all other rates are those at the start of the period
    euler, dice = variant("euler"), Dice2016()
    dynamics = dice.dynamics()
    n = 7
    given = jax.tree.map(lambda leaf: leaf[n], dynamics.given)
    x = type(dynamics.start)(*map(jnp.asarray, (500.0, 1000.0, 540.0, 1760.0, 1.6, 0.2)))
    u = Policy(jnp.asarray(0.3), jnp.asarray(0.25))
    period = dynamics.period(given, x, u, jnp.zeros(()))
    state = type(model.initial_state())(jnp.log(x.capital), *x[1:], jnp.asarray(5.0 * n))
    rates = euler.drift(TIME, state, u, euler.climate_mean)
    later = period.state
    np.testing.assert_allclose(x.capital * (1.0 + 5.0 * rates.log_capital), later.capital, rtol=RATE)
    np.testing.assert_allclose(jnp.stack(x[1:4]) + 5.0 * jnp.stack(rates[1:4]), jnp.stack(later[1:4]), rtol=RATE)
    np.testing.assert_allclose(x.temperature_ocean + 5.0 * rates.temperature_ocean, later.temperature_ocean, rtol=RATE)
    lead = dice.temperature.response * (
        dice.temperature.forcing(later.carbon_atmosphere, given.next_forcing)
        - dice.temperature.forcing(x.carbon_atmosphere, given.forcing)
    )
    warmed = x.temperature_atmosphere + 5.0 * rates.temperature + lead
    np.testing.assert_allclose(warmed, later.temperature_atmosphere, rtol=RATE)
    seen = euler.observables(TIME, state, u, euler.initial_additive())
    for name in ("emissions", "industrial_emissions", "output", "damages", "consumption", "forcing", "carbon_price"):
        np.testing.assert_allclose(seen[name], period.seen[name], rtol=RATE, err_msg=name)
    assert float(rates.time) == 1.0


@pytest.mark.slow
def test_shocks_and_ambiguity_are_optional():
    model = Dice2016Continuous()
    problem, x = HJBProblem(model), model.initial_state()
    u = Policy(jnp.asarray(0.1), jnp.asarray(0.25))
    assert not np.any(np.stack(model.diffusion(TIME, x, u)))
    climate = dataclasses.replace(model.climate, temperature_volatility=0.02, ensemble=ab.models.Ensemble.published())
    noisy = Dice2016Continuous(
        climate=climate, capital_volatility=0.01, ambiguity=Ambiguity.from_penalties(shocks=1.0, climate=1.0)
    )
    loadings = noisy.diffusion(TIME, x, u)
    np.testing.assert_allclose(loadings.log_capital, [0.01, 0.0])
    np.testing.assert_allclose(loadings.temperature, [0.0, 0.02])
    costate, zero = jnp.asarray([300.0, -0.2, -0.1, -0.01, -40.0, -5.0, 1.0]), jnp.zeros((7, 7))
    calm, fearful = (
        p.hamiltonian(TIME, x, u, Derivatives(jnp.asarray(1e3), costate, zero)) for p in (problem, HJBProblem(noisy))
    )
    assert float(fearful) < float(calm)


# -- the controls -----------------------------------------------------------------------------------------------------

# log capital, carbon, temperature, years since 2015; values of log capital and of carbon in the air
CASES = {
    "today": ((5.6, 900.0, 1.1, 8.0), (300.0, -0.16)),
    "late": ((8.0, 1300.0, 3.5, 90.0), (600.0, -0.6)),
    "removal": ((8.5, 1200.0, 3.8, 160.0), (900.0, -1.5)),
    "carbon is worth something": ((7.0, 900.0, 1.5, 40.0), (500.0, 0.1)),
    "capital is worth nothing": ((7.0, 900.0, 1.5, 40.0), (-10.0, -0.3)),
    "capital is worth all": ((6.0, 900.0, 1.5, 40.0), (9e5, -8.0)),
}


@eqx.filter_jit
def weigh(model, x, costate, beside):
    """The closed form, the Hamiltonian there, and at controls beside it."""
    problem, rest = HJBProblem(model), (jnp.asarray(1e3), costate, jnp.zeros((7, 7)))
    best = problem.best_control(TIME, x, Derivatives(*rest))

    def total(u):
        return problem.hamiltonian(TIME, x, Policy(*u), Derivatives(*rest))

    return best, total(jnp.stack(best)), jax.vmap(total)(beside)


@pytest.mark.parametrize("case", CASES)
def test_closed_form_is_the_maximum(model, case):
    (k, air, warm, year), (capital, carbon) = CASES[case]
    x = model.initial_state()._replace(
        log_capital=jnp.asarray(k), carbon_air=jnp.asarray(air), temperature=jnp.asarray(warm), time=jnp.asarray(year)
    )
    costate = jnp.asarray([capital, carbon, -0.05, -0.01, -40.0, -5.0, 1.0])
    low, high = np.array([[0.0, 0.0], [float(model.abatement_limits(x.time / 5.0)[1]), 0.99]])
    rng = np.random.default_rng(0)
    points = rng.uniform(low, high, (2000, 2))
    best, here, far = weigh(model, x, costate, jnp.asarray(points))
    for size in (1e-2, 1e-4):  # in the whole range, then near the optimum
        points = np.clip(np.asarray(best)[None] + size * rng.standard_normal((2000, 2)), low, high)
        near = weigh(model, x, costate, jnp.asarray(points))[2]
        assert max(np.max(far), np.max(near)) <= here + ROOT * abs(here)


def test_abatement_satisfies_its_first_order_condition(model):
    x = model.initial_state()._replace(time=jnp.asarray(20.0))
    costate = jnp.asarray([300.0, -0.16, -0.05, -0.01, -40.0, -5.0, 1.0])
    problem, rest = HJBProblem(model), (jnp.asarray(1e3), costate, jnp.zeros((7, 7)))
    u = problem.best_control(TIME, x, Derivatives(*rest))
    price = USD_PER_TCO2 * problem.social_cost_of_carbon(TIME, x, model.initial_additive(), u, Derivatives(*rest))
    np.testing.assert_allclose(
        price, model.observables(TIME, x, u, model.initial_additive())["carbon_price"], rtol=1e-12
    )


# -- the best path ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def optimum(model):
    # the optimum of DICE is near: start there; steps twice those of the table in docs/models/dice.md
    dice = ab.solve(Dice2016())
    near = Policy(*(np.append(z, z[-1]) for z in dice.controls))
    loop = OpenLoop(model, horizon=500.0, nodes=101, steps=200, spread=1.0, tail=False)
    return loop.path(model.initial_state(), guess=near, tolerance=1e-9)


@pytest.mark.slow
def test_best_path_is_that_of_an_independent_program(model, optimum):
    scc, mu, warming, emissions, capital = table(model, optimum)
    at = [(year - 2015) // 5 for year in YEARS]
    # variant D; capital is printed for variant A, from which it differs a little
    np.testing.assert_allclose(scc[at], [29.11, 35.69, 50.65, 90.47, 269.1], rtol=PATH)
    np.testing.assert_allclose(mu[at[1:]], [0.1838, 0.2360, 0.3614, 0.8373], rtol=PATH)
    np.testing.assert_allclose(warming[at], [0.85, 1.003, 1.321, 1.979, 3.428], atol=1e-3)
    np.testing.assert_allclose(emissions[at[1:]], [35.9, 39.3, 41.1, 13.6], atol=0.06)
    np.testing.assert_allclose(capital[at[1:]], [279.0, 401.0, 708.0, 1969.0], rtol=OTHER_VARIANT)


@pytest.mark.slow
def test_costates_are_derivatives_of_the_best_value(model, optimum):
    # envelope theorem: the controls need not be optimised again
    loop = OpenLoop(model, horizon=500.0, nodes=101, steps=200, spread=1.0, tail=False)
    path, start = jnp.stack(optimum.controls, axis=1), model.initial_state()
    worth = eqx.filter_jit(loop.value)
    for name, step in (("carbon_air", 1.0), ("log_capital", 1e-3), ("temperature", 1e-2)):
        up, down = (worth(start._replace(**{name: getattr(start, name) + s * step}), path) for s in (1.0, -1.0))
        np.testing.assert_allclose(getattr(optimum.costates, name)[0], (up - down) / (2.0 * step), rtol=1e-4)


@pytest.mark.slow
def test_costate_gives_the_social_cost_at_which_abatement_is_optimal(model, optimum):
    # along the path the control of the HJB equation, from costates alone, is the one that was optimised
    problem = HJBProblem(model)
    at = slice(2, 15)
    states, costates, controls = (jax.tree.map(lambda z: jnp.asarray(z)[at], part) for part in optimum[2:])

    @jax.jit
    @jax.vmap
    def best(x, costate):
        return problem.best_control(TIME, x, Derivatives(jnp.zeros(()), jnp.stack(costate), jnp.zeros((7, 7))))

    found = best(states, costates)
    # controls are held straight between nodes: a piecewise-linear optimum meets the condition on average only
    np.testing.assert_allclose(found.abatement, controls.abatement, rtol=2e-3)
    np.testing.assert_allclose(found.savings, controls.savings, rtol=5e-3)


def table(model, path):
    """Social cost (US$/tCO2), abatement, temperature, emissions (GtCO2/yr) and capital at the nodes."""
    controls = Policy(*map(jnp.asarray, path.controls))

    def at(x, u, costate):
        price = -1000.0 * costate.carbon_air / 3.666 / model.marginal_utility(TIME, x, u, ())
        return price, model.abated(x, u), x.temperature, model.emissions_co2(x, u), jnp.exp(x.log_capital)

    return [np.asarray(z) for z in jax.jit(jax.vmap(at))(path.states, controls, path.costates)]


# -- input ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"capital_volatility": -0.1}, "`capital_volatility` is -0.1"),
        ({"intensity_decline": 0.0}, "`intensity_decline` is 0.0"),
        ({"preferences": ab.models.EpsteinZin()}, "`preferences` is EpsteinZin"),
        ({"growth": ab.models.DiceGrowth(productivity_growth=0.3)}, "`0.15 - growth.productivity_growth`"),
    ],
)
def test_parameters_out_of_range_are_named(changes, words):
    with pytest.raises(ValueError, match=words):
        Dice2016Continuous(**changes)
