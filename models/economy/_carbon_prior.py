"""Prior beliefs about the response to carbon: a Gaussian climate response and two candidate damage functions."""

from typing import Any, Generic, NamedTuple, TypeVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..base import (
    AbstractBlock,
    Point,
    Scalar,
    ScalarLike,
    check_positive,
    is_traced,
    log1p_ratio,
    measured_in,
    parameter,
)
from ..equation import Ensemble
from ._damages import ThresholdDamages

T = TypeVar("T")

# Gauss-Hermite nodes: the tilted Gaussian of the benchmark calibration is integrated to 1e-12 up to E F = 2e4 GtC^2/yr.
_HERMITE = 16
# The truncation is part of the published damage model: its tilt has no finite integral over the whole line.
_WIDTHS, _LEGENDRE = 5.0, 30


class CarbonResponse(NamedTuple, Generic[T]):
    """A member of the joint prior of climate response and damages.

    **Arguments:**

    - `sensitivity`: the climate response, degC per GtC.
    - `weitzman`: 1 if the damages of Weitzman are true, 0 if those of Nordhaus are.

    !!! example

        ```python
        import abatax as ab

        member = ab.models.CarbonResponse(sensitivity=1.7e-3, weitzman=0.0)
        assert member._replace(weitzman=1.0).sensitivity == 1.7e-3
        ```
    """

    sensitivity: T
    weitzman: T


class GaussianTCRE(AbstractBlock):
    r"""Warming proportional to cumulative emissions, $Y = \beta F$, with a Gaussian prior on the slope.

    $$\beta\sim N(\bar\beta, s^2)$$

    **Arguments:**

    - `mean`: $\bar\beta$, degC per GtC.
    - `standard_deviation`: $s$, degC per GtC.

    **Raises:** `ValueError` if the mean or the standard deviation is not positive.

    **Good values:** the defaults are the moments of 150 responses of MacDougall, Swart and Knutti 2017.

    **References:** MacDougall, Swart and Knutti 2017, doi:10.1175/JCLI-D-16-0205.1; Matthews et al. 2009,
    doi:10.1038/nature08047.

    !!! example

        ```python
        import jax.numpy as jnp
        import abatax as ab

        climate = ab.models.GaussianTCRE()
        worst = climate.robust_quadratic(jnp.array(1e3), jnp.array(-1.0), jnp.array(0.0))
        assert worst < -climate.mean  # with 1/xi = 1000: b (mean - a b s^2 / 2)
        ```
    """

    mean: Float[Array, "..."] = eqx.field(
        default=1.7316689431e-3, converter=parameter, metadata=measured_in("degC/GtC")
    )
    standard_deviation: Float[Array, "..."] = eqx.field(
        default=4.929843375e-4, converter=parameter, metadata=measured_in("degC/GtC")
    )

    def __check_init__(self):
        check_positive("climate.mean", self.mean, "degC/GtC")
        check_positive("climate.standard_deviation", self.standard_deviation, "degC/GtC")

    def untruncated(self) -> tuple[Float[Array, " node"], Float[Array, " node"]]:
        """Nodes and weights for expectations of smooth functions (Gauss-Hermite)."""
        z, weights = np.polynomial.hermite_e.hermegauss(_HERMITE)
        return self.mean + self.standard_deviation * z, jnp.asarray(weights / weights.sum())

    def truncated(self) -> tuple[Float[Array, " node"], Float[Array, " node"]]:
        """Nodes and weights of the Gaussian cut at five standard deviations: 30 Gauss-Legendre nodes, as published."""
        z, weights = np.polynomial.legendre.leggauss(_LEGENDRE)
        weights = weights * np.exp(-0.5 * (_WIDTHS * z) ** 2)
        return self.mean + _WIDTHS * self.standard_deviation * z, jnp.asarray(weights / weights.sum())

    def robust_quadratic(self, aversion: ScalarLike, linear: Scalar, quadratic: Scalar) -> Scalar:
        r"""$-\tfrac1a\log E\,e^{-a(b\beta + \frac12c\beta^2)}$ in closed form: the tilted distribution is Gaussian too.

        $$\tfrac12\Big[\tfrac1a\log(1 + acs^2) + \frac{c\bar\beta^2 + 2b\bar\beta - ab^2s^2}{1 + acs^2}\Big]$$

        which is the plain mean at $a = 0$, exactly and with derivatives.

        **Arguments:**

        - `aversion`: $a = 1/\xi$. `linear`, `quadratic`: $b$ and $c$.

        **Returns:** the certainty equivalent; not a number if $1 + acs^2\le0$, where it is minus infinity.
        """
        variance = self.standard_deviation**2
        tilt = aversion * quadratic * variance
        spread = quadratic * variance * log1p_ratio(jnp.asarray(tilt))
        shift = quadratic * self.mean**2 + 2.0 * linear * self.mean - aversion * linear**2 * variance
        return 0.5 * (spread + shift / (1.0 + tilt))


