"""The knowledge-capital model without noise, as one path: a check that shares nothing with the package's equation or solvers.

Why: the limit that finite differences converge to is 7e-4 in emissions and 1 % in the social cost of carbon from the limit other
authors state. Here the same economy is written down again, without noise, as the choice of one path of investment, research and
emissions, each linear between 41 dates; the path is improved by Newton's method with exact second derivatives through
a Runge-Kutta scheme, and marginal values at the start are derivatives of its value. What follows the damage jump enters by its
value at the threshold, taken from finite differences; that value is itself checked against such a path. Finite differences
are solved with two small noises and extrapolated to none, since effects of noise are proportional to its variance. Usage:

    python benchmarks/knowledge_open_loop.py [--points 7,41,11]
"""

import argparse

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from knowledge_capital import TCRE
from numpy.polynomial import chebyshev
from scipy.optimize import brentq, minimize

import abatax as ab

# Barnett, Brock, Hansen and Zhang 2024, per year, trillion US$, GtC, degC.
DELTA, ALPHA, KAPPA, GROWTH, COST, POWER, CARBON = 0.01, 0.115, 6.667, -0.043, 0.5, 3.0, 0.1206
EFFICIENCY, RETURNS, SCALE = 0.10583, 0.5, 1120.0
LINEAR, QUADRATIC, THRESHOLD, ONSET, RATE, STEEPNESS = 1.7675e-4, 0.0044, 2.0, 1.5, 1.5, 2.5
HORIZON, STEPS, DATES = 350.0, 600, 41
NOISES = (0.5, 0.3)  # of the published volatilities
DEGREES = (8, 10)

CLEAN = brentq(lambda i: (ALPHA - i) * (1.0 - KAPPA * i) - DELTA, 0.0, ALPHA)
AFTER = np.log(ALPHA - CLEAN) + (GROWTH + CLEAN - 0.5 * KAPPA * CLEAN**2) / DELTA

_UNIT = np.linspace(0.0, 1.0, STEPS + 1)
_TIMES = HORIZON * np.expm1(3.0 * _UNIT) / np.expm1(3.0)  # short steps first


def _hats(at):
    return jnp.asarray(np.stack([np.interp(at, np.linspace(0.0, 1.0, DATES), row) for row in np.eye(DATES)], axis=1))


_AT_NODES, _BETWEEN = _hats(_UNIT), _hats(0.5 * (_UNIT[1:] + _UNIT[:-1]))


def _log(c):
    """The logarithm, continued by its tangent: a trial path may consume less than nothing."""
    least = 0.004
    return jnp.where(c > least, jnp.log(jnp.maximum(c, least)), jnp.log(least) + (c - least) / least)


def rate_of_change(x, u, slope, jump):
    """Of log capital, warming, log knowledge, log damages, discounting with survival, and utility so far."""
    k, y, r, n, gone, _ = x
    investment, log_research, abated = u
    research = jnp.exp(log_research)
    consumption = ALPHA - investment - research - ALPHA * COST * abated**POWER
    warming = TCRE * ALPHA * CARBON * jnp.exp(k) * (1.0 - abated)
    technology, (damage, after) = jnp.exp(r) / SCALE, jump(k, y, r)
    flow = DELTA * (_log(consumption) + k - n) + technology * (k + AFTER - n) + damage * (after - n)
    return jnp.stack(
        [
            GROWTH + investment - 0.5 * KAPPA * investment**2,
            warming,
            EFFICIENCY * research**RETURNS * jnp.exp(RETURNS * (k - r)),
            slope(y) * warming,
            DELTA + technology + damage,
            jnp.exp(-gone) * flow,
        ]
    )


def value_of(path, start, slope, jump):
    controls = path.reshape(DATES, 3)
    controls = jnp.stack([controls[:, 0], controls[:, 1], jax.nn.sigmoid(controls[:, 2])], axis=1)
    at, between = _AT_NODES @ controls, _BETWEEN @ controls

    def step(x, inputs):
        h, first, middle, last = inputs
        a = rate_of_change(x, first, slope, jump)
        b = rate_of_change(x + 0.5 * h * a, middle, slope, jump)
        c = rate_of_change(x + 0.5 * h * b, middle, slope, jump)
        d = rate_of_change(x + h * c, last, slope, jump)
        return x + h / 6.0 * (a + 2.0 * b + 2.0 * c + d), None

    x = jnp.concatenate([start, jnp.zeros(3)])
    x, _ = jax.lax.scan(step, x, (jnp.asarray(np.diff(_TIMES)), at[:-1], between, at[1:]))
    return x[5] + jnp.exp(-x[4]) * (x[0] + AFTER - x[3])


def best_path(start, slope, jump):
    """Value of the best path and its derivatives in the initial state."""
    start = jnp.asarray(start)

    def loss(path):
        return -value_of(path, start, slope, jump)

    both, second = jax.jit(jax.value_and_grad(loss)), jax.jit(jax.hessian(loss))

    def evaluate(path):
        value, gradient = both(jnp.asarray(path))
        return float(value), np.asarray(gradient)

    guess = np.tile([0.085, np.log(0.001), -1.0], (DATES, 1)).ravel()
    path = minimize(evaluate, guess, jac=True, method="L-BFGS-B", options={"maxiter": 200}).x
    hessian = {"hess": lambda p: np.asarray(second(jnp.asarray(p)))}
    found = minimize(evaluate, path, jac=True, method="trust-exact", options={"maxiter": 80, "gtol": 1e-8}, **hessian)
    if np.abs(found.jac).max() > 1e-6:
        raise RuntimeError(f"Newton's method stopped at a gradient of {np.abs(found.jac).max():.1e}.")
    slopes = jax.jit(jax.grad(lambda x: value_of(jnp.asarray(found.x), x, slope, jump)))(start)
    return -found.fun, np.asarray(slopes)


