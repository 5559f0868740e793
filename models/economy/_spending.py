from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp

from ..base import Scalar, increasing_root, tilted_weights
from ..climate import TCREClimate
from ..equation import Ambiguity


class Claims(eqx.Module):
    r"""Claims on output, per unit of capital and year, and their first-order conditions.

    With $m$ the marginal utility of consumption per unit of capital, the first-order conditions are

    $$c = (M/m)^{1/\rho},\quad i = (1 - m/v_k)/\kappa,\quad x = (A/m)^{1/(1-\psi_1)},\quad
      m\,q\,a^{\phi_1-1} = D\big(\bar e(1-a)\big)$$

    and the budget $c + i + x + wa^{\phi_1} = \alpha$ determines $m$, as every claim decreases in $m$.

    **Fields:** `budget` $\alpha$; consumption's `weight` $M$ and `inverse_eis` $\rho$; investment's `price` $v_k$ and
    `adjustment_cost` $\kappa$, within `lowest` and `highest`; research's `gain` $A$ and `returns` $\psi_1$, within
    `least_research` and `most_research`; abatement's cost `full` $w$, `exponent` $\phi_1$ and `unit` $q$, the marginal
    cost at full abatement.
    """

    budget: Scalar
    weight: Scalar
    inverse_eis: Scalar
    price: Scalar
    adjustment_cost: Scalar
    lowest: float = eqx.field(static=True)
    highest: float = eqx.field(static=True)
    gain: Scalar
    returns: Scalar
    least_research: float = eqx.field(static=True)
    most_research: float = eqx.field(static=True)
    full: Scalar
    exponent: Scalar
    unit: Scalar

    def investment(self, log_m: Scalar) -> Scalar:
        """Investment at a marginal utility; the lower bound if capital has no value."""
        price = jnp.maximum(self.price, 1e-12)
        ratio = jnp.exp(jnp.minimum(log_m - jnp.log(price), 40.0))
        return jnp.clip((1.0 - ratio) / self.adjustment_cost, self.lowest, self.highest)

    def research(self, log_m: Scalar) -> Scalar:
        """Research at a marginal utility; the lower bound if knowledge has no value."""
        positive = self.gain > 0.0
        power = (jnp.log(jnp.where(positive, self.gain, 1.0)) - log_m) / (1.0 - self.returns)
        power = jnp.where(positive, jnp.minimum(power, 40.0), -jnp.inf)
        return jnp.clip(jnp.exp(power), self.least_research, self.most_research)

    def excess(self, log_m: Scalar, abated: Scalar) -> Scalar:
        """Log of spending over the budget, both relative to the lowest investment; nearly linear in logarithms."""
        consumption = jnp.exp(jnp.minimum((jnp.log(self.weight) - log_m) / self.inverse_eis, 40.0))
        spent = consumption + (self.investment(log_m) - self.lowest) + self.research(log_m)
        return jnp.log((spent + self.full * abated**self.exponent) / (self.budget - self.lowest))

    def settle(self, harm: Callable[[Scalar], Scalar]) -> tuple[Scalar, Scalar, Scalar]:
        r"""Investment, research and the share abated that satisfy all conditions.

        This is one scalar equation. At an interior share $a$, $m$ follows from $a$; at the corners $a = 0, 1$ the unknown is $m$
        itself. The excess spending increases in the unknown, and its logarithm is nearly linear.

        **Arguments:**

        - `harm`: $D$, the marginal loss of value from emissions, as a function of the share abated.
        """
        one = jnp.ones_like(self.weight)

        def log_m_of(log_a):
            """From the condition of abatement; without harm the marginal utility tends to zero."""
            least = jnp.log(jnp.maximum(harm(jnp.exp(log_a)), 1e-300))
            return least - jnp.log(self.unit) - (self.exponent - 1.0) * log_a

        all_harmful, some_harm = harm(one) > 0.0, harm(0.0 * one) > 0.0
        nothing = ~some_harm  # emissions at their baseline do no harm: no abatement
        everything = some_harm & all_harmful & (self.excess(log_m_of(0.0 * one), one) < 0.0)
        corner, fixed = nothing | everything, jnp.where(everything, 1.0, 0.0)

        def rising(z):
            log_a = jnp.where(corner, 0.0, z)
            log_m = jnp.where(corner, -z, log_m_of(log_a))
            return self.excess(log_m, jnp.where(corner, fixed, jnp.exp(log_a)))

        log_m = jnp.log(self.weight) - self.inverse_eis * jnp.log(self.budget - self.lowest)
        top = jnp.where(corner, -log_m, 0.0)  # consumption alone exhausts the budget; or abatement is complete
        bottom = top - 60.0
        net_budget = self.budget - jnp.where(everything, jnp.minimum(self.full, 0.9 * self.budget), 0.0)
        usual = jnp.log(self.weight) - self.inverse_eis * jnp.log(0.22 * net_budget)
        inner = (log_m_of(jnp.log(0.5) * one) - usual) / (self.exponent - 1.0) + jnp.log(0.5)
        start = jnp.clip(jnp.where(corner, -usual, inner), bottom, top)

        z = increasing_root(rising, bottom, top, start, size=1.0)
        log_a = jnp.where(corner, 0.0, z)
        log_m = jnp.where(corner, -z, log_m_of(log_a))
        abated = jnp.where(corner, fixed, jnp.exp(log_a))
        # the budget holds to rounding
        research = self.research(log_m)
        return self.investment(log_m), research, abated


def marginal_harm(
    climate: TCREClimate,
    ambiguity: Ambiguity,
    shock_aversion: Scalar,
    gain: Scalar,
    curvature: Scalar,
    emissions: Scalar,
) -> Scalar:
    r"""$-G\Theta(\omega^*(E)) - \varsigma^2E(H - aG^2)$: marginal loss of value from emissions.

    **Arguments:**

    - `shock_aversion`: $a$, to the shock of temperature.
    - `gain`: $G$, marginal value of temperature (with damages); `curvature`: $H$, its derivative.
    - `emissions`: $E$, all emissions, GtC/yr.
    """
    theta, prior = climate.ensemble.values, climate.ensemble.weights
    omega = tilted_weights(ambiguity.climate, gain * emissions * theta, prior)
    bend = curvature - shock_aversion * gain**2
    return -gain * (omega @ theta) - bend * climate.volatility**2 * emissions