class NordhausWeitzman(AbstractBlock):
    r"""Two candidates for log damages: quadratic (Nordhaus), and steeper beyond a threshold (Weitzman).

    $$\Lambda(y) = \gamma_1y + \tfrac12\gamma_2y^2 + \tfrac12\gamma_2^+(y-\bar\gamma)^2\,1\{y\ge\bar\gamma\},
      \qquad \gamma_2^+ = 0 \text{ with prior probability } w$$

    **Arguments:**

    - `nordhaus`, `weitzman`: the two functions.
    - `nordhaus_weight`: $w$; 1 ("low" damages), 0 ("high") or 0.5 ("weighted").

    **Raises:** `ValueError` if the weight is not between 0 and 1.

    **References:** Barnett, Brock and Hansen 2020, doi:10.1093/rfs/hhz144, section 2.

    !!! example

        ```python
        import jax.numpy as jnp
        import abatax as ab

        prior = ab.models.NordhausWeitzman(nordhaus_weight=1.0).ensemble(ab.models.GaussianTCRE())
        assert abs(float(prior.mean) - 1.73167e-3) < 1e-8
        ```
    """

    nordhaus: ThresholdDamages = eqx.field(default_factory=ThresholdDamages)
    weitzman: ThresholdDamages = eqx.field(default_factory=lambda: ThresholdDamages(curvature=0.0394))
    nordhaus_weight: Float[Array, "..."] = eqx.field(default=0.5, converter=parameter)

    def __check_init__(self):
        weight: Any = self.nordhaus_weight
        if not is_traced(weight) and not np.all((np.asarray(weight) >= 0) & (np.asarray(weight) <= 1)):
            raise ValueError(f"`damages.nordhaus_weight` is {weight}; it must lie between 0 and 1.")

    def ensemble(self, climate: GaussianTCRE) -> Ensemble:
        """Joint discrete prior of climate response and damage function; the nodes of the Nordhaus function come first."""
        (low, p), (high, q) = climate.untruncated(), climate.truncated()
        w = self.nordhaus_weight
        return Ensemble(jnp.concatenate([low, high]), jnp.concatenate([w * p, (1.0 - w) * q]), source="Gaussian")

    def responses(self, climate: GaussianTCRE) -> Point:
        """The members of the ensemble: climate response and damage function of each."""
        flags = jnp.concatenate([jnp.zeros(_HERMITE), jnp.ones(_LEGENDRE)])
        return CarbonResponse(self.ensemble(climate).values, flags)

    def per_carbon(self, cumulative: Scalar, response: Point) -> Scalar:
        r"""$d\Lambda(\beta F)/dF$, per GtC: $\gamma_1\beta + \gamma_2\beta^2F + \gamma_2^+\beta(\beta F-\bar\gamma)_+$."""
        beta = response.sensitivity
        y = beta * cumulative
        steep = response.weitzman > 0.5
        return beta * jnp.where(steep, self.weitzman.slope(y), self.nordhaus.slope(y))

    def log_damages(self, cumulative: Scalar, response: Point) -> Scalar:
        r"""$\Lambda(\beta F)$."""
        y = response.sensitivity * cumulative
        return jnp.where(response.weitzman > 0.5, self.weitzman.log_damages(y), self.nordhaus.log_damages(y))
