"""Newton steps where the equation is exponential in the value: a feared jump, recursive utility."""

import numpy as np
from jaxtyping import Float

# Steps are lengthened where the exponential has to fall by more than this share of itself.
_STEEP = 0.5
# What is left of it is known to this share of it: 27 penalties a step at most.
_ROUNDING = 1e-12


def down_the_exponential(
    discount: Float[np.ndarray, "family node"],
    residual: Float[np.ndarray, "family node"],
    discount_rate: Float[np.ndarray, "family 1"] | Float[np.ndarray, "family node"],
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
    return -discount_rate - _chord(steepness, residual, np.where(aversion > 0.0, aversion, 0.0))


def across_the_aggregator(
    discount: Float[np.ndarray, "family node"],
    residual: Float[np.ndarray, "family node"],
    weight: Float[np.ndarray, "family node"],
    excess: Float[np.ndarray, "family 1"],
) -> Float[np.ndarray, "family node"]:
    r"""The coefficient of $V$ in a Newton correction, where recursive utility makes the equation exponential in $V$.

    The flow $\tfrac\delta{1-\rho}(E-1)$, $E = (Ce^{-V})^{1-\rho}$, has the form of a jump with aversion $\rho-1$, of either sign.
    Above the solution, with $\rho<1$, tangents are flatter than the flow and overshoot, to where $E$ overflows; the chord does not.

    **Arguments:**

    - `discount`: the tangent's coefficient. `residual`: $r$. `weight`: $s = \delta E$, the part of it that the flow has.
    - `excess`: $\rho - 1$.
    """
    return discount + weight - _chord(weight, residual, excess)


def _chord(steepness: np.ndarray, residual: np.ndarray, aversion: np.ndarray) -> np.ndarray:
    """The slope that takes a negative residual away in one step, of an exponential with this tangent; the tangent where it is good."""
    wanted = steepness + aversion * residual
    fear = (aversion > 0.0) & (wanted > -_ROUNDING * steepness) & (wanted < _STEEP * steepness)
    flat = (aversion < 0.0) & (residual < 0.0) & (steepness < _STEEP * wanted)
    wanted = np.maximum(wanted, _ROUNDING * steepness)
    curved = (fear | flat) & (steepness > 0.0)
    ratio = np.log(np.where(curved, wanted, 1.0) / np.where(curved, steepness, 1.0))
    return np.where(curved, (wanted - steepness) / np.where(curved, ratio, 1.0), steepness)
