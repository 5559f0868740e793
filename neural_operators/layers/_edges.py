"""Functions of one variable in [-1, 1] on the edges of a Kolmogorov-Arnold network."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

_SPLINE_DEGREE = 3  # twice continuously differentiable


def chebyshev(x: Float[Array, "..."], degree: int) -> Float[Array, "... basis"]:
    """Chebyshev polynomials of degrees 1 to `degree`."""
    values = [jnp.ones_like(x), x]
    for _ in range(degree - 1):
        values.append(2.0 * x * values[-1] - values[-2])
    return jnp.stack(values[1:], axis=-1)


def b_splines(x: Float[Array, "..."], intervals: int) -> Float[Array, "... basis"]:
    """The `intervals` + 3 cubic B-splines on evenly spaced knots, by the recursion of Cox and de Boor."""
    step, degree = 2.0 / intervals, _SPLINE_DEGREE
    # Knots continue beyond both ends, so that the splines sum to one on the closed interval [-1, 1].
    position = (x[..., None] + 1.0) / step + degree
    knots = jnp.arange(intervals + 2 * degree + 1, dtype=x.dtype)
    knots = knots.reshape((1,) * x.ndim + knots.shape)
    left, right = position >= knots[..., :-1], position < knots[..., 1:]
    splines = jnp.where(left & right, jnp.ones((), x.dtype), jnp.zeros((), x.dtype))
    for k in range(1, degree + 1):
        up = (position - knots[..., : -k - 1]) / k * splines[..., :-1]
        down = (knots[..., k + 1 :] - position) / k * splines[..., 1:]
        splines = up + down
    return splines


def smooth_start(kind: str, size: int, smooth: Float[Array, "... degree"]) -> Float[Array, "... basis"]:
    """Coefficients of a smooth random function: coefficients of Chebyshev polynomials, or of splines that approximate it."""
    if kind == "chebyshev":
        return jnp.pad(smooth, [(0, 0)] * (smooth.ndim - 1) + [(0, max(0, size - smooth.shape[-1]))])[..., :size]
    # Schoenberg's approximation: the coefficients of a spline are the values at the means of its inner knots.
    centres = -1.0 + 2.0 / size * (np.arange(size + _SPLINE_DEGREE) - 1.0)
    with jax.ensure_compile_time_eval():
        values = chebyshev(jnp.asarray(centres, smooth.dtype), smooth.shape[-1])
    return smooth @ values.T


def decay(degree: int) -> Float[np.ndarray, " degree"]:
    """Standard deviations of random coefficients of degrees 1 to `degree`, such that the function has variance one."""
    sizes = 1.0 / np.arange(1, degree + 1) ** 2
    return sizes * math.sqrt(2.0 / float(np.sum(sizes**2)))
