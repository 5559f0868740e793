from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..base import Point, Variable, check_positive, check_share, measured_in, parameter
from ..climate import FairClimate
from ..equation import AbstractDiscreteModel, Dynamics
from ._dice2023_period import FairBoxes, Given2023, Period2023
from ._dice2023_scenarios import PERIODS, abatement_bounds, constant_rate_weight, scenario
from ._dice_economy import YEARS, DiceEconomy, DiceGrowth, before, scc_with_offset
from ._dice_names import Policy, economy_variables, policy_variables

_OFFSET = -6275.91  # of welfare, as published; it does not affect the path
_FIXED_SAVINGS_FROM = 37  # first period with fixed savings
_RAMP = 16.0  # periods over which exogenous forcing and emissions change from their first to their last values


def _economy() -> DiceEconomy:
    return DiceEconomy(initial_capital=295.0, quadratic=0.003467, inverse_eis=0.95)


def _growth() -> DiceGrowth:
    return DiceGrowth(7752.9, 10825.0, 0.145, 5.84, 0.066, 0.0015)


class Dice2023(AbstractDiscreteModel):
    r"""DICE-2023: global growth, abatement of all gases and warming in 81 periods of five years from 2020.

    $$\max_{\mu,s}\; 5\kappa\sum_nR_nL_nu(C_n/L_n),\qquad E = (\sigma Y_G + E_{land})(1-\mu),\qquad
    F_{GHG}' = .861F_{GHG} + .00955\,E_{other}(1-\mu)$$

    with the economy of [`DiceEconomy`][] and the climate of [`FairClimate`][], which responds in the period of the emissions.
    Utility is discounted by $R_n = e^{-5n(\rho+\beta\pi)}(1-\tfrac12v_n\eta^2)^{-5n}$, $v_n = 10^{-4}\min(5n, 235)$. Abatement is
    5 % in 2020 (5.1 % in `base`, at its price) and bounded by a published ramp; savings are fixed from 2205 on;
    temperature is bounded below by 0.5 degC (which binds in the far future) and above by the limit of the scenario.

    The emissions of the first period enter cumulative emissions only. A social cost of carbon of 2020 is therefore not defined
    (`scc` is not a number there); the published one is 0.85 times that of 2025 (`scc_published`). Abatement also avoids emissions
    from land and of other gases, so that the carbon price lies some 6 % below the social cost of carbon.

    **Arguments:**

    - `scenario`: `cbopt`, `base`, `altdam`, `parisext`, `t2c`, `r5`, `r4`, `r3`, `r2` or `r1`; some replace damages,
      capital or discounting.
    - `growth`, `economy`, `climate`: the blocks.
    - `time_preference`: $\rho$ per year; `climate_beta`, `risk_premium`: $\beta$ and $\pi$ (per year).
    - `initial_emissions`, `initial_output`, `initial_abatement`: GtCO2/yr, trillion 2019 US$/yr and share in 2020.
    - `intensity_growth`: growth of emission intensity in 2020, per year; `intensity_fade`: factor on it per period;
      `intensity_limit`: its slowest decline, per year.
    - `backstop`: US$/tCO2 at full abatement in 2050; `backstop_decline`, `late_backstop_decline`: its decline per period
      before and after, in logs.
    - `emission_ratio`: emissions of all abated gases per CO2 emissions, first and last. `other_emissions`: GtCO2e/yr, first and last.
    - `other_forcing`: initial forcing of the abated gases other than CO2, W/m2.
    - `other_memory`: share of this forcing that remains after a period.
    - `other_response`: forcing per emissions of the other gases, W/m2 per GtCO2e/yr.
    - `fixed_forcing`: forcing that cannot be abated, W/m2, first and last. All paths from first to last values take 80 years.
    - `land_emissions`, `land_decline`: GtCO2/yr in 2020, and their relative decline per period.

    **Raises:** `ValueError` naming a parameter that is out of range or a scenario that is not offered.

    **Good values:** the defaults are the published ones; welfare of `cbopt` is 6659.476855.

    **References:** Barrage and Nordhaus 2024, doi:10.1073/pnas.2312030121; money is in 2019 US$.

    !!! example

        ```python
        import abatax as ab

        model = ab.models.Dice2023(scenario="t2c")  # ab.solve(model).to_dataset() has the paths
        assert float(model.path_bounds()["temperature"][1][0]) == 2.0
        ```
    """

    scenario: str = "cbopt"
    growth: DiceGrowth = eqx.field(default_factory=_growth)
    economy: DiceEconomy = eqx.field(default_factory=_economy)
    climate: FairClimate = eqx.field(default_factory=FairClimate)
    time_preference: Float[Array, "..."] = eqx.field(default=0.001, converter=parameter, metadata=measured_in("1/yr"))
    climate_beta: Float[Array, "..."] = eqx.field(default=0.5, converter=parameter)
    risk_premium: Float[Array, "..."] = eqx.field(default=0.05, converter=parameter, metadata=measured_in("1/yr"))
    initial_emissions: Float[Array, "..."] = eqx.field(
        default=37.56, converter=parameter, metadata=measured_in("GtCO2/yr")
    )
    initial_output: Float[Array, "..."] = eqx.field(
        default=135.7, converter=parameter, metadata=measured_in("trillion US$/yr")
    )
    initial_abatement: Float[Array, "..."] = eqx.field(default=0.05, converter=parameter)
    intensity_growth: Float[Array, "..."] = eqx.field(default=-0.015, converter=parameter, metadata=measured_in("1/yr"))
    intensity_fade: Float[Array, "..."] = eqx.field(default=0.96, converter=parameter)
    intensity_limit: Float[Array, "..."] = eqx.field(default=-0.005, converter=parameter, metadata=measured_in("1/yr"))
    backstop: Float[Array, "..."] = eqx.field(default=515.0, converter=parameter, metadata=measured_in("US$/tCO2"))
    backstop_decline: Float[Array, "..."] = eqx.field(default=0.05, converter=parameter)
    late_backstop_decline: Float[Array, "..."] = eqx.field(default=0.005, converter=parameter)
    emission_ratio: Float[Array, "..."] = eqx.field(default=(1.40, 1.21), converter=parameter)
    other_emissions: Float[Array, "..."] = eqx.field(
        default=(9.96, 15.5), converter=parameter, metadata=measured_in("GtCO2e/yr")
    )
    other_forcing: Float[Array, "..."] = eqx.field(default=0.518, converter=parameter, metadata=measured_in("W/m2"))
    other_memory: Float[Array, "..."] = eqx.field(default=0.861, converter=parameter)
    other_response: Float[Array, "..."] = eqx.field(
        default=0.00955, converter=parameter, metadata=measured_in("W/m2 yr/GtCO2e")
    )
    fixed_forcing: Float[Array, "..."] = eqx.field(
        default=(-0.054, 0.265), converter=parameter, metadata=measured_in("W/m2")
    )
    land_emissions: Float[Array, "..."] = eqx.field(default=5.9, converter=parameter, metadata=measured_in("GtCO2/yr"))
    land_decline: Float[Array, "..."] = eqx.field(default=0.1, converter=parameter)

    name: ClassVar[str] = "dice2023"
    source: ClassVar[str] = "Barrage and Nordhaus 2024, doi:10.1073/pnas.2312030121 (DICE-2023)"
    start_year: ClassVar[int] = 2020
    periods: ClassVar[int] = PERIODS
    price_year: ClassVar[int] = 2019
    first_pulse: ClassVar[int] = 1

    def __check_init__(self):
        scenario(self.scenario)
        check_positive("time_preference", self.time_preference, "per year", allow_zero=True)
        check_positive("initial_emissions", self.initial_emissions, "GtCO2/yr")
        check_positive("initial_output", self.initial_output, "trillion US$/yr")
        check_positive("backstop", self.backstop, "US$/tCO2")
        check_share("initial_abatement", self.initial_abatement)
        check_share("land_decline", self.land_decline)
        for name in ("emission_ratio", "other_emissions", "fixed_forcing"):
            if getattr(self, name).shape[-1:] != (2,):
                raise ValueError(f"`{name}` is {getattr(self, name)}; give its first and its last value.")

    # -- names ------------------------------------------------------------------------------------------

    @property
    def states(self) -> Point:
        box = "carbon in the air that leaves it"
        return FairBoxes(
            Variable("capital", "trillion US$", 0.0, iamc="Capital Stock", symbol="K"),
            Variable("cumulative emissions before the period", "GtC", 0.0, symbol="CumE"),
            Variable("forcing of the abated gases other than CO2", "W/m2", symbol="F_GHG"),
            Variable(f"{box} over geological times", "GtC", symbol="R1"),
            Variable(f"{box} into the deep ocean", "GtC", symbol="R2"),
            Variable(f"{box} into the biosphere", "GtC", symbol="R3"),
            Variable(f"{box} into the mixed layer of the ocean", "GtC", symbol="R4"),
            Variable("slow part of the warming", "degC", symbol="TB1"),
            Variable("fast part of the warming", "degC", symbol="TB2"),
            Variable("log of the factor on the lifetimes of carbon", "1", symbol="log alpha"),
        )

    @property
    def controls(self) -> Point:
        return policy_variables("emissions", 1.1)

    @property
    def observable_variables(self) -> dict[str, Variable]:
        air = Variable("concentration of CO2", "ppm", iamc="Atmospheric Concentrations|CO2")
        return economy_variables("above 1765") | {"concentration": air}

    @property
    def labels(self) -> dict[str, str]:
        return {"scenario": self.scenario}

    # -- the program ------------------------------------------------------------------------------------

    def dynamics(self) -> Dynamics:
        changed = scenario(self.scenario)
        n = jnp.arange(float(self.periods))
        economy = self.economy
        if changed.quadratic is not None:
            economy = eqx.tree_at(lambda e: e.quadratic, economy, parameter(changed.quadratic))
        if changed.rate is not None:
            new = parameter(_NEARLY_LINEAR), parameter(changed.capital)
            economy = eqx.tree_at(lambda e: (e.inverse_eis, e.initial_capital), economy, new)
        ramp = jnp.minimum(n / _RAMP, 1.0)

        def between(ends):
            return ends[0] + (ends[1] - ends[0]) * ramp

        first = self.initial_emissions / (self.initial_output * (1.0 - self.initial_abatement))
        growth = jnp.minimum(self.intensity_growth * self.intensity_fade**n, self.intensity_limit)
        intensity = first * jnp.exp(before(YEARS * growth))
        backstop = self._backstop()
        given = Given2023(
            first=jnp.where(n == 0, 1.0, 0.0),
            population=self.growth.population_path(n),
            productivity=self.growth.productivity_path(n),
            intensity=intensity,
            cost=economy.abatement_cost_share(backstop, intensity * between(self.emission_ratio)),
            backstop=backstop,
            land=self.land_emissions * (1.0 - self.land_decline) ** n,
            forcing=between(self.fixed_forcing),
            other=between(self.other_emissions),
            weight=self._weight() if changed.rate is None else constant_rate_weight(changed.rate),
        )
        begin = self.climate.initial
        boxes = (*begin.carbon, *begin.temperature, begin.log_timescale)
        start = FairBoxes(economy.initial_capital, begin.cumulative, self.other_forcing, *boxes)
        period = Period2023(economy, self.climate, self.other_memory, self.other_response)
        return Dynamics(period, given, start, parameter(_OFFSET), ("temperature",))

    def _backstop(self) -> Float[Array, " period"]:
        """The price of full abatement by period, US$/tCO2; its level is that of the period 6, 2050."""
        n = jnp.arange(float(self.periods)) - 6.0
        return self.backstop * jnp.exp(-jnp.where(n <= 0.0, self.backstop_decline, self.late_backstop_decline) * n)

    def _weight(self) -> Float[Array, " period"]:
        """Of utility: time preference, the risk of climate investment, and the precaution about growth."""
        years = YEARS * jnp.arange(float(self.periods))
        rate = self.time_preference + self.climate_beta * self.risk_premium
        variance = 1e-4 * jnp.minimum(years, 235.0)
        return jnp.exp(-rate * years) * (1.0 - 0.5 * variance * self.economy.inverse_eis**2) ** -years

    def control_bounds(self) -> tuple[Point, Point]:
        fixed = jnp.arange(self.periods) >= _FIXED_SAVINGS_FROM
        exponent = self.economy.abatement_exponent
        least, most = abatement_bounds(self.scenario, self.initial_abatement, self._backstop(), exponent)
        return Policy(least, jnp.where(fixed, 0.28, 0.01)), Policy(most, jnp.where(fixed, 0.28, 0.99))

    def path_bounds(self) -> dict[str, tuple[Float[Array, " period"], Float[Array, " period"]]]:
        whole = jnp.ones(self.periods)
        return {"temperature": (0.5 * whole, scenario(self.scenario).warmest * whole)}

    def first_controls(self) -> Point:
        return Policy(0.95 * self.control_bounds()[1].abatement, jnp.full(self.periods, 0.28))

    def published_scc(
        self, emissions_value: Float[Array, " period"], consumption_value: Float[Array, " period"]
    ) -> Float[Array, " period"]:
        """The source divides by the marginal value of consumption plus 1e-5; 2020 is 0.85 times 2025."""
        scc = scc_with_offset(emissions_value, consumption_value)
        return scc.at[0].set(0.85 * scc[1])


_NEARLY_LINEAR = 0.001  # elasticity of marginal utility in the scenarios with a discount rate of goods
