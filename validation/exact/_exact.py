"""Exact value functions: closed forms, and sums of one-dimensional functions."""

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
    r"""The value function of `ak_climate` as a sum of one-dimensional functions: $(1-\eta)k + f(y) + g(z) + c$.

    $f$ is computed by Chebyshev collocation on a much larger interval (another method than finite differences); $g$ is linear,
    plus an integral over the distribution of the Ornstein-Uhlenbeck process if $z$ has a flow cost.

    **Arguments:**

    - `model`: the model; if productivity has a flow cost, its shocks must be without ambiguity (otherwise the value does not
      separate).
    - `count`: largest number of Chebyshev nodes; fewer nodes are used if more would resolve the noise layer at the lower end, in
      which the equation has no unique solution without a boundary condition. `top`: end of the interval, degC.

    **Raises:** `ValueError` if the value does not separate, or if Newton's method does not converge.

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
    r"""The value function of `multi_region` from the functions of `ak_climate`: $f(y) + \sum_nw_ng(z_n) + c$.

    The sum of the regions' emissions equals the emissions of one planner with world damages, so that $f$ is the temperature
    function of `AKExact`, and $g$ its productivity function. In rotated coordinates it is the same function of the transformed
    state. Log capitals are additive states and not part of this function.

    **Arguments:**

    - `model`: a model without coupling; if productivity has a flow cost, its shocks must be without ambiguity.
    - `count`, `top`: as in `AKExact`.

    **Raises:** `ValueError` if the value does not separate.

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
            raise ValueError(
                "MultiRegionExact: with `coupling` > 0 the value is not a sum of one-dimensional functions; set `coupling` to 0."
            )
        self.model, n = model, model.regions
        shocks = jnp.broadcast_to(model.ambiguity.shocks, (2 * n + 1,))
        ambiguity = eqx.tree_at(lambda a: a.shocks, model.ambiguity, jnp.array([0.0, 1.0, 0.0]) * shocks[0])
        one = AKClimate(
            preferences=model.preferences,
            emissions_share=model.emissions_share,
            economy=model.economy,
            climate=model.climate,
            damages=model.world_damages,
            productivity=model.productivity,
            ambiguity=ambiguity,
            exogenous_emissions=model.exogenous_emissions,
        )
        if _costly(one) and bool(jnp.any(shocks[1 : n + 1] > 0)):
            raise ValueError(
                "MultiRegionExact: with a flow cost of productivity and ambiguity about its shocks the value does not separate;"
                " set one of them to zero."
            )
        self.pieces = AKExact(one, count, top)
        delta, w = model.preferences.discount_rate, model.shares
        prices = (1.0 - model.emissions_share) * w
        growth = model.productivity.volatility * prices / (delta + model.productivity.reversion)
        exposure = jnp.concatenate([growth, model.economy.volatility * prices])
        division = model.emissions_share * (w @ jnp.log(w))  # emissions are divided in proportion to the weights
        self.constant = self.pieces.constant + division - 0.5 * shocks[1:] @ exposure**2 / delta

    def __call__(self, t: Scalar, x: Point) -> Scalar:
        y, z = self.model.physical(x)
        regional = jax.vmap(lambda one: self.pieces.factor("productivity", one))(z)
        return self.pieces.temperature(y) + self.model.shares @ regional + self.constant


def _costly(model: AKClimate) -> bool:
    return any(float(block.cost) != 0.0 for block in model.factors.values())


def _has_ambiguous_productivity(model: AKClimate | MultiRegion, first: int) -> bool:
    """Whether there is ambiguity about a shock to productivity, the first of which has the number `first`."""
    last = first + (len(model.factors) if isinstance(model, AKClimate) else model.regions)
    return bool(jnp.any(model.ambiguity.shock_aversion(slice(first, last)) > 0))


def exact_value(model: AbstractModel):
    """The exact value function of a model, or None if it has none.

    **Arguments:**

    - `model`: the model.

    **Returns:** a function of time and state, or None.

    !!! example

        ```python
        import jax.numpy as jnp

        import abatax as ab

        model = ab.models.LinearQuadratic()
        value = ab.validation.exact_value(model)
        assert float(value(jnp.array(0.0), model.initial_state())) < 0.0
        assert ab.validation.exact_value(ab.models.NetZero()) is None
        ```
    """
    make = _maker(model)
    return None if make is None else make(model)


def has_exact_value(model: AbstractModel) -> bool:
    """Whether a model has an exact value function; nothing is computed.

    **Arguments:**

    - `model`: the model.

    **Returns:** true if [`exact_value`][] returns a function.

    !!! example

        ```python
        import abatax as ab

        assert ab.validation.has_exact_value(ab.models.AKClimate())
        assert not ab.validation.has_exact_value(ab.models.NetZero())
        ```
    """
    return _maker(model) is not None


def _maker(model: AbstractModel) -> Callable | None:
    """The function that computes the exact value function of a model; None if there is none."""
    if isinstance(model, QuadraticModel) and isinstance(model.preferences, TimeAdditive):
        return riccati
    if isinstance(model, AKClimate) and not (_costly(model) and _has_ambiguous_productivity(model, 2)):
        return AKExact
    if isinstance(model, MultiRegion) and not bool(jnp.any(model.coupling > 0)):
        separates = float(model.productivity.cost) == 0.0 or not _has_ambiguous_productivity(model, 1)
        return MultiRegionExact if separates else None
    return None
