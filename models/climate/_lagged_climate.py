from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..base import Point, Scalar, Variable, check_positive, measured_in, parameter
from ..equation import Ensemble, Growth, Inflow
from ._climate import TEMPERATURE, TCREClimate
from ._physical_climate import AbstractPhysicalClimate

T = TypeVar("T")


class TemperatureAndRate(NamedTuple, Generic[T]):
    temperature: T
    warming_rate: T


# the upper bound is the long-run rate under 27 GtC/yr
WARMING_RATE = Variable("rate of warming", "degC/yr", 0.0, 0.05, symbol="w")


class LaggedClimate(AbstractPhysicalClimate):
    r"""Warming that follows cumulative emissions with a lag: the rate of warming approaches that of `TCREClimate`.

    $$dY_1 = Y_2\,dt,\qquad dY_2 = \lambda\big[(\theta_\ell E - Y_2)\,dt + \varsigma E\,dW^y\big]$$

    The warming from a pulse of carbon is the share $1-e^{-\lambda t}$ of $\theta_\ell$ per GtC after $t$ years, without a peak.
    Temperature has no noise of its own. As $\lambda\to\infty$ this becomes [`TCREClimate`][].

    **Arguments:**

    - `ensemble`, `relative_volatility`, `initial_temperature`: those of [`TCREClimate`][].
    - `adjustment`: $\lambda$, per year.
    - `initial_rate`: initial rate of warming, degC per year.

    **Raises:** `ValueError` if the rate is not positive or the volatility is negative.

    **Good values:** $\lambda = \ln 2/6$, half of the response after six years, to 5, as published. Under constant emissions for $t$
    years the warming per carbon is the share $1 - (1-e^{-\lambda t})/(\lambda t)$ of $\theta$: 0.88 after 70 years at the slowest
    rate, or 1.64e-3 degC per GtC with the published mean, within the likely range of the assessment (1.0 to 2.3 degC per 1000 GtC).
    The initial rate, 0.02 degC per year, is that of 2010 to 2025
    (human-induced warming of 0.2 to 0.3 degC per decade: Forster et al. 2025).

    **References:** Barnett, Brock and Hansen 2021, "Climate Change Uncertainty Spillover in the Macroeconomy", doi:10.1086/718668,
    appendix C (without noise); IPCC AR6 WGI, doi:10.1017/9781009157896.001, D.1.1; Forster et al. 2025, doi:10.5194/essd-17-2641-2025.

    !!! example

        ```python
        import abatax as ab

        model = ab.models.NetZero(climate=ab.models.LaggedClimate())
        assert model.states._fields[2:] == ("temperature", "warming_rate")
        ```
    """

    ensemble: Ensemble = eqx.field(default_factory=Ensemble.published)
    relative_volatility: Float[Array, "..."] = eqx.field(
        default=1.2, converter=parameter, metadata=measured_in("yr^-1/2")
    )
    initial_temperature: Float[Array, "..."] = eqx.field(default=1.2, converter=parameter, metadata=measured_in("degC"))
    initial_rate: Float[Array, "..."] = eqx.field(default=0.02, converter=parameter, metadata=measured_in("degC/yr"))
    adjustment: Float[Array, "..."] = eqx.field(
        default=0.1155245300933242, converter=parameter, metadata=measured_in("1/yr")
    )  # ln 2 / 6

    def __check_init__(self):
        check_positive("climate.relative_volatility", self.relative_volatility, allow_zero=True)
        check_positive("climate.adjustment", self.adjustment, "per year")

    @property
    def at_once(self) -> TCREClimate:
        """The same climate without the lag."""
        return TCREClimate(self.ensemble, self.relative_volatility, self.initial_temperature)

    @property
    def states(self) -> Point:
        return TemperatureAndRate(TEMPERATURE, WARMING_RATE)

    def rates(self, y: Point, emissions: Scalar, member: Scalar) -> Point:
        target = self.at_once.drift(emissions, member)
        return TemperatureAndRate(y.warming_rate, self.adjustment * (target - y.warming_rate))

    def loadings(self, y: Point, emissions: Scalar) -> Point:
        noise = self.adjustment * self.at_once.diffusion(emissions)
        return TemperatureAndRate(jnp.zeros_like(noise), noise)

    def start(self) -> Point:
        return TemperatureAndRate(self.initial_temperature, self.initial_rate)

    def closures(self, harm: Callable[[Scalar, Point], Scalar]) -> Point:
        def committed(t: Scalar, x: Point) -> Scalar:
            # The long-run temperature without further emissions; discounting, of relative size delta / lambda, is neglected.
            return harm(t, x._replace(temperature=x.temperature + x.warming_rate / self.adjustment))

        # Noise carries the rate below zero, by 0.01 degC/yr (two standard deviations) at 10 GtC/yr; the drift points inwards at
        # both faces.
        rate = Inflow(extension=0.02), Inflow(extension=0.03)
        return TemperatureAndRate((Inflow(extension=0.1), Growth(slope=committed, extension=7.0)), rate)
