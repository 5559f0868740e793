"""ak_climate by three methods against its exact pieces: unknowns, steps, CPU seconds after compilation, errors.

Why: a solution is believed when a method that shares nothing but the equation finds the same. Relative errors are the
largest on the region of interest over the largest value there (of the constant: root mean square). Usage:

    python benchmarks/second_methods.py
"""

import dataclasses
import time

import abatax as ab
from abatax.solvers import Features, FiniteDifference, Spectral
from abatax.validation import AKExact, quantities, region_points, relative_errors

TWO, THREE = ab.models.AKClimate(productivity=None), ab.models.AKClimate(productivity=ab.models.Productivity(cost=0.05))
CASES = [
    (TWO, 1.0, FiniteDifference(points=(7, 41), levels=2)),
    (TWO, 1.0, FiniteDifference(points=(7, 81), levels=2)),
    (TWO, 1.0, Spectral(points=(4, 13))),
    (TWO, 1.5, Spectral(points=(4, 21))),
    (TWO, 1.5, Spectral(points=(4, 33))),
    (TWO, 1.5, Features(degree=20)),
    (TWO, 1.5, Features(degree=20, interactions=1)),
    (TWO, 1.5, Features(random=300)),
    (THREE, 1.0, FiniteDifference(points=(7, 21, 13), levels=2)),
    (THREE, 1.0, FiniteDifference(points=(7, 31, 19), levels=2)),
    (THREE, 1.0, Spectral(points=(5, 13, 13))),
    (THREE, 1.0, Spectral(points=(4, 21, 17))),
    (THREE, 1.5, Spectral(points=(4, 29, 21))),
    (THREE, 1.5, Features(degree=20, interactions=1)),
    (THREE, 1.0, Features(random=400)),
    (THREE, 1.5, Features(random=800)),
]


def described(solver):
    """The options that differ from the defaults."""
    changed = [f for f in dataclasses.fields(solver) if getattr(solver, f.name) != f.default and f.name != "levels"]
    return ", ".join(f"{f.name}={getattr(solver, f.name)}" for f in changed)


def main():
    columns = ("states", "margin", "method", "options", "unknowns", "steps", "first s", "CPU s", "V_y", "V_z", "e", "i")
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")
    exact = {id(model): AKExact(model) for model in (TWO, THREE)}
    names = ("slope_temperature", "slope_productivity", "emissions", "investment")
    for model, extension, solver in CASES:
        problem, seconds = ab.HJBProblem(model, extension=extension), []
        for _ in range(2):  # the first compiles
            start = time.process_time()
            solution = ab.solve(problem, solver)
            seconds.append(time.process_time() - start)
        points = region_points(problem)
        found, truth = (quantities(problem, v, points) for v in (solution.value, exact[id(model)]))
        errors = relative_errors(found, truth)
        stats = solution.stats
        row = [
            len(problem.region),
            extension,
            type(solver).__name__,
            described(solver),
            stats["unknowns"],
            stats["steps"],
        ]
        row += [
            f"{seconds[0]:.1f}",
            f"{seconds[1]:.2f}",
            *(f"{errors[n][1]:.1e}" if n in errors else "" for n in names),
        ]
        print("| " + " | ".join(map(str, row)) + " |", flush=True)
        # what an answer that has learnt nothing would score: the best constant
        constant = [f"{errors[n][2]:.1e}" if n in errors else "" for n in names]
    print("| 3 | | best constant | | | | | | " + " | ".join(constant) + " |")


if __name__ == "__main__":
    main()
