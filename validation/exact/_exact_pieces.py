"""The one-dimensional functions of `ak_climate`, by Chebyshev collocation and quadrature, without a solver of the package."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.integrate
from jaxtyping import Array, Float

from ...models import AKClimate, Productivity
from ...models.base import Scalar
from ...solvers.base import compiled

WIDEST = 0.25  # 1/yr, half the interval on which the cost of productivity is expanded
_CHUNK = 128  # nodes per call, so that one compiled program serves all numbers of nodes
_MOST_STEPS = 60


def _chebyshev(low: float, high: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Chebyshev points of the second kind and their differentiation matrix (Trefethen 2000, chapter 6)."""
    j = np.arange(count)
    x = -np.cos(np.pi * j / (count - 1))
    c = np.where((j == 0) | (j == count - 1), 2.0, 1.0) * (-1.0) ** j
    dx = x[:, None] - x[None, :]
    first = np.outer(c, 1.0 / c) / (dx + np.eye(count))
    first -= np.diag(first.sum(axis=1))
    scale = 2.0 / (high - low)
    return low + (x + 1.0) / scale, first * scale


@compiled
def _linearised(model: AKClimate, y, f, p, m):
    """The equation in temperature at nodes with optimal emissions, and its derivatives in value, slope and second derivative."""
    delta, eta = model.preferences.discount_rate, model.emissions_share
    climate, bounds, aversion = model.climate, model.controls.emissions, model.ambiguity.shocks

    def at(local, y):
        f, p, m = local
        e = climate.best_emissions(
            delta * eta, p, m, model.ambiguity, aversion, model.exogenous_emissions, bounds.low, bounds.high
        )
        total = jax.lax.stop_gradient(e) + model.exogenous_emissions  # envelope theorem
        return (
            delta * (eta * jnp.log(jax.lax.stop_gradient(e)) - (1.0 - eta) * model.damages.log_damages(y) - f)
            + model.ambiguity.climate_term(p * climate.ensemble.values * total, climate.ensemble.weights)
            + 0.5 * climate.volatility**2 * total**2 * (m - aversion * p**2)
        )

    return jax.vmap(jax.value_and_grad(at))((f, p, m), y)


@compiled
def _slopes_of_damages(model: AKClimate, nodes):
    """Marginal damages at nodes, and the slope of the value function at temperatures at which damages dominate."""
    far = jax.vmap(lambda y: model._damage_slope(jnp.zeros(()), type(model.states)(y, y)))(nodes)
    return jax.vmap(model.damages.slope)(nodes), far


def temperature_piece(model: AKClimate, most: int, low: float, top: float) -> np.ndarray:
    """Chebyshev coefficients of $f$; the number of nodes grows until the slope no longer changes."""
    ambiguity = eqx.tree_at(lambda a: a.shocks, model.ambiguity, model.ambiguity.shock_aversion(1))
    model = dataclasses.replace(model, productivity=None, cycle=None, ambiguity=ambiguity)
    fresh, best, before, least = np.linspace(-0.99, 1.0, 200), None, None, np.inf
    for count in (*(n for n in (21, 31, 41, 51, 61, 71) if n < most), most):
        coefficients = _solve_on(model, count, low, top)
        if coefficients is None:
            continue
        slope = np.polynomial.chebyshev.chebval(fresh, np.polynomial.chebyshev.chebder(coefficients))
        change = np.inf if before is None else np.max(np.abs(slope / before - 1.0))
        if best is None or change < least:
            best, least = coefficients, change
        elif change > 10.0 * least:
            break  # rounding errors, or the layer at the lower end
        before = slope
    if best is None:
        raise ValueError("AKExact: the one-dimensional problem in temperature did not converge; move `top`.")
    return best


