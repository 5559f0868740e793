"""Independent solutions: closed forms, Riccati equations, ordinary differential equations and optimal open-loop paths."""

from ._exact import (
    AKExact as AKExact,
    MultiRegionExact as MultiRegionExact,
    exact_value as exact_value,
    has_exact_value as has_exact_value,
)
from ._fossil_limit import FossilLimit as FossilLimit
from ._green_transition import GreenTransition as GreenTransition
from ._open_loop import OpenLoop as OpenLoop, OpenLoopPath as OpenLoopPath
from ._riccati import QuadraticValue as QuadraticValue, riccati as riccati
