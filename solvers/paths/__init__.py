"""Simulated paths of a solution: the step of the stochastic differential equation, and regimes along paths."""

from ._regimes import Regime as Regime, regimes_of as regimes_of
from ._simulate import Paths as Paths, simulate as simulate
from ._step import euler_step as euler_step
