"""Exogenous parameters and paths of DICE-2016R, common to its versions in discrete and in continuous time."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..base import Scalar, check_positive, check_share, measured_in, parameter
from ._dice_economy import YEARS, DiceEconomy, DiceGrowth

WELFARE_SCALE = 0.0302455265681763  # as published; it does not affect the path
_FORCING_PERIODS = 17.0  # periods until 2100, from when the forcing of other gases is constant
_NO_REMOVAL_PERIODS = 29.0  # periods until 2160, from when abatement may exceed industrial emissions
_MOST_ABATEMENT = 1.2
_ROUNDING = 1e-11  # periods: rounding of times that are sums of steps


class Dice2016World(eqx.Module):
    """Parameters and exogenous paths as functions of time $n$ in periods of five years from 2015 (see `Dice2016`)."""

    growth: DiceGrowth = eqx.field(default_factory=DiceGrowth)
    economy: DiceEconomy = eqx.field(default_factory=DiceEconomy)
    intensity_growth: Float[Array, "..."] = eqx.field(
        default=-0.0152, converter=parameter, metadata=measured_in("1/yr")
    )
    intensity_decline: Float[Array, "..."] = eqx.field(default=0.001, converter=parameter, metadata=measured_in("1/yr"))
    initial_emissions: Float[Array, "..."] = eqx.field(
        default=35.85, converter=parameter, metadata=measured_in("GtCO2/yr")
    )
    initial_output: Float[Array, "..."] = eqx.field(
        default=105.5, converter=parameter, metadata=measured_in("trillion US$/yr")
    )
    initial_abatement: Float[Array, "..."] = eqx.field(default=0.03, converter=parameter)
    backstop: Float[Array, "..."] = eqx.field(default=550.0, converter=parameter, metadata=measured_in("US$/tCO2"))
    backstop_decline: Float[Array, "..."] = eqx.field(default=0.025, converter=parameter)
    land_emissions: Float[Array, "..."] = eqx.field(default=2.6, converter=parameter, metadata=measured_in("GtCO2/yr"))
    land_decline: Float[Array, "..."] = eqx.field(default=0.115, converter=parameter)
    first_forcing: Float[Array, "..."] = eqx.field(default=0.5, converter=parameter, metadata=measured_in("W/m2"))
    last_forcing: Float[Array, "..."] = eqx.field(default=1.0, converter=parameter, metadata=measured_in("W/m2"))

    def __check_init__(self):
        check_positive("initial_emissions", self.initial_emissions, "GtCO2/yr")
        check_positive("initial_output", self.initial_output, "trillion US$/yr")
        check_positive("backstop", self.backstop, "US$/tCO2")
        check_share("initial_abatement", self.initial_abatement)
        check_share("backstop_decline", self.backstop_decline)
        check_share("land_decline", self.land_decline)

    @property
    def first_intensity(self) -> Scalar:
        """Emissions per output in 2015 without abatement, GtCO2 per trillion US$."""
        return self.initial_emissions / (self.initial_output * (1.0 - self.initial_abatement))

    def intensity_at(self, n: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""Emission intensity $\sigma$, GtCO2 per trillion US$, in closed form."""
        fade = YEARS * jnp.log1p(-self.intensity_decline)
        return self.first_intensity * jnp.exp(YEARS * self.intensity_growth * jnp.expm1(fade * n) / jnp.expm1(fade))

    def backstop_at(self, n: Float[Array, "..."]) -> Float[Array, "..."]:
        """Price of the backstop (full abatement), US$/tCO2."""
        return self.backstop * (1.0 - self.backstop_decline) ** n

    def land_at(self, n: Float[Array, "..."]) -> Float[Array, "..."]:
        """Emissions from land, GtCO2/yr."""
        return self.land_emissions * (1.0 - self.land_decline) ** n

    def forcing_at(self, n: Float[Array, "..."]) -> Float[Array, "..."]:
        """Forcing of other gases, W/m2."""
        return self.first_forcing + (self.last_forcing - self.first_forcing) * jnp.minimum(n / _FORCING_PERIODS, 1.0)

    def abatement_limits(self, n: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """Lower and upper bounds of abatement, which are equal in the first period."""
        n = n + _ROUNDING
        first, later = n < 1.0, jnp.where(n < _NO_REMOVAL_PERIODS, 1.0, _MOST_ABATEMENT)
        return jnp.where(first, self.initial_abatement, 0.0), jnp.where(first, self.initial_abatement, later)

    @staticmethod
    def turning_points() -> tuple[float, ...]:
        """Years from 2015 at which one of the exogenous paths has a kink or a jump."""
        return (float(YEARS), YEARS * _FORCING_PERIODS, YEARS * _NO_REMOVAL_PERIODS)
