import dataclasses
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ._ambiguity import Ambiguity
from ._capital_spending import CapitalSpending, Effort, Investment
from ._checks import is_traced
from ._climate import TCREClimate
from ._damages import DamageJump, ThresholdDamages
from ._ensemble import Ensemble
from ._model import CarbonModel, ClosedFormControl, Jump
from ._preferences import AbstractPreferences, TimeAdditive, check_time_additive
from ._technology import FixedHazard, KnowledgeHazard
from ._two_capital_box import TwoCapitalBox
from ._two_capital_names import (
    CAPITALS,
    LOG_CAPITAL,
    LOG_KNOWLEDGE,
    PHASES,
    CapitalsTemperatureKnowledge,
    Investments,
    InvestmentsResearch,
    LogCapital,
)
from ._two_capital_report import TwoCapitalReport
from ._two_capitals import TwoCapitals
from ._types import Point, Scalar, parameter
from ._variable import Variable

_NAMES = {"parity": "parity_jump", "mature": "technology_jump"}


def _climate() -> TCREClimate:
    return TCREClimate(ensemble=Ensemble.certain(1.86e-3), initial_temperature=1.2)


def _damages() -> ThresholdDamages:
    return ThresholdDamages(threshold=2.5)


def _damage_jump() -> DamageJump:
    return DamageJump(jnp.array([0.0, 1.0, 2.0, 3.0, 4.0]) / 12.0, steepness=0.36)


