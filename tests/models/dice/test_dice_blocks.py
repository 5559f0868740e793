"""Climate blocks of DICE: conservation, impulse responses, equilibria, derivatives through the implicit factor."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from abatax.models import CarbonReservoirs, DiceEconomy, DiceGrowth, FairClimate, TemperatureLayers

ROUNDING = 1e-12


def iterate(step, state, count):
    return jax.lax.fori_loop(0, count, lambda _, s: step(s), state)


def test_reservoirs_conserve_carbon_and_are_stationary_at_the_equilibrium():
    carbon = CarbonReservoirs()
    np.testing.assert_allclose(jnp.sum(carbon.exchange, axis=0), 1.0, rtol=ROUNDING)
    zero = jnp.zeros(())
    np.testing.assert_allclose(carbon.advance(carbon.equilibrium, zero), carbon.equilibrium, rtol=ROUNDING)
    # 3.666 GtCO2/yr for five years are five GtC
    grown = jnp.sum(carbon.advance(carbon.initial_carbon, jnp.array(3.666))) - jnp.sum(carbon.initial_carbon)
    np.testing.assert_allclose(grown, 5.0, rtol=1e-11)


def test_a_pulse_is_distributed_in_proportion_to_the_equilibrium():
    carbon = CarbonReservoirs()
    pulse = jnp.array([100.0, 0.0, 0.0])
    left = np.linalg.matrix_power(np.asarray(carbon.exchange), 20000) @ np.asarray(pulse)
    expected = 100.0 * np.asarray(carbon.equilibrium) / np.sum(carbon.equilibrium)
    np.testing.assert_allclose(left, expected, rtol=1e-8)  # 20000 rounded products


def test_long_run_warming_of_the_layers_from_doubled_carbon_is_the_sensitivity():
    layers = TemperatureLayers()
    forcing = layers.forcing(2.0 * layers.preindustrial_carbon, jnp.zeros(()))
    last = iterate(lambda t: layers.advance(t, forcing), layers.initial_temperature, 5000)
    np.testing.assert_allclose(last, 3.1, rtol=1e-10)
    np.testing.assert_allclose(layers.equilibrium(forcing), 3.1, rtol=ROUNDING)


def fixed_sinks():
    """FaIR with a constant time-scale factor: linear boxes."""
    return FairClimate(uptake_carbon=0.0, uptake_warming=0.0)


@jax.jit
def fair_after(climate, state, emissions, exogenous):
    def step(state, given):
        new = climate.advance(state, *given)
        return climate.cumulate(new, given[0]), new

    return jax.lax.scan(step, state, (emissions, exogenous))[1]


def test_impulse_response_with_fixed_sinks_is_a_sum_of_exponentials():
    climate = fixed_sinks()
    zero = jnp.zeros(20)
    pulse = zero.at[0].set(3.667)  # one GtC per year over the first step
    after, without = (fair_after(climate, climate.initial, e, zero) for e in (pulse, zero))
    left = np.asarray(after.carbon - without.carbon)
    scale = float(jnp.exp(after.log_timescale[-1])) * np.asarray(climate.lifetimes)
    years = 5.0 * np.arange(20)[:, None]
    inflow = np.asarray(climate.shares) * scale * -np.expm1(-5.0 / scale)
    np.testing.assert_allclose(left, inflow * np.exp(-years / scale), rtol=1e-10, atol=1e-11)
    integral = float(climate.response_100_years(after.log_timescale[-1]))
    np.testing.assert_allclose(integral, climate.uptake_base, rtol=ROUNDING)


def test_long_run_warming_of_fair_is_the_sum_of_its_responses():
    climate = fixed_sinks()
    state = climate.initial._replace(carbon=jnp.zeros(4))
    last = fair_after(climate, state, jnp.zeros(3000), jnp.full(3000, 3.93))
    np.testing.assert_allclose(
        climate.warming(last._replace(temperature=last.temperature[-1])), 0.764 * 3.93, rtol=1e-10
    )
    np.testing.assert_allclose(climate.equilibrium(jnp.array(3.93)), 3.0025, atol=1e-4)


def test_the_time_scale_factor_solves_its_equation():
    climate = FairClimate()
    paths = fair_after(climate, climate.initial, jnp.linspace(43.0, 80.0, 30), jnp.linspace(0.4, 1.0, 30))
    before = np.asarray(climate.initial_cumulative) + np.concatenate(
        [[0.0], np.cumsum(5.0 / 3.666 * np.linspace(43.0, 80.0, 30))[:-1]]
    )
    taken_up = before - np.sum(paths.carbon, axis=1)
    wanted = 32.4 + 0.019 * taken_up + 4.165 * np.sum(paths.temperature, axis=1)
    found = jax.vmap(climate.response_100_years)(paths.log_timescale)
    np.testing.assert_allclose(found, wanted, rtol=ROUNDING)


@pytest.mark.slow
def test_derivatives_through_the_time_scale_factor():
    climate = FairClimate()

    def last(z):
        return jnp.sum(fair_after(climate, climate.initial, 40.0 + z, jnp.full(8, 0.5)).temperature[-1])

    point, step = jnp.linspace(-2.0, 3.0, 8), 1e-3
    slope, bend = jax.jit(jax.grad(last)), jax.jit(jax.hessian(last))(point)
    for n in (0, 5, 7):
        e = jnp.zeros(8).at[n].set(step)
        np.testing.assert_allclose((last(point + e) - last(point - e)) / (2 * step), slope(point)[n], rtol=1e-8)
        np.testing.assert_allclose((slope(point + e) - slope(point - e)) / (2 * step), bend[n], rtol=1e-5, atol=1e-12)


def test_growth_in_closed_form_is_the_recursion():
    growth, count = DiceGrowth(), 100
    n = jnp.arange(float(count))
    people, skill = [7403.0], [5.115]
    for k in range(count - 1):
        people.append(people[-1] * (11500.0 / people[-1]) ** 0.134)
        skill.append(skill[-1] / (1.0 - 0.076 * np.exp(-0.005 * 5 * k)))
    np.testing.assert_allclose(growth.population_path(n), people, rtol=1e-13)
    np.testing.assert_allclose(growth.productivity_path(n), skill, rtol=1e-13)


def test_uses_of_output_add_up():
    made = DiceEconomy().produce(*map(jnp.asarray, (100.0, 0.05, 2.0, 0.5, 0.25)))
    parts = made.damages + made.abatement_cost + made.investment + made.consumption
    np.testing.assert_allclose(parts, made.gross, rtol=ROUNDING)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: DiceEconomy(inverse_eis=1.0), "inverse_eis"),
        (lambda: DiceEconomy(capital_share=1.2), "`economy.capital_share` is 1.2"),
        (lambda: DiceGrowth(initial_population=-1.0), "`growth.initial_population` is -1.0"),
        (lambda: CarbonReservoirs(initial_carbon=(1.0, 2.0)), "`carbon.initial_carbon` has shape (2,)"),
        (lambda: TemperatureLayers(sensitivity=0.0), "`temperature.sensitivity` is 0.0"),
        (lambda: FairClimate(lifetimes=(1.0, 2.0)), "`climate.lifetimes` has shape (2,)"),
    ],
)
def test_parameters_out_of_range_are_named(make, words):
    with pytest.raises(ValueError) as caught:
        make()
    assert words in str(caught.value) and "\n" not in str(caught.value)
