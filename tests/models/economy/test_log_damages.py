"""Log damages as an additive state: Itô's formula, and the consumption that is lost to them."""

import jax
import jax.numpy as jnp
import numpy as np

from abatax.models import Ensemble, TCREClimate, ThresholdDamages
from abatax.models.economy import log_damages_drift, lost_consumption

ROUNDING = 20 * np.finfo(float).eps


def test_drift_is_that_of_the_damages_of_a_temperature_with_noise():
    climate = TCREClimate(ensemble=Ensemble.certain(2e-3), relative_volatility=1.5)
    damages = ThresholdDamages(curvature=0.2)
    y, emissions, sensitivity = jnp.array(2.6), jnp.array(11.0), jnp.array(1.7e-3)
    slope, bend = jax.grad(damages.log_damages)(y), jax.grad(jax.grad(damages.log_damages))(y)
    expected = slope * 11.0 * 1.7e-3 + 0.5 * bend * (1.5 * 2e-3 * 11.0) ** 2
    drift = log_damages_drift(climate, damages.slope(y), damages.bend(y), emissions, sensitivity)
    np.testing.assert_allclose(drift, expected, rtol=ROUNDING)


def test_lost_and_remaining_consumption_add_up():
    consumption, log_damages = jnp.array(90.0), jnp.array(0.03)
    lost = lost_consumption(consumption, log_damages)
    np.testing.assert_allclose(lost + consumption * jnp.exp(-log_damages), consumption, rtol=ROUNDING)
