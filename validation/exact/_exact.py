"""Exact solutions: closed forms, and one-dimensional pieces put together."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...models import AbstractModel, AKClimate, MultiRegion, TimeAdditive
from ...models.base import Point, Scalar
from ...models.exact import QuadraticModel
from ._exact_pieces import WIDEST, capital_constant, chebyshev_sum, productivity_cost, temperature_piece
from ._riccati import riccati


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
        self.coefficients = jnp.asarray(temperature_piece(model, count, self.low, top))
        self.cost = {name: jnp.asarray(productivity_cost(model, block)) for name, block in model.factors.items()}
        self.constant = capital_constant(model)

    def __call__(self, t: Scalar, x: Point) -> Scalar:
        capital = (1.0 - self.model.emissions_share) * x.log_capital + self.constant
        return capital + self.temperature(x.temperature) + sum(self.factor(n, getattr(x, n)) for n in self.cost)

    def temperature(self, y: Scalar) -> Scalar:
        """$f(y)$."""
        return chebyshev_sum(self.coefficients, 2.0 * (y - self.low) / (self.top - self.low) - 1.0)

    def factor(self, name: str, z: Scalar) -> Scalar:
        """$g(z)$ of a deviation of the growth rate."""
        share, delta = 1.0 - self.model.emissions_share, self.model.preferences.discount_rate
        return share * z / (delta + self.model.factors[name].reversion) + chebyshev_sum(self.cost[name], z / WIDEST)


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

        problem = ab.HJBProblem(ab.models.MultiRegion(regions=5, rotation=True))
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


def _costly(model: AKClimate) -> bool:
    return any(float(block.cost) != 0.0 for block in model.factors.values())


def _doubted(model: AKClimate | MultiRegion, first: int) -> bool:
    """Whether the planner doubts a shock to productivity, the first of which is number `first`."""
    last = first + (len(model.factors) if isinstance(model, AKClimate) else model.regions)
    return bool(jnp.any(model.ambiguity.shock_aversion(slice(first, last)) > 0))


def exact_value(model: AbstractModel):
    """The exact value function of a model, or None if it has none."""
    make = _maker(model)
    return None if make is None else make(model)


def has_exact_value(model: AbstractModel) -> bool:
    """Whether a model has an exact value function, which takes no time to say.

    !!! example

        ```python
        import abatax as ab

        assert ab.validation.has_exact_value(ab.models.AKClimate())
        assert not ab.validation.has_exact_value(ab.models.NetZero())
        ```
    """
    return _maker(model) is not None


def _maker(model: AbstractModel) -> Callable | None:
    """What makes the exact value function of a model."""
    if isinstance(model, QuadraticModel) and isinstance(model.preferences, TimeAdditive):
        return riccati
    if isinstance(model, AKClimate) and not (_costly(model) and _doubted(model, 2)):
        return AKExact
    if isinstance(model, MultiRegion) and not bool(jnp.any(model.coupling > 0)):
        separates = float(model.productivity.cost) == 0.0 or not _doubted(model, 1)
        return MultiRegionExact if separates else None
    return None
