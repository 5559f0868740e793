from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..base import Point, Scalar, Variable, check_positive, is_traced, measured_in, parameter
from ..equation import Ensemble, Inflow, Outflow
from ._annual_rates import GENERATORS
from ._carbon_reservoirs import CarbonReservoirs
from ._climate import TEMPERATURE
from ._physical_climate import AbstractPhysicalClimate
from ._temperature_layers import TemperatureLayers

T = TypeVar("T")


class CarbonCycle(NamedTuple, Generic[T]):
    carbon_air: T
    carbon_upper: T
    carbon_deep: T
    temperature: T
    temperature_ocean: T


# The lower bounds of carbon are its preindustrial equilibrium.
STATES = CarbonCycle(
    Variable("carbon in the air", "GtC", 588.0, 1600.0, symbol="M_AT"),
    Variable("carbon in the upper ocean and the biosphere", "GtC", 360.0, 1000.0, symbol="M_UP"),
    Variable("carbon in the deep ocean", "GtC", 1720.0, 2200.0, symbol="M_LO"),
    TEMPERATURE,
    Variable("temperature anomaly of the deep ocean", "degC", 0.0, 3.0, symbol="T_LO"),
)


def _carbon() -> CarbonReservoirs:
    return CarbonReservoirs(initial_carbon=(898.0, 485.0, 1741.0))


def _layers() -> TemperatureLayers:
    return TemperatureLayers(initial_temperature=(1.2, 0.053))


