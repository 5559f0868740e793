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
    """A solve did not converge; the message gives advice.

    **Fields:**

    - `solution`: the solution with the last iterate.

    !!! example

        ```python
        import abatax as ab

        try:
            ab.solve(ab.models.LinearQuadratic(), ab.solvers.FiniteDifference(points=21), max_steps=1)
        except ab.solvers.SolverError as error:
            assert ab.solvers.result_name(error.solution.result) == "max_steps_reached"
        ```
    """

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
    """Solve a problem, after the problems that follow its jumps.

    **Main arguments:**

    - `problem`: an `HJBProblem`, a `DiscreteProblem`, or a model (which is solved in its default box).
    - `solver`: the numerical method; by default `FiniteDifference()`, and `InteriorPoint()` for a `DiscreteProblem`.

    **Other arguments:**

    - `key`: random key, for solvers that use randomness; by default `jax.random.key(0)`.
    - `guess`: a value function from which the first regime starts, or a `Solution` of a nearby problem (another grid, box or
      parameters), from which every regime starts; by default the model's `first_guess`, or a flat value function. If the solver
      fails from the guess, it starts again from a flat value function (`stats["guess_dropped"]` and the progress display report
      this). For a `DiscreteProblem`: controls by period.
    - `max_steps`: largest number of iterations per regime; by default the solver's `most_steps`, which is 500 plus any training
      steps.
    - `max_seconds`: largest number of seconds per regime, without compilation and `watch`; the current step is always completed.
    - `throw`: whether to raise an error if a regime does not converge; otherwise the result code reports it.
    - `progress`: an `AbstractProgress`.
    - `checkpoint`: a folder in which the state of every regime is saved. An interrupted solve resumes from it.
    - `watch`: a function that is called with a [`Watched`][] after every step, for curves of error against time.

    **Returns:** a [`Solution`][]. Regimes are solved backwards; regimes that differ only in parameters form one family and are solved
    together. If Newton's method diverges on a grid, the problem is first solved on half the cells and the solution is refined
    (`stats["refined"]`). If that diverges too, the solution is continued from a smaller aversion to ambiguity
    (`stats["continued"]`). For a `DiscreteProblem`, the function returns a [`Trajectory`][] and uses neither `key` nor `checkpoint`.

    **Raises:** `SolverError` under `throw` if a regime did not converge; `ValueError` if the solver does not solve this kind of
    problem.

    !!! example

        ```python
        import jax.numpy as jnp

        import abatax as ab

        solution = ab.solve(ab.HJBProblem(ab.models.LinearQuadratic()))
        control = solution.policy(jnp.zeros(()), solution.problem.model.initial_state())
        assert abs(float(control.control) + 1.0253) < 1e-4
        ```
    """
    posed = pose(problem)
    options = SolveOptions(
        jr.key(0) if key is None else key,
        guess,
        max_steps,
        NoProgress() if progress is None else progress,
        None if checkpoint is None else Path(checkpoint),
        max_seconds,
        watch,
    )
    solution = _answer(posed, default_solver(posed) if solver is None else check_kind(posed, solver), options)
    if throw and not solution.converged:
        raise SolverError(solution.advice, solution)
    return solution


class SolveOptions(NamedTuple):
    """The options of `solve` in checked form."""

    key: PRNGKeyArray
    guess: Any
    max_steps: int | None
    progress: AbstractProgress
    folder: Path | None
    max_seconds: float = math.inf
    watch: Callable[["Watched"], None] | None = None


class Watched(NamedTuple):
    """The progress of a solve after one of its steps.

    **Fields:** `regime`, `step`, `seconds` spent on this regime (without compilation and `watch`), `problem` (of the family, with
    stacked leaves) and `finish`, a function that returns the result of the solver at this step.

    !!! example

        ```python
        import abatax as ab

        seconds = []
        solver = ab.solvers.FiniteDifference(points=21)
        ab.solve(ab.models.LinearQuadratic(), solver, watch=lambda watched: seconds.append(watched.seconds))
        assert seconds == sorted(seconds)
        ```
    """

    regime: str
    step: int
    seconds: float
    problem: HJBProblem
    finish: Callable[[], Finish]


