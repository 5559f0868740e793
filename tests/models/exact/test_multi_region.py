"""Regions with a common temperature: separable values, rotated coordinates and spillovers."""

import pickle
import re
import subprocess
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import TIME, at_states, distrusting, on_points, small_model

import abatax as ab
from abatax import HJBProblem, solve
from abatax.models import Ambiguity, Derivatives, MultiRegion, Productivity
from abatax.models.exact import rotation_matrix
from abatax.solvers import Features, FiniteDifference
from abatax.solvers.collocation import combine
from abatax.validation import MultiRegionExact, exact_value, region_points

RESIDUAL = 1e-10  # per year over delta = 0.01: 1e-8 in the value
CONTROL = 1e-6  # the numerical maximiser's own tolerance
ROUNDING = 1e-12
UNEQUAL = {"weights": [1.0, 3.0], "vulnerability": [0.5, 1.5]}
MEAN = 1.25  # of vulnerability, by weight: with it everywhere the pieces are the same


@pytest.fixture(scope="module")
def exact():
    return MultiRegionExact(MultiRegion(**UNEQUAL))


def of(value, model):
    """The exact value from the same pieces, for more regions or in other coordinates; vulnerability must have their mean."""
    shares = model.shares
    assert model.vulnerability is not None and float(shares @ model.vulnerability) == pytest.approx(MEAN)
    constant = value.pieces.constant + model.emissions_share * (shares @ jnp.log(shares))
    return eqx.tree_at(lambda v: (v.model, v.constant), value, (model, constant))


def rotated(model):
    fields = {f: getattr(model, f) for f in ("regions", "weights", "vulnerability", "coupling", "climate", "ambiguity")}
    return MultiRegion(rotation=True, **fields)


def into(model):
    """Jacobian of temperature and productivities in the states."""
    return jax.jacobian(lambda z: jnp.append(*model.physical(type(model.states)(*z))))(jnp.zeros(model.regions + 1))


def a_point(model, seed):
    """State, control and derivatives at random, in the coordinates of an unrotated model."""
    rng, d = np.random.default_rng(seed), model.regions + 1
    low, high = np.array([(v.low, v.high) for v in model.states]).T
    x = jnp.asarray(rng.uniform(low, high))
    p = jnp.asarray(np.append(-rng.uniform(0.01, 0.1), rng.uniform(1.0, 9.0, d - 1)))
    m = rng.standard_normal((d, d))
    bend = jnp.asarray(-0.01 * m @ m.T)
    return x, p, bend, jnp.asarray(rng.uniform(0.1, 9.0, d - 1))


# -- the equation -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("regions", [2, 19])
@pytest.mark.representative("2")
def test_the_sum_of_one_dimensional_terms_satisfies_the_equation(exact, regions):
    options = UNEQUAL if regions == 2 else {"regions": regions, "vulnerability": [MEAN] * regions}
    for turned in (False, True) if regions == 2 else (True,):
        model = MultiRegion(rotation=turned, **options)
        problem, value = HJBProblem(model), of(exact, model)
        points = region_points(problem, 16)
        residuals = on_points(lambda z, p=problem, v=value: p.residual(TIME, p.state(z), v), points)
        assert points.shape == (16, regions + 1) and np.max(np.abs(residuals)) < RESIDUAL


@pytest.mark.slow
def test_ambiguity_that_preserves_separability():
    doubts = Ambiguity(shocks=1.0, climate=1e4)
    smooth = small_model("multi_region", doubts, productivity=Productivity(), **UNEQUAL)  # no flow cost
    alone = small_model(
        "multi_region", Ambiguity(shocks=[50.0, 0.0, 0.0, 1.0, 2.0], climate=1e4)
    )  # trusts productivity
    for model in (smooth, alone):
        problem, value = HJBProblem(model), exact_value(model)
        residuals = on_points(lambda z, p=problem, v=value: p.residual(TIME, p.state(z), v), region_points(problem, 8))
        assert np.max(np.abs(residuals)) < RESIDUAL
    assert exact_value(small_model("multi_region", doubts)) is None
    assert exact_value(MultiRegion(coupling=0.1)) is None


@pytest.mark.parametrize("averse", [False, True])
@pytest.mark.slow
def test_equation_and_policy_do_not_depend_on_coordinates(averse):
    ambiguity = distrusting("multi_region") if averse else Ambiguity()
    model = small_model("multi_region", ambiguity, coupling=0.07, **UNEQUAL)
    turned = rotated(model)
    J, plain, other = into(turned), HJBProblem(model), HJBProblem(turned)
    centre = jnp.append(*turned.physical(type(turned.states)(*jnp.zeros(3))))

    @jax.jit
    def both(x, p, m, u):
        c = other.state(jnp.linalg.solve(J, x - centre))
        u = type(model.controls)(*u)
        first = plain.hamiltonian(TIME, plain.state(x), u, Derivatives(TIME, p, m))
        second = other.hamiltonian(TIME, c, u, Derivatives(TIME, J.T @ p, J.T @ m @ J))
        policies = (
            plain.best_control(TIME, plain.state(x), Derivatives(TIME, p, m)),
            other.best_control(TIME, c, Derivatives(TIME, J.T @ p, J.T @ m @ J)),
        )
        return (first, second), policies, plain.numerical_control(TIME, plain.state(x), Derivatives(TIME, p, m))

    for seed in range(4):
        (first, second), (here, there), numerical = both(*a_point(model, seed))
        np.testing.assert_allclose(second, first, atol=ROUNDING)
        np.testing.assert_allclose(there, here, rtol=1e-10)
        np.testing.assert_allclose(numerical, here, rtol=CONTROL)
        np.testing.assert_allclose(here[1] / here[0], 3.0, rtol=ROUNDING)  # in proportion to the weights


