"""Fallbacks if Newton's method diverges: a flat guess, a coarser grid, continuation in the aversion to ambiguity."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np

from ..models import HJBProblem
from .base import AbstractSolver, Finish, result_name
from .solution import After, Near, Solution

# Results after which a coarser grid or a smaller aversion may help: Newton's method diverged, without evidence that the problem has no
# solution.
_DIVERGED = ("stalled", "unsettled", "nonfinite", "oscillating")
# Results after which the guess is kept.
_NOT_THE_GUESS = ("successful", "max_steps_reached", "max_seconds_reached", "unresolved", "untrained")
# Smallest increment of the fraction of the aversion to ambiguity between two solves of a continuation.
_LEAST_SHARE = 1.0 / 8.0

Iterate = Callable[[AbstractSolver, HJBProblem, Any], tuple[Finish, int]]


class Attempts(NamedTuple):
    """The sequence of attempts to solve one family of problems.

    **Fields:** `iterate` solves a problem by a solver from a guess and returns the finish and the number of steps; `destinations`
    are the solutions after the jumps; `report` displays one line about the next attempt.
    """

    iterate: Iterate
    destinations: tuple[After, ...]
    report: Callable[[str], None]

    def solve(self, solver: AbstractSolver, problem: HJBProblem, guess: Any) -> tuple[Finish, dict[str, Any]]:
        """Solve the family and return the finish and the statistics of the attempts.

        1. Start from the guess; if that diverges, start from a flat value function.
        2. If that diverges, solve on half the cells and refine the solution.
        3. If that diverges, continue the coarse solution from a fraction of the aversion to ambiguity, raised step by step.

        If no attempt converges, the result of the first attempt is returned. Statistics: `steps` of all attempts, `guess_dropped`,
        `refined`, `continued` (the solved fractions of the aversion; empty without continuation).
        """
        steps: list[int] = []

        def attempt(solver: AbstractSolver, problem: HJBProblem, guess: Any) -> tuple[Finish, str]:
            finish, taken = self.iterate(solver, problem, guess)
            steps.append(taken)
            return finish, result_name(finish.result)

        finish, name = attempt(solver, problem, guess)
        guess_dropped, refined, shares = guess is not None and name not in _NOT_THE_GUESS, False, ()
        if guess_dropped:
            self.report(f"{name} from the guess: starting again from a flat value function")
            flat_finish, result = attempt(solver, problem, None)
            if result == "successful":
                finish, name = flat_finish, result
        coarser = solver.coarser(problem) if name in _DIVERGED else None
        if coarser is not None:
            self.report(f"{name}: trying half the cells first")
            coarse_finish, result = attempt(coarser, problem, None)
            if result in _DIVERGED and _is_averse(problem):
                self.report(f"{result} on half the cells: continuing from milder aversion to ambiguity")
                coarse_finish, result, shares = self._continue(attempt, coarser, problem)
            if result == "successful":
                refined_finish, result = attempt(solver, problem, self._near(problem, coarse_finish))
                refined = result == "successful"
                finish = refined_finish if refined else finish
        return finish, {
            "steps": sum(steps),
            "guess_dropped": guess_dropped,
            "refined": refined,
            "continued": list(shares),
        }

    def _continue(self, attempt, solver: AbstractSolver, problem: HJBProblem) -> tuple[Finish, str, tuple[float, ...]]:
        """Continue the solution to the full aversion. The increment of the aversion is halved after a solve that diverges."""
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
    """The same problem with a fraction of the aversion to ambiguity. Its continuations are unchanged."""
    ambiguity = jax.tree.map(lambda aversion: share * aversion, problem.model.ambiguity)
    return eqx.tree_at(lambda p: p.model.ambiguity, problem, ambiguity)


def _is_averse(problem: HJBProblem) -> bool:
    return any(bool(np.any(np.asarray(aversion) > 0.0)) for aversion in jax.tree.leaves(problem.model.ambiguity))
