r"""Log damages $n = \Lambda(y)$ as an additive state, and the consumption that is lost to them."""

from typing import Generic, NamedTuple, TypeVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..base import Scalar, Variable
from ..climate import TCREClimate

T = TypeVar("T")

LOG_DAMAGES = Variable("log of damages", "1", symbol="n")


class LogDamages(NamedTuple, Generic[T]):
    log_damages: T


def log_damages_drift(climate: TCREClimate, slope: Scalar, bend: Scalar, emissions: Scalar, member: Scalar) -> Scalar:
    r"""Drift of $n = \Lambda(y)$ per year by Itô's formula, $\Lambda'E\theta_\ell + \tfrac12\Lambda''(\varsigma E)^2$.

    **Arguments:**

    - `slope`, `bend`: $\Lambda'(y)$ per degC and $\Lambda''(y)$ per degC².
    - `emissions`: $E$, all emissions, GtC/yr. `member`: $\theta_\ell$, degC per GtC.
    """
    return slope * climate.drift(emissions, member) + 0.5 * bend * climate.diffusion(emissions) ** 2


def lost_consumption(consumption: Float[Array, "..."], log_damages: Float[Array, "..."]) -> Float[Array, "..."]:
    """The part $C(1 - e^{-n})$ of consumption $C$ that damages take, in the unit of consumption."""
    return -consumption * jnp.expm1(-log_damages)