class TwoCapital(TwoCapitalBox, TwoCapitalReport, ClosedFormControl, CarbonModel):
    r"""Dirty and green capital, temperature and knowledge, before better green capital and a revelation of damages arrive.

    $$d\log K_j = \big[\alpha_j + \Gamma_j\log(1+\theta_ji_j) - \tfrac12\sigma_j^2\big]dt + \sigma_jdW^j,\quad
        dy = E(\theta\,dt + \varsigma\,dW^y),\quad E = \eta A_dK_d,$$
    $$dr = \big[\psi_0x_r^{\psi_1}e^{\psi_1(k-r)} - \zeta - \tfrac12\sigma_r^2\big]dt + \sigma_rdW^r$$

    with flow $\delta[\log C - \Lambda(y) - V]$. Log capital $k$ has costate 1 and is additive, $V = k + f$: what is gridded is $f$
    in $q = \log K_d$, $w = \log(K_g/K_d)$, $y$ and, with `KnowledgeHazard`, $r$. Without knowledge $f$ depends on capital through
    emissions alone, hence on $K_d$; $k$ itself grows for ever and would leave any box. `prices`, `published_slopes` and
    `total_value` translate back: $V_k = 1 + f_q$.

    Regimes: the technology has come or not (twice with parity), the damage function has been revealed or not. A damage
    jump puts temperature at the threshold, so that before it warming beyond the threshold costs next to nothing: an
    artefact of the published model, kept.

    **Arguments:**

    - `preferences`, `economy`, `climate`, `damages`: the blocks.
    - `technology`: `KnowledgeHazard` (published), `FixedHazard`, or `none`.
    - `damage_jump`: `none` leaves the revelation out.
    - `ambiguity`: shocks in the order dirty, green, temperature, knowledge. **One number in `jumps` is the penalty of the damage
      jump alone**; the technology is trusted. A cautious planner values a jump of intensity $\lambda$ at no more than
      $\xi\lambda/\delta$: a penalty of 0.1, mild for damages, all but switches the technology off. Its own penalties (at least 1 to
      keep it) are given by a list, one per jump: parity if there is one, technology, damage.
    - `lowest_investment`: per unit of own capital; -0.055 scraps 18 % of a capital per year. `highest_investment`, `most_research`.
    - `phase`: `before` (default), `parity` or `mature`, each also with `_revealed`.

    **Raises:** `ValueError` naming a parameter that is out of range.

    **Units:** trillion US$, GtC/yr, degC above 1850-1900; investment per unit of own capital, research per unit of total
    capital, per year.

    **References:** Barnett, Brock, Hansen, Hu and Huang 2023, "A Deep Learning Analysis of Climate Change, Innovation, and
    Uncertainty", doi:10.48550/arXiv.2310.13200. Its published value function is on a false branch (docs/two_capital.md).

    !!! example

        ```python
        import abatax as ab

        model = ab.models.TwoCapital(technology=ab.models.FixedHazard(rate=0.015), damage_jump=None)
        assert model.states._fields == ("log_dirty_capital", "log_capital_ratio", "temperature")
        assert model.additive._fields == ("log_capital",)
        ```
    """

    preferences: AbstractPreferences = eqx.field(default_factory=TimeAdditive)
    economy: TwoCapitals = eqx.field(default_factory=TwoCapitals)
    climate: TCREClimate = eqx.field(default_factory=_climate)
    damages: ThresholdDamages = eqx.field(default_factory=_damages)
    damage_jump: DamageJump | None = eqx.field(default_factory=_damage_jump)
    technology: KnowledgeHazard | FixedHazard | None = eqx.field(default_factory=KnowledgeHazard)
    ambiguity: Ambiguity = eqx.field(default_factory=Ambiguity)
    exogenous_emissions: Float[Array, "..."] = eqx.field(default=0.0, converter=parameter)
    lowest_investment: float = eqx.field(static=True, default=-0.055, converter=float)
    highest_investment: float = eqx.field(static=True, default=1.0, converter=float)
    most_research: float = eqx.field(static=True, default=0.1, converter=float)
    phase: str = eqx.field(static=True, default="before")

    name: ClassVar[str] = "two_capital"
    source: ClassVar[str] = "Barnett, Brock, Hansen, Hu and Huang 2023, doi:10.48550/arXiv.2310.13200"
    start_year: ClassVar[int] = 2020

    def __post_init__(self):
        # one penalty is that of the damage jump
        given, names = self.ambiguity.jumps, self._jump_names()
        if given.size == 1 and names and (given.ndim == 0 or len(names) > 1):
            one = given.reshape(())
            if "damage_jump" not in names and not is_traced(one) and float(one) > 0.0:
                raise ValueError(
                    f"`ambiguity.jumps` is one penalty, {1.0 / float(one):g}, that of the damage jump, which is left out; the"
                    f" technology has its own: give a list of {len(names)} ({', '.join(names)})."
                )
            each = [one if name == "damage_jump" else jnp.zeros_like(one) for name in names]
            self.ambiguity = eqx.tree_at(lambda a: a.jumps, self.ambiguity, jnp.stack(each))

    def __check_init__(self):
        check_time_additive(self)
        if self.phase not in PHASES:
            raise ValueError(f"`phase` is {self.phase!r}; use {', '.join(PHASES)}.")
        curvatures = [c.adjustment_curvature for c in (self.economy.dirty, self.economy.green)]
        if any(map(is_traced, curvatures)):
            return
        least = -1.0 / max(float(np.max(c)) for c in curvatures)
        if not least < self.lowest_investment < self.highest_investment:
            raise ValueError(
                f"`lowest_investment` is {self.lowest_investment}; it must lie between {least:.4g}, where adjustment costs are"
                f" infinite, and `highest_investment`, {self.highest_investment}."
            )

    # -- where in history ---------------------------------------------------------------------------------

    @property
    def regime(self) -> str:
        return self.phase

    @property
    def stage(self) -> str:
        """How far the technology is: `before`, `parity` or `mature`."""
        return self.phase.removesuffix("_revealed")

    @property
    def revealed(self) -> bool:
        """Whether the damage function is known."""
        return self.phase.endswith("_revealed")

    @property
    def has_knowledge(self) -> bool:
        """Whether knowledge is a state."""
        return isinstance(self.technology, KnowledgeHazard)

    # -- names ------------------------------------------------------------------------------------------

    @property
    def states(self) -> Point:
        return CapitalsTemperatureKnowledge(*CAPITALS, LOG_KNOWLEDGE) if self.has_knowledge else CAPITALS

    @property
    def controls(self) -> Point:
        bounds = "1/yr", self.lowest_investment, self.highest_investment
        pair = (
            Variable("investment per unit of dirty capital", *bounds, symbol="i_d"),
            Variable("investment per unit of green capital", *bounds, symbol="i_g"),
        )
        if not self.has_knowledge:
            return Investments(*pair)
        research = Variable("research per unit of total capital", "1/yr", 1e-10, self.most_research, symbol="x_r")
        return InvestmentsResearch(*pair, research)

    @property
    def additive(self) -> Point:
        return LOG_CAPITAL

    # -- dynamics ---------------------------------------------------------------------------------------

    @property
    def ensemble(self) -> Ensemble:
        return self.climate.ensemble

    def _emissions(self, x: Point) -> Scalar:
        return self.economy.emissions(x.log_dirty_capital) + self.exogenous_emissions

    def drift(self, t: Scalar, x: Point, u: Point, climate: Scalar) -> Point:
        dirty, ratio, _ = self.economy.drifts(x.log_capital_ratio, u.dirty_investment, u.green_investment)
        found = dirty, ratio, self.climate.drift(self._emissions(x), climate)
        if isinstance(self.technology, KnowledgeHazard):
            k = self.economy.log_capital(x.log_dirty_capital, x.log_capital_ratio)
            found = *found, self.technology.research.drift(u.research, k, x.log_knowledge)
        return type(self.states)(*found)

    def diffusion(self, t: Scalar, x: Point, u: Point) -> Point:
        dirty, ratio, _ = self.economy.loadings(x.log_capital_ratio)
        warming = self.climate.diffusion(self._emissions(x))
        zero = jnp.zeros_like(warming)
        found = [(*dirty, zero), (*ratio, zero), (zero, zero, warming)]
        if isinstance(self.technology, KnowledgeHazard):
            found = [(*row, zero) for row in found]
            found.append((zero, zero, zero, self.technology.research.volatility))
        return type(self.states)(*(jnp.stack(row) for row in found))

    def additive_costates(self) -> Point:
        return LogCapital(jnp.array(1.0))

    def additive_drift(self, t: Scalar, x: Point, u: Point, climate: Scalar) -> Point:
        return LogCapital(self.economy.drifts(x.log_capital_ratio, u.dirty_investment, u.green_investment)[2])

    def additive_diffusion(self, t: Scalar, x: Point, u: Point) -> Point:
        own = jnp.stack(self.economy.loadings(x.log_capital_ratio)[2])
        return LogCapital(jnp.concatenate([own, jnp.zeros(len(self.states) - 2)]))

    def utility(self, t: Scalar, x: Point, u: Point) -> Scalar:
        flow = jnp.log(self.consumption_share(x, u)) - self.damages.log_damages(x.temperature)
        return self.preferences.discount_rate * flow

    def best_control(
        self, t: Scalar, x: Point, value: Scalar, costate: Point, hessian: Float[Array, "state state"]
    ) -> Point:
        w, limits = x.log_capital_ratio, self.controls
        capitals, bounds = (self.economy.dirty, self.economy.green), limits[:2]
        claims = zip(self.economy.shares(w), self.prices(x, costate), capitals, bounds, strict=True)
        investments = (
            Investment(share, price, own.adjustment_scale, own.adjustment_curvature, bound.low, bound.high)
            for share, price, own, bound in claims
        )
        efforts = ()
        if isinstance(self.technology, KnowledgeHazard):
            research = self.technology.research
            k = self.economy.log_capital(x.log_dirty_capital, w)
            gain = costate.log_knowledge * research.productivity(k, x.log_knowledge)
            efforts = (Effort(gain, research.returns, limits.research.low, limits.research.high),)
        spending = CapitalSpending(
            self.preferences.discount_rate, self.economy.productivity(w), tuple(investments), efforts
        )
        return type(limits)(*spending.settle())

    # -- the jumps --------------------------------------------------------------------------------------

    def _steps(self) -> tuple[str, ...]:
        """The stages that the technology may reach next."""
        return () if self.technology is None else self.technology.steps(self.stage)

    def _jump_names(self) -> tuple[str, ...]:
        steps = tuple(_NAMES[stage] for stage in self._steps())
        return (*steps, "damage_jump") if self.damage_jump is not None and not self.revealed else steps

    def jumps(self) -> tuple[Jump, ...]:
        steps = [self._improvement(stage) for stage in self._steps()]
        return tuple(steps) if len(steps) == len(self._jump_names()) else (*steps, self._revelation())

    def _after(self, **changes: Any) -> "TwoCapital":
        """The model after a jump: what is left to fear keeps its aversions."""
        aversions = dict(zip(self._jump_names(), jnp.atleast_1d(self.ambiguity.jumps), strict=False))
        moved = dataclasses.replace(self, ambiguity=dataclasses.replace(self.ambiguity, jumps=0.0), **changes)
        left = [aversions[name] for name in moved._jump_names()]
        return eqx.tree_at(lambda m: m.ambiguity.jumps, moved, jnp.stack(left)) if left else moved

    def _improvement(self, stage: str) -> Jump:
        def improved(productivity):
            economy = eqx.tree_at(lambda e: e.green.productivity, self.economy, productivity)
            return self._after(economy=economy, phase=stage + self.phase.removeprefix(self.stage))

        assert self.technology is not None
        return Jump(
            intensity=lambda t, x, u: self._arrival(stage, x),
            land=lambda x: x,
            probabilities=jnp.ones(1),
            destination=eqx.filter_vmap(improved)(jnp.atleast_1d(self.technology.after(stage))),
            name=_NAMES[stage],
        )

    def _arrival(self, stage: str, x: Point) -> Scalar:
        technology = self.technology
        if isinstance(technology, KnowledgeHazard):
            rate = technology.research.intensity(x.log_knowledge)
        else:
            assert technology is not None
            rate = technology.rate
        return technology.share(self.stage, stage) * rate

    def _revelation(self) -> Jump:
        jump = self.damage_jump
        assert jump is not None

        def known(curvature):
            damages = eqx.tree_at(lambda d: d.curvature, self.damages, curvature)
            return self._after(damages=damages, phase=f"{self.phase}_revealed")

        return Jump(
            intensity=lambda t, x, u: jump.intensity(x.temperature),
            land=lambda x: x._replace(temperature=self.damages.threshold),
            probabilities=jump.prior,
            destination=eqx.filter_vmap(known)(jump.curvatures),
            name="damage_jump",
        )

    def initial_state(self) -> Point:
        start = jnp.log(self.economy.dirty.initial_capital), jnp.log(self.economy.green.initial_capital)
        warming = self.damages.threshold if self.revealed else self.climate.initial_temperature
        found = start[0], start[1] - start[0], warming
        if isinstance(self.technology, KnowledgeHazard):
            found = *found, jnp.log(self.technology.research.initial_knowledge)
        return type(self.states)(*found)

    def initial_additive(self) -> Point:
        return LogCapital(jnp.log(self.economy.dirty.initial_capital + self.economy.green.initial_capital))
