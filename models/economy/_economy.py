import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..base import AbstractBlock, Scalar, check_finite, check_positive, measured_in, parameter


class AKEconomy(AbstractBlock):
    r"""Output proportional to capital, with adjustment costs.

    $$dK = K\big[\mu_k + i - \tfrac\kappa2i^2\big]dt + \sigma_kK\,dW^k,\qquad C + iK = \alpha K$$

    **Arguments:**

    - `productivity`: $\alpha$, output per unit of capital, per year.
    - `adjustment_cost`: $\kappa$, years.
    - `growth`: $\mu_k$, growth of capital without investment, per year (negative: depreciation).
    - `volatility`: $\sigma_k$, per square root of a year.
    - `initial_capital`: capital at the start, trillion US$.

    **Raises:** `ValueError` naming a parameter that is negative or not finite; productivity, adjustment cost and initial
    capital must be positive.

    **References:** Barnett, Brock and Hansen 2021, doi:10.1086/718668, appendix A.

    !!! example

        ```python
        import jax.numpy as jnp

        import abatax as ab

        economy = ab.models.AKEconomy()
        investment = economy.best_investment(jnp.array(0.01))  # per unit of capital and year
        consumption = economy.productivity - investment
        assert abs(float(consumption * (1.0 - economy.adjustment_cost * investment)) - 0.01) < 1e-12
        ```
    """

    productivity: Float[Array, "..."] = eqx.field(default=0.115, converter=parameter, metadata=measured_in("1/yr"))
    adjustment_cost: Float[Array, "..."] = eqx.field(default=6.667, converter=parameter, metadata=measured_in("yr"))
    growth: Float[Array, "..."] = eqx.field(default=-0.043, converter=parameter, metadata=measured_in("1/yr"))
    volatility: Float[Array, "..."] = eqx.field(default=0.0095, converter=parameter, metadata=measured_in("yr^-1/2"))
    initial_capital: Float[Array, "..."] = eqx.field(
        default=85.0 / 0.115, converter=parameter, metadata=measured_in("trillion US$")
    )

    def __check_init__(self):
        check_positive("economy.productivity", self.productivity, "per year")
        check_positive("economy.adjustment_cost", self.adjustment_cost, "years")
        check_finite("economy.growth", self.growth, "per year")
        check_positive("economy.volatility", self.volatility, allow_zero=True)
        check_positive("economy.initial_capital", self.initial_capital, "trillion US$")

    def drift(self, investment: Scalar) -> Scalar:
        """Drift of log capital, per year, at investment `investment` per unit of capital."""
        growth = self.growth + investment - 0.5 * self.adjustment_cost * investment**2
        return growth - 0.5 * self.volatility**2

    def best_investment(self, ratio: Scalar) -> Scalar:
        r"""Investment per unit of capital: the root of $(\alpha - i)(1 - \kappa i) = m$ below both $\alpha$ and $1/\kappa$.

        **Arguments:**

        - `ratio`: $m$, weight of log consumption in the flow over the marginal value of log capital, per year.
        """
        alpha, kappa = self.productivity, self.adjustment_cost
        root = jnp.sqrt((1.0 - alpha * kappa) ** 2 + 4.0 * kappa * ratio)
        return 0.5 * (1.0 + alpha * kappa - root) / kappa
