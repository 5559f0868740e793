"""A network value function: base, scaling, derivatives."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import abatax as ab
from abatax.neural_operators import ValueNetwork

BOX = ((0.0, 3.0), (4.0, 9.0))


def test_the_base_is_what_remains_when_the_scale_is_zero():
    net = ValueNetwork.mlp(BOX, key=jr.key(0), base=lambda t, x: 2.0 * x[0], scale=0.0)
    assert float(net(jnp.zeros(()), (jnp.array(1.5), jnp.array(5.0)))) == 3.0


def test_it_is_deterministic_from_its_key():
    x = (jnp.array(1.0), jnp.array(6.0))
    values = [float(ValueNetwork.mlp(BOX, key=jr.key(k))(jnp.zeros(()), x)) for k in (1, 1, 2)]
    assert values[0] == values[1] != values[2]


def test_derivatives_agree_with_differences():
    net = ValueNetwork.mlp(BOX, key=jr.key(3))
    point = ab.models.AKClimate(productivity=None).states

    def value(z):
        return net(jnp.zeros(()), type(point)(*z))

    z, h = jnp.array([1.2, 6.5]), 1e-5
    found = ab.models.derivatives(jnp.zeros(()), type(point)(*z), net)
    steps = h * np.eye(2)
    slopes = [(float(value(z + s)) - float(value(z - s))) / (2 * h) for s in steps]
    np.testing.assert_allclose(found[1], slopes, rtol=1e-7)  # h^2 and rounding over h
    np.testing.assert_allclose(found[2], np.asarray(jax.hessian(value)(z)), rtol=1e-12)


def test_an_empty_box_is_refused():
    with pytest.raises(ValueError, match="low must be below"):
        ValueNetwork.mlp(((1.0, 1.0),), key=jr.key(0))
