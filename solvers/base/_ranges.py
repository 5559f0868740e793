"""The range of a value function, which is the unit of its errors."""

import numpy as np
from jaxtyping import Bool, Float

# Lower bounds of the range: a share of the range of the known part, a share of the level, and an absolute bound.
_OF_KNOWN, _OF_LEVEL, _NOTHING = 1e-2, 1e-4, 1e-12
# Variations up to this share of the level are rounding.
_FLAT = 1e-9


def value_ranges(
    values: Float[np.ndarray, "family point"], rest: Float[np.ndarray, "family point"] | None = None
) -> Float[np.ndarray, " family"]:
    """The range of the values of each member, without the part that is known before the equation is solved.

    If the values hardly vary beyond the known part, errors are measured relative to the range of all values or to their level.
    Without these lower bounds relative errors would be divided by zero. `rest` holds the values minus the known part; by default
    nothing is known.
    """
    unknown_range = np.ptp(values if rest is None else rest, axis=1)
    level = np.max(np.abs(values), axis=1)
    return np.maximum(
        np.maximum(unknown_range, _OF_KNOWN * np.ptp(values, axis=1)), np.maximum(_OF_LEVEL * level, _NOTHING)
    )


def flat(values: Float[np.ndarray, "family point"]) -> Bool[np.ndarray, " family"]:
    """The members with values that are constant up to rounding, so that their slopes carry no information."""
    return np.ptp(values, axis=1) <= _FLAT * np.max(np.abs(values), axis=1) + _NOTHING
