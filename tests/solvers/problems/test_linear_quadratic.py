"""The linear-quadratic regulator, exact in any dimension, with and without distrust, and from any guess."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import TIME, Guess, at_states, quadratic_guess, stabilising_root

from abatax import HJBProblem, solve
from abatax.models import Ambiguity, LinearQuadratic
from abatax.solvers import FiniteDifference
from abatax.validation import riccati

# Stencils and splines are exact on quadratics: what is left is rounding, divided by the discount rate.
EXACT = 1e-8

SOLVER = FiniteDifference(points=41)
INSIDE = np.linspace(-2.5, 2.5, 101)[:, None]


def model(dimension=1, penalty=np.inf, **fields):
    return LinearQuadratic(dimension=dimension, ambiguity=Ambiguity(shocks=1.0 / penalty), **fields)


def compare(solution, points, tolerance):
    root, constant = stabilising_root(solution.problem.model)
    value, slope, bend, control = at_states(solution, points)
    np.testing.assert_allclose(value, -0.5 * np.einsum("na,ab,nb->n", points, root, points) - constant, atol=tolerance)
    np.testing.assert_allclose(slope, -points @ root, atol=tolerance)
    np.testing.assert_allclose(bend, np.broadcast_to(-root, bend.shape), atol=100 * tolerance)
    np.testing.assert_allclose(np.stack(control, axis=-1), -points @ root, atol=tolerance)  # R = 1


@pytest.mark.parametrize("penalty", [np.inf, 1.0, 0.2])
def test_one_state_is_exact(penalty):
    solution = solve(HJBProblem(model(penalty=penalty)), SOLVER)
    assert solution.converged
    compare(solution, INSIDE, EXACT)


@pytest.mark.parametrize("box", [(-3.0, 3.0), (-5.0, 2.6), (-2.6, 7.0)])
def test_box_does_not_matter(box):
    # the drift of the optimum points inward from any face, so that no box changes the answer
    solution = solve(HJBProblem(model(), box={"state": box}), SOLVER)
    compare(solution, INSIDE, EXACT)


@pytest.mark.parametrize(
    "fields", [{"control_cost": 0.2}, {"state_cost": 3.0}, {"volatility": 0.0}, {"feedback": -0.3}]
)
def test_other_parameters(fields):
    solution = solve(HJBProblem(LinearQuadratic(**fields)), SOLVER)
    root, constant = stabilising_root(solution.problem.model)
    value, slope, _, control = at_states(solution, INSIDE)
    np.testing.assert_allclose(value, -0.5 * root[0, 0] * INSIDE[:, 0] ** 2 - constant, atol=EXACT)
    cost = float(solution.problem.model.control_cost)
    np.testing.assert_allclose(control.control, -root[0, 0] / cost * INSIDE[:, 0], atol=EXACT / cost)


@pytest.mark.parametrize("penalty, grading", [(np.inf, 1.0), (0.5, (0.3, 3.0))])
def test_two_states_are_exact(penalty, grading):
    solution = solve(HJBProblem(model(2, penalty)), FiniteDifference(points=15, grading=grading))
    points = np.random.default_rng(0).uniform(-2.5, 2.5, (101, 2))
    compare(solution, points, EXACT)


@pytest.mark.parametrize("dimension, penalty", [(1, np.inf), (1, 0.2), (2, np.inf), (2, 0.5), (3, 1.0)])
def test_package_riccati_is_the_stabilising_root(dimension, penalty):
    lq = model(dimension, penalty)
    root, constant = stabilising_root(lq)
    found = riccati(lq)
    np.testing.assert_allclose(found.matrix, root, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(found.constant, constant, rtol=1e-11)


def spurious_root(lq):
    """The other zero of the scalar Riccati equation: (2A - delta) P - P^2 + Q = 0 at R = 1."""
    shift = 2.0 * float(lq.feedback) - float(lq.preferences.discount_rate)
    return 0.5 * (shift - np.sqrt(shift**2 + 4.0 * float(lq.state_cost)))


# -- the trap ---------------------------------------------------------------------------------------------------------


def test_spurious_root_has_no_residual():
    lq = model()
    p = spurious_root(lq)
    guess = quadratic_guess([[p]])
    # at the spurious root the residual is the constant delta c: v = -p x^2/2 - c with c = sigma^2 p / (2 delta)
    residual = eqx.filter_jit(HJBProblem(lq).residual)
    np.testing.assert_allclose(residual(TIME, lq.initial_state(), guess), -0.5 * 0.09 * p, rtol=1e-12)
    np.testing.assert_allclose(residual(TIME, lq.initial_state(), riccati(lq)), 0.0, atol=1e-12)


@pytest.mark.parametrize("scale", [1.0, 0.5, 1.1])
def test_a_solve_leaves_the_spurious_root(scale):
    lq = model()
    solution = solve(HJBProblem(lq), SOLVER, guess=quadratic_guess([[scale * spurious_root(lq)]]))
    compare(solution, INSIDE, EXACT)


@pytest.mark.parametrize("penalty", [np.inf, 0.2])
@pytest.mark.parametrize("seed", range(10))
@pytest.mark.representative("0-inf", "3-0.2", "6-inf", "8-0.2")
def test_stabilising_root_from_random_guesses(seed, penalty):
    # curvatures of either sign up to a hundred, cubics, and waves shorter than the coarse grid sees
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.uniform(-1.0, 2.0)
    curvature, cubic, wave = scale * rng.standard_normal(3)
    guess = Guess(*map(jnp.asarray, ([[curvature]], [cubic], [wave], [rng.uniform(0.5, 30.0)])))
    solution = solve(HJBProblem(model(penalty=penalty)), SOLVER, guess=guess)
    compare(solution, INSIDE, EXACT)


@pytest.mark.parametrize("penalty", [np.inf, 0.5])
def test_two_states_from_a_bad_guess(penalty):
    guess = quadratic_guess([[-3.0, 1.0], [1.0, 0.5]])
    solution = solve(HJBProblem(model(2, penalty)), FiniteDifference(points=15), guess=guess)
    compare(solution, np.random.default_rng(1).uniform(-2.5, 2.5, (101, 2)), EXACT)


def test_few_steps_are_enough_from_a_flat_guess():
    # policy iteration is Newton's method: quadratic convergence on each of three grids, then once more
    solution = solve(HJBProblem(model()), SOLVER)
    assert solution.stats["steps"] <= 30
    assert solution.stats["steps"] == solution.stats["steps_first_order"] + solution.stats["steps_high_order"]


def test_monotone_scheme_is_first_order():
    errors, counts = [], np.array([41, 81, 161])
    root, _ = stabilising_root(model())
    for points in counts:
        solution = solve(HJBProblem(model()), FiniteDifference(points=int(points), order=1))
        assert solution.stats["order"] == 1
        nodes = solution.nodes[0]
        inside = nodes[np.abs(nodes) < 2.5][:, None]
        slope = at_states(solution, np.resize(inside, (101, 1)))[1]
        errors.append(np.max(np.abs(slope + np.resize(inside, (101, 1)) * root)))
    measured = -np.polyfit(np.log(counts - 1.0), np.log(errors), 1)[0]
    assert 0.8 < measured < 1.3


def test_policy_beyond_the_box_is_that_of_the_edge():
    solution = solve(HJBProblem(model()), SOLVER)
    state = type(solution.problem.model.states)
    inside, beyond = (solution.policy(TIME, state(jnp.asarray(x))) for x in (3.0, 17.0))
    assert float(inside.control) == float(beyond.control) < -3.0


class _Correlated(LinearQuadratic):
    """One shock moves both states: a mixed second derivative."""

    def diffusion(self, t, x, u):
        return type(x)(*(self.volatility * jnp.array([[1.0, 0.0], [0.6, 0.8]])))


def test_correlated_shocks_are_exact_and_reported_as_not_monotone():
    lq = _Correlated(dimension=2)
    solution = solve(HJBProblem(lq), FiniteDifference(points=15))
    root = np.asarray(riccati(LinearQuadratic(dimension=2)).matrix)  # noise enters the constant only
    slope = at_states(solution, np.array([[1.0, -0.5], [-2.0, 1.5]]))[1]
    np.testing.assert_allclose(slope, -np.array([[1.0, -0.5], [-2.0, 1.5]]) @ root, atol=EXACT)
    assert not solution.stats["monotone_start"]
    assert solve(HJBProblem(LinearQuadratic(dimension=2)), FiniteDifference(points=9)).stats["monotone_start"]