def _solve_on(model: AKClimate, count: int, low: float, top: float) -> np.ndarray | None:
    """Chebyshev coefficients of $f$ on one set of nodes by Newton's method; None if it does not converge."""
    nodes, first = _chebyshev(low, top, count)
    second = first @ first
    pad = np.minimum(np.arange(-(-count // _CHUNK) * _CHUNK), count - 1)
    y = jnp.asarray(nodes[pad])
    damages, far = (np.asarray(s)[:count] for s in _slopes_of_damages(model, y))
    slope, first_of = (1.0 - float(model.emissions_share)) * damages + 1e-3, first.copy()
    first_of[-1] = 0.0  # the slope at the upper end is known
    f, before = -np.append(0.0, np.cumsum(0.5 * (slope[1:] + slope[:-1]) * np.diff(nodes))), np.inf
    for _ in range(_MOST_STEPS):
        p, m = first @ f, second @ f
        p[-1] = far[-1]
        residual, slopes = _linearised(model, y, *(jnp.asarray(v[pad]) for v in (f, p, m)))
        by_f, by_p, by_m = (np.asarray(s)[:count, None] for s in slopes)
        matrix = by_f * np.eye(count) + by_p * first_of + by_m * second
        if not np.all(np.isfinite(matrix)):
            return None
        move = np.linalg.solve(matrix, -np.asarray(residual)[:count])
        f = f + move
        size = float(np.max(np.abs(move)) / np.ptp(f))
        if size < 1e-12 or (size < 1e-8 and size > 0.3 * before):  # Newton steps end at rounding errors
            return np.polynomial.chebyshev.chebfit(2.0 * (nodes - low) / (top - low) - 1.0, f, count - 1)
        before = size
    return None


def capital_constant(model: AKClimate) -> Array:
    """The constant $c$ of the value function of `ak_climate`."""
    economy, delta, eta = model.economy, model.preferences.discount_rate, model.emissions_share
    aversion = model.ambiguity.shock_aversion
    i = economy.best_investment(delta)
    total = (1.0 - eta) * (delta * jnp.log(economy.productivity - i) + economy.drift(i))
    total = total - 0.5 * aversion(0) * (economy.volatility * (1.0 - eta)) ** 2
    for n, block in enumerate(model.factors.values()):
        slope = (1.0 - eta) / (delta + block.reversion)
        total = total - 0.5 * aversion(2 + n) * (block.volatility * slope) ** 2
    return total / delta


def productivity_cost(model: AKClimate, block: Productivity) -> np.ndarray:
    r"""$-\delta q\int_0^\infty e^{-\delta t}E[e^{sz_t}]dt$ as a Chebyshev series in $z$."""
    if float(block.cost) == 0.0:
        return np.zeros(1)
    if bool(jnp.any(model.ambiguity.shock_aversion(slice(2, None)) > 0)):
        raise ValueError(
            "AKExact: with a flow cost of productivity and ambiguity about its shocks the value does not separate; set one of them to"
            " zero."
        )
    delta, rho = float(model.preferences.discount_rate), float(block.reversion)
    s, variance = float(block.steepness), float(block.volatility) ** 2

    def cost(z):
        def integrand(t):
            spread = variance * -np.expm1(-2.0 * rho * t) / (2.0 * rho)
            return np.exp(-delta * t + s * z * np.exp(-rho * t) + 0.5 * s * s * spread)

        return -delta * float(block.cost) * scipy.integrate.quad(integrand, 0, np.inf, epsabs=1e-13, limit=400)[0]

    count = 41
    x = -np.cos(np.pi * np.arange(count) / (count - 1))
    return np.polynomial.chebyshev.chebfit(x, [cost(WIDEST * v) for v in x], count - 1)


def chebyshev_sum(coefficients: Float[Array, " coefficient"], x: Scalar) -> Scalar:
    """The Chebyshev series at `x`."""

    def body(carry, c):
        b1, b2 = carry
        return (2.0 * x * b1 - b2 + c, b1), None

    zero = jnp.zeros_like(x)
    (b1, b2), _ = jax.lax.scan(body, (zero, zero), coefficients[:0:-1])
    return x * b1 - b2 + coefficients[0]
