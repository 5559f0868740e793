from typing import ClassVar, Generic, NamedTuple, TypeVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..base import Point, Scalar, Variable, check_positive, measured_in, parameter
from ..climate import CarbonReservoirs, TemperatureLayers
from ..equation import AbstractDiscreteModel, AbstractPeriod, Dynamics, PeriodOutcome
from ._dice_economy import YEARS, DiceEconomy, before, period_outcome, scc_with_offset
from ._dice_names import Policy, economy_variables, policy_variables
from ._dice_world import WELFARE_SCALE, Dice2016World

T = TypeVar("T")

_OFFSET = -10993.704  # of welfare, as published; it does not affect the path


class ReservoirsAndLayers(NamedTuple, Generic[T]):
    capital: T
    carbon_atmosphere: T
    carbon_upper: T
    carbon_lower: T
    temperature_atmosphere: T
    temperature_ocean: T


class Given2016(NamedTuple):
    """Exogenous quantities of a period."""

    population: Array  # million
    productivity: Array
    intensity: Array  # GtCO2 per trillion US$
    backstop: Array  # US$/tCO2
    land: Array  # GtCO2/yr
    forcing: Array  # W/m2, of this period
    next_forcing: Array  # W/m2, of the next period
    weight: Array  # weight in welfare of the annual utility of a million people


class Period2016(AbstractPeriod):
    """One period of DICE-2016R: output, emissions, and the climate of the next period."""

    economy: DiceEconomy
    carbon: CarbonReservoirs
    temperature: TemperatureLayers

    def __call__(self, given: Point, x: Point, u: Point, pulse: Scalar) -> PeriodOutcome:
        economy, layers = self.economy, self.temperature
        gross = economy.gross_output(given.productivity, given.population, x.capital)
        cost = economy.abatement_cost_share(given.backstop, given.intensity)
        output = economy.produce(gross, cost, x.temperature_atmosphere, u.abatement, u.savings)
        industrial = given.intensity * gross * (1.0 - u.abatement)
        emissions = industrial + given.land + pulse
        carbon = self.carbon.advance(jnp.stack(x[1:4]), emissions)
        forcing = layers.forcing(carbon[0], given.next_forcing)
        temperature = layers.advance(jnp.stack(x[4:6]), forcing)
        state = ReservoirsAndLayers(economy.next_capital(x.capital, output.investment), *carbon, *temperature)
        seen = {
            "emissions_co2": emissions,
            "industrial_emissions": industrial,
            "temperature": x.temperature_atmosphere,
            "forcing": layers.forcing(x.carbon_atmosphere, given.forcing),
        }
        return period_outcome(economy, given, output, u.abatement, state, WELFARE_SCALE, seen)


