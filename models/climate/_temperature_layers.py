import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..base import AbstractBlock, Scalar, check_positive, measured_in, parameter
from ._annual_rates import AnnualRates, annual_rates, pair

YEARS = 5.0  # of a step


class TemperatureLayers(AbstractBlock):
    r"""Two temperatures, of the atmosphere with the upper ocean and of the deep ocean, in steps of five years.

    $$T_1' = T_1 + c_1\Big[F' - \tfrac{\kappa}{S}T_1 - c_3(T_1-T_2)\Big],\qquad T_2' = T_2 + c_4(T_1-T_2),\qquad
    F = \kappa\log_2\frac{M}{M^*} + F_{ex}$$

    The forcing is taken at the end of the step.

    **Arguments:**

    - `sensitivity`: $S$, equilibrium warming from a doubling of carbon, degC. `doubling_forcing`: $\kappa$, W/m2.
    - `response`: $c_1$, degC per W/m2. `exchange`: $c_3$, W/m2 per degC. `ocean_response`: $c_4$, share.
    - `preindustrial_carbon`: $M^*$, GtC. `initial_temperature`: degC, air and deep ocean.

    **Raises:** `ValueError` naming a parameter that is out of range.

    **References:** Nordhaus 2017, doi:10.1073/pnas.1609244114 (DICE-2016R).

    !!! example

        ```python
        import jax.numpy as jnp

        import abatax as ab

        layers = ab.models.TemperatureLayers()
        twice = layers.forcing(jnp.array(2 * 588.0), jnp.array(0.0))
        assert abs(float(layers.equilibrium(twice)) - 3.1) < 1e-12
        ```
    """

    sensitivity: Float[Array, "..."] = eqx.field(default=3.1, converter=parameter, metadata=measured_in("degC"))
    doubling_forcing: Float[Array, "..."] = eqx.field(default=3.6813, converter=parameter, metadata=measured_in("W/m2"))
    response: Float[Array, "..."] = eqx.field(default=0.1005, converter=parameter, metadata=measured_in("degC m2/W"))
    exchange: Float[Array, "..."] = eqx.field(default=0.088, converter=parameter, metadata=measured_in("W/m2/degC"))
    ocean_response: Float[Array, "..."] = eqx.field(default=0.025, converter=parameter)
    preindustrial_carbon: Float[Array, "..."] = eqx.field(
        default=588.0, converter=parameter, metadata=measured_in("GtC")
    )
    initial_temperature: Float[Array, "..."] = eqx.field(
        default=(0.85, 0.0068), converter=parameter, metadata=measured_in("degC")
    )

    def __check_init__(self):
        for name, unit in (
            ("sensitivity", "degC"),
            ("doubling_forcing", "W/m2"),
            ("response", "degC per W/m2"),
            ("exchange", "W/m2 per degC"),
            ("ocean_response", ""),
            ("preindustrial_carbon", "GtC"),
        ):
            check_positive(f"temperature.{name}", getattr(self, name), unit)
        if self.initial_temperature.shape[-1:] != (2,):
            raise ValueError(
                f"`temperature.initial_temperature` has shape {self.initial_temperature.shape}; give air and deep ocean, in degC."
            )

    def forcing(self, carbon: Scalar, exogenous: Scalar) -> Scalar:
        """Radiative forcing, W/m2, from carbon in the atmosphere (GtC) and the forcing of other gases (W/m2)."""
        return self.doubling_forcing * jnp.log2(carbon / self.preindustrial_carbon) + exogenous

    def advance(self, temperature: Float[Array, "2"], forcing: Scalar) -> Float[Array, "2"]:
        """Temperatures a period later, degC, under the forcing (W/m2) of that period."""
        air, ocean = temperature
        feedback = self.doubling_forcing / self.sensitivity
        warming = self.response * (forcing - feedback * air - self.exchange * (air - ocean))
        return jnp.stack([air + warming, ocean + self.ocean_response * (air - ocean)])

    def rates(self, generator: str) -> AnnualRates:
        """The layers in continuous time: rates of change per year from temperatures (degC) and forcing (W/m2); see `annual_rates`."""
        step, response = jax.jacfwd(self.advance, argnums=(0, 1))(jnp.zeros(2), jnp.zeros(()))
        z = step - jnp.eye(2)
        eigenvalues = pair(jnp.trace(z), z[0, 0] * z[1, 1] - z[0, 1] * z[1, 0])
        return annual_rates(z, response, eigenvalues, YEARS, generator)

    def equilibrium(self, forcing: Scalar) -> Scalar:
        """Long-run warming of both layers, degC, under a constant forcing (W/m2)."""
        return self.sensitivity * forcing / self.doubling_forcing
