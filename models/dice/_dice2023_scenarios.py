"""The published scenarios of DICE-2023 as changes of its parameters and bounds."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from ...common import nearest
from ..base import Scalar

PERIODS = 81


class Scenario(NamedTuple):
    """The changes of a scenario.

    - `words`: a description.
    - `quadratic`: damages, share of output per degC squared. None: those of the model.
    - `warmest`: upper bound of temperature, degC.
    - `rate`: constant discount rate of goods, per year, instead of preferences; `capital`: the corresponding initial capital.
    """

    words: str
    quadratic: float | None = None
    warmest: float = 20.0
    rate: float | None = None
    capital: float | None = None


DICE2023_SCENARIOS: dict[str, Scenario] = {
    "cbopt": Scenario("greatest welfare"),
    "base": Scenario("policies of 2023 go on: a price of 6 US$/tCO2 that grows by 2.5 % per year"),
    "altdam": Scenario("greatest welfare with damages of 1 % of output per degC squared", quadratic=0.01),
    "parisext": Scenario(
        "the pledges of Paris, extended: abatement grows by 4, later 3, percentage points in five years"
    ),
    "t2c": Scenario("greatest welfare with at most 2 degC", warmest=2.0),
    "r5": Scenario("goods are discounted at 5 % per year", rate=0.05, capital=290.0),
    "r4": Scenario("goods are discounted at 4 % per year", rate=0.04, capital=326.0),
    "r3": Scenario("goods are discounted at 3 % per year", rate=0.03, capital=370.0),
    "r2": Scenario("goods are discounted at 2 % per year", rate=0.02, capital=409.0),
    # The published capital, 420, does not reproduce the published emissions of 2020, 46.8 GtCO2; 409 does.
    "r1": Scenario("goods are discounted at 1 % per year", rate=0.01, capital=409.0),
}
"""The ten scenarios of DICE-2023 by name, with what each of them changes."""


def scenario(name: str) -> Scenario:
    """The scenario of a name.

    **Raises:** `ValueError` with the known names, and with the reason if `t15c` is asked for.
    """
    if name == "t15c":
        raise ValueError(
            "`scenario` is 't15c', which is not offered: under the published limits on abatement 1.5 degC is exceeded even if"
            " nothing is saved, and the published path meets it by throwing capital away; use t2c, or"
            f" another of {', '.join(DICE2023_SCENARIOS)}."
        )
    if name not in DICE2023_SCENARIOS:
        raise ValueError(f"`scenario` is {name!r}: {nearest(name, DICE2023_SCENARIOS)}")
    return DICE2023_SCENARIOS[name]


def abatement_bounds(
    name: str, first: Scalar, backstop: Float[Array, " period"], exponent: Scalar
) -> tuple[Float[Array, " period"], Float[Array, " period"]]:
    """Lower and upper bounds of the abated share of emissions in each period of a scenario; the share `first` is fixed."""
    n = jnp.arange(float(PERIODS))
    t = n + 1.0  # periods are numbered from 1 in the source
    ramp = jnp.where(n < 8, 0.12 * n, 0.85 + 0.05 * (t - 8.0))
    most = jnp.where(n < 11, ramp, jnp.where(n < 20, 1.0, jnp.where(n < 37, 1.1, jnp.where(n < 57, 1.05, 1.0))))
    most = jnp.where(n == 1, 0.10, most)

    def at_price(price):
        return (price / backstop) ** (1.0 / (exponent - 1.0))

    if name == "base":
        policy = at_price(6.0 * 1.025 ** (5.0 * n))
        first = policy[0]
        most = jnp.minimum(most, jnp.where(n < 46, jnp.minimum(policy, 1.0), 1.0))
    elif name == "parisext":
        most = jnp.minimum(most, jnp.minimum(0.05 + 0.04 * n - 0.01 * jnp.maximum(t - 5.0, 0.0), 1.0))
    elif name == "r5":
        most = jnp.minimum(
            most, at_price(500.0)
        )  # an upper bound of the price, which the source keeps from its base run
    least = jnp.where((n >= 57) & (name == "base"), 1.0, 0.0)
    return jnp.where(n == 0, first, least), jnp.where(n == 0, first, most)


def constant_rate_weight(rate: float) -> Float[Array, " period"]:
    """Weights of a constant discount rate; at 5 % they are constant after 255 years, as published."""
    n = jnp.arange(float(PERIODS))
    if rate == 0.05:
        n = jnp.minimum(n, 51.0)
    return (1.0 + rate) ** (-5.0 * n)
