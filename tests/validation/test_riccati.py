"""Linear-quadratic problems of any shape: the exact value and policy, and where no finite value exists."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

import abatax as ab
from abatax.models import (
    AbstractModel,
    Ambiguity,
    LinearQuadratic,
    QuadraticRegulator,
    TimeAdditive,
    Variable,
)
from abatax.models.exact import numbered_point, quadratic_form
from abatax.validation import riccati

T = jnp.zeros(())


def draw(seed, states, controls, shocks, doubt=0.02):
    """A random problem with everything: cross costs, targets, linear terms, correlated shocks."""
    rng = np.random.default_rng(seed)
    half = rng.normal(size=(states + controls, states + controls))
    cost = half @ half.T + 0.1 * np.eye(states + controls)
    return QuadraticRegulator(
        transition=0.3 * rng.normal(size=(states, states)),
        loading=rng.normal(size=(states, controls)),
        state_cost=cost[:states, :states],
        control_cost=cost[states:, states:],
        cross_cost=cost[:states, states:],
        volatility=0.3 * rng.normal(size=(states, shocks)),
        intercept=rng.normal(size=states),
        target=rng.normal(size=states),
        state_reward=rng.normal(size=states),
        control_reward=rng.normal(size=controls),
        constant=0.3,
        ambiguity=Ambiguity(shocks=doubt * rng.random(shocks)),
    )


@pytest.mark.parametrize("sizes", [(2, 1, 3), (4, 2, 4)])
def test_the_general_solution_satisfies_the_equation_with_its_own_policy(sizes):
    model = draw(sum(sizes), *sizes)
    problem, value = ab.HJBProblem(model), riccati(model)

    @eqx.filter_jit
    def check(x):
        state = problem.state(x)
        best = problem.best_control(T, state, problem.derivatives(T, state, value))
        return problem.residual(T, state, value), value.control(state) - jnp.stack(best)

    for x in np.random.default_rng(1).normal(size=(3, sizes[0])):
        residual, difference = check(jnp.asarray(x))
        assert abs(float(residual)) < 1e-11  # rounding
        assert np.max(np.abs(difference)) < 1e-12


def test_it_is_the_root_of_scipy():
    model = draw(3, 3, 2, 3)
    form = model.quadratic_form()
    shifted = form.transition - 0.5 * form.discount_rate * np.eye(3)
    inputs = np.concatenate([form.loading, form.volatility], axis=1)
    costs = scipy.linalg.block_diag(form.control_cost, -np.diag(1.0 / form.aversion))
    cross = np.concatenate([form.cross_cost, np.zeros((3, 3))], axis=1)
    expected = scipy.linalg.solve_continuous_are(shifted, inputs, form.state_cost, costs, s=cross)
    np.testing.assert_allclose(riccati(model).matrix, expected, rtol=1e-9, atol=1e-12)


class Own(AbstractModel):
    """A user's model that happens to be linear-quadratic, with an additive state that moves with its shock."""

    inner: QuadraticRegulator
    price: float
    preferences = property(lambda self: self.inner.preferences)
    ambiguity = property(lambda self: self.inner.ambiguity)
    states = property(lambda self: self.inner.states)
    controls = property(lambda self: self.inner.controls)
    additive = property(lambda self: numbered_point("wealth", 1)(Variable("wealth", "1")))

    def drift(self, t, x, u, climate):
        return self.inner.drift(t, x, u, climate)

    def diffusion(self, t, x, u):
        return self.inner.diffusion(t, x, u)

    def utility(self, t, x, u):
        return self.inner.utility(t, x, u)

    def initial_state(self):
        return self.inner.initial_state()

    def additive_costates(self):
        return type(self.additive)(jnp.asarray(self.price))

    def additive_drift(self, t, x, u, climate):
        return type(self.additive)(0.3 * x[0] - 0.1 * u[0] ** 2)

    def additive_diffusion(self, t, x, u):
        return type(self.additive)(0.2 * jnp.ones(self.inner.volatility.shape[1]))

    def initial_additive(self):
        return type(self.additive)(jnp.zeros(()))


def test_coefficients_of_a_model_of_the_users_are_taken_from_its_functions():
    inner = draw(5, 2, 1, 2)
    declared, found = inner.quadratic_form(), quadratic_form(Own(inner, 0.0))
    for name, one, other in zip(declared._fields, declared, found, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12, err_msg=name)
    model = Own(inner, 0.5)
    problem, value = ab.HJBProblem(model), riccati(model)
    state = problem.state(jnp.array([0.3, -0.7]))
    control = type(model.controls)(*value.control(state))
    residual = eqx.filter_jit(problem.hamiltonian)(T, state, control, problem.derivatives(T, state, value))
    assert abs(float(residual)) < 1e-11


class Cubic(Own):
    def drift(self, t, x, u, climate):
        return type(x)(*(b + 0.1 * x[0] ** 3 for b in self.inner.drift(t, x, u, climate)))


class Quartic(Own):
    def utility(self, t, x, u):
        return self.inner.utility(t, x, u) - x[0] ** 4


class Geometric(Own):
    def diffusion(self, t, x, u):
        return type(x)(*(x[0] * row for row in self.inner.diffusion(t, x, u)))


@pytest.mark.parametrize(
    "kind, words", [(Cubic, "drift.*affine"), (Quartic, "utility.*quadratic"), (Geometric, "constant")]
)
def test_what_is_not_linear_quadratic_is_refused_by_name(kind, words):
    with pytest.raises(ValueError, match=words):
        riccati(kind(draw(5, 2, 1, 2), 0.5))


