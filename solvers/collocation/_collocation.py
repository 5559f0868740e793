import abc
from typing import Any, NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Float

from ...models import HJBProblem
from ..base import CODES, NONFINITE, RUNNING, STALLED, AbstractSolver, Finish, value_ranges
from ..equation import on_nodes
from ..grid import FiniteDifference, FiniteDifferenceState, can_start_from, monotone_start, one_thread
from ._collocation_workspace import AbstractBasis, CollocationWorkspace, family_at
from ._judgement import judge

# Corrections below this value that no longer shrink are due to rounding.
_FLOOR = 1e-7
# Residuals divided by delta below this fraction of the range of V are due to rounding and may rise.
_ROUNDING = 1e-6
# Corrections below `_SETTLED` end the iteration if the residual is due to rounding or, in least squares, if it falls by less than the
# factor `_NO_PROGRESS`.
_SETTLED, _NO_PROGRESS = 1e-4, 0.9
# First time step of a start without finite differences in units of 1/delta, its growth factor, and the step that counts as infinite.
_FIRST_TIME_STEP, _FASTER, _FOREVER = 0.01, 2.0, 1e4

_MONOTONE, _TRANSIENT, _NEWTON = 0, 1, 2
_STAGES = ("monotone start", "transient", "collocation")


class CollocationState(NamedTuple):
    """State of the iteration. All leaves are numpy arrays, so that a checkpoint is a file of arrays."""

    start: FiniteDifferenceState | tuple[()]  # state of the monotone start, if there is one
    stage: np.ndarray  # 0 monotone start, 1 transient, 2 Newton
    unknowns: Float[np.ndarray, "family unknown"]
    move: Float[np.ndarray, "family unknown"]  # the last correction
    norm: Float[np.ndarray, " family"]  # root mean square residual over delta before that correction
    fraction: Float[np.ndarray, " family"]  # fraction of the last correction that was applied
    change: np.ndarray  # largest correction of V at the points, relative to the range of V
    shift: np.ndarray  # reciprocal time step in units of delta
    status: np.ndarray  # status code
    steps: np.ndarray  # number of steps taken in each stage
    estimated_error: np.ndarray  # estimated relative error of the basis


