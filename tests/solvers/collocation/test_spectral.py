"""Chebyshev collocation: exact on quadratics, spectral on smooth values, and in agreement with finite differences."""

import re

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
from abatax.solvers import Features, FiniteDifference, Spectral, make_solver, result_name
from abatax.solvers.collocation import Polynomials
from abatax.solvers.solution import chebyshev_axis, chebyshev_values
from abatax.validation import AKExact, quantities, relative_errors

EXACT = 1e-9  # polynomials contain the solution: rounding over the discount rate


def line(values):
    return np.asarray(values, dtype=float)[:, None]


# -- polynomials ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("margin, kinks", [(0.0, ()), (3.0, ()), (0.0, (0.3,)), (1.0, (0.3, 0.9))])
@pytest.mark.representative("kinks0", "kinks3")
def test_value_and_derivatives_between_the_nodes(margin, kinks):
    # one state with every kind of axis, times one without; a smooth function is met to many digits
    first = chebyshev_axis((0.0, 2.0), (0.0, 2.0 + margin), 25, kinks, 2)
    second = chebyshev_axis((-1.0, 1.0), (-1.0, 1.0), 13, (), 1)
    x, y = np.meshgrid(first.nodes, second.nodes, indexing="ij")
    grid = (np.sin(x) * np.exp(0.5 * y))[None]
    value, basis = chebyshev_values((first, second), grid).of_member(0), Polynomials((first, second))
    rng = np.random.default_rng(0)
    state = type(LinearQuadratic(dimension=2).states)
    for a, b in np.stack([rng.uniform(0.0, 2.0 + margin, 20), rng.uniform(-1.0, 1.0, 20)], axis=-1):
        point = state(jnp.asarray(a), jnp.asarray(b))
        v, p, m = value.derivatives(TIME, point)
        s, c, e = np.sin(a), np.cos(a), np.exp(0.5 * b)
        np.testing.assert_allclose(v, s * e, atol=1e-10)
        np.testing.assert_allclose(value(TIME, point), v, atol=1e-14)
        np.testing.assert_allclose(p, [c * e, 0.5 * s * e], atol=1e-8)
        np.testing.assert_allclose(m, [[-s * e, 0.5 * c * e], [0.5 * c * e, 0.25 * s * e]], atol=1e-6)
        np.testing.assert_allclose(value.resample((np.array([a]), np.array([b])))[0, 0], v, atol=1e-12)
        for one, other in zip(basis.differentiate_at(grid.reshape(1, -1), np.array([[a, b]])), (v, p, m), strict=True):
            np.testing.assert_allclose(one[0, 0], other, atol=1e-7)


def test_axis_has_kinks_and_ends_as_nodes():
    axis = chebyshev_axis((0.0, 2.5), (0.0, 3.5), 7, (1.5,), 3)
    assert axis.nodes[0] == 0.0 and axis.nodes[-1] == 3.5 and 1.5 in axis.nodes
    assert np.all(np.diff(axis.nodes) > 0) and axis.degree == 6
    np.testing.assert_allclose(axis.first @ axis.nodes**2, 2.0 * axis.nodes, atol=1e-9)
    # the slope of |x - 1.5| jumps by two at the kink and nowhere else
    expected = np.where(axis.nodes[list(axis.joints)] == 1.5, 2.0, 0.0)
    np.testing.assert_allclose(axis.jumps @ np.abs(axis.nodes - 1.5), expected, atol=1e-9)


# -- the linear-quadratic regulator -----------------------------------------------------------------------------------


