import contextlib
import dataclasses
import functools
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, overload

import equinox as eqx
import jax.random as jr
import numpy as np
from jaxtyping import PRNGKeyArray

from ..models import AbstractDiscreteModel, AbstractModel, DiscreteProblem, HJBProblem
from ..models.base import Point, Scalar
from ..models.equation import check_posed
from ._attempts import Attempts
from ._kinds import check_kind, default_solver, pose
from .base import (
    RESULTS,
    AbstractProgress,
    AbstractSolver,
    Checkpoint,
    Finish,
    NoProgress,
    compile_clock,
    result_advice,
    result_name,
)
from .discrete import AbstractPathSolver
from .grid import close_faces, is_open
from .solution import (
    MAXIMISER,
    MOST_BEYOND,
    After,
    Near,
    Regimes,
    Return,
    Solution,
    Trajectory,
    closed_form,
    filled,
    is_coupled,
    left_beyond,
    near,
    near_group,
    on_host,
    reshape_family,
    reshape_leading,
    unfilled,
)


class SolverError(RuntimeError):
    """A solve did not converge; the message is advice, `solution` what was computed so far."""

    def __init__(self, message: str, solution: Solution | Trajectory):
        super().__init__(message)
        self.solution = solution


@overload
def solve(
    problem: HJBProblem | AbstractModel,
    solver: AbstractSolver | None = None,
    *,
    key: PRNGKeyArray | None = None,
    guess: Callable[[Scalar, Point], Scalar] | Solution | None = None,
    max_steps: int | None = None,
    max_seconds: float = math.inf,
    throw: bool = True,
    progress: AbstractProgress | None = None,
    checkpoint: str | Path | None = None,
    watch: Callable[["Watched"], None] | None = None,
) -> Solution: ...
@overload
def solve(
    problem: DiscreteProblem | AbstractDiscreteModel,
    solver: AbstractPathSolver | None = None,
    *,
    key: PRNGKeyArray | None = None,
    guess: Point | None = None,
    max_steps: int | None = None,
    throw: bool = True,
    progress: AbstractProgress | None = None,
    checkpoint: str | Path | None = None,
) -> Trajectory: ...
def solve(
    problem: Any,
    solver: Any = None,
    *,
    key: PRNGKeyArray | None = None,
    guess: Any = None,
    max_steps: int | None = None,
    max_seconds: float = math.inf,
    throw: bool = True,
    progress: AbstractProgress | None = None,
    checkpoint: str | Path | None = None,
    watch: Callable[["Watched"], None] | None = None,
) -> Any:
    """Solve a problem, and first everything that can happen after its jumps.

    **Main arguments:**

    - `problem`: what is asked: an `HJBProblem`, a `DiscreteProblem`, or a model (asked in its default box).
    - `solver`: how it is answered; if left out `FiniteDifference()`, for a `DiscreteProblem` `InteriorPoint()`.

    **Other arguments:**

    - `key`: randomness, for solvers that use it.
    - `guess`: a value function to start from (of the first regime), or a `Solution` of a nearby problem (another grid, box or
      parameters), from which every regime starts; the model's `first_guess`, or flat, if left out. A guess from which the
      solver fails is dropped for a flat one (`stats["guess_dropped"]` and the progress display say so). For a
      `DiscreteProblem`: controls by period.
    - `max_steps`: most iterations per regime; if left out the solver's `most_steps`, 500 and what training takes on top.
    - `max_seconds`: most seconds per regime, compilation and `watch` apart; a step that has begun is finished.
    - `throw`: raise if a regime does not converge, instead of returning it with its result code.
    - `progress`: an `AbstractProgress`.
    - `checkpoint`: a folder. The state of every regime is kept there and an interrupted solve goes on from it.
    - `watch`: called with a [`Watched`][] after every step, for curves of error against time.

    **Returns:** a [`Solution`][]. Regimes are solved backwards; those that differ by parameters only are one
    family, one solve. If Newton's method diverges on a grid, half the cells are solved first and refined (`stats["refined"]`), and
    if that diverges too, a planner who doubts less is solved first (`stats["continued"]`). For a `DiscreteProblem` a
    [`Trajectory`][], which needs no `key` and no `checkpoint`.

    **Raises:** `SolverError` under `throw` if a regime did not converge; `ValueError` if the solver is of another kind.

    !!! example

        ```python
        import jax.numpy as jnp

        import abatax as ab

        solution = ab.solve(ab.HJBProblem(ab.models.LinearQuadratic()))
        control = solution.policy(jnp.zeros(()), solution.problem.model.initial_state())
        assert abs(float(control.control) + 1.0253) < 1e-4
        ```
    """
    asked = pose(problem)
    options = _Options(
        jr.key(0) if key is None else key,
        guess,
        max_steps,
        NoProgress() if progress is None else progress,
        None if checkpoint is None else Path(checkpoint),
        max_seconds,
        watch,
    )
    solution = _answer(asked, default_solver(asked) if solver is None else check_kind(asked, solver), options)
    if throw and not solution.converged:
        raise SolverError(solution.advice, solution)
    return solution


