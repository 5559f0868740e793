"""How it is answered: one driver, solvers, the solution and its simulation."""

from typing import TYPE_CHECKING

from ._chebyshev import PiecewiseChebyshev as PiecewiseChebyshev
from ._deep_galerkin import DeepGalerkin as DeepGalerkin
from ._downstream import Downstream as Downstream
from ._driver import SolverError as SolverError, Watched as Watched, solve as solve
from ._feature_map import FeatureMap as FeatureMap, FeatureValue as FeatureValue
from ._features import Features as Features
from ._fields import fields_at as fields_at
from ._finite_difference import FiniteDifference as FiniteDifference
from ._functionals import Fields as Fields, Reader as Reader
from ._gauss_newton import GaussNewton as GaussNewton
from ._identity import solution_fingerprint as solution_fingerprint
from ._interpolation import TensorSpline as TensorSpline
from ._linear import (
    AbstractLinearSolver as AbstractLinearSolver,
    Automatic as Automatic,
    Direct as Direct,
    LinearSystem as LinearSystem,
    Multigrid as Multigrid,
    Sweep as Sweep,
)
from ._network_value import NetworkValue as NetworkValue
from ._neural import AbstractNeural as AbstractNeural
from ._path_solver import AbstractPathSolver as AbstractPathSolver, InteriorPoint as InteriorPoint
from ._policy_iteration import PolicyIteration as PolicyIteration
from ._progress import (
    AbstractProgress as AbstractProgress,
    NoProgress as NoProgress,
    RichProgress as RichProgress,
    TextProgress as TextProgress,
)
from ._registry import SOLVERS as SOLVERS, solver_class as solver_class
from ._result import RESULTS as RESULTS, result_advice as result_advice, result_name as result_name
from ._sensitivities import sensitivities as sensitivities
from ._simulate import Paths as Paths, simulate as simulate
from ._solution import GreedyPolicy as GreedyPolicy, Return as Return, Solution as Solution
from ._solver import AbstractSolver as AbstractSolver, Finish as Finish
from ._spectral import Spectral as Spectral
from ._trajectory import Trajectory as Trajectory, follow as follow

if TYPE_CHECKING:
    from ._datasets import (
        grid_dataset as grid_dataset,
        paths_dataset as paths_dataset,
        regime_datasets as regime_datasets,
    )
    from ._trajectory_dataset import trajectory_dataset as trajectory_dataset


def __getattr__(name: str):
    # xarray and pandas take a second to import: only who labels arrays pays for it
    if name in ("grid_dataset", "paths_dataset", "regime_datasets"):
        from . import _datasets

        return getattr(_datasets, name)
    if name == "trajectory_dataset":
        from ._trajectory_dataset import trajectory_dataset

        return trajectory_dataset
    raise AttributeError(f"module `abatax.solvers` has no attribute `{name}`")
