"""Solves that start from the solution of a nearby problem, and Newton steps down a feared jump."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import at_states

import abatax as ab
from abatax import HJBProblem, solve
from abatax.models import AKClimate, Ambiguity, LinearQuadratic, UncertainDamages
from abatax.solvers import FiniteDifference, result_name
from abatax.solvers.base import STALLED
from abatax.solvers.grid import Workspace, down_the_exponential
from abatax.solvers.solution import Near

COARSE, FINE = FiniteDifference(points=81), FiniteDifference(points=161)
FEARED = UncertainDamages(ambiguity=Ambiguity.from_penalties(jumps=0.3, shocks=1.0))


@pytest.fixture(scope="module")
def coarse():
    return solve(HJBProblem(FEARED), COARSE)


@pytest.fixture(scope="module")
def cold():
    return solve(HJBProblem(FEARED), FINE)


@pytest.mark.slow
def test_every_regime_starts_from_its_own(coarse, cold):
    """The answer is that of the grid, wherever it starts; only the last stage is left to do."""
    warm = solve(HJBProblem(FEARED), FINE, guess=coarse)
    x = np.linspace(1.0, 1.9, 7)[:, None]
    np.testing.assert_allclose(at_states(warm, x)[0], at_states(cold, x)[0], rtol=1e-9)
    for part, other in ((warm, cold), (warm.destinations[0], cold.destinations[0])):
        assert part.stats["steps_first_order"] == 0 < other.stats["steps_first_order"]
        assert part.stats["steps"] < other.stats["steps"] and not part.stats["guess_dropped"]


@pytest.mark.slow
def test_where_the_guess_has_other_outcomes_that_regime_starts_anew(coarse):
    fewer = UncertainDamages(ambiguity=FEARED.ambiguity, damage_jump=ab.models.DamageJump(np.linspace(0.0, 0.3, 5)))
    warm = solve(HJBProblem(fewer), COARSE, guess=coarse)
    assert warm.stats["steps_first_order"] == 0 < warm.destinations[0].stats["steps_first_order"]


def test_beyond_its_box_a_solution_is_straightened_and_mended():
    problem, solver = HJBProblem(LinearQuadratic()), FiniteDifference(points=41)
    wide = problem.replace(box={"state": (-4.0, 4.0)})
    warm = solve(wide, solver, guess=solve(problem, solver))
    assert warm.stats["steps_first_order"] > 0
    x = np.linspace(-3.5, 3.5, 9)[:, None]
    np.testing.assert_allclose(at_states(warm, x)[0], at_states(solve(wide, solver), x)[0], atol=1e-10)


@pytest.mark.slow
def test_networks_may_start_from_a_grid():
    problem = HJBProblem(LinearQuadratic())
    guess = solve(problem, FiniteDifference(points=41))
    network = solve(problem, ab.solvers.GaussNewton(parameters=40, steps=40, start=0), guess=guess, throw=False)
    x = np.linspace(-2.5, 2.5, 9)[:, None]
    np.testing.assert_allclose(
        at_states(network, x)[0], at_states(guess, x)[0], atol=1e-3 * np.ptp(at_states(guess, x)[0])
    )


@pytest.mark.slow
def test_a_grid_may_start_from_networks():
    problem, solver = HJBProblem(LinearQuadratic()), FiniteDifference(points=41)
    network = solve(problem, ab.solvers.GaussNewton(parameters=40, steps=40), throw=False)
    refined = solve(problem, solver, guess=network)
    assert refined.stats["steps_first_order"] == 0 and not refined.stats["guess_dropped"]
    x = np.linspace(-2.5, 2.5, 9)[:, None]
    np.testing.assert_allclose(at_states(refined, x)[0], at_states(solve(problem, solver), x)[0], atol=1e-10)


class Wandering(FiniteDifference):
    """Stalls on so many nodes or more, unless it has a solution to refine."""

    many: int = 41

    def init(self, problem, family, key, guess):
        state, workspace = super().init(problem, family, key, guess)
        wanders = min(self.counts(problem)) >= self.many and not isinstance(guess, Near)
        return state._replace(status=np.array(STALLED)) if wanders else state, workspace


def test_what_wanders_is_refined_from_half_the_cells():
    problem, x = HJBProblem(LinearQuadratic()), np.linspace(-2.5, 2.5, 9)[:, None]
    solution, known = solve(problem, Wandering(points=41)), solve(problem, FiniteDifference(points=41))
    assert solution.stats["refined"] and not known.stats["refined"]
    np.testing.assert_allclose(at_states(solution, x)[0], at_states(known, x)[0], atol=1e-10)


def test_what_wanders_on_half_the_cells_too_says_so():
    solution = solve(HJBProblem(LinearQuadratic()), Wandering(points=41, many=11), throw=False)
    assert result_name(solution.result) == "stalled" and not solution.stats["refined"]


class Timid(FiniteDifference):
    """Diverges for every planner who is more averse than `most`, unless it starts from a planner nearly as averse."""

    most: float = 0.3
    steps: float = 0.3

    def init(self, problem, family, key, guess):
        state, workspace = super().init(problem, family, key, guess)
        aversion = float(problem.model.ambiguity.shocks.max())
        known = float(guess.solution.problem.model.ambiguity.shocks.max()) if isinstance(guess, Near) else 0.0
        diverges = aversion > max(self.most, known + self.steps + 1e-12)
        return state._replace(status=np.array(STALLED)) if diverges else state, workspace


def test_an_averse_planner_is_reached_from_milder_ones():
    model = LinearQuadratic(ambiguity=ab.models.Ambiguity.from_penalties(shocks=1.0))
    problem, x = HJBProblem(model), np.linspace(-2.5, 2.5, 9)[:, None]
    solution, known = solve(problem, Timid(points=41)), solve(problem, FiniteDifference(points=41))
    # half the aversion diverges from flat, a quarter does not; from there steps of a quarter
    assert solution.stats["continued"] == [0.25, 0.5, 0.75, 1.0] and solution.stats["refined"]
    assert known.stats["continued"] == []
    np.testing.assert_allclose(at_states(solution, x)[0], at_states(known, x)[0], atol=1e-10)


def test_where_no_milder_planner_converges_the_first_result_is_kept():
    model = LinearQuadratic(ambiguity=ab.models.Ambiguity.from_penalties(shocks=1.0))
    solution = solve(HJBProblem(model), Timid(points=41, most=0.0, steps=0.0), throw=False)
    assert result_name(solution.result) == "stalled" and solution.stats["continued"] == []


def test_half_the_cells_still_resolve_kinks():
    problem = HJBProblem(FEARED)
    assert FiniteDifference(points=161).coarser(problem).points == (81,)
    fewest = FiniteDifference().fewest(problem)
    assert FiniteDifference(points=fewest).coarser(problem) is None
    assert FiniteDifference(points=161, order=1).coarser(problem) is None


def test_a_solution_of_another_model_is_no_guess():
    guess = solve(HJBProblem(LinearQuadratic()), FiniteDifference(points=41))
    with pytest.raises(ValueError, match="solution of another model; give one with the states log_capital"):
        solve(HJBProblem(AKClimate()), guess=guess)


@pytest.mark.parametrize(("height", "most"), [(1.0, 5), (20.0, 6), (300.0, 18)])
def test_few_steps_come_down_the_exponential(height, most):
    r"""$0 = c - \delta v + \tfrac\lambda a(1 - e^{av})$, from `height` penalties above its root: not `height` steps."""
    delta, rate, aversion, constant = 0.01, 1.0, 10.0, 0.2

    def residual(v):
        return constant - delta * v + rate / aversion * -np.expm1(aversion * v)

    v, steps = height / aversion, 0
    while abs(residual(v)) > 1e-12 and steps < 50:
        tangent = -delta - rate * np.exp(aversion * v)
        slope = down_the_exponential(*(np.array([[z]]) for z in (tangent, residual(v), delta, aversion)))
        v, steps = v - residual(v) / slope[0, 0], steps + 1
    assert steps <= most


def test_without_fear_the_tangent_is_kept():
    discount, residual = -np.array([[0.01, 5.0, 5.0]]), np.array([[-1.0, -1.0, 2.0]])
    none = down_the_exponential(discount, residual, np.array([[0.01]]), np.array([[0.0]]))
    np.testing.assert_array_equal(none, discount)
    some = down_the_exponential(discount, residual, np.array([[0.01]]), np.array([[1.0]]))
    np.testing.assert_array_equal(some[0, [0, 2]], discount[0, [0, 2]])


@pytest.mark.slow
def test_a_cautious_planner_is_solved_in_fewer_steps_than_by_tangents(cold, monkeypatch):
    """Measured: 13 for 16 steps at a penalty of 0.3; with 0.1, 31 for 40."""
    monkeypatch.setattr(Workspace, "lengthened", lambda self, local: local)
    tangents = solve(HJBProblem(FEARED), FINE)
    assert cold.stats["steps"] < tangents.stats["steps"]
    x = np.linspace(1.0, 1.9, 7)[:, None]
    np.testing.assert_allclose(at_states(cold, x)[0], at_states(tangents, x)[0], rtol=1e-9)


def test_splines_are_differentiated_where_they_are_asked():
    """Slopes of a slope by automatic differentiation are the second derivatives, inside and at knots."""
    spline = ab.solvers.TensorSpline.interpolate((np.linspace(0.0, 1.0, 9),), np.sin(3.0 * np.linspace(0.0, 1.0, 9)))
    state = type(LinearQuadratic().states)
    for z in (0.11, 0.5, 0.93):
        moved = ab.models.derivatives(jnp.zeros(()), state(jnp.asarray(z)), spline)
        third = jax.grad(lambda y: spline.derivatives(jnp.zeros(()), state(y))[1][0])(jnp.asarray(z))
        np.testing.assert_allclose(third, moved[2][0, 0], rtol=1e-10)
