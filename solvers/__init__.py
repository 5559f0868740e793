"""How it is answered: one driver, solvers, the solution and its simulation."""

from ._driver import solve as solve, SolverError as SolverError
from ._finite_difference import FiniteDifference as FiniteDifference
from ._interpolation import TensorSpline as TensorSpline
from ._linear import (
    AbstractLinearSolver as AbstractLinearSolver,
    Automatic as Automatic,
    Direct as Direct,
    Multigrid as Multigrid,
)
from ._progress import (
    AbstractProgress as AbstractProgress,
    NoProgress as NoProgress,
    TextProgress as TextProgress,
)
from ._result import result_advice as result_advice, result_name as result_name, RESULTS as RESULTS
from ._solution import GreedyPolicy as GreedyPolicy, Solution as Solution
from ._solver import AbstractSolver as AbstractSolver, Finish as Finish
from ._datasets import grid_dataset as grid_dataset, paths_dataset as paths_dataset, regime_datasets as regime_datasets
from ._simulate import Paths as Paths, simulate as simulate
