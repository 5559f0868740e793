"""A smooth problem with bounds in numpy, the input of the optimiser of paths."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Local(NamedTuple):
    """Values and derivatives at a point of the problem: minimise `value` with `low <= constraints <= high`."""

    value: float
    constraints: np.ndarray
    gradient: np.ndarray
    jacobian: np.ndarray  # derivative of the constraints
    hessian: np.ndarray  # hessian of value + multipliers . constraints


@dataclasses.dataclass(frozen=True)
class Program:
    """Minimise a function of x with bounds on x and on constraint functions of x. Equal bounds fix an unknown.

    `values` returns value and constraints at a point, `derivatives` also returns derivatives, at a point and multipliers. `groups` are
    integers from zero that assign unknowns and constraints to groups of similar weight (the periods).
    """

    values: Callable[[np.ndarray], tuple[float, np.ndarray]]
    derivatives: Callable[[np.ndarray, np.ndarray], Local]
    low: np.ndarray
    high: np.ndarray
    constraint_low: np.ndarray
    constraint_high: np.ndarray
    groups: np.ndarray
    constraint_groups: np.ndarray
