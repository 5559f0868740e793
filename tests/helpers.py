"""Small models, sample points and exact references that several test files share."""

from decimal import Decimal, localcontext

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import scipy.linalg

import abatax as ab

TIME = jnp.zeros(())

# Penalties in the units of each model's value function: UncertainDamages does not multiply its flow by
# the discount rate, the others do (linear_quadratic: above volatility^2 * control_cost = 0.09).
DISTRUST = {
    "linear_quadratic": {"shocks": 0.5},
    "ak_climate": {"shocks": 0.01, "climate": 1e-4},
    "multi_region": {"shocks": 1.0, "climate": 1e-4},
    "uncertain_damages": {"shocks": 1.0, "climate": 0.01, "jumps": 1.0},
    "two_layer_climate": {"climate": 0.01, "jumps": 1.0},
    "fossil_reserves": {"climate": 1.0 / 4000.0},
    "knowledge_capital": {"shocks": 0.15, "climate": 0.005, "jumps": 0.15},
    "abatement_technology": {"shocks": 5.0, "climate": 0.02, "jumps": 5.0},
    "dice2016_continuous": {"shocks": 1.0, "climate": 1.0},
    "two_capital": {"shocks": 0.1, "climate": 0.01, "jumps": [1.0, 1.0, 0.1]},
    "net_zero": {"shocks": 0.1, "climate": 0.01, "jumps": [1.0, 0.1]},
}


def errors(solution, truth=None, count=64):
    """Relative errors over the region of interest, against the closed form or another solution."""
    problem, points = solution.problem, ab.validation.region_points(solution.problem, count)
    exact = ab.validation.exact_value(problem.model) if truth is None else truth.value
    found, best = (ab.validation.quantities(problem, value, points) for value in (solution.value, exact))
    return {k: e[0] for k, e in ab.validation.relative_errors(found, best).items()}


def small_model(name, ambiguity=None, **fields):
    """A model with few members and outcomes, so that it compiles and runs quickly."""
    ambiguity = ab.models.Ambiguity() if ambiguity is None else ambiguity
    if name == "dice2016_continuous":
        return ab.models.Dice2016Continuous(ambiguity=ambiguity, **fields)
    if name == "linear_quadratic":
        return ab.models.LinearQuadratic(ambiguity=ambiguity, **{"dimension": 2} | fields)
    if name == "fossil_reserves":
        return ab.models.FossilReserves(ambiguity=ambiguity, **fields)
    climate = ab.models.TCREClimate(ab.models.Ensemble([1.2e-3, 1.6e-3, 1.9e-3, 2.6e-3], [0.2, 0.3, 0.4, 0.1]))
    if name == "ak_climate":
        return ab.models.AKClimate(climate=climate, ambiguity=ambiguity, **fields)
    if name == "multi_region":
        return ab.models.MultiRegion(climate=climate, ambiguity=ambiguity, **fields)
    jump = ab.models.DamageJump(jnp.array([0.0, 0.1, 0.3]), jnp.array([0.5, 0.3, 0.2]))
    if name == "two_capital":
        return ab.models.TwoCapital(climate=climate, damage_jump=jump, ambiguity=ambiguity, **fields)
    if name == "net_zero":
        return ab.models.NetZero(climate=climate, damage_jump=jump, ambiguity=ambiguity, **fields)
    if name == "knowledge_capital":
        return ab.models.KnowledgeCapital(climate=climate, damage_jump=jump, ambiguity=ambiguity, **fields)
    if name == "abatement_technology":
        return ab.models.AbatementTechnology(climate=climate, damage_jump=jump, ambiguity=ambiguity, **fields)
    if name == "two_layer_climate":
        still = eqx.tree_at(lambda c: c.relative_volatility, climate, jnp.zeros(()))
        return ab.models.TwoLayerClimate(climate=still, damage_jump=jump, ambiguity=ambiguity, **fields)
    return ab.models.UncertainDamages(climate=climate, damage_jump=jump, ambiguity=ambiguity, **fields)


def distrusting(name):
    """The penalties of `DISTRUST` as an `Ambiguity`."""
    return ab.models.Ambiguity.from_penalties(**DISTRUST[name])


def tree_allclose(x, y, rtol=0.0, atol=0.0):
    """Whether two pytrees have the same structure, the same static parts and close arrays."""
    if jax.tree.structure(x) != jax.tree.structure(y):
        return False
    return bool(eqx.tree_equal(x, y, rtol=rtol, atol=atol))


def disturbed(net, key, size=1.0):
    """The network with other parameters: what holds by construction holds for them as well."""
    leaves, structure = jax.tree.flatten(net)
    keys = jr.split(key, len(leaves))
    moved = [leaf + size * jr.normal(k, leaf.shape, leaf.dtype) for leaf, k in zip(leaves, keys, strict=True)]
    return jax.tree.unflatten(structure, moved)


def exact(formula, *arguments):
    """A formula of `Decimal`s at 80 digits, rounded to a float: no cancellation down to aversions of 1e-12."""
    with localcontext() as context:
        context.prec = 80
        return float(formula(*jax.tree.map(lambda v: Decimal(float(v)), arguments)))


def on_points(function, *arrays):
    """`function` mapped over the leading axis of `arrays`, compiled once, as numpy."""
    return jax.tree.map(np.asarray, eqx.filter_jit(jax.vmap(function))(*arrays))


