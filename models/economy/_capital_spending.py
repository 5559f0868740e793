"""Consumption, investment in two capitals and other spending: first-order conditions with bounds and one budget."""

import equinox as eqx
import jax.numpy as jnp

from ..base import Scalar, increasing_root


class Investment(eqx.Module):
    r"""Investment in one capital: it adds $\Gamma a\log(1+\theta i)$ to the value per year and costs $si$ per unit of total capital.

    **Fields:** `share` $s$ of total capital, `price` $a$ (marginal value of its logarithm), `scale` $\Gamma$, `curvature`
    $\theta$, bounds `low` and `high` on $i$ per unit of the same capital.
    """

    share: Scalar
    price: Scalar
    scale: Scalar
    curvature: Scalar
    low: float = eqx.field(static=True)
    high: float = eqx.field(static=True)

    def slope(self, weight: Scalar) -> Scalar:
        r"""$\Gamma a/\delta$: spending per unit of consumption, before $s/\theta$ is subtracted."""
        return self.scale * self.price / weight

    def best(self, weight: Scalar, consumption: Scalar) -> Scalar:
        r"""$i = \Gamma ca/(\delta s) - 1/\theta$ within its bounds."""
        free = self.slope(weight) * consumption / self.share - 1.0 / self.curvature
        return jnp.clip(free, self.low, self.high)


class Effort(eqx.Module):
    r"""Spending $x$ per unit of total capital that adds $gx^\nu$ to the value per year: research, or lower carbon intensity.

    **Fields:** `gain` $g$, `returns` $\nu$, bounds `low` and `high` on $x$.
    """

    gain: Scalar
    returns: Scalar
    low: Scalar | float
    high: Scalar | float

    def square(self, weight: Scalar) -> Scalar:
        r"""$X = [\nu g/\delta]^2$; at $\nu = \tfrac12$ spending is $c^2X$."""
        return (self.returns * jnp.maximum(self.gain, 0.0) / weight) ** 2

    def best(self, weight: Scalar, consumption: Scalar) -> Scalar:
        r"""$x = (\nu gc/\delta)^{1/(1-\nu)}$ within its bounds; the lower bound if the gain is not positive."""
        positive = self.gain > 0.0
        base = self.returns * jnp.where(positive, self.gain, 1.0) * consumption / weight
        power = jnp.log(jnp.maximum(base, 1e-300)) / (1.0 - self.returns)
        return jnp.clip(jnp.where(positive, jnp.exp(jnp.minimum(power, 40.0)), 0.0), self.low, self.high)


class CapitalSpending(eqx.Module):
    r"""The maximiser of $\delta\log c + \sum_j\Gamma_ja_j\log(1+\theta_ji_j) + \sum_ng_nx_n^{\nu_n}$ subject to
    $c + \sum_js_ji_j + \sum_nx_n = \bar A$, per unit of total capital.

    Given $c$, every claim satisfies its own condition, bounds included. Total spending rises with $c$, so that the budget has one
    root. With $\nu = \tfrac12$ and no binding bound it is the positive root of

    $$c\Big(1 + \sum_j\tfrac{\Gamma_ja_j}\delta\Big) + c^2\sum_nX_n = \bar A + \sum_j\tfrac{s_j}{\theta_j}$$

    If a bound binds, the other claims are solved again: freezing them would change the Hamiltonian by up to 2e-4.

    **Fields:** `weight` $\delta$, `budget` $\bar A$, `investments`, `efforts`.
    """

    weight: Scalar
    budget: Scalar
    investments: tuple[Investment, ...]
    efforts: tuple[Effort, ...] = ()

    def unconstrained(self) -> Scalar:
        r"""$c$ without bounds, at $\nu = \tfrac12$."""
        linear = 1.0 + sum(jnp.maximum(i.slope(self.weight), 0.0) for i in self.investments)
        constant = self.budget + sum(i.share / i.curvature for i in self.investments)
        square = sum(e.square(self.weight) for e in self.efforts)
        return 2.0 * constant / (linear + jnp.sqrt(linear**2 + 4.0 * square * constant))

    def spent(self, consumption: Scalar) -> Scalar:
        """Total spending at a consumption; increasing."""
        total = consumption
        for claim in self.investments:
            total = total + claim.share * claim.best(self.weight, consumption)
        for claim in self.efforts:
            total = total + claim.best(self.weight, consumption)
        return total

    def settle(self) -> tuple[Scalar, ...]:
        """The investments and efforts, in their order."""
        highest = self.budget - sum(i.share * i.low for i in self.investments)
        consumption = increasing_root(
            lambda c: self.spent(c) - self.budget, jnp.zeros_like(highest), highest, self.unconstrained()
        )
        return tuple(claim.best(self.weight, consumption) for claim in (*self.investments, *self.efforts))