@pytest.mark.parametrize("dimension", [2, 3, 20])
def test_the_rotation_is_orthogonal_and_full(dimension):
    q = rotation_matrix(dimension)
    np.testing.assert_allclose(q @ q.T, np.eye(dimension), atol=1e-14)
    # the rotated region lies within the region of interest, and touches both ends of the temperature range
    turned, plain = MultiRegion(regions=dimension - 1, rotation=True), MultiRegion(regions=dimension - 1)
    centre, matrix = turned._frame()
    reach = np.abs(matrix).sum(axis=1) * turned.states[0].high
    assert np.all(reach <= np.array([0.5 * (v.high - v.low) for v in plain.states]) * (1.0 + 1e-12))
    assert reach[0] == pytest.approx(1.95) and float(centre[0]) == pytest.approx(2.05)
    assert float(turned.physical(turned.initial_state())[0]) == pytest.approx(1.1)
    assert (
        float(turned.physical(HJBProblem(turned).state(jnp.asarray([v[0] for v in HJBProblem(turned).domain])))[0])
        > 0.0
    )


def spilled(value, model, z):
    """The costs of productivity by Gauss-Legendre quadrature over the Gaussian law of the coupled process."""
    block, w, chi = model.productivity, model.shares, float(model.coupling)
    rho, s, n = float(block.reversion), float(block.steepness), model.regions
    shares = np.array(UNEQUAL["weights"]) / np.sum(UNEQUAL["weights"])
    nodes, weights = np.polynomial.legendre.leggauss(120)
    t = 0.5 * (nodes + 1.0) * 2000.0 ** (1 / 3)  # t^3 years, up to 2000: there e^(-delta t) is 2e-9
    years, weights = t**3, weights * 0.5 * 2000.0 ** (1 / 3) * 3.0 * t**2
    slow, quick = np.exp(-rho * years), np.exp(-(rho + chi) * years)
    mean = w @ z
    means = jnp.asarray(quick)[:, None] * (z - mean)[None, :] + (jnp.asarray(slow) * mean)[:, None]

    def integral(rate):
        return -np.expm1(-rate * years) / rate

    own = np.eye(n) - shares  # loadings of z_n - mean
    common = np.broadcast_to(shares, (n, n))
    spread = sum(
        factor * integral(rate)[:, None] * np.sum(a * b, axis=1)[None, :]
        for factor, rate, a, b in (
            (1.0, 2 * (rho + chi), own, own),
            (2.0, 2 * rho + chi, own, common),
            (1.0, 2 * rho, common, common),
        )
    )
    delta = float(model.preferences.discount_rate)
    costs = jnp.exp(
        s * means + jnp.asarray(0.5 * s**2 * float(block.volatility) ** 2 * spread - delta * years[:, None])
    )
    return -delta * float(block.cost) * jnp.asarray(weights) @ (costs @ w)


@pytest.mark.parametrize("chi", [0.0, 0.05])
def test_spillovers_agree_with_the_law_of_the_coupled_process(exact, chi):
    # investment and emissions do not respond to productivity, so that its costs are an expectation along Gaussian paths
    model = MultiRegion(coupling=chi, **UNEQUAL)
    problem, smooth = HJBProblem(model), 0.968 / (0.01 + 0.05)

    def value(t, x):
        y, z = model.physical(x)
        linear = smooth * (model.shares @ z)  # the weighted mean reverts as if nothing spilled over
        return exact.pieces.temperature(y) + linear + spilled(value, model, z) + exact.constant

    points = region_points(problem, 16)
    residuals = on_points(lambda z: problem.residual(TIME, problem.state(z), value), points)
    assert np.max(np.abs(residuals)) < 1e-8
    if chi == 0.0:
        found, expected = (on_points(lambda z, v=v: v(TIME, problem.state(z)), points) for v in (value, exact))
        np.testing.assert_allclose(found, expected, atol=1e-7)


# -- solvers ----------------------------------------------------------------------------------------------------------------


def truth(value, points):
    """Slopes and controls of the exact value."""
    problem = HJBProblem(value.model)

    def at(z):
        x = problem.state(z)
        derivatives = ab.models.derivatives(TIME, x, value)
        return derivatives[1], jnp.stack(problem.best_control(TIME, x, Derivatives(*derivatives)))

    return on_points(at, points)


