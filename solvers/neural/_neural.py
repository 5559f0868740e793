"""What neural solvers share: a start on the right branch, networks scaled by the problem, fresh points, and the judgement."""

import abc
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax.random as jr
import numpy as np
from jaxtyping import Float

from ...models import HJBProblem
from ...neural_operators import NetworkOptions
from ..base import (
    CODES,
    CONVERGED,
    RESULTS,
    ROUGH,
    RUNNING,
    AbstractSolver,
    Finish,
    check_dense,
    check_tolerance,
    check_whole,
    value_ranges,
)
from ..collocation import CollocationWorkspace, error_left, family_at, judge
from ..equation import on_nodes
from ..grid import (
    FiniteDifference,
    FiniteDifferenceState,
    bent_start,
    can_start_from,
    check_nodes,
    coarse_start,
    one_thread,
)
from ..solution import AbstractRule
from ._labels import labels_of
from ._network_basis import FITTED, NetworkBasis
from ._network_start import first_basis
from ._network_value import CoarseSolution
from ._sampling import check_sampling, fresh_points

_START, _FITTING, _TRAINING = 0, 1, 2
_STAGES = ("finite differences", "fit", "training")
# A draw that leaves more than this share of the least error so far brought nothing.
_NOTICEABLE = 0.95
# How well networks are fitted to the monotone start, relative. With one or two states it has nodes enough to be near the solution,
# and a close fit saves training: errors of `uncertain_damages` (one state) are a third in equal seconds. With more it is coarse
# and only decides on the branch, and where the value is not smooth no fit gets below 2e-3.
_WELL_KNOWN, _BRANCH = 2, 1e-2
# Networks that correct a solution begin with no correction, and may not blur what it knows: relative error and first damping of that
# fit, which is all but linear.
_NOTHING = (1e-8, 1e-10)
# Every time step is so much longer than the one before; over this many times 1/delta it makes no difference.
_LONGER, _FOREVER = 1.2, 1e3


class NeuralState(NamedTuple):
    """Where the training is. All leaves are numpy, so that a checkpoint is a file of arrays."""

    start: FiniteDifferenceState | tuple[()]  # of the finite differences with which it starts, if it does
    stage: np.ndarray  # 0 finite differences, 1 fit, 2 training
    unknowns: Float[np.ndarray, "network unknown"]
    level: Float[np.ndarray, " family"]
    scale: Float[np.ndarray, " family"]
    slope: Float[np.ndarray, "family state"]
    inner: Any  # of the solver: dampings, moments of the optimiser
    best: Float[np.ndarray, "network unknown"]  # by the error left on fresh points of the region
    least: np.ndarray  # that error
    waited: np.ndarray  # draws since it last fell noticeably
    norm: Float[np.ndarray, " network"]  # root mean square residual over delta and the range of V, at the points
    draw: np.ndarray  # which points
    inside: Float[np.ndarray, "point state"]  # those not on faces
    status: np.ndarray  # where it stands
    steps: np.ndarray  # taken in each stage
    left: np.ndarray  # the error left by what is returned
    left_coarse: np.ndarray  # and by the solution that the networks correct, if they do


class NeuralWorkspace(NamedTuple):
    """What can be rebuilt at any time. The equation at the points of the current draw is kept in `held`."""

    held: dict[int, CollocationWorkspace[NetworkBasis]]
    coarse: FiniteDifference | None  # the solver of the start, if there is one
    start: Any  # its workspace
    first: Float[
        np.ndarray, "family point"
    ]  # values of the guess, or of the known slopes, at the points of the first draw


