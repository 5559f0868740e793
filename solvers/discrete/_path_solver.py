import abc
import dataclasses
import time
from typing import ClassVar

import equinox as eqx
import numpy as np

from ...models import DiscreteProblem
from ...models.base import Point
from ..base import MOST_STEPS, RESULTS, AbstractProgress, check_tolerance, compile_clock, result_advice, result_name
from ..solution import Trajectory, follow
from ._interior_point import InteriorPointLoop
from ._path_program import controls_of, program_of, vector


class AbstractPathSolver(eqx.Module):
    """A solver of problems in discrete time, which optimises the controls through the dynamics.

    !!! example

        ```python
        import abatax as ab

        assert isinstance(ab.solvers.InteriorPoint(), ab.solvers.AbstractPathSolver)
        ```
    """

    name: ClassVar[str]  # on the command line and in files

    @property
    def most_steps(self) -> int:
        """Default of the largest number of iterations in `solve`."""
        return MOST_STEPS

    @abc.abstractmethod
    def optimise(
        self, problem: DiscreteProblem, guess: Point | None, max_steps: int, progress: AbstractProgress
    ) -> Trajectory:
        """The optimal path, starting from a guess of the controls (by default the guess of the model)."""


_AS_GOOD_AS_EXACT = 1e-5  # fraction of the tolerance that is sufficient if the active set cannot be identified


class InteriorPoint(AbstractPathSolver):
    r"""Newton's method with exact second derivatives and a primal-dual barrier for bounds and limits along the path.

    Minimise $-W(u)$ with $u_l\le u\le u_h$ and $g_l\le g(u)\le g_h$: the optimality conditions with $z_id_i=\beta c_i$ (multiplier
    times distance from the bound) are solved for a barrier $\beta\to0$, weighted by the effect of each period on welfare. The active
    bounds are then imposed as equations, which are solved to rounding.

    **Arguments:**

    - `tolerance`: largest violation of the optimality conditions, relative to the weight of each period.

    **Raises:** `ValueError` if the tolerance is not between 0 and 1.

    **Good values:** the default tolerance. The matrices are dense, so a few hundred unknowns are practical.

    **References:** Wächter and Biegler 2006, doi:10.1007/s10107-004-0559-y.

    !!! example

        ```python
        import abatax as ab

        path = ab.solve(ab.models.Dice2016(), ab.solvers.InteriorPoint())
        assert abs(path.welfare - 4517.314681152316) < 1e-8
        ```
    """

    name: ClassVar[str] = "interior_point"

    tolerance: float = eqx.field(static=True, default=1e-8)

    def __check_init__(self):
        check_tolerance(self.tolerance)

    def optimise(
        self, problem: DiscreteProblem, guess: Point | None, max_steps: int, progress: AbstractProgress
    ) -> Trajectory:
        name = problem.model.name
        start, clock = time.perf_counter(), compile_clock()
        loop = InteriorPointLoop(
            program_of(problem), vector(problem.model.first_controls() if guess is None else guess)
        )
        result = RESULTS.max_steps_reached
        while loop.steps < max_steps:
            moved = loop.step()
            progress.update(name, "path", loop.steps, {"error": loop.error, "barrier": loop.barrier})
            if loop.error < self.tolerance:
                result, best = RESULTS.successful, loop.optimum()
                if best.exact or not moved or loop.error < _AS_GOOD_AS_EXACT * self.tolerance:
                    break
            elif not moved:
                result = RESULTS.no_descent
                break
        best = loop.optimum()
        controls = controls_of(problem, best.x)
        limits = np.split(best.multipliers, max(1, len(problem.model.path_bounds())))
        path = follow(problem, controls, multipliers=dict(zip(problem.dynamics().bounded, limits, strict=False)))
        compile_seconds = compile_clock() - clock
        stats = {
            "steps": loop.steps,
            "error": best.error,
            "seconds": time.perf_counter() - start - compile_seconds,
            "compile_seconds": compile_seconds,
        }
        outcome = result_name(result)
        progress.done(name, f"converged in {loop.steps} steps" if outcome == "successful" else result_advice(result))
        return dataclasses.replace(path, result=result, stats=stats)
