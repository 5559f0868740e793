import abc
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import PRNGKeyArray

from ...models import HJBProblem
from ...models.base import Point, Scalar
from ._result import RESULTS


class Finish(NamedTuple):
    """What a solver hands back for a family of problems."""

    value: Callable[[Scalar, Point], Scalar]  # array leaves stacked over the family
    result: RESULTS
    stats: dict[str, Any]
    nodes: tuple[np.ndarray, ...]  # a grid that shows the solution well
    policy: Any = None  # a trained policy, leaves stacked; None where the control is the maximiser of the Hamiltonian


MOST_STEPS = 500  # far more than Newton's method takes, so that what wanders ends


class AbstractSolver(eqx.Module):
    """How a problem is solved: four verbs on immutable objects, driven by `solve`.

    Solvers see a *family* of problems: every array leaf of the problem has a leading axis over members that
    share a grid (the damage functions behind a jump). A single problem is a family of one.

    `workspace` holds what can be rebuilt at any time (matrices, compiled functions); `state` holds the rest and
    is what a checkpoint saves.
    """

    @abc.abstractmethod
    def init(
        self,
        problem: HJBProblem,
        family: int,
        key: PRNGKeyArray,
        guess: Callable[[Scalar, Point], Scalar] | None,
    ) -> tuple[Any, Any]:
        """The first state and the workspace."""

    @abc.abstractmethod
    def step(self, problem: HJBProblem, state: Any, workspace: Any, key: PRNGKeyArray) -> Any:
        """One iteration."""

    @abc.abstractmethod
    def terminate(self, state: Any) -> bool:
        """Whether nothing more is to be done."""

    @abc.abstractmethod
    def progress(self, state: Any) -> tuple[dict[str, float], str]:
        """Named numbers and the stage, for display."""

    @abc.abstractmethod
    def finish(self, problem: HJBProblem, state: Any, workspace: Any) -> Finish:
        """The value function, the result code and statistics."""

    def check_coupled(self, problem: HJBProblem, family: int) -> None:
        """**Raises:** `ValueError` if regimes that lead to each other, or back to themselves, cannot be solved together."""
        del family
        raise ValueError(
            f"`solver` is {type(self).__name__}; jumps of `{problem.model.name}` lead back to a regime before them: use"
            " FiniteDifference."
        )

    @property
    def most_steps(self) -> int:
        """Iterations after which `solve` gives a regime up, unless it is told otherwise."""
        return MOST_STEPS

    def coarser(self, problem: HJBProblem) -> "AbstractSolver | None":
        """What finds a solution to refine where this solver did not converge; None if there is nothing of the kind."""
        del problem
        return None
