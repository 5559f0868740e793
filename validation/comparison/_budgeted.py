"""Trained solvers with a fixed budget: a number of training steps, or the steps that a number of seconds allows."""

import time
from typing import Any

import equinox as eqx

from ...solvers import AbstractSolver, AbstractTrainedSolver
from ...solvers.base import RESULTS, compile_clock, result_name

UNBOUNDED = 1_000_000_000  # steps, if the budget is a number of seconds


class Budgeted(AbstractSolver):
    """A trained solver that ends after its budget, is tested there, and never restarts from another guess.

    The driver discards a guess from which a solver fails and solves again, which would double the budget of unsuccessful
    solvers in a comparison. The result code of the solver itself is in `stats["judged"]`.

    **Arguments:**

    - `solver`: a solver with `steps` and `patience` large enough that it does not end before its budget.
    - `steps`: number of training steps in every regime.

    !!! example

        ```python
        import abatax as ab
        from abatax.validation.comparison._budgeted import Budgeted

        solver = ab.solvers.GaussNewton(parameters=60, steps=1000, patience=1000, tolerance=1e-15)
        solution = ab.solve(ab.HJBProblem(ab.models.LinearQuadratic()), Budgeted(solver, 3), throw=False)
        assert solution.stats["steps_training"] == 3
        ```
    """

    solver: AbstractTrainedSolver
    steps: int = eqx.field(static=True, default=UNBOUNDED)

    def check(self, problem, family, coupled):
        self.solver.check(problem, family, coupled)

    def init(self, problem, family, key, guess):
        return self.solver.init(problem, family, key, guess)

    def step(self, problem, state, workspace, key):
        return self.solver.step(problem, state, workspace, key)

    def terminate(self, state):
        return self.solver.terminate(state) or self.solver.training_steps(state) >= self.steps

    def progress(self, state):
        return self.solver.progress(state)

    def finish(self, problem, state, workspace):
        finish = self.solver.finish(problem, state, workspace)
        start = time.perf_counter() - compile_clock()
        judged = result_name(self.solver.verdict(problem, state, workspace))
        converged = judged == "successful"
        judging = time.perf_counter() - compile_clock() - start
        stats: dict[str, Any] = finish.stats | {"judged": judged, "judging_seconds": judging}
        return finish._replace(
            result=RESULTS.successful if converged else RESULTS.max_steps_reached,
            stats=stats,
        )
