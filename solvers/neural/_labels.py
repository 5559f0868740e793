"""Labels: numbers that identify the members of a family, as inputs of a joint network."""

from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float

# Principal directions with a singular value below this fraction of the largest one are dropped.
_NEGLIGIBLE = 1e-9


def labels_of(model: Any, family: int) -> Float[np.ndarray, "family label"]:
    """Labels of the members of a family: the parameters in which they differ, scaled to [-1, 1].

    Labels are the principal components of the standardised parameters, so that parameters which vary together (for example a damage
    curvature and quantities derived from it) form one label.
    """
    leaves = [np.asarray(leaf, dtype=float) for leaf in jax.tree.leaves(eqx.filter(model, eqx.is_array))]
    table = np.concatenate([leaf.reshape(family, -1) for leaf in leaves], axis=1)
    spread = np.ptp(table, axis=0)
    varies = spread > 1e-12 * (1.0 + np.max(np.abs(table), axis=0))
    if not varies.any():
        return np.zeros((family, 1))
    unit = 2.0 * (table[:, varies] - np.min(table[:, varies], axis=0)) / spread[varies] - 1.0
    vectors, singular_values, _ = np.linalg.svd(unit - np.mean(unit, axis=0), full_matrices=False)
    scores = (vectors * singular_values)[:, singular_values > _NEGLIGIBLE * singular_values[0]]
    low, high = np.min(scores, axis=0), np.max(scores, axis=0)
    # the sign of a singular vector is arbitrary: the first member is at the lower end of each
    return (2.0 * (scores - low) / (high - low) - 1.0) * np.where(scores[0] > 0.5 * (low + high), -1.0, 1.0)
