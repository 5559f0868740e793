from typing import ClassVar, Generic, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..base import Point, Scalar, Variable, check_share, measured_in, parameter
from ..climate import TCREClimate
from ..economy import (
    CAPITAL,
    CONSUMPTION,
    DAMAGES,
    FLOW,
    INVESTMENT,
    LOG_DAMAGES,
    OUTPUT,
    CarbonPrice,
    Exploration,
    GaussianTCRE,
    LogarithmicEconomy,
    LogDamages,
    NordhausWeitzman,
    best_spending,
    lost_consumption,
)
from ..equation import (
    AbstractPreferences,
    Ambiguity,
    CarbonModel,
    ClosedFormControl,
    Ensemble,
    Growth,
    Inflow,
    StateConstraint,
    TimeAdditive,
    check_time_additive,
)

T = TypeVar("T")


class ReservesCarbonCapital(NamedTuple, Generic[T]):
    log_reserves: T
    cumulative_emissions: T
    log_capital: T


class InvestmentExplorationEmissions(NamedTuple, Generic[T]):
    investment: T
    exploration: T
    emissions: T


STATES = ReservesCarbonCapital(
    Variable("log of fossil reserves", "log GtC", 0.0, 7.0, symbol="r"),
    Variable("cumulative emissions", "GtC", 200.0, 2000.0, symbol="F"),
    Variable("log of capital", "log trillion US$", 5.0, 10.0, symbol="k"),
)
CONTROLS = InvestmentExplorationEmissions(
    # The adjustment cost is infinite at -1/phi_1.
    Variable("investment per unit of capital", "1/yr", -0.05, 0.5, symbol="i"),
    # The marginal product is infinite at zero; a lower bound of 1e-7 US$ per 1000 US$ of capital is negligible.
    Variable("exploration per unit of capital", "1/yr", 1e-10, 0.5, symbol="j"),
    Variable("carbon emissions", "GtC/yr", 1e-6, 1e3, "Emissions|CO2", "E"),
)
ADDITIVE = LogDamages(LOG_DAMAGES._replace(symbol="d"))
OBSERVABLES = {
    "output": OUTPUT,
    "investment_flow": INVESTMENT,
    "exploration_flow": Variable("spending on exploration", FLOW),
    "consumption": CONSUMPTION,
    "damages": DAMAGES,
    "capital": CAPITAL,
    "reserves": Variable("fossil reserves", "GtC"),
    "temperature": Variable(
        "temperature anomaly of the carbon emitted, prior mean", "degC", iamc="Surface Temperature (GSAT)"
    ),
}


