"""Validation of a solution: residuals, errors, orders, changes with the box, and properties along paths."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...solvers import FiniteDifference, Paths, simulate
from ...solvers.base import compiled
from ...solvers.paths import Regime, regimes_of
from ...solvers.solution import BESIDE, Solution, stored_beside
from ..exact import exact_value
from ._estimates import ALONG, Estimate, NoReferenceError, Sample, coarse_errors, domain_errors, grid_errors
from ._metrics import quantities, region_points, relative_errors, visited_points
from ._reference import Reference
from ._report import Row, ValidationReport


def validate(
    solution: Solution,
    reference: Solution | Reference | Callable | None = None,
    *,
    solver: FiniteDifference | None = None,
    paths: Paths | None = None,
    count: int = 256,
    thorough: bool = True,
    coarse: Solution | None = None,
) -> ValidationReport:
    """Measure the accuracy of a solution: residual, errors, order, box and paths in one table.

    **Main arguments:**

    - `solution`: a solution of any solver.
    - `reference`: a more accurate solution, a [`Reference`][] (whose own errors are reported too) or a value function; by default
      the exact value function if the model has one.

    **Other arguments:**

    - `solver`: the finite-difference solver of the solution (its grids are coarsened to measure the order, and
      its box is moved); without it these estimates are omitted.
    - `paths`: simulated paths under the baseline measure, for exits and transversality; by default they are simulated.
    - `count`: number of fresh points.
    - `thorough`: refine every state separately and measure the order; otherwise one coarser grid is used (with three or more
      states or many regimes this takes a tenth of the time). Its errors are also given `along_paths`, because they may be largest
      in corners of the box that no path reaches.
    - `coarse`: the solution on this coarser grid, if available.

    **Returns:** a [`ValidationReport`][], which `print` shows as a table.

    **Raises:** `ValueError` if a constant that the model of the reference reads has changed since it was solved.

    !!! example

        ```python
        import abatax as ab

        solver = ab.solvers.FiniteDifference(points=41)
        solution = ab.solve(ab.HJBProblem(ab.models.LinearQuadratic()), solver)
        report = ab.validate(solution, solver=solver)
        assert report["error_control"] < 1e-8
        ```
    """
    problem = solution.problem
    points = region_points(problem, count)
    rows = _residuals(solution, points)
    fields = quantities(problem, solution.value, points, rule=solution.rule)
    if reference is None:
        reference = exact_value(problem.model)
        name = "exact"
    else:
        name = "reference"
    if reference is not None:
        better = reference.solution if isinstance(reference, Reference) else reference
        if isinstance(better, Solution):
            better.problem.check_constants()
        value = better.value if isinstance(better, Solution) else better
        rows += _errors(fields, quantities(problem, value, points), name)
    if isinstance(reference, Reference):
        for quantity, estimate in reference.errors.items():
            meaning = f"Estimated error of {quantity} of the reference; smaller distances to it have no meaning."
            rows.append(Row(f"reference_error_{quantity}", estimate.l2, "relative L2", None, meaning))
    paths = simulate(solution, num_paths=200) if paths is None else paths
    if solver is not None:
        sample = Sample(solution, points, fields)
        rows += _estimates(sample, solver) if thorough else _coarse_estimates(sample, paths, solver, coarse)
    rows += _along_paths(solution, paths)
    return ValidationReport(tuple(rows))


def _residuals(solution: Solution, points: Float[Array, "point state"]) -> list[Row]:
    """Rows with the residual over the discount rate at fresh points, relative to the range of the value."""
    fields = solution.on(points)
    residual = fields["residual"] / _spread(fields["value"])
    rows = [
        Row(
            "residual_rms",
            float(np.sqrt(np.mean(residual**2))),
            "share of the range of V",
            1e-2,
            "Residual of the equation between the grid points (root mean square, divided by the"
            " discount rate). A small residual alone does not imply a small error.",
        ),
        Row(
            "residual_max",
            float(np.max(np.abs(residual))),
            "share of the range of V",
            None,
            "The largest residual at the same points.",
        ),
    ]
    beside = stored_beside(solution)
    for destination in (*solution.later, *(() if beside is None else (beside,))):
        low, high = np.array(destination.problem.region).T
        unit = (np.asarray(points) - np.array(solution.problem.region)[:, 0]) / np.ptp(
            np.array(solution.problem.region), axis=1
        )
        scaled_points = jnp.asarray(low + unit * (high - low))
        inner = destination.on(scaled_points, stacked=True)
        scaled = inner["residual"] / _spread(inner["value"])
        rows.append(
            Row(
                f"residual_rms_{BESIDE if destination is beside else destination.problem.model.regime}",
                float(np.sqrt(np.mean(scaled**2))),
                "share of the range of V",
                1e-2,
                "Residual of the regimes that lead back to this one."
                if destination is beside
                else "Residual of the regime after the jump, over all its outcomes.",
            )
        )
    return rows


def _spread(values: Float[np.ndarray, "*family point"]) -> Float[np.ndarray, "*family 1"]:
    """The range of the value function over the points; for a constant its absolute value, or 1."""
    spread, size = np.ptp(values, axis=-1, keepdims=True), np.max(np.abs(values), axis=-1, keepdims=True)
    return np.where(spread > 0.0, spread, np.where(size > 0.0, size, 1.0))


def _errors(fields: dict, truth: dict, name: str) -> list[Row]:
    rows = []
    for quantity, (l2, largest, constant) in relative_errors(fields, truth).items():
        rows += [
            Row(
                f"error_{quantity}",
                l2,
                "relative L2",
                1e-2,
                f"Distance of {quantity} from the {name} solution on the region of interest"
                f" (the error of a constant is {constant:.1e}).",
            ),
            Row(f"error_max_{quantity}", largest, "relative to the largest", None, "The largest distance."),
        ]
    return rows


_BOX = "Change of {} on the region of interest if the faces of the box move outwards."


def _estimates(sample: Sample, solver: FiniteDifference) -> list[Row]:
    """Errors estimated from other grids and a larger box; NaN, with the reason, if a solve did not converge."""
    unknown = dict.fromkeys(sample.quantities, Estimate(np.nan, np.nan))
    try:
        grid, note = grid_errors(sample, solver), "Estimated error of {} from other grids (Richardson extrapolation)."
    except NoReferenceError as error:
        grid, note = unknown, f"No estimate for {{}}. {error}"
    try:
        domain, moved = domain_errors(sample, solver), _BOX
    except NoReferenceError as error:
        domain, moved = unknown, f"No estimate for {{}}. {error}"
    return [*_grid_rows(grid, note), *_domain_rows(domain, moved)]


def _coarse_estimates(sample: Sample, paths: Paths, solver: FiniteDifference, coarse: Solution | None) -> list[Row]:
    """Errors estimated from one coarser grid and a larger box, over the region of interest and at states of simulated paths."""
    note = "Error of {} from one grid with three quarters of the cells, at half the order of the scheme (a conservative estimate)."
    visited = visited_points(paths, len(sample.points))
    along = Sample(
        sample.solution,
        visited,
        quantities(sample.solution.problem, sample.solution.value, visited, rule=sample.solution.rule),
    )
    try:
        errors = coarse_errors((sample, along), solver, coarse)
    except NoReferenceError as error:
        errors = [(dict.fromkeys(sample.quantities, Estimate(np.nan, np.nan)),) * 2] * 2
        note = f"No estimate for {{}}. {error}"
    rows = []
    for (grid, domain), where in zip(errors, ("", ALONG), strict=True):
        place = " At states of simulated paths before any jump." if where else ""
        rows += [*_grid_rows(grid, note + place, where), *_domain_rows(domain, _BOX + place, where)]
    return rows


def _grid_rows(errors: dict[str, Estimate], note: str, where: str = "") -> list[Row]:
    rows = []
    for quantity, (l2, _, order) in errors.items():
        rows.append(Row(f"grid_error_{where}{quantity}", l2, "relative L2", 1e-2, note.replace("{}", quantity)))
        rows.append(Row(f"order_{quantity}", order, "1", None, "Measured order of convergence (NaN at rounding)."))
    return [row for row in rows if not (row.name.startswith("order_") and np.isnan(row.value))]


def _domain_rows(errors: dict[str, Estimate], note: str, where: str = "") -> list[Row]:
    return [
        Row(f"domain_change_{where}{quantity}", l2, "relative L2", 1e-3, note.replace("{}", quantity))
        for quantity, (l2, _, _) in errors.items()
    ]


@compiled
def _values_along(regimes: tuple[Regime, ...], states, additive, regime, outcome):
    """Value at the current state and regime of each path, including additive states."""

    def at(x, a, regime, outcome):
        value = jnp.zeros(())
        for number, part in enumerate(regimes):
            member = jnp.clip(outcome, 0, part.size - 1)
            policy = jax.tree.map(lambda leaf, k=member: leaf[k] if eqx.is_array(leaf) else leaf, part.policy)
            prices = policy.problem.model.additive_costates()
            linear = sum((p * z for p, z in zip(prices, a, strict=True)), jnp.zeros(()))
            value = jnp.where(regime == number, policy.value(jnp.zeros(()), policy.inside(x)) + linear, value)
        return value

    return jax.vmap(at)(states, additive, regime, outcome)


def _along_paths(solution: Solution, paths: Paths) -> list[Row]:
    problem, horizon = solution.problem, int(paths.years[-1] - paths.years[0])
    along = (paths.states, paths.additive, paths.regime, paths.outcome)
    regimes = regimes_of(solution)
    end = np.asarray(_values_along(regimes, *jax.tree.map(lambda leaf: leaf[:, -1], along)))
    start = np.asarray(_values_along(regimes, *jax.tree.map(lambda leaf: leaf[:1, 0], along)))
    delta = float(problem.model.preferences.discount_rate)
    discounted = np.exp(-delta * horizon) * np.mean(end)
    return [
        Row(
            "domain_exits",
            float(np.mean(np.asarray(paths.outside))),
            "share of paths",
            0.01,
            f"Share of simulated paths that leave the computational box within {horizon} years.",
        ),
        Row(
            "transversality",
            float(discounted / np.exp(-delta * horizon) / start[0]) if start[0] else np.nan,
            "ratio",
            None,
            f"Value at the end of {horizon} years over value today, averaged over paths: it must grow"
            f" more slowly than exp({delta:g} t) = {np.exp(delta * horizon):.2f} for the solution to be the value function.",
        ),
        Row(
            "transversality_discounted",
            float(discounted),
            "value units",
            None,
            f"Discounted expected value at {horizon} years, E[exp(-delta T) V]; it tends to zero as the horizon grows.",
        ),
    ]
