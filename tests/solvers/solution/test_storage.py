"""Solutions of every solver come back from a folder to the last bit."""

import dataclasses
import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import TIME, small_model

import abatax as ab
from abatax.models import LinearQuadratic
from abatax.solvers import DeepGalerkin, Features, FiniteDifference, GaussNewton, PolicyIteration, Spectral
from abatax.solvers.solution import describe, restore

SOLVED = {
    "finite differences": (LinearQuadratic(), FiniteDifference(points=21)),
    "polynomials": (LinearQuadratic(), Spectral(points=9)),
    "features of five states": (LinearQuadratic(dimension=5), Features(degree=4, interactions=1)),
    "a network of five states": (LinearQuadratic(dimension=5), GaussNewton(parameters=60, steps=1, coarse=0)),
    "a network on a grid": (LinearQuadratic(), GaussNewton(parameters=60, points=64, steps=1, coarse=9)),
    "a trained policy": (LinearQuadratic(), PolicyIteration(parameters=60, points=64, batch=64, steps=1, inner=2)),
    "stochastic training": (LinearQuadratic(), DeepGalerkin(parameters=40, steps=1, inner=2)),
    "regimes after a jump": (small_model("uncertain_damages"), FiniteDifference(points=21, levels=2)),
}


@functools.cache
def solved(case):
    model, solver = SOLVED[case]
    return ab.solve(ab.HJBProblem(model), solver, throw=False)


def leaves_of(solution):
    parts = (solution.value, solution.rule, solution.problem, solution.nodes)
    return jax.tree.leaves(eqx.filter(parts, eqx.is_array_like))


@pytest.mark.parametrize("case", SOLVED)
@pytest.mark.representative("finite", "trained policy")
def test_a_solution_comes_back_to_the_last_bit(case, tmp_path):
    solution, (model, solver) = solved(case), SOLVED[case]
    ab.save(solution, tmp_path, solver=solver)
    again, run = ab.load(tmp_path)
    assert ab.solvers.solution_fingerprint(again) == run["solution_fingerprint"]
    assert jax.tree.structure((again.value, again.rule)) == jax.tree.structure((solution.value, solution.rule))
    for part, other in zip((again, *again.later), (solution, *solution.later), strict=True):
        for leaf, kept in zip(leaves_of(part), leaves_of(other), strict=True):
            np.testing.assert_array_equal(leaf, kept)
    x = model.initial_state()
    here, there = again.at(TIME, x), solution.at(TIME, x)
    assert eqx.tree_equal(here, there)


def test_a_trained_policy_is_the_policy_of_the_solution():
    solution = solved("a trained policy")
    x = LinearQuadratic().initial_state()
    greedy = ab.solvers.Policy(solution.problem, solution.value)
    trained = solution.policy(TIME, x).control
    for control in (solution.rule.at(jnp.stack(x))[0], solution.at(TIME, x).controls.control):
        assert float(control) == pytest.approx(float(trained), rel=1e-12)
    assert abs(float(trained - greedy(TIME, x).control)) > 1e-6
    # and it is what paths follow
    paths = ab.simulate(solution, years=1, shocks=False)
    assert float(paths.controls.control[0, 0]) == pytest.approx(float(trained), rel=1e-12)


def test_a_record_of_a_state_agrees_with_the_closed_form():
    model = LinearQuadratic()
    solution = ab.solve(ab.HJBProblem(model), FiniteDifference(points=41))
    here = solution.at(TIME, type(model.states)(jnp.array(0.7)))
    curvature = 1.025312  # of the stabilising root of the Riccati equation
    np.testing.assert_allclose(here.slopes.state, -curvature * 0.7, rtol=1e-6)
    np.testing.assert_allclose(here.bends, [[-curvature]], rtol=1e-6)
    np.testing.assert_allclose(here.residual, 0.0, atol=1e-8)
    assert here.social_cost_of_carbon is None
    rows = solution.on(jnp.array([[0.7]]))
    np.testing.assert_allclose(rows["control"], here.controls.control, rtol=1e-14)


def test_what_is_defined_inside_a_function_cannot_be_written():
    solution = solved("finite differences")

    odd = dataclasses.replace(solution, value=lambda t, x: -(x.state**2))
    with pytest.raises(ValueError, match="unknown|cannot be written"):
        describe(odd, {})


@pytest.mark.parametrize("change", ["class", "field", "array", "result"])
def test_a_description_that_was_changed_is_refused(change):
    solution = solved("finite differences")
    arrays: dict[str, np.ndarray] = {}
    about = describe(solution, arrays)
    if change == "class":
        about["value"]["module"] = "os:PathLike"
    elif change == "field":
        del about["value"]["fields"]
    elif change == "array":
        arrays.clear()
    else:
        about["result"] = "perfect"
    with pytest.raises((ValueError, KeyError, AttributeError)):
        restore(ab.HJBProblem(LinearQuadratic()), about, arrays)