class _Options(NamedTuple):
    key: PRNGKeyArray
    guess: Any
    max_steps: int | None
    progress: AbstractProgress
    folder: Path | None
    max_seconds: float
    watch: Callable[["Watched"], None] | None


class Watched(NamedTuple):
    """A solve after one of its steps.

    **Fields:** `regime`, `step`, `seconds` so far in this regime (compilation and watching apart), `problem` (of the family, leaves
    stacked) and `finish`, which makes what the solver would hand back now.
    """

    regime: str
    step: int
    seconds: float
    problem: HJBProblem
    finish: Callable[[], Finish]


@functools.singledispatch
def _answer(problem: Any, solver: Any, options: _Options) -> Any:
    """Solve one kind of problem."""
    raise TypeError(f"`problem` is {type(problem).__name__}; what can be solved is an HJBProblem or a DiscreteProblem.")


@_answer.register
def _(problem: HJBProblem, solver: AbstractSolver, options: _Options) -> Solution:
    check_posed(problem)
    problem.check_start()
    asked, guess = reshape_leading(problem.replace(), (1,), 0), options.guess
    run = _Run(solver, options, [], Regimes(asked, 1))
    if isinstance(guess, Solution):
        guess = near(reshape_family(guess, (1,), 0), asked, 1)
        if guess is None:
            states = ", ".join(problem.model.states._fields)
            raise ValueError(f"`guess` is a solution of another model; give one with the states {states}.")
    return run.family(asked, 1, options.key, guess).member(0)


@_answer.register
def _(problem: DiscreteProblem, solver: AbstractPathSolver, options: _Options) -> Trajectory:
    return solver.optimise(problem, options.guess, _most(solver, options), options.progress)


def _most(solver: Any, options: _Options) -> int:
    """Iterations after which a regime is given up."""
    return solver.most_steps if options.max_steps is None else options.max_steps


