"""Where the models with dirty and green capital are truncated, and what is known beyond."""

from typing import TYPE_CHECKING, Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..base import Point, Scalar
from ..economy import damage_asymptote
from ..equation import AbstractModel, Growth, Inflow, Outflow


class TransitionBox(AbstractModel):
    """The faces of the box; see `TwoCapital` and `NetZero`."""

    # below the region, in logs: how wrong a slope of zero is dies off with emissions, as exp(-margin)
    emitting_margin: ClassVar[float] = 3.0

    if TYPE_CHECKING:
        climate: Any
        economy: Any
        damages: Any
        damage_jump: Any
        reset_temperature: bool
        has_knowledge: bool
        awaits_revelation: bool
        stage: str
        technology: Any
        ambiguity: Any
        preferences: Any

        def _jump_names(self) -> tuple[str, ...]: ...
        def _steps(self) -> tuple[str, ...]: ...
        def _arrival(self, stage: str, x: Point) -> Scalar: ...

    def closures(self) -> Point:
        # E falls with its capital: below, warming no longer depends on it. Above, dirty capital is scrapped: where it emits the
        # drift points in; where it does not, nothing depends on it
        emitting = Growth(slope=self._no_slope, extension=self.emitting_margin), Outflow(extension=0.5)
        # capital moves to the kind that is or will be more productive; at that end f hardly depends on the other: f_w is
        # proportional to its share. At the other end the equation itself holds
        ahead = Growth(slope=self._no_slope, extension=4.0)
        hopeless = self.stage == "before" and self.technology is None
        ratio = (ahead, Inflow(extension=4.0)) if hopeless else (Inflow(extension=3.5), ahead)
        faces = emitting, ratio, *self.climate.closures(self._damage_slope)
        if self.has_knowledge:
            # with so much knowledge the breakthrough comes within a year or two: more is worth little
            faces = *faces, (Inflow(), Growth(slope=self._no_slope, extension=2.5))
        if "log_capital" in self.states._fields:
            # V = k + f where research is hopeless (little capital) or knowledge plenty (much): kept from a face, growth would be lost.
            # Half a unit beyond the region held V_k at 1.030 in 2025 where the best path has 1.037; two units leave 1.038
            level = Growth(slope=self._unit_slope, extension=2.0)
            faces = *faces, (level, level)
        return type(self.states)(*faces)

    def _no_slope(self, t: Scalar, x: Point) -> Scalar:
        return jnp.zeros_like(x.temperature)

    def _unit_slope(self, t: Scalar, x: Point) -> Scalar:
        return jnp.ones_like(x.temperature)

    def _damage_slope(self, t: Scalar, x: Point) -> Scalar:
        """Far out temperature hardly moves before the future is discounted."""
        return jax.grad(self._damage_value)(x.temperature)

    def asymptote(self, t: Scalar, x: Point, after: tuple[Float[Array, " outcome"], ...] = ()) -> Scalar:
        r"""Who will learn which damage function is true is nearly as well off as who knows: their values are averaged.

        Where nothing is to be revealed, or temperature jumps as well,

        $$a = \Big(\delta b + \sum_n\lambda_nV_n\Big)\Big/\Big(\delta + \sum_n\lambda_n\Big)$$

        what the steps of the technology lead to, discounted until they come, and until then $b = k + f$ with $f$ where
        temperature stands still, $-\Lambda(y)$ if damages are known.
        """
        if after and self._will_only_reveal:
            number = self._jump_names().index("damage_jump")
            return self.ambiguity.jump_equivalent(number, after[number], self.damage_jump.prior)
        worth = (x.log_capital if "log_capital" in x._fields else 0.0) + self._damage_value(x.temperature)
        # the steps are the first jumps, each with one outcome
        rates = self._step_rates(x) if after else []
        discount = self.preferences.discount_rate
        gained = sum((rate * value[0] for rate, value in zip(rates, after, strict=False)), start=discount * worth)
        return gained / sum(rates, start=discount)

    def remainder_scale(self, t: Scalar, x: Point) -> Scalar:
        r"""$\delta/(\delta+\sum_n\lambda_n)$: only until a step comes does it matter what $b$ leaves out."""
        if self._will_only_reveal:
            return jnp.ones(())
        discount = self.preferences.discount_rate
        return discount / sum(self._step_rates(x), start=discount)

    @property
    def _will_only_reveal(self) -> bool:
        """Whether the damage jump is to come and leaves temperature where it is."""
        return self.awaits_revelation and not self.reset_temperature

    def _step_rates(self, x: Point) -> list[Scalar]:
        return [self._arrival(stage, x) for stage in self._steps()]

    def _damage_value(self, y: Scalar) -> Scalar:
        if not self.awaits_revelation:
            return -self.damages.log_damages(y)
        number, prior = self._jump_names().index("damage_jump"), self.damage_jump.prior
        return damage_asymptote(
            self.damages,
            self.damage_jump,
            y,
            resets=self.reset_temperature,
            discount_rate=self.preferences.discount_rate,
            worth=lambda gains: self.ambiguity.jump_term(number, gains, prior),
        )

    def costate_signs(self) -> dict[str, int]:
        # where a damage jump resets temperature, warming beyond the threshold brings the reset nearer
        if self.awaits_revelation and self.reset_temperature:
            return {}
        # at given capital and ratio emitting capital matters through emissions alone, but for the research that capital pays for
        alone = not self.has_knowledge or "log_capital" in self.states._fields
        harms = alone and bool(np.all(np.asarray(self.economy.carbon_intensity) > 0.0))
        return {"temperature": -1} | ({self.states._fields[0]: -1} if harms else {})

    def breakpoints(self) -> dict[str, tuple[float, ...]]:
        if self.awaits_revelation:
            kinks = self.damage_jump.kinks
        elif np.any(np.asarray(self.damages.curvature) > 0.0):
            kinks = (self.damages.threshold,)
        else:
            return {}
        return {"temperature": tuple(float(y) for kink in kinks for y in np.unique(np.asarray(kink)))}
