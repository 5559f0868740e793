"""A smooth problem with bounds, in numpy: what an optimiser of paths is given."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Local(NamedTuple):
    """What is known at a point: minimise `value` with `low <= constraints <= high`."""

    value: float
    constraints: np.ndarray
    gradient: np.ndarray
    jacobian: np.ndarray  # of the constraints
    hessian: np.ndarray  # of value + multipliers . constraints


@dataclasses.dataclass(frozen=True)
class Program:
    """Minimise a function of x with bounds on x and on further functions of x; equal bounds on x fix it.

    `values` gives value and constraints at a point, `derivatives` everything at a point and multipliers. `groups` are whole
    numbers from zero that say which unknowns and which constraints matter about as much (those of one period).
    """

    values: Callable[[np.ndarray], tuple[float, np.ndarray]]
    derivatives: Callable[[np.ndarray, np.ndarray], Local]
    low: np.ndarray
    high: np.ndarray
    constraint_low: np.ndarray
    constraint_high: np.ndarray
    groups: np.ndarray
    constraint_groups: np.ndarray
