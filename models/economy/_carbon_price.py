import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..base import Scalar, increasing_root, tilted_weights
from ..equation import Ambiguity
from ._carbon_prior import GaussianTCRE, NordhausWeitzman


class CarbonPrice(eqx.Module):
    r"""The marginal value of cumulative emissions $F$ in the limit of large $F$, where it hardly changes.

    Without scarcity of reserves the value of carbon solves $\delta g = \max_E\{\delta\kappa\log E + Eg' + I(E,F)\}$, where $I$ is the
    certainty equivalent of $-(1-\kappa)Em_\ell(F)$. Its derivative in $F$ is $\delta g' = Eg'' + I_F$. The term $Eg''$ is neglected,
    as emissions are so small there that $F$ hardly moves before the future is discounted. With the first-order condition of $E$,

    $$-g' = \tfrac1\delta(1-\kappa)E\,\tilde m'(F),\qquad \tfrac{\delta\kappa}E = -g' + (1-\kappa)\tilde m(F)$$

    **Arguments:**

    - `damages`, `climate`, `ambiguity`: the prior and the aversion to its ambiguity.
    - `discount_rate`, `emissions_share`: $\delta$ and $\kappa$. `exogenous`: GtC/yr on top of $E$.
    """

    damages: NordhausWeitzman
    climate: GaussianTCRE
    ambiguity: Ambiguity
    discount_rate: Float[Array, "..."]
    emissions_share: Float[Array, "..."]
    exogenous: Float[Array, "..."]

    def terms(self, emissions: Scalar, cumulative: Scalar) -> tuple[Scalar, Scalar]:
        r"""$(1-\kappa)\tilde m$ and $-g'$ at given emissions, per GtC, with the weights of the worst case."""

        def damages(carbon):
            return jax.vmap(lambda response: self.damages.per_carbon(carbon, response))(
                self.damages.responses(self.climate)
            )

        share, total = 1.0 - self.emissions_share, emissions + self.exogenous
        now, bend = jax.jvp(damages, (cumulative,), (jnp.ones_like(cumulative),))
        prior = self.damages.ensemble(self.climate).weights
        omega = tilted_weights(self.ambiguity.climate, -share * total * now, prior)
        return share * (omega @ now), share * total * (omega @ bend) / self.discount_rate

    def excess(self, log_emissions: Scalar, cumulative: Scalar) -> Scalar:
        """Log of the cost of one tonne over its benefit; it increases with emissions."""
        now, later = self.terms(jnp.exp(log_emissions), cumulative)
        return log_emissions + jnp.log(now + later) - jnp.log(self.discount_rate * self.emissions_share)

    def slope(self, cumulative: Scalar, low: float, high: float) -> Scalar:
        """$g'$ per GtC, with emissions between `low` and `high` (GtC/yr); differentiable."""
        frozen, frozen_cumulative = jax.lax.stop_gradient((self, cumulative))
        ends = jnp.log(jnp.asarray(low)), jnp.log(jnp.asarray(high))
        root = increasing_root(lambda z: frozen.excess(z, frozen_cumulative), *ends, jnp.zeros_like(cumulative))
        # one Newton step carries the derivative (implicit function theorem)
        _, steepness = jax.jvp(lambda z: frozen.excess(z, frozen_cumulative), (root,), (jnp.ones_like(root),))
        root = jax.lax.stop_gradient(root)
        root = root - self.excess(root, cumulative) / jax.lax.stop_gradient(steepness)
        return -self.terms(jnp.exp(root), cumulative)[1]
