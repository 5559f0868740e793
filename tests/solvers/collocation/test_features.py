"""Policy iteration on features: exact where the features contain the answer, in few or in fifty states."""

import importlib.util
import itertools as it
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import (
    TIME,
    ak_reference,
    at_states,
    check_resumed,
    quadratic_guess,
    small_model,
    stabilising_root,
)
from one_state_cases import Cliff

import abatax as ab
from abatax import HJBProblem, solve
from abatax.models import AKClimate, Ambiguity, LinearQuadratic
from abatax.solvers import Features, FeatureValue, result_name
from abatax.solvers.collocation import combine, count_products, make_features, operate, truncated
from abatax.validation import AKExact, quantities, relative_errors

EXACT = 1e-8  # features contain the solution: rounding over the discount rate


def compare(solution, points, tolerance=EXACT):
    root, constant = stabilising_root(solution.problem.model)
    value, slope, _, control = at_states(solution, points)
    np.testing.assert_allclose(value, -0.5 * np.einsum("na,ab,nb->n", points, root, points) - constant, atol=tolerance)
    np.testing.assert_allclose(slope, -points @ root, atol=tolerance)
    np.testing.assert_allclose(np.stack(control, axis=-1), -points @ root, atol=tolerance)


# -- features -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("random, interactions", [(0, 2), (6, 0)])
def test_derivatives_are_those_of_the_value(random, interactions):
    region, domain = ((0.0, 2.0), (-1.0, 1.0), (0.0, 1.0)), ((0.0, 6.0), (-1.0, 1.0), (-2.0, 2.0))
    features = make_features(region, domain, 4, random, interactions, 3)
    count = len(features.axes) + len(features.weights)
    rng = np.random.default_rng(0)
    value = FeatureValue(jnp.asarray(rng.standard_normal(count)), jax.tree.map(jnp.asarray, features))
    state = type(LinearQuadratic(dimension=3).states)

    def plain(z):
        return value(TIME, state(*z))

    points = rng.uniform(*np.array(domain).T, (4, 3))
    discount, drift, variance = rng.standard_normal(4), rng.standard_normal((4, 3)), rng.standard_normal((4, 3, 3))
    rows = operate(features, features.parts(points, np), discount, drift, variance) @ np.asarray(value.coefficients)

    @jax.jit
    def both(z):
        return value.derivatives(TIME, state(*z)), (plain(z), jax.grad(plain)(z), jax.hessian(plain)(z))

    for n, z in enumerate(map(jnp.asarray, points)):
        found, automatic = both(z)
        for one, other in zip(found, automatic, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-8)
        v, p, m = found
        # the row of the linear system says the same
        expected = discount[n] * v + drift[n] @ p + np.sum(variance[n] * m)
        np.testing.assert_allclose(rows[n], expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("dimension, degree, interactions", [(1, 5, 1), (3, 4, 3), (3, 4, 2), (50, 4, 1), (10, 3, 2)])
def test_number_of_products(dimension, degree, interactions):
    features = make_features(((-1.0, 1.0),) * dimension, ((-1.0, 1.0),) * dimension, degree, 0, interactions, 0)
    assert len(features.axes) == count_products(dimension, degree, interactions)
    if dimension < 4:
        powers = it.product(range(degree + 1), repeat=dimension)
        wanted = sum(sum(p) <= degree and sum(q > 0 for q in p) <= interactions for p in powers)
        assert len(features.axes) == wanted


def test_random_features_depend_on_few_states():
    features = make_features(((-1.0, 1.0),) * 6, ((-1.0, 1.0),) * 6, 2, 100, 2, 0)
    assert set(np.sum(features.weights != 0.0, axis=1)) == {1, 2}


def test_least_squares_of_a_singular_matrix():
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((30, 5))
    matrix = np.concatenate([matrix, matrix[:, :1] * 1e6, np.zeros((30, 1))], axis=1)
    right = matrix[:, :5] @ np.arange(5.0)
    np.testing.assert_allclose(matrix @ truncated(matrix, right), right, atol=1e-9)
    assert np.all(np.isnan(truncated(matrix * np.nan, right)))


# -- the linear-quadratic regulator -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("penalty", [np.inf, 0.2])
@pytest.mark.parametrize("dimension, solver", [(1, Features(degree=4)), (2, Features(degree=3, random=10))])
@pytest.mark.representative("1-solver0-inf")
def test_quadratic_is_exact(dimension, solver, penalty):
    model = LinearQuadratic(dimension=dimension, ambiguity=Ambiguity(shocks=1.0 / penalty))
    solution = solve(HJBProblem(model), solver)
    compare(solution, np.random.default_rng(0).uniform(-3.0, 3.0, (50, dimension)), 1e-7)


@pytest.mark.slow
def test_ten_states_with_distrust():
    model = LinearQuadratic(dimension=10, ambiguity=Ambiguity(shocks=2.0))
    solution = solve(HJBProblem(model), Features(degree=4, interactions=1))
    assert solution.stats["unknowns"] == 41 and solution.stats["steps_monotone"] == 0
    compare(solution, np.random.default_rng(0).uniform(-3.0, 3.0, (50, 10)))


@pytest.mark.slow
def test_fifty_states():
    solution = solve(HJBProblem(LinearQuadratic(dimension=50)), Features(degree=3, interactions=1))
    root, _ = stabilising_root(solution.problem.model)
    points, features = np.random.default_rng(0).uniform(-3.0, 3.0, (50, 50)), solution.value.features
    features = jax.tree.map(np.asarray, features)  # on the host: nothing to compile
    slopes = combine(features, features.parts(points, np), np.asarray(solution.value.coefficients), np)[1]
    np.testing.assert_allclose(slopes, -points @ root, atol=EXACT)


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("curvature", [-0.975, -5.0, 30.0])
def test_wrong_roots_are_not_believed(start, curvature):
    guess = quadratic_guess([[curvature]])
    solution = solve(HJBProblem(LinearQuadratic()), Features(degree=4, start=start), guess=guess, throw=False)
    if start:
        assert solution.converged
    if solution.converged:
        compare(solution, np.linspace(-3.0, 3.0, 50)[:, None], 1e-7)


def test_utility_that_is_not_a_number_is_a_result():
    solution = solve(HJBProblem(Cliff(jnp.asarray(0.7))), Features(degree=4), throw=False)
    assert result_name(solution.result) == "nonfinite"


# -- against exact and other solutions -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "solver, tolerance",
    [
        pytest.param(Features(degree=20), 1e-5, marks=pytest.mark.slow),
        (Features(degree=20, interactions=1), 2e-5),
        (Features(random=250), 2e-5),
    ],
)
@pytest.mark.slow
def test_climate_economy_in_two_states(solver, tolerance):
    temperature = np.linspace(0.1, 4.0, 40)
    slope, emissions = ak_reference(temperature)
    solution = solve(HJBProblem(AKClimate(productivity=None)), solver)
    _, found, _, control = at_states(solution, np.stack([np.linspace(4.1, 8.9, 40), temperature], axis=-1))
    np.testing.assert_allclose(control.emissions, emissions, rtol=tolerance)
    np.testing.assert_allclose(found[:, 1], slope, rtol=tolerance)
    np.testing.assert_allclose(found[:, 0], 0.968, rtol=1e-6)
    assert solution.stats["unresolved"] < 2e-6


