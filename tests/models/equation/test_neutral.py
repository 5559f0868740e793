"""Certainty equivalents and the Epstein-Zin aggregator: exact at the neutral limit, and smooth there."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import exact

from abatax.models import EpsteinZin, TimeAdditive, robust_mean, scaled_expm1, tilted_weights
from abatax.models.base import positive_power

# Twenty roundings of float64, and a hundred for a derivative (a difference of two nearly equal terms).
VALUE = 20 * np.finfo(float).eps
DERIVATIVE = 100 * np.finfo(float).eps

AVERSIONS = (0.0, 1e-12, 1e-6, 1e-3, 0.3, 1.0, 7.0, 1e3)
# binary fractions: the weights sum to one and the mean is exact
VALUES = (-0.375, 0.125, 0.25, 0.875)
WEIGHTS = (0.125, 0.1875, 0.3125, 0.375)

with_slope = jax.jit(jax.value_and_grad(scaled_expm1))
mean_with_slope = jax.jit(jax.value_and_grad(robust_mean))
tilt_and_slope = jax.jit(lambda a, z, w: (tilted_weights(a, z, w), jax.grad(robust_mean, argnums=1)(a, z, w)))


def scaled_expm1_exactly(a, x):
    return ((a * x).exp() - 1) / a if a else x


def scaled_expm1_slope(a, x):
    return x * (a * x).exp() / a - ((a * x).exp() - 1) / a**2 if a else x**2 / 2


def robust_mean_exactly(a, z, w):
    if not a:
        return sum(wi * zi for wi, zi in zip(w, z, strict=True))
    return -sum(wi * (-a * zi).exp() for wi, zi in zip(w, z, strict=True)).ln() / a


def robust_mean_slope(a, z, w):
    tilted = [wi * (-a * zi).exp() for wi, zi in zip(w, z, strict=True)]
    mean = sum(ti * zi for ti, zi in zip(tilted, z, strict=True)) / sum(tilted)
    if not a:
        return -sum(wi * (zi - mean) ** 2 for wi, zi in zip(w, z, strict=True)) / 2
    return sum(tilted).ln() / a**2 + mean / a


@pytest.mark.parametrize("a", [s * a for a in AVERSIONS[:-1] for s in (1.0, -1.0)])
@pytest.mark.parametrize("x", [-3.0, -0.049, 1e-7, 0.051, 2.0])
def test_scaled_expm1_and_its_slope_in_the_rate(a, x):
    value, slope = with_slope(jnp.array(a), jnp.array(x))
    np.testing.assert_allclose(value, exact(scaled_expm1_exactly, a, x), rtol=VALUE)
    # cancels near a x = 0.05, where a closed form takes over from the series
    np.testing.assert_allclose(slope, exact(scaled_expm1_slope, a, x), rtol=100 * DERIVATIVE)


def test_scaled_expm1_has_every_derivative_at_zero():
    # x + a x^2/2 + a^2 x^3/6 + ...
    third = jax.jit(jax.grad(jax.grad(jax.grad(scaled_expm1))))(jnp.array(0.0), jnp.array(2.0))
    np.testing.assert_allclose(third, 6 * 2.0**4 / 24, rtol=VALUE)


@pytest.mark.parametrize("a", AVERSIONS)
def test_robust_mean_and_its_slope_in_the_aversion(a):
    z, w = jnp.array(VALUES), jnp.array(WEIGHTS)
    value, slope = mean_with_slope(jnp.array(a), z, w)
    np.testing.assert_allclose(value, exact(robust_mean_exactly, a, VALUES, WEIGHTS), rtol=VALUE)
    np.testing.assert_allclose(slope, exact(robust_mean_slope, a, VALUES, WEIGHTS), rtol=DERIVATIVE)


def test_robust_mean_at_zero_is_the_mean_and_falls_by_half_the_variance():
    z, w = jnp.array(VALUES), jnp.array(WEIGHTS)
    mean = float(z @ w)
    variance, third = float((z - mean) ** 2 @ w), float((z - mean) ** 3 @ w)
    assert float(mean_with_slope(jnp.array(0.0), z, w)[0]) == mean
    slope, bend = jax.jit(jax.value_and_grad(jax.grad(robust_mean)))(jnp.array(0.0), z, w)
    np.testing.assert_allclose(slope, -variance / 2, rtol=DERIVATIVE)
    # the next cumulant: -K(-a)/a = mean - a variance/2 + a^2 third/6 - ...
    np.testing.assert_allclose(bend, third / 3, rtol=DERIVATIVE)


@pytest.mark.parametrize("a", AVERSIONS)
def test_slope_of_robust_mean_in_the_values_is_the_tilted_weights(a):
    # the envelope theorem; the weights themselves by their definition
    z, w = jnp.array(VALUES), jnp.array(WEIGHTS)
    omega, slope = tilt_and_slope(jnp.array(a), z, w)
    np.testing.assert_allclose(slope, omega, atol=DERIVATIVE)
    definition = w * jnp.exp(-a * (z - z.min()))
    np.testing.assert_allclose(omega, definition / definition.sum(), atol=DERIVATIVE)


def test_robust_mean_falls_from_the_mean_to_the_smallest_value():
    z, w = jnp.array(VALUES), jnp.array(WEIGHTS)
    means = jax.jit(jax.vmap(lambda a: robust_mean(a, z, w)))(jnp.logspace(-6.0, 8.0, 200))
    assert bool(jnp.all(jnp.diff(means) < 0.0))
    assert float(means[0]) < float(z @ w)
    # for large a the smallest value plus log(1 / its weight) / a
    np.testing.assert_allclose(means[-1], -0.375 - np.log(0.125) / 1e8, rtol=VALUE)


@pytest.mark.parametrize("factor", [1e-9, 1.0, 1e9])
def test_robust_mean_scales_and_shifts_with_the_values(factor):
    # CE_a(c z + s) = c CE_{c a}(z) + s: no scale of the values is special
    z, w = jnp.array(VALUES), jnp.array(WEIGHTS)
    plain = mean_with_slope(jnp.array(0.7), z, w)[0]
    scaled = mean_with_slope(jnp.array(0.7 / factor), factor * z, w)[0]
    shifted = mean_with_slope(jnp.array(0.7), z + 10.0, w)[0]
    np.testing.assert_allclose([scaled, shifted], [factor * plain, plain + 10.0], rtol=VALUE)


def test_outcomes_without_weight_do_not_count():
    z, w = jnp.array([*VALUES, -50.0]), jnp.array([*WEIGHTS, 0.0])

    @jax.jit
    @jax.vmap
    def both(a):
        slope = jax.grad(robust_mean, argnums=1)(a, z, w)
        omega = tilted_weights(a, z, w)
        return robust_mean(a, z, w), robust_mean(a, z[:-1], w[:-1]), slope, omega

    with_it, without, slope, omega = both(jnp.array(AVERSIONS))
    np.testing.assert_allclose(with_it, without, rtol=VALUE)
    assert bool(jnp.all(omega[:, -1] == 0.0))
    np.testing.assert_allclose(slope, omega, atol=DERIVATIVE)


# -- preferences ------------------------------------------------------------------------------------------


def test_epstein_zin_with_unit_elasticity_is_time_additive_in_log_consumption():
    utility, value = jnp.array(1.3), jnp.array(-0.4)
    recursive, additive = EpsteinZin(0.02, 1.0), TimeAdditive(0.02)
    additive_flow = additive.aggregate(additive.discount_rate * utility, value)
    np.testing.assert_allclose(recursive.aggregate(utility, value), additive_flow, rtol=VALUE)


@jax.jit
def aggregate_with_slope(rho, utility, value):
    return jax.value_and_grad(lambda r: EpsteinZin(0.02, r).aggregate(utility, value))(rho)


@pytest.mark.parametrize("rho", [0.5, 1.0 - 1e-9, 1.0, 1.0 + 1e-9, 1.5, 8.0])
def test_epstein_zin_aggregator_and_its_slope_in_the_elasticity(rho):
    utility, value = 1.3, -0.4

    gap = utility - value
    found, slope = aggregate_with_slope(jnp.array(rho), jnp.array(utility), jnp.array(value))
    np.testing.assert_allclose(found, 0.02 * exact(scaled_expm1_exactly, 1.0 - rho, gap), rtol=VALUE)
    np.testing.assert_allclose(slope, -0.02 * exact(scaled_expm1_slope, 1.0 - rho, gap), rtol=100 * DERIVATIVE)
    if rho == 1.0:
        np.testing.assert_allclose(slope, -0.02 * gap**2 / 2, rtol=VALUE)


@pytest.mark.parametrize("base, power, slope", [(-0.5, 0.0, 0.0), (0.0, 0.0, 0.0), (0.25, 0.5, 1.0), (4.0, 2.0, 0.25)])
def test_square_root_of_the_positive_part_has_finite_slopes(base, power, slope):
    found = jax.value_and_grad(positive_power)(jnp.array(base), jnp.array(0.5))
    np.testing.assert_allclose(found, (power, slope), rtol=VALUE, atol=0.0)
