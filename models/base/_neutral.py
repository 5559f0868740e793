r"""Certainty equivalents written in the aversion $a = 1/\xi$, exact and smooth at $a = 0$.

Every robust term of the equation is one of these functions. They have a removable singularity at $a = 0$. Series are used there, so
that values *and* derivatives with respect to the aversion are accurate to rounding, without a special case for the neutral planner.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Real

from ._types import Scalar, ScalarLike

# Below this size the series (ten terms) is accurate to 1e-17; above it expm1 and log1p are.
_SMALL = 0.05


def _expm1_ratio(y: Array) -> Array:
    """(exp(y) - 1) / y."""
    small = jnp.abs(y) < _SMALL
    safe = jnp.where(small, 1.0, y)
    z = jnp.where(small, y, 0.0)
    series = jnp.ones_like(z)
    for k in range(11, 1, -1):  # Horner form of sum z^(k-1)/k!
        series = 1.0 + series * z / k
    return jnp.where(small, series, jnp.expm1(safe) / safe)


def log1p_ratio(y: Array) -> Array:
    """log(1 + y) / y."""
    small = jnp.abs(y) < _SMALL
    safe = jnp.where(small, 1.0, y)
    z = jnp.where(small, y, 0.0)
    series = jnp.zeros_like(z)
    for k in range(14, 0, -1):
        series = 1.0 / k - z * series
    return jnp.where(small, series, jnp.log1p(safe) / safe)


def scaled_expm1(rate: ScalarLike, x: Real[ArrayLike, "..."]) -> Float[Array, "..."]:
    r"""$(e^{a x} - 1)/a$, which is $x$ at $a = 0$.

    It is the jump term with $a = -1/\xi$ and the Epstein-Zin aggregator with $a = 1 - \rho$.

    **Arguments:**

    - `rate`: $a$, in 1 / unit of `x`.
    - `x`: the argument.

    **Returns:** the scaled exponential, in the unit of `x`.

    !!! example

        ```python
        import jax.numpy as jnp
        import abatax as ab

        assert ab.models.scaled_expm1(jnp.array(0.0), jnp.array(2.0)) == 2.0
        ```
    """
    rate, x = jnp.asarray(rate), jnp.asarray(x)
    return x * _expm1_ratio(rate * x)


def positive_power(base: Float[Array, "..."], exponent: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""$\max(b, 0)^p$ for $p > 0$, with finite derivatives where the base is not positive."""
    positive = base > 0.0
    return jnp.where(positive, jnp.where(positive, base, 1.0) ** exponent, 0.0)


def robust_mean(aversion: ScalarLike, values: Float[Array, " outcome"], weights: Float[Array, " outcome"]) -> Scalar:
    r"""$-\tfrac1a\log\sum_\ell \pi_\ell e^{-a z_\ell}$, which is the plain mean at $a = 0$.

    The certainty equivalent for a planner with ambiguous weights and a penalty of $1/a$ per unit of
    relative entropy (smooth ambiguity, Klibanoff, Marinacci and Mukerji 2005,
    doi:10.1111/j.1468-0262.2005.00640.x).

    **Arguments:**

    - `aversion`: $a = 1/\xi \ge 0$.
    - `values`: $z_\ell$, one per outcome.
    - `weights`: $\pi_\ell$, summing to one.

    **Returns:** the certainty equivalent, between the smallest value and the mean.

    !!! example

        ```python
        import jax.numpy as jnp

        import abatax as ab

        values, weights = jnp.array([0.0, 1.0]), jnp.array([0.5, 0.5])
        assert ab.models.robust_mean(0.0, values, weights) == 0.5
        assert 0.0 < ab.models.robust_mean(10.0, values, weights) < 0.1
        ```
    """
    mean = values @ weights
    if len(values) == 1:  # there is nothing to doubt, and less to compile
        return mean
    deviation = values - mean
    # If the exponents are large, the sum is shifted by its largest term (log-sum-exp).
    large = aversion * jnp.max(jnp.abs(deviation)) > 1.0
    a_large = jnp.where(large, aversion, 1.0)
    shifted = mean - jax.nn.logsumexp(-a_large * deviation, b=weights) / a_large
    a_small = jnp.where(large, 0.0, aversion)
    # sum w (exp(-a d) - 1) / a, centred, so that the first-order term cancels exactly
    slope = -(weights @ (deviation * _expm1_ratio(-a_small * deviation)))
    centred = mean - slope * log1p_ratio(a_small * slope)
    return jnp.where(large, shifted, centred)


def tilted_weights(
    aversion: ScalarLike, values: Float[Array, " outcome"], weights: Float[Array, " outcome"]
) -> Float[Array, " outcome"]:
    r"""The minimising weights $\omega_\ell \propto \pi_\ell e^{-a z_\ell}$ of [`robust_mean`][].

    **Arguments:**

    - `aversion`: $a = 1/\xi \ge 0$, in 1 / unit of `values`.
    - `values`: $z_\ell$, one per outcome.
    - `weights`: $\pi_\ell$, summing to one.

    **Returns:** the weights of the worst case, summing to one.

    !!! example

        ```python
        import jax.numpy as jnp

        import abatax as ab

        worst = ab.models.tilted_weights(1.0, jnp.array([0.0, 1.0]), jnp.array([0.5, 0.5]))
        assert worst[0] > worst[1]  # the lower value becomes more probable
        ```
    """
    log_weights = jnp.where(weights > 0, jnp.log(jnp.where(weights > 0, weights, 1.0)), -jnp.inf)
    return jax.nn.softmax(log_weights - aversion * values)


def entropy_density(ratio: Float[Array, " outcome"]) -> Float[Array, " outcome"]:
    r"""$r\log r - r + 1 \ge 0$, accurate to rounding near $r = 1$, where its terms cancel; 1 at $r = 0$."""
    d = ratio - 1.0
    small = jnp.abs(d) < 1e-2
    z = jnp.where(small, d, 0.0)
    series = jnp.zeros_like(z)
    for k in range(9, 1, -1):  # Horner form of sum (-z)^k / (k (k - 1))
        series = 1.0 / (k * (k - 1)) - z * series
    safe = jnp.where(small | (ratio <= 0.0), 1.0, ratio)
    return jnp.where(small, z**2 * series, jnp.where(ratio > 0.0, safe * jnp.log(safe), 0.0) - d)
