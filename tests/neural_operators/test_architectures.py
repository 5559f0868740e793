"""Every architecture: its contract, derivatives, what it promises by construction, and a fit."""

import functools
import importlib.util
import inspect
import itertools
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import disturbed

from abatax.neural_operators import (
    ACTIVATIONS,
    ARCHITECTURES,
    KAN,
    MLP,
    Additive,
    Concave,
    FiLM,
    Frozen,
    Monotone,
    RandomFeatures,
    Separable,
    architecture_options,
    count_parameters,
    make_network,
    trainable,
)

NAMES = list(ARCHITECTURES)
INPUTS = 10
# Kinds of a network that differ in formulas, besides the defaults.
KINDS = [
    *((name, ()) for name in NAMES),
    ("mlp", (("activation", "swish_softplus"),)),
    ("dgm", (("activation", "silu"),)),
    ("glu", (("gate", "geglu"),)),
    ("kan", (("edges", "spline"), ("size", 5))),
    ("film", (("condition", 4),)),
    ("monotone", (("signs", (1, 0, -1, 0, 0, 1, 1, 1, 0, -1)),)),
]
ROUNDING = 1e-12


def _script(name):
    """A benchmark, so that the table of the documentation and the test are the same fit."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[2] / "benchmarks" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_shapes_and_types(name, dtype):
    x = jax.ShapeDtypeStruct((3,), dtype)
    for out_size, shape in (("scalar", ()), (2, (2,))):
        net = eqx.filter_eval_shape(make_network, name, 3, out_size, width=5, key=jr.key(0), dtype=dtype)
        value, bend = eqx.filter_eval_shape(lambda n, z: (n(z), jax.hessian(n)(z)), net, x)
        assert (value.shape, value.dtype) == (shape, dtype)
        assert (bend.shape, bend.dtype) == ((*shape, 3, 3), dtype)


@functools.cache
def _built(name, options, seed):
    return make_network(name, INPUTS, width=6, key=jr.key(seed), **dict(options))


@pytest.mark.parametrize(("name", "options"), KINDS, ids=str)
@pytest.mark.representative("swish_softplus", "kan-()", "separable")
def test_derivatives_agree_with_differences(name, options):
    net = _built(name, options, 1)
    x, h = jr.uniform(jr.key(9), (INPUTS,), jnp.float64, -1.0, 1.0), 1e-4
    steps = h * jnp.eye(INPUTS)
    at = jnp.concatenate([x[None], x[None] + steps, x[None] - steps])
    value, slope, bend = jax.jit(jax.vmap(lambda z: (net(z), jax.grad(net)(z), jax.hessian(net)(z))))(at)
    assert bool(jnp.all(jnp.isfinite(bend)))
    up, down = slice(1, INPUTS + 1), slice(INPUTS + 1, None)
    np.testing.assert_allclose(
        slope[0], (value[up] - value[down]) / (2 * h), rtol=0, atol=1e-6
    )  # h^2, third derivative
    np.testing.assert_allclose(bend[0], (slope[up] - slope[down]) / (2 * h), rtol=0, atol=1e-5)
    assert float(jnp.max(jnp.abs(slope[0]))) > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_networks_start_of_order_one_and_are_the_same_for_the_same_key(name):
    net, same, other = _built(name, (), 1), make_network(name, INPUTS, width=6, key=jr.key(1)), _built(name, (), 2)
    x = jr.uniform(jr.key(0), (128, INPUTS), jnp.float64, -1.0, 1.0)
    assert 0.05 < float(jnp.std(jax.jit(jax.vmap(net))(x))) < 2.0
    leaves = [jax.tree.leaves(n) for n in (net, same, other)]
    assert all(np.array_equal(a, b) for a, b in zip(leaves[0], leaves[1], strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(leaves[0], leaves[2], strict=True))


@pytest.mark.parametrize(
    ("name", "frozen"), [("fourier", 8 * 2 + 8), ("pirate", 8 * 2 + 8), ("random_features", 8 * 2 + 8)]
)
def test_what_is_frozen_is_not_a_parameter(name, frozen):
    net = make_network(name, 2, width=8, key=jr.key(0))
    parameters, rest = eqx.partition(net, eqx.is_inexact_array)
    assert sum(leaf.size for leaf in jax.tree.leaves(parameters)) == count_parameters(net)
    assert sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(rest, eqx.is_array))) == frozen
    assert jax.tree.leaves(trainable(net)).count(False) == 2  # frequencies and phases, or weights and biases
    x = jnp.array([0.2, -0.4])
    slopes = eqx.filter_grad(lambda n: n(x))(net)
    assert count_parameters(slopes) == count_parameters(net)
    np.testing.assert_array_equal(eqx.combine(parameters, rest)(x), net(x))


def test_frozen_numbers_come_back_bit_by_bit_and_can_be_stacked():
    for dtype in (jnp.float32, jnp.float64):
        given = jnp.array([0.1, -0.0, 1e-30, jnp.inf], dtype)
        assert np.asarray(Frozen(given).value).tobytes() == np.asarray(given).tobytes()
    nets = [RandomFeatures(2, width=5, key=jr.key(k)) for k in range(3)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *nets)
    x = jnp.array([0.3, 0.4])
    np.testing.assert_allclose(jax.vmap(lambda n: n(x))(stacked), [n(x) for n in nets], rtol=ROUNDING)


def test_random_features_are_linear_in_their_parameters():
    net = RandomFeatures(2, width=20, key=jr.key(0))
    x, twice = jnp.array([0.3, 0.4]), eqx.tree_at(lambda n: n.head, net, jax.tree.map(lambda a: 2.0 * a, net.head))
    np.testing.assert_allclose(twice(x), 2.0 * net(x), rtol=ROUNDING)


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.representative("3")
def test_concave_networks_are_concave_whatever_their_parameters(depth):
    net = Concave(4, width=7, depth=depth, key=jr.key(0))
    x = jr.uniform(jr.key(1), (64, 4), jnp.float64, -1.0, 1.0)
    curvatures = jax.jit(lambda n: jnp.linalg.eigvalsh(jax.vmap(jax.hessian(n))(x)))
    for k in range(5):
        found = curvatures(disturbed(net, jr.key(k), 2.0))
        assert float(found.max()) <= ROUNDING * float(-found.min())
        assert float(found.min()) < -1e-3  # and not merely linear


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.representative("3")
def test_monotone_networks_keep_their_signs_whatever_their_parameters(depth):
    net = Monotone(4, width=7, depth=depth, signs=(1, -1, 0, 1), key=jr.key(0))
    x = jr.uniform(jr.key(1), (64, 4), jnp.float64, -1.0, 1.0)
    slopes = jax.jit(lambda n: jax.vmap(jax.grad(n))(x))
    free = []
    for k in range(5):
        found = slopes(disturbed(net, jr.key(k), 2.0))
        assert bool(jnp.all(found[:, (0, 3)] > 0.0)) and bool(jnp.all(found[:, 1] < 0.0))
        free.append(found[:, 2])
    assert float(jnp.min(jnp.stack(free))) < 0.0 < float(jnp.max(jnp.stack(free)))


def test_additive_networks_have_no_higher_interactions():
    # Signed sums over the corners of a cube leave the interactions of as many inputs as there are signs.
    for interactions in (1, 2, 3):
        net = Additive(3, width=4, interactions=interactions, key=jr.key(0))
        signs = np.array(list(itertools.product((-1.0, 1.0), repeat=3)))
        values = np.asarray(jax.jit(jax.vmap(net))(jnp.asarray(signs)))
        assert abs(np.sum(values * signs[:, 0])) > 1e-3
        assert (abs(np.sum(values * signs[:, 0] * signs[:, 1])) > 1e-3) == (interactions > 1)
        assert (abs(np.sum(values * np.prod(signs, axis=1))) > 1e-3) == (interactions > 2)


def test_separable_networks_of_rank_one_are_products():
    net = Separable(2, width=4, rank=1, key=jr.key(0))
    at = jax.vmap(jax.vmap(lambda a, b: net(jnp.stack([a, b])), (None, 0)), (0, None))
    values = np.asarray(at(jnp.linspace(-1.0, 1.0, 5), jnp.linspace(-1.0, 1.0, 6))) - float(net.head.bias[0])
    assert float(np.linalg.svd(values, compute_uv=False)[1]) < ROUNDING


def test_a_film_network_without_modulation_does_not_see_its_condition():
    net = FiLM(3, width=6, condition=1, key=jr.key(0))
    silent = eqx.tree_at(lambda n: n.modulation, net, jax.tree.map(jnp.zeros_like, net.modulation))
    slopes = [jax.grad(n)(jnp.array([0.1, 0.2, 0.3])) for n in (net, silent)]
    assert float(jnp.abs(slopes[0][2])) > 1e-6 and float(slopes[1][2]) == 0.0


def test_splines_sum_to_one_up_to_both_ends():
    net = KAN(1, width=1, depth=1, edges="spline", size=4, key=jr.key(0))
    flat = eqx.tree_at(lambda n: n.coefficients, net, (jnp.ones((1, 1, 7)), jnp.ones((1, 1, 7))))
    values = jax.vmap(flat)(jnp.linspace(-1.0, 1.0, 9)[:, None])
    np.testing.assert_allclose(values, np.ones(9), rtol=ROUNDING)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("parameters", [300, 2000])
@pytest.mark.representative("300")
def test_a_budget_of_parameters_is_met(name, parameters):
    shapes = eqx.filter_eval_shape(lambda: make_network(name, 3, parameters=parameters, key=jr.key(0)))
    assert abs(count_parameters(shapes) / parameters - 1.0) < 0.2


def test_unknown_names_and_options_are_refused_with_the_nearest():
    with pytest.raises(ValueError, match="unknown architecture `resnest`: did you mean `resnet`"):
        make_network("resnest", 2, key=jr.key(0))
    with pytest.raises(ValueError, match="unknown option `dept` of architecture `kan`: did you mean `depth`"):
        make_network("kan", 2, key=jr.key(0), dept=3)
    with pytest.raises(ValueError, match="unknown activation `tahn`: did you mean `tanh`"):
        make_network("mlp", 2, key=jr.key(0), activation="tahn")
    with pytest.raises(ValueError, match="give one of them"):
        make_network("mlp", 2, key=jr.key(0), parameters=100, width=4)
    with pytest.raises(ValueError, match="`parameters` is 10; the narrowest `additive` of 30 inputs has"):
        make_network("additive", 30, parameters=10, key=jr.key(0))
    with pytest.raises(ValueError, match="`depth` is 0; it must be at least 1"):
        make_network("mlp", 2, depth=0, key=jr.key(0))
    with pytest.raises(ValueError, match="`x` has shape \\(5,\\); it must be \\(2,\\)"):
        MLP(2, key=jr.key(0))(jnp.zeros(5))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("siren", {"frequency": 0.0}, "`frequency` is 0.0; it must be > 0"),
        ("film", {"condition": 2}, "`condition` is 2; .* below the 2 inputs"),
        ("monotone", {"signs": (1, 2)}, "`signs` is"),
        ("additive", {"interactions": 3}, "`interactions` is 3; .* from 1 to the number of inputs, 2"),
        ("kan", {"edges": "cheb"}, "unknown edges `cheb`: did you mean `chebyshev`"),
        ("glu", {"gate": "swiglo"}, "unknown gate `swiglo`: did you mean `swiglu`"),
    ],
)
def test_options_out_of_range_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        make_network(name, 2, key=jr.key(0), **options)


@pytest.mark.parametrize("name", NAMES)
def test_every_option_is_documented(name):
    text = inspect.getdoc(ARCHITECTURES[name]) or ""
    assert all(f"`{option}`" in text for option in architecture_options(name))
    assert "**Parameters:**" in text and "**References:**" in text


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_smooth_at_zero(name):
    third = jax.grad(jax.grad(jax.grad(ACTIVATIONS[name])))
    h = 1e-6
    assert abs(float(third(jnp.array(h)) - third(jnp.array(-h)))) < 1e-5


SCRIPT = _script("architectures")


# Seed 0, 200 parameters, at most 40 steps; the median over seeds is in docs/architectures.md.
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.representative("gated_mlp", "pirate")
def test_a_smooth_function_is_fitted(name):
    error, parameters, spread = SCRIPT.fit(name, {})
    assert error < (1e-6 if name == "random_features" else 3e-3)
    assert abs(parameters / 200 - 1.0) < 0.21
    assert 0.1 < spread < 2.0
