"""The sparse systems of a frozen policy: time and memory.

Why: finite differences in three and four dimensions live or die by their linear solver. The system is the second upwind one of
policy iteration on ak_climate from a flat guess; the answer is checked by its residual. Usage:

    python benchmarks/linear_systems.py
"""

import multiprocessing
import resource
import time

import numpy as np

GRIDS = [(40, 40, 40), (60, 60, 60), (80, 80, 80), (16, 16, 16, 16), (20, 20, 20, 20)]


def main():
    print("Upwind systems of ak_climate, multigrid to a relative residual of 1e-8; CPU seconds, the best of three")
    print(
        "Each grid in a process of its own; its peak memory, residual and Jacobian included, above Python's and JAX's"
    )
    print(f"{'grid':>18} {'unknowns':>9} {'entries':>9} {'assemble':>9} {'solve':>7} {'residual':>9} {'peak GB':>8}")
    # spawned, because a copy of a process inherits the memory that its parent has used
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for row in pool.imap(measure, GRIDS):
            print(row, flush=True)


def measure(shape: tuple[int, ...]) -> str:
    """A row of the table."""
    import abatax as ab
    from abatax.solvers import FiniteDifference, Multigrid
    from abatax.solvers.grid import Workspace, one_thread
    from abatax.solvers.solution import reshape_leading

    start_up = peak()
    cycle = ab.models.Productivity(reversion=0.1, volatility=0.015) if len(shape) == 4 else None
    problem = ab.HJBProblem(ab.models.AKClimate(cycle=cycle))
    workspace = Workspace(FiniteDifference(points=shape, levels=1), reshape_leading(problem, (1,), 0), 1)
    grid = workspace.grid(0)
    flat = np.zeros((1, grid.size))
    local = workspace.evaluate(0, False, flat + workspace.correct(0, False, workspace.evaluate(0, False, flat)))
    start = time.process_time()
    system = workspace.system(0, False, local, 0)
    assembled = time.process_time() - start
    taken = []
    for _ in range(3):
        start = time.process_time()
        with one_thread():
            x = Multigrid().solve(system)
        taken.append(time.process_time() - start)
    residual = np.linalg.norm(system.matrix @ x - system.right) / np.linalg.norm(system.right)
    return (
        f"{shape!s:>18} {grid.size:>9} {system.matrix.nnz:>9} {assembled:>9.2f} {min(taken):>7.2f} {residual:>9.1e}"
        f" {peak() - start_up:>8.2f}"
    )


def peak() -> float:
    """Peak memory of this process so far, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    main()