def errors(solution, points, slopes, controls):
    """Largest errors of the slopes (over the largest slope) and of emissions (relative)."""
    slope, control = (at_states(solution, points)[n] for n in (1, 3))
    off = np.max(np.abs(slope - slopes) / np.max(np.abs(slopes), axis=0), axis=0)
    return off, np.max(np.abs(np.stack(control, axis=-1) / controls - 1.0))


@pytest.mark.slow
def test_one_region_by_finite_differences_with_the_order_of_the_scheme(exact):
    problem = HJBProblem(MultiRegion(regions=1, vulnerability=[MEAN]))
    points = region_points(problem, 32)
    expected, found = truth(of(exact, problem.model), points), []
    for count in (13, 25):
        found.append(errors(solve(problem, FiniteDifference(points=(count, count))), points, *expected))
    emissions, growth = [e for _, e in found], [slopes[1] for slopes, _ in found]
    assert emissions[1] < 1e-6 and growth[1] < 1e-3  # the pieces, to what 25 nodes resolve
    for coarse, fine in (emissions, growth):
        assert np.log2(coarse / fine) > 3.6  # order 4, as for ak_climate


@pytest.mark.slow
def test_two_regions_by_finite_differences(exact):
    points = region_points(HJBProblem(exact.model), 32)
    solution = solve(HJBProblem(exact.model), FiniteDifference(points=(21, 9, 9)))
    slopes, emissions = errors(solution, points, *truth(exact, points))
    assert emissions < 5e-6 and slopes[0] < 5e-6 and np.all(slopes[1:] < 3e-2)


@pytest.mark.slow
def test_nine_regions_by_additive_features(exact):
    model = MultiRegion(regions=9, vulnerability=[MEAN] * 9)
    solution = solve(HJBProblem(model), Features(degree=16, interactions=1))
    points, features = np.asarray(region_points(solution.problem, 32)), solution.value.features
    features = jax.tree.map(np.asarray, features)  # on the host: nothing to compile
    slopes = combine(features, features.parts(points, np), np.asarray(solution.value.coefficients), np)[1]
    value = of(exact, model)
    expected = on_points(jax.grad(lambda z: value(TIME, solution.problem.state(z))), points)
    np.testing.assert_allclose(slopes[:, 0], expected[:, 0], rtol=3e-5)
    np.testing.assert_allclose(slopes[:, 1:], expected[:, 1:], rtol=1e-4)


# -- observables --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turned", [False, True])
def test_the_social_cost_satisfies_the_first_order_condition_of_emissions(exact, turned):
    # first-order condition: a tonne is worth delta eta w_n / e_n, a dollar delta (1 - eta) / C
    model = MultiRegion(rotation=turned, **UNEQUAL)
    problem, value = HJBProblem(model), of(exact, model)
    x, additive = model.initial_state(), model.initial_additive()

    @jax.jit
    def reported(x, additive):
        derivatives = ab.models.derivatives(TIME, x, value)
        u = problem.best_control(TIME, x, Derivatives(*derivatives))
        scc = problem.social_cost_of_carbon(TIME, x, additive, u, Derivatives(*derivatives))
        return scc, model.observables(TIME, x, u, additive)

    scc, seen = reported(x, additive)
    assert seen.keys() == model.observable_variables.keys()
    assert float(scc) == pytest.approx(0.032 / 0.968 * float(seen["consumption"] / seen["emissions"]), rel=1e-9)
    assert float(seen["output"]) == pytest.approx(85.0)
    assert ("temperature" in seen) == turned and (not turned or float(seen["temperature"]) == pytest.approx(1.1))


def test_points_can_be_unpickled_in_a_new_process():
    model = MultiRegion(regions=3)
    assert type(model.states) is type(MultiRegion(regions=3, coupling=0.1).states)
    points = (model.initial_state(), MultiRegion(regions=3, rotation=True).initial_state(), model.initial_additive())
    plain = pickle.dumps([type(p)(*map(float, p)) for p in points])
    code = f"import pickle; print([type(p).__name__ for p in pickle.loads({plain!r})])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "['RegionStates3', 'RotatedStates4', 'RegionCapital3']"
    assert eqx.tree_equal(pickle.loads(pickle.dumps(model)), model)


@pytest.mark.parametrize(
    "fields, words",
    [
        ({"regions": 0}, "`regions` is 0"),
        ({"weights": [1.0, 2.0, 3.0]}, "`weights` has shape (3,); it must have 2 entries"),
        ({"weights": [1.0, 0.0]}, "`weights` is"),
        ({"vulnerability": [-1.0, 1.0]}, "`vulnerability` is"),
        ({"coupling": -0.1}, "`coupling` is"),
        ({"emissions_share": 0.0}, "`emissions_share` is"),
    ],
)
def test_wrong_fields_are_named(fields, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        MultiRegion(**fields)
