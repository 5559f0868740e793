"""Networks as functions of a vector of parameters: expansion to value functions, derivatives, and the fit to values."""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...models.base import Scalar
from ..base import compiled
from ._levenberg_marquardt import Step, levenberg_marquardt_step
from ._network_policy import NetworkPolicy
from ._network_value import NetworkValue, three

# Largest number of steps of a fit to values.
_FIT_STEPS = 40


Networks = TypeVar("Networks", NetworkValue, NetworkPolicy)


def with_parameters(template: Networks, parameters: Any) -> Networks:
    """Value functions or policies of all members with the given parameters; a single network is shared by all members."""
    family = template.inputs.label.shape[0]
    of_members = jax.tree.map(lambda a: jnp.broadcast_to(a, (family, *a.shape[1:])), parameters)
    static = eqx.filter(template.network, eqx.is_inexact_array, inverse=True)
    return eqx.tree_at(lambda v: v.network, template, eqx.combine(of_members, static))


def expanded(template: NetworkValue, unknowns: Float[Array, "network unknown"]) -> NetworkValue:
    """The value functions of all members with parameters given as one row per network."""
    one = jax.tree.map(lambda leaf: leaf[0], eqx.filter(template.network, eqx.is_inexact_array))
    unravel = jax.flatten_util.ravel_pytree(one)[1]
    return with_parameters(template, jax.vmap(unravel)(unknowns))


def network_row(value: NetworkValue, z, discount, drift, variance) -> Float[Array, " unknown"]:
    """The derivative of a linear operator on the value function of one member at a point, in the network parameters."""

    def operate(value):
        v0, v1, v2 = three(value.learnt, z)
        return discount * v0 + drift @ v1 + jnp.sum(variance * v2)

    return _parameter_gradient(operate, value)


def slope_row(value: NetworkValue, z, direction) -> Float[Array, " unknown"]:
    """The derivative of a directional slope of the value function in the network parameters."""
    return _parameter_gradient(lambda value: jax.jvp(value.learnt, (z,), (direction,))[1], value)


def _parameter_gradient(functional: Callable[[NetworkValue], Scalar], value: NetworkValue) -> Float[Array, " unknown"]:
    """The derivative of a functional of the value function of one member in the network parameters, as a vector."""
    parameters, static = eqx.partition(value.network, eqx.is_inexact_array)

    def of_parameters(p):
        return functional(eqx.tree_at(lambda v: v.network, value, eqx.combine(p, static)))

    return jax.flatten_util.ravel_pytree(jax.grad(of_parameters)(parameters))[0]


@compiled
def fit(
    template: NetworkValue,
    unknowns: Float[Array, "network unknown"],
    points: Float[Array, "point state"],
    targets: Float[Array, "family point"],
    tolerance: Any,
    damping: Any,
) -> Float[Array, "network unknown"]:
    """The parameters for which the learnt part of the value functions has the target values, by nonlinear least squares.

    **Arguments:**

    - `tolerance`: root mean square error relative to the range of the value function at which the fit stops.
    - `damping`: relative damping of the first step.
    """
    networks, family = unknowns.shape[0], template.level.shape[0]
    unit = 1.0 / math.sqrt(len(points) * family / networks)

    def of_networks(rows):
        return (unit * rows / template.scale.reshape(-1, *[1] * (rows.ndim - 1))).reshape(networks, -1, *rows.shape[2:])

    def evaluate(unknowns):
        learnt = eqx.filter_vmap(lambda v: jax.vmap(v.learnt)(points))(expanded(template, unknowns))
        return of_networks(learnt - targets), None

    def value_row(value, z):
        return _parameter_gradient(lambda value: value.learnt(z), value)

    def differentiate(unknowns, _):
        values = expanded(template, unknowns)
        return of_networks(eqx.filter_vmap(lambda v: jax.vmap(lambda z: value_row(v, z))(points))(values))

    def body(carry):
        number, step = carry
        return number + 1, levenberg_marquardt_step(evaluate, differentiate, step.unknowns, step.damping)

    def is_unfinished(carry):
        number, step = carry
        return (number < _FIT_STEPS) & ~jnp.all((step.cost < tolerance**2) | ~jnp.isfinite(step.damping))

    start = Step(unknowns, jnp.full(networks, damping), jnp.full(networks, jnp.inf))
    return jax.lax.while_loop(is_unfinished, body, (jnp.array(0), start))[1].unknowns
