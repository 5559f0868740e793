"""What errors of value functions are measured by."""

import numpy as np
from jaxtyping import Bool, Float

# Least range: a share of the range that is known before the equation is solved, a share of the level, and a value that is none.
_OF_KNOWN, _OF_LEVEL, _NOTHING = 1e-2, 1e-4, 1e-12
# Values that vary by no more than this share of their level vary by rounding.
_FLAT = 1e-9


def value_ranges(
    values: Float[np.ndarray, "family point"], rest: Float[np.ndarray, "family point"] | None = None
) -> Float[np.ndarray, " family"]:
    """The range of each member's values at points, less what is known before the equation is solved.

    A value that does not vary beyond what is known has no range of its own: errors are then measured by what is known, or by the
    level. Without such floors rounding would be an infinite share of nothing. `rest` is what values leave when what is known is
    taken out, all of them if left out.
    """
    own = np.ptp(values if rest is None else rest, axis=1)
    level = np.max(np.abs(values), axis=1)
    return np.maximum(np.maximum(own, _OF_KNOWN * np.ptp(values, axis=1)), np.maximum(_OF_LEVEL * level, _NOTHING))


def flat(values: Float[np.ndarray, "family point"]) -> Bool[np.ndarray, " family"]:
    """Which members do not vary by more than rounding: nothing can be said about the shape of their slopes."""
    return np.ptp(values, axis=1) <= _FLAT * np.max(np.abs(values), axis=1) + _NOTHING
