"""Dense layers with an initialisation for second-order training of smooth functions."""

import math
from typing import Any, Literal

import equinox as eqx
from jaxtyping import PRNGKeyArray

# Weights have variance gain^2 / inputs. Inputs in [-1, 1] have a mean square of 1/3; with the biases the input of the first
# activation has variance 2/3, for which activations are nonlinear but not saturated. In the fits of benchmarks/architectures.py with
# 300 parameters, gains of 1.8 and 1.5 led to up to five times the error (gated networks), and hidden gains of 0.7 to about twice the
# error (all others).
FIRST = 1.0
HIDDEN = 1.2
LAST = 1.0
# Biases within these bounds distribute the nonlinear ranges of the first layer over [-1, 1].
SPREAD = 1.0


def linear(
    in_size: int,
    out_size: int | Literal["scalar"],
    *,
    gain: float,
    bias: float | None = 0.0,
    dtype: Any,
    key: PRNGKeyArray,
) -> eqx.nn.Linear:
    """A dense layer with uniform weights of variance gain^2 / inputs and uniform biases in [-bias, bias] (none if `bias` is None)."""
    layer = eqx.nn.Linear(in_size, out_size, use_bias=bias is not None, dtype=dtype, key=key)
    # Equinox draws both from [-1, 1] / sqrt(inputs).
    layer = eqx.tree_at(lambda one: one.weight, layer, layer.weight * (math.sqrt(3.0) * gain))
    if bias is None:
        return layer
    return eqx.tree_at(lambda one: one.bias, layer, layer.bias * (bias * math.sqrt(max(in_size, 1))))


def first(in_size: int, width: int, *, dtype: Any, key: PRNGKeyArray, gain: float = FIRST) -> eqx.nn.Linear:
    """The first layer, for inputs in [-1, 1]."""
    return linear(in_size, width, gain=gain, bias=SPREAD, dtype=dtype, key=key)


def hidden(width: int, *, dtype: Any, key: PRNGKeyArray, gain: float = HIDDEN) -> eqx.nn.Linear:
    """A layer between two activations."""
    return linear(width, width, gain=gain, dtype=dtype, key=key)


def last(
    width: int, out_size: int | Literal["scalar"], *, dtype: Any, key: PRNGKeyArray, gain: float = LAST
) -> eqx.nn.Linear:
    """The output layer."""
    return linear(width, out_size, gain=gain, dtype=dtype, key=key)
