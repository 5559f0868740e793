"""What a solve tries when Newton's method diverges: no guess, a coarser grid, a planner who doubts less."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np

from ..models import HJBProblem
from .base import AbstractSolver, Finish, result_name
from .solution import After, Near, Solution

# Results after which a coarser grid or a milder problem may help: Newton's method diverged, and nothing says that the problem
# has no solution.
_DIVERGED = ("stalled", "unsettled", "nonfinite", "oscillating")
# Results for which a guess is not to blame.
_NOT_THE_GUESS = ("successful", "max_steps_reached", "max_seconds_reached", "unresolved", "untrained")
# Shares of the aversion to ambiguity differ by at least this much between two solves of a continuation.
_LEAST_SHARE = 1.0 / 8.0

Iterate = Callable[[AbstractSolver, HJBProblem, Any], tuple[Finish, int]]


class Attempts(NamedTuple):
    """How one family of problems is solved.

    **Fields:** `iterate` solves a problem by a solver from a guess and returns the finish and the number of steps; `destinations`
    are the solutions after the jumps; `report` says in one line what is tried next.
    """

    iterate: Iterate
    destinations: tuple[After, ...]
    report: Callable[[str], None]

    def solve(self, solver: AbstractSolver, problem: HJBProblem, guess: Any) -> tuple[Finish, dict[str, Any]]:
        """The best finish that was reached, and statistics of what was tried.

        1. From the guess, and if that diverges from a flat value function.
        2. On half the cells, from which the solution is refined.
        3. By continuation: with a share of the aversion to ambiguity, raised step by step, each solve from the one before.

        What the first attempt computed is kept if none converges. Statistics: `steps` of all attempts, `guess_dropped`,
        `refined`, `continued` (the shares of the aversion that were solved on the way; empty without continuation).
        """
        steps: list[int] = []

        def attempt(solver: AbstractSolver, problem: HJBProblem, guess: Any) -> tuple[Finish, str]:
            finish, taken = self.iterate(solver, problem, guess)
            steps.append(taken)
            return finish, result_name(finish.result)

        finish, name = attempt(solver, problem, guess)
        dropped, refined, shares = guess is not None and name not in _NOT_THE_GUESS, False, ()
        if dropped:
            self.report(f"{name} from the guess: starting again from a flat value function")
            flat, ended = attempt(solver, problem, None)
            if ended == "successful":
                finish, name = flat, ended
        coarser = solver.coarser(problem) if name in _DIVERGED else None
        if coarser is not None:
            self.report(f"{name}: trying half the cells first")
            start, ended = attempt(coarser, problem, None)
            if ended in _DIVERGED and _is_averse(problem):
                self.report(f"{ended} on half the cells: continuing from milder aversion to ambiguity")
                start, ended, shares = self._continue(attempt, coarser, problem)
            if ended == "successful":
                again, ended = attempt(solver, problem, self._near(problem, start))
                refined = ended == "successful"
                finish = again if refined else finish
        return finish, {"steps": sum(steps), "guess_dropped": dropped, "refined": refined, "continued": list(shares)}

    def _continue(self, attempt, solver: AbstractSolver, problem: HJBProblem) -> tuple[Finish, str, tuple[float, ...]]:
        """The solution under the full aversion, from those under shares of it; shares move closer where a solve diverges."""
        step, shares, guess = 0.5, [], None
        while True:
            share = min((shares[-1] if shares else 0.0) + step, 1.0)
            milder = with_aversion(problem, share)
            finish, name = attempt(solver, milder, guess)
            self.report(f"with {share:.0%} of the aversion: {name}")
            if name == "successful":
                shares.append(share)
                guess = self._near(milder, finish)
            else:
                step *= 0.5
            done = name == "successful" and share == 1.0
            if done or name not in ("successful", *_DIVERGED) or step < _LEAST_SHARE:
                return finish, name, tuple(shares)

    def _near(self, problem: HJBProblem, finish: Finish) -> Near:
        return Near(Solution(problem, finish.value, finish.nodes, finish.result, finish.stats, self.destinations))


def with_aversion(problem: HJBProblem, share: float) -> HJBProblem:
    """The same problem for a planner with a share of the aversion to ambiguity; what follows its jumps stays."""
    ambiguity = jax.tree.map(lambda aversion: share * aversion, problem.model.ambiguity)
    return eqx.tree_at(lambda p: p.model.ambiguity, problem, ambiguity)


def _is_averse(problem: HJBProblem) -> bool:
    return any(bool(np.any(np.asarray(aversion) > 0.0)) for aversion in jax.tree.leaves(problem.model.ambiguity))
