"""Learning rates rise and fall within the budget of a training."""

import numpy as np
import pytest

import abatax as ab
from abatax.solvers.neural import _first_order, learning_rates
from abatax.validation.comparison import UNBOUNDED


@pytest.mark.slow
def test_learning_rates_rise_and_fall_within_the_budget(monkeypatch):
    recorded = []

    def recording(schedule, steps, first, count):
        recorded.append(learning_rates(schedule, steps, first, count))
        return recorded[-1]

    monkeypatch.setattr(_first_order, "learning_rates", recording)
    settings = {"solvers": ["deep_galerkin"], "architectures": ["mlp"], "seeds": 1, "parameters": 30, "steps": 4}
    ab.compare(ab.models.LinearQuadratic(), options={"inner": 60, "batch": 8}, **settings)
    rates = np.concatenate(recorded)
    assert len(rates) == 240 and np.max(rates) > 0.99 and rates[-1] < 0.01


@pytest.mark.parametrize("schedule", ["cosine", "exponential", "constant"])
def test_with_a_budget_in_seconds_learning_rates_rise_soon_and_stay(schedule):
    assert np.all(learning_rates(schedule, 50 * UNBOUNDED, 1000, 200) > 0.99)
