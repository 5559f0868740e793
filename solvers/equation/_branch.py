"""Indicators of a false branch: properties that exclude a converged solution as the value function."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from ...models import HJBProblem
from ..base import OUTWARD, PINNED, WRONG_SIGN
from ._godunov import Local

# Largest tolerated share of the region with an interior control at a bound (first), and with a clipped control or a marginal value
# of the wrong sign (second).
MOSTLY_PINNED = 0.5
MOSTLY_WRONG = 0.25
# Largest tolerated share of the region with a marginal value of the wrong sign and a magnitude above OF_SOME_SIZE times its root mean
# square; smaller values are numerical noise.
SOMEWHERE_WRONG, OF_SOME_SIZE = 0.01, 0.1
# Slopes are undetermined if noise across a state constraint changes them by more than this multiple of their size. On
# linear-quadratic problems the multiple was at most 1.0 for exact solutions and at least 5.9 for wrong ones.
TOO_OPEN = 2.0
# A Hamiltonian is flat in a control if it rises over the range of the control by less than this share of the discount rate times the
# range of V.
_RISES = 1e-6
# Marginal values below this share of the range of V divided by the length of the box are rounding.
_NOTHING = 1e-9


def in_region(problem: HJBProblem, points: Float[np.ndarray, "node state"]) -> Bool[np.ndarray, " node"]:
    """The points that lie in the region of interest."""
    low, high = np.array(problem.region).T
    return np.all((points >= low) & (points <= high), axis=1)


def share_pinned(problem: HJBProblem, points: Float[np.ndarray, "node state"], control: Any) -> float:
    """The largest share of points in the region at which a control with a declared interior optimum is at a bound.

    `control` holds arrays over (family, node).
    """
    inside, interior, limits = in_region(problem, points), problem.model.interior_controls(), problem.model.controls
    shares = [0.0]
    for name, u, bounds in zip(limits._fields, control, limits, strict=True):
        if name in interior:
            shares += [_largest_share(_at(u[:, inside], bound)) for bound in (bounds.low, bounds.high)]
    return max(shares)


def share_clipped(problem: HJBProblem, points: Float[np.ndarray, "node state"], local: Local) -> float:
    """The largest share of points in the region at which a control is at a bound although the Hamiltonian rises away from it.

    At a binding bound the Hamiltonian rises towards the bound. If it falls, the solution of the first-order condition was clipped
    although it is not a maximum (the Hamiltonian is not concave, or a marginal value has the wrong sign).
    """
    inside, limits, shares = in_region(problem, points), problem.model.controls, [0.0]
    rate = np.asarray(problem.model.preferences.discount_rate)
    value = local.value[:, inside]
    ranges = np.ptp(value, axis=1, keepdims=True) + 1e-6 * np.max(np.abs(value), axis=1, keepdims=True)
    scale = np.abs(rate).reshape(-1, 1) * ranges
    for u, ascent, bounds in zip(local.control, local.ascent, limits, strict=True):
        width = bounds.high - bounds.low
        for bound, inward in ((bounds.low, 1.0), (bounds.high, -1.0)):
            if not np.isfinite(bound):
                continue
            reach = width if np.isfinite(width) else 1.0 + abs(bound)
            rise = inward * ascent[:, inside] * reach
            shares.append(_largest_share(_at(u[:, inside], bound) & (rise > _RISES * scale)))
    return max(shares)


def _at(u: Float[np.ndarray, "family node"], bound: float) -> Bool[np.ndarray, "family node"]:
    """The points at which a control is at a bound, up to rounding; none if the bound is infinite."""
    return np.isfinite(bound) & (np.abs(u - bound) <= 1e-9 * abs(bound))


def share_wrong_sign(
    problem: HJBProblem,
    points: Float[np.ndarray, "node state"],
    values: Float[np.ndarray, "family node"],
    costate: Float[np.ndarray, "family node state"],
) -> tuple[float, float]:
    """The largest share of points in the region at which a marginal value does not have the sign that the model declares.

    **Returns:** the share of all such points, and the share of those with a magnitude above `OF_SOME_SIZE`.
    """
    inside, shares = in_region(problem, points), [(0.0, 0.0)]
    spread = np.ptp(values[:, inside], axis=1)
    fields = problem.model.states._fields
    for field, sign in problem.model.costate_signs().items():
        a = fields.index(field)
        low, high = problem.region[a]
        least = _NOTHING * spread[:, None] / (high - low)
        marginal = sign * costate[:, inside, a]
        size = np.maximum(OF_SOME_SIZE * np.sqrt(np.mean(marginal**2, axis=1, keepdims=True)), least)
        shares.append((_largest_share(marginal <= least), _largest_share(marginal < -size)))
    most, sizeable = map(max, zip(*shares, strict=True))
    return most, sizeable


def _largest_share(where: Bool[np.ndarray, "family node"]) -> float:
    return float(np.max(np.mean(where, axis=1)))


def false_branch(
    problem: HJBProblem, points: Float[np.ndarray, "node state"], local: Local, leaves: bool
) -> int | None:
    """The status of a false branch; None without any indicator. `leaves`: whether the drift points out of the box."""
    if leaves:
        return OUTWARD
    if share_pinned(problem, points, local.control) > MOSTLY_PINNED:
        return PINNED
    if share_clipped(problem, points, local) > MOSTLY_WRONG:
        return PINNED
    wrong, sizeable = share_wrong_sign(problem, points, local.value, local.costate)
    return WRONG_SIGN if wrong > MOSTLY_WRONG or sizeable > SOMEWHERE_WRONG else None


def left_open(
    problem: HJBProblem,
    points: Float[np.ndarray, "node state"],
    constrained: Bool[np.ndarray, "node state"],
    variance: Float[np.ndarray, "family node state state"],
    slopes: Float[np.ndarray, "family node state"],
    hessians: Float[np.ndarray, "family node state state"],
    respond: Callable[[np.ndarray], np.ndarray],
) -> bool:
    """Whether slopes in the region depend on the noise across state constraints (measured in root mean squares).

    A high-order scheme imposes the equation at a state constraint, including noise across the constraint, which the constraint
    excludes. The effect of removing that noise is the solution of one linear system. If drift dominates, the change decays away
    from the face. If noise dominates, the equation in the interior does not determine the solution.

    `barred` marks the points on a constraint of each state; `respond` returns the change of the slopes caused by a residual.
    """
    across = np.zeros(slopes.shape[:2])
    for a in range(points.shape[1]):
        on = constrained[:, a]
        across[:, on] += variance[:, on, a, a] * hessians[:, on, a, a]
    if not np.any(across):
        return False
    moved, inside = respond(across), in_region(problem, points)
    if not inside.any():  # with wide margins in many states no node may lie in the region
        inside = np.ones_like(inside)
    change, size = (np.sqrt(np.mean(s[:, inside] ** 2, axis=(1, 2))) for s in (moved, slopes))
    return bool(np.any(change / np.maximum(size, 1e-300) > TOO_OPEN))
