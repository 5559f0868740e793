import abc
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from equinox import AbstractVar
from jaxtyping import Array, Float

from ..base import AbstractBlock, Scalar, check_positive, measured_in, parameter, scaled_expm1


class AbstractPreferences(AbstractBlock):
    """Aggregator $F(x, u, V)$ of flow utility and the value of the future.

    **Raises:** `ValueError` if the discount rate is not positive.

    !!! example

        ```python
        import jax.numpy as jnp

        import abatax as ab

        preferences = ab.models.TimeAdditive(0.02)
        assert isinstance(preferences, ab.models.AbstractPreferences)
        assert preferences.aggregate(jnp.array(1.0), jnp.array(50.0)) == 0.0  # flow utility equals interest on value
        ```
    """

    discount_rate: AbstractVar[Float[Array, "..."]]

    @abc.abstractmethod
    def aggregate(self, utility: Scalar, value: Scalar) -> Scalar:
        """The flow term of the HJB equation, given the flow utility and the value function."""

    @property
    def excess_risk_aversion(self) -> Float[Array, "..."]:
        r"""$\gamma-1$, risk aversion in excess of that of expected utility in log-consumption units; zero for expected utility."""
        return jnp.zeros(())

    def risk_term(self, exposure: Float[Array, " noise"]) -> Scalar:
        r"""$-\tfrac{\gamma-1}2|\sigma^\top V_x|^2$: effect of risk aversion to shocks on the equation, per year."""
        return jnp.zeros(())

    def jump_gain(self, gains: Float[Array, " outcome"]) -> Float[Array, " outcome"]:
        r"""$(1 - e^{-(\gamma-1)(V^m-V)})/(\gamma-1)$: gains of the outcomes of a jump, transformed by risk aversion."""
        return gains

    def __check_init__(self):
        check_positive("discount_rate", self.discount_rate, "per year")


class TimeAdditive(AbstractPreferences):
    r"""Time-additive expected utility: $F = U(x,u) - \delta V$.

    Each model states whether its $U$ contains a factor $\delta$; penalties are quoted in the same convention.

    **Arguments:**

    - `discount_rate`: $\delta$, per year.

    !!! example

        ```python
        import abatax as ab

        model = ab.models.UncertainDamages(preferences=ab.models.TimeAdditive(0.02))
        assert float(model.preferences.discount_rate) == 0.02
        ```
    """

    discount_rate: Float[Array, "..."] = eqx.field(default=0.01, converter=parameter, metadata=measured_in("1/yr"))

    def aggregate(self, utility: Scalar, value: Scalar) -> Scalar:
        return utility - self.discount_rate * value


class EpsteinZin(AbstractPreferences):
    r"""Recursive utility in log-consumption units, which separates risk aversion $\gamma$ from the elasticity $1/\rho$.

    $$F = \tfrac{\delta}{1-\rho}\big[(C e^{-V})^{1-\rho} - 1\big] - \tfrac{\gamma-1}2|\sigma^\top V_x|^2,\qquad
        V^m - V\ \to\ \tfrac{1 - e^{-(\gamma-1)(V^m-V)}}{\gamma-1}\ \text{in the terms of jumps}$$

    At $\rho = 1$ the first term is $\delta(\log C - V)$. At $\gamma = 1$ (the default) the other terms are those of expected utility,
    exactly and with their derivatives. Without ambiguity, risk aversion acts like an aversion $\gamma-1$ to misspecified shocks and
    jumps; below 1 it has the opposite sign. With `Ambiguity` the two aversions add up for shocks; for jumps, the worst case
    distorts the intensities of gains that risk aversion has transformed. The reported worst case contains ambiguity alone.

    **Arguments:**

    - `discount_rate`: $\delta$, per year.
    - `inverse_eis`: $\rho$, the inverse elasticity of intertemporal substitution.
    - `risk_aversion`: $\gamma$, relative risk aversion.

    The model's `utility` is then $\log C$.

    **Raises:** `ValueError` if the discount rate or the risk aversion is not positive.

    **References:** Duffie and Epstein 1992, doi:10.2307/2951600; Hansen, Heaton and Li 2008, doi:10.1086/588200.

    !!! example

        ```python
        import jax.numpy as jnp

        import abatax as ab

        averse = ab.models.EpsteinZin(0.02, inverse_eis=1.5, risk_aversion=5.0)
        assert abs(float(averse.risk_term(jnp.array([0.1]))) + 0.02) < 1e-15
        ```
    """

    discount_rate: Float[Array, "..."] = eqx.field(default=0.01, converter=parameter, metadata=measured_in("1/yr"))
    inverse_eis: Float[Array, "..."] = eqx.field(default=1.0, converter=parameter)
    risk_aversion: Float[Array, "..."] = eqx.field(default=1.0, converter=parameter)

    def __check_init__(self):
        check_positive("risk_aversion", self.risk_aversion)

    def aggregate(self, utility: Scalar, value: Scalar) -> Scalar:
        return self.discount_rate * scaled_expm1(1.0 - self.inverse_eis, utility - value)

    @property
    def excess_risk_aversion(self) -> Float[Array, "..."]:
        return self.risk_aversion - 1.0

    def risk_term(self, exposure: Float[Array, " noise"]) -> Scalar:
        return -0.5 * self.excess_risk_aversion * jnp.sum(exposure**2)

    def jump_gain(self, gains: Float[Array, " outcome"]) -> Float[Array, " outcome"]:
        return scaled_expm1(-self.excess_risk_aversion, gains)


def check_time_additive(model: Any) -> None:
    """Raise if a model that is derived for time-additive utility has other preferences."""
    if not isinstance(model.preferences, TimeAdditive):
        kind = type(model.preferences).__name__
        raise ValueError(f"`preferences` is {kind}; `{model.name}` is derived for TimeAdditive preferences only.")
