from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..base import (
    CO2_PER_CARBON,
    USD_PER_TONNE,
    Point,
    Scalar,
    Variable,
    check_positive,
    increasing_root,
    measured_in,
    parameter,
)
from ..climate import TONNES_CO2_PER_TONNE_CARBON, CarbonCycle, CarbonCycleClimate, CarbonReservoirs, TemperatureLayers
from ..equation import (
    AbstractPreferences,
    Ambiguity,
    CarbonModel,
    ClosedFormControl,
    Ensemble,
    Inflow,
    Outflow,
    TimeAdditive,
    check_time_additive,
)
from ._dice_economy import YEARS, Production
from ._dice_names import LOG_CAPITAL, TIME, Policy, WorldOfDice, economy_variables
from ._dice_world import WELFARE_SCALE, Dice2016World


def _preferences() -> TimeAdditive:
    return TimeAdditive(0.014888612493750654)  # log 1.015


def _climate() -> CarbonCycleClimate:
    return CarbonCycleClimate(
        ensemble=Ensemble.certain(1.65e-3),
        carbon=CarbonReservoirs(),
        layers=TemperatureLayers(),
        exogenous_forcing=0.0,
        temperature_volatility=0.0,
    )


class Dice2016Continuous(Dice2016World, ClosedFormControl, CarbonModel):
    r"""DICE-2016R in continuous time, as an HJB equation in seven states, time among them.

    $$\max_{\mu,s}\int_0^\infty e^{-\rho t}\kappa L\,u(C/L)\,dt,\qquad dK = \big[sY - \tfrac{1-(1-\delta)^5}5K\big]dt +
    \sigma_kK\,dW^k,\qquad E = \sigma Y_G(1-\mu) + E_{land}$$

    with $\rho = \log 1.015$, the climate of [`CarbonCycleClimate`][] and the exogenous paths of DICE, in closed form between its
    periods. Calendar time is the state $\tau$, $d\tau = dt$: the equation is stationary, and its value is the current value at $\tau$.

    Depreciation is the Euler approximation of a period of DICE, which adds five years of investment without depreciation: 0.0819
    per year. With 0.1 capital would be 14 to 19 % lower. With the generator `logarithm` of the climate block (variant D) the social
    cost of carbon is 5 % below that of DICE in 2015 and 1 % below it from 2030 to 2100; with `euler` (variant A) it is 3 % below.
    These differences come from the five-year steps of DICE. See docs/models/dice.md.

    First-order conditions: $\mu = (SCC/p_b)^{1/1.6}$ within its limits, with $SCC = -1000V_M/(3.666\,V_K)$ US$/tCO2, and $U_C =
    V_K$. If savings are at a bound, abatement solves one increasing equation. Abatement is clipped to its limits, which are equal
    in the first period.

    **Arguments:**

    - `growth`, `economy`, `intensity_growth`, `intensity_decline`, `initial_emissions`, `initial_output`, `initial_abatement`,
      `backstop`, `backstop_decline`, `land_emissions`, `land_decline`, `first_forcing`, `last_forcing`: as in [`Dice2016`][].
    - `preferences`: $\rho$.
    - `climate`: a [`CarbonCycleClimate`][] (its exogenous forcing is added).
    - `ambiguity`: shocks in the order capital, temperature.
    - `capital_volatility`: $\sigma_k$, per square root of a year. It is zero by default, as is that of the climate: DICE is
      deterministic.
    - `exogenous_emissions`: additional emissions, GtC/yr.

    **Raises:** `ValueError` naming a parameter that is out of range.

    **Good values:** seven states are too many for grids: suitable solvers are those without a mesh and, without noise,
    `validation.OpenLoop(model, horizon=500, nodes=101, steps=400, spread=1, tail=False)`.

    **References:** Nordhaus 2017, doi:10.1073/pnas.1609244114; money is in 2010 US$. The continuous-time version is this
    package's own.

    !!! example

        ```python
        import abatax as ab

        model = ab.models.Dice2016Continuous()
        x = model.initial_state()
        assert x._fields[0] == "log_capital" and float(x.time) == 0.0
        ```
    """

    preferences: AbstractPreferences = eqx.field(default_factory=_preferences)
    climate: CarbonCycleClimate = eqx.field(default_factory=_climate)
    ambiguity: Ambiguity = eqx.field(default_factory=Ambiguity)
    capital_volatility: Float[Array, "..."] = eqx.field(
        default=0.0, converter=parameter, metadata=measured_in("yr^-1/2")
    )
    exogenous_emissions: Float[Array, "..."] = eqx.field(
        default=0.0, converter=parameter, metadata=measured_in("GtC/yr")
    )

    name: ClassVar[str] = "dice2016_continuous"
    source: ClassVar[str] = "Nordhaus 2017, doi:10.1073/pnas.1609244114 (DICE-2016R), in continuous time"
    start_year: ClassVar[int] = 2015

    def __check_init__(self):
        check_time_additive(self)
        check_positive("capital_volatility", self.capital_volatility, allow_zero=True)
        # The closed forms of the exogenous paths divide by these and neglect powers of growth beyond the fifteenth.
        check_positive("intensity_decline", self.intensity_decline, "per year")
        check_positive("growth.productivity_decline", self.growth.productivity_decline, "per year")
        check_positive("0.15 - growth.productivity_growth", 0.15 - self.growth.productivity_growth)

    @property
    def ensemble(self) -> Ensemble:
        return self.climate.ensemble

    # -- names ------------------------------------------------------------------------------------------

    @property
    def states(self) -> Point:
        climate = self.climate.states
        warming = climate.temperature._replace(low=0.5, high=5.0)  # 0.85 degC in 2015
        return WorldOfDice._make((LOG_CAPITAL, *climate._replace(temperature=warming), TIME))

    @property
    def controls(self) -> Point:
        return Policy(
            Variable("share of industrial emissions abated", "1", 0.0, 1.2, symbol="mu"),
            Variable("share of net output saved", "1", 0.0, 0.99, symbol="s"),
        )

    def interior_controls(self) -> tuple[str, ...]:
        # the limits of abatement are part of the model
        return ("savings",)

    @property
    def observable_variables(self) -> dict[str, Variable]:
        capital = Variable("capital", "trillion US$", iamc="Capital Stock", symbol="K")
        variables = economy_variables("above 1900") | {"capital": capital}
        return {name: variable for name, variable in variables.items() if name not in self.states._fields}

    # -- the economy ------------------------------------------------------------------------------------

    def abated(self, x: Point, u: Point) -> Scalar:
        """Abated share of industrial emissions, within the limits at this time."""
        return jnp.clip(u.abatement, *self.abatement_limits(x.time / YEARS))

    def gross_output(self, x: Point) -> Scalar:
        """Output before damages and abatement, trillion US$/yr."""
        n = x.time / YEARS
        productivity, population = self.growth.productivity_at(n), self.growth.population_path(n)
        return self.economy.gross_output(productivity, population, jnp.exp(x.log_capital))

    def cost_share(self, x: Point) -> Scalar:
        r"""$\theta_1$: cost of full abatement as a share of output."""
        n = x.time / YEARS
        return self.economy.abatement_cost_share(self.backstop_at(n), self.intensity_at(n))

    def produce(self, x: Point, u: Point) -> Production:
        """Uses of output, trillion US$/yr."""
        return self.economy.produce(
            self.gross_output(x), self.cost_share(x), x.temperature, self.abated(x, u), u.savings
        )

    def industrial(self, x: Point, u: Point) -> Scalar:
        """Industrial emissions, GtCO2/yr."""
        return self.intensity_at(x.time / YEARS) * self.gross_output(x) * (1.0 - self.abated(x, u))

    def emissions_co2(self, x: Point, u: Point) -> Scalar:
        """All emissions, GtCO2/yr."""
        return self.industrial(x, u) + self.land_at(x.time / YEARS) + CO2_PER_CARBON * self.exogenous_emissions

    # -- the equation -----------------------------------------------------------------------------------

    def drift(self, t: Scalar, x: Point, u: Point, climate: Scalar) -> Point:
        capital, investment = jnp.exp(x.log_capital), self.produce(x, u).investment
        growth = (self.economy.next_capital(capital, investment) / capital - 1.0) / YEARS
        inflow = self.emissions_co2(x, u) / TONNES_CO2_PER_TONNE_CARBON
        forcing = self.forcing_at(x.time / YEARS) + self.climate.exogenous_forcing
        warming = self.climate.flow(CarbonCycle(*x[1:6]), inflow, forcing, self.climate.sensitivity(climate))
        return WorldOfDice._make((growth - 0.5 * self.capital_volatility**2, *warming, jnp.ones_like(x.time)))

    def diffusion(self, t: Scalar, x: Point, u: Point) -> Point:
        zero = jnp.zeros_like(x.time)
        climate = self.climate.loadings(CarbonCycle(*x[1:6]), zero)
        loadings = (zero + self.capital_volatility, zero), *((zero, loading) for loading in climate), (zero, zero)
        return WorldOfDice._make(map(jnp.stack, loadings))

    def utility(self, t: Scalar, x: Point, u: Point) -> Scalar:
        population = self.growth.population_path(x.time / YEARS)
        return WELFARE_SCALE * population * self.economy.utility(self.produce(x, u).consumption, population)

    def marginal_utility(self, t: Scalar, x: Point, u: Point, additive: Point) -> Scalar:
        return self._consumption_value(x, self.produce(x, u).consumption)

    def _consumption_value(self, x: Point, consumption: Scalar) -> Scalar:
        population = self.growth.population_path(x.time / YEARS)
        return WELFARE_SCALE * self.economy.consumption_value(consumption, population)

    def best_control(
        self, t: Scalar, x: Point, value: Scalar, costate: Point, hessian: Float[Array, "state state"]
    ) -> Point:
        n, capital_value = x.time / YEARS, costate.log_capital / jnp.exp(x.log_capital)
        # marginal value of avoiding one GtCO2, and price of the backstop in trillion US$ per GtCO2
        relief = jnp.maximum(-costate.carbon_air, 0.0) / TONNES_CO2_PER_TONNE_CARBON
        backstop, power = self.backstop_at(n) / USD_PER_TONNE, self.economy.abatement_exponent - 1.0
        low, high = self.abatement_limits(n)
        bounds = self.controls.savings
        positive = jnp.where(capital_value > 0.0, capital_value, 1.0)
        inside = jnp.clip((relief / (positive * backstop)) ** (1.0 / power), low, high)
        savings = jnp.where(
            capital_value > 0.0, 1.0 - self._wanted_consumption(x, positive) / self._net(x, inside), 0.0
        )
        held = jnp.clip(savings, bounds.low, bounds.high)

        def excess(abatement):
            # at a bound of savings the value of a dollar is the average of consumption and capital, weighted by their shares
            consumption = (1.0 - held) * self._net(x, abatement)
            money_value = (1.0 - held) * self._consumption_value(x, consumption) + held * capital_value
            return money_value * backstop * abatement**power - relief

        cornered = increasing_root(excess, low, high, inside)
        return Policy(jnp.where((held == savings) & (capital_value > 0.0), inside, cornered), held)

    def _net(self, x: Point, abatement: Scalar) -> Scalar:
        """Output after damages and abatement."""
        nothing_saved = self.economy.produce(
            self.gross_output(x), self.cost_share(x), x.temperature, abatement, jnp.zeros_like(abatement)
        )
        return nothing_saved.consumption

    def _wanted_consumption(self, x: Point, capital_value: Scalar) -> Scalar:
        """Consumption at which its marginal value equals that of capital, trillion US$/yr."""
        unit = self._consumption_value(x, jnp.ones_like(capital_value))
        return (unit / capital_value) ** (1.0 / self.economy.inverse_eis)

    # -- the box and the start --------------------------------------------------------------------------

    def closures(self) -> Point:
        climate = self.climate.closures(lambda t, x: jnp.zeros_like(x.temperature))
        # until the year 2515, after which the weight of the future is 6e-4
        capital, years = (Inflow(extension=0.5), Outflow(extension=1.0)), (Inflow(), Outflow(extension=215.0))
        return WorldOfDice._make((capital, *climate, years))

    def costate_signs(self) -> dict[str, int]:
        return {"log_capital": 1, "carbon_air": -1, "temperature": -1}

    def breakpoints(self) -> dict[str, tuple[float, ...]]:
        return {"time": self.turning_points()}

    def initial_state(self) -> Point:
        capital = jnp.log(self.economy.initial_capital)
        return WorldOfDice._make((capital, *self.climate.start(), jnp.zeros(())))

    def observables(self, t: Scalar, x: Point, u: Point, additive: Point) -> dict[str, Scalar]:
        output, n = self.produce(x, u), x.time / YEARS
        return {
            "emissions": self.emissions_co2(x, u) / CO2_PER_CARBON,
            "emissions_co2": self.emissions_co2(x, u),
            "industrial_emissions": self.industrial(x, u),
            "output": output.gross,
            "damages": output.damages,
            "abatement_cost": output.abatement_cost,
            "investment": output.investment,
            "consumption": output.consumption,
            "forcing": self.climate.layers.forcing(x.carbon_air, self.forcing_at(n) + self.climate.exogenous_forcing),
            "carbon_price": self.economy.carbon_price(self.backstop_at(n), self.abated(x, u)),
            "capital": jnp.exp(x.log_capital),
        }
