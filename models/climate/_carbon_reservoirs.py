import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..base import AbstractBlock, Scalar, check_positive, check_share, measured_in, parameter
from ._annual_rates import annual_rates, pair

YEARS = 5.0  # of a step

TONNES_CO2_PER_TONNE_CARBON = 3.666  # the constant of the published programs


class CarbonReservoirs(AbstractBlock):
    r"""Three reservoirs of carbon (atmosphere, upper ocean with biosphere, deep ocean) with exchange in steps of five years.

    $$M' = BM + \tfrac{5}{3.666}(E, 0, 0),\qquad B = \begin{pmatrix}1-b_{12}&b_{21}&0\\b_{12}&1-b_{21}-b_{23}&b_{32}\\
    0&b_{23}&1-b_{32}\end{pmatrix}$$

    with $b_{21} = b_{12}M_1^*/M_2^*$ and $b_{32} = b_{23}M_2^*/M_3^*$, so that $M^*$ is an equilibrium. Columns sum to one:
    carbon is conserved.

    **Arguments:**

    - `surface_exchange`: $b_{12}$, share of the carbon in the atmosphere that moves to the upper ocean in a period.
    - `deep_exchange`: $b_{23}$, share of the carbon in the upper ocean that moves to the deep ocean in a period.
    - `equilibrium`: $M^*$, GtC.
    - `initial_carbon`: $M_0$, GtC.

    **Raises:** `ValueError` naming a parameter that is out of range.

    **References:** Nordhaus 2017, doi:10.1073/pnas.1609244114 (DICE-2016R).

    !!! example

        ```python
        import jax.numpy as jnp

        import abatax as ab

        carbon = ab.models.CarbonReservoirs()
        rest = carbon.advance(carbon.equilibrium, jnp.array(0.0))
        assert jnp.allclose(rest, carbon.equilibrium)
        ```
    """

    surface_exchange: Float[Array, "..."] = eqx.field(default=0.12, converter=parameter)
    deep_exchange: Float[Array, "..."] = eqx.field(default=0.007, converter=parameter)
    equilibrium: Float[Array, "..."] = eqx.field(
        default=(588.0, 360.0, 1720.0), converter=parameter, metadata=measured_in("GtC")
    )
    initial_carbon: Float[Array, "..."] = eqx.field(
        default=(851.0, 460.0, 1740.0), converter=parameter, metadata=measured_in("GtC")
    )

    def __check_init__(self):
        check_share("carbon.surface_exchange", self.surface_exchange)
        check_share("carbon.deep_exchange", self.deep_exchange)
        for name in ("equilibrium", "initial_carbon"):
            value = getattr(self, name)
            if value.shape[-1:] != (3,):
                raise ValueError(f"`carbon.{name}` has shape {value.shape}; give three reservoirs, in GtC.")
            check_positive(f"carbon.{name}", value, "GtC")

    @property
    def exchange(self) -> Float[Array, "3 3"]:
        """$B$: the distribution (rows) after one period of the carbon of each reservoir (column)."""
        down, deep, rest = self.surface_exchange, self.deep_exchange, self.equilibrium
        up, rise, zero = down * rest[0] / rest[1], deep * rest[1] / rest[2], jnp.zeros_like(down)
        rows = (1.0 - down, up, zero), (down, 1.0 - up - deep, rise), (zero, deep, 1.0 - rise)
        return jnp.stack([jnp.stack(row) for row in rows])

    def advance(self, carbon: Float[Array, "3"], emissions: Scalar) -> Float[Array, "3"]:
        """GtC a period later, with emissions in GtCO2/yr."""
        inflow = YEARS * emissions / TONNES_CO2_PER_TONNE_CARBON
        return self.exchange @ carbon + jnp.stack([inflow, jnp.zeros_like(inflow), jnp.zeros_like(inflow)])

    def eigenvalues(self) -> tuple[Scalar, Scalar, Scalar]:
        """Eigenvalues of $B - I$: zero, as carbon is conserved, and two negative ones."""
        z = self.exchange - jnp.eye(3)
        minors = (z[i, i] * z[j, j] - z[i, j] * z[j, i] for i, j in ((0, 1), (0, 2), (1, 2)))
        return jnp.zeros_like(z[0, 0]), *pair(jnp.trace(z), sum(minors, jnp.zeros(())))

    def rates(self, generator: str) -> Float[Array, "3 3"]:
        """Exchange in continuous time, per year; columns sum to zero (see `annual_rates`)."""
        change = self.exchange - jnp.eye(3)
        return annual_rates(change, jnp.zeros(3), self.eigenvalues(), YEARS, generator).matrix
