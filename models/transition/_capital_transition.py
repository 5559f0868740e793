from typing import Any

import jax.numpy as jnp
import numpy as np
from equinox import AbstractVar
from jaxtyping import Array, Float

from ..base import Point, Scalar, Variable, is_traced
from ..climate import AbstractPhysicalClimate
from ..economy import CapitalSpending, CarbonIntensity, Effort, Investment, KnowledgeHazard
from ..equation import CarbonModel, ClosedFormControl, Ensemble, check_time_additive
from ._transition_box import TransitionBox
from ._transition_jumps import TransitionJumps
from ._transition_names import LOG_CAPITAL_RATIO, LOG_KNOWLEDGE, PHASES, point, point_type
from ._transition_report import TransitionReport


class CapitalTransition(TransitionJumps, TransitionBox, TransitionReport, ClosedFormControl, CarbonModel):
    r"""What models with dirty and green capital share: dynamics, first-order conditions, and what may come.

    The first state is the log of the capital that emits: $q = \log K_d$, or $\varepsilon = \log K_d + z$ where carbon intensity
    falls. The second is $w = \log(K_g/K_d)$; those of the climate follow, then $r = \log R$ if knowledge drives the technology,
    then $k$ if it is not additive. Shocks are those of dirty and green capital, of the climate, of intensity and of knowledge. See
    `TwoCapital` and `NetZero`.
    """

    lowest_investment: AbstractVar[float]
    highest_investment: AbstractVar[float]
    most_research: AbstractVar[float]
    exogenous_emissions: AbstractVar[Float[Array, "..."]]

    def __check_init__(self):
        check_time_additive(self)
        if self.phase not in PHASES:
            raise ValueError(f"`phase` is {self.phase!r}; use {', '.join(PHASES)}.")
        if not isinstance(self.climate, AbstractPhysicalClimate):
            fit = ", ".join(sorted(block.__name__ for block in AbstractPhysicalClimate.__subclasses__()))
            raise ValueError(
                f"`climate` is {type(self.climate).__name__}, whose states carbon emissions in GtC/yr do not move; use one of {fit}."
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

    # -- what a model says of itself --------------------------------------------------------------------

    @property
    def reduction(self) -> CarbonIntensity | None:
        """How the carbon intensity of dirty output may be lowered; none where it is fixed."""
        return None

    @property
    def abates(self) -> bool:
        """Whether carbon intensity can be lowered."""
        return self.reduction is not None

    def log_capital_at(self, x: Point) -> Scalar:
        """Log of total capital as far as states tell it."""
        return self.economy.log_capital(x[0], x.log_capital_ratio)

    # -- names ------------------------------------------------------------------------------------------

    def _further_states(self) -> dict[str, Variable]:
        """All states after the first, but for log capital."""
        knowledge = {"log_knowledge": LOG_KNOWLEDGE} if self.has_knowledge else {}
        return {"log_capital_ratio": LOG_CAPITAL_RATIO} | self.climate.states._asdict() | knowledge

    @property
    def controls(self) -> Point:
        bounds = "1/yr", self.lowest_investment, self.highest_investment
        found = {
            "dirty_investment": Variable("investment per unit of dirty capital", *bounds, symbol="i_d"),
            "green_investment": Variable("investment per unit of green capital", *bounds, symbol="i_g"),
        }
        if self.abates:
            name = "dirty output spent on intensity"
            found["intensity_reduction"] = Variable(name, "1", 0.0, 1.0, symbol="x_z")
        if self.has_knowledge:
            name = "research per unit of total capital"
            found["research"] = Variable(name, "1/yr", 1e-10, self.most_research, symbol="x_r")
        return point(**found)

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
        """The states of the climate alone."""
        return type(self.climate.states)(*(getattr(x, name) for name in self.climate.states._fields))

    def drift(self, t: Scalar, x: Point, u: Point, climate: Scalar) -> Point:
        dirty, ratio, total = self.economy.drifts(x.log_capital_ratio, u.dirty_investment, u.green_investment)
        if self.reduction is not None:
            dirty = dirty + self.reduction.drift(u.intensity_reduction)
        found = dirty, ratio, *self.climate.rates(self._climate_of(x), self._emissions(x), climate)
        if isinstance(self.technology, KnowledgeHazard):
            found = *found, self.technology.research.drift(u.research, self.log_capital_at(x), x.log_knowledge)
        if "log_capital" in x._fields:
            found = *found, total
        return type(self.states)(*found)

    def _loadings(self, x: Point) -> dict[str, dict[str, Scalar]]:
        """For every state, additive ones too, its loading on each shock that moves it."""
        own: list[dict[str, Any]] = [{"dirty": a, "green": b} for a, b in self.economy.loadings(x.log_capital_ratio)]
        dirty, ratio, total = own
        warming = self.climate.loadings(self._climate_of(x), self._emissions(x))
        found: dict[str, dict[str, Any]] = {
            self.states._fields[0]: dirty,
            "log_capital_ratio": ratio,
            "log_capital": total,
        }
        found |= {name: {"climate": loading} for name, loading in warming._asdict().items()}
        if self.reduction is not None:
            dirty["intensity"] = self.reduction.volatility
            found["log_carbon_intensity"] = {"intensity": self.reduction.volatility}
        if isinstance(self.technology, KnowledgeHazard):
            found["log_knowledge"] = {"knowledge": self.technology.research.volatility}
        return found

    def _on_shocks(self, names: tuple[str, ...], x: Point) -> tuple[Array, ...]:
        """Loadings of some states on all shocks, in their order."""
        loadings = self._loadings(x)
        shocks = ["dirty", "green", "climate", *["intensity"] * self.abates, *["knowledge"] * self.has_knowledge]
        zero = jnp.zeros_like(x.log_capital_ratio)
        return tuple(jnp.stack([zero + loadings[name].get(shock, 0.0) for shock in shocks]) for name in names)

    def diffusion(self, t: Scalar, x: Point, u: Point) -> Point:
        return type(self.states)(*self._on_shocks(self.states._fields, x))

    def additive_drift(self, t: Scalar, x: Point, u: Point, climate: Scalar) -> Point:
        total = self.economy.drifts(x.log_capital_ratio, u.dirty_investment, u.green_investment)[2]
        found = {"log_capital": total}
        if self.reduction is not None:
            found["log_carbon_intensity"] = self.reduction.drift(u.intensity_reduction)
        return type(self.additive)(*(found[name] for name in self.additive._fields))

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
        claims = zip(
            economy.shares(w), self.prices(x, costate), (economy.dirty, economy.green), limits[:2], strict=True
        )
        investments = tuple(
            Investment(share, price, own.adjustment_scale, own.adjustment_curvature, bound.low, bound.high)
            for share, price, own, bound in claims
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
        found = dict(zip(limits._fields, spending.settle(), strict=True))
        if self.reduction is not None:
            found["intensity_reduction"] = found["intensity_reduction"] / output
        return type(limits)(**found)

    # -- the start --------------------------------------------------------------------------------------

    def initial_state(self) -> Point:
        start = jnp.log(self.economy.dirty.initial_capital), jnp.log(self.economy.green.initial_capital)
        climate = self.climate.start()
        if self.revealed and self.reset_temperature:
            climate = climate._replace(temperature=self.damages.threshold)
        found = start[0], start[1] - start[0], *climate
        if isinstance(self.technology, KnowledgeHazard):
            found = *found, jnp.log(self.technology.research.initial_knowledge)
        if "log_capital" in self.states._fields:
            found = *found, jnp.logaddexp(*start)
        return type(self.states)(*found)

    def initial_additive(self) -> Point:
        stock = self.economy.dirty.initial_capital + self.economy.green.initial_capital
        found = {"log_capital": jnp.log(stock), "log_carbon_intensity": jnp.zeros_like(stock)}
        return type(self.additive)(*(found[name] for name in self.additive._fields))

    def _at(
        self, capital: Any, green_share: Any, temperature: Any, intensity: Any, knowledge: tuple[Any, ...]
    ) -> Point:
        """The state at levels: trillion US$, 1, degC, 1, trillion US$."""
        stock, share, warming, level, *rest = map(
            jnp.asarray, (capital, green_share, temperature, intensity, *knowledge)
        )
        climate = self.climate.start()._replace(temperature=warming)
        found = (
            jnp.log(stock * (1.0 - share) * level),
            jnp.log(share) - jnp.log1p(-share),
            *climate,
            *map(jnp.log, rest),
        )
        if "log_capital" in self.states._fields:
            found = *found, jnp.log(stock)
        return point_type(*self.states._fields)(*found)