class AbstractNeural(AbstractSolver):
    """Networks trained on the residual; subclasses say how one step improves them."""

    architecture: eqx.AbstractVar[str]
    parameters: eqx.AbstractVar[int]
    network: eqx.AbstractVar[NetworkOptions]
    points: eqx.AbstractVar[int]
    focus: eqx.AbstractVar[float]
    joint: eqx.AbstractVar[bool]
    start: eqx.AbstractVar[int]
    coarse: eqx.AbstractVar[int | tuple[int, ...]]
    steps: eqx.AbstractVar[int]
    resample: eqx.AbstractVar[int]
    tolerance: eqx.AbstractVar[float]
    patience: eqx.AbstractVar[int]
    sampling: eqx.AbstractVar[str]
    time_step: eqx.AbstractVar[float]

    def __check_init__(self):
        for name, least in (
            ("parameters", 8),
            ("points", 0),
            ("steps", 1),
            ("resample", 1),
            ("patience", 1),
        ):
            check_whole(name, getattr(self, name), least)
        check_whole("start", self.start, 0, 1)
        if self.coarse:
            check_nodes("coarse", self.coarse, FiniteDifference().order)
            if not self.start:
                raise ValueError(f"`solver.start` is 0; with `solver.coarse` = {self.coarse} it must be 1.")
        if not 0.0 <= self.focus < 1.0:
            raise ValueError(f"`solver.focus` is {self.focus}; it must be in [0, 1).")
        if not 0.0 <= self.time_step < math.inf:
            raise ValueError(f"`solver.time_step` is {self.time_step}; it must be >= 0 years and finite.")
        check_tolerance(self.tolerance)
        self.network.check(self.architecture)
        check_sampling(self.sampling)

    @property
    def most_steps(self) -> int:
        """Those of training come after those of the finite differences and of the fit to them."""
        return super().most_steps + self.steps

    @abc.abstractmethod
    def prepare(self, state: NeuralState, workspace: CollocationWorkspace[NetworkBasis]) -> Any:
        """The solver's own part of the state when training begins."""

    @abc.abstractmethod
    def improve(self, state: NeuralState, workspace: CollocationWorkspace[NetworkBasis], key: Any) -> NeuralState:
        """One step of training at the points of the workspace: `unknowns`, `inner` and `norm`."""

    def pace(self, state: NeuralState, discount_rate: float) -> float:
        """One over the time step (1/yr) of the step of training that `state` is in; 0 once it is long against discounting."""
        if self.time_step == 0.0:
            return 0.0
        span = self.time_step * _LONGER ** max(int(state.steps[_TRAINING]) - 1, 0)
        return 0.0 if span * discount_rate > _FOREVER else 1.0 / span

    def trained_policy(self, state: NeuralState, workspace: CollocationWorkspace[NetworkBasis]) -> AbstractRule | None:
        """The policy that was trained beside the value function, leaves stacked; None where there is none."""
        del state, workspace
        return None

    def remarks(self, state: NeuralState) -> dict[str, Any]:
        """What else the statistics tell."""
        del state
        return {}

    # -- the driver's protocol --------------------------------------------------------------------------

    def check_coupled(self, problem, family):
        if family > 1 and not self.joint:
            raise ValueError(
                f"`solver.joint` is False; regimes of `{problem.model.name}` lead to each other, and share one network: make it"
                " True, or use FiniteDifference."
            )

    def init(self, problem, family, key, guess):
        size = f"`solver.points` is {self.points} and `solver.parameters` {self.parameters}"
        check_dense(size, "fewer of them", max(self.points, self.parameters), self.parameters)
        labels = labels_of(problem.model, family) if self.joint and family > 1 else np.zeros((family, 0))
        basis = first_basis(problem, labels, self._networks(key), self.points, self.focus)
        at, begun, start = CollocationWorkspace(problem, family, basis), (), None
        coarse = self._coarse(problem, family, key)  # it decides on the branch
        first = at.asymptote() if guess is None else on_nodes(problem, guess, basis.points)
        if coarse is not None:
            begun, start = coarse.init(problem, family, key, guess)
        nets = 1 if basis.joint else family
        state = NeuralState(
            start=begun,
            stage=np.array(_FITTING if coarse is None else _START),
            unknowns=basis.start(),
            level=np.zeros(family),
            scale=np.ones(family),
            slope=np.zeros((family, len(problem.region))),
            inner=(),
            best=basis.start(),
            least=np.array(np.inf),
            waited=np.array(0),
            norm=np.full(nets, np.inf),
            draw=np.array(0),
            inside=basis.inside,
            status=np.array(RUNNING),
            steps=np.zeros(3, dtype=int),
            left=np.array(np.inf),
            left_coarse=np.array(np.nan),
        )
        state = self._scaled(state, at, first)
        return state._replace(inner=self.prepare(state, at)), NeuralWorkspace({0: at}, coarse, start, first)

    def _coarse(self, problem: HJBProblem, family: int, key: Any) -> FiniteDifference | None:
        """The finite differences with which training starts."""
        if not self.start:
            return None
        return coarse_start(problem, self.coarse) if self.coarse else bent_start(problem, family, key)

    def _networks(self, key) -> Callable[[int, int], Any]:
        """The initial networks: of a number and of inputs."""

        def make(number, inputs):
            key_of = jr.fold_in(key, number)
            return self.network.make(self.architecture, inputs, parameters=self.parameters, key=key_of)

        return make

    def _scaled(self, state: NeuralState, at: CollocationWorkspace[NetworkBasis], values: np.ndarray) -> NeuralState:
        """Level, range and known slopes of the value functions, from values at the points."""
        size = value_ranges(values)
        if at.basis.corrects:  # nothing but the range is left to be told
            return state._replace(level=np.zeros_like(state.level), scale=size, slope=np.zeros_like(state.slope))
        slope = at.known_slopes()
        rest = at.remainder(values)
        scale = np.std(rest, axis=1)
        return state._replace(
            level=np.mean(rest, axis=1), scale=np.where(scale > 1e-3 * size, scale, size), slope=slope
        )

    def step(self, problem, state, workspace, key):
        stage = int(state.stage)
        steps = state.steps.copy()
        steps[stage] += 1
        state = state._replace(steps=steps)
        if stage == _START:
            with one_thread():
                return self._first_step(state, workspace, key)
        at = self._at(state, workspace)
        if stage == _FITTING:
            return self._fitted(state, at, workspace)
        state = self.improve(state, at, key)
        if int(state.status) != RUNNING or steps[_TRAINING] % self.resample:
            return state
        return self._look(state, at)

    def _fitted(self, state: NeuralState, at: CollocationWorkspace[NetworkBasis], workspace: NeuralWorkspace):
        """Networks fitted to where training starts: to the finite differences, to the guess, or to no correction at all."""
        guessed, corrects = state.start == (), at.basis.corrects
        with one_thread():
            values = workspace.first if guessed else self._begun(state, at, workspace)
            close = guessed or len(at.problem.region) <= _WELL_KNOWN
            unknowns = at.basis.fit(values, *(_NOTHING if corrects else (FITTED if close else _BRANCH,)))
        state = state._replace(unknowns=unknowns, best=unknowns, stage=np.array(_TRAINING))
        if not corrects:
            return state
        # what training does not better is not returned
        return state._replace(
            least=np.array(at.basis.unresolved(at, unknowns)), left_coarse=np.array(error_left(at, unknowns))
        )

    def _at(self, state: NeuralState, workspace: NeuralWorkspace) -> CollocationWorkspace[NetworkBasis]:
        """The equation at the points of the state's draw."""
        draw, old = int(state.draw), next(iter(workspace.held.values()))
        begun = bool(self.coarse) and int(state.stage) != _START and not old.basis.corrects
        if begun or draw not in workspace.held:
            base = self._coarse_solution(state, old, workspace) if begun else None
            basis = old.basis.redrawn(draw, state.inside, base)
            workspace.held.clear()
            workspace.held[draw] = CollocationWorkspace(old.problem, old.family, basis)
        at = workspace.held[draw]
        at.basis.scaled(state.level, state.scale, state.slope)
        return at

    def _first_step(self, state, workspace, key):
        """One step of the finite differences; their solution scales the networks, which are fitted to it or correct it."""
        at, coarse = next(iter(workspace.held.values())), workspace.coarse
        assert coarse is not None  # the stage exists only with it
        begun = coarse.step(at.problem, state.start, workspace.start, key)
        state = state._replace(start=begun, norm=np.full_like(state.norm, float(np.max(begun.norm))))
        if not coarse.terminate(begun):
            return state
        status = int(begun.status)
        usable = status == CONVERGED if self.coarse else can_start_from(status)
        if not usable:
            return state._replace(status=begun.status)
        state = state._replace(stage=np.array(_FITTING))
        at = self._at(state, workspace)
        return self._scaled(state, at, self._begun(state, at, workspace))

    def _solved(self, state, at, workspace):
        """The value functions of the finite differences, leaves stacked."""
        coarse = workspace.coarse
        assert coarse is not None  # the stage exists only with it
        return coarse.finish(at.problem, state.start, workspace.start).value

    def _coarse_solution(self, state, at, workspace) -> CoarseSolution:
        """What networks are to correct."""
        return CoarseSolution(HJBProblem(at.problem.model), self._solved(state, at, workspace))

    def _begun(self, state, at, workspace):
        """The values of the finite differences at the points."""
        if at.basis.corrects:  # known already
            return at.basis.base_at(at.basis.points)[0]
        return family_at(at.problem, self._solved(state, at, workspace), at.basis.points)

    def _look(self, state, at):
        """The error left on fresh points of the region: the best networks are kept; then other points, or the end."""
        left = at.basis.unresolved(at, state.unknowns)
        least = float(state.least)
        if left < least:
            state = state._replace(best=state.unknowns, least=np.array(left))
        waited = 0 if left < _NOTICEABLE * least else int(state.waited) + 1
        draw = int(state.draw) + 1
        inside = fresh_points(self.sampling, at, state.unknowns, draw)
        state = state._replace(waited=np.array(waited), left=np.array(left), draw=np.array(draw), inside=inside)
        if left <= self.tolerance or waited >= self.patience or state.steps[_TRAINING] >= self.steps:
            status, left = judge(at, state.best)
            state = state._replace(status=np.array(status), left=np.array(left))
        return state

    def terminate(self, state):
        return int(state.status) != RUNNING

    def progress(self, state):
        return {"residual/delta/range": float(np.max(state.norm)), "on fresh points": float(state.left)}, _STAGES[
            int(state.stage)
        ]

    def finish(self, problem, state, workspace):
        status = int(state.status)
        at = self._at(state, workspace)
        stats: dict[str, Any] = {
            "steps_monotone": int(state.steps[_START]),
            "steps_training": int(state.steps[_TRAINING]),
            "unknowns": int(state.unknowns.size),
            "points": len(at.basis.points),
            # of the networks returned; before they were judged by their residual alone
            "unresolved": float(np.minimum(state.left, state.least) if status == RUNNING else state.left),
            "scale_value": float(np.max(state.scale)),
        } | self.remarks(state)
        coarse = workspace.coarse
        if self.coarse and coarse is not None:
            stats |= {"coarse": list(coarse.counts(problem)), "unresolved_coarse": float(state.left_coarse)}
        if coarse is not None and int(state.stage) != _TRAINING:  # what is known is the solution of finite differences
            kept = coarse.finish(problem, state.start, workspace.start)
            return kept._replace(result=CODES[status], stats=kept.stats | stats)
        unknowns = state.best if np.isfinite(state.least) else state.unknowns
        result = RESULTS.untrained if status == ROUGH else CODES[status]
        return Finish(at.basis.value(unknowns), result, stats, at.basis.shown(), self.trained_policy(state, at))
