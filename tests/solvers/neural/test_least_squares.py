"""The Levenberg-Marquardt step, the Jacobian of the training residuals, and the stopping rule."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import abatax as ab
from abatax.neural_operators import MLP
from abatax.solvers.collocation import CollocationWorkspace
from abatax.solvers.neural import (
    Stopping,
    TrainingSet,
    expanded,
    first_basis,
    fit,
    jacobian,
    levenberg_marquardt_step,
    linearised,
    residual_rows,
)


def _stepper(residual):
    """A compiled step on a residual of one network."""

    def evaluate(unknowns):
        return jax.vmap(residual)(unknowns), None

    def differentiate(unknowns, _):
        return jax.vmap(jax.jacfwd(residual))(unknowns)

    return jax.jit(lambda p, damping: levenberg_marquardt_step(evaluate, differentiate, p, damping))


def _rosenbrock(p):
    return jnp.stack([10.0 * (p[1] - p[0] ** 2), 1.0 - p[0]])


def test_a_step_without_damping_solves_a_linear_problem():
    rng = np.random.default_rng(0)
    matrix, right = rng.normal(size=(9, 4)), rng.normal(size=9)
    step = _stepper(lambda p: jnp.asarray(matrix) @ p - jnp.asarray(right))(jnp.zeros((1, 4)), jnp.full(1, 1e-12))
    solution, squares, *_ = np.linalg.lstsq(matrix, right)
    np.testing.assert_allclose(step.unknowns[0], solution, rtol=1e-9)
    np.testing.assert_allclose(step.cost[0], squares[0], rtol=1e-12)


def test_steps_follow_a_curved_valley():
    step, unknowns, damping = _stepper(_rosenbrock), jnp.array([[-1.2, 1.0]]), jnp.full(1, 1e-3)
    costs = []
    for _ in range(8):  # 11 without acceleration
        unknowns, damping, cost = step(unknowns, damping)
        costs.append(float(cost[0]))
    np.testing.assert_allclose(unknowns, np.ones((1, 2)), atol=1e-5)
    assert np.all(np.diff(costs) <= 0.0) and costs[-1] < 1e-12


def test_networks_are_independent_and_those_without_damping_stay():
    step, start = _stepper(_rosenbrock), jnp.array([[-1.2, 1.0], [3.0, 2.0], [0.5, 0.5]])
    together = step(start, jnp.array([1e-3, 1e-2, jnp.inf]))
    for k, damping in enumerate((1e-3, 1e-2)):
        alone = step(start[k : k + 1], jnp.full(1, damping))
        np.testing.assert_allclose(together.unknowns[k], alone.unknowns[0], rtol=1e-10)
    np.testing.assert_array_equal(together.unknowns[2], start[2])
    assert together.damping[2] == jnp.inf


def test_a_minimum_has_no_better_step():
    step = _stepper(_rosenbrock)(jnp.ones((1, 2)), jnp.full(1, 1e-3))
    assert step.damping[0] == jnp.inf and step.cost[0] == 0.0
    np.testing.assert_array_equal(step.unknowns, np.ones((1, 2)))


@pytest.fixture(scope="module")
def training():
    problem = ab.HJBProblem(ab.models.AKClimate(productivity=None))
    family = jax.tree.map(lambda leaf: leaf[None] if eqx.is_array(leaf) else leaf, problem)
    basis = first_basis(family, np.zeros((1, 0)), lambda _, n: MLP(n, width=4, depth=1, key=jr.key(0)), 24, 0.5)
    collocation = CollocationWorkspace(family, 1, basis)
    scale, slope = np.array([0.1]), collocation.known_slopes()
    return TrainingSet(collocation).scaled(np.zeros(1), scale, slope)


def test_the_jacobian_is_the_derivative_of_the_residuals(training):
    """By the envelope theorem, derivatives of the maximising policy do not contribute."""
    equation, template, pool, lengths, faces = training.data

    def residuals(unknowns):
        local = linearised(equation, expanded(template, unknowns), pool, lengths)
        return residual_rows(local, faces), local

    @jax.jit
    def both(unknowns):
        rows = jacobian(equation, expanded(template, unknowns), pool, residuals(unknowns)[1], lengths, faces)
        return rows[0], jax.jacfwd(lambda p: residuals(p[None])[0][0])(unknowns[0])

    rows, derivative = both(jnp.asarray(training.basis.start()))
    assert len(faces) == 3 and rows.shape[0] == len(pool.points) + sum(len(index) for _, index in faces)
    np.testing.assert_allclose(rows, derivative, rtol=1e-6, atol=1e-8 * np.max(np.abs(derivative)))


def test_a_fit_reaches_values_that_a_network_represents(training):
    template, points = training.data.template, training.data.pool.points
    start = jnp.asarray(training.basis.start())
    others = start + 0.3 * jr.normal(jr.key(1), start.shape, start.dtype)
    learnt = jax.jit(lambda p: eqx.filter_vmap(lambda v: jax.vmap(v.learnt)(points))(expanded(template, p)))
    fitted = fit(template, start, points, learnt(others), 1e-6, 1e-2)
    errors = (learnt(fitted) - learnt(others)) / 0.1
    assert float(jnp.sqrt(jnp.mean(jnp.square(errors)))) < 1e-6


def test_training_ends_by_steps_error_or_patience():
    stopping = Stopping(steps=100, tolerance=1e-6, patience=3)
    assert stopping.draws_without_improvement(0.99, 1.0, 1) == 2  # too small an improvement to count
    assert stopping.draws_without_improvement(0.5, 1.0, 2) == 0
    assert not stopping.is_over(1e-3, 2, 99)
    assert stopping.is_over(1e-7, 0, 1) and stopping.is_over(1e-3, 3, 1) and stopping.is_over(1e-3, 0, 100)