def scalar(feedback, *, volatility=1.0, penalty=np.inf, loading=1.0, state_cost=1.0, discount=0.05, **more):
    return QuadraticRegulator(
        transition=[[feedback]],
        loading=[[loading]],
        state_cost=[[state_cost]],
        control_cost=[[1.0]],
        volatility=[[volatility]],
        preferences=TimeAdditive(discount),
        ambiguity=Ambiguity.from_penalties(shocks=penalty),
        **more,
    )


def test_a_state_that_is_stable_by_itself_bears_more_doubt_than_control_could_undo():
    # (2A - delta) P - (1 - 1/xi) P^2 + 1 = 0, the smaller root
    model = LinearQuadratic(feedback=-2.0, volatility=1.0, ambiguity=Ambiguity.from_penalties(shocks=0.9))
    assert float(riccati(model).matrix[0, 0]) == pytest.approx((4.05 - np.sqrt(4.05**2 - 4.0 / 9.0)) * 4.5, rel=1e-12)
    assert ab.validation.exact_value(model) is not None


@pytest.mark.slow
def test_finite_differences_agree_and_can_be_validated():
    model = LinearQuadratic(feedback=-2.0, volatility=1.0, ambiguity=Ambiguity.from_penalties(shocks=0.9))
    solution = ab.solve(ab.HJBProblem(model), ab.solvers.FiniteDifference(points=21))
    control = float(solution.policy(T, solution.problem.state(jnp.array([1.0]))).control)
    assert control == pytest.approx(-0.248609, abs=1e-6)
    ab.validate(solution)


@pytest.mark.parametrize("feedback", [-2.0, -0.3, 0.05, 0.5])
def test_the_breakdown_of_robustness_is_where_the_roots_meet_or_control_no_longer_wins(feedback):
    # roots of a P + P^2 (1/xi - 1)/2 + 1/2 with a = A - delta/2: real and positive up to 1/xi - 1 = a^2 for a < 0, to 0 for a > 0
    a = feedback - 0.025
    least = 1.0 / (1.0 + (a**2 if a < 0.0 else 0.0))
    assert float(riccati(scalar(feedback, penalty=1.0001 * least)).matrix[0, 0]) > 0.0
    with pytest.raises(ValueError, match="beyond the breakdown of robustness") as refused:
        riccati(scalar(feedback, penalty=0.9999 * least))
    assert float(str(refused.value).split()[-1].rstrip(".")) == pytest.approx(least, rel=1e-5)


@pytest.mark.parametrize("feedback, root", [(0.02, 100.0), (0.03, None)])
def test_an_uncontrolled_state_may_grow_at_less_than_half_the_discount_rate(feedback, root):
    model = scalar(feedback, loading=0.0)
    if root is None:
        with pytest.raises(ValueError, match="no finite value.*discount_rate"):
            riccati(model)
    else:
        assert float(riccati(model).matrix[0, 0]) == pytest.approx(root, rel=1e-9)


def test_a_growing_state_that_costs_nothing_is_let_grow():
    # the stabilising root, 0.95, would be the value under a constraint; u = 0 costs nothing
    assert float(riccati(scalar(0.5, state_cost=0.0)).matrix[0, 0]) == 0.0


@pytest.mark.parametrize("feedback", [0.02, 0.06])
def test_a_linear_reward_may_grow_at_less_than_the_discount_rate(feedback):
    model = scalar(feedback, state_cost=0.0, state_reward=1.0)
    if feedback > 0.05:
        with pytest.raises(ValueError, match="no finite value"):
            riccati(model)
    else:
        assert float(riccati(model).linear[0]) == pytest.approx(1.0 / (0.05 - feedback))


@pytest.mark.parametrize("feedback, finite", [(-1.0, True), (-0.6, False), (0.5, False)])
def test_a_state_that_is_rewarded_quadratically_must_decay(feedback, finite):
    # U = x^2/4 - u^2/2: real roots for (A - delta/2)^2 >= 1/2
    model = scalar(feedback, state_cost=-0.5)
    if finite:
        a = feedback - 0.025
        assert float(riccati(model).matrix[0, 0]) == pytest.approx(a + np.sqrt(a**2 - 0.5), rel=1e-9)
    else:
        with pytest.raises(ValueError, match="no finite value"):
            riccati(model)


def test_costs_of_longer_and_longer_horizons_tend_to_the_root():
    form = draw(8, 3, 2, 3, doubt=0.3).quadratic_form()
    inverse = np.linalg.inv(form.control_cost)
    a = form.transition - form.loading @ inverse @ form.cross_cost.T - 0.5 * form.discount_rate * np.eye(3)
    gain = form.loading @ inverse @ form.loading.T - form.doubt
    cost = form.state_cost - form.cross_cost @ inverse @ form.cross_cost.T
    flow = scipy.linalg.expm(np.block([[-a, gain], [cost, a.T]]) * 0.05)
    root = np.zeros((3, 3))
    for _ in range(4000):
        joined = flow @ np.concatenate([np.eye(3), root])
        root = joined[3:] @ np.linalg.inv(joined[:3])
    np.testing.assert_allclose(form.solve().matrix, root, rtol=1e-8)


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"control_cost": [[-1.0]]}, "`control_cost` is .*positive definite"),
        ({"state_cost": [1.0]}, "`state_cost` has shape"),
        ({"volatility": [[1.0], [1.0]]}, "`volatility` has shape.*1 rows"),
        ({"half_width": 0.0}, "`half_width` is 0.0"),
    ],
)
def test_matrices_that_do_not_fit_are_refused(changes, words):
    fields = {
        "transition": [[0.0]],
        "loading": [[1.0]],
        "state_cost": [[1.0]],
        "control_cost": [[1.0]],
        "volatility": [[1.0]],
    }
    with pytest.raises(ValueError, match=words):
        QuadraticRegulator(**(fields | changes))