class AbstractCollocation(AbstractSolver):
    """Newton's method on the equation at collocation points, with a start that selects the branch of the solution."""

    tolerance: eqx.AbstractVar[float]
    start: eqx.AbstractVar[int]

    @abc.abstractmethod
    def basis(self, problem: HJBProblem, family: int) -> AbstractBasis:
        """The basis functions and collocation points of a problem."""

    @abc.abstractmethod
    def check_basis(self, problem: HJBProblem) -> None:
        """**Raises:** `ValueError` if the basis does not fit the problem or does not fit into memory."""

    def monotone(self, problem: HJBProblem) -> FiniteDifference | None:
        """The coarse monotone solver of the start; None for a start from the guess by implicit time steps."""
        return monotone_start(problem) if self.start else None

    # -- the driver's protocol --------------------------------------------------------------------------

    def check(self, problem, family, coupled):
        """Coupled families are supported: values after such jumps are part of the Newton system."""
        del coupled
        self.check_basis(problem)

    def init(self, problem, family, key, guess):
        basis = self.basis(problem, family)
        unknowns, coarse, start_state = np.zeros((family, basis.size)), self.monotone(problem), ()
        workspace = CollocationWorkspace(problem, family, basis)
        if coarse is not None:
            start_state, workspace.start = coarse.init(problem, family, key, guess)
        elif guess is not None:
            unknowns = basis.fit(on_nodes(problem, guess, basis.points))
        else:
            unknowns = basis.fit(workspace.asymptote())
        return CollocationState(
            start=start_state,
            stage=np.array(_TRANSIENT if coarse is None else _MONOTONE),
            unknowns=unknowns,
            move=np.zeros_like(unknowns),
            norm=np.full(family, np.inf),
            fraction=np.ones(family),
            change=np.array(np.inf),
            shift=np.array(1.0 / _FIRST_TIME_STEP if coarse is None else 0.0),
            status=np.array(RUNNING),
            steps=np.zeros(3, dtype=int),
            estimated_error=np.array(np.inf),
        ), workspace

    def step(self, problem, state, workspace, key):
        with one_thread():
            return self._step(problem, state, workspace, key)

    def _step(self, problem, state, workspace, key):
        stage, steps = int(state.stage), state.steps.copy()
        if stage == _MONOTONE:
            return self._monotone_step(problem, state, workspace, key)
        basis, delta = workspace.basis, workspace.discount_rate
        local = workspace.evaluate(state.unknowns)
        residuals = basis.residuals(local, state.unknowns, delta, workspace.slopes)
        norm = np.sqrt(np.mean((residuals / delta[:, None]) ** 2, axis=1))
        # A correction that makes the residual non-finite or much larger is halved.
        rounding = _ROUNDING * value_ranges(local.value)
        worse = ~np.isfinite(norm) | (norm > np.maximum(10.0 * state.norm, rounding))
        worse &= np.isfinite(state.norm)
        if not np.all(np.isfinite(norm) | worse):
            return state._replace(status=np.array(NONFINITE))
        if worse.any():
            return self._halve(state, worse, norm)
        # With more points than functions the residual has a positive minimum: the best iterate is returned when it stops falling.
        settled = basis.overdetermined and stage == _NEWTON and float(state.change) < _SETTLED
        if settled and np.all(norm > _NO_PROGRESS * state.norm):
            increased = (norm > state.norm)[:, None]
            best = np.where(increased, state.unknowns - state.move * state.fraction[:, None], state.unknowns)
            return self._believe(workspace, state._replace(unknowns=best, norm=np.minimum(norm, state.norm)))
        shift = np.full_like(delta, float(state.shift)) * delta
        with np.errstate(invalid="ignore", over="ignore"):
            move = basis.correct(local, state.unknowns, residuals, delta, shift)
        if not np.all(np.isfinite(move)):
            return state._replace(status=np.array(NONFINITE))
        values, correction = (basis.differentiate(u)[0] for u in (state.unknowns, move))
        spread = value_ranges(values) + np.max(np.abs(correction), axis=1) * 1e-3
        steps[stage] += 1
        new = state._replace(
            unknowns=state.unknowns + move,
            move=move,
            norm=norm,
            fraction=np.ones_like(norm),
            change=np.asarray(np.max(np.max(np.abs(correction), axis=1) / spread)),
            steps=steps,
        )
        if stage == _TRANSIENT:
            shift = float(state.shift) / _FASTER
            ended = shift < 1.0 / _FOREVER
            return new._replace(
                shift=np.array(0.0 if ended else shift), stage=np.array(_NEWTON if ended else _TRANSIENT)
            )
        floor = _SETTLED if np.all(norm <= rounding) else _FLOOR
        return self._judge(workspace, new, float(state.change), floor)

    def _monotone_step(self, problem, state, workspace, key):
        """Perform one step of the monotone start. Its solution becomes the first iterate."""
        coarse, steps = self.monotone(problem), state.steps.copy()
        assert coarse is not None  # this stage exists only with a monotone start
        steps[_MONOTONE] += 1
        start_state = coarse.step(problem, state.start, workspace.start, key)
        state = state._replace(start=start_state, steps=steps, norm=start_state.norm, change=start_state.change)
        if not coarse.terminate(start_state):
            return state
        if not can_start_from(int(start_state.status)):
            return state._replace(status=start_state.status)
        value = coarse.finish(problem, start_state, workspace.start).value
        return state._replace(
            stage=np.array(_NEWTON),
            unknowns=workspace.basis.fit(family_at(problem, value, workspace.basis.points)),
            norm=np.full_like(state.norm, np.inf),
            change=np.array(np.inf),
        )

    def _halve(self, state, worse, norm):
        """Halve the last correction of the members whose residual it increased, or stop the iteration."""
        if (state.fraction[worse] < 1e-3).any():
            restored = state.unknowns - state.move * state.fraction[:, None]
            status = STALLED if np.all(np.isfinite(norm)) else NONFINITE
            return state._replace(unknowns=np.where(worse[:, None], restored, state.unknowns), status=np.array(status))
        half = np.where(worse, 0.5 * state.fraction, 0.0)
        return state._replace(unknowns=state.unknowns - half[:, None] * state.move, fraction=state.fraction - half)

    def _judge(self, workspace, state, previous, floor):
        """Stop if corrections are below the tolerance, or below a floor and no longer shrinking."""
        change = float(state.change)
        if change > self.tolerance and not (change < floor and change > 0.3 * previous):
            return state
        return self._believe(workspace, state)

    def _believe(self, workspace, state):
        """Set the status and the error estimate at the end of the iteration."""
        status, error = judge(workspace, state.unknowns)
        return state._replace(status=np.array(status), estimated_error=np.asarray(error))

    def terminate(self, state):
        return int(state.status) != RUNNING

    def progress(self, state):
        return {
            "residual/delta": float(np.max(state.norm)),
            "change": float(state.change),
        }, _STAGES[int(state.stage)]

    def finish(self, problem, state, workspace):
        status, basis = int(state.status), workspace.basis
        stats: dict[str, Any] = {
            "steps_monotone": int(state.steps[_MONOTONE]),
            "steps_transient": int(state.steps[_TRANSIENT]),
            "steps_newton": int(state.steps[_NEWTON]),
            "change": float(state.change),
            "unknowns": int(basis.size * len(state.unknowns)),
            "unresolved": float(state.estimated_error),
        }
        coarse = self.monotone(problem)
        unfinished = int(state.stage) == _MONOTONE or status in (STALLED, NONFINITE)
        if coarse is not None and unfinished:  # the monotone solution is returned
            start_finish = coarse.finish(problem, state.start, workspace.start)
            return start_finish._replace(result=CODES[status], stats=start_finish.stats | stats)
        unknowns = np.where(np.isfinite(state.unknowns), state.unknowns, 0.0)
        return Finish(basis.value(unknowns), CODES[status], stats, basis.shown())
