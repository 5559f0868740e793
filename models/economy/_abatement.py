import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..base import AbstractBlock, Scalar, check_positive, check_share, measured_in, parameter, positive_power


class Abatement(AbstractBlock):
    r"""Cost of abating emissions below business as usual.

    $$\text{cost} = \phi_0\Big(1-\frac{e}{\beta\,Q}\Big)_+^{\phi_1}Q,\qquad Q = \alpha K$$

    **Arguments:**

    - `cost`: $\phi_0$, cost of full abatement as a share of output.
    - `exponent`: $\phi_1$, above 1.
    - `carbon_intensity`: $\beta$, GtC per trillion US$ of output without abatement.

    **Raises:** `ValueError` naming a parameter that is out of range.

    **References:** Cai and Lontzek 2019, doi:10.1086/701890, for $\beta$ and $\phi_1$.

    !!! example

        ```python
        import jax.numpy as jnp

        import abatax as ab

        abatement = ab.models.Abatement()
        assert float(abatement.cost_share(jnp.array(0.0), jnp.array(85.0))) == 0.5
        ```
    """

    cost: Float[Array, "..."] = eqx.field(default=0.5, converter=parameter)
    exponent: Float[Array, "..."] = eqx.field(default=3.0, converter=parameter)
    carbon_intensity: Float[Array, "..."] = eqx.field(
        default=0.1206, converter=parameter, metadata=measured_in("GtC/trillion US$")
    )

    def __check_init__(self):
        check_positive("abatement.cost", self.cost, "of output")
        check_positive("abatement.exponent - 1", self.exponent - 1.0)
        check_positive("abatement.carbon_intensity", self.carbon_intensity, "GtC per trillion US$")

    def baseline(self, output: Scalar) -> Scalar:
        """Emissions without abatement, GtC/yr, at an output in trillion US$/yr."""
        return self.carbon_intensity * output

    def cost_share(self, emissions: Scalar, output: Scalar) -> Scalar:
        """Cost of abatement as a share of output."""
        return self.cost * positive_power(1.0 - emissions / self.baseline(output), self.exponent)

    def marginal_cost(self, emissions: Scalar, output: Scalar) -> Scalar:
        r"""Marginal cost of abatement, trillion US$ per GtC: $\tfrac{\phi_0\phi_1}\beta(1-\tfrac e{\beta Q})_+^{\phi_1-1}$."""
        avoided = jnp.maximum(1.0 - emissions / self.baseline(output), 0.0)
        return self.cost * self.exponent / self.carbon_intensity * avoided ** (self.exponent - 1.0)


class AbatementProgress(AbstractBlock):
    r"""Two breakthroughs in abatement: the first lowers its cost, the second removes it.

    **Arguments:**

    - `rate`: rate of each breakthrough, per year.
    - `remaining`: share of the cost $\phi_0$ and of the carbon intensity $\beta$ that remains after the first breakthrough.

    **Raises:** `ValueError` naming a parameter that is out of range.

    **Good values:** a rate of 1/20 and a share of one half, as published.

    **References:** Barnett, Brock and Hansen 2021, doi:10.1086/718668, section 6.

    !!! example

        ```python
        import abatax as ab

        assert float(ab.models.AbatementProgress().rate) == 0.05
        ```
    """

    rate: Float[Array, "..."] = eqx.field(default=0.05, converter=parameter, metadata=measured_in("1/yr"))
    remaining: Float[Array, "..."] = eqx.field(default=0.5, converter=parameter)

    def __check_init__(self):
        check_positive("progress.rate", self.rate, "per year", allow_zero=True)
        check_share("progress.remaining", self.remaining)

    def improve(self, abatement: Abatement) -> Abatement:
        """Abatement after the first breakthrough."""
        cost, intensity = (self.remaining * v for v in (abatement.cost, abatement.carbon_intensity))
        return Abatement(cost, abatement.exponent, intensity)
