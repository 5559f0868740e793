"""Where the abatement-technology model is truncated, what is known beyond, and what it is worth without emissions."""

import dataclasses
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from ..base import Point, Scalar, scaled_expm1
from ..equation import AbstractModel, Growth, Inflow
from ._knowledge_box import LogLinearValue

# Newton steps on increasing functions of one unknown; fixed in number, so that slopes can be differentiated
_STEPS = 30


class AbatementBox(AbstractModel):
    """The faces of the box, from the asymptotes of the equation; see `AbatementTechnology`."""

    if TYPE_CHECKING:
        economy: Any
        abatement: Any
        climate: Any
        damages: Any
        damage_jump: Any
        ambiguity: Any
        progress: Any
        stage: str
        revealed: bool

    # -- without emissions --------------------------------------------------------------------------------

    def _stages_left(self) -> list[Any]:
        """Abatement now and after each breakthrough that does not yet make it free."""
        if self.stage == "complete":
            return []
        return [self.abatement, self.progress.improve(self.abatement)][: 2 if self.stage == "before" else 1]

    def _idle(self, cost: Scalar) -> tuple[Scalar, Scalar]:
        r"""Investment, and the flow beyond $k$, of an economy that pays a share `cost` of output to emit nothing, for ever."""
        delta, shocks = self.preferences.discount_rate, self.ambiguity.shocks
        aversion = shocks if shocks.ndim == 0 else shocks[0]
        economy = dataclasses.replace(self.economy, productivity=self.economy.productivity * (1.0 - cost))
        investment = economy.best_investment(delta)
        growth = economy.drift(investment) / delta - 0.5 * aversion * (economy.volatility / delta) ** 2
        return investment, jnp.log(economy.productivity - investment) + growth

    def _gap(self, loss: Scalar, ahead: Scalar) -> Scalar:
        r"""$L$ with $\delta L + \lambda(1-e^{-a(L-L')})/a = \ell$: what value lacks while $\ell$ is lost a year, $L'$ after the jump.

        The left side increases and is concave in $L$, so that Newton steps from below approach monotonically.
        """
        delta, rate, aversion = self.preferences.discount_rate, self.progress.rate, self._technology_aversion()

        def step(_, gap):
            value = delta * gap + rate * scaled_expm1(-aversion, gap - ahead) - loss
            return gap - value / (delta + rate * jnp.exp(-aversion * (gap - ahead)))

        # there the left side is at most the loss, whichever is the smaller
        return jax.lax.fori_loop(0, _STEPS, step, jnp.minimum(ahead, loss / delta))

    def _technology_aversion(self) -> Scalar:
        jumps = self.ambiguity.jumps
        return jumps if jumps.ndim == 0 else jumps[0]

    def clean_value(self) -> LogLinearValue:
        r"""$\Phi = k/\delta + c$ of a planner who never emits: the value function after the last breakthrough, a bound before.

        Without emissions temperature and damages stand still. With $\alpha_s = \alpha(1-\vartheta_s)$, investment solves
        $(\alpha_s - i)(1-\kappa i) = \delta$, and $c_s$ follows from that of the next stage. It is exact wherever abatement is
        complete: capital grows, and abatement stays complete.
        """
        delta = self.preferences.discount_rate
        free = self._idle(jnp.zeros_like(delta))[1]
        gap = jnp.zeros_like(free)
        for abatement in reversed(self._stages_left()):
            gap = self._gap(free - self._idle(abatement.cost)[1], gap)
        return LogLinearValue(free / delta - gap, 1.0 / delta)

    # -- the faces --------------------------------------------------------------------------------------

    def closures(self) -> Point:
        # capital grows by 2 % a year and leaves through the upper end: without a slope there nothing would decide between the
        # solutions that noise, far too faint for any cell, leaves open. What is wrong with the slope dies off below as
        # exp(-(delta + rate) dk / 0.02)
        capital = Inflow(), Growth(slope=self._capital_slope, extension=1.5)
        margin = 1.5 if self.revealed else 0.5
        return type(self.states)(capital, (Inflow(), Growth(slope=self._warming_slope, extension=margin)))

    def grid_points(self) -> dict[str, int]:
        # emissions within 5e-5, social cost within 4e-4 of half the cells in capital: docs/abatement_technology.md
        return {"log_capital": 25, "temperature": 61}

    def _capital_slope(self, t: Scalar, x: Point) -> Scalar:
        r"""$\Phi_k = 1/\delta$, exact where abatement is complete."""
        return 1.0 / self.preferences.discount_rate + jnp.zeros_like(x.log_capital)

    def _warming_slope(self, t: Scalar, x: Point) -> Scalar:
        r"""$\Phi_y$ where temperature and capital hardly move before the future is discounted, stage by stage from the last.

        Differentiate the equation in $y$, leave out second derivatives and the distortion of the breakthrough, of rate
        $\lambda$: $(\delta + \lambda + J)\Phi_y = \lambda\Phi'_y - \Lambda''\Theta e/\delta$, with $\Phi'$ the value after it.
        Abatement's condition is $(\Lambda'/\delta - \Phi_y)\Theta = q a^{\phi_1-1}/c$, with the consumption $c$ of an economy
        without emissions. Where abatement is complete $\Phi_y = 0$, exactly.
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
