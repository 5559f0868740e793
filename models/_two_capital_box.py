"""Where the two-capital model is truncated, and what is known beyond."""

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np

from ._closures import Growth, Inflow, Outflow
from ._model import AbstractModel
from ._types import Point, Scalar


class TwoCapitalBox(AbstractModel):
    """The faces of the box; see `TwoCapital`."""

    if TYPE_CHECKING:
        economy: Any
        damages: Any
        damage_jump: Any
        has_knowledge: bool
        revealed: bool
        stage: str
        technology: Any

    def closures(self) -> Point:
        # E falls with K_d: below, warming no longer depends on it. Above, dirty capital is scrapped: where it emits the drift
        # points in; where it does not, nothing depends on q
        dirty = Growth(slope=self._no_slope, extension=3.0), Outflow(extension=0.5)
        # capital moves to the kind that is or will be more productive; at that end f hardly depends on the other: f_w is
        # proportional to its share. At the other end the equation itself holds
        ahead = Growth(slope=self._no_slope, extension=4.0)
        hopeless = self.stage == "before" and self.technology is None
        ratio = (ahead, Inflow(extension=4.0)) if hopeless else (Inflow(extension=3.5), ahead)
        # what is wrong with the slope at the far end dies off as exp(-delta dy / (theta E))
        warming = Inflow(extension=0.1), Growth(slope=self._damage_slope, extension=7.0)
        faces = dirty, ratio, warming
        if self.has_knowledge:
            faces = *faces, (Inflow(), Outflow(extension=0.5))
        return type(self.states)(*faces)

    def _no_slope(self, t: Scalar, x: Point) -> Scalar:
        return jnp.zeros_like(x.temperature)

    def _damage_slope(self, t: Scalar, x: Point) -> Scalar:
        r"""$f_y = -\Lambda'(y)$: far out temperature hardly moves before the future is discounted."""
        return -self.damages.slope(x.temperature)

    def costate_signs(self) -> dict[str, int]:
        # before the damage jump resets temperature, warming beyond the threshold brings the reset nearer
        return {"temperature": -1} if self.revealed or self.damage_jump is None else {}

    def breakpoints(self) -> dict[str, tuple[float, ...]]:
        if not self.revealed and self.damage_jump is not None:
            kink = self.damage_jump.onset
        elif np.any(np.asarray(self.damages.curvature) > 0.0):
            kink = self.damages.threshold
        else:
            return {}
        return {"temperature": tuple(float(y) for y in np.unique(np.asarray(kink)))}
