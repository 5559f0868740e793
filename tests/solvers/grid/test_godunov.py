"""The control of the monotone scheme maximises the discrete Hamiltonian: against a scan of all controls."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import small_model

from abatax import HJBProblem
from abatax.models import Ambiguity, LinearQuadratic
from abatax.solvers.equation import Upwind, at_node

# The scan of the controls is fine enough to find a maximum of the sizes below to this much (curvature 1, step 1e-3).
SCAN = 1e-5
# Frozen policy, exact arithmetic: rounding of terms of size ten.
ROUNDING = 1e-11

NODES = 64


@eqx.filter_jit
def at_nodes(model, x, blocked, value, forward, backward, hessian):
    problem = HJBProblem(model)

    def at(x, blocked, *own):
        return at_node(problem, (x, blocked), own, (), Upwind.of((0,) * x.shape[0], x.shape[0]))

    return jax.vmap(at)(x, blocked, value, forward, backward, hessian)


def random_nodes(seed, dimension, constrained):
    """States, faces and one-sided slopes in any relation to each other: concave and convex kinks."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-3.0, 3.0, (NODES, dimension))
    blocked = np.zeros((NODES, dimension, 2), dtype=bool)
    if constrained:
        side = rng.integers(0, 2, NODES)
        axis = rng.integers(0, dimension, NODES)
        blocked[np.arange(NODES), axis, side] = True
    forward, backward = 3.0 * rng.standard_normal((2, NODES, dimension))
    bend = -rng.random((NODES, dimension))
    hessian = np.einsum("na,ab->nab", bend, np.eye(dimension))
    return x, blocked, rng.standard_normal(NODES), forward, backward, hessian


def upwinded(drift, forward, backward, blocked):
    """b times the slope on the side it points to; minus infinity where the state may not go there."""
    up = np.where(blocked[..., 1], np.where(drift > 0, -np.inf, 0.0), np.maximum(drift, 0.0) * forward)
    down = np.where(blocked[..., 0], np.where(drift < 0, -np.inf, 0.0), np.minimum(drift, 0.0) * backward)
    return up + down


def rest_of_linear_quadratic(nodes):
    x, _, value, _, _, hessian = nodes
    return -0.05 * value - 0.5 * np.sum(x**2, axis=1) + 0.5 * 0.09 * np.einsum("naa->n", hessian)


def scan_of_controls(model, nodes):
    """The discrete Hamiltonian maximised on a fine grid of controls, state by state."""
    x, blocked, _, forward, backward, _ = nodes
    total = rest_of_linear_quadratic(nodes)
    for n in range(len(x)):
        for i in range(x.shape[1]):
            rest = np.asarray(model.matrix)[i] @ x[n]
            u = np.append(np.linspace(-30.0, 30.0, 60001), -rest)  # with no drift: there it has a kink
            total[n] += np.max(-0.5 * u**2 + upwinded(rest + u, forward[n, i], backward[n, i], blocked[n, i]))
    return total


@pytest.mark.parametrize("constrained", [False, True])
@pytest.mark.parametrize("dimension", [1, 2])
def test_discrete_hamiltonian_is_maximised(dimension, constrained):
    model = LinearQuadratic(dimension=dimension)
    nodes = random_nodes(dimension, dimension, constrained)
    local = at_nodes(model, *map(jnp.asarray, nodes))
    assert not bool(jnp.any(local.outward))
    np.testing.assert_allclose(local.residual, scan_of_controls(model, nodes), atol=SCAN)


def test_distrust_takes_the_hamiltonian_of_godunov():
    # the smallest Hamiltonian between the two slopes at a concave kink, the largest at a convex one
    model = LinearQuadratic(ambiguity=Ambiguity(shocks=1.0))
    nodes = random_nodes(5, 1, False)
    x, forward, backward = nodes[0][:, 0], nodes[3][:, 0], nodes[4][:, 0]
    local = at_nodes(model, *map(jnp.asarray, nodes))
    share = np.linspace(0.0, 1.0, 20001)[:, None]
    p = forward + share * (backward - forward)
    hamiltonian = 0.5 * p**2 + 0.05 * x * p - 0.5 * 0.09 * p**2
    extreme = np.where(backward > forward, hamiltonian.min(axis=0), hamiltonian.max(axis=0))
    np.testing.assert_allclose(local.residual, rest_of_linear_quadratic(nodes) + extreme, atol=1e-7)  # steps of 5e-4


@pytest.mark.parametrize("penalty", [np.inf, 0.2])
@pytest.mark.parametrize("dimension", [1, 2])
def test_optimal_drift_at_a_state_constraint_points_inward(dimension, penalty):
    # some control always stops the drift, distorted or not: it is never dropped
    nodes = random_nodes(7, dimension, True)
    model = LinearQuadratic(dimension=dimension, ambiguity=Ambiguity(shocks=1.0 / penalty))
    local = at_nodes(model, *map(jnp.asarray, nodes))
    assert not bool(jnp.any(local.outward))
    drift, blocked = np.asarray(local.drift), nodes[1]
    assert np.all(drift[blocked[..., 1]] <= ROUNDING)
    assert np.all(drift[blocked[..., 0]] >= -ROUNDING)


