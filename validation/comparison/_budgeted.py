"""Neural solvers with a fixed budget: a number of training steps, or the steps that a number of seconds allows."""

import time
from typing import Any

import equinox as eqx
import numpy as np

from ...solvers import AbstractNeural, AbstractSolver
from ...solvers.base import CODES, CONVERGED, RESULTS, RUNNING, compile_clock, result_name
from ...solvers.collocation import judge
from ...solvers.grid import one_thread

UNBOUNDED = 1_000_000_000  # steps, if the budget is a number of seconds
_TRAINING = 2  # the stage of `AbstractNeural` after the monotone start and the fit


class Budgeted(AbstractSolver):
    """A neural solver that ends after its budget, is tested there, and never restarts from another guess.

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

    solver: AbstractNeural
    steps: int = eqx.field(static=True, default=UNBOUNDED)

    def check_coupled(self, problem, family):
        self.solver.check_coupled(problem, family)

    def init(self, problem, family, key, guess):
        return self.solver.init(problem, family, key, guess)

    def step(self, problem, state, workspace, key):
        return self.solver.step(problem, state, workspace, key)

    def terminate(self, state):
        return self.solver.terminate(state) or int(state.steps[_TRAINING]) >= self.steps

    def progress(self, state):
        return self.solver.progress(state)

    def finish(self, problem, state, workspace):
        finish = self.solver.finish(problem, state, workspace)
        status, start = int(state.status), time.perf_counter() - compile_clock()
        if status == RUNNING and int(state.stage) == _TRAINING:
            status = self._judged(state, workspace)
        converged = status == CONVERGED
        judging = time.perf_counter() - compile_clock() - start
        stats: dict[str, Any] = finish.stats | {"judged": result_name(CODES[status]), "judging_seconds": judging}
        return finish._replace(
            result=RESULTS.successful if converged else RESULTS.max_steps_reached,
            stats=stats,
        )

    def _judged(self, state, workspace) -> int:
        """The status that the solver assigns to the networks that it returns."""
        at = self.solver._at(state, workspace)
        with one_thread(), np.errstate(all="ignore"):
            return judge(at, state.best if np.isfinite(state.least) else state.unknowns)[0]
