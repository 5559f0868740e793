import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..base import AbstractBlock, Scalar, check_positive, is_traced, measured_in, optional_parameter, parameter


class ThresholdDamages(AbstractBlock):
    r"""Log damages quadratic in warming, with extra curvature beyond a threshold.

    $$\log N = \Lambda(y) = \gamma_1y + \tfrac12\gamma_2y^2 + \tfrac12\gamma_3(y-\bar y)^2\,1\{y\ge\bar y\}$$

    **Arguments:**

    - `linear`: $\gamma_1$, per degC.
    - `quadratic`: $\gamma_2$, per degC².
    - `curvature`: $\gamma_3$, per degC²; 0 while the threshold has not been revealed.
    - `threshold`: $\bar y$, degC.

    **Raises:** `ValueError` if `quadratic` or `curvature` is negative.

    **References:** Barnett, Brock and Hansen 2021, doi:10.1086/718668, section 3.

    !!! example

        ```python
        import jax.numpy as jnp

        import abatax as ab

        damages = ab.models.ThresholdDamages(curvature=0.2, threshold=2.0)
        rise = damages.slope(jnp.array(3.0)) - damages.slope(jnp.array(2.0))  # per degC
        assert abs(float(rise) - 0.2044) < 1e-12
        ```
    """

    linear: Float[Array, "..."] = eqx.field(default=1.7675e-4, converter=parameter, metadata=measured_in("1/degC"))
    quadratic: Float[Array, "..."] = eqx.field(default=0.0044, converter=parameter, metadata=measured_in("1/degC^2"))
    curvature: Float[Array, "..."] = eqx.field(default=0.0, converter=parameter, metadata=measured_in("1/degC^2"))
    threshold: Float[Array, "..."] = eqx.field(default=2.0, converter=parameter, metadata=measured_in("degC"))

    def __check_init__(self):
        check_positive("damages.quadratic", self.quadratic, "per degC^2", allow_zero=True)
        check_positive("damages.curvature", self.curvature, "per degC^2", allow_zero=True)

    def log_damages(self, y: Scalar) -> Scalar:
        r"""$\Lambda(y)$; the damaged share of consumption is $1 - e^{-\Lambda}$."""
        beyond = jnp.maximum(y - self.threshold, 0.0)
        return self.linear * y + 0.5 * self.quadratic * y**2 + 0.5 * self.curvature * beyond**2

    def slope(self, y: Scalar) -> Scalar:
        r"""$\Lambda'(y)$, per degC."""
        beyond = jnp.maximum(y - self.threshold, 0.0)
        return self.linear + self.quadratic * y + self.curvature * beyond

    def bend(self, y: Scalar) -> Scalar:
        r"""$\Lambda''(y)$, per degC²; at the threshold the value above it."""
        return self.quadratic + self.curvature * jnp.where(y >= self.threshold, 1.0, 0.0)


class DamageJump(AbstractBlock):
    r"""The event that reveals the true damage curvature.

    $$J(y) = \min\big\{r_1\big(e^{\frac{r_2}2(y-\underline y)^2} - 1\big),\;\bar J\big\}\,1\{y\ge\underline y\}\quad\text{per year}$$

    **Arguments:**

    - `curvatures`: $\gamma_3^m$, per degC², the possible damage functions.
    - `probabilities`: $\pi_m$; equal if left out.
    - `rate`: $r_1$, per year.
    - `steepness`: $r_2$, per degC².
    - `onset`: $\underline y$, degC: no jump below.
    - `highest_rate`: $\bar J$, per year; none if left out.

    **Raises:** `ValueError` naming a parameter that is negative, or probabilities that do not match the curvatures or sum to
    zero.

    **References:** Barnett, Brock and Hansen 2021, doi:10.1086/718668, section 3.

    !!! example

        ```python
        import jax.numpy as jnp

        import abatax as ab

        jump = ab.models.DamageJump(curvatures=[0.0, 0.1, 0.2], highest_rate=0.5)
        assert jump.intensity(jnp.array(1.5)) == 0.0  # per year
        assert abs(float(jump.intensity(jnp.array(3.0))) - 0.5) < 1e-12
        ```
    """

    curvatures: Float[Array, "*family outcome"] = eqx.field(
        default_factory=lambda: np.linspace(0.0, 1.0 / 3.0, 20), converter=parameter, metadata=measured_in("1/degC^2")
    )
    probabilities: Float[Array, "*family outcome"] | None = eqx.field(default=None, converter=optional_parameter)
    rate: Float[Array, "..."] = eqx.field(default=1.5, converter=parameter, metadata=measured_in("1/yr"))
    steepness: Float[Array, "..."] = eqx.field(default=2.5, converter=parameter, metadata=measured_in("1/degC^2"))
    onset: Float[Array, "..."] = eqx.field(default=1.5, converter=parameter, metadata=measured_in("degC"))
    highest_rate: Float[Array, "..."] | None = eqx.field(default=None, converter=optional_parameter)

    def __check_init__(self):
        check_positive("damage_jump.curvatures", self.curvatures, "per degC^2", allow_zero=True)
        check_positive("damage_jump.rate", self.rate, "per year", allow_zero=True)
        check_positive("damage_jump.steepness", self.steepness, "per degC^2", allow_zero=True)
        if self.highest_rate is not None:
            check_positive("damage_jump.highest_rate", self.highest_rate, "per year")
        if self.probabilities is not None:
            check_positive("damage_jump.probabilities", self.probabilities, allow_zero=True)
            if self.probabilities.shape != self.curvatures.shape:
                raise ValueError(
                    f"`damage_jump.probabilities` has shape {self.probabilities.shape}; it must match the"
                    f" curvatures, {self.curvatures.shape}."
                )

            if not is_traced(self.probabilities) and not bool(jnp.all(jnp.sum(self.probabilities, axis=-1) > 0)):
                raise ValueError("`damage_jump.probabilities` sum to 0; give at least one that is > 0.")

    @property
    def prior(self) -> Float[Array, "*family outcome"]:
        """Prior probabilities, normalised."""
        if self.probabilities is None:
            return jnp.full_like(self.curvatures, 1.0 / self.curvatures.shape[-1])
        return self.probabilities / jnp.sum(self.probabilities, axis=-1, keepdims=True)

    def intensity(self, y: Scalar) -> Scalar:
        """Rate of the event at temperature `y`, per year."""
        beyond = jnp.maximum(y - self.onset, 0.0)
        exponent = 0.5 * self.steepness * beyond**2
        if self.highest_rate is None:
            return self.rate * jnp.expm1(exponent)
        # The exponent is bounded first, as the exponential would overflow at high temperatures.
        most = jnp.log1p(self.highest_rate / self.rate)
        return self.rate * jnp.expm1(jnp.minimum(exponent, most))

    @property
    def kinks(self) -> tuple[Array, ...]:
        """Temperatures, degC, at which the rate has a kink."""
        if self.highest_rate is None:
            return (self.onset,)
        reach = jnp.sqrt(2.0 / self.steepness * jnp.log1p(self.highest_rate / self.rate))
        return self.onset, self.onset + reach