@pytest.mark.slow
def test_more_degrees_are_better():
    temperature = np.linspace(0.3, 3.9, 40)
    points, errors = np.stack([np.full(40, 6.0), temperature], axis=-1), []
    for degree in (6, 12):
        solution = solve(HJBProblem(AKClimate(productivity=None)), Features(degree=degree, interactions=1))
        errors.append(np.max(np.abs(at_states(solution, points)[3].emissions / ak_reference(temperature)[1] - 1.0)))
    assert errors[1] < 0.1 * errors[0]


@pytest.mark.slow
def test_three_states_with_random_features():
    model = AKClimate(productivity=ab.models.Productivity(cost=0.05))
    solution = solve(HJBProblem(model), Features(random=400))
    exact, rng = AKExact(model), np.random.default_rng(0)
    z = np.stack([rng.uniform(4, 9, 30), rng.uniform(0.1, 4.0, 30), rng.uniform(-0.1, 0.1, 30)], axis=-1)
    errors = relative_errors(*(quantities(solution.problem, v, jnp.asarray(z)) for v in (solution.value, exact)))
    assert errors["emissions"][0] < 2e-5


@pytest.mark.slow
def test_six_states_of_an_additive_value_from_the_slopes_at_the_faces():
    # benchmarks/regions.py: only the additive structure is declared
    spec = importlib.util.spec_from_file_location("regions", Path(__file__).parents[3] / "benchmarks" / "regions.py")
    assert spec is not None and spec.loader is not None
    regions = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(regions)
    solution = solve(HJBProblem(regions.make(5)), Features(degree=12, interactions=1))
    found = regions.errors(solution)
    assert max(found[name][1] for name in ("V_k", "V_y", "e", "i")) < 1e-5
    assert found["e"][2] > 0.1  # what a constant policy would score


@pytest.mark.slow
def test_kinks_are_flagged_or_accurate():
    # twenty smooth features cannot follow the layer at a kink: whatever is called converged must be near the truth
    model = small_model("uncertain_damages", Ambiguity.from_penalties(shocks=1.0, jumps=1.0, climate=0.01))
    solution = solve(HJBProblem(model), Features(degree=24), throw=False)
    points = np.linspace(0.2, 2.2, 41)[:, None]
    reference = at_states(solve(HJBProblem(model), ab.solvers.FiniteDifference(points=161)), points)[3].emissions
    error = np.max(np.abs(at_states(solution, points)[3].emissions / reference - 1.0))
    assert error < 0.05 or not solution.converged


# -- checkpoints and options ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dimension, stop", [(1, 4), (1, 14), (6, 7)])
@pytest.mark.representative("1-4", "1-14")
def test_interrupted_and_resumed_is_the_same(tmp_path, dimension, stop):
    problem, solver = HJBProblem(LinearQuadratic(dimension=dimension)), Features(degree=3, random=5, interactions=1)
    check_resumed(problem, solver, stop, tmp_path)


@pytest.mark.parametrize(
    "fields, words",
    [
        ({"degree": -1}, "`solver.degree` is -1; it must be a whole number >= 0"),
        ({"random": -1}, "`solver.random` is -1"),
        ({"interactions": -2}, "`solver.interactions` is -2"),
        ({"seed": -2}, "`solver.seed` is -2"),
        ({"oversampling": 0.5}, "`solver.oversampling` is 0.5; it must be between 1 and 1000"),
        ({"start": 2}, "`solver.start` is 2; it must be 0 or 1"),
        ({"tolerance": 0.0}, "`solver.tolerance` is 0.0; it must be > 0"),
    ],
)
def test_wrong_options_are_named(fields, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        Features(**fields)


@pytest.mark.parametrize(
    "solver, dimension, words",
    [
        (
            Features(degree=8),
            20,
            "`solver.degree` is 8: with 20 states and `solver.interactions` = 0 that makes 3108105",
        ),
        (Features(interactions=3), 2, "`solver.interactions` is 3; the problem has 2 states"),
    ],
)
def test_options_that_do_not_fit_the_problem_are_named(solver, dimension, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        solve(HJBProblem(LinearQuadratic(dimension=dimension)), solver)
