"""DICE-2016R and DICE-2023 against their published tables, and the first-order conditions of their optima."""

import csv

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import abatax as ab
from abatax.models import DICE2023_SCENARIOS, Dice2016, Dice2023, DiscreteProblem
from abatax.solvers import follow

# The published 2016 path optimises with a marginal value of consumption that is 1e-5 too large: its own distance from the
# optimum is 6e-5 in abatement and temperature, 0.005 GtCO2/yr in emissions.
PUBLISHED_OPTIMUM = 1e-4
PROGRAM = 1e-8  # the same equations, printed with ten digits
FIXED_POINT = 1e-6


def table(path):
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([float(r[name] or "nan") for r in rows]) for name in rows[0]}


@pytest.fixture(scope="module")
def optimum():
    return ab.solve(Dice2016())


@pytest.fixture(scope="module")
def sheet(shared_data):
    return table(shared_data / "dice2016r_opttax.csv")


def policy(problem, abatement, savings):
    return type(problem.low)(jnp.asarray(abatement), jnp.asarray(savings))


# -- 2016 -----------------------------------------------------------------------------------------------------


def test_2016_with_the_published_controls(sheet):
    problem = DiscreteProblem(Dice2016())
    path = follow(problem, policy(problem, sheet["mu_control_rate"], sheet["savings_s"]))
    seen = path.states._asdict() | path.observables
    for ours, theirs in (
        ("capital", "K_trill"),
        ("carbon_atmosphere", "M_at_GtC"),
        ("carbon_upper", "M_up_GtC"),
        ("carbon_lower", "M_lo_GtC"),
        ("temperature", "T_atm_C"),
        ("temperature_ocean", "T_ocean_C"),
        ("emissions_co2", "E_total_GtCO2"),
        ("industrial_emissions", "E_ind_GtCO2"),
        ("output", "Ygross_trill"),
        ("consumption", "C_trill"),
        ("forcing", "forcing"),
    ):
        np.testing.assert_allclose(seen[ours], sheet[theirs], rtol=PROGRAM, atol=PROGRAM, err_msg=ours)


def test_2016_optimum(optimum):
    assert optimum.converged and optimum.stats["error"] < 1e-12
    np.testing.assert_allclose(optimum.welfare, 4517.314681152316, rtol=1e-13)
    # from an independent program: year, abatement, social cost, temperature, emissions
    for year, mu, scc, warming, emissions in (
        (2015, 0.03, 30.697, 0.85, 38.340),
        (2020, 0.18715, 36.718, 1.0163, 35.402),
        (2050, 0.36299, 91.039, 2.0332, 40.245),
        (2100, 0.84148, 271.34, 3.4835, 13.069),
        (2110, 0.97013, 323.87, 3.6729, 2.699),
    ):
        data = optimum.to_dataset().sel(year=year)
        found = [float(data[name]) for name in ("abatement", "scc", "temperature", "emissions_co2")]
        np.testing.assert_allclose(found, (mu, scc, warming, emissions), rtol=2e-5, atol=5.1e-4)


def test_2016_optimum_is_the_published_one(optimum, sheet):
    data, early = optimum.to_dataset(), slice(0, 20)  # to 2110; the end of the horizon is another matter
    for ours, theirs, size in (
        ("abatement", "mu_control_rate", PUBLISHED_OPTIMUM),
        ("temperature", "T_atm_C", PUBLISHED_OPTIMUM),
        ("emissions_co2", "E_total_GtCO2", 0.006),
    ):
        np.testing.assert_allclose(data[ours][early], sheet[theirs][early], rtol=0, atol=size, err_msg=ours)
    np.testing.assert_allclose(data.scc[early], sheet["scc_row_usd_tCO2"][early], rtol=1.1 * PUBLISHED_OPTIMUM)
    # the sheet's social cost is that of the optimum by its own convention, its abatement what this price would pay for
    published, near = data.scc_published, slice(1, 60)
    np.testing.assert_allclose(published[near], sheet["scc_row_usd_tCO2"][near], rtol=PROGRAM)
    backstop = 550.0 * 0.975 ** np.arange(100.0)
    paid = np.minimum((published / backstop) ** 0.625, DiscreteProblem(Dice2016()).high.abatement)
    np.testing.assert_allclose(paid[near], sheet["mu_control_rate"][near], rtol=PROGRAM)


