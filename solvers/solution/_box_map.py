"""Coordinates in which the box is [-1, 1] in every state."""

from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from ._chebyshev import stretch


class BoxMap(eqx.Module):
    r"""The map of states to the unit box: $s = (t - l)/h - 1$ with $t = \sinh^{-1}((x - c)/\kappa)$, or $t = x$ if $\kappa = 0$.

    If a state has margins, the stretched coordinate assigns more of [-1, 1] to the region of interest. The methods accept arrays with
    any leading axes, NumPy arrays on the host and JAX arrays inside compiled code.

    **Arguments:**

    - `centre`, `scale`: $c$ and $\kappa$ of every state, in the unit of the state.
    - `low`, `half`: lower end and half length of the box in $t$.
    """

    centre: Float[Array | np.ndarray, "*family state"]
    scale: Float[Array | np.ndarray, "*family state"]
    low: Float[Array | np.ndarray, "*family state"]
    half: Float[Array | np.ndarray, "*family state"]

    def parts(self, x, xp: Any = np) -> tuple[Any, Any, Any]:
        """$s$ and its first two derivatives, for states (... state)."""
        stretched = self.scale > 0.0
        width = xp.where(stretched, self.scale, 1.0)
        y = (x - self.centre) / width
        r = 1.0 / xp.sqrt(1.0 + y**2)
        s = (xp.where(stretched, xp.arcsinh(y), x) - self.low) / self.half - 1.0
        slope = xp.where(stretched, r / width, xp.ones_like(x)) / self.half
        bend = xp.where(stretched, -y * r**3 / width**2, xp.zeros_like(x)) / self.half
        return s, slope, bend

    def back(self, s: Float[np.ndarray, "point state"]) -> Float[np.ndarray, "point state"]:
        """The states at points of the unit box."""
        t = self.low + self.half * (1.0 + s)
        return np.where(self.scale > 0.0, self.centre + self.scale * np.sinh(np.where(self.scale > 0.0, t, 0.0)), t)


def box_map(region: tuple[tuple[float, float], ...], domain: tuple[tuple[float, float], ...]) -> BoxMap:
    """The map of a domain with the region of interest `region`."""
    maps = np.array([stretch(r, b) for r, b in zip(region, domain, strict=True)])
    centre, scale = maps.T
    ends = np.array([[np.arcsinh((z - c) / k) if k else z for z in b] for b, (c, k) in zip(domain, maps, strict=True)])
    return BoxMap(centre, scale, ends[:, 0], 0.5 * (ends[:, 1] - ends[:, 0]))
