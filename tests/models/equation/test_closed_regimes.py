"""Regimes known in closed form, boxes that reach other regimes, preferences a model was not derived for."""

import dataclasses

import equinox as eqx
import jax.numpy as jnp
import pytest
from jaxtyping import Array, Float

import abatax as ab
from abatax.models import AbstractValue, EpsteinZin, HJBProblem, Jump, LinearQuadratic


class _Constant(AbstractValue):
    level: Float[Array, "..."]

    def __call__(self, t, x):
        return self.level

    def derivatives(self, t, x):
        n = len(x)
        return self.level, jnp.zeros(n), jnp.zeros((n, n))


class _Rescued(LinearQuadratic):
    """Linear-quadratic until an event of constant intensity, after which the value is a known constant."""

    rescue: Float[Array, "..."] = eqx.field(default_factory=lambda: jnp.asarray(0.2))
    level: Float[Array, "..."] = eqx.field(default_factory=lambda: jnp.asarray(-3.0))
    phase: str = eqx.field(static=True, default="waiting")

    @property
    def regime(self):
        return self.phase

    def jumps(self):
        if self.phase != "waiting":
            return ()
        saved = eqx.filter_vmap(lambda level: dataclasses.replace(self, level=level, phase="rescued"))
        levels = jnp.stack([self.level, self.level + 2.0])
        rate = self.rescue
        return (Jump(lambda t, x, u: rate, lambda x: x, jnp.full(2, 0.5), saved(levels), "rescue"),)

    def exact_value(self):
        return _Constant(self.level) if self.phase == "rescued" else None


def test_a_regime_known_in_closed_form_is_not_solved_and_counts_as_a_constant_reward():
    # delta V = F + L V + lambda (m - V): the linear-quadratic problem with discount delta + lambda, plus lambda m / (delta + lambda)
    model = _Rescued(volatility=0.3)
    solution = ab.solve(HJBProblem(model), ab.solvers.FiniteDifference(points=21))
    after = solution.destinations[0]
    assert after.stats["exact"] and after.stats["steps"] == 0
    rate, delta = float(model.rescue), float(model.preferences.discount_rate)
    plain = LinearQuadratic(volatility=0.3, preferences=ab.models.TimeAdditive(delta + rate))
    exact = ab.validation.exact_value(plain)
    t = jnp.zeros(())
    for z in (-1.5, 0.0, 2.0):
        x = type(model.states)(jnp.asarray(z))
        want = float(exact(t, x)) + rate * (-2.0) / (delta + rate)
        assert float(solution.value(t, x)) == pytest.approx(want, abs=1e-8)


class _Floor(AbstractValue):
    """A value without any array."""

    def __call__(self, t, x):
        return 0.0 * x[0] - 3.0

    def derivatives(self, t, x):
        n = len(x)
        return self(t, x), jnp.zeros(n), jnp.zeros((n, n))


class _Ruined(_Rescued):
    """The same with a value after the event that holds no array."""

    def exact_value(self):
        return _Floor() if self.phase == "rescued" else None


@pytest.mark.parametrize("kind", [_Rescued, _Ruined])
def test_a_solution_with_a_regime_in_closed_form_moves_to_other_nodes_and_is_a_guess(kind):
    problem = HJBProblem(kind(volatility=0.3))
    coarse, fine = (ab.solve(problem, ab.solvers.FiniteDifference(points=points)) for points in (11, 21))
    moved, x = coarse.on_nodes_of(fine), problem.model.initial_state()
    assert [len(nodes) for nodes in moved.nodes] == [21]
    assert eqx.tree_equal(moved.destinations[0].value, coarse.destinations[0].value)
    assert float(moved.value(jnp.zeros(()), x)) == pytest.approx(float(coarse.value(jnp.zeros(()), x)), abs=1e-9)
    again = ab.solve(problem, ab.solvers.FiniteDifference(points=21), guess=coarse)
    assert not again.stats["guess_dropped"] and again.stats["steps"] <= fine.stats["steps"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [_Rescued, _Ruined])
def test_a_solution_with_a_regime_in_closed_form_is_validated_and_a_reference(kind):
    problem, solver = HJBProblem(kind(volatility=0.3)), ab.solvers.FiniteDifference(points=21)
    solution = ab.solve(problem, solver)
    report = ab.validate(solution, solver=solver)
    reference = ab.validation.reference(problem, solver, solution=solution)
    assert report["grid_error_control"] < 1e-8 and reference.errors["control"].largest < 1e-8


def test_a_box_reaches_the_regimes_that_had_the_same_one():
    problem = HJBProblem(_Rescued(), box={"state": (-2.0, 2.5)})
    solution = ab.solve(problem, ab.solvers.FiniteDifference(points=21))
    assert solution.destinations[0].problem.region == ((-2.0, 2.5),)


@pytest.mark.slow
def test_a_box_does_not_reach_regimes_with_a_region_of_their_own():
    problem = HJBProblem(ab.models.UncertainDamages(), box={"temperature": (0.0, 2.4)})
    solution = ab.solve(problem, ab.solvers.FiniteDifference(points=41))
    assert solution.destinations[0].problem.region == ((0.0, 5.0),)


def test_replace_keeps_the_states_that_box_does_not_name():
    problem = HJBProblem(LinearQuadratic(dimension=2), box={"state_1": (-2.0, 2.0)})
    assert problem.replace(box={"state_2": (-1.0, 1.0)}).region == ((-2.0, 2.0), (-1.0, 1.0))


@pytest.mark.parametrize("model", [ab.models.AKClimate, ab.models.UncertainDamages])
def test_preferences_a_model_was_not_derived_for_are_refused(model):
    with pytest.raises(ValueError, match=r"`preferences` is EpsteinZin.*TimeAdditive"):
        model(preferences=EpsteinZin(0.01, 1.5))