def test_2016_price_is_the_social_cost_at_interior_abatement(optimum):
    data, free = optimum.to_dataset(), slice(1, 20)
    np.testing.assert_allclose(data.carbon_price[free], data.scc[free], rtol=1e-10)


def test_2016_published_path_is_the_fixed_point_of_its_convention(optimum, sheet):
    problem, path = DiscreteProblem(Dice2016()), optimum
    backstop = np.asarray(problem.dynamics().given.backstop)
    fixed = np.array(optimum.controls.abatement)
    for _ in range(6):
        price = np.maximum(path.scc_published, 0.0) / backstop
        inside = slice(1, 99)
        fixed[inside] = np.clip(price**0.625, 0.0, np.asarray(problem.high.abatement))[inside]
        held = policy(problem, fixed, problem.low.savings), policy(problem, fixed, problem.high.savings)
        path = ab.solve(DiscreteProblem(problem.model, low=held[0], high=held[1]), guess=path.controls)
    near = slice(0, 60)
    np.testing.assert_allclose(path.controls.abatement[near], sheet["mu_control_rate"][near], atol=FIXED_POINT)
    np.testing.assert_allclose(path.controls.savings[near], sheet["savings_s"][near], atol=FIXED_POINT)
    np.testing.assert_allclose(path.observables["temperature"][near], sheet["T_atm_C"][near], atol=2 * FIXED_POINT)


def test_2016_base_with_the_published_abatement(shared_data):
    base, problem = table(shared_data / "dice2016r_Base.csv"), DiscreteProblem(Dice2016())
    mu = base["mu_control_rate"]
    low, high = (policy(problem, mu, side.savings) for side in (problem.low, problem.high))
    path = ab.solve(DiscreteProblem(problem.model, low=low, high=high))
    np.testing.assert_allclose(path.welfare, 4485.743454877, rtol=1e-10)  # savings of that program are optimal to 1e-6
    for ours, theirs in ((path.states.capital, "K_trill"), (path.observables["temperature"], "T_atm_C")):
        np.testing.assert_allclose(ours[:60], base[theirs][:60], rtol=FIXED_POINT)


@pytest.mark.parametrize("seed", range(3))
def test_2016_optimum_from_random_starts(optimum, seed):
    rng = np.random.default_rng(seed)
    start = policy(DiscreteProblem(Dice2016()), rng.uniform(0.0, 1.2, 100), rng.uniform(0.1, 0.5, 100))
    path = ab.solve(Dice2016(), guess=start)
    np.testing.assert_allclose(path.welfare, optimum.welfare, rtol=1e-13)
    np.testing.assert_allclose(path.controls.abatement[:97], optimum.controls.abatement[:97], atol=1e-7)


def test_2016_gradient_is_the_finite_difference():
    model = Dice2016()
    dynamics, start = model.dynamics(), model.first_controls()

    @jax.jit
    def welfare(controls, pulses):
        return dynamics.run(controls, pulses)[0]

    slopes = jax.jit(jax.grad(welfare, argnums=(0, 1)))(start, jnp.zeros(100))
    for n in (0, 7, 60):
        one = jnp.zeros(100).at[n].set(1e-3)
        for name in start._fields:
            up, down = (start._replace(**{name: getattr(start, name) + s * one}) for s in (1, -1))
            measured = (welfare(up, 0 * one) - welfare(down, 0 * one)) / 2e-3
            np.testing.assert_allclose(measured, getattr(slopes[0], name)[n], rtol=1e-4, err_msg=name)
        measured = (welfare(start, 1e3 * one) - welfare(start, -1e3 * one)) / 2.0
        np.testing.assert_allclose(measured, slopes[1][n], rtol=1e-4)


def test_2016_derivatives_of_welfare_follow_from_the_envelope_theorem(optimum):
    # dW*/da = the partial derivative at the optimum: two optima against one gradient
    def with_damages(value):
        return Dice2016(economy=ab.models.DiceEconomy(quadratic=value))

    def at_optimum(value):
        return with_damages(value).dynamics().run(jax.tree.map(jnp.asarray, optimum.controls), jnp.zeros(100))[0]

    slope = jax.grad(at_optimum)(jnp.array(0.00236))
    up, down = (ab.solve(with_damages(0.00236 + h)).welfare for h in (1e-5, -1e-5))
    np.testing.assert_allclose((up - down) / 2e-5, slope, rtol=1e-4)


