import dataclasses
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..base import Point, Scalar, Variable, check_capital, parameter
from ..climate import TCREClimate
from ..economy import Abatement, AKEconomy, Claims, DamageJump, Research, ThresholdDamages, marginal_harm
from ..equation import (
    AbstractPreferences,
    AbstractValue,
    Ambiguity,
    CarbonModel,
    ClosedFormControl,
    Ensemble,
    EpsteinZin,
    Jump,
    TimeAdditive,
)
from ._knowledge_box import KnowledgeBox, LogLinearValue
from ._knowledge_names import (
    CONTROLS,
    CapitalTemperatureKnowledge,
    InvestmentResearchEmissions,
    LogDamages,
    state_variables,
)
from ._knowledge_report import KnowledgeReport

PHASES = ("before", "after_damage", "after_technology")


def _economy() -> AKEconomy:
    return AKEconomy(volatility=0.01)


def _climate() -> TCREClimate:
    # the published baseline trusts the mean of its 144 sensitivities; nine with its mean and spread leave room for doubt
    return TCREClimate(ensemble=Ensemble.published(members=9))


class KnowledgeCapital(KnowledgeBox, KnowledgeReport, ClosedFormControl, CarbonModel):
    r"""Capital, temperature and knowledge, before a clean technology and a revelation of damages arrive.

    Output pays for consumption, investment, research and abatement,
    $C + I^k + I^r = \alpha K\big[1 - \phi_0(1 - e/(\beta\alpha K))_+^{\phi_1}\big]$. With $i = I^k/K$, $x_r = I^r/K$, log
    capital $k$, temperature $y$ and log knowledge $r$,

    $$dk = \big[\mu_k + i - \tfrac\kappa2i^2 - \tfrac12\sigma_k^2\big]dt + \sigma_kdW^k,\quad
        dy = e(\theta\,dt + \varsigma\,dW^y),$$
    $$dr = \big[\psi_0x_r^{\psi_1}e^{\psi_1(k-r)} - \zeta - \tfrac12\sigma_r^2\big]dt + \sigma_rdW^r$$

    Log damages have slope $\gamma_1 + \gamma_2y$ and enter the value function with costate $-1$: it is $v(k,y,r) - n$, in
    log-consumption units. A technology jump (rate $e^r/\varrho$) makes emissions needless, after which $v = k + c$ in closed
    form. A damage jump (rate $\mathcal J(y)$) resets temperature to $\bar y$ and adds $\gamma_3^m(y-\bar y)$ to the slope, below
    $\bar y$ as well, as published.

    **Arguments:**

    - `preferences`: `EpsteinZin` ($\rho$ = 1 by default), or `TimeAdditive`, which is $\rho$ = 1.
    - `economy`, `abatement`, `research`, `climate`, `damages`, `damage_jump`: the blocks.
    - `ambiguity`: shocks in the order capital, temperature, knowledge; jumps technology, damage; climate.
    - `phase`: `before` (default), `after_damage` or `after_technology`.

    **Raises:** `ValueError` naming a parameter that is out of range, or growth for which no value is finite.

    **Units:** trillion US$, GtC/yr, degC above 1850-1900; investment and research per unit of capital and year.

    **Good values:** penalties of 0.075 (more averse) and 0.15 (less) in all channels.

    **References:** Barnett, Brock, Hansen and Zhang 2024, "Uncertainty, Social Valuation, and Climate Change Policy".

    !!! example

        ```python
        import abatax as ab

        model = ab.models.KnowledgeCapital(ambiguity=ab.models.Ambiguity.from_penalties(shocks=0.15, jumps=0.15))
        assert [jump.name for jump in model.jumps()] == ["technology_jump", "damage_jump"]
        ```
    """

    preferences: AbstractPreferences = eqx.field(default_factory=EpsteinZin)
    economy: AKEconomy = eqx.field(default_factory=_economy)
    abatement: Abatement = eqx.field(default_factory=Abatement)
    research: Research = eqx.field(default_factory=Research)
    climate: TCREClimate = eqx.field(default_factory=_climate)
    damages: ThresholdDamages = eqx.field(default_factory=ThresholdDamages)
    damage_jump: DamageJump = eqx.field(default_factory=DamageJump)
    ambiguity: Ambiguity = eqx.field(default_factory=Ambiguity)
    exogenous_emissions: Float[Array, "..."] = eqx.field(default=0.0, converter=parameter)
    phase: str = eqx.field(static=True, default="before")

    name: ClassVar[str] = "knowledge_capital"
    source: ClassVar[str] = "Barnett, Brock, Hansen and Zhang 2024"
    start_year: ClassVar[int] = 2020

    def __check_init__(self):
        if self.phase not in PHASES:
            raise ValueError(f"`phase` is {self.phase!r}; use {', '.join(PHASES)}.")
        if not isinstance(self.preferences, (EpsteinZin, TimeAdditive)):
            kind = type(self.preferences).__name__
            raise ValueError(f"`preferences` is {kind}; `{self.name}` knows EpsteinZin and TimeAdditive.")
        self._check_finite()
        check_capital("economy", self.economy.growth, self.economy.volatility)

    # -- names ------------------------------------------------------------------------------------------

    @property
    def regime(self) -> str:
        return self.phase

    @property
    def states(self) -> Point:
        after = self.phase == "after_damage"
        return state_variables((2.0, 3.0) if after else (1.0, 2.5))

    @property
    def controls(self) -> Point:
        return CONTROLS

    def interior_controls(self) -> tuple[str, ...]:
        return self.controls._fields

    @property
    def additive(self) -> Point:
        return LogDamages(Variable("log of damages", "1", symbol="n"))

    # -- dynamics ---------------------------------------------------------------------------------------

    @property
    def ensemble(self) -> Ensemble:
        return self.climate.ensemble

    def drift(self, t: Scalar, x: Point, u: Point, climate: Scalar) -> Point:
        return CapitalTemperatureKnowledge(
            self.economy.drift(u.investment),
            self.climate.drift(u.emissions + self.exogenous_emissions, climate),
            self.research.drift(u.research, x.log_capital, x.log_knowledge),
        )

    def diffusion(self, t: Scalar, x: Point, u: Point) -> Point:
        warming = self.climate.diffusion(u.emissions + self.exogenous_emissions)
        loadings = jnp.stack([self.economy.volatility, warming, self.research.volatility])
        return CapitalTemperatureKnowledge(*jnp.diag(loadings))

    def additive_costates(self) -> Point:
        return LogDamages(jnp.array(-1.0))

    def additive_drift(self, t: Scalar, x: Point, u: Point, climate: Scalar) -> Point:
        emissions = u.emissions + self.exogenous_emissions
        ito = 0.5 * self.damage_bend(x.temperature) * self.climate.diffusion(emissions) ** 2
        return LogDamages(self.damage_slope(x.temperature) * self.climate.drift(emissions, climate) + ito)

    def additive_diffusion(self, t: Scalar, x: Point, u: Point) -> Point:
        loading = self.climate.diffusion(u.emissions + self.exogenous_emissions)
        none = jnp.zeros_like(loading)
        return LogDamages(jnp.stack([none, self.damage_slope(x.temperature) * loading, none]))

    def damage_slope(self, y: Scalar) -> Scalar:
        """Slope of log damages, per degC; once revealed, the curvature acts on both sides of the threshold."""
        if self.phase != "after_damage":
            return self.damages.slope(y)
        threshold = self.damages.threshold
        return self.damages.slope(threshold) + self.damage_bend(y) * (y - threshold)

    def damage_bend(self, y: Scalar) -> Scalar:
        """Its derivative, per degC²."""
        return self.damages.bend(self.damages.threshold if self.phase == "after_damage" else y)

    def utility(self, t: Scalar, x: Point, u: Point) -> Scalar:
        flow = jnp.log(self.consumption_share(x, u)) + x.log_capital
        return self.preferences.discount_rate * flow if isinstance(self.preferences, TimeAdditive) else flow

    @property
    def abatement_cost(self) -> Scalar:
        """Output that full abatement takes, per unit of capital: nothing once the technology is there."""
        needed = 0.0 if self.phase == "after_technology" else 1.0
        return needed * self.economy.productivity * self.abatement.cost

    # -- the control ------------------------------------------------------------------------------------

    def best_control(
        self, t: Scalar, x: Point, value: Scalar, costate: Point, hessian: Float[Array, "state state"]
    ) -> Point:
        limits = self.controls
        aversion = self.ambiguity.shock_aversion(1) + self.preferences.excess_risk_aversion
        gain = costate.temperature - self.damage_slope(x.temperature)
        bend = hessian[1, 1] - self.damage_bend(x.temperature)
        highest = self.abatement.baseline(self.economy.productivity * jnp.exp(x.log_capital))

        def harm(abated):
            emissions = highest * (1.0 - abated) + self.exogenous_emissions
            return marginal_harm(self.climate, self.ambiguity, aversion, gain, bend, emissions)

        claims = Claims(
            budget=self.economy.productivity,
            weight=self.preferences.discount_rate * jnp.exp((1.0 - self.inverse_eis) * (x.log_capital - value)),
            inverse_eis=self.inverse_eis,
            price=costate.log_capital,
            adjustment_cost=self.economy.adjustment_cost,
            lowest=limits.investment.low,
            highest=limits.investment.high,
            gain=costate.log_knowledge
            * self.research.returns
            * self.research.productivity(x.log_capital, x.log_knowledge),
            returns=self.research.returns,
            least_research=limits.research.low,
            most_research=limits.research.high,
            full=self.abatement_cost,
            exponent=self.abatement.exponent,
            unit=self.abatement_cost * self.abatement.exponent / highest,
        )
        investment, research, abated = claims.settle(harm)
        return InvestmentResearchEmissions(investment, research, highest * (1.0 - abated))

    @property
    def inverse_eis(self) -> Scalar:
        r"""$\rho$."""
        return self.preferences.inverse_eis if isinstance(self.preferences, EpsteinZin) else jnp.array(1.0)

    # -- the jumps --------------------------------------------------------------------------------------

    def jumps(self) -> tuple[Jump, ...]:
        if self.phase == "after_technology":
            return ()

        def clean(_):
            ambiguity = dataclasses.replace(self.ambiguity, jumps=0.0)  # no jump is left to fear
            return dataclasses.replace(self, ambiguity=ambiguity, phase="after_technology")

        technology = Jump(
            intensity=self._technology_intensity,
            land=lambda x: x,
            probabilities=jnp.ones(1),
            destination=eqx.filter_vmap(clean)(jnp.zeros(1)),
            name="technology_jump",
        )
        if self.phase == "after_damage":
            return (technology,)

        def revealed(curvature):
            damages = eqx.tree_at(lambda d: d.curvature, self.damages, curvature)
            ambiguity = eqx.tree_at(lambda a: a.jumps, self.ambiguity, self.ambiguity.jump_aversion(0))
            return dataclasses.replace(self, damages=damages, ambiguity=ambiguity, phase="after_damage")

        damage = Jump(
            intensity=self._damage_intensity,
            land=self._land,
            probabilities=self.damage_jump.prior,
            destination=eqx.filter_vmap(revealed)(self.damage_jump.curvatures),
            name="damage_jump",
        )
        return technology, damage

    def _technology_intensity(self, t: Scalar, x: Point, u: Point) -> Scalar:
        return self.research.intensity(x.log_knowledge)

    def _damage_intensity(self, t: Scalar, x: Point, u: Point) -> Scalar:
        return self.damage_jump.intensity(x.temperature)

    def _land(self, x: Point) -> Point:
        return x._replace(temperature=self.damages.threshold)

    def costate_signs(self) -> dict[str, int]:
        return {"log_capital": 1, "log_knowledge": 1}

    # -- the closed form --------------------------------------------------------------------------------

    def exact_value(self) -> AbstractValue | None:
        return LogLinearValue(self.clean_value()[1]) if self.phase == "after_technology" else None

    def first_guess(self) -> AbstractValue:
        # below the value with the technology: above it a cautious planner's jump term grows exponentially
        return LogLinearValue(self.clean_value()[1] - 0.2)

    def initial_state(self) -> Point:
        warming = self.damages.threshold if self.phase == "after_damage" else self.climate.initial_temperature
        logs = jnp.log(self.economy.initial_capital), jnp.log(self.research.initial_knowledge)
        return CapitalTemperatureKnowledge(logs[0], warming, logs[1])

    def initial_additive(self) -> Point:
        return LogDamages(self.damages.log_damages(self.initial_state().temperature))
