from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..base import Point, ScalarLike, measured_in, parameter
from ..climate import TCREClimate
from ..economy import DamageJump, FixedHazard, KnowledgeHazard, ThresholdDamages, TwoCapitals
from ..equation import AbstractPreferences, Ambiguity, Ensemble, TimeAdditive
from ._capital_transition import CapitalTransition
from ._transition_names import LOG_CAPITAL, LOG_DIRTY_CAPITAL, point


def _climate() -> TCREClimate:
    return TCREClimate(ensemble=Ensemble.certain(1.86e-3), initial_temperature=1.2)


def _damages() -> ThresholdDamages:
    return ThresholdDamages(threshold=2.5)


def _damage_jump() -> DamageJump:
    return DamageJump(jnp.array([0.0, 1.0, 2.0, 3.0, 4.0]) / 12.0, steepness=0.36)


class TwoCapital(CapitalTransition):
    r"""Dirty and green capital, temperature and knowledge, with jumps to better green capital and to known damages.

    $$d\log K_j = \big[\alpha_j + \Gamma_j\log(1+\theta_ji_j) - \tfrac12\sigma_j^2\big]dt + \sigma_jdW^j,\quad
        dy = E(\theta\,dt + \varsigma\,dW^y),\quad E = \eta A_dK_d,$$
    $$dr = \big[\psi_0x_r^{\psi_1}e^{\psi_1(k-r)} - \zeta - \tfrac12\sigma_r^2\big]dt + \sigma_rdW^r$$

    with flow $\delta[\log C - \Lambda(y) - V]$. Log capital $k$ is additive with costate 1, $V = k + f$. The equation is solved for
    $f$ in the states $q = \log K_d$, $w = \log(K_g/K_d)$, $y$ and, with `KnowledgeHazard`, $r$. Without knowledge $f$ depends on
    capital through emissions alone, hence on $K_d$; $k$ itself grows without bound and would leave any box. `prices`,
    `published_slopes` and `total_value` translate back to the published coordinates: $V_k = 1 + f_q$.

    The regimes differ by the stage of the technology (three stages with parity, else two) and by whether the damage function is
    known. As published, the damage jump sets temperature to the threshold. Before the jump, warming beyond the threshold therefore
    has almost no cost, which is an artefact of the published model.

    **Arguments:**

    - `preferences`, `economy`, `climate`, `damages`: the blocks.
    - `technology`: `KnowledgeHazard` (published), `FixedHazard`, or `none`.
    - `damage_jump`: `none` leaves the revelation out.
    - `ambiguity`: shocks in the order dirty, green, temperature, knowledge. **One number in `jumps` is the penalty of the damage
      jump alone**; the planner trusts the technology jumps. A planner with penalty $\xi$ values a jump of intensity $\lambda$ at no
      more than $\xi\lambda/\delta$: a penalty of 0.1, which is mild for damages, removes nearly all of the value of the technology. A
      list gives one penalty per jump, in the order parity (if there is one), technology, damage; for the technology choose at least 1.
    - `reset_temperature`: whether the damage jump sets temperature to the threshold, as published.
    - `lowest_investment`, `highest_investment`: bounds of investment per unit of the same capital and year; -0.055 scraps 18 % of a
      capital per year. `most_research`: upper bound of research per unit of total capital and year.
    - `phase`: `before` (default), `parity` or `mature`, each also with `_revealed`.
    - `exogenous_emissions`: emissions that the planner does not control, GtC/yr. The social cost of carbon is a
      derivative with respect to them.

    **Raises:** `ValueError` naming a parameter that is out of range.

    **Units:** trillion US$, GtC/yr, degC above 1850-1900; investment per unit of the same capital, research per unit of
    total capital, per year.

    **References:** Barnett, Brock, Hansen, Hu and Huang 2023, "A Deep Learning Analysis of Climate Change, Innovation, and
    Uncertainty", doi:10.48550/arXiv.2310.13200. Its published value function is on a false branch (docs/models/two_capital.md).

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
    climate: Any = eqx.field(default_factory=_climate)  # an AbstractPhysicalClimate: checked with a clear line
    damages: ThresholdDamages = eqx.field(default_factory=_damages)
    damage_jump: DamageJump | None = eqx.field(default_factory=_damage_jump)
    technology: KnowledgeHazard | FixedHazard | None = eqx.field(default_factory=KnowledgeHazard)
    ambiguity: Ambiguity = eqx.field(default_factory=Ambiguity)
    exogenous_emissions: Float[Array, "..."] = eqx.field(
        default=0.0, converter=parameter, metadata=measured_in("GtC/yr")
    )
    reset_temperature: bool = eqx.field(static=True, default=True)
    lowest_investment: float = eqx.field(static=True, default=-0.055, converter=float)
    highest_investment: float = eqx.field(static=True, default=1.0, converter=float)
    most_research: float = eqx.field(static=True, default=0.1, converter=float)
    phase: str = eqx.field(static=True, default="before")

    name: ClassVar[str] = "two_capital"
    source: ClassVar[str] = "Barnett, Brock, Hansen, Hu and Huang 2023, doi:10.48550/arXiv.2310.13200"
    start_year: ClassVar[int] = 2020

    @property
    def states(self) -> Point:
        return point(log_dirty_capital=LOG_DIRTY_CAPITAL, **self._further_states())

    @property
    def additive(self) -> Point:
        return point(log_capital=LOG_CAPITAL)

    def additive_costates(self) -> Point:
        return type(self.additive)(jnp.array(1.0))

    def state_at(
        self, capital: ScalarLike, green_share: ScalarLike, temperature: ScalarLike, *knowledge: ScalarLike
    ) -> Point:
        """The state at total capital, green share, temperature and, if it is a state, knowledge (trillion US$, 1, degC)."""
        return self._at(capital, green_share, temperature, 1.0, knowledge)