def test_frozen_policy_is_linear():
    # residual = utility of the control + the assembled operator: what makes Howard's step Newton's
    model = LinearQuadratic(dimension=2)
    nodes = random_nodes(9, 2, False)
    x, _, value, forward, backward, hessian = nodes
    local = at_nodes(model, *map(jnp.asarray, nodes))
    drift, variance = np.asarray(local.drift), np.asarray(local.variance)
    operator = np.asarray(local.discount) * value + np.einsum("nab,nab->n", variance, hessian)
    operator += np.sum(np.maximum(drift, 0.0) * forward + np.minimum(drift, 0.0) * backward, axis=1)
    u = np.stack(local.control, axis=-1)
    utility = -0.5 * np.sum(x**2 + u**2, axis=1)
    np.testing.assert_allclose(local.residual, utility + operator, atol=ROUNDING)
    np.testing.assert_allclose(local.discount, -0.05, rtol=1e-14)
    expected = np.broadcast_to(0.5 * 0.09 * np.eye(2), variance.shape)
    np.testing.assert_allclose(variance, expected, atol=1e-15)
    np.testing.assert_allclose(drift, x @ np.asarray(model.matrix).T + u, atol=ROUNDING)


def test_two_controls_that_each_move_one_state():
    # ak_climate: investment moves capital up or down, emissions move temperature up only
    model = small_model("ak_climate", productivity=None)
    rng = np.random.default_rng(3)
    x = np.stack([rng.uniform(4.0, 9.0, NODES), rng.uniform(0.1, 4.0, NODES)], axis=-1)
    forward, backward = rng.uniform(0.01, 2.0, (2, NODES, 2)) * np.array([1.0, -0.02])
    hessian = -rng.random((NODES, 1, 1)) * 0.02 * np.eye(2)
    value, blocked = rng.standard_normal(NODES), np.zeros((NODES, 2, 2), dtype=bool)
    local = at_nodes(model, *map(jnp.asarray, (x, blocked, value, forward, backward, hessian)))
    without_growth = (1.0 - np.sqrt(1.0 - 2.0 * 6.667 * (0.043 + 0.5 * 0.0095**2))) / 6.667
    i = np.append(np.linspace(-0.5, 0.1149, 200001), without_growth)[:, None]
    e = np.logspace(-4.0, 3.0, 200001)[:, None]
    growth = -0.043 + i - 0.5 * 6.667 * i**2 - 0.5 * 0.0095**2
    theta = float(model.ensemble.mean)
    consumption = 0.01 * 0.968 * np.log(0.115 - i) + upwinded(growth, forward[:, 0], backward[:, 0], blocked[:, 0])
    emissions = 0.01 * 0.032 * np.log(e) + theta * e * forward[:, 1] + 0.5 * (1.2 * theta * e) ** 2 * hessian[:, 1, 1]
    rest = -0.01 * value + 0.01 * 0.968 * (
        x[:, 0] - np.asarray(jax.vmap(model.damages.log_damages)(jnp.asarray(x[:, 1])))
    )
    expected = rest + 0.5 * 0.0095**2 * hessian[:, 0, 0] + consumption.max(axis=0) + emissions.max(axis=0)
    drift = np.asarray(local.drift)[:, 0]
    assert np.any(drift > 1e-6) and np.any(drift < -1e-6) and np.any(np.abs(drift) < 1e-9)  # all three cases
    np.testing.assert_allclose(local.residual, expected, atol=1e-8)  # steps of 3e-6 in i, of 8e-5 in log e


def test_drift_that_no_control_stops_is_dropped_at_a_constraint():
    # emissions are positive: temperature rises at the top whatever is chosen, and there its drift counts as zero
    model = small_model("ak_climate", productivity=None)
    x, value = np.array([[6.0, 4.0]]), np.zeros(1)
    forward, backward = np.array([[0.9, 0.0]]), np.array([[0.9, -0.02]])
    hessian = -0.01 * np.eye(2)[None]
    blocked = np.array([[[False, False], [False, True]]])
    local = at_nodes(model, *map(jnp.asarray, (x, blocked, value, forward, backward, hessian)))
    assert bool(local.outward[0])
    assert float(local.drift[0, 1]) == 0.0
    assert np.isfinite(local.residual[0])


def test_problem_without_a_maximum_is_not_finite():
    # a slope that is not a number shows in the residual and nowhere hides
    model = LinearQuadratic()
    nodes = [np.array(a) for a in random_nodes(1, 1, False)]
    nodes[3][0], nodes[4][0] = np.nan, np.nan
    local = at_nodes(model, *map(jnp.asarray, nodes))
    assert not np.isfinite(local.residual[0]) and np.all(np.isfinite(local.residual[1:]))