@functools.singledispatch
def _answer(problem: Any, solver: Any, options: SolveOptions) -> Any:
    """Solve one kind of problem."""
    raise TypeError(f"`problem` is {type(problem).__name__}; what can be solved is an HJBProblem or a DiscreteProblem.")


@_answer.register
def _(problem: HJBProblem, solver: AbstractSolver, options: SolveOptions) -> Solution:
    check_posed(problem)
    problem.check_start()
    family, guess = reshape_leading(problem.replace(), (1,), 0), options.guess
    run = FamilyRun(solver, options, [], Regimes(family, 1))
    if isinstance(guess, Solution):
        guess = near(reshape_family(guess, (1,), 0), family, 1)
        if guess is None:
            states = ", ".join(problem.model.states._fields)
            raise ValueError(f"`guess` is a solution of another model; give one with the states {states}.")
    return run.family(family, 1, options.key, guess).member(0)


@_answer.register
def _(problem: DiscreteProblem, solver: AbstractPathSolver, options: SolveOptions) -> Trajectory:
    return solver.optimise(problem, options.guess, _most(solver, options), options.progress)


def _most(solver: Any, options: SolveOptions) -> int:
    """The largest number of iterations per regime."""
    return solver.most_steps if options.max_steps is None else options.max_steps


@dataclasses.dataclass(frozen=True)
class FamilyRun:
    """One call of `solve`: its options and the families that are already solved."""

    solver: AbstractSolver
    options: SolveOptions
    solved: list[tuple[HJBProblem, Solution]]
    regimes: Regimes

    def family(self, problem: HJBProblem, size: int, key, guess) -> Solution:
        """Solve a family of problems (leading axis on every array leaf), after its destinations and jointly with coupled regimes."""
        group = self.regimes.group(problem, size)
        if group is None:
            return self._family(problem, size, (None,) * len(self.regimes.after(problem, size)), key, guess)
        group_solution = next((s for p, s in self.solved if bool(eqx.tree_equal(p, group.problem))), None)
        if group_solution is None:
            group_solution = self._family(group.problem, group.size, group.targets, key, near_group(guess, group))
            self.solved.append((group.problem, group_solution))
        return group.members_from(group_solution)

    def _family(self, problem: HJBProblem, size: int, targets: tuple, key, guess) -> Solution:
        """Solve a family. `targets` holds, for each jump, the members of the family that it leads to, or None."""
        exact = eqx.filter_vmap(closed_form)(problem.model)
        if exact is None:
            self.solver.check(problem, size, coupled=any(members is not None for members in targets))
        destinations = self.destinations(problem, size, targets, key, guess)
        continuations = tuple(unfilled(d) for d in destinations)
        problem = problem.replace(continuations=continuations)
        regime = problem.model.regime
        if exact is not None:
            self.options.progress.done(regime, "known in closed form")
            return _in_closed_form(filled(problem, exact), exact, destinations, size)
        if guess is None:
            stacked = eqx.filter_vmap(lambda model: model.first_guess())(problem.model)
            guess = on_host(lambda leaf: leaf[0], stacked)  # one guess for the whole family
        start, clock = time.perf_counter(), compile_clock()
        closed_faces = None
        if is_open(problem):
            closed_faces = close_faces(problem, size, functools.partial(self.options.progress.update, regime))
            problem, guess = closed_faces.problem, closed_faces.start if guess is None else guess
        keys = jr.split(key)

        def iterate(solver: AbstractSolver, problem: HJBProblem, guess) -> tuple[Finish, int]:
            return self._iterate(solver, problem, size, keys, guess)

        attempts = Attempts(iterate, destinations, functools.partial(self.options.progress.done, regime))
        finish, attempt_stats = attempts.solve(self.solver, problem, guess)
        if is_coupled(problem) and result_name(finish.result) == "successful":
            attempt_stats["beyond"] = left_beyond(problem, finish.value)
            if not attempt_stats["beyond"] <= MOST_BEYOND:
                finish = finish._replace(result=RESULTS.extrapolated)
        compile_seconds = compile_clock() - clock
        seconds = time.perf_counter() - start - compile_seconds
        stats = finish.stats | attempt_stats | {"seconds": seconds, "compile_seconds": compile_seconds}
        if closed_faces is not None:
            finish, stats = (
                finish._replace(result=closed_faces.judge(finish.result)),
                stats | {"faces": closed_faces.report},
            )
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
            family=(size,),
        )

    def _iterate(self, solver: AbstractSolver, problem: HJBProblem, size: int, keys, guess) -> tuple[Finish, int]:
        """Iterate until the solver terminates or a limit is reached; every state is saved in the checkpoint."""
        regime, options, clock = problem.model.regime, self.options, _Clock()
        state, workspace = solver.init(problem, size, keys[0], guess)
        saved = Checkpoint(options.folder, regime, solver, (problem, guess))
        state, step = saved.restore(state)
        most = _most(solver, options)
        while not solver.terminate(state) and step < most and clock.seconds() < options.max_seconds:
            state = solver.step(problem, state, workspace, jr.fold_in(keys[1], step))
            step += 1
            numbers, stage = solver.progress(state)
            options.progress.update(regime, stage, step, numbers)
            saved.save(state, step)
            if options.watch is not None:
                finish = functools.partial(solver.finish, problem, state, workspace)
                watched = Watched(regime, step, clock.seconds(), problem, finish)
                with clock.stopped():
                    options.watch(watched)
        finish = solver.finish(problem, state, workspace)
        if step < most and not solver.terminate(state):
            finish = finish._replace(result=RESULTS.max_seconds_reached)
        return finish, step

    def destinations(self, problem: HJBProblem, size: int, targets: tuple, key, guess) -> tuple[After, ...]:
        """The solutions after each jump, with stacked leaves (family, outcome)."""
        solutions = []
        for number, (destination, outcomes) in enumerate(self.regimes.after(problem, size)):
            if targets[number] is not None:
                solutions.append(Return(targets[number]))
                continue
            solution = next((s for p, s in self.solved if bool(eqx.tree_equal(p, destination))), None)
            if solution is None:
                check_posed(destination, family=True)
                joined = size * outcomes
                destination_guess = guess.after(number, joined, destination) if isinstance(guess, Near) else None
                solution = self.family(destination, joined, jr.fold_in(key, number), destination_guess)
                self.solved.append((destination, solution))
            solutions.append(reshape_family(solution, (size, outcomes), 1))
        return tuple(solutions)


class _Clock:
    """Seconds since construction, without compilation and without intervals in which the clock was stopped."""

    def __init__(self):
        self._start = time.perf_counter() - compile_clock()

    def seconds(self) -> float:
        return time.perf_counter() - compile_clock() - self._start

    @contextlib.contextmanager
    def stopped(self):
        before = self.seconds()
        yield
        self._start += self.seconds() - before


def _in_closed_form(problem: HJBProblem, value, destinations: tuple[After, ...], size: int) -> Solution:
    """The solution of a family of regimes with a closed-form value function."""
    nodes = tuple(np.linspace(low, high, _SHOWN) for low, high in problem.region)
    attempt_stats = {"steps": 0, "guess_dropped": False, "refined": False, "continued": []}
    stats = {"exact": True, "seconds": 0.0, "compile_seconds": 0.0} | attempt_stats
    return Solution(problem, value, nodes, RESULTS.successful, stats, destinations, family=(size,))


_SHOWN = 21  # nodes per state for the display of a closed form
