"""An economy that invests in capital and in the exploration of fossil reserves."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..base import (
    AbstractBlock,
    Scalar,
    check_capital,
    check_positive,
    check_share,
    increasing_root,
    measured_in,
    parameter,
)


class LogarithmicEconomy(AbstractBlock):
    r"""Output proportional to capital, with logarithmic adjustment costs.

    $$d\log K = \big[\mu_k + \phi_0\log(1+\phi_1i) - \tfrac12\sigma_k^2\big]dt + \sigma_kdW^k,\qquad
      C + (i+j)K = \alpha K$$

    **Arguments:**

    - `productivity`: $\alpha$, output per unit of capital, per year.
    - `adjustment_scale`: $\phi_0$, per year. `adjustment_curvature`: $\phi_1$, years.
    - `growth`: $\mu_k$, growth of capital without investment, per year (negative: depreciation).
    - `volatility`: $\sigma_k$, per square root of a year.
    - `initial_capital`: trillion US$.

    **Raises:** `ValueError` naming a parameter that is not positive, or growth and volatility that are too large.

    **References:** Barnett, Brock and Hansen 2020, doi:10.1093/rfs/hhz144; with the default growth, capital grows by
    2 % per year at $i$ = 0.09.

    !!! example

        ```python
        import jax.numpy as jnp
        import abatax as ab

        economy = ab.models.LogarithmicEconomy()
        assert abs(float(economy.growth_rate(jnp.array(0.09))) - 0.02) < 1e-12
        ```
    """

    productivity: Float[Array, "..."] = eqx.field(default=0.115, converter=parameter, metadata=measured_in("1/yr"))
    adjustment_scale: Float[Array, "..."] = eqx.field(default=0.06, converter=parameter, metadata=measured_in("1/yr"))
    adjustment_curvature: Float[Array, "..."] = eqx.field(
        default=100.0 / 6.0, converter=parameter, metadata=measured_in("yr")
    )
    growth: Float[Array, "..."] = eqx.field(
        default=-0.034977443912449, converter=parameter, metadata=measured_in("1/yr")
    )
    volatility: Float[Array, "..."] = eqx.field(default=0.0161, converter=parameter, metadata=measured_in("yr^-1/2"))
    initial_capital: Float[Array, "..."] = eqx.field(
        default=80.0 / 0.115, converter=parameter, metadata=measured_in("trillion US$")
    )

    def __check_init__(self):
        check_positive("economy.productivity", self.productivity, "per year")
        check_positive("economy.adjustment_scale", self.adjustment_scale, "per year")
        check_positive("economy.adjustment_curvature", self.adjustment_curvature, "years")
        check_capital("economy", self.growth, self.volatility)
        check_positive("economy.initial_capital", self.initial_capital, "trillion US$")

    def growth_rate(self, investment: Scalar) -> Scalar:
        """Growth of capital without shocks, per year, at `investment` per unit of capital."""
        return self.growth + self.adjustment_scale * jnp.log1p(self.adjustment_curvature * investment)

    def drift(self, investment: Scalar) -> Scalar:
        """Drift of log capital, per year."""
        return self.growth_rate(investment) - 0.5 * self.volatility**2


class Exploration(AbstractBlock):
    r"""Fossil reserves $R$ (GtC), depleted by emissions and replenished by exploration.

    $$d\log R = \Big[-\tfrac ER + \psi_0j^{\psi_1}\big(\tfrac KR\big)^{\psi_1} - \tfrac12\sigma_r^2\Big]dt + \sigma_rdW^r$$

    **Arguments:**

    - `scale`: $\psi_0$.
    - `elasticity`: $\psi_1$, between 0 and 1.
    - `volatility`: $\sigma_r$, per square root of a year.
    - `initial_reserves`: reserves at the start, GtC.

    **Raises:** `ValueError` naming a parameter that is not positive, or an elasticity that is not between 0 and 1.

    **References:** Barnett, Brock and Hansen 2020, doi:10.1093/rfs/hhz144.

    !!! example

        ```python
        import abatax as ab

        assert float(ab.models.Exploration().initial_reserves) == 650.0
        ```
    """

    scale: Float[Array, "..."] = eqx.field(default=0.11273340789168, converter=parameter)
    elasticity: Float[Array, "..."] = eqx.field(default=1.0 / 7.0, converter=parameter)
    volatility: Float[Array, "..."] = eqx.field(default=0.0339, converter=parameter, metadata=measured_in("yr^-1/2"))
    initial_reserves: Float[Array, "..."] = eqx.field(default=650.0, converter=parameter, metadata=measured_in("GtC"))

    def __check_init__(self):
        check_positive("exploration.scale", self.scale)
        check_share("exploration.elasticity", self.elasticity)
        check_positive("exploration.volatility", self.volatility, allow_zero=True)
        check_positive("exploration.initial_reserves", self.initial_reserves, "GtC")

    def discoveries(self, exploration: Scalar, log_reserves: Scalar, log_capital: Scalar) -> Scalar:
        """Growth of reserves through exploration (spending per unit of capital), per year."""
        ratio = jnp.exp(self.elasticity * (log_capital - log_reserves))
        return self.scale * exploration**self.elasticity * ratio

    def growth_rate(self, emissions: Scalar, exploration: Scalar, log_reserves: Scalar, log_capital: Scalar) -> Scalar:
        """Growth of reserves without shocks, per year."""
        return self.discoveries(exploration, log_reserves, log_capital) - emissions * jnp.exp(-log_reserves)

    def drift(self, emissions: Scalar, exploration: Scalar, log_reserves: Scalar, log_capital: Scalar) -> Scalar:
        """Drift of log reserves, per year; emissions in GtC/yr."""
        rate = self.growth_rate(emissions, exploration, log_reserves, log_capital)
        return rate - 0.5 * self.volatility**2


def best_spending(
    economy: LogarithmicEconomy,
    exploration: Exploration,
    weight: Scalar,
    price_of_capital: Scalar,
    price_of_reserves: Scalar,
    log_reserves: Scalar,
    log_capital: Scalar,
    bounds: tuple[tuple[float, float], tuple[float, float]],
) -> tuple[Scalar, Scalar]:
    r"""Optimal investment and exploration under a common budget with consumption.

    $$\max_{i,j}\; w\log(\alpha - i - j) + V_k\phi_0\log(1+\phi_1i) + V_r\psi_0j^{\psi_1}e^{\psi_1(k-r)}$$

    With $s = (\alpha-i-j)/w$, the inverse of the marginal utility $p$ of spending, the first-order conditions are
    $i = \phi_0V_ks - 1/\phi_1$ and $j = (V_r\psi_0\psi_1e^{\psi_1(k-r)}s)^{1/(1-\psi_1)}$. Spending increases in $s$, so that the
    budget has one root.

    **Arguments:**

    - `weight`: $w$, weight of log consumption in the flow. The prices are $V_k$ and $V_r$.
    - `bounds`: of investment and of exploration, per unit of capital per year.

    **Returns:** investment and exploration per unit of capital, per year.
    """
    (i_low, i_high), (j_low, j_high) = bounds
    power = 1.0 / (1.0 - exploration.elasticity)
    marginal = jnp.exp(exploration.elasticity * (log_capital - log_reserves))
    marginal = exploration.scale * exploration.elasticity * jnp.maximum(price_of_reserves, 0.0) * marginal
    slope = economy.adjustment_scale * price_of_capital
    offset = 1.0 / economy.adjustment_curvature

    def spending(s):
        i = jnp.clip(slope * s - offset, i_low, i_high)
        return i, jnp.clip((marginal * s) ** power, j_low, j_high)

    def overspent(s):
        i, j = spending(s)
        return i + j + weight * s - economy.productivity

    most = (economy.productivity - i_low - j_low) / weight
    # the root without exploration, which is an upper bound; the function is convex below it
    start = (economy.productivity + offset) / (jnp.maximum(slope, 0.0) + weight)
    return spending(increasing_root(overspent, jnp.zeros_like(most), most, start))
