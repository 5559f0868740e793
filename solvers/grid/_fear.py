"""Newton steps where the equation is exponential in the value: a feared jump, recursive utility."""

import numpy as np
from jaxtyping import Float

# Steps are lengthened if the exponential must decrease by more than this share.
_STEEP = 0.5
# The exponential decreases at most to this share in one step, that is, V by at most 27 times 1/a.
_ROUNDING = 1e-12


def down_the_exponential(
    discount: Float[np.ndarray, "family node"],
    residual: Float[np.ndarray, "family node"],
    discount_rate: Float[np.ndarray, "family 1"] | Float[np.ndarray, "family node"],
    aversion: Float[np.ndarray, "family 1"],
) -> Float[np.ndarray, "family node"]:
    r"""The coefficient of $V$ in a Newton correction if aversion to a jump makes the equation exponential in $V$.

    For a planner with aversion $a$, a jump with rate $\lambda$ contributes $\tfrac\lambda a(1-E)$ to the equation, with
    $E = \sum_m\pi_me^{a(V-V^m)}$. From far above the solution, Newton steps with the tangent decrease $V$ by only $1/a$ per step.
    With the other terms fixed, a residual $r < 0$ vanishes when $\lambda E$ has decreased from $s$ to $s + ar$, at
    $V - \tfrac1a\log\frac{s}{s+ar}$. The chord between the two points has the slope $ar/\log(1+ar/s)$ and reaches the solution in
    one step; for small $r$ it equals the tangent.

    **Arguments:**

    - `discount`: the coefficient of the tangent, $-\delta - s$. `residual`: $r$. `discount_rate`: $\delta$, per year.
    - `aversion`: the largest aversion $a$ to a jump; 0 without aversion.
    """
    steepness = -discount - discount_rate
    return -discount_rate - _chord(steepness, residual, np.where(aversion > 0.0, aversion, 0.0))


def across_the_aggregator(
    discount: Float[np.ndarray, "family node"],
    residual: Float[np.ndarray, "family node"],
    weight: Float[np.ndarray, "family node"],
    excess: Float[np.ndarray, "family 1"],
) -> Float[np.ndarray, "family node"]:
    r"""The coefficient of $V$ in a Newton correction if recursive utility makes the equation exponential in $V$.

    The flow $\tfrac\delta{1-\rho}(E-1)$ with $E = (Ce^{-V})^{1-\rho}$ has the form of a jump with aversion $\rho-1$, of either sign.
    Above the solution with $\rho<1$, the tangent is flatter than the flow and the step overshoots until $E$ overflows; the chord
    does not overshoot.

    **Arguments:**

    - `discount`: the coefficient of the tangent. `residual`: $r$. `weight`: $s = \delta E$, the contribution of the flow to it.
    - `excess`: $\rho - 1$.
    """
    return discount + weight - _chord(weight, residual, excess)


def _chord(steepness: np.ndarray, residual: np.ndarray, aversion: np.ndarray) -> np.ndarray:
    """The chord slope that removes the residual of an exponential in one step; the tangent where the residual is small."""
    target = steepness + aversion * residual
    fear = (aversion > 0.0) & (target > -_ROUNDING * steepness) & (target < _STEEP * steepness)
    flat = (aversion < 0.0) & (residual < 0.0) & (steepness < _STEEP * target)
    target = np.maximum(target, _ROUNDING * steepness)
    curved = (fear | flat) & (steepness > 0.0)
    ratio = np.log(np.where(curved, target, 1.0) / np.where(curved, steepness, 1.0))
    return np.where(curved, (target - steepness) / np.where(curved, ratio, 1.0), steepness)
