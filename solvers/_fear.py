"""Newton steps down a feared jump."""

import numpy as np
from jaxtyping import Float

# Steps are lengthened where the exponential has to fall by more than this share of itself.
_STEEP = 0.5
# What is left of it is known to this share of it: 27 penalties a step at most.
_ROUNDING = 1e-12


def down_the_exponential(
    discount: Float[np.ndarray, "family node"],
    residual: Float[np.ndarray, "family node"],
    discount_rate: Float[np.ndarray, "family 1"],
    aversion: Float[np.ndarray, "family 1"],
) -> Float[np.ndarray, "family node"]:
    r"""The coefficient of $V$ in a Newton correction, where a feared jump makes the equation exponential in $V$.

    To a planner with aversion $a$ a jump of rate $\lambda$ is worth $\tfrac\lambda a(1-E)$, $E = \sum_m\pi_me^{a(V-V^m)}$. From far
    above tangents come down by $1/a$ a step. With the other terms as they are, a residual $r < 0$ vanishes where $\lambda E$ has
    fallen from $s$ to $s + ar$, at $V - \tfrac1a\log\frac{s}{s+ar}$: the chord between the two has the slope
    $ar/\log(1+ar/s)$, which takes one step, and is the tangent where $r$ is small.

    **Arguments:**

    - `discount`: $-\delta - s$, the tangent's. `residual`: $r$. `discount_rate`: $\delta$, per year.
    - `aversion`: $a$ of the most feared jump, 0 for none.
    """
    steepness = -discount - discount_rate
    wanted = steepness + aversion * residual
    steep = (aversion > 0.0) & (wanted > -_ROUNDING * steepness) & (wanted < _STEEP * steepness)
    wanted = np.maximum(wanted, _ROUNDING * steepness)
    fallen = np.log(np.where(steep, wanted, 1.0) / np.where(steep, steepness, 1.0))
    chord = (wanted - steepness) / np.where(steep, fallen, 1.0)
    return np.where(steep, -discount_rate - chord, discount)
