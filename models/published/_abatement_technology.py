import dataclasses
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..base import Point, Scalar, Variable, check_capital, measured_in, parameter, scaled_expm1
from ..climate import TEMPERATURE, TCREClimate
from ..economy import (
    CAPITAL,
    CONSUMPTION,
    DAMAGES,
    FLOW,
    INVESTMENT,
    LOG_DAMAGES,
    Abatement,
    AbatementProgress,
    AKEconomy,
    Claims,
    DamageJump,
    LogDamages,
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
    Growth,
    Inflow,
    Jump,
    TimeAdditive,
    check_time_additive,
)
from ._log_linear_value import LogLinearValue

T = TypeVar("T")


class CapitalTemperature(NamedTuple, Generic[T]):
    log_capital: T
    temperature: T


class InvestmentEmissions(NamedTuple, Generic[T]):
    investment: T
    emissions: T


def state_variables(warming: tuple[float, float]) -> Point:
    """The two states, with the given region of interest in temperature, degC."""
    return CapitalTemperature(
        Variable("log of capital", "log trillion US$", 6.0, 8.5, symbol="k"),
        TEMPERATURE._replace(low=warming[0], high=warming[1]),
    )


# Investment is irreversible, and wasteful above 1/kappa. Emissions never exceed their baseline.
CONTROLS = InvestmentEmissions(
    Variable("investment per unit of capital", "1/yr", 0.0, 0.5, symbol="i"),
    Variable("carbon emissions", "GtC/yr", 0.0, 1e3, "Emissions|CO2", "e"),
)

OBSERVABLES = {
    "output": Variable("output before abatement and damages", FLOW, iamc="GDP|MER"),
    "investment_flow": INVESTMENT,
    "abatement_cost": Variable("cost of abatement", FLOW, iamc="Policy Cost|Additional Total Energy System Cost"),
    "consumption": CONSUMPTION,
    "damages": DAMAGES,
    "capital": CAPITAL,
}


# Newton steps for increasing functions of one unknown; their number is fixed, so that the slopes can be differentiated.
_STEPS = 30

STAGES = ("before", "improved", "complete")
PHASES = tuple(stage + suffix for stage in STAGES for suffix in ("", "_revealed"))


def _economy() -> AKEconomy:
    return AKEconomy(volatility=float(np.hypot(0.0087, 0.0038)))  # two shocks, as published


def _abatement() -> Abatement:
    return Abatement(cost=0.0453)


def _climate() -> TCREClimate:
    # nine members with the mean and the spread of the 144 published members
    return TCREClimate(ensemble=Ensemble.published(members=9))


def _damage_jump() -> DamageJump:
    """Twenty curvatures with equally spaced shares exp(-Lambda) of output after damages at 2.5 degC, as published."""
    warming, mild, steep = 2.5, ThresholdDamages(), ThresholdDamages(curvature=1.0 / 3.0)
    least, most = (float(d.log_damages(jnp.asarray(warming))) for d in (mild, steep))
    extra = -np.log(np.linspace(1.0, np.exp(least - most), 20))
    return DamageJump(2.0 * extra / (warming - float(mild.threshold)) ** 2)