class Dice2016(Dice2016World, AbstractDiscreteModel):
    r"""DICE-2016R: global growth, abatement and warming in 100 periods of five years from 2015.

    $$\max_{\mu,s}\; 5\kappa\sum_n\frac{L_n}{1.015^{5n}}u(C_n/L_n),\qquad E = \sigma Y_G(1-\mu) + E_{land}$$

    with the economy of [`DiceEconomy`][], the carbon of [`CarbonReservoirs`][] and the temperatures of
    [`TemperatureLayers`][]. Abatement is 3 % in 2015, at most 1 before 2160 and at most 1.2 from then on; savings are
    fixed in the last ten periods. The published limit on cumulative emissions, 6000 GtC, never binds and is omitted.

    **Arguments:**

    - `growth`, `economy`, `carbon`, `temperature`: the blocks.
    - `time_preference`: per year. `intensity_growth`: growth of emission intensity in 2015, `intensity_decline`: decline of
      that growth, both per year.
    - `initial_emissions`, `initial_output`, `initial_abatement`: GtCO2/yr, trillion 2010 US$/yr and share in 2015.
    - `backstop`, `backstop_decline`: US$/tCO2 at full abatement in 2015, and its relative decline per period.
    - `land_emissions`, `land_decline`: GtCO2/yr in 2015, and their relative decline per period.
    - `first_forcing`, `last_forcing`: W/m2 of other gases in 2015 and from 2100 on.

    **Raises:** `ValueError` naming a parameter that is out of range.

    **Good values:** the defaults are the published ones; welfare at the optimum is 4517.314681.

    **References:** Nordhaus 2017, "Revisiting the social cost of carbon", doi:10.1073/pnas.1609244114; money is in 2010 US$.

    !!! example

        ```python
        import abatax as ab

        path = ab.solve(ab.models.DiscreteProblem(ab.models.Dice2016()))
        assert abs(path.scc[1] - 36.718) < 1e-2
        ```
    """

    carbon: CarbonReservoirs = eqx.field(default_factory=CarbonReservoirs)
    temperature: TemperatureLayers = eqx.field(default_factory=TemperatureLayers)
    time_preference: Float[Array, "..."] = eqx.field(default=0.015, converter=parameter, metadata=measured_in("1/yr"))

    name: ClassVar[str] = "dice2016"
    source: ClassVar[str] = "Nordhaus 2017, doi:10.1073/pnas.1609244114 (DICE-2016R)"
    start_year: ClassVar[int] = 2015
    periods: ClassVar[int] = 100
    price_year: ClassVar[int] = 2010

    def __check_init__(self):
        check_positive("time_preference", self.time_preference, "per year")

    # -- names ------------------------------------------------------------------------------------------

    @property
    def states(self) -> Point:
        return ReservoirsAndLayers(
            Variable("capital", "trillion US$", 0.0, iamc="Capital Stock", symbol="K"),
            Variable("carbon in the atmosphere", "GtC", 0.0, symbol="M_AT"),
            Variable("carbon in the upper ocean and the biosphere", "GtC", 0.0, symbol="M_UP"),
            Variable("carbon in the deep ocean", "GtC", 0.0, symbol="M_LO"),
            Variable("temperature of the atmosphere above 1900", "degC", symbol="T_AT"),
            Variable("temperature of the deep ocean above 1900", "degC", symbol="T_LO"),
        )

    @property
    def controls(self) -> Point:
        return policy_variables("industrial emissions", 1.2)

    @property
    def observable_variables(self) -> dict[str, Variable]:
        return economy_variables("above 1900")

    # -- the program ------------------------------------------------------------------------------------

    def dynamics(self) -> Dynamics:
        n = jnp.arange(float(self.periods))
        fade = (1.0 - self.intensity_decline) ** (YEARS * n)
        forcing = self.forcing_at(jnp.arange(self.periods + 1.0))
        given = Given2016(
            population=self.growth.population_path(n),
            productivity=self.growth.productivity_path(n),
            intensity=self.first_intensity * jnp.exp(before(YEARS * self.intensity_growth * fade)),
            backstop=self.backstop_at(n),
            land=self.land_at(n),
            forcing=forcing[:-1],
            next_forcing=forcing[1:],
            weight=(1.0 + self.time_preference) ** (-YEARS * n),
        )
        start = ReservoirsAndLayers(
            self.economy.initial_capital, *self.carbon.initial_carbon, *self.temperature.initial_temperature
        )
        period = Period2016(self.economy, self.carbon, self.temperature)
        return Dynamics(period, given, start, parameter(_OFFSET))

    def control_bounds(self) -> tuple[Point, Point]:
        n = jnp.arange(float(self.periods))
        least, most = self.abatement_limits(n)
        last = self.periods - 10
        fixed = self._last_savings()
        low = Policy(least, jnp.where(n < last, 0.01, fixed))
        high = Policy(most, jnp.where(n < last, 0.99, fixed))
        return low, high

    def _last_savings(self) -> Scalar:
        economy, depreciation = self.economy, self.economy.depreciation
        growth = 0.004  # per year, of the balanced path in the source
        interest = depreciation + growth * economy.inverse_eis + self.time_preference
        return (depreciation + growth) / interest * economy.capital_share

    def first_controls(self) -> Point:
        n = jnp.arange(float(self.periods))
        return Policy(jnp.minimum(0.2 + 0.04 * n, 1.0), jnp.full(self.periods, 0.25))

    def published_scc(
        self, emissions_value: Float[Array, " period"], consumption_value: Float[Array, " period"]
    ) -> Float[Array, " period"]:
        """The source divides by the marginal value of consumption plus 1e-5: 0.1 US$ less after 2100."""
        return scc_with_offset(emissions_value, consumption_value)
