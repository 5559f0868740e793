from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..base import Point, Scalar, ScalarLike, measured_in, parameter
from ..climate import TCREClimate
from ..economy import CarbonIntensity, DamageJump, FixedHazard, KnowledgeHazard, Research, ThresholdDamages, TwoCapitals
from ..equation import AbstractPreferences, Ambiguity, Ensemble, TimeAdditive
from ._capital_transition import CapitalTransition
from ._transition_names import LOG_CAPITAL, LOG_CARBON_INTENSITY, LOG_EMITTING_CAPITAL, point

# Region of interest, in which errors are measured: 98 % of the states on 1000 optimal paths from 2025 over 80 years, averse or
# neutral (measured: 3.8 to 5.6, 0.85 to 3.9, 1.2 to 2.6), with room for other initial states. The faces of the box lie far beyond.
# The last two are states only if knowledge drives the technology.
_REGION = {
    "log_emitting_capital": (3.75, 6.0),
    "log_capital_ratio": (0.0, 4.0),
    "temperature": (1.0, 3.0),
    # Finite differences do not converge for arrival rates below exp(2.3)/746.67 = 1.3 % a year (docs/models/net_zero.md).
    "log_knowledge": (2.3, 4.0),
    "log_capital": (6.5, 8.5),
}


def _climate() -> TCREClimate:
    return TCREClimate(ensemble=Ensemble.certain(1.86e-3), initial_temperature=1.2)


def _damage_jump() -> DamageJump:
    return DamageJump(highest_rate=4.0)


