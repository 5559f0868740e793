"""Kinds of problems: the problem that a model poses, and the solvers of each kind."""

import functools
from typing import Any

from ..models import AbstractDiscreteModel, AbstractModel, DiscreteProblem, HJBProblem
from .base import AbstractSolver
from .discrete import AbstractPathSolver, InteriorPoint
from .grid import FiniteDifference

# kind of problem: base class of its solvers, default solver, and description
_KINDS: dict[type, tuple[type, type, str]] = {
    HJBProblem: (AbstractSolver, FiniteDifference, "an HJB equation"),
    DiscreteProblem: (AbstractPathSolver, InteriorPoint, "a path in discrete time"),
}


@functools.singledispatch
def pose(problem: Any, box: dict[str, tuple[float, float]] | None = None) -> Any:
    """The problem that a model poses, in a box of its states for HJB equations. Problems are returned unchanged without a box.

    **Arguments:**

    - `problem`: a model or a problem.
    - `box`: for some states a pair (low, high) that replaces the region of interest, in the unit of the state.

    **Returns:** an `HJBProblem` or a `DiscreteProblem`.

    **Raises:** `ValueError` if `problem` is neither a model nor a problem, or if a problem in discrete time is given a box.

    !!! example

        ```python
        import abatax as ab

        problem = ab.solvers.pose(ab.models.LinearQuadratic(), {"state": (-1.0, 1.0)})
        assert problem.region == ((-1.0, 1.0),)
        ```
    """
    del box
    raise ValueError(f"`problem` is {type(problem).__name__}; give an HJBProblem, a DiscreteProblem or a model.")


@pose.register
def _(problem: HJBProblem, box: Any = None) -> HJBProblem:
    return problem.replace(box=box) if box else problem


@pose.register
def _(problem: AbstractModel, box: Any = None) -> HJBProblem:
    return HJBProblem(problem, box=box)


@pose.register
def _(problem: DiscreteProblem, box: Any = None) -> DiscreteProblem:
    _no_box(problem.model, box)
    return problem


@pose.register
def _(problem: AbstractDiscreteModel, box: Any = None) -> DiscreteProblem:
    _no_box(problem, box)
    return DiscreteProblem(problem)


def _no_box(model: AbstractDiscreteModel, box: dict[str, tuple[float, float]] | None) -> None:
    for name, bounds in (box or {}).items():
        raise ValueError(f"`box.{name}` is {bounds}; `{model.name}` is a path and has no box: leave it out.")


def default_solver(problem: HJBProblem | DiscreteProblem) -> Any:
    """The default solver of a problem.

    **Arguments:**

    - `problem`: an `HJBProblem` or a `DiscreteProblem`.

    **Returns:** `FiniteDifference()` for an HJB equation, `InteriorPoint()` for a path.

    !!! example

        ```python
        import abatax as ab

        problem = ab.DiscreteProblem(ab.models.Dice2016())
        assert isinstance(ab.solvers.default_solver(problem), ab.solvers.InteriorPoint)
        ```
    """
    return _KINDS[type(problem)][1]()


def check_kind(problem: HJBProblem | DiscreteProblem, solver: Any) -> Any:
    """Check that a solver solves this kind of problem, and return it.

    **Arguments:**

    - `problem`: an `HJBProblem` or a `DiscreteProblem`.
    - `solver`: a solver.

    **Returns:** the solver.

    **Raises:** `ValueError` if it solves another kind of problem.

    !!! example

        ```python
        import abatax as ab

        solver = ab.solvers.Spectral()
        assert ab.solvers.check_kind(ab.HJBProblem(ab.models.LinearQuadratic()), solver) is solver
        ```
    """
    family, default, words = _KINDS[type(problem)]
    if not isinstance(solver, family):
        kind = type(solver).__name__
        raise ValueError(f"`solver` is {kind}; `{problem.model.name}` poses {words}: use {default.__name__}.")
    return solver
