"""Marks of a false branch: what a converged solution must not look like."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from ...models import HJBProblem
from ..base import OUTWARD, PINNED, WRONG_SIGN
from ._godunov import Local

# An interior control at a bound, or a clipped control or a marginal value of the wrong sign, on more than this share of the region.
MOSTLY_PINNED = 0.5
MOSTLY_WRONG = 0.25
# On no more than this share may it be of the wrong sign and of some size, relative to its root mean square: small ones are noise.
SOMEWHERE_WRONG, OF_SOME_SIZE = 0.01, 0.1
# Noise across a state constraint that moves slopes inside by more than this multiple of their size leaves them open: measured
# on linear-quadratic problems, up to 1.0 where the solution is exact and from 5.9 where it is wrong.
TOO_OPEN = 2.0
# A Hamiltonian that rises over the range of a control by less than this share of the range of V, discounted, is flat.
_RISES = 1e-6
# Marginal values below this share of the range of V over the length of the box are rounding.
_NOTHING = 1e-9


def in_region(problem: HJBProblem, points: Float[np.ndarray, "node state"]) -> Bool[np.ndarray, " node"]:
    """Which points lie in the region of interest."""
    low, high = np.array(problem.region).T
    return np.all((points >= low) & (points <= high), axis=1)


def share_pinned(problem: HJBProblem, points: Float[np.ndarray, "node state"], control: Any) -> float:
    """The largest share of points in the region at which a control that the model declares interior sits at a bound.

    `control` holds arrays over (family, node).
    """
    inside, interior, limits = in_region(problem, points), problem.model.interior_controls(), problem.model.controls
    shares = [0.0]
    for name, u, bounds in zip(limits._fields, control, limits, strict=True):
        if name in interior:
            shares += [_largest_share(_at(u[:, inside], bound)) for bound in (bounds.low, bounds.high)]
    return max(shares)


def share_clipped(problem: HJBProblem, points: Float[np.ndarray, "node state"], local: Local) -> float:
    """The largest share of points in the region at which a control sits at a bound although the Hamiltonian rises inside.

    A bound binds where the Hamiltonian rises towards it. Where it falls, a first-order condition was solved that is no
    maximum (the Hamiltonian is not concave, a marginal value has the wrong sign), and its solution was clipped.
    """
    inside, limits, shares = in_region(problem, points), problem.model.controls, [0.0]
    rate = np.asarray(problem.model.preferences.discount_rate)
    value = local.value[:, inside]
    size = np.ptp(value, axis=1, keepdims=True) + 1e-6 * np.max(np.abs(value), axis=1, keepdims=True)
    scale = np.abs(rate).reshape(-1, 1) * size
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
    """Where a control is at a bound, to rounding; nowhere if there is none."""
    return np.isfinite(bound) & (np.abs(u - bound) <= 1e-9 * abs(bound))


def share_wrong_sign(
    problem: HJBProblem,
    points: Float[np.ndarray, "node state"],
    values: Float[np.ndarray, "family node"],
    costate: Float[np.ndarray, "family node state"],
) -> tuple[float, float]:
    """The largest share of points in the region at which a marginal value has not the sign that the model declares.

    **Returns:** of all such points, and of those at which it is of some size as well.
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
    """The status of a false branch; None if there is no mark of one. `leaves`: the drift points out of the box."""
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
    barred: Bool[np.ndarray, "node state"],
    variance: Float[np.ndarray, "family node state state"],
    slopes: Float[np.ndarray, "family node state"],
    hessians: Float[np.ndarray, "family node state state"],
    respond: Callable[[np.ndarray], np.ndarray],
) -> bool:
    """Whether slopes in the region hang on the noise across state constraints (root mean square shares).

    A scheme of high order lets the equation itself hold at a constraint, with noise across it that the constraint forbids.
    Taking that noise away changes the solution by one linear solve. Where drift keeps information inside the change
    dies off from the face; where noise is stronger than drift, the equation inside leaves the solution open.

    `barred` says which points lie on constraints of which state; `respond` gives the change of the slopes that a residual causes.
    """
    across = np.zeros(slopes.shape[:2])
    for a in range(points.shape[1]):
        on = barred[:, a]
        across[:, on] += variance[:, on, a, a] * hessians[:, on, a, a]
    if not np.any(across):
        return False
    moved, inside = respond(across), in_region(problem, points)
    if not inside.any():  # with margins of many states
        inside = np.ones_like(inside)
    change, size = (np.sqrt(np.mean(s[:, inside] ** 2, axis=(1, 2))) for s in (moved, slopes))
    return bool(np.any(change / np.maximum(size, 1e-300) > TOO_OPEN))