def stabilising_root(model):
    """P and c of V = -x'Px/2 - c for the linear-quadratic model, by scipy.

    A'P + PA - P(1/R - S^2/xi)P + Q - delta P = 0 is an ordinary Riccati equation with the control cost
    1/(1/R - S^2/xi) and A shifted by -delta/2; c = tr(S^2 P)/(2 delta).
    """
    n, delta = model.dimension, float(model.preferences.discount_rate)
    variance = float(model.volatility) ** 2
    cost = 1.0 / (1.0 / float(model.control_cost) - variance * float(model.ambiguity.shocks))
    assert cost > 0.0, "no finite value: the penalty is below volatility^2 * control_cost"
    shifted = np.asarray(model.matrix) - 0.5 * delta * np.eye(n)
    root = scipy.linalg.solve_continuous_are(shifted, np.eye(n), float(model.state_cost) * np.eye(n), cost * np.eye(n))
    return root, 0.5 * variance * np.trace(root) / delta


class Guess(eqx.Module):
    """A value function of any sign and shape to start from: -x'Px/2 + cubics and sines along each state."""

    matrix: jax.Array
    cubic: jax.Array
    sine: jax.Array
    frequency: jax.Array

    def __call__(self, t, x):
        z = jnp.stack(x)
        waves = jnp.sum(self.sine * jnp.sin(self.frequency * z))
        return -0.5 * z @ self.matrix @ z + jnp.sum(self.cubic * z**3) + waves


def quadratic_guess(matrix):
    """-x'Px/2."""
    matrix = jnp.asarray(matrix, dtype=jnp.float64)
    zero = jnp.zeros(matrix.shape[0])
    return Guess(matrix, zero, zero, zero)


@eqx.filter_jit
def _at_states(solution, points):
    problem = solution.problem

    def at(z):
        x = problem.state(z)
        derivatives = problem.derivatives(TIME, x, solution.value)
        return *derivatives[:3], problem.best_control(TIME, x, derivatives)

    return jax.vmap(at)(points)


def at_states(solution, points):
    """Value, slope, hessian and control of a solution at rows of states."""
    # what varies from solve to solve (seconds, nodes) would be compiled in: leave it out
    bare = eqx.tree_at(lambda s: (s.stats, s.nodes, s.destinations), solution, ({}, (), ()))
    return jax.tree.map(np.asarray, _at_states(bare, jnp.asarray(points)))


def ak_reference(temperature, aversion=0.0, top=20.0, count=80):
    """V_y and emissions of ak_climate (default parameters, a certain climate) by collocation at Chebyshev points.

    The temperature part of the value function alone, on [0, top] with the slope of the damages' asymptote at the
    top: Newton with the policy frozen. Moving `top` from 16 to 30 changes nothing beyond 1e-9 on 0.1 to 4 degC.
    """
    delta, eta, theta = 0.01, 0.032, 1.861949e-3
    varsigma2 = (1.2 * theta) ** 2
    j = np.arange(count)
    z = -np.cos(np.pi * j / (count - 1))
    c = np.where((j == 0) | (j == count - 1), 2.0, 1.0) * (-1.0) ** j
    first = np.outer(c, 1.0 / c) / (z[:, None] - z[None, :] + np.eye(count))
    first = (first - np.diag(first.sum(axis=1))) * 2.0 / top
    second, y = first @ first, 0.5 * (z + 1.0) * top
    slope, bend = (1.0 - eta) * (1.7675e-4 + 0.0044 * y), (1.0 - eta) * 0.0044
    asymptote = -0.5 * (slope[-1] + np.sqrt(slope[-1] ** 2 + 4.0 * eta * bend))

    def emissions(p, m):
        linear, quadratic = p * theta, varsigma2 * (m - aversion * p**2)
        root = np.sqrt(np.maximum(linear**2 - 4.0 * quadratic * delta * eta, 0.0)) - linear
        return np.minimum(2.0 * delta * eta / np.where(root > 0.0, root, 1e-30), 1e3)

    f = -np.cumsum(np.append(0.0, np.diff(y) * (slope[1:] + 1e-3)))
    for _ in range(40):
        p, m = first @ f, second @ f
        p[-1] = asymptote
        e = emissions(p, m)
        flow = delta * (eta * np.log(e) - (1.0 - eta) * (1.7675e-4 * y + 0.0022 * y**2) - f)
        residual = flow + p * theta * e + 0.5 * varsigma2 * e**2 * (m - aversion * p**2)
        drift = theta * e - aversion * varsigma2 * e**2 * p
        drift[-1] = 0.0
        jacobian = -delta * np.eye(count) + drift[:, None] * first + 0.5 * varsigma2 * e[:, None] ** 2 * second
        move = np.linalg.solve(jacobian, -residual)
        f = f + move
        if np.max(np.abs(move)) < 1e-12 * np.ptp(f):
            break
    series = np.polynomial.chebyshev.Chebyshev.fit(y, f, count - 1, domain=[0.0, top])
    p, m = series.deriv(1)(temperature), series.deriv(2)(temperature)
    return p, emissions(p, m)


def check_resumed(problem, solver, stop, folder):
    """A solve that was interrupted after some steps and taken up again ends as if it never had been."""
    whole = ab.solve(problem, solver)
    part = ab.solve(problem, solver, max_steps=stop, throw=False, checkpoint=folder)
    assert not part.converged
    resumed = ab.solve(problem, solver, checkpoint=folder)
    assert tree_allclose(resumed.value, whole.value)
    assert resumed.stats["steps"] == whole.stats["steps"]