# -- 2023 -----------------------------------------------------------------------------------------------------

WELFARE = {
    "cbopt": 6659.476854721,
    "base": 6539.782822882,
    "altdam": 6517.737759317,
    "parisext": 6625.193945162,
    "t2c": 6647.115214055,
}
# 0.85 times the published 89 of 2025 is 75.7; the published 75 is not explained
UNEXPLAINED = {("scc", "t2c", 2020)}
COLUMNS = {
    "ECO2": ("emissions_co2", 1.0, 1),
    "ppm": ("concentration", 1.0, 1),
    "TATM": ("temperature", 1.0, 2),
    "MIU": ("abatement", 100.0, 0),
    "scc": ("scc_published", 1.0, 0),
}


@pytest.fixture(scope="module")
def paths():
    found = {}

    def path(name):
        if name not in found:
            found[name] = ab.solve(Dice2023(scenario=name))
        return found[name]

    return path


@pytest.mark.parametrize("name", WELFARE)
@pytest.mark.representative("cbopt")
def test_2023_welfare(paths, name):
    assert paths(name).stats["error"] < 1e-11
    np.testing.assert_allclose(paths(name).welfare, WELFARE[name], rtol=1e-13)


@pytest.mark.parametrize("name", DICE2023_SCENARIOS)
@pytest.mark.representative("cbopt", "t2c", "base", "r5")
def test_2023_tables(paths, name, shared_data):
    with open(shared_data / "dice2023_manual_tables_dicemodel-jl.csv", newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["scenario"] == name]
    assert len(rows) == 23
    data, wrong = paths(name).to_dataset(), []
    for row in rows:
        column, factor, digits = COLUMNS[row["variable"]]
        ours, year = factor * float(data[column].sel(year=int(row["year"]))), int(row["year"])
        if round(abs(ours - float(row["value"])), 9) > 0.5 * 10**-digits:
            wrong.append((row["variable"], name, year))
    assert set(wrong) <= UNEXPLAINED


def test_2023_limits_along_the_path_hold_and_have_a_price(paths):
    path = paths("t2c")
    warming, price = path.observables["temperature"], path.multipliers["temperature"]
    assert warming.max() <= 2.0 + 1e-10 and warming.min() >= 0.5 - 1e-10
    binds = np.abs(warming - 2.0) < 1e-9
    assert binds.sum() > 2 and np.all(price[binds] > 0.0)
    assert np.all(price[(warming < 2.0 - 1e-6) & (warming > 0.5 + 1e-6)] == 0.0)
    assert np.all(price[np.abs(warming - 0.5) < 1e-9] < 0.0)


def test_2023_details_of_the_optimum(paths):
    data = paths("cbopt").to_dataset()
    np.testing.assert_allclose(data.abatement[:7], [0.05, 0.10, 0.24, 0.27469, 0.30992, 0.34890, 0.39194], atol=6e-6)
    np.testing.assert_allclose(
        np.exp(data.log_timescale.sel(year=[2025, 2050, 2100])), [0.5119, 0.8146, 1.5561], atol=6e-5
    )
    # abatement also avoids land and other gases: its price is below the social cost of carbon
    years = [2035, 2050, 2100]
    ratio = (data.carbon_price / data.scc_published).sel(year=years)
    np.testing.assert_allclose(ratio, [0.934, 0.924, 0.942], atol=6e-4)
    assert np.isnan(data.scc[0]) and np.isfinite(data.scc[1:]).all()
    np.testing.assert_allclose(data.scc.sel(year=[2025, 2050]), [59.07, 124.54], atol=6e-3)


@pytest.mark.parametrize(
    "name, words",
    [
        ("t15c", ["`scenario` is 't15c'", "not offered", "t2c"]),
        ("t2", ["`scenario` is 't2'", *DICE2023_SCENARIOS]),
    ],
)
def test_2023_unknown_scenarios_are_refused(name, words):
    with pytest.raises(ValueError) as caught:
        Dice2023(scenario=name)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)
