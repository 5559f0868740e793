import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..base import AbstractBlock, Scalar, check_positive, check_share, measured_in, parameter, positive_power


class Research(AbstractBlock):
    r"""Knowledge that grows through research and raises the rate of a breakthrough.

    $$dR = \big[-\zeta R + \psi_0(I^r)^{\psi_1}R^{1-\psi_1}\big]dt + \sigma_rR\,dW^r,\qquad \mathcal J_g = R/\varrho\text{ per year}$$

    **Arguments:**

    - `efficiency`: $\psi_0$, yr^(psi_1 - 1).
    - `returns`: $\psi_1$, between 0 and 1.
    - `depreciation`: $\zeta$, per year.
    - `volatility`: $\sigma_r$, per square root of a year.
    - `arrival_scale`: $\varrho$, knowledge (trillion US$) at which the rate of the breakthrough is one per year.
    - `initial_knowledge`: $R_0$, trillion US$.

    **Raises:** `ValueError` naming a parameter that is out of range.

    **Good values:** $R_0$ = 11.2 and $\varrho$ = 1120: initially one breakthrough in a hundred years.

    **References:** Barnett, Brock, Hansen and Zhang 2024, "Uncertainty, Social Valuation, and Climate Change Policy".

    !!! example

        ```python
        import jax.numpy as jnp
        import abatax as ab

        research = ab.models.Research()
        assert abs(float(research.intensity(jnp.log(11.2))) - 0.01) < 1e-12
        ```
    """

    efficiency: Float[Array, "..."] = eqx.field(default=0.10583, converter=parameter)
    returns: Float[Array, "..."] = eqx.field(default=0.5, converter=parameter)
    depreciation: Float[Array, "..."] = eqx.field(default=0.0, converter=parameter, metadata=measured_in("1/yr"))
    volatility: Float[Array, "..."] = eqx.field(default=0.0078, converter=parameter, metadata=measured_in("yr^-1/2"))
    arrival_scale: Float[Array, "..."] = eqx.field(
        default=1120.0, converter=parameter, metadata=measured_in("trillion US$ yr")
    )
    initial_knowledge: Float[Array, "..."] = eqx.field(
        default=11.2, converter=parameter, metadata=measured_in("trillion US$")
    )

    def __check_init__(self):
        check_positive("research.efficiency", self.efficiency, allow_zero=True)
        check_share("research.returns", self.returns)
        check_positive("research.depreciation", self.depreciation, "per year", allow_zero=True)
        check_positive("research.volatility", self.volatility, allow_zero=True)
        check_positive("research.arrival_scale", self.arrival_scale, "trillion US$ yr")
        check_positive("research.initial_knowledge", self.initial_knowledge, "trillion US$")

    def productivity(self, log_capital: Scalar, log_knowledge: Scalar) -> Scalar:
        r"""$\psi_0e^{\psi_1(k-r)}$; the growth of knowledge is this times $x_r^{\psi_1}$, with research $x_r$ per unit of capital."""
        return self.efficiency * jnp.exp(self.returns * (log_capital - log_knowledge))

    def drift(self, research: Scalar, log_capital: Scalar, log_knowledge: Scalar) -> Scalar:
        """Drift of log knowledge, per year, at research `research` per unit of capital."""
        growth = self.productivity(log_capital, log_knowledge) * positive_power(research, self.returns)
        return growth - self.depreciation - 0.5 * self.volatility**2

    def intensity(self, log_knowledge: Scalar) -> Scalar:
        """Rate of the breakthrough, per year."""
        return jnp.exp(log_knowledge) / self.arrival_scale
