import dataclasses
from typing import ClassVar, Generic, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..base import Point, Scalar, Variable, check_capital, is_traced, log1p_ratio, measured_in, parameter, scaled_expm1
from ..climate import TEMPERATURE, TCREClimate
from ..economy import (
    CAPITAL,
    CONSUMPTION,
    DAMAGES,
    FLOW,
    INVESTMENT,
    LOG_DAMAGES,
    Abatement,
    AKEconomy,
    Claims,
    DamageJump,
    LogDamages,
    Research,
    ThresholdDamages,
    log_damages_drift,
    lost_consumption,
    marginal_harm,
)
from ..equation import (
    AbstractPreferences,
    AbstractValue,
    Ambiguity,
    CarbonModel,
    ClosedFormControl,
    Ensemble,
    EpsteinZin,
    Growth,
    Inflow,
    Jump,
    Outflow,
    StateConstraint,
    TimeAdditive,
)
from ._log_linear_value import LogLinearValue

T = TypeVar("T")


class CapitalTemperatureKnowledge(NamedTuple, Generic[T]):
    log_capital: T
    temperature: T
    log_knowledge: T


class InvestmentResearchEmissions(NamedTuple, Generic[T]):
    investment: T
    research: T
    emissions: T


def state_variables(warming: tuple[float, float]) -> Point:
    """The three states, with the given region of interest in temperature, degC."""
    return CapitalTemperatureKnowledge(
        Variable("log of capital", "log trillion US$", 6.0, 8.5, symbol="k"),
        TEMPERATURE._replace(low=warming[0], high=warming[1]),
        Variable("log of knowledge", "log trillion US$", 2.0, 5.5, symbol="r"),
    )


# Investment is irreversible, and wasteful above 1/kappa. Emissions never exceed their baseline, which is 58 GtC/yr at the upper
# end of the region of capital.
CONTROLS = InvestmentResearchEmissions(
    Variable("investment per unit of capital", "1/yr", 0.0, 0.5, symbol="i"),
    Variable("research per unit of capital", "1/yr", 1e-10, 0.1, symbol="x_r"),
    Variable("carbon emissions", "GtC/yr", 0.0, 1e3, "Emissions|CO2", "e"),
)

OBSERVABLES = {
    "output": Variable("output before abatement and damages", FLOW, iamc="GDP|MER"),
    "investment_flow": INVESTMENT,
    "research_flow": Variable("research and development", FLOW),
    "abatement_cost": Variable("cost of abatement", FLOW, iamc="Policy Cost|Additional Total Energy System Cost"),
    "consumption": CONSUMPTION,
    "damages": DAMAGES,
    "capital": CAPITAL,
    "knowledge": Variable("knowledge capital", "trillion US$"),
}

# Newton steps for two equations; their number is fixed, so that the slopes can be differentiated.
_STEPS = 40

PHASES = ("before", "after_damage", "after_technology")


def _economy() -> AKEconomy:
    return AKEconomy(volatility=0.01)


def _climate() -> TCREClimate:
    # The published baseline uses the mean of 144 sensitivities. Nine members with the same mean and spread admit ambiguity.
    return TCREClimate(ensemble=Ensemble.published(members=9))