class FossilReserves(ClosedFormControl, CarbonModel):
    r"""Exploration and use of fossil reserves under joint ambiguity about climate response and damages.

    $$\delta V = \max_{i,j,E}\; \delta\kappa\log E + \delta(1-\kappa)\big[\log(\alpha-i-j) + k\big]
        + V_r\Big[{-\tfrac ER} + \psi_0j^{\psi_1}e^{\psi_1(k-r)} - \tfrac12\sigma_r^2\Big] + V_FE
        + V_k\big[\mu_k + \phi_0\log(1+\phi_1i) - \tfrac12\sigma_k^2\big]
        + \tfrac12\sigma_r^2V_{rr} + \tfrac12\sigma_k^2V_{kk}
        - \xi\log\sum_\ell\pi_\ell\exp\Big[\tfrac{1-\kappa}\xi E\,m_\ell(F)\Big]$$

    with $m_\ell(F) = \beta\Lambda_\ell'(\beta F)$, the damages of one GtC. A member $\ell$ of the prior is a climate response $\beta$
    (Gaussian) together with a damage function (Nordhaus with probability $w$, else Weitzman). Tilting the joint prior is
    equivalent to tilting $\beta$ within each damage function and then the two damage functions, as log-sum-exp composes.
    Log damages are additive with costate $-(1-\kappa)$. The flow is multiplied by $\delta$. Cumulative emissions $F$ have no
    diffusion and never fall: they are a time-like state.

    **Arguments:**

    - `preferences`: $\delta$ = 0.01 per year.
    - `emissions_share`: $\kappa$.
    - `economy`, `exploration`, `climate`, `damages`: the blocks.
    - `ambiguity`: `climate` is the penalty $\xi$.
    - `exogenous_emissions`: GtC/yr from the same reserves. The social cost of carbon is the derivative with respect to them: the
      full shadow price of burning one tonne, as published. It includes the scarcity of reserves (see `scarcity_rent`).
    - `initial_carbon`: $F$ at the start, cumulative emissions in GtC.

    **Units:** reserves and cumulative emissions in GtC, capital in trillion US$, emissions GtC/yr, investment and
    exploration per unit of capital per year.

    **Raises:** `ValueError` if the preferences are not `TimeAdditive` or `emissions_share` is not between 0 and 1.

    **Good values:** $\xi$ = 1/4000 (averse) to infinity (neutral); $w$ of 1 (low damages), 0.5, 0 (high).

    **References:** Barnett, Brock and Hansen 2020, "Pricing Uncertainty Induced by Climate Change",
    doi:10.1093/rfs/hhz144.

    !!! example

        ```python
        import abatax as ab

        model = ab.models.configure("fossil_reserves", {"ambiguity.climate": 1 / 4000, "damages.nordhaus_weight": 0.5})
        assert model.states._fields == ("log_reserves", "cumulative_emissions", "log_capital")
        ```
    """

    preferences: AbstractPreferences = eqx.field(default_factory=TimeAdditive)
    emissions_share: Float[Array, "..."] = eqx.field(default=0.032, converter=parameter)
    economy: LogarithmicEconomy = eqx.field(default_factory=LogarithmicEconomy)
    exploration: Exploration = eqx.field(default_factory=Exploration)
    climate: GaussianTCRE = eqx.field(default_factory=GaussianTCRE)
    damages: NordhausWeitzman = eqx.field(default_factory=NordhausWeitzman)
    ambiguity: Ambiguity = eqx.field(default_factory=Ambiguity)
    initial_carbon: Float[Array, "..."] = eqx.field(default=290.0, converter=parameter, metadata=measured_in("GtC"))
    exogenous_emissions: Float[Array, "..."] = eqx.field(
        default=0.0, converter=parameter, metadata=measured_in("GtC/yr")
    )

    name: ClassVar[str] = "fossil_reserves"
    source: ClassVar[str] = "Barnett, Brock and Hansen 2020, doi:10.1093/rfs/hhz144"

    def __check_init__(self):
        check_time_additive(self)
        check_share("emissions_share", self.emissions_share)

    # -- names ------------------------------------------------------------------------------------------

    @property
    def states(self) -> Point:
        return STATES

    @property
    def controls(self) -> Point:
        return CONTROLS

    def interior_controls(self) -> tuple[str, ...]:
        return self.controls._fields

    @property
    def additive(self) -> Point:
        return ADDITIVE

    # -- dynamics ---------------------------------------------------------------------------------------

    @property
    def ensemble(self) -> Ensemble:
        return self.damages.ensemble(self.climate)

    @property
    def climates(self) -> Point:
        return self.damages.responses(self.climate)

    def drift(self, t: Scalar, x: Point, u: Point, climate: Point) -> Point:
        burnt = u.emissions + self.exogenous_emissions
        return ReservesCarbonCapital(
            self.exploration.drift(burnt, u.exploration, x.log_reserves, x.log_capital),
            burnt,
            self.economy.drift(u.investment),
        )

    def diffusion(self, t: Scalar, x: Point, u: Point) -> Point:
        zero = jnp.zeros_like(self.exploration.volatility)
        return ReservesCarbonCapital(
            jnp.stack([self.exploration.volatility, zero]),
            jnp.stack([zero, zero]),
            jnp.stack([zero, self.economy.volatility]),
        )

    def additive_costates(self) -> Point:
        return LogDamages(-(1.0 - self.emissions_share))

    def additive_drift(self, t: Scalar, x: Point, u: Point, climate: Point) -> Point:
        burnt = u.emissions + self.exogenous_emissions
        return LogDamages(burnt * self.damages.per_carbon(x.cumulative_emissions, climate))

    def additive_diffusion(self, t: Scalar, x: Point, u: Point) -> Point:
        return LogDamages(jnp.zeros(2))

    def utility(self, t: Scalar, x: Point, u: Point) -> Scalar:
        kappa = self.emissions_share
        consumption = jnp.log(self.economy.productivity - u.investment - u.exploration) + x.log_capital
        return self.preferences.discount_rate * (kappa * jnp.log(u.emissions) + (1.0 - kappa) * consumption)

    def best_control(
        self, t: Scalar, x: Point, value: Scalar, costate: Point, hessian: Float[Array, "state state"]
    ) -> Point:
        delta, kappa, bounds = self.preferences.discount_rate, self.emissions_share, self.controls
        investment, exploration = best_spending(
            self.economy,
            self.exploration,
            delta * (1.0 - kappa),
            costate.log_capital,
            costate.log_reserves,
            x.log_reserves,
            x.log_capital,
            ((bounds.investment.low, bounds.investment.high), (bounds.exploration.low, bounds.exploration.high)),
        )
        cost = costate.log_reserves * jnp.exp(-x.log_reserves) - costate.cumulative_emissions
        return InvestmentExplorationEmissions(investment, exploration, self._best_emissions(x, cost))

    def _best_emissions(self, x: Point, cost: Scalar) -> Scalar:
        r"""The saddle point in $E$: $\delta\kappa/E = c + (1-\kappa)\tilde m(E)$, with $c$ the cost of one tonne without damages.

        This is the condition of `TCREClimate.best_emissions` for members $c + (1-\kappa)m_\ell$ without noise.
        """
        delta, kappa, bounds = self.preferences.discount_rate, self.emissions_share, self.controls.emissions
        members = Ensemble(cost + (1.0 - kappa) * self._per_carbon(x.cumulative_emissions), self.ensemble.weights)
        zero = jnp.zeros_like(cost)
        return TCREClimate(ensemble=members, relative_volatility=zero).best_emissions(
            delta * kappa,
            -jnp.ones_like(cost),
            zero,
            self.ambiguity,
            zero,
            self.exogenous_emissions,
            bounds.low,
            bounds.high,
        )

    def _per_carbon(self, cumulative: Scalar) -> Float[Array, " member"]:
        return jax.vmap(lambda response: self.damages.per_carbon(cumulative, response))(self.climates)

    # -- the box ----------------------------------------------------------------------------------------

    def costate_signs(self) -> dict[str, int]:
        return {"log_reserves": 1, "cumulative_emissions": -1, "log_capital": 1}

    def closures(self) -> Point:
        return ReservesCarbonCapital(
            # Reserves cannot be exhausted. If they are abundant, a further tonne has no value (V_r falls a thousandfold from 0 to 6).
            (StateConstraint(truncation=True), Growth(slope=self._no_slope, extension=2.0)),
            (Inflow(), Growth(slope=self._carbon_slope, extension=3000.0)),
            # Without scarcity of reserves the value has slope 1 - kappa in log capital.
            (Inflow(), Growth(slope=self._capital_slope)),
        )

    def _no_slope(self, t: Scalar, x: Point) -> Scalar:
        return jnp.zeros_like(x.log_reserves)

    def _capital_slope(self, t: Scalar, x: Point) -> Scalar:
        return (1.0 - self.emissions_share) * jnp.ones_like(x.log_capital)

    def _carbon_slope(self, t: Scalar, x: Point) -> Scalar:
        price = CarbonPrice(
            self.damages,
            self.climate,
            self.ambiguity,
            self.preferences.discount_rate,
            self.emissions_share,
            self.exogenous_emissions,
        )
        bounds = self.controls.emissions
        return price.slope(x.cumulative_emissions, bounds.low, bounds.high)

    def grid_points(self) -> dict[str, int]:
        # social cost and emissions within 3e-4 of the limit of fine grids over 100 years: docs/models/fossil_reserves.md
        return {"log_reserves": 33, "cumulative_emissions": 61, "log_capital": 7}

    def initial_state(self) -> Point:
        return ReservesCarbonCapital(
            jnp.log(self.exploration.initial_reserves), self.initial_carbon, jnp.log(self.economy.initial_capital)
        )

    def initial_additive(self) -> Point:
        """Prior mean of the log damages of past emissions."""
        damages = jax.vmap(lambda response: self.damages.log_damages(self.initial_carbon, response))(self.climates)
        return LogDamages(self.ensemble.weights @ damages)

    # -- what is reported -------------------------------------------------------------------------------

    def marginal_utility(self, t: Scalar, x: Point, u: Point, additive: Point) -> Scalar:
        weight = self.preferences.discount_rate * (1.0 - self.emissions_share)
        return weight / self.consumption(x, u)

    def consumption(self, x: Point, u: Point) -> Scalar:
        """Consumption before damages, trillion US$/yr."""
        return (self.economy.productivity - u.investment - u.exploration) * jnp.exp(x.log_capital)

    def social_cost_from_emissions(self, x: Point, u: Point) -> Scalar:
        r"""The first-order condition for emissions: $\kappa C/((1-\kappa)E)$, trillion US$ per GtC."""
        return self.emissions_share / (1.0 - self.emissions_share) * self.consumption(x, u) / u.emissions

    def scarcity_rent(self, x: Point, u: Point, price_of_reserves: Scalar) -> Scalar:
        r"""Shadow price of reserves in the social cost of carbon, $V_re^{-r}$ per marginal utility; trillion US$ per GtC."""
        rent = price_of_reserves * jnp.exp(-x.log_reserves)
        return rent / self.marginal_utility(jnp.zeros(()), x, u, self.initial_additive())

    def observables(self, t: Scalar, x: Point, u: Point, additive: Point) -> dict[str, Scalar]:
        capital, consumption = jnp.exp(x.log_capital), self.consumption(x, u)
        return {
            "output": self.economy.productivity * capital,
            "investment_flow": u.investment * capital,
            "exploration_flow": u.exploration * capital,
            "consumption": consumption,
            "damages": lost_consumption(consumption, additive.log_damages),
            "capital": capital,
            "reserves": jnp.exp(x.log_reserves),
            "temperature": self.climate.mean * x.cumulative_emissions,
        }

    @property
    def observable_variables(self) -> dict[str, Variable]:
        return OBSERVABLES