class NetZero(CapitalTransition):
    r"""Transition to net zero by green capital and lower carbon intensity, with jumps to better technology and to known damages.

    $$d\log K_j = \big[\alpha_j + \Gamma_j\log(1+\theta_ji_j) - \tfrac12\sigma_j^2\big]dt + \sigma_jdW^j,\quad
        dz = \big[-\zeta_z-\psi_zx_z^\nu\big]dt + \sigma_zdW^z,\quad dy = E(\theta\,dt + \varsigma\,dW^y)$$
    $$E = \eta e^zA_dK_d,\qquad C = (A_d(1-x_z) - i_d)K_d + (A_g - i_g)K_g - x_rK$$

    with flow $\delta[\log C - \Lambda(y) - V]$. **Without knowledge** $z$ and $K_d$ act through emissions alone. With
    $\varepsilon = \log K_d + z$ the value is exactly $V = k + f(\varepsilon, w, y)$, and $V_k = 1 + f_\varepsilon = 1 + V_z$. Three
    states are therefore solved for; $k$ and $z$ are additive with costates 1 and 0. Both $z$ and $\log K_d$ would drift out of any
    bounded box. **With knowledge** (`KnowledgeHazard`) research depends on $k$ too, and the states are $(\varepsilon, w, y, r, k)$.

    The argument `climate` replaces $y$ by a richer climate. Emissions remain positive: net zero means here less than 5 % of initial
    emissions. Broad capital leaves little output to consume (23 of 100 trillion US$), which scales every social cost by a third.

    **This specification was made for this package**, on the basis of `TwoCapital`; no published solution exists.

    **Arguments:**

    - `preferences`, `economy`, `damages`: the blocks. `intensity`: the technology that lowers carbon intensity.
    - `climate`: any `AbstractPhysicalClimate`: `TCREClimate`, `LaggedClimate`, `CarbonCycleClimate`.
    - `technology`: `FixedHazard` (default), `KnowledgeHazard`, or `none`.
    - `damage_jump`: `none` leaves the revelation out. `reset_temperature`: whether the jump sets temperature to the threshold.
    - `ambiguity`: shocks in the order dirty, green, temperature, intensity, knowledge. **One number in `jumps` is the penalty of the
      damage jump alone**; the planner trusts the technology jumps. A list gives one penalty per jump; for the technology choose at
      least 1.
    - `lowest_investment`, `highest_investment`: bounds of investment per unit of the same capital and year; -0.055 scraps 18 % of a
      capital per year. `most_research`: upper bound of research per unit of total capital and year.
    - `phase`: `before` (default) or `mature`, with parity also `parity`, each also with `_revealed`.
    - `exogenous_emissions`: emissions that the planner does not control, GtC/yr. The social cost of carbon is a
      derivative with respect to them.

    **Raises:** `ValueError` naming a parameter that is out of range, or a climate that does not respond to emissions in GtC/yr.

    **Units:** trillion US$, GtC/yr, degC above 1850-1900; investment per unit of the same capital, intensity reduction per unit of
    dirty output, research per unit of total capital, per year.

    **References:** Barnett, Brock, Hansen, Hu and Huang 2023, doi:10.48550/arXiv.2310.13200 (capital, climate); Barnett, Brock and
    Hansen 2021, doi:10.1086/718668 (damages). The reduction of carbon intensity is an assumption, see `CarbonIntensity`.

    !!! example

        ```python
        import abatax as ab

        model = ab.models.NetZero()
        assert model.states._fields == ("log_emitting_capital", "log_capital_ratio", "temperature")
        assert model.additive._fields == ("log_capital", "log_carbon_intensity")
        ```
    """

    preferences: AbstractPreferences = eqx.field(default_factory=TimeAdditive)
    economy: TwoCapitals = eqx.field(default_factory=TwoCapitals)
    intensity: CarbonIntensity = eqx.field(default_factory=CarbonIntensity)
    climate: Any = eqx.field(default_factory=_climate)  # an AbstractPhysicalClimate: checked with a clear line
    damages: ThresholdDamages = eqx.field(default_factory=ThresholdDamages)
    damage_jump: DamageJump | None = eqx.field(default_factory=_damage_jump)
    technology: FixedHazard | KnowledgeHazard | None = eqx.field(default_factory=FixedHazard)
    ambiguity: Ambiguity = eqx.field(default_factory=Ambiguity)
    exogenous_emissions: Float[Array, "..."] = eqx.field(
        default=0.0, converter=parameter, metadata=measured_in("GtC/yr")
    )
    reset_temperature: bool = eqx.field(static=True, default=False)
    lowest_investment: float = eqx.field(static=True, default=-0.055, converter=float)
    highest_investment: float = eqx.field(static=True, default=1.0, converter=float)
    most_research: float = eqx.field(static=True, default=0.1, converter=float)
    phase: str = eqx.field(static=True, default="before")

    name: ClassVar[str] = "net_zero"
    source: ClassVar[str] = "this package, on Barnett, Brock, Hansen, Hu and Huang 2023, doi:10.48550/arXiv.2310.13200"
    start_year: ClassVar[int] = 2025
    emitting_margin: ClassVar[float] = 4.5  # a margin of 3 changes the social cost of carbon by 0.6 %

    @staticmethod
    def knowledge() -> KnowledgeHazard:
        """A technology driven by knowledge, calibrated so that research starts near 2 % of output (an assumption)."""
        return KnowledgeHazard(Research(efficiency=0.02, arrival_scale=746.67), parity=None)

    @property
    def reduction(self) -> CarbonIntensity:
        return self.intensity

    def log_capital_at(self, x: Point) -> Scalar:
        return x.log_capital

    @property
    def states(self) -> Point:
        capital = {"log_capital": LOG_CAPITAL} if self.has_knowledge else {}
        states = {"log_emitting_capital": LOG_EMITTING_CAPITAL} | self._further_states() | capital
        for name in states.keys() & _REGION.keys():
            low, high = _REGION[name]
            states[name] = states[name]._replace(low=low, high=high)
        return point(**states)

    @property
    def additive(self) -> Point:
        capital = {} if self.has_knowledge else {"log_capital": LOG_CAPITAL}
        return point(**capital, log_carbon_intensity=LOG_CARBON_INTENSITY)

    def additive_costates(self) -> Point:
        level = {} if self.has_knowledge else {"log_capital": jnp.array(1.0)}
        return type(self.additive)(**level, log_carbon_intensity=jnp.array(0.0))

    def grid_points(self) -> dict[str, int]:
        # Differences along optimal paths (docs/models/net_zero.md): three states, social cost and controls within 1.3e-3 of a grid of
        # 33 x 47 x 37 nodes; five states, intensity reduction within 2e-2 and other controls within 2e-3 of the best path.
        three = {"log_emitting_capital": 15, "log_capital_ratio": 17, "temperature": 25}
        five = {
            "log_emitting_capital": 7,
            "log_capital_ratio": 13,
            "temperature": 7,
            "log_knowledge": 11,
            "log_capital": 9,
        }
        return next((nodes for nodes in (three, five) if tuple(nodes) == self.states._fields), {})

    def state_at(
        self,
        capital: ScalarLike,
        green_share: ScalarLike,
        temperature: ScalarLike,
        *knowledge: ScalarLike,
        intensity: ScalarLike = 1.0,
    ) -> Point:
        """The state at total capital, green share, temperature, knowledge if it is a state, and carbon intensity relative to the
        start (trillion US$, 1, degC, trillion US$, 1)."""
        return self._at(capital, green_share, temperature, intensity, knowledge)
