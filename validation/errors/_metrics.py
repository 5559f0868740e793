"""Errors of a solution against a reference on the region of interest."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.stats import qmc

from ...models import HJBProblem
from ...solvers import Paths, fields_at
from ...solvers.solution import MAXIMISER, AbstractRule


def region_points(problem: HJBProblem, count: int = 256, seed: int = 1) -> Float[Array, "point state"]:
    """Fresh low-discrepancy points (Sobol) in the region of interest, which are not nodes of a grid.

    **Arguments:**

    - `problem`: the problem with its region of interest.
    - `count`: number of points, best a power of two.
    - `seed`: seed of the scrambling.

    **Returns:** one state per row.

    !!! example

        ```python
        import abatax as ab

        points = ab.validation.region_points(ab.HJBProblem(ab.models.LinearQuadratic()), 64)
        assert points.shape == (64, 1) and abs(points).max() < 3.0
        ```
    """
    unit = qmc.Sobol(len(problem.region), rng=seed).random(count)
    low, high = np.array(problem.region).T
    return jnp.asarray(qmc.scale(unit, low, high))


def visited_points(paths: Paths, count: int = 256, seed: int = 0) -> Float[Array, "point state"]:
    """Random states of simulated paths before any jump, with equal weight of all years.

    **Arguments:**

    - `paths`: simulated paths.
    - `count`: number of states.
    - `seed`: seed of the selection.

    **Returns:** one state per row.

    !!! example

        ```python
        import abatax as ab

        solution = ab.solve(ab.models.LinearQuadratic(), ab.solvers.FiniteDifference(points=21))
        points = ab.validation.visited_points(ab.simulate(solution, years=5, num_paths=4), 8)
        assert points.shape == (8, 1)
        ```
    """
    visited = np.stack([np.asarray(z) for z in paths.states], axis=-1)[paths.in_first]
    return jnp.asarray(np.random.default_rng(seed).choice(visited, count, replace=len(visited) < count))


def quantities(
    problem: HJBProblem, value: Callable, points: Float[Array, "point state"], *, rule: AbstractRule = MAXIMISER
) -> dict[str, np.ndarray]:
    """The quantities of a comparison: centred value, each slope, each control, the social cost of carbon.

    **Arguments:**

    - `problem`, `value`: of a solution.
    - `points`: one state per row.
    - `rule`: the rule for the control, `Solution.rule` of a solution; by default the maximiser of the Hamiltonian.

    **Returns:** one array per quantity; the mean of the value is subtracted.

    !!! example

        ```python
        import abatax as ab

        solution = ab.solve(ab.models.LinearQuadratic(), ab.solvers.FiniteDifference(points=21))
        points = ab.validation.region_points(solution.problem, 64)
        fields = ab.validation.quantities(solution.problem, solution.value, points)
        assert set(fields) == {"value", "slope_state", "control"}
        ```
    """
    fields = fields_at(problem, value, points, rule=rule)
    fields["value"] = fields["value"] - fields["value"].mean()
    skipped = ("residual", "worst_case")
    return {name: field for name, field in fields.items() if not name.startswith(skipped)}


def relative_errors(fields: dict[str, Any], reference: dict[str, Any]) -> dict[str, tuple[float, float, float]]:
    """For each quantity the relative L2 error, the largest error relative to the largest value, and the error of a constant.

    The constant is the mean of the reference; its error is the error of a solution that has learnt nothing.

    **Arguments:**

    - `fields`: quantities of a solution by name, as from [`quantities`][].
    - `reference`: the same quantities of the reference.

    **Returns:** three numbers by the name of the quantity.

    !!! example

        ```python
        import numpy as np

        import abatax as ab

        truth = np.array([1.0, -1.0])
        l2, largest, constant = ab.validation.relative_errors({"control": 1.1 * truth}, {"control": truth})["control"]
        assert abs(l2 - 0.1) < 1e-12 and abs(largest - 0.1) < 1e-12 and constant == 1.0
        ```
    """
    errors = {}
    for name, truth in reference.items():
        gap, size = fields[name] - truth, np.sqrt(np.mean(truth**2))
        if size == 0.0:
            size = 1.0
        errors[name] = (
            float(np.sqrt(np.mean(gap**2)) / size),
            float(np.max(np.abs(gap)) / max(np.max(np.abs(truth)), 1e-300)),
            float(np.sqrt(np.mean((truth - truth.mean()) ** 2)) / size),
        )
    return errors
