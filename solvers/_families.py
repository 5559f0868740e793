"""Solve many members of a family of problems together."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from ..models import HJBProblem, ProblemFamily
from ..models.equation import check_posed
from ._driver import FamilyRun, SolveOptions, SolverError
from ._kinds import check_kind, default_solver
from .base import AbstractProgress, AbstractSolver, NoProgress
from .solution import Regimes, Solution


class FamilySolution(eqx.Module):
    """The solutions of some members of a family.

    **Fields:** `family`: the family. `theta`: the parameters of the solved members, one row each. `solution`: their solutions, array
    leaves stacked.

    !!! example

        ```python
        import abatax as ab

        family = ab.ProblemFamily(ab.models.LinearQuadratic(), {"control_cost": (0.5, 2.0)})
        solved = ab.solve_family(family, family.sample(4), ab.solvers.FiniteDifference(points=21))
        assert solved.at(solved.theta[2]).converged and len(solved) == 4
        ```
    """

    family: ProblemFamily
    theta: Float[np.ndarray, "member parameter"]
    solution: Solution

    def __len__(self) -> int:
        return len(self.theta)

    def member(self, index: int) -> Solution:
        """The solution of one solved member."""
        return self.solution.member(index)

    def at(self, theta: Mapping[str, float] | Float[np.ndarray, " parameter"]) -> Solution:
        """The solution with given parameters.

        **Arguments:** `theta`: values by name, or in the order of `family.names`.

        **Raises:** `ValueError` if these parameters were not solved.
        """
        row = self.family.row(theta)
        distance = np.max(np.abs(self.family.to_unit(self.theta) - self.family.to_unit(row[None])), axis=1)
        nearest = int(np.argmin(distance))
        if distance[nearest] > 1e-9:
            given = ", ".join(f"{name} = {z:g}" for name, z in zip(self.family.names, row, strict=True))
            raise ValueError(f"no member with {given} was solved; call `solve_family` with these parameters.")
        return self.member(nearest)


def solve_family(
    family: ProblemFamily,
    theta: Float[np.ndarray, "member parameter"],
    solver: AbstractSolver | None = None,
    *,
    key: PRNGKeyArray | None = None,
    max_steps: int | None = None,
    throw: bool = True,
    progress: AbstractProgress | None = None,
    checkpoint: str | Path | None = None,
) -> FamilySolution:
    """Solve members of a family together: they share grids, compiled programs and, if the solver trains one, a network.

    **Arguments:**

    - `family`: the family. `theta`: the parameters of the members, one row each, for example from `family.sample`.
    - `solver`: as in [`solve`][]; by default `FiniteDifference()`.
    - `key`, `max_steps`, `throw`, `progress`, `checkpoint`: as in [`solve`][].

    **Returns:** [`FamilySolution`][].

    **Raises:** `ValueError` if a row is not in the form of `theta`, if the model refuses it, or if members differ in more than
    numbers (in their regimes or their box); `SolverError` under `throw` if a regime did not converge.

    !!! example

        ```python
        import abatax as ab

        family = ab.ProblemFamily(ab.models.LinearQuadratic(), {"control_cost": (0.5, 2.0)})
        solved = ab.solve_family(family, family.sample(4), ab.solvers.FiniteDifference(points=21))
        assert solved.solution.family == (4,)
        ```
    """
    theta = np.atleast_2d(np.asarray(theta, dtype=float))
    problems = [family.at(row) for row in theta]
    for problem in problems:
        problem.check_start()
    stacked = _stacked(problems)
    check_posed(stacked, family=True)
    chosen: Any = default_solver(problems[0]) if solver is None else check_kind(problems[0], solver)
    options = SolveOptions(
        jr.key(0) if key is None else key,
        guess=None,
        max_steps=max_steps,
        progress=NoProgress() if progress is None else progress,
        folder=None if checkpoint is None else Path(checkpoint),
    )
    size = len(problems)
    solution = FamilyRun(chosen, options, [], Regimes(stacked, size)).family(stacked, size, options.key, None)
    if throw and not solution.converged:
        raise SolverError(solution.advice, solution)
    return FamilySolution(family, theta, solution)


def _stacked(problems: list[HJBProblem]) -> HJBProblem:
    """Problems that differ in numbers only, with a leading axis over them on every array leaf."""
    trees = [jax.tree.flatten(eqx.filter(problem, eqx.is_array)) for problem in problems]
    shapes = [[np.shape(leaf) for leaf in leaves] for leaves, _ in trees]
    if any(structure != trees[0][1] for _, structure in trees) or any(s != shapes[0] for s in shapes):
        raise ValueError(
            "`theta`: the members differ in regimes, boxes or sizes; vary numbers only, or give all one `box`."
        )
    leaves = [
        jnp.stack([jnp.asarray(leaf) for leaf in column]) for column in zip(*(part for part, _ in trees), strict=True)
    ]
    rest = eqx.filter(problems[0], eqx.is_array, inverse=True)
    return eqx.combine(jax.tree.unflatten(trees[0][1], leaves), rest)
