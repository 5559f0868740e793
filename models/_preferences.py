import abc
from typing import Any

import equinox as eqx
from equinox import AbstractVar
from jaxtyping import Array, Float

from ._checks import check_positive
from ._neutral import scaled_expm1
from ._types import Scalar, parameter


class AbstractPreferences(eqx.Module):
    """How flow utility and the value of the future make today's value: the term $F(x, u, V)$."""

    discount_rate: AbstractVar[Float[Array, "..."]]

    @abc.abstractmethod
    def aggregate(self, utility: Scalar, value: Scalar) -> Scalar:
        """The flow term of the HJB equation, given the flow utility and the value function."""

    def __check_init__(self):
        check_positive("discount_rate", self.discount_rate, "per year")


class TimeAdditive(AbstractPreferences):
    r"""Time-additive expected utility: $F = U(x,u) - \delta V$.

    The model says whether its $U$ carries a factor $\delta$; penalties are quoted in that convention.

    **Arguments:**

    - `discount_rate`: $\delta$, per year.
    """

    discount_rate: Float[Array, "..."] = eqx.field(default=0.01, converter=parameter)

    def aggregate(self, utility: Scalar, value: Scalar) -> Scalar:
        return utility - self.discount_rate * value


class EpsteinZin(AbstractPreferences):
    r"""Recursive utility in log-consumption units: $F = \tfrac{\delta}{1-\rho}[(C e^{-V})^{1-\rho} - 1]$.

    At $\rho = 1$ this is $\delta(\log C - V)$, exactly and with its derivative in $\rho$.

    **Arguments:**

    - `discount_rate`: $\delta$, per year.
    - `inverse_eis`: $\rho$, the inverse elasticity of intertemporal substitution.

    The model's `utility` is then $\log C$.

    **References:** Duffie and Epstein 1992, doi:10.2307/2951600; Hansen, Heaton and Li 2008, doi:10.1086/588200.
    """

    discount_rate: Float[Array, "..."] = eqx.field(default=0.01, converter=parameter)
    inverse_eis: Float[Array, "..."] = eqx.field(default=1.0, converter=parameter)

    def aggregate(self, utility: Scalar, value: Scalar) -> Scalar:
        return self.discount_rate * scaled_expm1(1.0 - self.inverse_eis, utility - value)


def check_time_additive(model: Any) -> None:
    """Raise if a model that is derived for time-additive utility is given other preferences."""
    if not isinstance(model.preferences, TimeAdditive):
        kind = type(model.preferences).__name__
        raise ValueError(f"`preferences` is {kind}; `{model.name}` is derived for TimeAdditive preferences only.")
