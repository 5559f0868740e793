import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..base import AbstractBlock, Scalar, check_positive, measured_in, parameter
from ._exploration import LogarithmicEconomy


def _capital(productivity: float, stock: float):
    return lambda: LogarithmicEconomy(
        productivity=productivity,
        adjustment_scale=0.060,
        adjustment_curvature=16.7,
        growth=-0.035,
        volatility=0.01,
        initial_capital=stock,
    )


class TwoCapitals(AbstractBlock):
    r"""Dirty and green capital that produce the same good; only dirty capital emits.

    $$d\log K_j = \big[\alpha_j + \Gamma_j\log(1+\theta_ji_j) - \tfrac12\sigma_j^2\big]dt + \sigma_jdW^j,\qquad
      C = (A_d - i_d)K_d + (A_g - i_g)K_g - x_rK,\qquad E = \eta A_dK_d$$

    The two logarithms are written $q = \log K_d$ and $w = \log(K_g/K_d)$; total capital is then $k = q + \log(1+e^w)$ and the
    green share $s = 1/(1+e^{-w})$. The share itself is not a suitable state: if green capital is more productive, the slope of
    the value function with respect to it is infinite at zero.

    **Arguments:**

    - `dirty`, `green`: $A_j$, $\Gamma_j$, $\theta_j$, $\alpha_j$, $\sigma_j$ and the initial stock of each capital.
    - `carbon_intensity`: $\eta$, GtC per trillion US$ of dirty output.

    **Raises:** `ValueError` if the carbon intensity is negative.

    **References:** Barnett, Brock, Hansen, Hu and Huang 2023, "A Deep Learning Analysis of Climate Change, Innovation, and
    Uncertainty", doi:10.48550/arXiv.2310.13200; 880 trillion US$ of broad capital, 70 % of it green.

    !!! example

        ```python
        import jax.numpy as jnp
        import abatax as ab

        economy = ab.models.TwoCapitals()
        assert abs(float(economy.emissions(jnp.log(264.0))) - 10.01) < 1e-2
        ```
    """

    dirty: LogarithmicEconomy = eqx.field(default_factory=_capital(0.1303, 264.0))
    green: LogarithmicEconomy = eqx.field(default_factory=_capital(0.1085, 616.0))
    carbon_intensity: Float[Array, "..."] = eqx.field(
        default=0.291, converter=parameter, metadata=measured_in("GtC/trillion US$")
    )

    def __check_init__(self):
        check_positive("economy.carbon_intensity", self.carbon_intensity, "GtC/trillion US$", allow_zero=True)

    def shares(self, w: Scalar) -> tuple[Scalar, Scalar]:
        """Shares of dirty and green capital at a log ratio, accurate also if they are very small."""
        return jax.nn.sigmoid(-w), jax.nn.sigmoid(w)

    def log_capital(self, q: Scalar, w: Scalar) -> Scalar:
        """$k$: log of total capital."""
        return q + jax.nn.softplus(w)

    def productivity(self, w: Scalar) -> Scalar:
        r"""$\bar A$: output per unit of total capital, per year."""
        dirty, green = self.shares(w)
        return dirty * self.dirty.productivity + green * self.green.productivity

    def dirty_output(self, w: Scalar) -> Scalar:
        """$A_d(1-s)$: output of dirty capital per unit of total capital, per year."""
        return self.shares(w)[0] * self.dirty.productivity

    def emissions(self, q: Scalar) -> Scalar:
        """Emissions $E$, GtC/yr; `q` is the log of dirty capital, plus the log of relative carbon intensity if that can change."""
        return self.carbon_intensity * self.dirty.productivity * jnp.exp(q)

    def drifts(self, w: Scalar, dirty: Scalar, green: Scalar) -> tuple[Scalar, Scalar, Scalar]:
        """Drifts of $q$, $w$ and $k$, with the Itô term of $k$; investment is per unit of the same capital."""
        down, up = self.shares(w)
        q, g = self.dirty.drift(dirty), self.green.drift(green)
        variance = self.dirty.volatility**2 + self.green.volatility**2
        return q, g - q, down * q + up * g + 0.5 * down * up * variance

    def loadings(self, w: Scalar) -> tuple[tuple[Scalar, Scalar], ...]:
        """Loadings of $q$, $w$ and $k$ on the shocks of dirty and of green capital."""
        down, up = self.shares(w)
        dirty, green = self.dirty.volatility, self.green.volatility
        return (dirty, jnp.zeros_like(dirty)), (-dirty, green), (down * dirty, up * green)