class KnowledgeCapital(ClosedFormControl, CarbonModel):
    r"""Capital, temperature and knowledge, with jumps to a clean technology and to known damages.

    Output pays for consumption, investment, research and abatement,
    $C + I^k + I^r = \alpha K\big[1 - \phi_0(1 - e/(\beta\alpha K))_+^{\phi_1}\big]$. With $i = I^k/K$, $x_r = I^r/K$, log
    capital $k$, temperature $y$ and log knowledge $r$,

    $$dk = \big[\mu_k + i - \tfrac\kappa2i^2 - \tfrac12\sigma_k^2\big]dt + \sigma_kdW^k,\quad
        dy = e(\theta\,dt + \varsigma\,dW^y),$$
    $$dr = \big[\psi_0x_r^{\psi_1}e^{\psi_1(k-r)} - \zeta - \tfrac12\sigma_r^2\big]dt + \sigma_rdW^r$$

    Log damages $n$ have slope $\gamma_1 + \gamma_2y$ and costate $-1$: the value function is $v(k,y,r) - n$, in log-consumption
    units. After a technology jump (rate $e^r/\varrho$) production needs no emissions, and $v = k + c$ in closed form. A damage
    jump (rate $\mathcal J(y)$) resets temperature to $\bar y$ and adds $\gamma_3^m(y-\bar y)$ to the slope, as published also below
    $\bar y$.

    **Arguments:**

    - `preferences`: `EpsteinZin` ($\rho$ = 1 by default), or `TimeAdditive`, which is $\rho$ = 1.
    - `economy`, `abatement`, `research`, `climate`, `damages`, `damage_jump`: the blocks.
    - `ambiguity`: shocks in the order capital, temperature, knowledge; jumps technology, damage; climate.
    - `phase`: `before` (default), `after_damage` or `after_technology`.
    - `exogenous_emissions`: emissions that the planner does not control, GtC/yr. The social cost of carbon is a
      derivative with respect to them.

    **Raises:** `ValueError` naming a parameter that is out of range, or growth for which the value is infinite.

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
    exogenous_emissions: Float[Array, "..."] = eqx.field(
        default=0.0, converter=parameter, metadata=measured_in("GtC/yr")
    )
    phase: str = eqx.field(static=True, default="before")

    name: ClassVar[str] = "knowledge_capital"
    source: ClassVar[str] = "Barnett, Brock, Hansen and Zhang 2024"
    start_year: ClassVar[int] = 2020

    def __check_init__(self):
        if self.phase not in PHASES:
            raise ValueError(f"`phase` is {self.phase!r}; use {', '.join(PHASES)}.")
        if not isinstance(self.preferences, (EpsteinZin, TimeAdditive)):
            kind = type(self.preferences).__name__
            raise ValueError(f"`preferences` is {kind}; `{self.name}` accepts EpsteinZin or TimeAdditive.")
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
        return LogDamages(LOG_DAMAGES)

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
        slope, bend = self.damage_slope(x.temperature), self.damage_bend(x.temperature)
        return LogDamages(log_damages_drift(self.climate, slope, bend, emissions, climate))

    def additive_diffusion(self, t: Scalar, x: Point, u: Point) -> Point:
        loading = self.climate.diffusion(u.emissions + self.exogenous_emissions)
        none = jnp.zeros_like(loading)
        return LogDamages(jnp.stack([none, self.damage_slope(x.temperature) * loading, none]))

    def damage_slope(self, y: Scalar) -> Scalar:
        """Slope of log damages, per degC. A revealed curvature acts on both sides of the threshold."""
        if self.phase != "after_damage":
            return self.damages.slope(y)
        threshold = self.damages.threshold
        return self.damages.slope(threshold) + self.damage_bend(y) * (y - threshold)

    def damage_bend(self, y: Scalar) -> Scalar:
        """Second derivative of log damages, per degC²."""
        return self.damages.bend(self.damages.threshold if self.phase == "after_damage" else y)

    def utility(self, t: Scalar, x: Point, u: Point) -> Scalar:
        flow = jnp.log(self.consumption_share(x, u)) + x.log_capital
        return self.preferences.discount_rate * flow if isinstance(self.preferences, TimeAdditive) else flow

    @property
    def abatement_cost(self) -> Scalar:
        """Cost of full abatement, per unit of capital and year; zero after the technology jump."""
        remaining = 0.0 if self.phase == "after_technology" else 1.0
        return remaining * self.economy.productivity * self.abatement.cost

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
            ambiguity = dataclasses.replace(self.ambiguity, jumps=0.0)  # no jump remains
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

    # -- after the technology ---------------------------------------------------------------------------

    def clean_value(self) -> tuple[Scalar, Scalar]:
        r"""Investment and the constant of $v = k + c$ after the technology jump.

        $i$ solves $(\alpha-i)(1-\kappa i) = \delta - (1-\rho)G(i)$ with $G = \mu_k + i - \tfrac\kappa2i^2 - \tfrac12\sigma_k^2
        - \tfrac12(a_k + \gamma - 1)\sigma_k^2$, a quadratic; then $c = \log(\alpha-i) - \log(1-(1-\rho)G/\delta)/(1-\rho)$, which is
        $\log(\alpha-i) + G/\delta$ at $\rho=1$.
        """
        alpha, kappa = self.economy.productivity, self.economy.adjustment_cost
        delta, rho = self.preferences.discount_rate, self.inverse_eis
        feared = self.ambiguity.shock_aversion(0) + self.preferences.excess_risk_aversion
        robust = -0.5 * feared * self.economy.volatility**2
        idle = self.economy.drift(jnp.zeros_like(alpha)) + robust
        square, linear = 0.5 * kappa * (1.0 + rho), rho + alpha * kappa
        constant = alpha - delta + (1.0 - rho) * idle
        # the smaller root, which lies below both alpha and 1/kappa
        root = jnp.sqrt(linear**2 - 4.0 * square * constant)
        investment = 2.0 * constant / (linear + root)
        growth = (self.economy.drift(investment) + robust) / delta
        level = growth * log1p_ratio(-(1.0 - rho) * growth)
        return investment, jnp.log(alpha - investment) + level

    def _check_finite(self):
        constant = self.clean_value()[1]
        if is_traced(constant) or bool(np.all(np.isfinite(np.asarray(constant)))):
            return
        raise ValueError(
            f"`preferences.inverse_eis` is {self.inverse_eis}: growth makes the value infinite;"
            f" raise it towards 1, or `preferences.discount_rate` above {self.preferences.discount_rate} per year."
        )

    # -- the faces --------------------------------------------------------------------------------------

    def closures(self) -> Point:
        # Twice these margins change emissions in the first year by a relative 1e-5. Without the constraint a cautious planner would
        # consume capital at the lower face, where no further loss is possible.
        capital = StateConstraint(truncation=True), Outflow(extension=0.25)
        warming = Inflow(extension=0.025), Growth(slope=self._warming_slope, extension=0.5)
        knowledge = Inflow(), Growth(slope=self._knowledge_slope, extension=0.4)
        return type(self.states)(capital, warming, knowledge)

    def grid_points(self) -> dict[str, int]:
        # emissions within 2e-5 and social cost within 5e-4 of finer grids: docs/models/knowledge_capital.md
        return {"log_capital": 7, "temperature": 31, "log_knowledge": 9}

    def _far_out(self, x: Point) -> tuple[Scalar, ...]:
        r"""Asymptotic slope in temperature, gain from the technology jump, and effective discount rate.

        The equation is used without second derivatives and without the drift of the other states. Let $\mathcal J_gg$ be the
        distorted intensity of the technology jump and $a_g$ the aversion to it. Then $\Delta = v^L - v$ solves
        $\delta\Delta + \mathcal J_g(1 - e^{-a_g\Delta})/a_g = \ell$ with $\ell$ the flow lost until the jump. The derivative of the
        equation in $y$ gives $v_y = -s'\Theta e/(\delta+\mathcal J_gg+\mathcal J_n)$. The first-order condition of abatement,
        $(s-v_y)\Theta = m\,q\,a^{\phi_1-1}$, has the marginal utility $m$ of an economy without emissions.
        """
        y, theta = x.temperature, self.ensemble.mean
        alpha, delta = self.economy.productivity, self.preferences.discount_rate
        baseline = self.abatement.baseline(alpha * jnp.exp(x.log_capital))
        # A revealed curvature can make warming harmless below the threshold.
        slope, power = jnp.maximum(self.damage_slope(y), 0.0), self.abatement.exponent - 1.0
        arrival, revelation = self.research.intensity(x.log_knowledge), jnp.zeros_like(y)
        if self.phase == "before":
            revelation = self.damage_jump.intensity(y)
        aversion = self.ambiguity.jump_aversion(0) + self.preferences.excess_risk_aversion
        consumption = alpha - self.economy.best_investment(delta)
        unit = delta / consumption * self.abatement_cost * self.abatement.exponent / (baseline * theta)

        def implied(a, gap):
            """Discount rate, slope in temperature and damage at a share abated and a gap to the value after the jump."""
            patience = delta + arrival * jnp.exp(-aversion * gap)
            bend = self.damage_bend(y) * theta * baseline / (patience + revelation)
            return patience, bend, (slope + bend * (1.0 - a)) * theta * baseline * (1.0 - a)

        def step(_, carry):
            a, gap = carry
            patience, bend, harm = implied(a, gap)
            value = unit * a**power + bend * a - slope - bend
            new = a - value / (unit * power * a ** (power - 1.0) + bend)
            lost = delta * self.abatement_cost * a**self.abatement.exponent / consumption + harm
            excess = delta * gap + arrival * scaled_expm1(-aversion, gap) - lost
            return jnp.clip(new, 1e-6, 1.0), jnp.maximum(gap - excess / patience, 0.0)

        start = jnp.ones_like(y), jnp.zeros_like(y)
        abated, gap = jax.lax.fori_loop(0, _STEPS, step, start)
        patience, bend, _ = implied(abated, gap)
        return -bend * (1.0 - abated), arrival * scaled_expm1(-aversion, gap), patience

    def _warming_slope(self, t: Scalar, x: Point) -> Scalar:
        return self._far_out(x)[0]

    def _knowledge_slope(self, t: Scalar, x: Point) -> Scalar:
        r"""$v_r = \mathcal J_g(1-g)/a_g/(\delta+\mathcal J_gg)$: knowledge raises the rate of the technology jump."""
        _, pull, patience = self._far_out(x)
        return pull / patience

    # -- the closed form --------------------------------------------------------------------------------

    def exact_value(self) -> AbstractValue | None:
        return LogLinearValue(self.clean_value()[1]) if self.phase == "after_technology" else None

    def first_guess(self) -> AbstractValue:
        # Start below the value after the technology jump: above it, the jump term of a cautious planner grows exponentially.
        return LogLinearValue(self.clean_value()[1] - 0.2)

    def initial_state(self) -> Point:
        warming = self.damages.threshold if self.phase == "after_damage" else self.climate.initial_temperature
        logs = jnp.log(self.economy.initial_capital), jnp.log(self.research.initial_knowledge)
        return CapitalTemperatureKnowledge(logs[0], warming, logs[1])

    def initial_additive(self) -> Point:
        return LogDamages(self.damages.log_damages(self.initial_state().temperature))

    # -- what is reported -------------------------------------------------------------------------------

    def consumption_share(self, x: Point, u: Point) -> Scalar:
        """Consumption before damages, per unit of capital and year."""
        output = self.economy.productivity * jnp.exp(x.log_capital)
        share = self.abatement.cost_share(u.emissions, output) / self.abatement.cost
        return self.economy.productivity - u.investment - u.research - self.abatement_cost * share

    def marginal_utility(self, t: Scalar, x: Point, u: Point, additive: Point) -> Scalar:
        flow = self.preferences.discount_rate if isinstance(self.preferences, TimeAdditive) else 1.0
        return flow / (self.consumption_share(x, u) * jnp.exp(x.log_capital))

    def observables(self, t: Scalar, x: Point, u: Point, additive: Point) -> dict[str, Scalar]:
        capital = jnp.exp(x.log_capital)
        output = self.economy.productivity * capital
        consumption = self.consumption_share(x, u) * capital
        remaining = self.abatement_cost / (self.economy.productivity * self.abatement.cost)
        return {
            "output": output,
            "investment_flow": u.investment * capital,
            "research_flow": u.research * capital,
            "abatement_cost": remaining * self.abatement.cost_share(u.emissions, output) * output,
            "consumption": consumption,
            "damages": lost_consumption(consumption, additive.log_damages),
            "capital": capital,
            "knowledge": jnp.exp(x.log_knowledge),
        }

    @property
    def observable_variables(self) -> dict[str, Variable]:
        return OBSERVABLES

    # -- social values, given the derivatives of the value function --------------------------------------

    def _per_utility(self, x: Point, u: Point) -> Scalar:
        r"""$C/\delta$, trillion US$ per log-consumption unit of value, before damages, as published for any $\rho$."""
        return self.consumption_share(x, u) * jnp.exp(x.log_capital) / self.preferences.discount_rate

    def social_value_of_research(self, x: Point, u: Point, costate: Point) -> Scalar:
        r"""$Rv_rC/\delta$ with $v_r = \partial v/\partial\log R$, as published; the value of the stock is $v_rC/\delta$."""
        return jnp.exp(x.log_knowledge) * costate.log_knowledge * self._per_utility(x, u)

    def social_cost_of_warming(self, x: Point, u: Point, costate: Point) -> Scalar:
        r"""Cost of one degree through its later effects, $-v_yC/\delta$, trillion US$; the immediate damage is not included."""
        return -costate.temperature * self._per_utility(x, u)

    def social_cost_from_emissions(self, emissions: Scalar, log_capital: Scalar) -> Scalar:
        r"""The first-order condition for emissions: the marginal cost of abatement, trillion US$ per GtC."""
        return self.abatement.marginal_cost(emissions, self.economy.productivity * jnp.exp(log_capital))