@dataclasses.dataclass(frozen=True)
class _Run:
    """One call of `solve`: its options, and the families already solved."""

    solver: AbstractSolver
    options: _Options
    solved: list[tuple[HJBProblem, Solution]]
    regimes: Regimes

    def family(self, problem: HJBProblem, size: int, key, guess) -> Solution:
        """Solve a family of problems (leading axis on every array leaf), its destinations first, with all that lead back to it."""
        group = self.regimes.group(problem, size)
        if group is None:
            return self._family(problem, size, (None,) * len(self.regimes.after(problem, size)), key, guess)
        whole = next((s for p, s in self.solved if bool(eqx.tree_equal(p, group.problem))), None)
        if whole is None:
            whole = self._family(group.problem, group.size, group.targets, key, near_group(guess, group))
            self.solved.append((group.problem, whole))
        return group.asked(whole)

    def _family(self, problem: HJBProblem, size: int, targets: tuple, key, guess) -> Solution:
        """Solve a family; `targets` says of each jump which members it leads back to, None if it does not."""
        destinations = self.destinations(problem, size, targets, key, guess)
        continuations = tuple(unfilled(d) for d in destinations)
        problem = problem.replace(continuations=continuations)
        regime = problem.model.regime
        exact = eqx.filter_vmap(closed_form)(problem.model)
        if exact is not None:
            self.options.progress.done(regime, "known in closed form")
            return _in_closed_form(filled(problem, exact), exact, destinations)
        if is_coupled(problem):
            self.solver.check_coupled(problem, size)
        if guess is None:
            stacked = eqx.filter_vmap(lambda model: model.first_guess())(problem.model)
            guess = on_host(lambda leaf: leaf[0], stacked)  # one for the whole family
        start, clock = time.perf_counter(), compile_clock()
        chosen = None
        if is_open(problem):
            chosen = close_faces(problem, size, functools.partial(self.options.progress.update, regime))
            problem, guess = chosen.problem, chosen.start if guess is None else guess
        keys = jr.split(key)

        def iterate(solver: AbstractSolver, problem: HJBProblem, guess) -> tuple[Finish, int]:
            return self._iterate(solver, problem, size, keys, guess)

        attempts = Attempts(iterate, destinations, functools.partial(self.options.progress.done, regime))
        finish, how = attempts.solve(self.solver, problem, guess)
        if is_coupled(problem) and result_name(finish.result) == "successful":
            how["beyond"] = left_beyond(problem, finish.value)
            if not how["beyond"] <= MOST_BEYOND:
                finish = finish._replace(result=RESULTS.extrapolated)
        compile_seconds = compile_clock() - clock
        seconds = time.perf_counter() - start - compile_seconds
        stats = finish.stats | how | {"seconds": seconds, "compile_seconds": compile_seconds}
        if chosen is not None:
            finish, stats = finish._replace(result=chosen.judge(finish.result)), stats | {"faces": chosen.report}
        name = result_name(finish.result)
        outcome = (
            f"converged in {stats['steps']} steps"
            if name == "successful"
            else f"{name}: {result_advice(finish.result)}"
        )
        self.options.progress.done(regime, outcome)
        return Solution(
            filled(problem, finish.value),
            finish.value,
            finish.nodes,
            finish.result,
            stats,
            destinations,
            rule=MAXIMISER if finish.policy is None else finish.policy,
        )

    def _iterate(self, solver: AbstractSolver, problem: HJBProblem, size: int, keys, guess) -> tuple[Finish, int]:
        """Step until the solver says so or the steps are used up; every state is kept in the checkpoint."""
        regime, options, clock = problem.model.regime, self.options, _Clock()
        state, workspace = solver.init(problem, size, keys[0], guess)
        kept = Checkpoint(options.folder, regime, solver, (problem, guess))
        state, step = kept.restore(state)
        most = _most(solver, options)
        while not solver.terminate(state) and step < most and clock.seconds() < options.max_seconds:
            state = solver.step(problem, state, workspace, jr.fold_in(keys[1], step))
            step += 1
            numbers, stage = solver.progress(state)
            options.progress.update(regime, stage, step, numbers)
            kept.save(state, step)
            if options.watch is not None:
                finish = functools.partial(solver.finish, problem, state, workspace)
                seen = Watched(regime, step, clock.seconds(), problem, finish)
                with clock.stopped():
                    options.watch(seen)
        finish = solver.finish(problem, state, workspace)
        if step < most and not solver.terminate(state):
            finish = finish._replace(result=RESULTS.max_seconds_reached)
        return finish, step

    def destinations(self, problem: HJBProblem, size: int, targets: tuple, key, guess) -> tuple[After, ...]:
        """The solutions after each jump, leaves stacked (family, outcome)."""
        solutions = []
        for number, (asked, outcomes) in enumerate(self.regimes.after(problem, size)):
            if targets[number] is not None:
                solutions.append(Return(targets[number]))
                continue
            solution = next((s for p, s in self.solved if bool(eqx.tree_equal(p, asked))), None)
            if solution is None:
                check_posed(asked, family=True)
                joined = size * outcomes
                start = guess.after(number, joined, asked) if isinstance(guess, Near) else None
                solution = self.family(asked, joined, jr.fold_in(key, number), start)
                self.solved.append((asked, solution))
            solutions.append(reshape_family(solution, (size, outcomes), 1))
        return tuple(solutions)


class _Clock:
    """Seconds since it was made, but for those of compilation and those in which it was stopped."""

    def __init__(self):
        self._start = time.perf_counter() - compile_clock()

    def seconds(self) -> float:
        return time.perf_counter() - compile_clock() - self._start

    @contextlib.contextmanager
    def stopped(self):
        before = self.seconds()
        yield
        self._start += self.seconds() - before


def _in_closed_form(problem: HJBProblem, value, destinations: tuple[After, ...]) -> Solution:
    """The solution of a family of regimes whose value function the model knows."""
    nodes = tuple(np.linspace(low, high, _SHOWN) for low, high in problem.region)
    untried = {"steps": 0, "guess_dropped": False, "refined": False, "continued": []}
    stats = {"exact": True, "seconds": 0.0, "compile_seconds": 0.0} | untried
    return Solution(problem, value, nodes, RESULTS.successful, stats, destinations)


_SHOWN = 21  # nodes per state on which a closed form is shown
