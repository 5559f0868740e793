"""Reference solutions with estimates of their own errors."""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import PRNGKeyArray

from ...models import HJBProblem
from ...solvers import AbstractProgress, AbstractSolver, FiniteDifference, NoProgress, TensorSpline, solve
from ...solvers.solution import Solution
from ._estimates import Estimate, NoReferenceError, Sample, domain_errors, grid_errors, method_errors, rounding_errors
from ._metrics import quantities, region_points

# Calibrated on 30 problems with exact solutions (benchmarks/reference_calibration.py, docs/accuracy.md) such that no
# estimate is below the true error.
SAFETY = 2.5
"""Factor by which estimated errors are multiplied."""


class Reference(eqx.Module):
    """A solution with an estimated error of every quantity on the region of interest.

    **Fields:**

    - `solution`: the solution of a finite-difference solver.
    - `errors`: an [`Estimate`][] for each quantity (centred value, each costate `slope_<state>`, each control, `scc` in models of
      carbon).
    - `parts`: for each source (`grid`, `domain`, `rounding`, and `method` if there is a second method) the estimates
      before they are combined.

    `print` shows a table.

    !!! example

        ```python
        import abatax as ab

        solution = ab.solve(ab.models.LinearQuadratic(), ab.solvers.FiniteDifference(points=21))
        estimate = ab.validation.Estimate(l2=1e-6, largest=1e-6)
        reference = ab.validation.Reference(solution, {"control": estimate}, {"grid": {"control": estimate}})
        assert reference.to_dict()["errors"]["control"]["l2"] == 1e-6
        ```
    """

    solution: Solution
    errors: dict[str, Estimate]
    parts: dict[str, dict[str, Estimate]]

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, for files."""
        return {
            "safety": SAFETY,
            "errors": {name: estimate._asdict() for name, estimate in self.errors.items()},
            "parts": {
                part: {name: estimate._asdict() for name, estimate in estimates.items()}
                for part, estimates in self.parts.items()
            },
        }

    def __str__(self):
        width = max(map(len, self.errors))
        parts = "".join(f"  {part:>9}" for part in self.parts)
        lines = [f"{'estimated error':<{width}}  {'L2':>9}  {'largest':>9}  {'order':>5}{parts}"]
        for name, (l2, largest, order) in self.errors.items():
            each = "".join(f"  {estimates[name].l2:>9.1e}" for estimates in self.parts.values())
            shown = "-" if np.isnan(order) else f"{order:.1f}"
            lines.append(f"{name:<{width}}  {l2:>9.1e}  {largest:>9.1e}  {shown:>5}{each}")
        return "\n".join(lines)


def reference(
    problem: HJBProblem,
    solver: FiniteDifference | None = None,
    *,
    method: AbstractSolver | Solution | Callable | None = None,
    solution: Solution | None = None,
    count: int = 256,
    max_steps: int = 500,
    key: PRNGKeyArray | None = None,
    progress: AbstractProgress | None = None,
) -> Reference:
    r"""Solve a problem and estimate the error of the solution without an exact solution.

    $$\mathrm{error} = 2.5\,\big[\max(\mathrm{grid}, \mathrm{method}) + \mathrm{domain} + \mathrm{rounding}\big]$$

    - grid: Richardson's extrapolation from grids with half the cells, one state after the other, with the smaller of the order of
      the scheme and the measured order.
    - domain: the change if the margins grow by half.
    - method: the distance to a second method. A first-order scheme is always compared with the second-order scheme.
    - rounding: the change if the value is perturbed by its rounding error at the nodes.

    The factor is calibrated on 30 problems with exact solutions (`docs/accuracy.md`).

    **Main arguments:**

    - `problem`: the problem.
    - `solver`: the solver, by default `FiniteDifference()`.

    **Other arguments:**

    - `method`: a second method: a solver, a solution, or a value function of time and state.
    - `solution`: the solution of this problem by this solver, if available.
    - `count`: number of fresh points in the region at which errors are measured.
    - `max_steps`, `key`, `progress`: as in `solve`.

    **Returns:** a [`Reference`][]. It takes two to five times as long as the solution alone.

    **Raises:** `NoReferenceError` (a `ValueError`) if an error cannot be estimated because a solve does not converge, a number is
    not finite, or the value has a closed form. `ValueError` if the solver has no grid or `solution` is not its solution.

    **References:** Roache 1998, *Verification and Validation in Computational Science and Engineering*: the grid
    convergence index, with factors of 3 for two grids and 1.25 for three.

    !!! example

        ```python
        import abatax as ab

        reference = ab.validation.reference(
            ab.HJBProblem(ab.models.LinearQuadratic()), ab.solvers.FiniteDifference(points=21, levels=2)
        )
        assert reference.errors["control"].largest < 1e-10
        ```
    """
    solver = FiniteDifference() if solver is None else solver
    check_solver(problem, solver, solution)
    progress = NoProgress() if progress is None else progress
    if solution is None:
        solution = solve(problem, solver, key=key, max_steps=max_steps, throw=False, progress=progress)
    if not solution.converged:
        raise NoReferenceError(f"no reference: the solve did not converge. {solution.advice}")
    if not isinstance(solution.value, TensorSpline):
        raise NoReferenceError("no reference: the value has a closed form; compare with `problem.model` itself.")
    points = region_points(problem, count)
    sample = Sample(solution, points, quantities(solution.problem, solution.value, points, rule=solution.rule))
    parts = {"grid": grid_errors(sample, solver)}
    progress.done("grid error", "estimated from other grids")
    parts["domain"] = domain_errors(sample, solver)
    progress.done("domain error", "estimated from a larger box")
    if method is None and solver.order == 1:
        method = dataclasses.replace(solver, order=2)
    if method is not None:
        parts["method"] = method_errors(sample, method)
        progress.done("method error", "estimated from another method")
    parts["rounding"] = rounding_errors(sample)
    return Reference(solution, _combine(parts), parts)


def check_solver(problem: HJBProblem, solver: Any, solution: Solution | None = None) -> FiniteDifference:
    """The solver; raise before the solve if no error can be estimated with it."""
    if not isinstance(solver, FiniteDifference):
        raise ValueError(f"a reference needs the solver `finite_difference`; `{type(solver).__name__}` has no grid.")
    counts = solver.counts(problem)
    if solution is None:
        return solver
    nodes = tuple(len(x) for x in solution.nodes)
    if isinstance(solution.value, TensorSpline) and nodes != counts:
        raise ValueError(f"`solver.points` is {counts}, but the solution has {nodes}; give the solver of the solution.")
    if not eqx.tree_equal(solution.problem.replace(continuations=()), problem.replace(continuations=())):
        raise ValueError("`solution` belongs to another problem; give a solution of this problem, or leave it out.")
    return solver


def _combine(parts: dict[str, dict[str, Estimate]]) -> dict[str, Estimate]:
    total = {}
    for name, grid in parts["grid"].items():
        sizes = {part: np.array(estimates[name][:2]) for part, estimates in parts.items()}
        scheme = np.maximum(sizes["grid"], sizes.get("method", np.zeros(2)))
        error = SAFETY * (scheme + sizes["domain"] + sizes["rounding"])
        if not np.all(np.isfinite(error)):
            raise NoReferenceError(f"no reference: the error of `{name}` is not a finite number.")
        total[name] = Estimate(float(error[0]), float(error[1]), grid.order)
    return total
