from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class FiniteDifferenceState(NamedTuple):
    """Where the iteration is. All leaves are numpy, so that a checkpoint is a file of arrays."""

    level: np.ndarray  # index of the grid, coarse to fine
    high_order: np.ndarray  # whether the Newton stage has begun
    leaning: (
        np.ndarray
    )  # the code with which centred differences failed, so that now they lean; 0 while they are centred
    values: Float[np.ndarray, "family node"]
    move: Float[np.ndarray, "family node"]  # the last correction
    norm: Float[np.ndarray, " family"]  # root mean square residual over delta before it
    fraction: Float[np.ndarray, " family"]  # how much of it was taken
    change: np.ndarray  # largest correction over the range of V
    nearest: np.ndarray  # the smallest such correction of this Newton stage
    astray: np.ndarray  # steps since one came much nearer
    monotone: Float[np.ndarray, "family node"]  # the converged first-order solution of the finest grid
    left: np.ndarray  # the relative error that residuals between the nodes allow
    status: np.ndarray  # where it stands
    steps: np.ndarray  # taken on each level, first-order and high-order
