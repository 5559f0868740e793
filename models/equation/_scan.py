"""Scan of a function of several bounded variables, which finds the basins of its maxima."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ..base import Scalar

# Along a line: shares of a finite range near either end, and the number of evenly spaced shares between them.
_ENDS, _EVEN = (1e-12, 1e-9, 1e-6, 1e-4, 1e-3, 4e-3), 49
# Distances from a finite bound, or from zero, for an infinite range: powers of ten.
_SMALLEST, _LARGEST = -10.0, 10.0
# Points of a tensor grid of several variables, and the number of its local maxima that are kept.
_TENSOR, _KEPT = 512, 2
# The finer scan that checks the result: factor on the points along a line, and points of the tensor grid.
_FINER, _FINER_TENSOR = 16, 32_768
# A local maximum of the scan has at least a third of its true height, if its basin is as wide as the spacing of the scan.
_HIDDEN = 3.0

Objective = Callable[[Float[Array, " control"]], Scalar]


class Basins(NamedTuple):
    """Local maxima of a scan.

    The basin of each lies between `low` and `high`.
    """

    best: Float[Array, " control"]
    place: Float[Array, "basin control"]
    low: Float[Array, "basin control"]
    high: Float[Array, "basin control"]
    level: Float[Array, " basin"]
    hope: Float[Array, " basin"]  # upper estimate of the maximum
    moved: Bool[Array, "basin control"]  # variables that differ from those of the best point


def line(
    low: Float[Array, " control"], high: Float[Array, " control"], fineness: int = 1
) -> Float[Array, "point control"]:
    """Increasing values of every variable between its bounds: dense near the bounds, evenly spaced in between.

    If a bound is infinite, the values grow geometrically from the other bound, or from zero in both directions.
    """
    ends, inner = np.array(_ENDS), _EVEN * fineness
    shares = np.concatenate([[0.0], ends, (np.arange(inner) + 0.5) / inner, 1.0 - ends[::-1], [1.0]])
    from_high = np.concatenate([1.0 - shares[: len(ends) + inner + 1], ends[::-1], [0.0]])  # exact near the upper bound
    one_sided = np.concatenate([[0.0], np.logspace(_SMALLEST, _LARGEST, len(shares) - 1)])
    half = np.logspace(_SMALLEST, _LARGEST, len(shares) // 2)
    two_sided = np.sort(np.concatenate([-half, half, [0.0] * (len(shares) % 2)]))

    def between(low, high):
        below, above = jnp.isfinite(low), jnp.isfinite(high)
        width = jnp.where(below & above, high - low, 1.0)
        finite = jnp.where(shares < 0.5, low + shares * width, high - from_high * width)
        half_infinite = jnp.where(below, low + one_sided, high - one_sided[::-1])
        return jnp.where(below & above, finite, jnp.where(below | above, half_infinite, two_sided))

    return jax.vmap(between, out_axes=1)(low, high)


def scan(objective: Objective, low, high, fineness: int) -> Basins:
    """The best point on the diagonal of the box and then along every variable in turn, and the next best local maxima.

    With a fineness of at least one, several variables are also scanned jointly.
    """
    values, count = line(low, high, max(fineness, 1)), len(low)
    along = jnp.eye(count, dtype=bool)

    def sweep(best, moved):
        points = jnp.where(moved[None, :], values, best[None, :])
        level = jax.vmap(objective)(points)
        top = jnp.argmax(level)
        is_peak, base = _peaks(level, 0)
        other = jnp.argmax(jnp.where(is_peak & (jnp.arange(len(level)) != top), level, -jnp.inf))
        exists = is_peak[other] & (other != top)
        at_other = jnp.where(exists, level[other], -jnp.inf)
        # The other variables are not optimal yet, so that levels on different lines cannot be compared.
        rival = at_other + _HIDDEN * (at_other - base[other]) >= level[top]
        hope = jnp.where(exists & rival, jnp.inf, -jnp.inf)
        start, end = points[jnp.maximum(other - 1, 0)], points[jnp.minimum(other + 1, len(points) - 1)]
        start, end = jnp.where(moved, start, low), jnp.where(moved, end, high)
        return points[top], (points[other], start, end, at_other, hope)

    if count == 1:
        best, (place, start, end, level, hope) = sweep(values[0], along[0])
        return Basins(best, place[None], start[None], end[None], level[None], hope[None], along)
    diagonal = jnp.ones((1, count), dtype=bool)
    best, peaks = jax.lax.scan(sweep, values[0], jnp.concatenate([diagonal, along, along]))
    place, start, end, level, hope = (leaf[-count:] for leaf in peaks)
    lines = Basins(best, place, start, end, level, hope, along)
    per_axis = int(_TENSOR ** (1.0 / count) * fineness + 1e-9)
    if per_axis < 2:
        return lines
    joint = _joint(objective, values, per_axis, _KEPT * fineness, best)
    return jax.tree.map(lambda a, b: jnp.concatenate([a, b]), lines._replace(best=best[None]), joint)._replace(
        best=best
    )


def _peaks(level: Float[Array, "..."], axis: int) -> tuple[Bool[Array, "..."], Float[Array, "..."]]:
    """Whether a level is higher than its neighbours along an axis, and the lower of the finite neighbours."""
    width = level.shape[axis]
    padded = jnp.pad(level, [(1, 1) if a == axis else (0, 0) for a in range(level.ndim)], constant_values=-jnp.inf)
    before, after = (jax.lax.slice_in_dim(padded, n, n + width, axis=axis) for n in (0, 2))
    lower = jnp.minimum(jnp.where(jnp.isfinite(before), before, level), jnp.where(jnp.isfinite(after), after, level))
    return (level > before) & (level >= after), lower


def _joint(objective: Objective, values, per_axis: int, count: int, best) -> Basins:
    """The highest local maxima on a tensor grid of a few values of every variable, without that of the best point."""
    variables = values.shape[1]
    index = np.floor((np.arange(per_axis) + 0.5) / per_axis * len(values)).astype(int)
    around = values[np.concatenate([[0], index, [-1]])]
    axes = values[index]
    mesh = jnp.meshgrid(*(axes[:, c] for c in range(variables)), indexing="ij")
    points = jnp.stack([m.ravel() for m in mesh], axis=-1)
    level = jax.lax.map(objective, points, batch_size=2 * _TENSOR).reshape((per_axis,) * variables)
    is_peak, base = jnp.ones(level.shape, dtype=bool), level
    for axis in range(variables):
        along, lower = _peaks(level, axis)
        is_peak, base = is_peak & along, jnp.minimum(base, lower)
    cells = np.stack(np.unravel_index(np.arange(level.size), level.shape), axis=-1)
    starts, ends = (jnp.stack([around[cells[:, c] + n, c] for c in range(variables)], axis=-1) for n in (0, 2))
    same = jnp.all((best[None, :] >= starts) & (best[None, :] <= ends), axis=1)
    height, kept = jnp.where(is_peak.ravel() & ~same, level.ravel(), -jnp.inf), []
    for _ in range(count):  # faster than a sort
        kept.append(jnp.argmax(height))
        height = height.at[kept[-1]].set(-jnp.inf)
    kept = jnp.stack(kept)
    exists = (is_peak.ravel() & ~same)[kept]
    top = jnp.where(exists, level.ravel()[kept], -jnp.inf)
    hope = jnp.where(exists, top + _HIDDEN * (top - base.ravel()[kept]), -jnp.inf)
    return Basins(
        best[None], points[kept], starts[kept], ends[kept], top, hope, jnp.ones((count, variables), dtype=bool)
    )


def highest(objective: Objective, low, high, point: Float[Array, " control"]) -> Scalar:
    """The highest value on a scan through a point that is much finer than `scan`; it shows whether a maximum was missed."""
    values, count = line(low, high, _FINER), len(low)
    lines = jnp.where(jnp.eye(count, dtype=bool)[:, None, :], values[None, :, :], point[None, None, :])
    best = jnp.max(jax.vmap(objective)(lines.reshape(-1, count)))
    per_axis = int(_FINER_TENSOR ** (1.0 / count))
    if count == 1 or per_axis < 2:
        return best
    axes = values[np.floor((np.arange(per_axis) + 0.5) / per_axis * len(values)).astype(int)]

    def objective_at(number):
        digits = number // per_axis ** jnp.arange(count) % per_axis
        return objective(jnp.take_along_axis(axes, digits[None, :], axis=0)[0])

    return jnp.maximum(best, jnp.max(jax.lax.map(objective_at, jnp.arange(per_axis**count), batch_size=2 * _TENSOR)))


def best_of(objective: Objective, points: Float[Array, "point control"]) -> tuple[Float[Array, " control"], Scalar]:
    """The best of several points, and its value."""
    values = jax.vmap(objective)(points)
    best = jnp.argmax(values)
    return points[best], values[best]