@pytest.mark.parametrize("penalty", [np.inf, 0.2])
@pytest.mark.parametrize("dimension, start", [(1, 1), (2, 1), (1, 0)])
@pytest.mark.representative("1-1-inf")
def test_quadratic_is_exact(dimension, penalty, start):
    model = LinearQuadratic(dimension=dimension, ambiguity=Ambiguity(shocks=1.0 / penalty))
    solution = solve(HJBProblem(model), Spectral(points=5, start=start))
    root, constant = stabilising_root(model)
    points = np.random.default_rng(0).uniform(-3.0, 3.0, (50, dimension))
    value, slope, _, control = at_states(solution, points)
    np.testing.assert_allclose(value, -0.5 * np.einsum("na,ab,nb->n", points, root, points) - constant, atol=EXACT)
    np.testing.assert_allclose(slope, -points @ root, atol=EXACT)
    np.testing.assert_allclose(np.stack(control, axis=-1), -points @ root, atol=EXACT)


@pytest.mark.parametrize("curvature", [-0.975, -5.0, 30.0])
def test_guess_does_not_decide_the_root(curvature):
    solution = solve(HJBProblem(LinearQuadratic()), Spectral(points=5), guess=quadratic_guess([[curvature]]))
    x = line([-2.0, 1.0])
    np.testing.assert_allclose(at_states(solution, x)[1], -1.025312423 * x, atol=1e-8)


def test_spurious_root_is_not_believed():
    # without the monotone start the guess is a zero of the residual; the drift that leaves the box gives it away
    shift = 2.0 * 0.05 - 0.05
    spurious = 0.5 * (shift - np.sqrt(shift**2 + 4.0))
    solver, problem = Spectral(points=5, start=0), HJBProblem(LinearQuadratic())
    solution = solve(problem, solver, guess=quadratic_guess([[spurious]]), throw=False)
    # the driver drops such a guess, and implicit time steps from a flat one find the value function
    assert solution.stats["guess_dropped"] or not solution.converged
    if solution.converged:
        np.testing.assert_allclose(at_states(solution, line([1.0]))[1], -1.025312, atol=1e-6)


def test_utility_that_is_not_a_number_is_a_result():
    solution = solve(HJBProblem(Cliff(jnp.asarray(0.7))), Spectral(points=9), throw=False)
    assert result_name(solution.result) == "nonfinite"


def test_too_few_steps_keep_the_monotone_solution():
    solution = solve(HJBProblem(LinearQuadratic()), Spectral(points=5), max_steps=3, throw=False)
    assert result_name(solution.result) == "max_steps_reached"
    assert np.all(np.isfinite(at_states(solution, line([0.5]))[0]))


@pytest.mark.slow
def test_too_few_points_are_unresolved():
    # damages that turn at a fifth of a degree, seen by a cubic
    model = AKClimate(productivity=None)
    rough = solve(HJBProblem(model), Spectral(points=(4, 4)), throw=False)
    assert result_name(rough.result) == "unresolved" and "more points" in rough.advice


# -- spectral convergence ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_error_falls_geometrically():
    problem, temperature = HJBProblem(AKClimate(productivity=None), extension=1.5), np.linspace(0.3, 3.9, 40)
    points = np.stack([np.full(40, 6.0), temperature], axis=-1)
    slope, emissions = ak_reference(temperature)
    counts, errors = np.array([9, 13, 17, 21]), []
    for count in counts:
        found = at_states(solve(problem, Spectral(points=(4, int(count)))), points)
        errors.append([np.max(np.abs(found[1][:, 1] / slope - 1)), np.max(np.abs(found[3].emissions / emissions - 1))])
    decay = -np.polyfit(counts, np.log(errors), 1)[0]  # per node; a measured 0.5
    assert np.all(decay > 0.35)
    assert np.all(np.array(errors[-1]) < 1e-5)


