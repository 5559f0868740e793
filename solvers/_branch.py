"""Marks of a false branch: what a converged solution must not look like."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from ..models import HJBProblem

# A control at its bound, or a marginal value of the wrong sign, on more than this share of the region.
MOSTLY_PINNED = 0.5
MOSTLY_WRONG = 0.25
# Noise across a state constraint that moves slopes inside by more than this multiple of their size leaves them open: measured
# on linear-quadratic problems, up to 1.0 where the solution is exact and from 5.9 where it is wrong.
TOO_OPEN = 2.0
# Marginal values below this share of the range of V over the length of the box are rounding.
_NOTHING = 1e-9


def in_region(problem: HJBProblem, points: Float[np.ndarray, "node state"]) -> Bool[np.ndarray, " node"]:
    """Which points lie in the region of interest."""
    low, high = np.array(problem.region).T
    return np.all((points >= low) & (points <= high), axis=1)


def share_pinned(problem: HJBProblem, points: Float[np.ndarray, "node state"], control: Any) -> float:
    """The largest share of points in the region at which a control sits at one of its bounds.

    `control` holds arrays over (family, node). Clipped first-order conditions have false solutions of small residual.
    """
    inside, shares = in_region(problem, points), [0.0]
    for u, bounds in zip(control, problem.model.controls, strict=True):
        for bound in (bounds.low, bounds.high):
            at_bound = np.abs(u[:, inside] - bound) <= 1e-9 * (1.0 + abs(bound))
            shares.append(float(np.max(np.mean(at_bound, axis=1))))
    return max(shares)


def share_wrong_sign(
    problem: HJBProblem,
    points: Float[np.ndarray, "node state"],
    values: Float[np.ndarray, "family node"],
    costate: Float[np.ndarray, "family node state"],
) -> float:
    """The largest share of points in the region at which a marginal value has not the sign that the model declares."""
    inside, shares = in_region(problem, points), [0.0]
    spread = np.ptp(values[:, inside], axis=1)
    fields = problem.model.states._fields
    for field, sign in problem.model.costate_signs().items():
        a = fields.index(field)
        low, high = problem.region[a]
        least = _NOTHING * spread[:, None] / (high - low)
        shares.append(float(np.max(np.mean(sign * costate[:, inside, a] <= least, axis=1))))
    return max(shares)
