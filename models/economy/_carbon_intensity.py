import equinox as eqx
from jaxtyping import Array, Float

from ..base import AbstractBlock, Scalar, check_positive, check_share, measured_in, parameter, positive_power


class CarbonIntensity(AbstractBlock):
    r"""Carbon intensity of dirty output relative to its initial value; it declines exogenously, and faster with spending.

    $$dz = \big[-\zeta_z - \psi_zx_z^\nu\big]dt + \sigma_z\,dW^z$$

    **Arguments:**

    - `productivity`: $\psi_z$, per year. `returns`: $\nu$, between 0 and 1.
    - `decline`: $\zeta_z$, exogenous decline, per year.
    - `volatility`: $\sigma_z$, per square root of a year.

    **Raises:** `ValueError` naming a parameter that is out of range.

    **Good values:** the defaults are assumptions: spending 0.5 % of dirty output adds a decline of 1 % a year to the exogenous 0.5 %.
    With $\nu = \tfrac12$ the optimal initial spending would be five per cent of all output.

    !!! example

        ```python
        import jax.numpy as jnp

        import abatax as ab

        intensity = ab.models.CarbonIntensity()
        assert abs(float(intensity.drift(jnp.array(0.005))) + 0.005 + 0.01) < 1e-5
        ```
    """

    productivity: Float[Array, "..."] = eqx.field(default=0.0376, converter=parameter, metadata=measured_in("1/yr"))
    returns: Float[Array, "..."] = eqx.field(default=0.25, converter=parameter)
    decline: Float[Array, "..."] = eqx.field(default=0.005, converter=parameter)
    volatility: Float[Array, "..."] = eqx.field(default=0.01, converter=parameter, metadata=measured_in("yr^-1/2"))

    def __check_init__(self):
        check_positive("intensity.productivity", self.productivity, "per year", allow_zero=True)
        check_share("intensity.returns", self.returns)
        check_positive("intensity.volatility", self.volatility, allow_zero=True)

    def drift(self, reduction: Scalar) -> Scalar:
        """Drift of the log of carbon intensity, per year, at a share `reduction` of dirty output."""
        return -self.decline - self.productivity * positive_power(reduction, self.returns)

    def gain(self, worth: Scalar, output: Scalar) -> Scalar:
        r"""$g$ in the gain of value $gX^\nu$ per year from spending $X$; `output` is dirty output, both per unit of capital.

        `worth` is $-V_z$, the marginal value of a lower log intensity.
        """
        return worth * self.productivity * output ** (-self.returns)