@pytest.mark.slow
def test_three_states():
    model = AKClimate(productivity=ab.models.Productivity(cost=0.05))
    solution = solve(HJBProblem(model), Spectral(points=(4, 17, 13)))
    exact, rng = AKExact(model), np.random.default_rng(0)
    z = np.stack([rng.uniform(4, 9, 30), rng.uniform(0.2, 4.0, 30), rng.uniform(-0.1, 0.1, 30)], axis=-1)
    errors = relative_errors(*(quantities(solution.problem, v, jnp.asarray(z)) for v in (solution.value, exact)))
    assert errors["slope_temperature"][1] < 1e-5 and errors["emissions"][1] < 1e-5
    assert errors["slope_productivity"][1] < 1e-3  # e^{40 z} with thirteen nodes
    assert errors["investment"][1] < 1e-10


# -- families and kinks ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_agrees_with_finite_differences_across_a_kink_and_in_a_family():
    # each method's own error estimate is the difference of its two resolutions
    model = small_model("uncertain_damages", Ambiguity.from_penalties(shocks=1.0, jumps=1.0, climate=0.01))
    problem, points = HJBProblem(model), line(np.linspace(0.1, 2.4, 47))
    found = {}
    for name, solvers in {
        "spectral": (Spectral(points=9), Spectral(points=13)),
        "finite": (FiniteDifference(points=121), FiniteDifference(points=241)),
    }.items():
        solutions = [solve(problem, solver) for solver in solvers]
        found[name] = [at_states(s, points)[3].emissions for s in solutions]
        found[name, "after"] = [at_states(s.destinations[0].member(2), points + 1.0)[3].emissions for s in solutions]
    for key in ("spectral", ("spectral", "after")):
        other = "finite" if key == "spectral" else ("finite", "after")
        own, theirs = (np.max(np.abs(found[k][1] / found[k][0] - 1.0)) for k in (key, other))
        gap = np.max(np.abs(found[key][1] / found[other][1] - 1.0))
        assert gap < max(own, theirs) and gap < 1e-3


# -- checkpoints and options ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", [3, 14])
def test_interrupted_and_resumed_is_the_same(tmp_path, stop):
    problem, solver = HJBProblem(LinearQuadratic()), Spectral(points=5)
    check_resumed(problem, solver, stop, tmp_path)


@pytest.mark.parametrize(
    "fields, words",
    [
        ({"points": 3}, "`solver.points` is 3; it must be at least 4"),
        ({"points": (9, 2)}, "`solver.points` is 2"),
        ({"refinement": 0}, "`solver.refinement` is 0; it must be a whole number >= 1"),
        ({"start": 2}, "`solver.start` is 2; it must be 0 or 1"),
        ({"tolerance": 0.0}, "`solver.tolerance` is 0.0; it must be > 0"),
    ],
)
def test_wrong_options_are_named(fields, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        Spectral(**fields)


def test_wrong_number_of_counts_is_named():
    with pytest.raises(ValueError, match=r"`solver\.points` has 2 entries; the problem has 1 states"):
        solve(HJBProblem(LinearQuadratic()), Spectral(points=(5, 5)))


def test_names_and_options_of_the_command_line():
    assert make_solver("spectral", {"points": "9,13", "refinement": 2}) == Spectral(points=(9, 13), refinement=2)
    assert make_solver("finite_difference", {"leaning": "true"}).leaning is True
    with pytest.raises(ValueError, match="`solver.leaning` is 'maybe'; it must be true or false"):
        make_solver("finite_difference", {"leaning": "maybe"})
    assert make_solver("features", {"random": "40", "interactions": "1"}) == Features(random=40, interactions=1)


@pytest.mark.slow
def test_saved_and_read_back(tmp_path):
    solver = Spectral(points=(4, 17))
    solution = solve(HJBProblem(AKClimate(productivity=None)), solver)
    ab.save(solution, tmp_path, solver=solver)
    again, run = ab.load(tmp_path)
    assert run["solver"]["name"] == "spectral" and run["converged"]
    points = np.stack([np.full(20, 6.0), np.linspace(0.2, 3.9, 20)], axis=-1)
    # splines of degree five through twice the nodes
    np.testing.assert_allclose(at_states(again, points)[1], at_states(solution, points)[1], rtol=1e-4)
