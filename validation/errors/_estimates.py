"""Error estimates of a grid solution from other grids, another box and another method."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import scipy.optimize
from jaxtyping import Array, Float

from ...models import HJBProblem
from ...solvers import AbstractSolver, FiniteDifference, TensorSpline, solve
from ...solvers.solution import Regimes, Solution, reshape_leading, splines_through
from ._metrics import quantities, relative_errors

# Part of the names of errors at the states of simulated paths.
ALONG = "along_paths_"
# Random errors at the nodes that represent the rounding errors of a solve, in units of the rounding error of the largest value.
_NOISE = 1.0


class NoReferenceError(ValueError):
    """An error cannot be estimated; the message states the reason and the remedy.

    !!! example

        ```python
        import abatax as ab

        assert issubclass(ab.validation.NoReferenceError, ValueError)
        ```
    """


class Estimate(NamedTuple):
    """An estimated error of one quantity on the region of interest.

    - `l2`: root mean square error relative to the root mean square of the quantity. `largest`: largest error relative to the largest
      value.
    - `order`: measured order of convergence, NaN if it could not be measured.

    !!! example

        ```python
        import abatax as ab

        estimate = ab.validation.Estimate(l2=1e-5, largest=3e-5, order=4.0)
        assert estimate.l2 <= estimate.largest
        ```
    """

    l2: float
    largest: float
    order: float = np.nan


class Sample(NamedTuple):
    """The quantities of a solution at fresh points of its region."""

    solution: Solution
    points: Float[Array, "point state"]
    quantities: dict[str, np.ndarray]


def coarser(solver: FiniteDifference, solution: Solution, axis: int) -> tuple[int, ...]:
    """Nodes per state with half the cells along one state, or the fewest that the scheme and the kinks of all regimes allow."""
    counts = solver.counts(solution.problem)
    fewer = solver.fewer(counts[axis], 2, _fewest(solver, solution.problem)[axis])
    return _with_count(counts, axis, min(fewer, counts[axis]))


def finer(solver: FiniteDifference, problem: HJBProblem, axis: int) -> tuple[int, ...]:
    """Nodes per state with twice the cells along one state."""
    counts = solver.counts(problem)
    return _with_count(counts, axis, 2 * counts[axis] - 1)


def enlarged(problem: HJBProblem, factor: float = 1.5) -> HJBProblem:
    """The problem in a larger box: margins times `factor`, or without margins faces that move outwards by a tenth of the region.

    A bound of a state (`StateConstraint.is_bound`) is part of the problem and does not move.

    **Arguments:**

    - `problem`: the problem.
    - `factor`: factor on the margins.

    **Returns:** the problem without continuations in the larger box.

    !!! example

        ```python
        import abatax as ab

        problem = ab.HJBProblem(ab.models.LinearQuadratic(), box={"state": (-1.0, 1.0)})
        larger = ab.validation.enlarged(problem)
        assert larger.domain[0][1] > problem.domain[0][1]
        ```
    """
    if problem.domain != problem.region:
        return problem.replace(extension=problem.extension * factor, continuations=())
    box = {}
    for name, (low, high), faces in zip(problem.model.states._fields, problem.region, problem.closures(), strict=True):
        below, above = (0.0 if face.is_bound else 0.1 * (high - low) for face in faces)
        box[name] = low - below, high + above
    return problem.replace(box=box, continuations=())


def grid_errors(sample: Sample, solver: FiniteDifference) -> dict[str, Estimate]:
    r"""The error of the solver's grid, one state after the other, from grids with fewer cells along that state.

    With the difference $d_1$ to the grid with $\rho$ times fewer cells, the error is $d_1/(\rho^p - 1)$ (Richardson's
    extrapolation). The order $p$ is measured with a third grid and limited by the order of the scheme, because an error may
    temporarily decrease faster. A state that already has the fewest nodes that the scheme allows is refined instead:
    $d/(1 - \rho^{-p})$. The errors of all states are added.

    **Raises:** `NoReferenceError` if one of the grids does not converge.
    """
    problem = sample.solution.problem
    total = {name: np.zeros(2) for name in sample.quantities}
    orders = dict.fromkeys(sample.quantities, (0.0, np.nan))
    for axis in range(len(problem.region)):
        for quantity, (error, order) in _along(sample, solver, axis).items():
            total[quantity] += error
            if error[0] > orders[quantity][0] and np.isfinite(order):
                orders[quantity] = (error[0], order)
    return {name: Estimate(float(l2), float(most), orders[name][1]) for name, (l2, most) in total.items()}


def domain_errors(sample: Sample, solver: FiniteDifference) -> dict[str, Estimate]:
    """The change of all quantities in the region if the faces of the box move outwards, with margins 1.5 times as wide.

    The change is zero if every face is a bound of its state, since such a box does not truncate the state space.

    **Raises:** `NoReferenceError` if the solve on the larger box does not converge.
    """
    return _distance_to(_larger_box(sample.solution, solver), sample)


# Share of cells of the single coarser grid; with fewer cells the solution may not be resolved.
_FEWER = 0.75
# Factor on the margins of its larger box, which has the same number of nodes. With a factor of 1.5 the estimate would measure the
# larger distance of the nodes (the averse planner of net_zero with 15 x 17 x 19 nodes does not converge there).
_WIDER = 1.2


def coarse_counts(solver: FiniteDifference, problem: HJBProblem) -> tuple[int, ...]:
    """Nodes per state of the grid with three quarters of the cells, or the fewest that the kinks of all regimes allow."""
    counts, fewest = solver.counts(problem), _fewest(solver, problem)
    return tuple(
        min(count, max(least, solver.least_points, round(_FEWER * (count - 1)) + 1))
        for count, least in zip(counts, fewest, strict=True)
    )


def coarse_errors(
    samples: Sequence[Sample], solver: FiniteDifference, coarse: Solution | None = None
) -> list[tuple[dict[str, Estimate], dict[str, Estimate]]]:
    r"""Errors of grid and box from two solves: one with three quarters of the cells, one with margins a fifth larger.

    With the difference $d$ to the coarser grid, which has $\rho$ times fewer cells, the error is $d/(\rho^{p/2}-1)$ with half
    the order $p$ of the scheme, which is a conservative estimate (measured orders of `net_zero` are 2 to 5). States
    whose kinks require their nodes are not coarsened.

    **Arguments:** `samples`: one solution at several sets of points. `coarse`: the solution on the coarser grid
    (`coarse_counts`), if available.

    **Returns:** for each sample the errors of the grid, and the changes if the faces of the box move outwards.

    **Raises:** `NoReferenceError` if a solve does not converge, or no state can be coarsened.
    """
    solution = samples[0].solution
    counts, fewer = solver.counts(solution.problem), coarse_counts(solver, solution.problem)
    if fewer == counts:
        raise NoReferenceError(f"no error estimate: {' x '.join(map(str, counts))} points are the fewest; use more.")
    if coarse is None or not coarse.converged:
        coarse = _other_grid(solution, solver, fewer)
    wide = _larger_box(solution, solver, _WIDER)
    ratio = min((n - 1) / (m - 1) for n, m in zip(counts, fewer, strict=True) if m < n)
    share = ratio ** max(0.5 * solver.order, 1.0) - 1.0
    errors = []
    for sample in samples:
        distances = _distances(_on_nodes(sample, coarse), sample.quantities)
        grid = {name: Estimate(d.l2 / share, d.largest / share) for name, d in distances.items()}
        errors.append((grid, _distance_to(wide, sample)))
    return errors


def method_errors(sample: Sample, method: AbstractSolver | Solution | Callable) -> dict[str, Estimate]:
    """The distance to the solution of another method: a solver, a solution, or a value function.

    **Raises:** `NoReferenceError` if the other method does not converge.
    """
    problem = sample.solution.problem
    if isinstance(method, AbstractSolver):
        method = _companion(problem.replace(continuations=()), method, f"by {type(method).__name__}")
    if not isinstance(method, Solution):
        return _distances(quantities(problem, method, sample.points), sample.quantities)
    if isinstance(method.value, TensorSpline):
        method = method.on_nodes_of(sample.solution)
    return _distance_to(method, sample)


def rounding_errors(sample: Sample) -> dict[str, Estimate]:
    """The effect of rounding errors of the value at the nodes on every quantity.

    Refinement does not reduce it, and the difference between two solutions with rounding errors may vanish by chance.
    """
    solution = sample.solution
    if not isinstance(solution.value, TensorSpline):
        return {name: Estimate(0.0, 0.0) for name in sample.quantities}
    values = solution.value.resample(solution.nodes)
    size = _NOISE * np.finfo(float).eps * np.max(np.abs(values))
    noise = size * np.random.default_rng(0).choice([-1.0, 1.0], values.shape)
    stacked = splines_through(solution.problem, solution.nodes, (values + noise)[None])
    perturbed = jax.tree.map(lambda leaf: leaf[0], stacked)
    return _distances(quantities(solution.problem, perturbed, sample.points), sample.quantities)


# ---------------------------------------------------------------------------------------------------------


def _along(sample: Sample, solver: FiniteDifference, axis: int) -> dict[str, tuple[np.ndarray, float]]:
    """The error from the nodes of one state, and the measured order."""
    problem, formal = sample.solution.problem, float(solver.order)
    counts = solver.counts(problem)
    half = coarser(solver, sample.solution, axis)
    if half == counts:
        twice = finer(solver, problem, axis)
        change = _distances(_on_grid(sample, solver, twice), sample.quantities)
        share = 1.0 - 2.0**-formal
        return {name: (np.array([d.l2, d.largest]) / share, np.nan) for name, d in change.items()}
    middle = _on_grid(sample, solver, half)
    change = _distances(middle, sample.quantities)
    ratio = _ratio(counts, half, axis)
    quarter = coarser(dataclasses.replace(solver, points=half), sample.solution, axis)
    coarse = None if quarter == half else _on_grid(sample, solver, quarter)
    out = {}
    for name, d in change.items():
        order = np.nan
        if coarse is not None:
            scale = np.sqrt(np.mean(sample.quantities[name] ** 2)) or 1.0
            before = float(np.sqrt(np.mean((middle[name] - coarse[name]) ** 2)) / scale)
            order = measured_order(d.l2, before, ratio, _ratio(half, quarter, axis))
        limited = formal if np.isnan(order) else min(order, formal)
        out[name] = np.array([d.l2, d.largest]) / (ratio**limited - 1.0), order
    return out


# A smaller order indicates that the grids do not resolve the solution or that rounding errors dominate; it is raised to this value.
_LEAST_ORDER, _MOST_ORDER = 0.5, 12.0


def measured_order(last: float, first: float, ratio: float, before: float) -> float:
    r"""$p$ from the differences between three grids: $d_2/d_1 = \rho_1^p(\rho_2^p - 1)/(\rho_1^p - 1)$."""
    if not (last > 0.0 and first > 0.0):
        return np.nan

    def gap(p):
        return np.log(ratio**p * (before**p - 1.0) / (ratio**p - 1.0)) - np.log(first / last)

    if gap(_LEAST_ORDER) >= 0.0:
        return _LEAST_ORDER
    if gap(_MOST_ORDER) <= 0.0:
        return _MOST_ORDER
    order: Any = scipy.optimize.brentq(gap, _LEAST_ORDER, _MOST_ORDER)
    return float(order)


def _on_grid(sample: Sample, solver: FiniteDifference, counts: tuple[int, ...]) -> dict[str, np.ndarray]:
    """The quantities of the same problem on another grid, interpolated to the nodes of the sample to avoid a further compilation."""
    return _on_nodes(sample, _other_grid(sample.solution, solver, counts))


def _other_grid(solution: Solution, solver: FiniteDifference, counts: tuple[int, ...]) -> Solution:
    where = f"with {' x '.join(map(str, counts))} points"
    problem = solution.problem.replace(continuations=())
    return _companion(problem, dataclasses.replace(solver, points=counts), where, solution)


def _larger_box(solution: Solution, solver: FiniteDifference, factor: float = 1.5) -> Solution:
    wide = enlarged(solution.problem, factor)
    if wide.domain == solution.problem.domain:
        return solution
    return _companion(wide, solver, "on a larger box", solution)


def _on_nodes(sample: Sample, part: Solution) -> dict[str, np.ndarray]:
    part = part.on_nodes_of(sample.solution)
    return quantities(part.problem, part.value, sample.points, rule=part.rule)


def _companion(problem: HJBProblem, solver, where: str, guess: Solution | None = None) -> Solution:
    part = solve(problem, solver, guess=guess, throw=False)
    if not part.converged:
        raise NoReferenceError(f"no error estimate: the solve {where} did not converge. {part.advice}")
    return part


def _distance_to(part: Solution, sample: Sample) -> dict[str, Estimate]:
    return _distances(quantities(part.problem, part.value, sample.points, rule=part.rule), sample.quantities)


def _distances(other: dict[str, np.ndarray], fields: dict[str, np.ndarray]) -> dict[str, Estimate]:
    return {name: Estimate(l2, largest) for name, (l2, largest, _) in relative_errors(other, fields).items()}


def _fewest(solver: FiniteDifference, problem: HJBProblem) -> tuple[int, ...]:
    """The fewest nodes per state for this regime and all later regimes with the same states."""

    fields = problem.model.states._fields
    kinds = Regimes(reshape_leading(problem.replace(continuations=()), (1,), 0), 1).kinds
    counts = [solver.fewest(family) for family in kinds if family.model.states._fields == fields]
    return tuple(int(n) for n in np.max(counts, axis=0))


def _ratio(fine: tuple[int, ...], coarse: tuple[int, ...], axis: int) -> float:
    return (fine[axis] - 1) / (coarse[axis] - 1)


def _with_count(counts: tuple[int, ...], axis: int, count: int) -> tuple[int, ...]:
    return (*counts[:axis], count, *counts[axis + 1 :])
