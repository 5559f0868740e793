"""Controls within bounds and a budget by construction; the inverse map; invalid bounds."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from abatax.neural_operators import ControlBounds

LOW, HIGH = jnp.array([0.0, 0.1, -1.0]), jnp.array([1.0, 1.0, 20.0])


@pytest.mark.parametrize("size", [0.0, 3.0, 1e6])
def test_controls_stay_strictly_within_bounds_and_budget(size):
    bounds = ControlBounds(LOW, HIGH, sharing=(0, 1), budget=0.8)
    controls = jax.vmap(bounds)(size * jr.normal(jr.key(0), (200, 3), jnp.float64))
    assert bool(jnp.all((controls > LOW[None]) & (controls < HIGH[None])))
    assert bool(jnp.all(controls[:, 0] + controls[:, 1] < 0.8))


@pytest.mark.parametrize("shared", [{}, {"sharing": (0, 1), "budget": 0.8}])
def test_scores_are_the_inverse_of_the_controls(shared):
    bounds = ControlBounds(LOW, HIGH, **shared)
    controls = np.array([[0.3, 0.4, 15.0], [0.11, 0.2, 5.0]])
    scores = jnp.asarray(bounds.scores(controls))
    np.testing.assert_allclose(jax.vmap(bounds)(scores), controls, rtol=1e-4)  # the margin of the bounds


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"high": jnp.array([1.0, jnp.inf])}, "give finite vectors"),
        ({"low": jnp.array([1.0, 0.0])}, "every low below its high"),
        ({"sharing": (0, 1)}, "give both or neither"),
        ({"budget": 1.0}, "give both or neither"),
        ({"sharing": (0, 2), "budget": 1.0}, "give different indices from 0 to 1"),
        ({"sharing": (0, 1), "budget": 0.0}, "must be above the sum of the shared lows"),
        ({"sharing": (0, 1), "budget": 3.0}, "raise it to"),
    ],
)
def test_invalid_bounds_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        ControlBounds(**({"low": jnp.zeros(2), "high": jnp.ones(2)} | change))
