"""ak_climate in two, three and four dimensions against its exact pieces: error, measured order, moved box, time.

Why: a truncated box without boundary data is where finite differences go wrong in practice. No exact value enters the
solve; the exact solution (Chebyshev collocation in one dimension) is only compared with. Usage:

    python benchmarks/ak_climate.py
"""

import dataclasses
import time

import numpy as np

import abatax as ab
from abatax.validation import AKExact, enlarged, quantities, region_points, relative_errors

CASES = {
    "2-D": (ab.models.AKClimate(productivity=None), [(7, 21), (7, 41), (7, 81)]),
    "3-D": (
        ab.models.AKClimate(productivity=ab.models.Productivity(cost=0.05)),
        [(7, 11, 7), (7, 21, 13), (7, 31, 19)],
    ),
    "4-D": (
        ab.models.AKClimate(
            productivity=ab.models.Productivity(cost=0.05),
            cycle=ab.models.Productivity(reversion=0.1, volatility=0.015, cost=0.05),
        ),
        [(7, 11, 11, 11), (7, 15, 15, 15), (17, 17, 17, 17)],
    ),
}


def main():
    print("Relative errors on the region of interest (largest over the largest), seconds after compilation")
    columns = ("V_y", "V_z", "emissions", "investment", "order e", "box moved", "seconds", "CPU s", "steps", "unknowns")
    print(f"{'':>5} {'points':>14} " + " ".join(f"{c:>10}" for c in columns))
    for name, (model, grids) in CASES.items():
        problem, exact = ab.HJBProblem(model), AKExact(model)
        points = region_points(problem)
        truth = quantities(problem, exact, points)
        before = None
        for grid in grids:
            solver = ab.solvers.FiniteDifference(points=grid, levels=2)
            for _ in range(2):
                wall, cpu = time.perf_counter(), time.process_time()
                solution = ab.solve(problem, solver)
                wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            found = quantities(problem, solution.value, points)
            errors = relative_errors(found, truth)
            moved = ab.solve(enlarged(problem), dataclasses.replace(solver))
            change = relative_errors(quantities(moved.problem, moved.value, points), found)["emissions"][1]
            error = errors["emissions"][1]
            order = np.log2(before[0] / error) / np.log2((grid[1] - 1) / (before[1] - 1)) if before else np.nan
            deviation = errors.get("slope_productivity", (np.nan, np.nan))[1]
            row = [errors["slope_temperature"][1], deviation, error, errors["investment"][1]]
            text = " ".join(f"{v:>10.1e}" for v in row)
            print(
                f"{name:>5} {grid!s:>14} {text} {order:>10.1f} {change:>10.1e} {wall:>10.2f} {cpu:>10.2f}"
                f" {solution.stats['steps']:>10} {solution.stats['unknowns']:>10}"
            )
            before = error, grid[1]


if __name__ == "__main__":
    main()
