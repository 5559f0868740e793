"""Where the knowledge-capital model is truncated, what is known beyond, and its closed form after the technology."""

from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..base import Point, Scalar, is_traced, log1p_ratio, parameter, scaled_expm1
from ..equation import AbstractModel, AbstractValue, Growth, Inflow, Outflow, StateConstraint

# Newton steps on two equations at once; fixed in number, so that slopes can be differentiated
_STEPS = 40


class LogLinearValue(AbstractValue):
    """$v = pk + c$, with log capital the first state: the value function once technology has made emissions needless."""

    constant: Float[Array, "..."]
    price: Float[Array, "..."] = eqx.field(default=1.0, converter=parameter)

    def __call__(self, t: Scalar, x: Point) -> Scalar:
        return self.price * x.log_capital + self.constant

    def derivatives(self, t: Scalar, x: Point) -> tuple[Scalar, Float[Array, " state"], Float[Array, "state state"]]:
        n = len(x)
        return self(t, x), jnp.zeros(n).at[0].set(self.price), jnp.zeros((n, n))


class KnowledgeBox(AbstractModel):
    """The faces of the box, from the asymptotes of the equation; see `KnowledgeCapital`."""

    if TYPE_CHECKING:
        economy: Any
        abatement: Any
        research: Any
        damage_jump: Any
        ambiguity: Any
        inverse_eis: Any
        abatement_cost: Any
        phase: str

        def damage_slope(self, y: Scalar) -> Scalar: ...

        def damage_bend(self, y: Scalar) -> Scalar: ...

    # -- after the technology ---------------------------------------------------------------------------

    def clean_value(self) -> tuple[Scalar, Scalar]:
        r"""Investment and the constant of $v = k + c$ once emissions are needless.

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
        # the smaller root, below both alpha and 1/kappa
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
        # doubling these margins moves emissions in the first year by 1e-5 of themselves; without the constraint a cautious
        # planner would eat capital at the lower face, where nothing more can be lost
        capital = StateConstraint(truncation=True), Outflow(extension=0.25)
        warming = Inflow(extension=0.025), Growth(slope=self._warming_slope, extension=0.5)
        knowledge = Inflow(), Growth(slope=self._knowledge_slope, extension=0.4)
        return type(self.states)(capital, warming, knowledge)

    def grid_points(self) -> dict[str, int]:
        # emissions within 2e-5 of finer grids, social cost within 5e-4: docs/knowledge_capital.md
        return {"log_capital": 7, "temperature": 31, "log_knowledge": 9}

    def _far_out(self, x: Point) -> tuple[Scalar, ...]:
        r"""Slope in temperature, pull of the technology and patience, where little is yet to come.

        Without second derivatives and without what other states contribute: with $\mathcal J_gg$ the distorted intensity of the
        technology and $a_g$ the aversion to it, $\Delta = v^L - v$ solves
        $\delta\Delta + \mathcal J_g(1 - e^{-a_g\Delta})/a_g = \ell$, the flow that is lost until it comes; differentiated in
        $y$ the equation gives $v_y = -s'\Theta e/(\delta+\mathcal J_gg+\mathcal J_n)$; and abatement's condition
        $(s-v_y)\Theta = m\,q\,a^{\phi_1-1}$ has the marginal utility $m$ of an economy without emissions.
        """
        y, theta = x.temperature, self.ensemble.mean
        alpha, delta = self.economy.productivity, self.preferences.discount_rate
        baseline = self.abatement.baseline(alpha * jnp.exp(x.log_capital))
        # below the threshold a revealed curvature may make warming harmless
        slope, power = jnp.maximum(self.damage_slope(y), 0.0), self.abatement.exponent - 1.0
        arrival, revelation = self.research.intensity(x.log_knowledge), jnp.zeros_like(y)
        if self.phase == "before":
            revelation = self.damage_jump.intensity(y)
        aversion = self.ambiguity.jump_aversion(0) + self.preferences.excess_risk_aversion
        consumption = alpha - self.economy.best_investment(delta)
        unit = delta / consumption * self.abatement_cost * self.abatement.exponent / (baseline * theta)

        def follow(a, gap):
            """Patience, bend and harm at a share abated and a gap to the value after the technology."""
            patience = delta + arrival * jnp.exp(-aversion * gap)
            bend = self.damage_bend(y) * theta * baseline / (patience + revelation)
            return patience, bend, (slope + bend * (1.0 - a)) * theta * baseline * (1.0 - a)

        def step(_, carry):
            a, gap = carry
            patience, bend, harm = follow(a, gap)
            value = unit * a**power + bend * a - slope - bend
            new = a - value / (unit * power * a ** (power - 1.0) + bend)
            lost = delta * self.abatement_cost * a**self.abatement.exponent / consumption + harm
            excess = delta * gap + arrival * scaled_expm1(-aversion, gap) - lost
            return jnp.clip(new, 1e-6, 1.0), jnp.maximum(gap - excess / patience, 0.0)

        start = jnp.ones_like(y), jnp.zeros_like(y)
        abated, gap = jax.lax.fori_loop(0, _STEPS, step, start)
        patience, bend, _ = follow(abated, gap)
        return -bend * (1.0 - abated), arrival * scaled_expm1(-aversion, gap), patience

    def _warming_slope(self, t: Scalar, x: Point) -> Scalar:
        return self._far_out(x)[0]

    def _knowledge_slope(self, t: Scalar, x: Point) -> Scalar:
        r"""$v_r = \mathcal J_g(1-g)/a_g/(\delta+\mathcal J_gg)$: more knowledge brings the technology nearer."""
        _, pull, patience = self._far_out(x)
        return pull / patience
