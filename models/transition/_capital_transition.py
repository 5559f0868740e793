import dataclasses
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from equinox import AbstractVar
from jaxtyping import Array, Float

from ..base import Point, Scalar, Variable, is_traced
from ..climate import AbstractPhysicalClimate
from ..economy import (
    CapitalSpending,
    CarbonIntensity,
    DamageJump,
    Effort,
    FixedHazard,
    Investment,
    KnowledgeHazard,
    ThresholdDamages,
    TwoCapitals,
    damage_asymptote,
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
    Jump,
    Outflow,
    check_time_additive,
)
from ._transition_names import (
    INTENSITY_OBSERVABLES,
    LOG_CAPITAL_RATIO,
    LOG_KNOWLEDGE,
    OBSERVABLES,
    PHASES,
    RESEARCH_OBSERVABLES,
    point,
    point_type,
)

_JUMP_NAMES = {"parity": "parity_jump", "mature": "technology_jump"}


class CapitalTransition(ClosedFormControl, CarbonModel):
    r"""Dynamics, first-order conditions and jumps that all models with dirty and green capital share.

    The first state is the log of the emitting capital: $q = \log K_d$, or $\varepsilon = \log K_d + z$ if carbon intensity can
    fall. The second state is $w = \log(K_g/K_d)$. The states of the climate follow, then $r = \log R$ if knowledge drives the
    technology, then $k$ if log capital is not additive. The shocks are those of dirty capital, green capital, the climate, carbon
    intensity and knowledge, in this order. See `TwoCapital` and `NetZero`.
    """

    preferences: AbstractVar[AbstractPreferences]
    ambiguity: AbstractVar[Ambiguity]
    economy: AbstractVar[TwoCapitals]
    climate: AbstractVar[AbstractPhysicalClimate]
    damages: AbstractVar[ThresholdDamages]
    damage_jump: AbstractVar[DamageJump | None]
    technology: AbstractVar[KnowledgeHazard | FixedHazard | None]
    reset_temperature: AbstractVar[bool]
    phase: AbstractVar[str]
    lowest_investment: AbstractVar[float]
    highest_investment: AbstractVar[float]
    most_research: AbstractVar[float]
    exogenous_emissions: AbstractVar[Float[Array, "..."]]

    # Width of the lower margin of emitting capital, in logs: the error of a zero slope decays with emissions, as exp(-margin).
    emitting_margin: ClassVar[float] = 3.0

    def __post_init__(self):
        # A single penalty belongs to the damage jump; the planner trusts the technology jumps.
        given, names = self.ambiguity.jumps, self._jump_names()
        if given.size == 1 and names and (given.ndim == 0 or len(names) > 1):
            aversion = given.reshape(())
            if "damage_jump" not in names and not is_traced(aversion) and float(aversion) > 0.0:
                raise ValueError(
                    f"`ambiguity.jumps` is one penalty, {1.0 / float(aversion):g}, which is that of the damage jump; this model has no"
                    f" damage jump: give a list of {len(names)} penalties ({', '.join(names)})."
                )
            aversions = [aversion if name == "damage_jump" else jnp.zeros_like(aversion) for name in names]
            self.ambiguity = eqx.tree_at(lambda a: a.jumps, self.ambiguity, jnp.stack(aversions))

    def __check_init__(self):
        check_time_additive(self)
        if self.phase not in PHASES:
            raise ValueError(f"`phase` is {self.phase!r}; use {', '.join(PHASES)}.")
        if not isinstance(self.climate, AbstractPhysicalClimate):
            fit = ", ".join(sorted(block.__name__ for block in AbstractPhysicalClimate.__subclasses__()))
            raise ValueError(
                f"`climate` is {type(self.climate).__name__}, which does not respond to carbon emissions in GtC/yr; use one of {fit}."
            )
        warming = getattr(self.climate.states, "temperature", None)
        if warming is None or warming.unit != "degC":
            raise ValueError(
                f"`climate` is {type(self.climate).__name__}, with states {', '.join(self.climate.states._fields)}; it needs one"
                " called temperature, in degC."
            )
        curvatures = [c.adjustment_curvature for c in (self.economy.dirty, self.economy.green)]
        if any(map(is_traced, curvatures)):
            return
        least = -1.0 / max(float(np.max(np.asarray(c))) for c in curvatures)
        if not least < self.lowest_investment < self.highest_investment:
            raise ValueError(
                f"`lowest_investment` is {self.lowest_investment}; it must lie between {least:.4g}, where adjustment costs are"
                f" infinite, and `highest_investment`, {self.highest_investment}."
            )

    # -- phases ------------------------------------------------------------------------------------------

    @property
    def regime(self) -> str:
        return self.phase

    @property
    def stage(self) -> str:
        """Stage of the technology: `before`, `parity` or `mature`."""
        return self.phase.removesuffix("_revealed")

    @property
    def revealed(self) -> bool:
        """Whether the damage function is known."""
        return self.phase.endswith("_revealed")

    @property
    def awaits_revelation(self) -> bool:
        """Whether a jump will reveal the damage function."""
        return self._pending_damage_jump is not None

    @property
    def _pending_damage_jump(self) -> DamageJump | None:
        """The jump that will reveal the damage function, unless it has occurred or is left out."""
        return None if self.revealed else self.damage_jump

    @property
    def has_knowledge(self) -> bool:
        """Whether knowledge is a state."""
        return isinstance(self.technology, KnowledgeHazard)

    # -- variants ----------------------------------------------------------------------------------------

    @property
    def reduction(self) -> CarbonIntensity | None:
        """The technology that lowers the carbon intensity of dirty output; none if the intensity is fixed."""
        return None

    @property
    def abates(self) -> bool:
        """Whether spending can lower carbon intensity."""
        return self.reduction is not None

    def log_capital_at(self, x: Point) -> Scalar:
        """Log of total capital at a state."""
        return self.economy.log_capital(x[0], x.log_capital_ratio)

    # -- names ------------------------------------------------------------------------------------------

    def _further_states(self) -> dict[str, Variable]:
        """All states after the first, except log capital."""
        knowledge = {"log_knowledge": LOG_KNOWLEDGE} if self.has_knowledge else {}
        return {"log_capital_ratio": LOG_CAPITAL_RATIO} | self.climate.states._asdict() | knowledge

    @property
    def controls(self) -> Point:
        bounds = "1/yr", self.lowest_investment, self.highest_investment
        controls = {
            "dirty_investment": Variable("investment per unit of dirty capital", *bounds, symbol="i_d"),
            "green_investment": Variable("investment per unit of green capital", *bounds, symbol="i_g"),
        }
        if self.abates:
            name = "dirty output spent on intensity"
            controls["intensity_reduction"] = Variable(name, "1", 0.0, 1.0, symbol="x_z")
        if self.has_knowledge:
            name = "research per unit of total capital"
            controls["research"] = Variable(name, "1/yr", 1e-10, self.most_research, symbol="x_r")
        return point(**controls)

    def interior_controls(self) -> tuple[str, ...]:
        idle = self.idle_controls()
        return tuple(name for name in self.controls._fields if name not in idle)

    # -- dynamics ---------------------------------------------------------------------------------------

    @property
    def ensemble(self) -> Ensemble:
        return self.climate.ensemble

    def _emissions(self, x: Point) -> Scalar:
        return self.economy.emissions(x[0]) + self.exogenous_emissions

    def _climate_of(self, x: Point) -> Point:
        """The part of a state that belongs to the climate."""
        return type(self.climate.states)(*(getattr(x, name) for name in self.climate.states._fields))

    def drift(self, t: Scalar, x: Point, u: Point, climate: Scalar) -> Point:
        dirty, ratio, total = self.economy.drifts(x.log_capital_ratio, u.dirty_investment, u.green_investment)
        if self.reduction is not None:
            dirty = dirty + self.reduction.drift(u.intensity_reduction)
        rates = dirty, ratio, *self.climate.rates(self._climate_of(x), self._emissions(x), climate)
        if isinstance(self.technology, KnowledgeHazard):
            rates = *rates, self.technology.research.drift(u.research, self.log_capital_at(x), x.log_knowledge)
        if "log_capital" in x._fields:
            rates = *rates, total
        return type(self.states)(*rates)

    def _loadings(self, x: Point) -> dict[str, dict[str, Scalar]]:
        """The loading of every state, additive states included, on each shock that moves it."""
        capital: list[dict[str, Any]] = [
            {"dirty": a, "green": b} for a, b in self.economy.loadings(x.log_capital_ratio)
        ]
        dirty, ratio, total = capital
        warming = self.climate.loadings(self._climate_of(x), self._emissions(x))
        loadings: dict[str, dict[str, Any]] = {
            self.states._fields[0]: dirty,
            "log_capital_ratio": ratio,
            "log_capital": total,
        }
        loadings |= {name: {"climate": loading} for name, loading in warming._asdict().items()}
        if self.reduction is not None:
            dirty["intensity"] = self.reduction.volatility
            loadings["log_carbon_intensity"] = {"intensity": self.reduction.volatility}
        if isinstance(self.technology, KnowledgeHazard):
            loadings["log_knowledge"] = {"knowledge": self.technology.research.volatility}
        return loadings

    def _on_shocks(self, names: tuple[str, ...], x: Point) -> tuple[Array, ...]:
        """Loadings of the named states on all shocks, in the order of the shocks."""
        loadings = self._loadings(x)
        shocks = ["dirty", "green", "climate", *["intensity"] * self.abates, *["knowledge"] * self.has_knowledge]
        zero = jnp.zeros_like(x.log_capital_ratio)
        return tuple(jnp.stack([zero + loadings[name].get(shock, 0.0) for shock in shocks]) for name in names)

    def diffusion(self, t: Scalar, x: Point, u: Point) -> Point:
        return type(self.states)(*self._on_shocks(self.states._fields, x))

    def additive_drift(self, t: Scalar, x: Point, u: Point, climate: Scalar) -> Point:
        total = self.economy.drifts(x.log_capital_ratio, u.dirty_investment, u.green_investment)[2]
        rates = {"log_capital": total}
        if self.reduction is not None:
            rates["log_carbon_intensity"] = self.reduction.drift(u.intensity_reduction)
        return type(self.additive)(*(rates[name] for name in self.additive._fields))

    def additive_diffusion(self, t: Scalar, x: Point, u: Point) -> Point:
        return type(self.additive)(*self._on_shocks(self.additive._fields, x))

    def utility(self, t: Scalar, x: Point, u: Point) -> Scalar:
        flow = jnp.log(self.consumption_share(x, u)) - self.damages.log_damages(x.temperature)
        if "log_capital" in x._fields:
            flow = flow + x.log_capital
        return self.preferences.discount_rate * flow

    def best_control(
        self, t: Scalar, x: Point, value: Scalar, costate: Point, hessian: Float[Array, "state state"]
    ) -> Point:
        w, limits, economy = x.log_capital_ratio, self.controls, self.economy
        capitals = zip(
            economy.shares(w), self.prices(x, costate), (economy.dirty, economy.green), limits[:2], strict=True
        )
        investments = tuple(
            Investment(share, price, capital.adjustment_scale, capital.adjustment_curvature, bound.low, bound.high)
            for share, price, capital, bound in capitals
        )
        efforts = []
        output = economy.dirty_output(w)
        if self.reduction is not None:
            bound = limits.intensity_reduction
            gain = self.reduction.gain(-costate[0], output)
            efforts.append(Effort(gain, self.reduction.returns, bound.low * output, bound.high * output))
        if isinstance(self.technology, KnowledgeHazard):
            bound, research = limits.research, self.technology.research
            gain = costate.log_knowledge * research.productivity(self.log_capital_at(x), x.log_knowledge)
            efforts.append(Effort(gain, research.returns, bound.low, bound.high))
        spending = CapitalSpending(self.preferences.discount_rate, economy.productivity(w), investments, tuple(efforts))
        controls = dict(zip(limits._fields, spending.settle(), strict=True))
        if self.reduction is not None:
            controls["intensity_reduction"] = controls["intensity_reduction"] / output
        return type(limits)(**controls)

    # -- the jumps --------------------------------------------------------------------------------------

    def idle_controls(self) -> tuple[str, ...]:
        """Research, if no breakthrough remains or research adds nothing to knowledge."""
        if not isinstance(self.technology, KnowledgeHazard):
            return ()
        fruitless = not np.any(np.asarray(self.technology.research.efficiency) > 0.0)
        return ("research",) if fruitless or not self._steps() else ()

    def _steps(self) -> tuple[str, ...]:
        """The stages that the technology can reach next."""
        return () if self.technology is None else self.technology.steps(self.stage)

    def _jump_names(self) -> tuple[str, ...]:
        steps = tuple(_JUMP_NAMES[stage] for stage in self._steps())
        return (*steps, "damage_jump") if self.awaits_revelation else steps

    def jumps(self) -> tuple[Jump, ...]:
        steps = [self._improvement(stage) for stage in self._steps()]
        pending = self._pending_damage_jump
        return tuple(steps) if pending is None else (*steps, self._revelation(pending))

    def _after(self, **changes: Any) -> "CapitalTransition":
        """The model after a jump; the jumps that can still occur keep their aversions."""
        names, given = self._jump_names(), jnp.atleast_1d(self.ambiguity.jumps)
        # A single aversion holds for all jumps.
        aversions = dict(zip(names, jnp.broadcast_to(given, (len(names),)) if given.size == 1 else given, strict=False))
        model = dataclasses.replace(self, ambiguity=dataclasses.replace(self.ambiguity, jumps=0.0), **changes)
        remaining = [aversions[name] for name in model._jump_names()]
        return eqx.tree_at(lambda m: m.ambiguity.jumps, model, jnp.stack(remaining)) if remaining else model

    def _improvement(self, stage: str) -> Jump:
        """The jump to a later stage of the technology."""

        def improved(productivity):
            economy = eqx.tree_at(lambda e: e.green.productivity, self.economy, productivity)
            return self._after(economy=economy, phase=stage + self.phase.removeprefix(self.stage))

        assert self.technology is not None
        return Jump(
            intensity=lambda t, x, u: self._arrival(stage, x),
            land=lambda x: x,
            probabilities=jnp.ones(1),
            destination=eqx.filter_vmap(improved)(jnp.atleast_1d(self.technology.after(stage))),
            name=_JUMP_NAMES[stage],
        )

    def _arrival(self, stage: str, x: Point) -> Scalar:
        """Rate at which a stage of the technology arrives, per year."""
        technology = self.technology
        if isinstance(technology, KnowledgeHazard):
            rate = technology.research.intensity(x.log_knowledge)
        else:
            assert technology is not None
            rate = technology.rate
        return technology.share(self.stage, stage) * rate

    def _land(self, x: Point) -> Point:
        """The state just after the damage jump."""
        return x._replace(temperature=self.damages.threshold) if self.reset_temperature else x

    def _revelation(self, jump: DamageJump) -> Jump:
        """The jump that reveals the damage function."""

        def revealed(curvature):
            damages = eqx.tree_at(lambda d: d.curvature, self.damages, curvature)
            return self._after(damages=damages, phase=f"{self.phase}_revealed")

        return Jump(
            intensity=lambda t, x, u: jump.intensity(x.temperature),
            land=self._land,
            probabilities=jump.prior,
            destination=eqx.filter_vmap(revealed)(jump.curvatures),
            name="damage_jump",
        )

    # -- the box ----------------------------------------------------------------------------------------

    def closures(self) -> Point:
        # Emissions fall with emitting capital: at the lower face warming no longer depends on it. At the upper face dirty capital
        # is scrapped: the drift points inwards if it emits, and the value does not depend on it otherwise.
        emitting = Growth(slope=self._no_slope, extension=self.emitting_margin), Outflow(extension=0.5)
        # Investment shifts to the kind of capital that is, or will be, more productive. At that end f hardly depends on the other
        # kind, as f_w is proportional to its share. At the opposite end the equation itself holds.
        ahead = Growth(slope=self._no_slope, extension=4.0)
        never_better = self.stage == "before" and self.technology is None
        ratio = (ahead, Inflow(extension=4.0)) if never_better else (Inflow(extension=3.5), ahead)
        faces = emitting, ratio, *self.climate.closures(self._damage_slope)
        if self.has_knowledge:
            # At the upper face the breakthrough arrives within a year or two: further knowledge has little value.
            faces = *faces, (Inflow(), Growth(slope=self._no_slope, extension=2.5))
        if "log_capital" in self.states._fields:
            # V = k + f if research adds nothing (little capital) or knowledge is abundant (much capital). A reflecting face would
            # suppress growth. A margin of half a unit gives V_k = 1.030 in 2025, two units 1.038; the best path has 1.037.
            level = Growth(slope=self._unit_slope, extension=2.0)
            faces = *faces, (level, level)
        return type(self.states)(*faces)

    def _no_slope(self, t: Scalar, x: Point) -> Scalar:
        return jnp.zeros_like(x.temperature)

    def _unit_slope(self, t: Scalar, x: Point) -> Scalar:
        return jnp.ones_like(x.temperature)

    def _damage_slope(self, t: Scalar, x: Point) -> Scalar:
        """Slope of the value in a temperature that hardly moves before the future is discounted."""
        return jax.grad(self._damage_value)(x.temperature)

    def asymptote(self, t: Scalar, x: Point, after: tuple[Float[Array, " outcome"], ...] = ()) -> Scalar:
        r"""Asymptote of the value function.

        If the damage jump is pending and leaves temperature unchanged, the asymptote is the certainty equivalent of the values
        after the jump: information that arrives soon is worth nearly as much as information that is at hand. Otherwise

        $$a = \Big(\delta b + \sum_n\lambda_nV_n\Big)\Big/\Big(\delta + \sum_n\lambda_n\Big)$$

        with the values $V_n$ after the technology jumps of rates $\lambda_n$ and, until then, $b = k + f$ with the value $f$ of a
        constant temperature, which is $-\Lambda(y)$ if damages are known.
        """
        jump = self._pending_damage_jump
        if after and jump is not None and not self.reset_temperature:
            number = self._jump_names().index("damage_jump")
            return self.ambiguity.jump_equivalent(number, after[number], jump.prior)
        level = x.log_capital if "log_capital" in x._fields else 0.0
        before = level + self._damage_value(x.temperature)
        # The technology jumps come first, each with one outcome.
        rates = self._step_rates(x) if after else []
        discount = self.preferences.discount_rate
        gained = sum((rate * value[0] for rate, value in zip(rates, after, strict=False)), start=discount * before)
        return gained / sum(rates, start=discount)

    def remainder_scale(self, t: Scalar, x: Point) -> Scalar:
        r"""$\delta/(\delta+\sum_n\lambda_n)$: the remainder of $b$ counts only until the next technology jump."""
        if self.awaits_revelation and not self.reset_temperature:
            return jnp.ones(())
        discount = self.preferences.discount_rate
        return discount / sum(self._step_rates(x), start=discount)

    def _step_rates(self, x: Point) -> list[Scalar]:
        return [self._arrival(stage, x) for stage in self._steps()]

    def _damage_value(self, y: Scalar) -> Scalar:
        """Value of a constant temperature, see `damage_asymptote`."""
        jump = self._pending_damage_jump
        if jump is None:
            return -self.damages.log_damages(y)
        number, prior = self._jump_names().index("damage_jump"), jump.prior
        return damage_asymptote(
            self.damages,
            jump,
            y,
            resets=self.reset_temperature,
            discount_rate=self.preferences.discount_rate,
            worth=lambda gains: self.ambiguity.jump_term(number, gains, prior),
        )

    def costate_signs(self) -> dict[str, int]:
        # If the damage jump resets temperature, warming beyond the threshold makes the reset more likely: no sign is known.
        if self.awaits_revelation and self.reset_temperature:
            return {}
        # At fixed capital and capital ratio, emitting capital acts through emissions alone, unless it also finances research.
        emissions_only = not self.has_knowledge or "log_capital" in self.states._fields
        harms = emissions_only and bool(np.all(np.asarray(self.economy.carbon_intensity) > 0.0))
        return {"temperature": -1} | ({self.states._fields[0]: -1} if harms else {})

    def breakpoints(self) -> dict[str, tuple[float, ...]]:
        jump = self._pending_damage_jump
        if jump is not None:
            kinks = jump.kinks
        elif np.any(np.asarray(self.damages.curvature) > 0.0):
            kinks = (self.damages.threshold,)
        else:
            return {}
        return {"temperature": tuple(float(y) for kink in kinks for y in np.unique(np.asarray(kink)))}

    # -- flows per unit of total capital ----------------------------------------------------------------

    def spent_on_research(self, u: Point) -> Scalar:
        """Research $x_r$ per unit of total capital and year; zero without knowledge."""
        return u.research if self.has_knowledge else jnp.zeros_like(u.dirty_investment)

    def spent_on_intensity(self, x: Point, u: Point) -> Scalar:
        """Spending on lower carbon intensity, per unit of total capital and year."""
        if not self.abates:
            return jnp.zeros_like(u.dirty_investment)
        return self.economy.dirty_output(x.log_capital_ratio) * u.intensity_reduction

    def invested(self, x: Point, u: Point) -> Scalar:
        """Investment in both capitals, per unit of total capital and year."""
        down, up = self.economy.shares(x.log_capital_ratio)
        return down * u.dirty_investment + up * u.green_investment

    def consumption_share(self, x: Point, u: Point) -> Scalar:
        """Consumption before damages per unit of total capital, $C/K$, per year."""
        spent = self.invested(x, u) + self.spent_on_intensity(x, u) + self.spent_on_research(u)
        return self.economy.productivity(x.log_capital_ratio) - spent

    # -- what is reported -------------------------------------------------------------------------------

    def total_capital(self, x: Point, additive: Point) -> Scalar:
        """Total capital $K = K_d + K_g$, trillion US$."""
        return jnp.exp(x.log_capital if "log_capital" in x._fields else additive.log_capital)

    def total_value(self, x: Point, value: Scalar, additive: Point) -> Scalar:
        """$V = k + f$ from the solved value: $f$, or $V$ itself if log capital is a state."""
        return value if "log_capital" in x._fields else additive.log_capital + value

    def marginal_utility(self, t: Scalar, x: Point, u: Point, additive: Point) -> Scalar:
        return self.preferences.discount_rate / (self.consumption_share(x, u) * self.total_capital(x, additive))

    def observables(self, t: Scalar, x: Point, u: Point, additive: Point) -> dict[str, Scalar]:
        capital = self.total_capital(x, additive)
        consumption = self.consumption_share(x, u) * capital
        observed = {
            "emissions": self.economy.emissions(x[0]),
            "output": self.economy.productivity(x.log_capital_ratio) * capital,
            "investment_flow": self.invested(x, u) * capital,
            "consumption": consumption,
            "damages": lost_consumption(consumption, self.damages.log_damages(x.temperature)),
            "capital": capital,
            "green_share": self.economy.shares(x.log_capital_ratio)[1],
        }
        if self.abates:
            observed["carbon_intensity"] = jnp.exp(additive.log_carbon_intensity)
            observed["abatement_flow"] = self.spent_on_intensity(x, u) * capital
        if self.has_knowledge:
            observed |= {"research_flow": u.research * capital, "knowledge": jnp.exp(x.log_knowledge)}
        return observed

    @property
    def observable_variables(self) -> dict[str, Variable]:
        reduction = INTENSITY_OBSERVABLES if self.abates else {}
        return OBSERVABLES | reduction | (RESEARCH_OBSERVABLES if self.has_knowledge else {})

    # -- the published coordinates ----------------------------------------------------------------------

    def prices(self, x: Point, costate: Point) -> tuple[Scalar, Scalar]:
        r"""Marginal values of $\log K_d$ and $\log K_g$: $a = (1-s)p+f_q-f_w$ and $b = sp+f_w$, with $p$ the costate of log capital.

        Their sum is $V_k = p+f_q$; $p = 1$ if log capital is additive.
        """
        down, up = self.economy.shares(x.log_capital_ratio)
        change = costate.log_capital_ratio
        level = costate.log_capital if "log_capital" in x._fields else 1.0
        return down * level + costate[0] - change, up * level + change

    def published_slopes(self, x: Point, costate: Point) -> dict[str, Scalar]:
        """$V_k$, $V_w$ (at fixed $k$), $V_Z$ and $V_y$, as in the published tables."""
        dirty, green = self.prices(x, costate)
        down, up = self.economy.shares(x.log_capital_ratio)
        at_fixed_capital = green - up * (dirty + green)
        return {
            "capital": dirty + green,
            "ratio": at_fixed_capital,
            "green_share": at_fixed_capital / (down * up),
            "temperature": costate.temperature,
        }

    # -- the start --------------------------------------------------------------------------------------

    def initial_state(self) -> Point:
        start = jnp.log(self.economy.dirty.initial_capital), jnp.log(self.economy.green.initial_capital)
        climate = self.climate.start()
        if self.revealed and self.reset_temperature:
            climate = climate._replace(temperature=self.damages.threshold)
        values = start[0], start[1] - start[0], *climate
        if isinstance(self.technology, KnowledgeHazard):
            values = *values, jnp.log(self.technology.research.initial_knowledge)
        if "log_capital" in self.states._fields:
            values = *values, jnp.logaddexp(*start)
        return type(self.states)(*values)

    def initial_additive(self) -> Point:
        stock = self.economy.dirty.initial_capital + self.economy.green.initial_capital
        values = {"log_capital": jnp.log(stock), "log_carbon_intensity": jnp.zeros_like(stock)}
        return type(self.additive)(*(values[name] for name in self.additive._fields))

    def _at(
        self, capital: Any, green_share: Any, temperature: Any, intensity: Any, knowledge: tuple[Any, ...]
    ) -> Point:
        """The state from levels in trillion US$, 1, degC, 1 and trillion US$."""
        stock, share, warming, level, *rest = map(
            jnp.asarray, (capital, green_share, temperature, intensity, *knowledge)
        )
        climate = self.climate.start()._replace(temperature=warming)
        values = (
            jnp.log(stock * (1.0 - share) * level),
            jnp.log(share) - jnp.log1p(-share),
            *climate,
            *map(jnp.log, rest),
        )
        if "log_capital" in self.states._fields:
            values = *values, jnp.log(stock)
        return point_type(*self.states._fields)(*values)
