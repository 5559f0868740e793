from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..base import (
    CO2_PER_CARBON,
    USD_PER_TONNE,
    AbstractBlock,
    Point,
    Scalar,
    check_positive,
    check_share,
    measured_in,
    parameter,
)
from ..equation import PeriodOutcome

YEARS = 5  # per period, in both versions
_DUAL_OFFSET = 1e-5  # added by the source to the marginal value of consumption before division
_TERMS = 15  # of a power series in growth per period: 0.076^16 is 1e-18


class Production(NamedTuple):
    """Gross output and its uses, trillion US$/yr."""

    gross: Scalar
    damages: Scalar
    abatement_cost: Scalar
    investment: Scalar
    consumption: Scalar


class DiceEconomy(AbstractBlock):
    r"""The economy of DICE: one good from capital and labour, reduced by damages and the cost of abatement.

    $$Y_G = A\,(L/1000)^{1-\gamma}K^\gamma,\qquad Y = Y_G(1 - a_2T^2 - \theta_1\mu^{\theta_2}),\qquad C = (1-s)Y,$$
    $$K' = (1-\delta)^5K + 5sY,\qquad u = \frac{(1000\,C/L)^{1-\eta}-1}{1-\eta}-1$$

    The five years of investment of a period are added without depreciation, as published.

    **Arguments:**

    - `capital_share`: $\gamma$. `depreciation`: $\delta$ per year. `initial_capital`: trillion US$.
    - `quadratic`: $a_2$, share of output lost per degC squared. `abatement_exponent`: $\theta_2$.
    - `inverse_eis`: $\eta$, not 1.

    **Raises:** `ValueError` naming a parameter that is out of range.

    **References:** Nordhaus 2017, doi:10.1073/pnas.1609244114.

    !!! example

        ```python
        import abatax as ab

        economy = ab.models.DiceEconomy()
        assert abs(float(economy.gross_output(5.115, 7403.0, 223.0)) - 105.1774) < 1e-4
        ```
    """

    capital_share: Float[Array, "..."] = eqx.field(default=0.3, converter=parameter)
    depreciation: Float[Array, "..."] = eqx.field(default=0.1, converter=parameter, metadata=measured_in("1/yr"))
    initial_capital: Float[Array, "..."] = eqx.field(
        default=223.0, converter=parameter, metadata=measured_in("trillion US$")
    )  # 2010 US$
    quadratic: Float[Array, "..."] = eqx.field(default=0.00236, converter=parameter, metadata=measured_in("1/degC^2"))
    abatement_exponent: Float[Array, "..."] = eqx.field(default=2.6, converter=parameter)
    inverse_eis: Float[Array, "..."] = eqx.field(default=1.45, converter=parameter)

    def __check_init__(self):
        check_share("economy.capital_share", self.capital_share)
        check_share("economy.depreciation", self.depreciation)
        check_positive("economy.initial_capital", self.initial_capital, "trillion US$")
        check_positive("economy.quadratic", self.quadratic, "per degC^2", allow_zero=True)
        check_positive("economy.abatement_exponent - 1", self.abatement_exponent - 1.0)
        check_positive("economy.inverse_eis", self.inverse_eis)
        check_positive("(economy.inverse_eis - 1)^2", (self.inverse_eis - 1.0) ** 2)

    def gross_output(self, productivity, population, capital) -> Scalar:
        """Output before damages and abatement, trillion US$/yr; population in millions."""
        labour = jnp.asarray(population / 1000.0) ** (1.0 - self.capital_share)
        return productivity * labour * jnp.asarray(capital) ** self.capital_share

    def produce(self, gross, cost, temperature, abatement, savings) -> Production:
        r"""Uses of gross output; `cost` is $\theta_1$, the cost of full abatement as a share of output."""
        damages = gross * self.quadratic * temperature**2
        abatement_cost = gross * cost * abatement**self.abatement_exponent
        net = gross - damages - abatement_cost
        investment = savings * net
        return Production(gross, damages, abatement_cost, investment, net - investment)

    def next_capital(self, capital, investment) -> Scalar:
        """Capital one period later, trillion US$."""
        return (1.0 - self.depreciation) ** YEARS * capital + YEARS * investment

    def utility(self, consumption, population) -> Scalar:
        """Utility per capita, in the published normalisation."""
        power = 1.0 - self.inverse_eis
        return ((1000.0 * consumption / population) ** power - 1.0) / power - 1.0

    def consumption_value(self, consumption, population) -> Scalar:
        """Derivative of population times utility with respect to consumption, per trillion US$/yr."""
        return 1000.0 * (1000.0 * consumption / population) ** -self.inverse_eis

    def carbon_price(self, backstop, abatement) -> Scalar:
        """Carbon price equal to the marginal cost of abatement, in the unit of the price of the backstop."""
        return backstop * abatement ** (self.abatement_exponent - 1.0)

    def abatement_cost_share(self, backstop, intensity) -> Float[Array, "..."]:
        r"""$\theta_1$ from the price of the backstop (US$/tCO2) and emissions per output (GtCO2 per trillion US$)."""
        return backstop * intensity / (USD_PER_TONNE * self.abatement_exponent)


