import abc
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import PRNGKeyArray

from ...models import HJBProblem
from ...models.base import Point, Scalar
from ._result import RESULTS


class Finish(NamedTuple):
    """The result of a solver for a family of problems.

    **Arguments:**

    - `value`: the value function; array leaves are stacked over the family.
    - `result`: a code of `RESULTS`.
    - `stats`: numbers about the solve by name: steps, unknowns, estimated errors.
    - `nodes`: for each state the nodes of a grid that resolves the solution, for datasets and figures.
    - `policy`: a trained policy, leaves stacked; None if the control is the maximiser of the Hamiltonian.

    !!! example

        ```python
        import numpy as np

        import abatax as ab

        nodes = (np.linspace(-3.0, 3.0, 5),)
        finish = ab.solvers.Finish(lambda t, x: 0.0 * x.state, ab.solvers.RESULTS.successful, {"steps": 1}, nodes)
        assert finish.policy is None
        ```
    """

    value: Callable[[Scalar, Point], Scalar]  # array leaves stacked over the family
    result: RESULTS
    stats: dict[str, Any]
    nodes: tuple[np.ndarray, ...]  # a grid that resolves the solution, for datasets and figures
    policy: Any = None  # a trained policy, leaves stacked; None where the control is the maximiser of the Hamiltonian


MOST_STEPS = 500  # far more than Newton's method needs; stops an iteration that diverges


class AbstractSolver(eqx.Module):
    """The protocol of a solver: methods on immutable objects that `solve` calls.

    A solver receives a *family* of problems: every array leaf of the problem has a leading axis over members that share a grid (for
    example the damage functions after a jump). A single problem is a family of one member.

    `workspace` holds objects that can be rebuilt at any time (matrices, compiled functions). `state` holds everything else and is
    saved in checkpoints.

    !!! example

        ```python
        import abatax as ab

        solver = ab.solvers.FiniteDifference()
        assert isinstance(solver, ab.solvers.AbstractSolver) and solver.name == "finite_difference"
        assert solver.most_steps == 500
        ```
    """

    name: ClassVar[str]  # on the command line and in files; solvers without a name are not listed

    @abc.abstractmethod
    def init(
        self,
        problem: HJBProblem,
        family: int,
        key: PRNGKeyArray,
        guess: Callable[[Scalar, Point], Scalar] | None,
    ) -> tuple[Any, Any]:
        """The initial state and the workspace."""

    @abc.abstractmethod
    def step(self, problem: HJBProblem, state: Any, workspace: Any, key: PRNGKeyArray) -> Any:
        """One iteration."""

    @abc.abstractmethod
    def terminate(self, state: Any) -> bool:
        """Whether the iteration has ended."""

    @abc.abstractmethod
    def progress(self, state: Any) -> tuple[dict[str, float], str]:
        """Named numbers and the stage, for display."""

    @abc.abstractmethod
    def finish(self, problem: HJBProblem, state: Any, workspace: Any) -> Finish:
        """The value function, the result code and statistics."""

    def check(self, problem: HJBProblem, family: int, coupled: bool) -> None:
        """Refuse a problem that the solver cannot solve; `solve` asks before it solves the destinations of the jumps.

        **Arguments:** `problem`: a family of problems without continuations. `family`: its size. `coupled`: whether regimes have jumps
        to each other or back to themselves.

        **Raises:** `ValueError` in one line with a remedy.
        """
        del family
        if coupled:
            raise ValueError(
                f"`solver` is {type(self).__name__}; jumps of `{problem.model.name}` lead back to a regime before them: use"
                " FiniteDifference."
            )

    @property
    def most_steps(self) -> int:
        """The default of the largest number of iterations of `solve` per regime."""
        return MOST_STEPS

    def coarser(self, problem: HJBProblem) -> "AbstractSolver | None":
        """A coarser solver for a first solution if this solver did not converge; None if there is none."""
        del problem
        return None


class AbstractTrainedSolver(AbstractSolver):
    """A solver that trains a network of a named architecture, step by step. Comparison, tuning and budgets need only this.

    !!! example

        ```python
        import abatax as ab

        solver = ab.solvers.GaussNewton(parameters=100)
        deeper = solver.trained_with("mlp", {"depth": 3}, steps=50)
        assert isinstance(solver, ab.solvers.AbstractTrainedSolver) and deeper.architecture == "mlp"
        ```
    """

    architecture: eqx.AbstractVar[str]

    @abc.abstractmethod
    def training_steps(self, state: Any) -> int:
        """The number of training steps that a state has behind it, without those of a start."""

    @abc.abstractmethod
    def verdict(self, problem: HJBProblem, state: Any, workspace: Any) -> RESULTS:
        """The result code of the networks that `finish` returns; a training that was interrupted is judged as if it had ended."""

    @abc.abstractmethod
    def trained_with(self, architecture: str, network: dict[str, Any], **options: Any) -> "AbstractTrainedSolver":
        """A copy with another architecture, options of the network by name, and options of the solver."""