class CarbonCycleClimate(AbstractPhysicalClimate):
    r"""Three reservoirs of carbon and two layers of temperature in continuous time: the climate of DICE-2016R as a flow.

    $$dM = (GM + (E, 0, 0))\,dt,\qquad dT = (H_\ell T + h_\ell F)\,dt + (\varsigma_T, 0)\,dW^y,\qquad
      F = \kappa\log_2(M_1/M^*) + F_{ex}$$

    $G$, $H$ and $h$ follow from the five-year steps of [`CarbonReservoirs`][] and [`TemperatureLayers`][], in one of two ways:

    - `logarithm` (default, variant D): the flow that reproduces the steps exactly, $e^{5G} = B$; nearest to DICE. Its two
      exchanges between air and deep ocean are negative but small.
    - `euler` (variant A): $G = (B-I)/5$, the limit of DICE with ever shorter steps.

    The members of the ensemble, degC per GtC, **scale the sensitivity**: $S_\ell = S\,\theta_\ell/\bar\theta$, so that only their
    relative spread matters. The spread of transient warming is smaller, as more sensitive layers respond more slowly.

    **Arguments:**

    - `ensemble`: the uncertainty of the sensitivity.
    - `carbon`, `layers`: the blocks, with their initial states.
    - `exogenous_forcing`: $F_{ex}$ of other gases and aerosols, W/m2, constant.
    - `temperature_volatility`: $\varsigma_T$, degC per square root of a year.
    - `generator`: `logarithm` or `euler`.

    **Raises:** `ValueError` naming a parameter that is out of range, or an exchange of carbon so fast that the step has no
    logarithm.

    **Good values:** initial carbon in the air is 422.8 ppm of 2024 (NOAA) times 2.124 GtC; the other reservoirs and the deep
    ocean, which are not observed, are those of the optimal path of DICE-2016R in 2025. Exogenous forcing is the forcing of all
    agents except CO2 in 2019 (IPCC AR6 WGI, table 7.8: 2.72 - 2.16). The volatility is an assumption: 0.085 degC of persistent
    natural variability.

    **Limitations:** of a pulse of 100 GtC into the preindustrial air 62 % remains after 50 years and 60 % after 100 years; Earth
    system models retain some 41 % (Joos et al. 2013). Warming peaks after 158 years, in Earth system models within some ten years.
    Under 10 GtC/yr for 70 and 100 years warming is 2.20 and 2.30 degC per 1000 GtC, **at the upper end** of the range assessed as
    likely, 1.0 to 2.3 (AR6 WGI, D.1.1). Under 5 GtC/yr it is 2.46 and 2.65, **outside** this range, as forcing is logarithmic and
    the sinks do not saturate. Long-run warming from a doubling of carbon is the sensitivity, 3.1 degC.

    The climate has five states, an economy with two capitals seven. This is too many for grids; suitable solvers are those without
    a mesh (`Features` with additive terms, networks), or `OpenLoop` without noise.

    **References:** Nordhaus 2017, doi:10.1073/pnas.1609244114 (DICE-2016R); Dietz, van der Ploeg, Rezai and Venmans 2021, "Are
    Economists Getting Climate Dynamics Right and Does It Matter?", doi:10.1086/713977 (slow warming); Joos et al. 2013,
    doi:10.5194/acp-13-2793-2013; IPCC AR6 WGI, doi:10.1017/9781009157896.001.

    !!! example

        ```python
        import abatax as ab

        model = ab.models.NetZero(climate=ab.models.CarbonCycleClimate())
        assert len(model.states) == 7 and model.states.temperature.unit == "degC"
        ```
    """

    ensemble: Ensemble = eqx.field(default_factory=Ensemble.published)
    carbon: CarbonReservoirs = eqx.field(default_factory=_carbon)
    layers: TemperatureLayers = eqx.field(default_factory=_layers)
    exogenous_forcing: Float[Array, "..."] = eqx.field(default=0.56, converter=parameter, metadata=measured_in("W/m2"))
    temperature_volatility: Float[Array, "..."] = eqx.field(
        default=0.02, converter=parameter, metadata=measured_in("degC yr^-1/2")
    )
    generator: str = eqx.field(static=True, default="logarithm")

    def __check_init__(self):
        check_positive("climate.temperature_volatility", self.temperature_volatility, allow_zero=True)
        if self.generator not in GENERATORS:
            raise ValueError(f"`climate.generator` is {self.generator!r}; use {' or '.join(GENERATORS)}.")
        fastest = self.carbon.eigenvalues()[-1]
        if self.generator == "logarithm" and not is_traced(fastest) and not np.all(fastest > -1.0):
            raise ValueError(
                f"`climate.carbon.surface_exchange` is {self.carbon.surface_exchange}; a step in which carbon overshoots has no"
                " logarithm: lower it, or use the generator euler."
            )

    @property
    def states(self) -> Point:
        return STATES

    def flow(self, y: Point, emissions: Scalar, forcing: Scalar, sensitivity: Scalar) -> Point:
        """Drift per year under emissions in GtC/yr and the forcing of other gases in W/m2, at a sensitivity in degC."""
        layers = eqx.tree_at(lambda block: block.sensitivity, self.layers, sensitivity)
        exchange, heat = self.carbon.rates(self.generator), layers.rates(self.generator)
        air, upper, deep = exchange @ jnp.stack(y[:3])
        warming = heat.matrix @ jnp.stack(y[3:]) + heat.input * layers.forcing(y.carbon_air, forcing)
        return CarbonCycle(air + emissions, upper, deep, *warming)

    def sensitivity(self, member: Scalar) -> Scalar:
        r"""$S_\ell$, degC, of a member of the ensemble."""
        return self.layers.sensitivity * member / self.ensemble.mean

    def rates(self, y: Point, emissions: Scalar, member: Scalar) -> Point:
        return self.flow(y, emissions, self.exogenous_forcing, self.sensitivity(member))

    def loadings(self, y: Point, emissions: Scalar) -> Point:
        zero = jnp.zeros_like(y.temperature)
        return CarbonCycle(zero, zero, zero, zero + self.temperature_volatility, zero)

    def start(self) -> Point:
        return CarbonCycle(*self.carbon.initial_carbon, *self.layers.initial_temperature)

    def closures(self, harm: Callable[[Scalar, Point], Scalar]) -> Point:
        # No slope is known at high temperatures: temperature falls again, so that `harm`, for a lasting degree, does not apply.
        del harm
        return CarbonCycle(
            (Inflow(), Outflow(extension=400.0)),
            (Inflow(), Outflow(extension=200.0)),
            # weak outward drift at low content, if the exchange with the air is negative
            (Outflow(), Outflow(extension=200.0)),
            # beyond 6 degC temperature falls unless the air holds more than 2000 GtC
            (Inflow(extension=0.9), Inflow(extension=2.0)),
            (Inflow(), Outflow(extension=1.0)),
        )