class AbatementTechnology(ClosedFormControl, CarbonModel):
    r"""Capital and temperature, with jumps to two breakthroughs in abatement and to known damages.

    Output pays for consumption, investment and abatement, $C + I = \alpha K\big[1 - \vartheta(1 - e/(\lambda\alpha K))_+^{\phi}\big]$.
    With $i = I/K$, log capital $k$ and temperature $y$,

    $$dk = \big[\mu_k + i - \tfrac\kappa2i^2 - \tfrac12\sigma_k^2\big]dt + \sigma_kdW^k,\quad
        dy = e(\theta\,dt + \varsigma\,dW^y),$$

    flow utility is $\log C - \log N$, **not** multiplied by $\delta$ (penalties are quoted in that convention), and log damages
    $n = \log N = \Lambda(y)$ are additive: $V = \Phi(k,y) - n/\delta$. Breakthroughs arrive at a constant rate. The first multiplies
    $\vartheta$ and $\lambda$ by one half. After the second, abatement is free, emissions are zero and $\Phi = k/\delta + c$ exactly. A
    damage jump (rate $\mathcal J(y)$) resets temperature to $\bar y$ and reveals $\gamma_3^m$. Log capital is not additive, because
    emissions, and hence damages, grow with capital; $\Phi$ equals $k/\delta$ plus a constant only if capital is so scarce that
    emissions vanish or so abundant that abatement is complete.

    **Arguments:**

    - `preferences`, `economy`, `abatement`, `progress`, `climate`, `damages`, `damage_jump`: the blocks.
    - `ambiguity`: shocks in the order capital, temperature; jumps technology (the next breakthrough), damage; climate.
    - `phase`: `before` (default), `improved` or `complete`, each also with `_revealed`.
    - `exogenous_emissions`: emissions that the planner does not control, GtC/yr. The social cost of carbon is a
      derivative with respect to them.

    **Raises:** `ValueError` naming a parameter that is out of range.

    **Units:** $\Phi$ in units of flow utility times years; trillion US$, GtC/yr, degC above 1850-1900; investment per unit
    of capital and year.

    **Good values:** penalties of 2.5, 5 and 7.5 for shocks and jumps with 0.02 for the climate, as published.

    **References:** Barnett, Brock and Hansen 2021, "Climate Change Uncertainty Spillover in the Macroeconomy",
    doi:10.1086/718668, section 6; cost of abatement from Cai and Lontzek 2019, doi:10.1086/701890.

    !!! example

        ```python
        import abatax as ab

        ambiguity = ab.models.Ambiguity.from_penalties(shocks=5.0, jumps=5.0, climate=0.02)
        model = ab.models.AbatementTechnology(ambiguity=ambiguity)
        assert [jump.name for jump in model.jumps()] == ["improvement_jump", "damage_jump"]
        ```
    """

    preferences: AbstractPreferences = eqx.field(default_factory=TimeAdditive)
    economy: AKEconomy = eqx.field(default_factory=_economy)
    abatement: Abatement = eqx.field(default_factory=_abatement)
    progress: AbatementProgress = eqx.field(default_factory=AbatementProgress)
    climate: TCREClimate = eqx.field(default_factory=_climate)
    damages: ThresholdDamages = eqx.field(default_factory=ThresholdDamages)
    damage_jump: DamageJump = eqx.field(default_factory=_damage_jump)
    ambiguity: Ambiguity = eqx.field(default_factory=Ambiguity)
    exogenous_emissions: Float[Array, "..."] = eqx.field(
        default=0.0, converter=parameter, metadata=measured_in("GtC/yr")
    )
    phase: str = eqx.field(static=True, default="before")

    name: ClassVar[str] = "abatement_technology"
    source: ClassVar[str] = "Barnett, Brock and Hansen 2021, doi:10.1086/718668, section 6"
    start_year: ClassVar[int] = 2020

    def __check_init__(self):
        check_time_additive(self)
        if self.phase not in PHASES:
            raise ValueError(f"`phase` is {self.phase!r}; use {', '.join(PHASES)}.")
        check_capital("economy", self.economy.growth, self.economy.volatility)

    # -- names ------------------------------------------------------------------------------------------

    @property
    def regime(self) -> str:
        return self.phase

    @property
    def stage(self) -> str:
        """Stage of the technology: `before`, `improved` or `complete`."""
        return self.phase.removesuffix("_revealed")

    @property
    def revealed(self) -> bool:
        """Whether the damage function is known."""
        return self.phase.endswith("_revealed")

    @property
    def states(self) -> Point:
        # The damage jump sets temperature to the threshold; afterwards only noise leads below it.
        return state_variables((1.8, 3.2) if self.revealed else (1.0, 2.5))

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
        warming = self.climate.drift(u.emissions + self.exogenous_emissions, climate)
        return CapitalTemperature(self.economy.drift(u.investment), warming)

    def diffusion(self, t: Scalar, x: Point, u: Point) -> Point:
        warming = self.climate.diffusion(u.emissions + self.exogenous_emissions)
        return CapitalTemperature(*jnp.diag(jnp.stack([self.economy.volatility, warming])))

    def additive_costates(self) -> Point:
        return LogDamages(-1.0 / self.preferences.discount_rate)

    def additive_drift(self, t: Scalar, x: Point, u: Point, climate: Scalar) -> Point:
        emissions = u.emissions + self.exogenous_emissions
        slope, bend = self.damages.slope(x.temperature), self.damages.bend(x.temperature)
        return LogDamages(log_damages_drift(self.climate, slope, bend, emissions, climate))

    def additive_diffusion(self, t: Scalar, x: Point, u: Point) -> Point:
        loading = self.climate.diffusion(u.emissions + self.exogenous_emissions)
        return LogDamages(jnp.stack([jnp.zeros_like(loading), self.damages.slope(x.temperature) * loading]))

    def utility(self, t: Scalar, x: Point, u: Point) -> Scalar:
        return jnp.log(self.consumption_share(x, u)) + x.log_capital

    @property
    def _remaining_cost(self) -> float:
        """Zero if abatement is free, else one."""
        return 0.0 if self.stage == "complete" else 1.0

    def _abatement_spending(self, x: Point, u: Point) -> Scalar:
        """Spending on abatement, per unit of capital and year."""
        output = self.economy.productivity * jnp.exp(x.log_capital)
        return self._remaining_cost * self.economy.productivity * self.abatement.cost_share(u.emissions, output)

    def consumption_share(self, x: Point, u: Point) -> Scalar:
        """Consumption before damages, per unit of capital and year."""
        return self.economy.productivity - u.investment - self._abatement_spending(x, u)

    # -- the control ------------------------------------------------------------------------------------

    def best_control(
        self, t: Scalar, x: Point, value: Scalar, costate: Point, hessian: Float[Array, "state state"]
    ) -> Point:
        shocks, limits, cost = self.ambiguity.shocks, self.controls, costate.log_capital
        aversion = shocks if shocks.ndim == 0 else shocks[1]
        price = self.additive_costates().log_damages
        gain = costate.temperature + price * self.damages.slope(x.temperature)
        bend = hessian[1, 1] + price * self.damages.bend(x.temperature)
        highest = self.abatement.baseline(self.economy.productivity * jnp.exp(x.log_capital))
        full = self._remaining_cost * self.economy.productivity * self.abatement.cost

        def harm(abated):
            emissions = highest * (1.0 - abated) + self.exogenous_emissions
            return marginal_harm(self.climate, self.ambiguity, aversion, gain, bend, emissions)

        claims = Claims(
            budget=self.economy.productivity,
            weight=jnp.ones_like(cost),
            inverse_eis=jnp.ones_like(cost),
            price=cost,
            adjustment_cost=self.economy.adjustment_cost,
            lowest=limits.investment.low,
            highest=limits.investment.high,
            gain=jnp.zeros_like(cost),  # no research
            returns=jnp.full_like(cost, 0.5),
            least_research=0.0,
            most_research=0.0,
            full=full,
            exponent=self.abatement.exponent,
            unit=full * self.abatement.exponent / highest,
        )
        investment, _, abated = claims.settle(harm)
        return InvestmentEmissions(investment, highest * (1.0 - abated))

    # -- the jumps --------------------------------------------------------------------------------------

    def jumps(self) -> tuple[Jump, ...]:
        if self.stage == "complete":
            return ()  # emissions are zero: neither breakthroughs nor the damage function affect the value
        first, suffix = self.stage == "before", "_revealed" if self.revealed else ""

        def better(_):
            abatement = self.progress.improve(self.abatement) if first else self.abatement
            return self._after(("improved" if first else "complete") + suffix, abatement=abatement)

        technology = Jump(
            intensity=lambda t, x, u: self.progress.rate,
            land=lambda x: x,
            probabilities=jnp.ones(1),
            destination=eqx.filter_vmap(better)(jnp.zeros(1)),
            name="improvement_jump" if first else "completion_jump",
        )
        if self.revealed:
            return (technology,)

        def known_damages(curvature):
            damages = eqx.tree_at(lambda d: d.curvature, self.damages, curvature)
            return self._after(self.stage + "_revealed", damages=damages)

        damage = Jump(
            intensity=lambda t, x, u: self.damage_jump.intensity(x.temperature),
            land=lambda x: x._replace(temperature=self.damages.threshold),
            probabilities=self.damage_jump.prior,
            destination=eqx.filter_vmap(known_damages)(self.damage_jump.curvatures),
            name="damage_jump",
        )
        return technology, damage

    def _after(self, phase: str, **changes: Any) -> "AbatementTechnology":
        """The model after a jump; the jumps that can still occur keep their aversions."""
        aversions = self.ambiguity.jumps
        if phase.startswith("complete"):
            remaining = 0.0
        else:
            remaining = aversions[:1] if phase.endswith("_revealed") and aversions.ndim else aversions
        ambiguity = dataclasses.replace(self.ambiguity, jumps=remaining)
        return dataclasses.replace(self, ambiguity=ambiguity, phase=phase, **changes)

    # -- without emissions --------------------------------------------------------------------------------

    def _stages_left(self) -> list[Any]:
        """Abatement now and after each breakthrough at which it still has a cost."""
        if self.stage == "complete":
            return []
        return [self.abatement, self.progress.improve(self.abatement)][: 2 if self.stage == "before" else 1]

    def _idle(self, cost: Scalar) -> tuple[Scalar, Scalar]:
        r"""Investment and flow beyond $k$ of an economy that always pays a share `cost` of output for zero emissions."""
        delta, shocks = self.preferences.discount_rate, self.ambiguity.shocks
        aversion = shocks if shocks.ndim == 0 else shocks[0]
        economy = dataclasses.replace(self.economy, productivity=self.economy.productivity * (1.0 - cost))
        investment = economy.best_investment(delta)
        growth = economy.drift(investment) / delta - 0.5 * aversion * (economy.volatility / delta) ** 2
        return investment, jnp.log(economy.productivity - investment) + growth

    def _gap(self, loss: Scalar, ahead: Scalar) -> Scalar:
        r"""$L$ with $\delta L + \lambda(1-e^{-a(L-L')})/a = \ell$: loss of value if $\ell$ is lost per year, and $L'$ after the jump.

        The left side is increasing and concave in $L$, so that Newton steps from below converge monotonically.
        """
        delta, rate, aversion = self.preferences.discount_rate, self.progress.rate, self._technology_aversion()

        def step(_, gap):
            value = delta * gap + rate * scaled_expm1(-aversion, gap - ahead) - loss
            return gap - value / (delta + rate * jnp.exp(-aversion * (gap - ahead)))

        # At the smaller of the two the left side is at most the loss.
        return jax.lax.fori_loop(0, _STEPS, step, jnp.minimum(ahead, loss / delta))

    def _technology_aversion(self) -> Scalar:
        jumps = self.ambiguity.jumps
        return jumps if jumps.ndim == 0 else jumps[0]

    def clean_value(self) -> LogLinearValue:
        r"""$\Phi = k/\delta + c$ of a planner with zero emissions: the value after the last breakthrough, a lower bound before it.

        Without emissions temperature and damages are constant. With $\alpha_s = \alpha(1-\vartheta_s)$, investment solves
        $(\alpha_s - i)(1-\kappa i) = \delta$, and $c_s$ follows from the constant of the next stage. The value is exact if abatement
        is complete, as capital grows and abatement remains complete.
        """
        delta = self.preferences.discount_rate
        free = self._idle(jnp.zeros_like(delta))[1]
        gap = jnp.zeros_like(free)
        for abatement in reversed(self._stages_left()):
            gap = self._gap(free - self._idle(abatement.cost)[1], gap)
        return LogLinearValue(free / delta - gap, 1.0 / delta)

    # -- the faces --------------------------------------------------------------------------------------

    def closures(self) -> Point:
        # Capital grows by 2 % a year and leaves through the upper face. Noise is too weak for any cell to resolve, so that only a
        # slope at this face makes the solution unique. An error of the slope decays inwards as exp(-(delta + rate) dk / 0.02).
        capital = Inflow(), Growth(slope=self._capital_slope, extension=1.5)
        margin = 1.5 if self.revealed else 0.5
        return type(self.states)(capital, (Inflow(), Growth(slope=self._warming_slope, extension=margin)))

    def grid_points(self) -> dict[str, int]:
        # emissions within 5e-5 and social cost within 4e-4 of half the cells in capital: docs/models/abatement_technology.md
        return {"log_capital": 25, "temperature": 61}

    def _capital_slope(self, t: Scalar, x: Point) -> Scalar:
        r"""$\Phi_k = 1/\delta$, exact if abatement is complete."""
        return 1.0 / self.preferences.discount_rate + jnp.zeros_like(x.log_capital)

    def _warming_slope(self, t: Scalar, x: Point) -> Scalar:
        r"""$\Phi_y$ of a temperature and capital that hardly move before the future is discounted, from the last stage backwards.

        The derivative of the equation in $y$, without second derivatives and without distortion of the breakthrough of rate
        $\lambda$, is $(\delta + \lambda + J)\Phi_y = \lambda\Phi'_y - \Lambda''\Theta e/\delta$, with $\Phi'$ the value after the
        breakthrough. The first-order condition of abatement is $(\Lambda'/\delta - \Phi_y)\Theta = q a^{\phi_1-1}/c$, with the
        consumption $c$ of an economy without emissions. If abatement is complete, $\Phi_y = 0$ exactly.
        """
        y, theta, delta = x.temperature, self.ensemble.mean, self.preferences.discount_rate
        damage, bend = jnp.maximum(self.damages.slope(y), 0.0) / delta, self.damages.bend(y) / delta
        alpha, rate = self.economy.productivity, self.progress.rate
        consumption = alpha - self.economy.best_investment(delta)
        patience = delta + rate + (0.0 if self.revealed else self.damage_jump.intensity(y))
        slope = jnp.zeros_like(y)
        for abatement in reversed(self._stages_left()):
            power = abatement.exponent - 1.0
            baseline = abatement.baseline(alpha * jnp.exp(x.log_capital))
            unit = alpha * abatement.cost * abatement.exponent / (baseline * theta * consumption)
            later, bent = rate * slope / patience, bend * theta * baseline / patience

            def step(_, abated, power=power, unit=unit, later=later, bent=bent):
                excess = unit * abated**power - damage + later - bent * (1.0 - abated)
                return jnp.clip(abated - excess / (unit * power * abated ** (power - 1.0) + bent), 1e-6, 1.0)

            abated = jax.lax.fori_loop(0, _STEPS, step, jnp.ones_like(y))
            slope = later - bent * (1.0 - abated)
        return slope

    def costate_signs(self) -> dict[str, int]:
        return {"log_capital": 1}

    def breakpoints(self) -> dict[str, tuple[float, ...]]:
        if not self.revealed:
            kink = self.damage_jump.onset
        elif np.any(np.asarray(self.damages.curvature) > 0.0):
            kink = self.damages.threshold
        else:
            return {}
        return {"temperature": tuple(float(y) for y in np.unique(np.asarray(kink)))}

    # -- initial state and known values -----------------------------------------------------------------

    def exact_value(self) -> AbstractValue | None:
        return self.clean_value() if self.stage == "complete" else None

    def first_guess(self) -> AbstractValue:
        # Zero emissions are feasible: this value is a lower bound of the value function.
        return self.clean_value()

    def initial_state(self) -> Point:
        warming = self.damages.threshold if self.revealed else self.climate.initial_temperature
        return CapitalTemperature(jnp.log(self.economy.initial_capital), warming)

    def initial_additive(self) -> Point:
        return LogDamages(self.damages.log_damages(self.initial_state().temperature))

    # -- what is reported -------------------------------------------------------------------------------

    def marginal_utility(self, t: Scalar, x: Point, u: Point, additive: Point) -> Scalar:
        return 1.0 / (self.consumption_share(x, u) * jnp.exp(x.log_capital))

    def social_cost_from_emissions(self, emissions: Scalar, log_capital: Scalar) -> Scalar:
        """The first-order condition for emissions: the marginal cost of abatement, trillion US$ per GtC."""
        return self.abatement.marginal_cost(emissions, self.economy.productivity * jnp.exp(log_capital))

    def observables(self, t: Scalar, x: Point, u: Point, additive: Point) -> dict[str, Scalar]:
        capital = jnp.exp(x.log_capital)
        consumption = self.consumption_share(x, u) * capital
        return {
            "output": self.economy.productivity * capital,
            "investment_flow": u.investment * capital,
            "abatement_cost": self._abatement_spending(x, u) * capital,
            "consumption": consumption,
            "damages": lost_consumption(consumption, additive.log_damages),
            "capital": capital,
        }

    @property
    def observable_variables(self) -> dict[str, Variable]:
        return OBSERVABLES
