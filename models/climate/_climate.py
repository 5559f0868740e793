from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..base import Point, Scalar, Variable, check_positive, measured_in, parameter, tilted_weights
from ..equation import Ambiguity, Ensemble, Growth, Inflow
from ._physical_climate import AbstractPhysicalClimate

T = TypeVar("T")

# Newton steps on log emissions converge quadratically: after a step this small the error is below 1e-14.
_CONVERGED = 1e-7


class Temperature(NamedTuple, Generic[T]):
    temperature: T


TEMPERATURE = Variable("temperature anomaly above 1850-1900", "degC", 0.9, 4.0, "Surface Temperature (GSAT)", "y")


class TCREClimate(AbstractPhysicalClimate):
    r"""Warming proportional to cumulative emissions, with an uncertain slope and noise.

    $$dY = E\,(\theta_\ell\,dt + \varsigma\,dW^y)$$

    **Arguments:**

    - `ensemble`: the slopes $\theta_\ell$ and their prior, degC per GtC.
    - `relative_volatility`: $\varsigma$ as a multiple of the prior mean slope, per square root of a year.
    - `initial_temperature`: temperature at the start, degC above 1850-1900.

    **Raises:** `ValueError` if the volatility is negative.

    **References:** Matthews et al. 2009, doi:10.1038/nature08047; noise and ensemble as in Barnett, Brock and
    Hansen 2021, doi:10.1086/718668.

    !!! example

        ```python
        import jax.numpy as jnp

        import abatax as ab

        climate = ab.models.TCREClimate(ensemble=ab.models.Ensemble.certain(1.8e-3))
        warming = climate.drift(jnp.array(10.0), climate.ensemble.mean)  # degC per year from 10 GtC per year
        assert abs(float(warming) - 0.018) < 1e-12
        ```
    """

    ensemble: Ensemble = eqx.field(default_factory=Ensemble.published)
    relative_volatility: Float[Array, "..."] = eqx.field(
        default=1.2, converter=parameter, metadata=measured_in("yr^-1/2")
    )
    initial_temperature: Float[Array, "..."] = eqx.field(default=1.1, converter=parameter, metadata=measured_in("degC"))

    def __check_init__(self):
        check_positive("climate.relative_volatility", self.relative_volatility, allow_zero=True)

    @property
    def volatility(self) -> Scalar:
        r"""$\varsigma$ in degC per GtC and square root of a year."""
        return self.relative_volatility * self.ensemble.mean

    def drift(self, emissions: Scalar, slope: Scalar) -> Scalar:
        """Warming, degC/yr, from emissions in GtC/yr."""
        return emissions * slope

    def diffusion(self, emissions: Scalar) -> Scalar:
        """Loading of temperature on its shock, degC per square root of a year."""
        return emissions * self.volatility

    # -- the interface of a physical climate ------------------------------------------------------------

    @property
    def states(self) -> Point:
        return Temperature(TEMPERATURE)

    def rates(self, y: Point, emissions: Scalar, member: Scalar) -> Point:
        return Temperature(self.drift(emissions, member))

    def loadings(self, y: Point, emissions: Scalar) -> Point:
        return Temperature(self.diffusion(emissions))

    def start(self) -> Point:
        return Temperature(self.initial_temperature)

    def closures(self, harm: Callable[[Scalar, Point], Scalar]) -> Point:
        # an error of the slope at the upper face decays as exp(-delta dy / (theta E))
        return Temperature((Inflow(extension=0.1), Growth(slope=harm, extension=7.0)))

    def best_emissions(
        self,
        weight: Scalar,
        gain: Scalar,
        curvature: Scalar,
        ambiguity: Ambiguity,
        shock_aversion: Scalar,
        exogenous: Scalar,
        low: float,
        high: float,
    ) -> Scalar:
        r"""Emissions that maximise $w\log e + \mathrm{CE}_\ell[G\theta_\ell E] + \tfrac12\varsigma^2E^2F$, $E = e + x$.

        The first-order condition at the saddle, $w/e + G\Theta(\omega^*(E)) + F\varsigma^2E = 0$ with
        $F = H - G^2/\xi_r$ (models with logarithmic flow utility of emissions), is solved for $\log e$ by Newton's
        method from the root under the prior, which lies above the robust root: convergence is monotone.

        **Arguments:**

        - `weight`: $w$, weight of $\log e$ in the flow.
        - `gain`: $G$, marginal value of temperature (with damages), negative if warming is harmful.
        - `curvature`: $H$, its derivative in temperature.
        - `shock_aversion`: $1/\xi_r$ of the temperature shock.
        - `exogenous`: $x$, exogenous emissions, GtC/yr.
        - `low`, `high`: bounds on $e$, GtC/yr.
        """
        theta, prior = self.ensemble.values, self.ensemble.weights
        second = self.volatility**2 * (curvature - shock_aversion * gain**2)

        def closed_form(slope):
            linear = gain * slope + second * exogenous
            root = jnp.sqrt(jnp.maximum(linear**2 - 4.0 * weight * second, 0.0))
            below = root - linear  # > 0 if warming or its noise is harmful
            return jnp.where(below > 0, 2.0 * weight / jnp.where(below > 0, below, 1.0), high)

        def step(carry):
            log_e, _, count = carry
            e = jnp.exp(log_e)
            total = e + exogenous
            omega = tilted_weights(ambiguity.climate, gain * total * theta, prior)
            mean = omega @ theta
            spread = omega @ (theta - mean) ** 2
            value = weight + gain * mean * e + second * total * e
            slope = gain * mean * e - ambiguity.climate * gain**2 * spread * e * e + second * (total + e) * e
            # If noise makes emissions beneficial, there is no root ahead: move towards the bound.
            walk = jnp.where(value > 0, 2.0, -1.0)
            move = jnp.where(slope < 0, -value / jnp.where(slope < 0, slope, 1.0), walk)
            new = jnp.clip(log_e + jnp.clip(move, -2.0, 2.0), jnp.log(low), jnp.log(high))
            return new, jnp.abs(new - log_e), count + 1

        start = jnp.log(jnp.clip(closed_form(self.ensemble.mean), low, high))
        log_e, _, _ = jax.lax.while_loop(
            lambda c: (c[1] > _CONVERGED) & (c[2] < 40), step, (start, jnp.array(1.0), jnp.array(0))
        )
        return jnp.exp(log_e)
