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

# Corrections below this that no longer shrink are rounding.
_FLOOR = 1e-7
# A residual over delta of less than this share of the range of V may rise: it is rounding.
_ROUNDING = 1e-6
# Corrections this small have settled if the residual is rounding, or, of least squares, keeps this share of itself.
_SETTLED, _NO_PROGRESS = 1e-4, 0.9
# First time step of a start without finite differences, in units of 1/delta, its growth, and when it counts as infinite.
_FIRST_TIME_STEP, _FASTER, _FOREVER = 0.01, 2.0, 1e4

_MONOTONE, _TRANSIENT, _NEWTON = 0, 1, 2
_STAGES = ("monotone start", "transient", "collocation")


class CollocationState(NamedTuple):
    """Where the iteration is. All leaves are numpy, so that a checkpoint is a file of arrays."""

    start: FiniteDifferenceState | tuple[()]  # of the monotone start, if there is one
    stage: np.ndarray  # 0 monotone start, 1 transient, 2 Newton
    unknowns: Float[np.ndarray, "family unknown"]
    move: Float[np.ndarray, "family unknown"]  # the last correction
    norm: Float[np.ndarray, " family"]  # root mean square residual over delta before it
    fraction: Float[np.ndarray, " family"]  # how much of it was taken
    change: np.ndarray  # largest correction of V at the points over the range of V
    shift: np.ndarray  # one over the time step, in units of delta
    status: np.ndarray  # where it stands
    steps: np.ndarray  # taken in each stage
    left: np.ndarray  # estimate of what the basis does not resolve


