"""Network policies: bounds and budgets by construction, start, what is refused."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import disturbed

from abatax.neural_operators import MLP, PolicyNetwork, ValueNetwork, count_parameters

BOX = ((0.0, 3.0), (4.0, 9.0))


def _controls(policy, count=200):
    x = jr.uniform(jr.key(5), (count, 2), jnp.float64) * jnp.array([[3.0, 5.0]]) + jnp.array([[0.0, 4.0]])
    return jax.vmap(lambda z: policy(jnp.zeros(()), tuple(z)))(x)


@pytest.mark.parametrize("size", [0.0, 3.0, 1e6])
def test_policies_stay_strictly_within_bounds_and_budget(size):
    low, high = jnp.array([0.0, 0.1, -1.0]), jnp.array([1.0, 1.0, 20.0])
    policy = PolicyNetwork.make("mlp", BOX, low=low, high=high, sharing=(0, 1), budget=0.8, width=8, key=jr.key(0))
    policy = eqx.tree_at(lambda p: p.network, policy, disturbed(policy.network, jr.key(1), size))
    controls = _controls(policy)
    assert bool(jnp.all((controls > low[None]) & (controls < high[None])))
    assert bool(jnp.all(controls[:, 0] + controls[:, 1] < 0.8))


def test_an_untrained_policy_is_near_its_start():
    start = jnp.array([0.3, 0.4, 15.0])
    network = jax.tree.map(jnp.zeros_like, MLP(2, 3, width=4, key=jr.key(0)))
    policy = PolicyNetwork(network, BOX, jnp.zeros(3), jnp.array([1.0, 1.0, 20.0]), (0, 1), 0.8, start)
    np.testing.assert_allclose(_controls(policy, 3), jnp.stack([start] * 3), rtol=1e-5)  # five times the margin


def test_bounds_of_a_policy_are_not_parameters():
    policy = PolicyNetwork.make("mlp", BOX, low=jnp.zeros(2), high=jnp.ones(2), width=8, key=jr.key(0))
    assert count_parameters(policy) == count_parameters(policy.network)
    value = ValueNetwork.mlp(BOX, key=jr.key(0))
    assert count_parameters(value) == count_parameters(value.network)


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
        ({"start": jnp.array([0.5, 1.0])}, "strictly within its bounds"),
        ({"box": ((1.0, 1.0),)}, "low must be below"),
    ],
)
def test_policies_that_cannot_be_are_refused(change, message):
    given = {"box": BOX, "low": jnp.zeros(2), "high": jnp.ones(2)} | change
    network = MLP(2, 2, width=4, key=jr.key(0))
    with pytest.raises(ValueError, match=message):
        PolicyNetwork(network, **given)