class DiceGrowth(AbstractBlock):
    r"""Population and productivity in DICE, by period $n = 0, 1, \dots$ of five years.

    $$L_{n+1} = L_n(L_\infty/L_n)^{\lambda},\qquad A_{n+1} = A_n/(1-g_Ae^{-5\delta_An})$$

    **Arguments:**

    - `initial_population`, `population_limit`: $L_0$ and $L_\infty$, millions. `population_speed`: $\lambda$ per period.
    - `initial_productivity`: $A_0$. `productivity_growth`: $g_A$ per period. `productivity_decline`: $\delta_A$ per year.

    **Raises:** `ValueError` naming a parameter that is out of range.

    **References:** Nordhaus 2017, doi:10.1073/pnas.1609244114.

    !!! example

        ```python
        import jax.numpy as jnp

        import abatax as ab

        growth = ab.models.DiceGrowth()
        assert abs(float(growth.population_path(jnp.arange(2.0))[1]) - 7853.0908) < 1e-4
        ```
    """

    initial_population: Float[Array, "..."] = eqx.field(
        default=7403.0, converter=parameter, metadata=measured_in("million")
    )
    population_limit: Float[Array, "..."] = eqx.field(
        default=11500.0, converter=parameter, metadata=measured_in("million")
    )
    population_speed: Float[Array, "..."] = eqx.field(default=0.134, converter=parameter)
    initial_productivity: Float[Array, "..."] = eqx.field(default=5.115, converter=parameter)
    productivity_growth: Float[Array, "..."] = eqx.field(default=0.076, converter=parameter)
    productivity_decline: Float[Array, "..."] = eqx.field(
        default=0.005, converter=parameter, metadata=measured_in("1/yr")
    )

    def __check_init__(self):
        check_positive("growth.initial_population", self.initial_population, "million")
        check_positive("growth.population_limit", self.population_limit, "million")
        check_share("growth.population_speed", self.population_speed)
        check_positive("growth.initial_productivity", self.initial_productivity)
        check_share("growth.productivity_growth", self.productivity_growth)
        check_positive("growth.productivity_decline", self.productivity_decline, "per year", allow_zero=True)

    def population_path(self, n: Float[Array, "..."]) -> Float[Array, "..."]:
        """Population, millions: the recursion in closed form."""
        return self.population_limit * (self.initial_population / self.population_limit) ** (
            (1.0 - self.population_speed) ** n
        )

    def productivity_path(self, n: Float[Array, " period"]) -> Float[Array, " period"]:
        """Total factor productivity of consecutive periods, starting with the first."""
        growth = self.productivity_growth * jnp.exp(-YEARS * self.productivity_decline * n)
        return self.initial_productivity * jnp.exp(before(-jnp.log1p(-growth)))

    def productivity_at(self, n: Scalar) -> Scalar:
        r"""Total factor productivity at any real $n$, in closed form.

        $$\log\frac{A_n}{A_0} = \sum_{k\ge1}\frac{g_A^k}k\,\frac{1-q^{kn}}{1-q^k},\qquad q = e^{-5\delta_A}$$
        """
        k = jnp.arange(1.0, _TERMS + 1.0)
        fade = k * YEARS * self.productivity_decline
        terms = self.productivity_growth**k / k * jnp.expm1(-fade * n) / jnp.expm1(-fade)
        return self.initial_productivity * jnp.exp(jnp.sum(terms))


def before(changes: Float[Array, " period"]) -> Float[Array, " period"]:
    """Cumulative sums before each period."""
    return jnp.cumsum(changes) - changes


def period_outcome(
    economy: DiceEconomy, given: Point, output: Production, abatement: Scalar, state: Point, scale: float, seen: dict
) -> PeriodOutcome:
    """Outcome of a period: the next `state`, welfare in the published `scale`, and the quantities that both versions report.

    `seen` contains the reported quantities that each version computes itself: emissions, temperature, forcing.
    """
    weight = YEARS * scale * given.weight
    return PeriodOutcome(
        state,
        weight * given.population * economy.utility(output.consumption, given.population),
        weight * economy.consumption_value(output.consumption, given.population),
        {
            "emissions": seen["emissions_co2"] / CO2_PER_CARBON,
            "output": output.gross,
            "damages": output.damages,
            "abatement_cost": output.abatement_cost,
            "investment": output.investment,
            "consumption": output.consumption,
            "carbon_price": economy.carbon_price(given.backstop, abatement),
            **seen,
        },
    )


def scc_with_offset(
    emissions_value: Float[Array, " period"], consumption_value: Float[Array, " period"]
) -> Float[Array, " period"]:
    """The social cost of carbon as published, US$/tCO2: divided by the marginal value of consumption plus 1e-5."""
    return -USD_PER_TONNE * emissions_value / (consumption_value + _DUAL_OFFSET)
