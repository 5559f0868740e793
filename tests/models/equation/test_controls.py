"""Closed-form controls are the maximisers of the Hamiltonian; the numerical maximiser finds them too."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from helpers import TIME, distrusting, small_model, tree_allclose

from abatax import HJBProblem
from abatax.models import AKEconomy, Ambiguity, Derivatives, TCREClimate, maximise

# maximise() promises 1e-10 relative; the sample has maxima a hundred times flatter than they are high.
CONTROL = 1e-8
# At a maximum the Hamiltonian is flat: two controls that agree to 1e-8 give the same to rounding.
ROUNDING = 1e-12

SAMPLES = 40


class Sample(eqx.Module):
    """States, values and derivatives of value functions that are concave and hurt by warming."""

    x: jax.Array
    value: jax.Array
    costate: jax.Array
    hessian: jax.Array


def sample(model, seed=0):
    rng = np.random.default_rng(seed)
    region = np.array([[v.low, v.high] for v in model.states])
    n, d = SAMPLES, len(region)
    if model.name == "linear_quadratic":
        sign, scale = np.ones(d), np.full(d, 3.0)
    else:
        sign = np.array([1.0 if name == "log_capital" else -1.0 for name in model.states._fields])
        scale = 0.9 * np.where(sign > 0, 1.0, 3.0 if model.name == "uncertain_damages" else 0.03)
    slope = sign * scale * np.exp(0.5 * rng.standard_normal((n, d)))
    if model.name == "linear_quadratic":
        slope = scale * rng.standard_normal((n, d))
    root = rng.standard_normal((n, d, d)) * np.sqrt(scale)[:, None]
    hessian = -0.3 * root @ np.swapaxes(root, 1, 2) / d
    x = region[:, 0] + rng.random((n, d)) * (region[:, 1] - region[:, 0])
    return Sample(*map(jnp.asarray, (x, rng.standard_normal(n), slope, hessian)))


def after(model):
    return tuple(jnp.array([0.6, 0.2, -0.7]) for _ in model.jumps())


@eqx.filter_jit
def both_controls(model, points):
    """Closed form, numerical maximiser, and the Hamiltonian at each."""
    problem = HJBProblem(model)

    def at(p):
        x, derivatives = problem.state(p.x), Derivatives(p.value, p.costate, p.hessian, after(model))
        closed, numerical = (
            choose(TIME, x, derivatives) for choose in (problem.best_control, problem.numerical_control)
        )
        return closed, numerical, *(problem.hamiltonian(TIME, x, u, derivatives) for u in (closed, numerical))

    return jax.vmap(at)(points)


@eqx.filter_jit
def closed_form(model, points):
    problem = HJBProblem(model)
    return jax.vmap(
        lambda p: problem.best_control(
            TIME, problem.state(p.x), Derivatives(p.value, p.costate, p.hessian, after(model))
        )
    )(points)


@eqx.filter_jit
def hamiltonian(model, point, u):
    problem = HJBProblem(model)
    u = type(model.controls)(*u)
    return problem.hamiltonian(
        TIME, problem.state(point.x), u, Derivatives(point.value, point.costate, point.hessian, after(model))
    )


MODELS = {
    "linear_quadratic": lambda ambiguity: small_model("linear_quadratic", ambiguity),
    "ak_climate": lambda ambiguity: small_model("ak_climate", ambiguity, productivity=None),
    "uncertain_damages": lambda ambiguity: small_model("uncertain_damages", ambiguity),
}


def a_model(name, planner):
    plain = MODELS[name](Ambiguity())
    return plain if planner == "neutral" else MODELS[name](distrusting(plain.name))


@pytest.mark.parametrize("planner", ["neutral", "averse"])
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.representative("uncertain_damages-averse")
def test_closed_form_is_the_numerical_maximiser(name, planner):
    model = a_model(name, planner)
    closed, numerical, at_closed, at_numerical = both_controls(model, sample(model))
    assert tree_allclose(closed, numerical, rtol=CONTROL, atol=CONTROL)
    size = np.maximum(1.0, np.abs(at_closed))
    np.testing.assert_allclose(at_closed / size, at_numerical / size, atol=ROUNDING)


@pytest.mark.parametrize("planner", ["neutral", "averse"])
@pytest.mark.parametrize("name", MODELS)
def test_closed_form_is_the_maximum_found_by_scipy(name, planner):
    # a scan and a bracketing search along each control: no derivative, no shared code
    model = a_model(name, planner)
    points = sample(model, seed=1)
    closed = np.stack(closed_form(model, points), axis=-1)
    for n in range(3):
        point = jax.tree.map(lambda leaf, n=n: leaf[n], points)
        for axis, variable in enumerate(model.controls):

            def loss(z, axis=axis, n=n, point=point):
                u = closed[n].copy()
                u[axis] = z
                return -float(hamiltonian(model, point, tuple(map(jnp.asarray, u))))

            low, high = (-0.5, 0.1149) if axis == 0 and name == "ak_climate" else (max(variable.low, -60.0), 60.0)
            found = scipy.optimize.minimize_scalar(loss, bounds=(low, high), options={"xatol": 1e-9 * (high - low)})
            # without derivatives a maximum is located to the root of the rounding error
            np.testing.assert_allclose(closed[n, axis], found.x, rtol=2e-6, atol=2e-7 * (high - low))


@pytest.mark.parametrize("planner", ["neutral", "averse"])
def test_distrust_lowers_emissions(planner):
    # all else equal: a planner who fears that warming is worse than thought emits less
    model = a_model("uncertain_damages", planner)
    trusting = a_model("uncertain_damages", "neutral")
    points = sample(model)
    lower, upper = (both_controls(m, points)[0].emissions for m in (model, trusting))
    assert bool(jnp.all(lower <= upper))
    assert bool(jnp.any(lower < 0.99 * upper)) == (planner == "averse")


@pytest.mark.parametrize("exogenous", [0.0, 0.5, 4.0])
def test_emissions_are_the_root_of_their_first_order_condition(exogenous):
    # w / e + G Theta(omega*) + F sigma^2 E = 0 with Theta the mean under the tilted weights, in numpy
    climate, ambiguity = small_model("uncertain_damages").climate, distrusting("uncertain_damages")
    weight, gain, curvature, aversion = 0.032, -5.0, -1.0, 1.0
    e = float(
        climate.best_emissions(
            *map(jnp.asarray, (weight, gain, curvature)),
            ambiguity,
            jnp.asarray(aversion),
            jnp.asarray(exogenous),
            1e-6,
            1e3,
        )
    )
    theta, prior = np.asarray(climate.ensemble.values), np.asarray(climate.ensemble.weights)
    total = e + exogenous
    tilted = prior * np.exp(-float(ambiguity.climate) * gain * total * theta)
    second = float(climate.volatility) ** 2 * (curvature - aversion * gain**2)
    terms = weight / e, gain * (tilted @ theta) / tilted.sum(), second * total
    assert abs(sum(terms)) < 1e-12 * weight / e


# A planner for whom warming is worth having, or its risk is: no interior maximum, the bound is best.
@pytest.mark.parametrize(
    "gain, curvature", [(3.0, 0.0), (0.5, 1e4), (-0.5, 1e4), (0.0, 0.0), (-1e-9, 0.0), (-20.0, 4e3)]
)
def test_emissions_at_their_upper_bound(gain, curvature):
    climate = TCREClimate(small_model("uncertain_damages").climate.ensemble)
    high = 20.0
    found = float(
        climate.best_emissions(
            jnp.asarray(0.032),
            jnp.asarray(gain),
            jnp.asarray(curvature),
            Ambiguity(),
            jnp.zeros(()),
            jnp.zeros(()),
            1e-6,
            high,
        )
    )
    e = np.linspace(1e-3, high, 20001)
    volatility, slope = float(climate.volatility), float(climate.ensemble.mean)
    objective = 0.032 * np.log(e) + gain * slope * e + 0.5 * volatility**2 * e**2 * curvature
    assert np.all(np.diff(objective) > 0.0)  # a fact about the example
    np.testing.assert_allclose(found, high, rtol=1e-12)


@pytest.mark.parametrize("productivity", [0.08, 0.115, 0.2])
@pytest.mark.parametrize("price", [0.3, 0.968, 3.0])
def test_investment_balances_consumption_and_growth(productivity, price):
    # delta (1 - eta) / (alpha - i) = V_k (1 - kappa i), whatever the productivity
    economy = AKEconomy(productivity=productivity)
    model = small_model("ak_climate", economy=economy, productivity=None)
    arguments = [0.0, price, -0.02]
    u = model.best_control(
        TIME,
        model.initial_state(),
        jnp.asarray(arguments[0]),
        type(model.states)(*map(jnp.asarray, arguments[1:])),
        -0.01 * jnp.eye(2),
    )
    i, kappa = float(u.investment), float(economy.adjustment_cost)
    assert i < min(productivity, 1.0 / kappa)
    np.testing.assert_allclose(0.01 * 0.968 / (productivity - i), price * (1.0 - kappa * i), rtol=1e-12)


# -- the numerical maximiser --------------------------------------------------------------------------------


def bowl(centre, matrix):
    return lambda u: -0.5 * (u - centre) @ matrix @ (u - centre)


@pytest.mark.parametrize("seed", range(3))
def test_concave_quadratics_with_active_bounds(seed):
    # against scipy's bounded least squares: -(u-c)'A(u-c)/2 with A = B'B
    rng = np.random.default_rng(seed)
    root, centre = rng.standard_normal((3, 3)) + 2.0 * np.eye(3), 2.0 * rng.standard_normal(3)
    low, high = -np.ones(3), np.ones(3)
    expected = scipy.optimize.lsq_linear(root, root @ centre, (low, high), tol=1e-14).x
    found = maximise_quadratic(jnp.asarray(centre), jnp.asarray(root.T @ root), jnp.asarray(low), jnp.asarray(high))
    assert np.sum(np.abs(expected) > 1.0 - 1e-9) > 0  # some bound is active
    np.testing.assert_allclose(found, expected, atol=1e-8)  # lsq_linear's own tolerance
    assert np.all((found >= low) & (found <= high))


@pytest.mark.parametrize("low, high", [(-np.inf, np.inf), (0.0, np.inf), (-np.inf, 30.0)])
def test_unbounded_sides(low, high):
    centre = jnp.array([17.0, 25.0, 3.0])
    matrix = jnp.array([[2.0, 0.3, 0.0], [0.3, 1.0, -0.2], [0.0, -0.2, 0.5]])
    found = maximise_quadratic(centre, matrix, jnp.full(3, low), jnp.full(3, high))
    np.testing.assert_allclose(found, centre, rtol=1e-10)


@jax.jit
def maximise_quadratic(centre, matrix, low, high):
    return maximise(bowl(centre, matrix), low, high)


@pytest.mark.parametrize("weight", [1e-8, 1e-3, 0.5, 1.0 - 1e-9])
def test_logarithmic_barriers(weight):
    # w log u + (1 - w) log(1 - u), minus infinity or not a number outside (0, 1): the maximum is at w
    found = barrier(jnp.asarray(weight), jnp.array([-1.0]), jnp.array([2.0]))
    np.testing.assert_allclose(found[0], weight, rtol=1e-7)  # 1 - u keeps seven digits of 1e-9


@jax.jit
def barrier(weight, low, high):
    return maximise(lambda u: jnp.sum(weight * jnp.log(u) + (1.0 - weight) * jnp.log1p(-u)), low, high)


def test_a_corner_is_found():
    found = jax.jit(lambda low, high: maximise(lambda u: u[0] - 2.0 * u[1] + 0.1 * u[0] * u[1], low, high))(
        jnp.array([-1.0, 0.5]), jnp.array([4.0, 3.0])
    )
    np.testing.assert_array_equal(found, [4.0, 0.5])


def test_badly_scaled_variables():
    # one control in billions, one in millionths
    scale = jnp.array([1e9, 1e-6])
    found = jax.jit(lambda s: maximise(lambda u: -jnp.sum(jnp.cosh(u / s - 0.5)), 0.0 * s, s))(scale)
    np.testing.assert_allclose(found / scale, 0.5, rtol=1e-9)
