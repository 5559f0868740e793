"""Value and slope of a constant temperature before the damage function is revealed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from abatax.models import Ambiguity, DamageJump, NetZero, ThresholdDamages
from abatax.models.economy import damage_asymptote

DELTA, CAP = 0.01, 4.0
JUMP = DamageJump(jnp.array([0.0, 0.1, 0.3]), probabilities=jnp.array([0.5, 0.3, 0.2]), highest_rate=CAP)
PRIOR, CURVATURES = np.array([0.5, 0.3, 0.2]), np.array([0.0, 0.1, 0.3])
DAMAGES = ThresholdDamages()


def value(y, penalty, resets=False):
    ambiguity = Ambiguity.from_penalties(jumps=penalty)
    return damage_asymptote(
        DAMAGES,
        JUMP,
        y,
        resets=resets,
        discount_rate=jnp.asarray(DELTA),
        worth=lambda gains: ambiguity.jump_term(0, gains, JUMP.prior),
    )


def slope(y, penalty, resets=False):
    return jax.grad(lambda z: value(z, penalty, resets))(y)


def log_damages(y, curvature):
    linear, quadratic, threshold = (float(getattr(DAMAGES, f)) for f in ("linear", "quadratic", "threshold"))
    return linear * y + 0.5 * quadratic * y**2 + 0.5 * curvature * max(y - threshold, 0.0) ** 2


@pytest.mark.parametrize("y", [4.0, 10.0])
def test_neutral_slope_is_that_of_the_mean_of_the_outcomes(y):
    linear, quadratic = float(DAMAGES.linear), float(DAMAGES.quadratic)
    now = linear + quadratic * y
    later = now + PRIOR @ CURVATURES * (y - float(DAMAGES.threshold))
    exact = -(DELTA * now + CAP * later) / (DELTA + CAP)
    np.testing.assert_allclose(slope(jnp.asarray(y), np.inf), exact, rtol=1e-12)


@pytest.mark.parametrize("penalty", [1.0, 0.1])
def test_averse_value_and_slope_are_those_of_the_root(penalty):
    def root(y):
        def balance(f):
            gains = np.array([-log_damages(y, c) for c in CURVATURES]) - f
            worth = penalty * PRIOR @ -np.expm1(-gains / penalty)
            return DELTA * (-log_damages(y, 0.0) - f) + CAP * worth

        worst = -log_damages(y, CURVATURES.max())
        return scipy.optimize.brentq(balance, worst, -log_damages(y, 0.0), xtol=1e-15, rtol=1e-15)

    np.testing.assert_allclose(value(jnp.asarray(5.0), penalty), root(5.0), rtol=1e-12)
    h = 1e-3
    exact = (8.0 * (root(5.0 + h) - root(5.0 - h)) - root(5.0 + 2.0 * h) + root(5.0 - 2.0 * h)) / (12.0 * h)
    np.testing.assert_allclose(slope(jnp.asarray(5.0), penalty), exact, rtol=1e-8)


@pytest.mark.slow
def test_higher_derivatives_agree_with_finite_differences():
    y, h = jnp.asarray(2.3), 1e-4  # beyond the threshold, where the rate of the event still rises
    found = jax.jit(lambda z: slope(z, 0.1))
    for _ in range(2):
        bend = jax.jit(jax.grad(found))
        np.testing.assert_allclose(bend(y), (found(y + h) - found(y - h)) / (2.0 * h), rtol=1e-5)
        found = bend


def test_if_the_event_resets_temperature_only_present_damages_count():
    exact = -DELTA * (float(DAMAGES.linear) + float(DAMAGES.quadratic) * 8.0) / (DELTA + CAP)
    np.testing.assert_allclose(slope(jnp.asarray(8.0), np.inf, resets=True), exact, rtol=1e-12)


def test_the_face_of_net_zero_uses_it():
    model = NetZero(damage_jump=JUMP)
    x = model.initial_state()._replace(temperature=jnp.asarray(10.0))
    closure = model.closures().temperature[1]
    after = model.jumps()[-1].destination
    revealed = jax.tree.map(lambda leaf: leaf[2], after)
    slopes = [float(m.closures().temperature[1].slope(jnp.zeros(()), x)) for m in (model, revealed)]
    assert slopes[1] < slopes[0] < -float(DAMAGES.slope(x.temperature)) - 0.3
    assert float(closure.slope(jnp.zeros(()), x)) == slopes[0]
