"""The sparse systems of a frozen policy: time and memory.

Why: finite differences in three and four dimensions live or die by their linear solver. The system is the second upwind one of
policy iteration on ak_climate from a flat guess; the answer is checked by its residual. Usage:

    python benchmarks/linear_systems.py
"""

import resource
import time

import numpy as np

import abatax as ab
from abatax.solvers import FiniteDifference, Multigrid
from abatax.solvers._linear import one_thread
from abatax.solvers._solution import reshape_leading
from abatax.solvers._workspace import Workspace

GRIDS = [(40, 40, 40), (60, 60, 60), (80, 80, 80), (16, 16, 16, 16), (20, 20, 20, 20)]


def main():
    print("Upwind systems of ak_climate, multigrid to a relative residual of 1e-8; CPU seconds")
    start_up = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"Peak memory is that of the process so far, above the {start_up:.2f} GB of Python and JAX at its start")
    print(f"{'grid':>18} {'unknowns':>9} {'entries':>9} {'assemble':>9} {'solve':>7} {'residual':>9} {'peak GB':>8}")
    for shape in GRIDS:
        cycle = ab.models.Productivity(reversion=0.1, volatility=0.015) if len(shape) == 4 else None
        problem = ab.HJBProblem(ab.models.AKClimate(cycle=cycle))
        workspace = Workspace(FiniteDifference(points=shape, levels=1), reshape_leading(problem, (1,), 0), 1)
        grid = workspace.grid(0)
        flat = np.zeros((1, grid.size))
        local = workspace.evaluate(0, False, flat + workspace.correct(0, False, workspace.evaluate(0, False, flat)))
        start = time.process_time()
        system = workspace.system(0, False, local, 0)
        assembled = time.process_time()
        with one_thread():
            x = Multigrid().solve(system)
        solved = time.process_time()
        residual = np.linalg.norm(system.matrix @ x - system.right) / np.linalg.norm(system.right)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6 - start_up
        print(
            f"{shape!s:>18} {grid.size:>9} {system.matrix.nnz:>9} {assembled - start:>9.2f} {solved - assembled:>7.2f}"
            f" {residual:>9.1e} {peak:>8.2f}"
        )


if __name__ == "__main__":
    main()
