import dataclasses
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..models import HJBProblem
from ..solvers import FiniteDifference, Paths, fields_at, simulate, solve
from ..solvers._solution import Solution
from ._exact import exact_value
from ._metrics import quantities, region_points, relative_errors
from ._report import Row, ValidationReport


def validate(
    solution: Solution,
    reference: Solution | Callable | None = None,
    *,
    solver: FiniteDifference | None = None,
    paths: Paths | None = None,
    count: int = 256,
) -> ValidationReport:
    """Ask a solution how good it is: residual, errors, order, box, paths. One table.

    **Main arguments:**

    - `solution`: of any solver.
    - `reference`: a better solution or a value function to compare with; the exact one if the model has one.

    **Other arguments:**

    - `solver`: the finite-difference solver that made the solution (its grids are coarsened to measure the order, and
      its box is moved); leave out to skip these.
    - `paths`: simulated paths under the baseline measure, for exits and transversality; simulated if left out.
    - `count`: number of fresh points.

    **Returns:** a [`ValidationReport`][]; `print` it.

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
    found = quantities(problem, solution.value, points)
    if reference is None:
        reference = exact_value(problem.model)
        name = "exact"
    else:
        name = "reference"
    if reference is not None:
        value = reference.value if isinstance(reference, Solution) else reference
        rows += _errors(found, quantities(problem, value, points), name)
    if solver is not None:
        rows += _refinement(solution, solver, points, found)
        rows += _enlargement(problem, solver, points, found)
    paths = simulate(solution, num_paths=200) if paths is None else paths
    rows += _along_paths(solution, paths)
    return ValidationReport(tuple(rows))


def _residuals(solution: Solution, points: Float[Array, "point state"]) -> list[Row]:
    """Residual over delta on fresh points, in the units of the value, relative to its spread."""
    fields = fields_at(solution.problem, solution.value, points)
    residual = fields["residual"] / np.ptp(fields["value"])
    rows = [
        Row(
            "residual_rms",
            float(np.sqrt(np.mean(residual**2))),
            "share of the range of V",
            1e-2,
            "How well the equation is satisfied between the grid points (root mean square, divided by the"
            " discount rate). A small residual alone does not prove an answer right.",
        ),
        Row(
            "residual_max",
            float(np.max(np.abs(residual))),
            "share of the range of V",
            None,
            "The largest residual on the same points.",
        ),
    ]
    for destination in solution.destinations:
        low, high = np.array(destination.problem.region).T
        unit = (np.asarray(points) - np.array(solution.problem.region)[:, 0]) / np.ptp(
            np.array(solution.problem.region), axis=1
        )
        own = jnp.asarray(low + unit * (high - low))
        inner = fields_at(destination.problem, destination.value, own, stacked=True)
        scaled = inner["residual"] / np.ptp(inner["value"], axis=1, keepdims=True)
        rows.append(
            Row(
                f"residual_rms_{destination.problem.model.regime}",
                float(np.sqrt(np.mean(scaled**2))),
                "share of the range of V",
                1e-2,
                "The same for the regime after the jump, over all its outcomes.",
            )
        )
    return rows


def _errors(found: dict, truth: dict, name: str) -> list[Row]:
    rows = []
    for quantity, (l2, largest, constant) in relative_errors(found, truth).items():
        rows += [
            Row(
                f"error_{quantity}",
                l2,
                "relative L2",
                1e-2,
                f"Distance of {quantity} from the {name} solution on the region of interest"
                f" (a constant would score {constant:.1e}).",
            ),
            Row(f"error_max_{quantity}", largest, "relative to the largest", None, "The largest distance."),
        ]
    return rows


def coarser(solver: FiniteDifference, problem: HJBProblem, factor: int) -> FiniteDifference:
    """The same solver on a grid with `factor` times fewer cells."""
    counts = tuple(max((n - 1) // factor + 1, solver.least_points) for n in solver.counts(problem))
    return dataclasses.replace(solver, points=counts)


def _refinement(solution: Solution, solver: FiniteDifference, points, found: dict) -> list[Row]:
    """Measured order from three grids, and the error of the finest by Richardson's extrapolation.

    Where the three grids show no clean order (rounding, or a layer only the finest resolves) the whole last
    difference is the estimate.
    """
    problem = solution.problem.replace(continuations=())
    answers = [found]
    for factor in (2, 4):
        # on the nodes of the finest grid, so that nothing is compiled anew
        part = solve(problem, coarser(solver, problem, factor), throw=False).on_nodes_of(solution)
        answers.append(quantities(part.problem, part.value, points))
    fine, middle, coarse = answers
    rows = []
    for quantity in found:
        size = np.sqrt(np.mean(fine[quantity] ** 2)) or 1.0
        last = float(np.sqrt(np.mean((fine[quantity] - middle[quantity]) ** 2)) / size)
        first = float(np.sqrt(np.mean((middle[quantity] - coarse[quantity]) ** 2)) / size)
        order = np.log2(first / last) if last > 0 and first > 0 else np.nan
        believed = order if np.isfinite(order) and 0.5 <= order <= 8.0 else 0.0
        rows.append(
            Row(
                f"grid_error_{quantity}",
                last / (2.0**believed - 1.0) if believed else last,
                "relative L2",
                1e-2,
                f"Estimated error of {quantity} from halving the grid twice (Richardson extrapolation).",
            )
        )
        rows.append(Row(f"order_{quantity}", order, "1", None, "Measured order of convergence (NaN at rounding)."))
    return rows


def enlarged(problem: HJBProblem, factor: float = 1.5) -> HJBProblem:
    """The problem on a larger box: margins times `factor`; faces without a margin move out by a tenth of the region."""
    if problem.domain != problem.region:
        return problem.replace(extension=problem.extension * factor, continuations=())
    box = {
        name: (low - 0.1 * (high - low), high + 0.1 * (high - low))
        for name, (low, high) in zip(problem.model.states._fields, problem.region, strict=True)
    }
    return problem.replace(box=box, continuations=())


def _enlargement(problem: HJBProblem, solver: FiniteDifference, points, found: dict) -> list[Row]:
    part = solve(enlarged(problem), solver, throw=False)
    moved = relative_errors(quantities(part.problem, part.value, points), found)
    return [
        Row(
            f"domain_change_{quantity}",
            l2,
            "relative L2",
            1e-3,
            f"How much {quantity} on the region of interest changes when the edge of the box is moved out.",
        )
        for quantity, (l2, _, _) in moved.items()
    ]


@eqx.filter_jit
def _final_values(solution: Solution, states, additive, regime):
    """Value at the end of every path, additive states included; only paths still in the first regime."""
    model = solution.problem.model
    prices = model.additive_costates()

    def at(x, a):
        linear = sum((p * z for p, z in zip(prices, a, strict=True)), jnp.zeros(()))
        return solution.value(jnp.zeros(()), solution.policy.inside(x)) + linear

    values = jax.vmap(at)(states, additive)
    return jnp.where(regime == 0, values, jnp.nan)


def _along_paths(solution: Solution, paths: Paths) -> list[Row]:
    problem, horizon = solution.problem, int(paths.years[-1] - paths.years[0])
    last = jax.tree.map(lambda leaf: leaf[:, -1], (paths.states, paths.additive, paths.regime))
    first = jax.tree.map(lambda leaf: leaf[:1, 0], (paths.states, paths.additive, paths.regime))
    end, start = np.asarray(_final_values(solution, *last)), np.asarray(_final_values(solution, *first))
    delta = float(problem.model.preferences.discount_rate)
    discounted = np.exp(-delta * horizon) * np.nanmean(end) if np.isfinite(end).any() else np.nan
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
            f"Value at the end of {horizon} years over value today, averaged over paths without a jump: it must grow"
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
