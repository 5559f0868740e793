from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class FiniteDifferenceState(NamedTuple):
    """The state of the iteration. All leaves are numpy arrays, so that a checkpoint is a file of arrays."""

    level: np.ndarray  # index of the grid, coarse to fine
    high_order: np.ndarray  # whether the Newton stage has begun
    leaning: np.ndarray  # status with which centred differences failed before biased ones were used; 0 while centred
    values: Float[np.ndarray, "family node"]
    move: Float[np.ndarray, "family node"]  # the last correction
    norm: Float[np.ndarray, " family"]  # root mean square residual over delta before the last correction
    fraction: Float[np.ndarray, " family"]  # share of the last correction that was applied
    change: np.ndarray  # largest correction over the range of V
    nearest: np.ndarray  # smallest such correction of the current stage
    steps_without_progress: np.ndarray  # steps since the correction last halved
    monotone: Float[np.ndarray, "family node"]  # the converged first-order solution of the finest grid
    estimated_error: np.ndarray  # relative error estimated from the residuals between the nodes
    status: np.ndarray  # status code of the iteration
    steps: np.ndarray  # number of first-order and high-order steps on each level
