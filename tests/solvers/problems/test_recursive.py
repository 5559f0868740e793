"""Strong doubt with much substitution: the flow of recursive utility falls exponentially in the value."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest
from wealth_cases import AbstractConsumer, LogWealth

import abatax as ab
from abatax.models import Ambiguity, EpsteinZin, Variable
from abatax.solvers import Features, FiniteDifference, Spectral
from abatax.solvers.grid import across_the_aggregator

T = jnp.zeros(())
# Wealth grows by this much more per year and unit of the state, which is what makes the value depend on it at all.
TILT = 1e-3


class Share(NamedTuple):
    share: Any


class Saver(AbstractConsumer):
    """Consumption out of wealth with risky growth: c / W is known in closed form, apart from the tilt."""

    controls = property(lambda self: Share(Variable("share", "1/yr", 1e-4, 1.0)))

    def additive_drift(self, t, x, u, climate):
        return LogWealth(0.04 + TILT * x.mood - u.share - 0.5 * 0.15**2)

    def additive_diffusion(self, t, x, u):
        return LogWealth(jnp.array([0.15, 0.0]))


SOLVERS = {
    "finite_difference": FiniteDifference(points=31),
    "spectral": Spectral(points=9),
    "spectral from the guess": Spectral(points=9, start=0),
    "features from the guess": Features(degree=6, start=0),
}


@pytest.mark.slow
@pytest.mark.parametrize("penalty", [0.5, 0.3, 0.25])
@pytest.mark.parametrize("name", SOLVERS)
def test_consumption_under_strong_doubt(name, penalty):
    # c / W = [delta - (1 - rho)(r - s)] / rho with s = v^2 (1 + 1/xi) / 2
    spread = 0.5 * 0.15**2 * (1.0 + 1.0 / penalty)
    share = (0.02 - 0.5 * (0.04 - spread)) / 0.5
    model = Saver(EpsteinZin(0.02, 0.5), Ambiguity.from_penalties(shocks=penalty))
    solution = ab.solve(ab.HJBProblem(model), SOLVERS[name])
    assert float(solution.policy(T, model.initial_state()).share) == pytest.approx(share, rel=1e-3)  # of the tilt


@pytest.mark.parametrize("rho, most", [(0.2, 12), (0.5, 8), (0.9, 6), (1.5, 6), (5.0, 8)])
@pytest.mark.parametrize("start", [30.0, 0.0])
def test_few_steps_cross_the_aggregator(rho, most, start):
    r"""$0 = \tfrac\delta{1-\rho}(e^{-(1-\rho)V}-1) + g$ from far above its root; tangents overshoot to where the flow overflows."""
    delta, growth = 0.02, -0.03 if rho < 1.0 else -0.02 / (rho + 1.0)

    def residual(v):
        return delta / (1.0 - rho) * np.expm1(-(1.0 - rho) * v) + growth

    v, steps = start, 0
    while abs(residual(v)) > 1e-12 and steps < 100:
        weight = delta * np.exp(-(1.0 - rho) * v)
        numbers = (np.array([[z]]) for z in (-weight, residual(v), weight, rho - 1.0))
        v, steps = v - residual(v) / across_the_aggregator(*numbers)[0, 0], steps + 1
    assert steps <= most
