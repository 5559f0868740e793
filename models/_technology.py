"""How green capital may become more productive: not at all, at a known rate, or as knowledge grows."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._checks import check_positive, check_share
from ._research import Research
from ._types import Scalar, parameter


class FixedHazard(eqx.Module):
    r"""A breakthrough at a constant rate.

    **Arguments:**

    - `rate`: per year.
    - `productivity`: $A_g$ afterwards, per year.
    """

    rate: Float[Array, "..."] = eqx.field(default=0.015, converter=parameter)
    productivity: Float[Array, "..."] = eqx.field(default=0.1567, converter=parameter)

    def __check_init__(self):
        check_positive("technology.rate", self.rate, "per year", allow_zero=True)
        check_positive("technology.productivity", self.productivity, "per year")

    def after(self, stage: str) -> Array:
        """Productivity of green capital once a stage is reached."""
        return self.productivity


def _research() -> Research:
    return Research(arrival_scale=746.67)


class KnowledgeHazard(eqx.Module):
    r"""A breakthrough at rate $R/\varrho$, which grows with knowledge, in one step or two.

    In two steps green capital first becomes as productive as dirty capital with probability $1-\pi$, or fully productive
    at once; from parity the second step comes at the same rate.

    **Arguments:**

    - `research`: knowledge $R$, what adds to it, and $\varrho$.
    - `productivity`: $A_g$ after the last step, per year.
    - `parity`: $A_g$ after the first step, per year; `none` for a single step.
    - `direct`: $\pi$, the probability that the first step is the last.
    """

    research: Research = eqx.field(default_factory=_research)
    productivity: Float[Array, "..."] = eqx.field(default=0.1567, converter=parameter)
    parity: Float[Array, "..."] | None = eqx.field(
        default=0.1303, converter=lambda p: None if p is None else parameter(p)
    )
    direct: Float[Array, "..."] = eqx.field(default=0.04, converter=parameter)

    def __check_init__(self):
        check_positive("technology.productivity", self.productivity, "per year")
        if self.parity is not None:
            check_positive("technology.parity", self.parity, "per year")
        check_share("technology.direct", self.direct)

    def after(self, stage: str) -> Array:
        """Productivity of green capital once a stage, `parity` or `mature`, is reached."""
        return self.parity if stage == "parity" and self.parity is not None else self.productivity

    def share(self, now: str, stage: str) -> Scalar:
        """The probability that the next step leads to a stage."""
        if now == "parity" or self.parity is None:
            return jnp.ones_like(self.direct)
        return 1.0 - self.direct if stage == "parity" else self.direct
