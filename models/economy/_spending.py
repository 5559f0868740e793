from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp

from ..base import Scalar, increasing_root, tilted_weights
from ..climate import TCREClimate
from ..equation import Ambiguity


class Claims(eqx.Module):
    r"""Who wants a share of output, per unit of capital and year, and what each pays for it.

    With $m$ the marginal utility of consumption per unit of capital, the first-order conditions are

    $$c = (M/m)^{1/\rho},\quad i = (1 - m/v_k)/\kappa,\quad x = (A/m)^{1/(1-\psi_1)},\quad
      m\,q\,a^{\phi_1-1} = D\big(\bar e(1-a)\big)$$

    and the budget $c + i + x + wa^{\phi_1} = \alpha$ fixes $m$: each claim falls with $m$.

    **Fields:** `budget` $\alpha$; consumption's `weight` $M$ and `inverse_eis` $\rho$; investment's `price` $v_k$ and
    `adjustment_cost` $\kappa$, within `lowest` and `highest`; research's `gain` $A$ and `returns` $\psi_1$, within
    `least_research` and `most_research`; abatement's cost `full` $w$, `exponent` $\phi_1$ and `unit` $q$, what the last
    unit of emissions costs to cut.
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
        """Investment at a marginal utility; the lowest where capital is worth nothing."""
        worth = jnp.maximum(self.price, 1e-12)
        ratio = jnp.exp(jnp.minimum(log_m - jnp.log(worth), 40.0))
        return jnp.clip((1.0 - ratio) / self.adjustment_cost, self.lowest, self.highest)

    def research(self, log_m: Scalar) -> Scalar:
        """Research at a marginal utility; the least where knowledge is worth nothing."""
        wanted = self.gain > 0.0
        power = (jnp.log(jnp.where(wanted, self.gain, 1.0)) - log_m) / (1.0 - self.returns)
        power = jnp.where(wanted, jnp.minimum(power, 40.0), -jnp.inf)
        return jnp.clip(jnp.exp(power), self.least_research, self.most_research)

    def excess(self, log_m: Scalar, abated: Scalar) -> Scalar:
        """Log of what is spent over the budget, both above the lowest investment: nearly linear in logarithms."""
        consumption = jnp.exp(jnp.minimum((jnp.log(self.weight) - log_m) / self.inverse_eis, 40.0))
        spent = consumption + (self.investment(log_m) - self.lowest) + self.research(log_m)
        return jnp.log((spent + self.full * abated**self.exponent) / (self.budget - self.lowest))

    def settle(self, harm: Callable[[Scalar], Scalar]) -> tuple[Scalar, Scalar, Scalar]:
        r"""Investment, research and the share abated that satisfy all conditions at once.

        One scalar equation: where some but not all is abated, $m$ follows from $a$ and the budget from both; at the corners
        $a = 0, 1$ the unknown is $m$ itself. The excess rises in the unknown; its logarithm is nearly linear.

        **Arguments:**

        - `harm`: $D$, what one more unit of emissions does to the value function, as a function of the share abated.
        """
        one = jnp.ones_like(self.weight)

        def log_m_of(log_a):
            """From abatement's condition; emissions that do no harm are worth any consumption."""
            least = jnp.log(jnp.maximum(harm(jnp.exp(log_a)), 1e-300))
            return least - jnp.log(self.unit) - (self.exponent - 1.0) * log_a

        all_harmful, some_harm = harm(one) > 0.0, harm(0.0 * one) > 0.0
        nothing = ~some_harm  # emissions at their baseline do no harm: none is abated
        everything = some_harm & all_harmful & (self.excess(log_m_of(0.0 * one), one) < 0.0)
        corner, fixed = nothing | everything, jnp.where(everything, 1.0, 0.0)

        def rising(z):
            log_a = jnp.where(corner, 0.0, z)
            log_m = jnp.where(corner, -z, log_m_of(log_a))
            return self.excess(log_m, jnp.where(corner, fixed, jnp.exp(log_a)))

        log_m = jnp.log(self.weight) - self.inverse_eis * jnp.log(self.budget - self.lowest)
        top = jnp.where(corner, -log_m, 0.0)  # consumption alone exhausts the budget; or everything is abated
        bottom = top - 60.0
        left = self.budget - jnp.where(everything, jnp.minimum(self.full, 0.9 * self.budget), 0.0)
        usual = jnp.log(self.weight) - self.inverse_eis * jnp.log(0.22 * left)
        inner = (log_m_of(jnp.log(0.5) * one) - usual) / (self.exponent - 1.0) + jnp.log(0.5)
        start = jnp.clip(jnp.where(corner, -usual, inner), bottom, top)

        z = increasing_root(rising, bottom, top, start, size=1.0)
        log_a = jnp.where(corner, 0.0, z)
        log_m = jnp.where(corner, -z, log_m_of(log_a))
        abated = jnp.where(corner, fixed, jnp.exp(log_a))
        # the budget holds to rounding, whatever is left in the unknown
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
    r"""$-G\Theta(\omega^*(E)) - \varsigma^2E(H - aG^2)$: what one more unit of emissions does to the value function.

    **Arguments:**

    - `shock_aversion`: $a$, to the shock of temperature.
    - `gain`: $G$, marginal value of temperature (with damages); `curvature`: $H$, its derivative.
    - `emissions`: $E$, all that is emitted.
    """
    theta, prior = climate.ensemble.values, climate.ensemble.weights
    omega = tilted_weights(ambiguity.climate, gain * emissions * theta, prior)
    bend = curvature - shock_aversion * gain**2
    return -gain * (omega @ theta) - bend * climate.volatility**2 * emissions
