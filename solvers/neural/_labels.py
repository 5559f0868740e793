"""Labels: what tells the members of a family apart, as numbers for a network that serves them all."""

from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float

# Directions along which members differ less than this share of the main one say nothing new.
_NOTHING = 1e-9


def labels_of(model: Any, family: int) -> Float[np.ndarray, "family label"]:
    """Where each member of a family stands between the others: parameters that differ, brought to [-1, 1].

    Parameters that move together (a damage curvature and what follows from it) are one label: directions are the principal ones
    of the standardised parameters.
    """
    leaves = [np.asarray(leaf, dtype=float) for leaf in jax.tree.leaves(eqx.filter(model, eqx.is_array))]
    table = np.concatenate([leaf.reshape(family, -1) for leaf in leaves], axis=1)
    spread = np.ptp(table, axis=0)
    told = spread > 1e-12 * (1.0 + np.max(np.abs(table), axis=0))
    if not told.any():
        return np.zeros((family, 1))
    unit = 2.0 * (table[:, told] - np.min(table[:, told], axis=0)) / spread[told] - 1.0
    left, size, _ = np.linalg.svd(unit - np.mean(unit, axis=0), full_matrices=False)
    scores = (left * size)[:, size > _NOTHING * size[0]]
    low, high = np.min(scores, axis=0), np.max(scores, axis=0)
    # the sign of a singular vector is arbitrary: the first member is at the lower end of each
    return (2.0 * (scores - low) / (high - low) - 1.0) * np.where(scores[0] > 0.5 * (low + high), -1.0, 1.0)
