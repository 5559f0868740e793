"""The closed-form worst case minimises the Hamiltonian in every channel, and its cost is relative entropy."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from helpers import DISTRUST, TIME, distrusting, small_model

from abatax import HJBProblem
from abatax.models import Ambiguity, Derivatives, WorstCase

# The minimised form and its parts are the same numbers up to some hundred roundings: relative to the largest term.
ROUNDING = 1e-13
# BFGS finds a flat minimum to the root of the rounding error, times the condition of the problem.
MINIMISER = 1e-6

# The shapes of the distortions that a numerical minimiser moves freely: any real vector is admissible.
FREE = {
    "shocks": lambda z: z,
    "climate": jax.nn.softmax,
    "jumps": jnp.exp,
}


def at_a_point(model):
    """A state, control, value, costate, hessian and values after jumps at which every channel matters."""
    states = {"log_capital": 6.0, "temperature": 1.8, "productivity": 0.02, "state_1": 0.7, "state_2": -1.2}
    controls = {"investment": 0.05, "emissions": 6.0, "control_1": 0.4, "control_2": -1.1}
    x = type(model.states)(*(jnp.asarray(states[name]) for name in model.states._fields))
    u = type(model.controls)(*(jnp.asarray(controls[name]) for name in model.controls._fields))
    scale = 1.0 if model.name == "uncertain_damages" else 0.03
    costate = -scale * jnp.linspace(2.0, 3.0, len(x))
    hessian = -scale * (jnp.eye(len(x)) + 0.1)
    after = tuple(jnp.array([0.6, 0.2, -0.7]) for _ in model.jumps())
    return TIME, x, u, Derivatives(jnp.array(0.3), costate, hessian, after)


@eqx.filter_jit
def saddle(model):
    """The worst case, the minimised Hamiltonian, the Hamiltonian at the worst case and its largest term."""
    problem = HJBProblem(model)
    t, x, u, derivatives = at_a_point(model)
    reply = problem.worst_case(t, x, u, derivatives)
    minimised = problem.hamiltonian(t, x, u, derivatives)
    put_back = problem.hamiltonian(t, x, u, derivatives, reply)
    size = jnp.abs(model.preferences.aggregate(model.utility(t, x, u), derivatives.value)) + jnp.abs(minimised)
    return reply, minimised, put_back, size


@eqx.filter_jit
def of_worst_case(model, worst):
    return HJBProblem(model).hamiltonian(*at_a_point(model), worst)


CASES = {
    "linear_quadratic": DISTRUST["linear_quadratic"],
    "ak_climate": DISTRUST["ak_climate"] | {"shocks": [0.02, 0.005, 0.01]},
    "uncertain_damages": DISTRUST["uncertain_damages"] | {"shocks": [2.0, 0.5]},
}


@pytest.mark.parametrize("name", CASES)
def test_hamiltonian_at_the_worst_case_is_the_minimised_hamiltonian(name):
    _, minimised, put_back, size = saddle(small_model(name, Ambiguity.from_penalties(**CASES[name])))
    np.testing.assert_allclose(put_back, minimised, atol=ROUNDING * size)


@pytest.mark.parametrize("name", CASES)
def test_worst_case_of_a_neutral_planner_is_the_baseline(name):
    model = small_model(name)
    reply, minimised, put_back, size = saddle(model)
    assert bool(jnp.all(reply.shocks == 0.0))
    np.testing.assert_allclose(reply.climate, model.ensemble.weights, rtol=ROUNDING)
    assert all(bool(jnp.all(g == 1.0)) for g in reply.jumps)
    np.testing.assert_allclose(put_back, minimised, atol=ROUNDING * size)


@pytest.mark.parametrize(
    "name, channel",
    [(name, channel) for name in CASES for channel in CASES[name]],
)
def test_worst_case_minimises_the_hamiltonian(name, channel):
    model = small_model(name, Ambiguity.from_penalties(**CASES[name]))
    reply, minimised, _, _ = saddle(model)
    length = {"shocks": reply.shocks.size, "climate": reply.climate.size, "jumps": sum(g.size for g in reply.jumps)}

    def distort(z):
        free = FREE[channel](z)
        return reply._replace(**{channel: (free,) if channel == "jumps" else free})

    def objective(z):
        return of_worst_case(model, distort(z)) / jnp.abs(minimised)

    found = scipy.optimize.minimize(
        jax.jit(jax.value_and_grad(objective)),
        np.zeros(length[channel]),
        jac=True,
        method="BFGS",
        options={"gtol": 1e-9},
    )
    # no distortion gives a lower value, and the minimiser is the worst case
    assert found.fun * abs(minimised) >= minimised - ROUNDING * 10 * abs(minimised)
    moved = np.concatenate([np.ravel(d) for d in jax.tree.leaves(getattr(distort(jnp.asarray(found.x)), channel))])
    closed = np.concatenate([np.ravel(d) for d in jax.tree.leaves(getattr(reply, channel))])
    assert np.max(np.abs(closed - (1.0 if channel == "jumps" else 0.0))) > 1e-3  # the channel has an effect
    np.testing.assert_allclose(moved, closed, atol=MINIMISER)


@pytest.mark.parametrize("name", CASES)
def test_hamiltonian_decreases_in_every_aversion(name):
    # the Hamiltonian decreases along each channel alone, starting from the neutral planner
    values = [float(saddle(small_model(name))[1])]
    for scale in (1e3, 10.0, 1.0, 0.3):
        penalties = {k: (scale * np.asarray(v)).tolist() for k, v in CASES[name].items()}
        values.append(float(saddle(small_model(name, Ambiguity.from_penalties(**penalties)))[1]))
    assert np.all(np.diff(values) < 0.0)


def test_huge_penalties_are_the_neutral_limit():
    # the loss is the variance over twice the penalty, to second order in 1 / xi
    neutral = saddle(small_model("uncertain_damages"))[1]
    averse = [saddle(small_model("uncertain_damages", Ambiguity.from_penalties(s, s, s)))[1] for s in (1e4, 1e8)]
    near, nearer = (float(neutral - a) for a in averse)
    np.testing.assert_allclose(nearer, 1e-4 * near, rtol=1e-4)


def test_worst_case_is_differentiable_at_zero_aversion():
    # the derivative of the minimised Hamiltonian in an aversion at zero is minus half the variance of its channel
    model = small_model("uncertain_damages")
    t, x, u, at = at_a_point(model)

    def minimised(shocks, climate, jumps):
        averse = eqx.tree_at(lambda m: m.ambiguity, model, Ambiguity(shocks, climate, jumps))
        return HJBProblem(averse).hamiltonian(t, x, u, at)

    zero = jnp.zeros(())
    slopes = jax.jit(jax.grad(minimised, argnums=(0, 1, 2)))(zero, zero, zero)
    # marginal value of temperature, damages included; the cost of the capital shock is not part of phi
    price = float(at.costate[0] + model.additive_costates().log_damages * model.damages.slope(x.temperature))
    w, theta = np.asarray(model.ensemble.weights), np.asarray(model.ensemble.values)
    exposure = price * 6.0 * float(model.climate.volatility)
    gains = price * 6.0 * (theta - w @ theta)
    jump = model.jumps()[0]
    squares = float(jump.probabilities @ (at.after[0] - at.value) ** 2 * jump.intensity(t, x, u))
    np.testing.assert_allclose(slopes, [-0.5 * exposure**2, -0.5 * w @ gains**2, -0.5 * squares], rtol=1e-12)


@pytest.mark.parametrize("channel", ["shocks", "climate", "jumps"])
def test_penalties_and_aversions_are_reciprocal(channel):
    for penalty in (0.3, 49.0, float("inf")):
        ambiguity = Ambiguity.from_penalties(**{channel: penalty})
        assert float(getattr(ambiguity, channel)) == 1.0 / penalty
        np.testing.assert_allclose(ambiguity.penalties[channel], penalty, rtol=1e-15)
        assert ambiguity.is_neutral() == np.isinf(penalty)


def test_distortions_of_a_neutral_channel_have_infinite_cost():
    model = small_model("uncertain_damages")
    reply = saddle(model)[0]
    tilted = jnp.array([0.3, 0.3, 0.3, 0.1])
    for worst in (
        reply._replace(shocks=jnp.array([0.0, 0.1])),
        reply._replace(climate=tilted),
        reply._replace(jumps=(jnp.array([1.0, 1.0, 2.0]),)),
    ):
        assert float(of_worst_case(model, worst)) == np.inf


def test_distortions_of_a_jump_with_zero_intensity_have_no_cost():
    # zero intensity times an infinite penalty is zero
    neutral, one = Ambiguity(), jnp.ones(1)
    worst = WorstCase(jnp.zeros(1), one, (jnp.array([2.0]),))
    assert float(neutral.penalty(worst, one, (one,), (jnp.zeros(()),))) == 0.0


def test_cost_of_a_distortion_is_relative_entropy():
    # each channel against its definition in numpy, at a distortion that is not a worst case
    averse = distrusting("uncertain_damages")
    h, omega, g = np.array([0.2, -0.5]), np.array([0.1, 0.0, 0.6, 0.3]), np.array([0.5, 1.0, 3.0])
    prior, outcomes, intensity = np.array([0.25, 0.25, 0.25, 0.25]), np.array([0.5, 0.3, 0.2]), 0.7
    worst = WorstCase(jnp.asarray(h), jnp.asarray(omega), (jnp.asarray(g),))
    found = averse.penalty(worst, jnp.asarray(prior), (jnp.asarray(outcomes),), (jnp.asarray(intensity),))
    live = omega > 0
    climate = np.sum(omega[live] * np.log(omega[live] / prior[live]))
    jumps = intensity * (outcomes @ (1.0 - g + g * np.log(g)))
    xi = DISTRUST["uncertain_damages"]
    expected = xi["shocks"] * 0.5 * h @ h + xi["climate"] * climate + xi["jumps"] * jumps
    np.testing.assert_allclose(found, expected, rtol=ROUNDING)


@pytest.mark.parametrize("channel", ["shocks", "climate", "jumps"])
@pytest.mark.parametrize("penalty", [0.0, -1.0, float("nan")])
def test_penalty_must_be_positive(channel, penalty):
    with pytest.raises(ValueError, match=rf"`ambiguity\.{channel}` is .*must be > 0 \(use `inf`"):
        Ambiguity.from_penalties(**{channel: penalty})


@pytest.mark.parametrize("channel", ["shocks", "climate", "jumps"])
@pytest.mark.parametrize("aversion", [-1e-3, float("nan"), float("inf")])
def test_aversion_must_be_finite_and_not_negative(channel, aversion):
    with pytest.raises(ValueError, match=rf"`ambiguity\.{channel}` is .*must be finite and >= 0"):
        Ambiguity(**{channel: aversion})


@pytest.mark.parametrize("kind", [list, tuple, np.array, jnp.array])
@pytest.mark.parametrize("channel", ["shocks", "jumps"])
def test_every_kind_of_sequence_has_a_penalty_per_entry(channel, kind):
    penalties = (0.5, float("inf"), 4.0)
    ambiguity = Ambiguity.from_penalties(**{channel: kind(penalties)})
    np.testing.assert_array_equal(getattr(ambiguity, channel), [2.0, 0.0, 0.25])