class AbstractCollocation(AbstractSolver):
    """Newton steps on the equation at the points of a basis, from a start that picks the right root."""

    tolerance: eqx.AbstractVar[float]
    start: eqx.AbstractVar[int]

    @abc.abstractmethod
    def basis(self, problem: HJBProblem, family: int) -> AbstractBasis:
        """The functions and points of a problem."""

    def monotone(self, problem: HJBProblem) -> FiniteDifference | None:
        """The coarse monotone solver of the start; None to start from the guess by implicit time steps."""
        return monotone_start(problem) if self.start else None

    # -- the driver's protocol --------------------------------------------------------------------------

    def check_coupled(self, problem, family):
        """Any: the value after such a jump is the basis at another state, and part of the Newton system."""

    def init(self, problem, family, key, guess):
        basis = self.basis(problem, family)
        unknowns, coarse, begun = np.zeros((family, basis.size)), self.monotone(problem), ()
        workspace = CollocationWorkspace(problem, family, basis)
        if coarse is not None:
            begun, workspace.start = coarse.init(problem, family, key, guess)
        elif guess is not None:
            unknowns = basis.fit(on_nodes(problem, guess, basis.points))
        else:
            unknowns = basis.fit(workspace.asymptote())
        return CollocationState(
            start=begun,
            stage=np.array(_TRANSIENT if coarse is None else _MONOTONE),
            unknowns=unknowns,
            move=np.zeros_like(unknowns),
            norm=np.full(family, np.inf),
            fraction=np.ones(family),
            change=np.array(np.inf),
            shift=np.array(1.0 / _FIRST_TIME_STEP if coarse is None else 0.0),
            status=np.array(RUNNING),
            steps=np.zeros(3, dtype=int),
            left=np.array(np.inf),
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
        # A correction that made a finite residual not finite, or raised it a lot, is halved.
        rounding = _ROUNDING * value_ranges(local.value)
        worse = ~np.isfinite(norm) | (norm > np.maximum(10.0 * state.norm, rounding))
        worse &= np.isfinite(state.norm)
        if not np.all(np.isfinite(norm) | worse):
            return state._replace(status=np.array(NONFINITE))
        if worse.any():
            return self._halve(state, worse, norm)
        # With more points than functions the residual has a floor: the best iterate is kept when it falls no further.
        settled = basis.overdetermined and stage == _NEWTON and float(state.change) < _SETTLED
        if settled and np.all(norm > _NO_PROGRESS * state.norm):
            up = (norm > state.norm)[:, None]
            kept = np.where(up, state.unknowns - state.move * state.fraction[:, None], state.unknowns)
            return self._believe(workspace, state._replace(unknowns=kept, norm=np.minimum(norm, state.norm)))
        shift = np.full_like(delta, float(state.shift)) * delta
        with np.errstate(invalid="ignore", over="ignore"):
            move = basis.correct(local, state.unknowns, residuals, delta, shift)
        if not np.all(np.isfinite(move)):
            return state._replace(status=np.array(NONFINITE))
        before, by = (basis.differentiate(u)[0] for u in (state.unknowns, move))
        spread = value_ranges(before) + np.max(np.abs(by), axis=1) * 1e-3
        steps[stage] += 1
        new = state._replace(
            unknowns=state.unknowns + move,
            move=move,
            norm=norm,
            fraction=np.ones_like(norm),
            change=np.asarray(np.max(np.max(np.abs(by), axis=1) / spread)),
            steps=steps,
        )
        if stage == _TRANSIENT:
            shift = float(state.shift) / _FASTER
            over = shift < 1.0 / _FOREVER
            return new._replace(shift=np.array(0.0 if over else shift), stage=np.array(_NEWTON if over else _TRANSIENT))
        floor = _SETTLED if np.all(norm <= rounding) else _FLOOR
        return self._judge(workspace, new, float(state.change), floor)

    def _monotone_step(self, problem, state, workspace, key):
        """One step of the monotone start; its solution becomes the first iterate."""
        coarse, steps = self.monotone(problem), state.steps.copy()
        assert coarse is not None  # the stage exists only with it
        steps[_MONOTONE] += 1
        begun = coarse.step(problem, state.start, workspace.start, key)
        state = state._replace(start=begun, steps=steps, norm=begun.norm, change=begun.change)
        if not coarse.terminate(begun):
            return state
        if not can_start_from(int(begun.status)):
            return state._replace(status=begun.status)
        value = coarse.finish(problem, begun, workspace.start).value
        return state._replace(
            stage=np.array(_NEWTON),
            unknowns=workspace.basis.fit(family_at(problem, value, workspace.basis.points)),
            norm=np.full_like(state.norm, np.inf),
            change=np.array(np.inf),
        )

    def _halve(self, state, worse, norm):
        """Take back half of the last correction of the members that it made worse, or give up."""
        if (state.fraction[worse] < 1e-3).any():
            back = state.unknowns - state.move * state.fraction[:, None]
            status = STALLED if np.all(np.isfinite(norm)) else NONFINITE
            return state._replace(unknowns=np.where(worse[:, None], back, state.unknowns), status=np.array(status))
        half = np.where(worse, 0.5 * state.fraction, 0.0)
        return state._replace(unknowns=state.unknowns - half[:, None] * state.move, fraction=state.fraction - half)

    def _judge(self, workspace, state, previous, floor):
        """Whether the corrections have ended: small, or below a floor and no longer shrinking."""
        change = float(state.change)
        if change > self.tolerance and not (change < floor and change > 0.3 * previous):
            return state
        return self._believe(workspace, state)

    def _believe(self, workspace, state):
        """The result code of an iteration that has ended."""
        status, left = judge(workspace, state.unknowns)
        return state._replace(status=np.array(status), left=np.asarray(left))

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
            "unresolved": float(state.left),
        }
        coarse = self.monotone(problem)
        unfinished = int(state.stage) == _MONOTONE or status in (STALLED, NONFINITE)
        if coarse is not None and unfinished:  # what is known is the monotone solution
            kept = coarse.finish(problem, state.start, workspace.start)
            return kept._replace(result=CODES[status], stats=kept.stats | stats)
        unknowns = np.where(np.isfinite(state.unknowns), state.unknowns, 0.0)
        return Finish(basis.value(unknowns), CODES[status], stats, basis.shown())
