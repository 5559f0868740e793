"""Numerical solution: the driver, the solvers, the solution and its simulation."""

from typing import TYPE_CHECKING

from ._driver import SolverError as SolverError, Watched as Watched, reshape_leading as reshape_leading, solve as solve
from ._families import FamilySolution as FamilySolution, solve_family as solve_family
from ._kinds import check_kind as check_kind, default_solver as default_solver, pose as pose
from ._registry import (
    SOLVERS as SOLVERS,
    make_solver as make_solver,
    solver_class as solver_class,
    solver_options as solver_options,
)
from .base import (
    RESULTS as RESULTS,
    AbstractProgress as AbstractProgress,
    AbstractSolver as AbstractSolver,
    AbstractTrainedSolver as AbstractTrainedSolver,
    Finish as Finish,
    NoProgress as NoProgress,
    RichProgress as RichProgress,
    TextProgress as TextProgress,
    result_advice as result_advice,
    result_name as result_name,
)
from .collocation import (
    FeatureMap as FeatureMap,
    Features as Features,
    FeatureValue as FeatureValue,
    Spectral as Spectral,
)
from .discrete import AbstractPathSolver as AbstractPathSolver, InteriorPoint as InteriorPoint
from .grid import (
    AbstractLinearSolver as AbstractLinearSolver,
    Automatic as Automatic,
    Direct as Direct,
    Downstream as Downstream,
    FiniteDifference as FiniteDifference,
    LinearSystem as LinearSystem,
    Multigrid as Multigrid,
    Sweep as Sweep,
)
from .neural import (
    AbstractNeural as AbstractNeural,
    DeepGalerkin as DeepGalerkin,
    GaussNewton as GaussNewton,
    NetworkValue as NetworkValue,
    PolicyIteration as PolicyIteration,
)
from .paths import Paths as Paths, simulate as simulate
from .sensitivity import Fields as Fields, Reader as Reader, sensitivities as sensitivities
from .solution import (
    Evaluation as Evaluation,
    GreedyPolicy as GreedyPolicy,
    PiecewiseChebyshev as PiecewiseChebyshev,
    Policy as Policy,
    Return as Return,
    Solution as Solution,
    TensorSpline as TensorSpline,
    Trajectory as Trajectory,
    fields_at as fields_at,
    follow as follow,
    solution_fingerprint as solution_fingerprint,
)

if TYPE_CHECKING:
    from ..scenarios.labels import (
        grid_dataset as grid_dataset,
        paths_dataset as paths_dataset,
        regime_datasets as regime_datasets,
        trajectory_dataset as trajectory_dataset,
    )


def __getattr__(name: str):
    # xarray and pandas take a second to import, so they are loaded on first use
    if name in ("grid_dataset", "paths_dataset", "regime_datasets", "trajectory_dataset"):
        from ..scenarios import labels

        return getattr(labels, name)
    raise AttributeError(f"module `abatax.solvers` has no attribute `{name}`")
