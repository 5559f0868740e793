"""Exact solutions: closed forms, and one-dimensional pieces solved by another method than the package's solvers."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.integrate
import scipy.linalg
from jaxtyping import Array, Float

from ..models import AbstractModel, AKClimate, LinearQuadratic, MultiRegion, Productivity, TimeAdditive
from ..models._types import Point, Scalar


class QuadraticValue(eqx.Module):
    """$V(x) = -\\tfrac12x^\\top Px - c$."""

    matrix: Float[Array, "state state"]
    constant: Float[Array, ""]

    def __call__(self, t: Scalar, x: Point) -> Scalar:
        z = jnp.stack(x)
        return -0.5 * z @ self.matrix @ z - self.constant


def riccati(model: LinearQuadratic) -> QuadraticValue:
    r"""The value function of the linear-quadratic model, from the stabilising root of its Riccati equation.

    $$A^\top P + PA - P\big(BR^{-1}B^\top - SS^\top/\xi\big)P + Q - \delta P = 0$$

    solved through the stable invariant subspace of the Hamiltonian matrix (Laub 1979, doi:10.1109/TAC.1979.1102178);
    $c = \mathrm{tr}(SS^\top P)/(2\delta)$.

    **Raises:** `ValueError` if ambiguity is so strong that no finite value exists.

    !!! example

        ```python
        import abatax as ab

        assert abs(float(ab.validation.riccati(ab.models.LinearQuadratic()).matrix[0, 0]) - 1.025312) < 1e-6
        ```
    """
    n = model.dimension
    delta = float(model.preferences.discount_rate)
    shocks = np.broadcast_to(np.asarray(model.ambiguity.shocks), (n,))
    variance = float(model.volatility) ** 2
    a = np.asarray(model.matrix) - 0.5 * delta * np.eye(n)
    gain = np.eye(n) / float(model.control_cost) - variance * np.diag(shocks)
    cost = float(model.state_cost) * np.eye(n)
    hamiltonian = np.block([[a, -gain], [-cost, -a.T]])
    ordered: tuple[Any, ...] = scipy.linalg.schur(hamiltonian, sort="lhp")
    _, vectors, stable = ordered
    if stable != n or np.any(np.linalg.eigvalsh(gain) <= 0):
        raise ValueError(
            f"`ambiguity.shocks` is {model.ambiguity.penalties['shocks']}; the penalty must exceed"
            f" {variance * float(model.control_cost):g} for the value to be finite."
        )
    root = np.linalg.solve(vectors[:n, :n].T, vectors[n:, :n].T).T
    root = 0.5 * (root + root.T)
    return QuadraticValue(jnp.asarray(root), jnp.asarray(0.5 * variance * np.trace(root) / delta))


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


class AKExact(eqx.Module):
    r"""The value function of `ak_climate` from its one-dimensional pieces: $(1-\eta)k + f(y) + g(z) + c$.

    $f$ by Chebyshev collocation on a far larger interval (another method than finite differences); $g$ is linear,
    plus an integral over the law of the Ornstein-Uhlenbeck process if $z$ has a flow cost.

    **Arguments:**

    - `model`: with shocks' ambiguity only if productivity has no flow cost (otherwise it does not separate).
    - `count`: most Chebyshev nodes; fewer are used where more would resolve the layer that noise makes at the lower end, in
      which the equation without a boundary condition is open. `top`: end of the interval, degC.

    **Raises:** `ValueError` if the model does not separate, or Newton's method does not converge.

    !!! example

        ```python
        import jax.numpy as jnp
        import abatax as ab

        model = ab.models.AKClimate()
        value = ab.validation.AKExact(model)(jnp.zeros(()), model.initial_state())
        assert abs(float(value) - 4.8035) < 1e-3
        ```
    """

    model: AKClimate
    coefficients: Float[Array, " coefficient"]
    cost: dict[str, Float[Array, " coefficient"]]
    constant: Float[Array, ""]
    low: float = eqx.field(static=True)
    top: float = eqx.field(static=True)

    def __init__(self, model: AKClimate, count: int = 81, top: float = 16.0):
        self.model, self.low, self.top = model, 0.0, top
        self.coefficients = jnp.asarray(_solve_temperature(model, count, self.low, top))
        self.cost = {name: jnp.asarray(_productivity_cost(model, block)) for name, block in model.factors.items()}
        self.constant = _capital_constant(model)

    def __call__(self, t: Scalar, x: Point) -> Scalar:
        capital = (1.0 - self.model.emissions_share) * x.log_capital + self.constant
        return capital + self.temperature(x.temperature) + sum(self.factor(n, getattr(x, n)) for n in self.cost)

    def temperature(self, y: Scalar) -> Scalar:
        """$f(y)$."""
        return _clenshaw(self.coefficients, 2.0 * (y - self.low) / (self.top - self.low) - 1.0)

    def factor(self, name: str, z: Scalar) -> Scalar:
        """$g(z)$ of a deviation of the growth rate."""
        share, delta = 1.0 - self.model.emissions_share, self.model.preferences.discount_rate
        return share * z / (delta + self.model.factors[name].reversion) + _clenshaw(self.cost[name], z / _WIDEST)


class MultiRegionExact(eqx.Module):
    r"""The value function of `multi_region` from the pieces of `ak_climate`: $f(y) + \sum_nw_ng(z_n) + c$.

    The regions' emissions add up to those of one planner with the world's damages, so that $f$ is the temperature piece of
    `AKExact`, and $g$ its productivity piece. In rotated coordinates the same function of another state. Log capitals are
    additive states and not part of it.

    **Arguments:**

    - `model`: not coupled, and with shocks' ambiguity only if productivity has no flow cost (otherwise nothing separates).
    - `count`, `top`: as in `AKExact`.

    **Raises:** `ValueError` if the model does not separate.

    !!! example

        ```python
        import jax.numpy as jnp
        import abatax as ab

        problem = ab.HJBProblem(ab.models.MultiRegion(regions=20, rotation=True))
        value = ab.validation.MultiRegionExact(problem.model)
        assert abs(float(problem.residual(jnp.zeros(()), problem.model.initial_state(), value))) < 1e-10
        ```
    """

    model: MultiRegion
    pieces: AKExact
    constant: Float[Array, ""]

    def __init__(self, model: MultiRegion, count: int = 81, top: float = 16.0):
        if bool(jnp.any(model.coupling > 0)):
            raise ValueError("MultiRegionExact: with `coupling` > 0 the value is not a sum of one-dimensional pieces.")
        self.model, n = model, model.regions
        shocks = jnp.broadcast_to(model.ambiguity.shocks, (2 * n + 1,))
        doubt = eqx.tree_at(lambda a: a.shocks, model.ambiguity, jnp.array([0.0, 1.0, 0.0]) * shocks[0])
        one = AKClimate(
            preferences=model.preferences,
            emissions_share=model.emissions_share,
            economy=model.economy,
            climate=model.climate,
            damages=model.world_damages,
            productivity=model.productivity,
            ambiguity=doubt,
            exogenous_emissions=model.exogenous_emissions,
        )
        if _costly(one) and bool(jnp.any(shocks[1 : n + 1] > 0)):
            raise ValueError(
                "MultiRegionExact: with a flow cost of productivity and doubt about its shocks nothing separates."
            )
        self.pieces = AKExact(one, count, top)
        delta, w = model.preferences.discount_rate, model.shares
        prices = (1.0 - model.emissions_share) * w
        growth = model.productivity.volatility * prices / (delta + model.productivity.reversion)
        exposure = jnp.concatenate([growth, model.economy.volatility * prices])
        divided = model.emissions_share * (w @ jnp.log(w))  # emissions in proportion to the weights
        self.constant = self.pieces.constant + divided - 0.5 * shocks[1:] @ exposure**2 / delta

    def __call__(self, t: Scalar, x: Point) -> Scalar:
        y, z = self.model.physical(x)
        regional = jax.vmap(lambda one: self.pieces.factor("productivity", one))(z)
        return self.pieces.temperature(y) + self.model.shares @ regional + self.constant


_WIDEST = 0.25  # 1/yr, half the interval on which the cost of productivity is expanded


_CHUNK = 128  # nodes per call: one compilation for all counts
_MOST_STEPS = 60


@eqx.filter_jit
def _linearised(model: AKClimate, y, f, p, m):
    """The equation in temperature at nodes, and its derivatives in value, slope and bend, emissions at their best."""
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


@eqx.filter_jit
def _slopes_of_damages(model: AKClimate, nodes):
    """Marginal damages at nodes, and the slope of the value function where they dominate."""
    far = jax.vmap(lambda y: model._damage_slope(jnp.zeros(()), type(model.states)(y, y)))(nodes)
    return jax.vmap(model.damages.slope)(nodes), far


def _solve_temperature(model: AKClimate, most: int, low: float, top: float) -> np.ndarray:
    """Chebyshev coefficients of $f$: node counts grow until the slope no longer changes."""
    own = eqx.tree_at(lambda a: a.shocks, model.ambiguity, model.ambiguity.shock_aversion(1))
    model = dataclasses.replace(model, productivity=None, cycle=None, ambiguity=own)
    fresh, best, before, least = np.linspace(-0.99, 1.0, 200), None, None, np.inf
    for count in (*(n for n in (21, 31, 41, 51, 61, 71) if n < most), most):
        found = _solve_on(model, count, low, top)
        if found is None:
            continue
        slope = np.polynomial.chebyshev.chebval(fresh, np.polynomial.chebyshev.chebder(found))
        change = np.inf if before is None else np.max(np.abs(slope / before - 1.0))
        if best is None or change < least:
            best, least = found, change
        elif change > 10.0 * least:
            break  # rounding errors, or the layer at the lower end
        before = slope
    if best is None:
        raise ValueError("AKExact: the one-dimensional problem in temperature did not converge; move `top`.")
    return best


def _solve_on(model: AKClimate, count: int, low: float, top: float) -> np.ndarray | None:
    """The same on one set of nodes by Newton's method; None if it does not converge."""
    nodes, first = _chebyshev(low, top, count)
    second = first @ first
    pad = np.minimum(np.arange(-(-count // _CHUNK) * _CHUNK), count - 1)
    y = jnp.asarray(nodes[pad])
    damages, far = (np.asarray(s)[:count] for s in _slopes_of_damages(model, y))
    slope, first_of = (1.0 - float(model.emissions_share)) * damages + 1e-3, first.copy()
    first_of[-1] = 0.0  # the slope is known there
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


def _capital_constant(model: AKClimate) -> Array:
    economy, delta, eta = model.economy, model.preferences.discount_rate, model.emissions_share
    aversion = model.ambiguity.shock_aversion
    i = economy.best_investment(delta)
    total = (1.0 - eta) * (delta * jnp.log(economy.productivity - i) + economy.drift(i))
    total = total - 0.5 * aversion(0) * (economy.volatility * (1.0 - eta)) ** 2
    for n, block in enumerate(model.factors.values()):
        slope = (1.0 - eta) / (delta + block.reversion)
        total = total - 0.5 * aversion(2 + n) * (block.volatility * slope) ** 2
    return total / delta


def _productivity_cost(model: AKClimate, block: Productivity) -> np.ndarray:
    r"""$-\delta q\int_0^\infty e^{-\delta t}E[e^{sz_t}]dt$ as a Chebyshev series in $z$."""
    if float(block.cost) == 0.0:
        return np.zeros(1)
    if bool(jnp.any(model.ambiguity.shock_aversion(slice(2, None)) > 0)):
        raise ValueError("AKExact: with a flow cost of productivity and doubt about its shocks nothing separates.")
    delta, rho = float(model.preferences.discount_rate), float(block.reversion)
    s, variance = float(block.steepness), float(block.volatility) ** 2

    def cost(z):
        def integrand(t):
            spread = variance * -np.expm1(-2.0 * rho * t) / (2.0 * rho)
            return np.exp(-delta * t + s * z * np.exp(-rho * t) + 0.5 * s * s * spread)

        return -delta * float(block.cost) * scipy.integrate.quad(integrand, 0, np.inf, epsabs=1e-13, limit=400)[0]

    count = 41
    x = -np.cos(np.pi * np.arange(count) / (count - 1))
    return np.polynomial.chebyshev.chebfit(x, [cost(_WIDEST * v) for v in x], count - 1)


def _clenshaw(coefficients: Float[Array, " coefficient"], x: Scalar) -> Scalar:
    """The Chebyshev series at `x`."""

    def body(carry, c):
        b1, b2 = carry
        return (2.0 * x * b1 - b2 + c, b1), None

    zero = jnp.zeros_like(x)
    (b1, b2), _ = jax.lax.scan(body, (zero, zero), coefficients[:0:-1])
    return x * b1 - b2 + coefficients[0]


def _costly(model: AKClimate) -> bool:
    return any(float(block.cost) != 0.0 for block in model.factors.values())


def _doubted(model: AKClimate | MultiRegion, first: int) -> bool:
    """Whether the planner doubts a shock to productivity, the first of which is number `first`."""
    last = first + (len(model.factors) if isinstance(model, AKClimate) else model.regions)
    return bool(jnp.any(model.ambiguity.shock_aversion(slice(first, last)) > 0))


def exact_value(model: AbstractModel):
    """The exact value function of a model, or None if it has none."""
    if isinstance(model, LinearQuadratic) and isinstance(model.preferences, TimeAdditive):
        return riccati(model)
    if isinstance(model, AKClimate) and not (_costly(model) and _doubted(model, 2)):
        return AKExact(model)
    if isinstance(model, MultiRegion) and not bool(jnp.any(model.coupling > 0)):
        separates = float(model.productivity.cost) == 0.0 or not _doubted(model, 1)
        return MultiRegionExact(model) if separates else None
    return None