def first_controls(start, slopes, slope):
    """Emissions and research from the first-order conditions of the economy without noise."""
    k, y, r = start
    gain = EFFICIENCY * RETURNS * slopes[2] * np.exp(RETURNS * (k - r))

    def spent(c):
        m = DELTA / c
        research = (gain / m) ** (1.0 / (1.0 - RETURNS))
        harm = (slope(y) - slopes[1]) * TCRE
        abated = min(harm * CARBON * np.exp(k) / (m * POWER * COST), 1.0) ** (1.0 / (POWER - 1.0))
        excess = c + (1.0 - m / slopes[0]) / KAPPA + research + ALPHA * COST * abated**POWER - ALPHA
        return excess, abated, research

    _, abated, research = spent(brentq(lambda c: spent(c)[0], 1e-4, ALPHA))
    return ALPHA * CARBON * np.exp(k) * (1.0 - abated), research


def no_jump(k, y, r):
    return 0.0, 0.0


def by_finite_differences(noise, points):
    """Value, slopes, emissions and research at the start; values after each damage jump on a table in capital, knowledge."""
    model = ab.models.KnowledgeCapital(
        climate=ab.models.TCREClimate(ab.models.Ensemble.certain(TCRE), relative_volatility=1.2 * noise),
        economy=ab.models.AKEconomy(volatility=0.01 * noise),
        research=ab.models.Research(volatility=0.0078 * noise),
    )
    solution = ab.solve(ab.HJBProblem(model), ab.solvers.FiniteDifference(points=points))
    t, x = jnp.zeros(()), model.initial_state()
    value, costate, _ = ab.models.derivatives(t, x, solution.value)
    u = solution.policy(t, x)
    here = np.array([value, *costate, u.emissions, u.research])
    state = type(model.states)

    @eqx.filter_jit
    @eqx.filter_vmap(in_axes=(eqx.if_array(0), None, None))
    def after(found, k, r):
        return jax.vmap(lambda a: jax.vmap(lambda b: found(t, state(a, jnp.asarray(THRESHOLD), b)))(r))(k)

    return here, np.asarray(after(solution.destinations[1].value, *map(jnp.asarray, TABLE)))


TABLE = np.linspace(6.5, 8.4, 20), np.linspace(2.3, 5.2, 30)


def chebyshev_fit(table):
    """A smooth function of log capital and log knowledge through a table, and its largest error there."""
    units = [2.0 * (v - v[0]) / (v[-1] - v[0]) - 1.0 for v in TABLE]
    bases = [chebyshev.chebvander(u, n) for u, n in zip(units, DEGREES, strict=True)]
    weights = np.linalg.pinv(bases[0]) @ table @ np.linalg.pinv(bases[1]).T
    error = float(np.abs(bases[0] @ weights @ bases[1].T - table).max())
    weights = jnp.asarray(weights)

    def polynomials(v, grid, degree):
        u = jnp.clip(2.0 * (v - grid[0]) / (grid[-1] - grid[0]) - 1.0, -1.0, 1.0)
        terms = [jnp.ones_like(u), u]
        for _ in range(degree - 1):
            terms.append(2.0 * u * terms[-1] - terms[-2])
        return jnp.stack(terms)

    def at(k, r):
        return polynomials(k, TABLE[0], DEGREES[0]) @ weights @ polynomials(r, TABLE[1], DEGREES[1])

    return at, error


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--points", default="7,41,11", help="nodes in log capital, temperature, log knowledge")
    points = tuple(int(n) for n in parser.parse_args().points.split(","))
    solved = [by_finite_differences(noise, points) for noise in NOISES]
    share = NOISES[1] ** 2 / (NOISES[0] ** 2 - NOISES[1] ** 2)
    quiet, tables = (b + share * (b - a) for a, b in zip(*solved, strict=True))
    after, error = chebyshev_fit(tables.mean(axis=0))  # all curvatures are equally likely
    print(f"values after the damage jump, fitted to {error:.1e}")

    start, curvature = (TABLE[0][5], THRESHOLD, TABLE[1][5]), 1.0 / 3.0
    value, _ = best_path(start, lambda y: LINEAR + QUADRATIC * y + curvature * (y - THRESHOLD), no_jump)
    print(f"after the jump, steepest damages: path {value:.6f}, finite differences {tables[-1][5, 5]:.6f}")

    def jump(k, y, r):
        over = jnp.clip(y - ONSET, 0.0, 2.0)
        rate = RATE * jnp.expm1(0.5 * STEEPNESS * over**2)
        return rate, rate * after(k, r)

    def slope(y):
        return LINEAR + QUADRATIC * y

    start = np.array([np.log(85.0 / ALPHA), 1.1, np.log(11.2)])
    value, slopes = best_path(start, slope, jump)
    path = np.array([value, *slopes, *first_controls(start, slopes, slope)])
    print(f"before both jumps, no noise\n{'':>12} {'path':>10} {'differences':>12} {'relative':>9}")
    for name, a, b in zip(("v", "v_k", "v_y", "v_r", "emissions", "research"), path, quiet, strict=True):
        print(f"{name:>12} {a:10.6f} {b:12.6f} {b / a - 1.0:9.1e}")


if __name__ == "__main__":
    main()
