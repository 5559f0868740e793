from typing import ClassVar, Generic, NamedTuple, TypeVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..base import (
    AbstractBlock,
    Point,
    Scalar,
    Variable,
    check_capital,
    check_positive,
    check_share,
    measured_in,
    parameter,
)
from ..climate import TEMPERATURE, TCREClimate
from ..economy import CAPITAL, CONSUMPTION, DAMAGES, INVESTMENT, OUTPUT, AKEconomy, ThresholdDamages, lost_consumption
from ..equation import (
    AbstractPreferences,
    Ambiguity,
    CarbonModel,
    ClosedFormControl,
    Ensemble,
    Growth,
    Inflow,
    TimeAdditive,
    check_time_additive,
)

T = TypeVar("T")


class CapitalTemperature(NamedTuple, Generic[T]):
    log_capital: T
    temperature: T


class CapitalTemperatureProductivity(NamedTuple, Generic[T]):
    log_capital: T
    temperature: T
    productivity: T


class CapitalTemperatureProductivityCycle(NamedTuple, Generic[T]):
    log_capital: T
    temperature: T
    productivity: T
    cycle: T


class InvestmentEmissions(NamedTuple, Generic[T]):
    investment: T
    emissions: T


# 1/yr, five widths sigma^2 / (2 rho z) of the boundary layer that noise creates at the faces of productivity
COLLAR = 0.05


class Productivity(AbstractBlock):
    r"""Mean-reverting deviation of the growth rate of capital: $dz = -\rho_zz\,dt + \sigma_z\,dW^z$.

    **Arguments:**

    - `reversion`: $\rho_z$, per year.
    - `volatility`: $\sigma_z$, per year and square root of a year.
    - `cost`: $q$ of a flow cost $-\delta q\,e^{sz}$, which makes the value function non-linear in $z$; zero by default.
    - `steepness`: $s$ of this cost, years.

    **Raises:** `ValueError` if the reversion is not positive or the volatility is negative.

    !!! example

        ```python
        import math

        import abatax as ab

        cycle = ab.models.Productivity(reversion=0.1, volatility=0.02)
        deviation = float(cycle.volatility) / math.sqrt(2.0 * float(cycle.reversion))  # stationary, per year
        assert abs(deviation - 0.0447) < 1e-4
        ```
    """

    reversion: Float[Array, "..."] = eqx.field(default=0.05, converter=parameter, metadata=measured_in("1/yr"))
    volatility: Float[Array, "..."] = eqx.field(default=0.01, converter=parameter, metadata=measured_in("yr^-3/2"))
    cost: Float[Array, "..."] = eqx.field(default=0.0, converter=parameter)
    steepness: Float[Array, "..."] = eqx.field(default=40.0, converter=parameter, metadata=measured_in("yr"))

    def __check_init__(self):
        check_positive("productivity.reversion", self.reversion, "per year")
        check_positive("productivity.volatility", self.volatility, allow_zero=True)

    def flow(self, z: Scalar) -> Scalar:
        """The cost of productivity as a flow, before the factor delta."""
        return -self.cost * jnp.exp(self.steepness * z)


def certain_climate() -> TCREClimate:
    """The published mean slope, without uncertainty."""
    return TCREClimate(ensemble=Ensemble.certain(1.861949e-3))


def damage_slope(damages: ThresholdDamages, emissions_share: Scalar, y: Scalar) -> Scalar:
    r"""$V_y = p$ if damages dominate: $p^2 + mp = (1-\eta)\eta\Lambda''$ with $m = (1-\eta)\Lambda'$, $p < 0$."""
    share = 1.0 - emissions_share
    m = share * damages.slope(y)
    term = share * emissions_share * damages.bend(y)
    return -0.5 * (m + jnp.sqrt(m**2 + 4.0 * term))


