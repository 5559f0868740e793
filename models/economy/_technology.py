"""Breakthroughs that raise the productivity of green capital: at a fixed rate or at a rate that grows with knowledge."""

import equinox as eqx
import jax.numpy as jnp
from equinox import AbstractVar
from jaxtyping import Array, Float

from ..base import AbstractBlock, Scalar, check_positive, check_share, measured_in, optional_parameter, parameter
from ._research import Research


class AbstractTechnology(AbstractBlock):
    r"""A breakthrough in green capital.

    With two steps, the first breakthrough makes green capital as productive as dirty capital (parity) with probability $1-\pi$,
    and fully productive otherwise. The step from parity to full productivity has the same rate as the first step.
    """

    productivity: AbstractVar[Float[Array, "..."]]
    parity: AbstractVar[Float[Array, "..."] | None]
    direct: AbstractVar[Float[Array, "..."]]

    def __check_init__(self):
        check_positive("technology.productivity", self.productivity, "per year")
        if self.parity is not None:
            check_positive("technology.parity", self.parity, "per year")
        check_share("technology.direct", self.direct)

    def steps(self, now: str) -> tuple[str, ...]:
        """The stages that can follow `now`; the stages are `before`, `parity` if there is one, and `mature`."""
        if now == "mature":
            return ()
        return ("parity", "mature") if now == "before" and self.parity is not None else ("mature",)

    def after(self, stage: str) -> Array:
        """Productivity of green capital at a stage, per year."""
        return self.parity if stage == "parity" and self.parity is not None else self.productivity

    def share(self, now: str, stage: str) -> Scalar:
        """Probability that the next step leads to `stage`."""
        if len(self.steps(now)) == 1:
            return jnp.ones_like(self.direct)
        return 1.0 - self.direct if stage == "parity" else self.direct


class FixedHazard(AbstractTechnology):
    r"""A breakthrough at a constant rate.

    **Arguments:**

    - `rate`: per year; 0.015 is the published initial rate.
    - `productivity`, `parity`, `direct`: as in `KnowledgeHazard`; a single step by default.

    **Raises:** `ValueError` naming a parameter that is negative, or a probability `direct` that is not between 0 and 1.

    !!! example

        ```python
        import abatax as ab

        technology = ab.models.FixedHazard(rate=0.02)
        assert technology.steps("before") == ("mature",)  # a single step
        model = ab.models.NetZero(technology=technology)
        assert "technology" in model.jumps()[0].name
        ```
    """

    rate: Float[Array, "..."] = eqx.field(default=0.015, converter=parameter, metadata=measured_in("1/yr"))
    productivity: Float[Array, "..."] = eqx.field(default=0.1567, converter=parameter, metadata=measured_in("1/yr"))
    parity: Float[Array, "..."] | None = eqx.field(default=None, converter=optional_parameter)
    direct: Float[Array, "..."] = eqx.field(default=0.04, converter=parameter)

    def __check_init__(self):
        check_positive("technology.rate", self.rate, "per year", allow_zero=True)


def _research() -> Research:
    return Research(arrival_scale=746.67)


class KnowledgeHazard(AbstractTechnology):
    r"""A breakthrough at rate $R/\varrho$, which grows with knowledge.

    **Arguments:**

    - `research`: dynamics of knowledge $R$, and $\varrho$.
    - `productivity`: $A_g$ after the last step, per year.
    - `parity`: $A_g$ after the first step, per year; `none` for a single step.
    - `direct`: $\pi$, the probability that the first step is the last.

    !!! example

        ```python
        import abatax as ab

        technology = ab.models.KnowledgeHazard()
        assert technology.steps("before") == ("parity", "mature")
        assert abs(float(technology.share("before", "parity")) - 0.96) < 1e-12
        ```
    """

    research: Research = eqx.field(default_factory=_research)
    productivity: Float[Array, "..."] = eqx.field(default=0.1567, converter=parameter, metadata=measured_in("1/yr"))
    parity: Float[Array, "..."] | None = eqx.field(default=0.1303, converter=optional_parameter)
    direct: Float[Array, "..."] = eqx.field(default=0.04, converter=parameter)