class AKClimate(ClosedFormControl, CarbonModel):
    r"""Growth, warming and productivity, with a value function that separates into one-dimensional terms.

    $$\delta V = \max_{i,e}\; \delta\big[\eta\log e + (1-\eta)(\log(\alpha-i) + k - \Lambda(y))\big]
        + V_k\big(\mu_k + i - \tfrac\kappa2i^2 - \tfrac12\sigma_k^2 + z\big) + \tfrac12\sigma_k^2V_{kk}
        + V_y\theta e + \tfrac12\varsigma^2e^2V_{yy} - \rho_zzV_z + \tfrac12\sigma_z^2V_{zz}$$

    so that $V = (1-\eta)k + f(y) + g(z) + $ const, which solvers do not exploit and which is known to many digits
    (`abatax.validation.AKExact`). The flow is multiplied by $\delta$.

    **Arguments:**

    - `preferences`, `emissions_share`, `economy`, `climate`, `damages`, `ambiguity`: as in `UncertainDamages`.
    - `productivity`: the block for $z$; `None` leaves it out (two states).
    - `cycle`: a second, faster deviation of the growth rate (four states); left out by default.
    - `exogenous_emissions`: emissions that the planner does not control, GtC/yr. The social cost of carbon is a
      derivative with respect to them.

    **Units:** capital in trillion US$, temperature degC, emissions GtC/yr, investment per unit of capital per year.

    **Raises:** `ValueError` if the preferences are not `TimeAdditive`, `emissions_share` is not between 0 and 1, growth or
    volatility of capital is too large, or `cycle` is given without `productivity`.

    !!! example

        ```python
        import abatax as ab

        assert ab.models.AKClimate(productivity=None).states._fields == ("log_capital", "temperature")
        ```
    """

    preferences: AbstractPreferences = eqx.field(default_factory=TimeAdditive)
    emissions_share: Float[Array, "..."] = eqx.field(default=0.032, converter=parameter)
    economy: AKEconomy = eqx.field(default_factory=AKEconomy)
    climate: TCREClimate = eqx.field(default_factory=certain_climate)
    damages: ThresholdDamages = eqx.field(default_factory=ThresholdDamages)
    productivity: Productivity | None = eqx.field(default_factory=Productivity)
    cycle: Productivity | None = None
    ambiguity: Ambiguity = eqx.field(default_factory=Ambiguity)
    exogenous_emissions: Float[Array, "..."] = eqx.field(
        default=0.0, converter=parameter, metadata=measured_in("GtC/yr")
    )

    name: ClassVar[str] = "ak_climate"
    source: ClassVar[str] = "parameters of Barnett, Brock and Hansen 2021, doi:10.1086/718668"

    def __check_init__(self):
        check_time_additive(self)
        check_share("emissions_share", self.emissions_share)
        check_capital("economy", self.economy.growth, self.economy.volatility)
        if self.cycle is not None and self.productivity is None:
            raise ValueError("`cycle` is given without `productivity`; give `productivity` too, or leave `cycle` out.")

    @property
    def factors(self) -> dict[str, Productivity]:
        """The deviations of the growth rate, by the name of their state."""
        named = {"productivity": self.productivity, "cycle": self.cycle}
        return {name: block for name, block in named.items() if block is not None}

    # -- names ------------------------------------------------------------------------------------------

    @property
    def states(self) -> Point:
        capital = Variable("log of capital", "log trillion US$", 4.0, 9.0, symbol="k")
        warming = TEMPERATURE._replace(low=0.1, high=4.0)
        if self.productivity is None:
            return CapitalTemperature(capital, warming)
        growth = Variable("deviation of the growth rate", "1/yr", -0.1, 0.1, symbol="z")
        if self.cycle is None:
            return CapitalTemperatureProductivity(capital, warming, growth)
        quick = Variable("quicker deviation of the growth rate", "1/yr", -0.1, 0.1, symbol="x")
        return CapitalTemperatureProductivityCycle(capital, warming, growth, quick)

    @property
    def controls(self) -> Point:
        return InvestmentEmissions(
            Variable("investment per unit of capital", "1/yr", -0.5, 0.5, symbol="i"),
            Variable("carbon emissions", "GtC/yr", 1e-6, 1e3, "Emissions|CO2", "e"),
        )

    def interior_controls(self) -> tuple[str, ...]:
        return self.controls._fields

    # -- dynamics ---------------------------------------------------------------------------------------

    @property
    def ensemble(self) -> Ensemble:
        return self.climate.ensemble

    def drift(self, t: Scalar, x: Point, u: Point, climate: Scalar) -> Point:
        growth = self.economy.drift(u.investment)
        warming = self.climate.drift(u.emissions + self.exogenous_emissions, climate)
        deviations = {name: getattr(x, name) for name in self.factors}
        reverting = (-block.reversion * deviations[name] for name, block in self.factors.items())
        return type(self.states)(growth + sum(deviations.values()), warming, *reverting)

    def diffusion(self, t: Scalar, x: Point, u: Point) -> Point:
        warming = self.climate.diffusion(u.emissions + self.exogenous_emissions)
        loadings = [self.economy.volatility, warming]
        loadings += [block.volatility for block in self.factors.values()]
        return type(self.states)(*jnp.diag(jnp.stack(loadings)))

    def utility(self, t: Scalar, x: Point, u: Point) -> Scalar:
        eta = self.emissions_share
        consumption = jnp.log(self.economy.productivity - u.investment) + x.log_capital
        flow = eta * jnp.log(u.emissions) + (1.0 - eta) * (consumption - self.damages.log_damages(x.temperature))
        for name, block in self.factors.items():
            flow = flow + block.flow(getattr(x, name))
        return self.preferences.discount_rate * flow

    def best_control(
        self, t: Scalar, x: Point, value: Scalar, costate: Point, hessian: Float[Array, "state state"]
    ) -> Point:
        delta, eta = self.preferences.discount_rate, self.emissions_share
        bounds = self.controls
        # If V_k <= 0, investment is at its lower bound.
        price = jnp.maximum(costate.log_capital, 1e-12)
        investment = self.economy.best_investment(delta * (1.0 - eta) / price)
        emissions = self.climate.best_emissions(
            delta * eta,
            costate.temperature,
            hessian[1, 1],
            self.ambiguity,
            self.ambiguity.shock_aversion(1),
            self.exogenous_emissions,
            bounds.emissions.low,
            bounds.emissions.high,
        )
        return InvestmentEmissions(jnp.clip(investment, bounds.investment.low, bounds.investment.high), emissions)

    # -- the box ----------------------------------------------------------------------------------------

    def costate_signs(self) -> dict[str, int]:
        return {"log_capital": 1, "temperature": -1}

    def closures(self) -> Point:
        # V has slope 1 - eta in log capital exactly, by constant returns to scale.
        homogeneous = Growth(slope=self._capital_slope)
        capital = (homogeneous, homogeneous)
        warming = (Inflow(), Growth(slope=self._damage_slope, extension=8.0))
        collar = (Inflow(extension=COLLAR), Inflow(extension=COLLAR))
        return type(self.states)(capital, warming, *(collar for _ in self.factors))

    def _capital_slope(self, t: Scalar, x: Point) -> Scalar:
        return 1.0 - self.emissions_share

    def _damage_slope(self, t: Scalar, x: Point) -> Scalar:
        return damage_slope(self.damages, self.emissions_share, x.temperature)

    def initial_state(self) -> Point:
        start = (jnp.log(self.economy.initial_capital), self.climate.initial_temperature)
        return type(self.states)(*start, *(parameter(0.0) for _ in self.factors))

    # -- what is reported -------------------------------------------------------------------------------

    def marginal_utility(self, t: Scalar, x: Point, u: Point, additive: Point) -> Scalar:
        weight = self.preferences.discount_rate * (1.0 - self.emissions_share)
        return weight / self._consumption(x, u)

    def _consumption(self, x: Point, u: Point) -> Scalar:
        return (self.economy.productivity - u.investment) * jnp.exp(x.log_capital)

    def observables(self, t: Scalar, x: Point, u: Point, additive: Point) -> dict[str, Scalar]:
        capital, consumption = jnp.exp(x.log_capital), self._consumption(x, u)
        return {
            "output": self.economy.productivity * capital,
            "investment_flow": u.investment * capital,
            "consumption": consumption,
            "damages": lost_consumption(consumption, self.damages.log_damages(x.temperature)),
            "capital": capital,
        }

    @property
    def observable_variables(self) -> dict[str, Variable]:
        return {
            "output": OUTPUT,
            "investment_flow": INVESTMENT,
            "consumption": CONSUMPTION,
            "damages": DAMAGES,
            "capital": CAPITAL,
        }
