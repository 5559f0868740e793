"""The base class of the neural solvers: coarse start, scaling of the networks, resampling, and verdict on the result."""

import abc
import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax.random as jr
import numpy as np
from jaxtyping import Float

from ...models import Equation, HJBProblem
from ...neural_operators import NetworkOptions
from ..base import (
    CODES,
    CONVERGED,
    RESULTS,
    ROUGH,
    RUNNING,
    AbstractTrainedSolver,
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
# A draw counts as an improvement if its error is below this fraction of the smallest error so far.
_NOTICEABLE = 0.95
# Relative accuracy of the fit to the monotone start. With up to two states the start is close to the solution, and a close fit
# saves training: the errors of `uncertain_damages` (one state) fall to a third in equal seconds. With more states the start is coarse
# and only selects the branch; where the value function is not smooth, no fit reaches an error below 2e-3.
_WELL_KNOWN, _BRANCH = 2, 1e-2
# Networks that correct a coarse solution start from a correction of zero, so that the coarse solution keeps its accuracy. The values
# are the relative error and the first damping of the fit to zero, which is almost linear.
_ZERO_FIT = (1e-8, 1e-10)
# Ratio of successive time steps, and the multiple of 1/delta above which a time step counts as infinite.
_TIME_STEP_GROWTH, _INFINITE_TIME_STEP = 1.2, 1e3


class NeuralState(NamedTuple):
    """State of the training. All leaves are numpy arrays, so that a checkpoint is a file of arrays."""

    start: FiniteDifferenceState | tuple[()]  # state of the finite-difference start, if there is one
    stage: np.ndarray  # 0 finite differences, 1 fit, 2 training
    unknowns: Float[np.ndarray, "network unknown"]
    level: Float[np.ndarray, " family"]
    scale: Float[np.ndarray, " family"]
    slope: Float[np.ndarray, "family state"]
    inner: Any  # state of the solver: damping factors, or moments of the optimiser
    best: Float[np.ndarray, "network unknown"]  # unknowns with the smallest error on fresh points of the region
    least: np.ndarray  # error of the best unknowns
    waited: np.ndarray  # number of draws since the error last fell noticeably
    norm: Float[np.ndarray, " network"]  # root mean square residual at the points, divided by delta and the range of V
    draw: np.ndarray  # index of the current set of points
    inside: Float[np.ndarray, "point state"]  # points that do not lie on faces
    status: np.ndarray  # status code
    steps: np.ndarray  # number of steps taken in each stage
    left: np.ndarray  # estimated error of the returned networks
    left_coarse: np.ndarray  # estimated error of the coarse solution that the networks correct


class NeuralWorkspace(NamedTuple):
    """Data that can be rebuilt at any time. `held` stores the equation at the points of the current draw."""

    held: dict[int, CollocationWorkspace[NetworkBasis]]
    coarse: FiniteDifference | None  # solver of the start, if there is one
    start: Any  # workspace of that solver
    # values of the guess, or of the asymptote and the known slopes, at the points of the first draw
    first: Float[np.ndarray, "family point"]


class AbstractNeural(AbstractTrainedSolver):
    """Networks trained on the residual; subclasses define one training step.

    **Raises:** `ValueError` naming an option that is out of its range.

    !!! example

        ```python
        import abatax as ab

        solver = ab.solvers.GaussNewton(parameters=100, network=ab.neural_operators.NetworkOptions(depth=1))
        assert isinstance(solver, ab.solvers.AbstractNeural) and solver.architecture == "gated_mlp"
        ```
    """

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
        """The steps of the finite-difference start and of the fit, plus the training steps."""
        return super().most_steps + self.steps

    @abc.abstractmethod
    def prepare(self, state: NeuralState, workspace: CollocationWorkspace[NetworkBasis]) -> Any:
        """The initial value of `inner`, the solver-specific part of the state."""

    @abc.abstractmethod
    def improve(self, state: NeuralState, workspace: CollocationWorkspace[NetworkBasis], key: Any) -> NeuralState:
        """Perform one training step at the points of the workspace; it updates `unknowns`, `inner` and `norm`."""

    def pace(self, state: NeuralState, discount_rate: float) -> float:
        """Reciprocal time step (1/yr) of the current training step; 0 once the time step is long compared with 1/delta."""
        if self.time_step == 0.0:
            return 0.0
        span = self.time_step * _TIME_STEP_GROWTH ** max(int(state.steps[_TRAINING]) - 1, 0)
        return 0.0 if span * discount_rate > _INFINITE_TIME_STEP else 1.0 / span

    def trained_policy(self, state: NeuralState, workspace: CollocationWorkspace[NetworkBasis]) -> AbstractRule | None:
        """The trained policy with stacked leaves; None if the solver trains no policy."""
        del state, workspace
        return None

    def remarks(self, state: NeuralState) -> dict[str, Any]:
        """Further statistics of the solver."""
        del state
        return {}

    # -- the driver's protocol --------------------------------------------------------------------------

    def check(self, problem, family, coupled):
        size = f"`solver.points` is {self.points} and `solver.parameters` {self.parameters}"
        check_dense(size, "fewer of them", max(self.points, self.parameters), self.parameters)
        if coupled and family > 1 and not self.joint:
            raise ValueError(
                f"`solver.joint` is False; the coupled regimes of `{problem.model.name}` must share one network: set it to"
                " True, or use FiniteDifference."
            )

    def init(self, problem, family, key, guess):
        labels = labels_of(problem.model, family) if self.joint and family > 1 else np.zeros((family, 0))
        basis = first_basis(problem, labels, self._networks(key), self.points, self.focus)
        workspace, start_state, start_workspace = CollocationWorkspace(problem, family, basis), (), None
        coarse = self._coarse(problem, family, key)  # selects the branch of the solution
        start_values = workspace.asymptote() if guess is None else on_nodes(problem, guess, basis.points)
        if coarse is not None:
            start_state, start_workspace = coarse.init(problem, family, key, guess)
        network_count = 1 if basis.joint else family
        state = NeuralState(
            start=start_state,
            stage=np.array(_FITTING if coarse is None else _START),
            unknowns=basis.start(),
            level=np.zeros(family),
            scale=np.ones(family),
            slope=np.zeros((family, len(problem.region))),
            inner=(),
            best=basis.start(),
            least=np.array(np.inf),
            waited=np.array(0),
            norm=np.full(network_count, np.inf),
            draw=np.array(0),
            inside=basis.inside,
            status=np.array(RUNNING),
            steps=np.zeros(3, dtype=int),
            left=np.array(np.inf),
            left_coarse=np.array(np.nan),
        )
        state = self._scaled(state, workspace, start_values)
        return state._replace(inner=self.prepare(state, workspace)), NeuralWorkspace(
            {0: workspace}, coarse, start_workspace, start_values
        )

    def _coarse(self, problem: HJBProblem, family: int, key: Any) -> FiniteDifference | None:
        """The finite-difference solver of the start; None without a start."""
        if not self.start:
            return None
        return coarse_start(problem, self.coarse) if self.coarse else bent_start(problem, family, key)

    def _networks(self, key) -> Callable[[int, int], Any]:
        """A function that makes an initial network from its index and its number of inputs."""

        def make(number, inputs):
            key_of = jr.fold_in(key, number)
            return self.network.make(self.architecture, inputs, parameters=self.parameters, key=key_of)

        return make

    def _scaled(self, state: NeuralState, at: CollocationWorkspace[NetworkBasis], values: np.ndarray) -> NeuralState:
        """Set the level, range and known slopes of the value functions from values at the points."""
        size = value_ranges(values)
        if at.basis.corrects:  # the base already contains level and slopes
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
        collocation = self._at(state, workspace)
        if stage == _FITTING:
            return self._fitted(state, collocation, workspace)
        state = self.improve(state, collocation, key)
        if int(state.status) != RUNNING or steps[_TRAINING] % self.resample:
            return state
        return self._look(state, collocation)

    def _fitted(self, state: NeuralState, at: CollocationWorkspace[NetworkBasis], workspace: NeuralWorkspace):
        """Fit the networks to the finite-difference solution or the guess, or to zero if they correct a coarse solution."""
        from_guess, corrects = state.start == (), at.basis.corrects
        with one_thread():
            values = workspace.first if from_guess else self._begun(state, at, workspace)
            is_accurate = from_guess or len(at.problem.region) <= _WELL_KNOWN
            unknowns = at.basis.fit(values, *(_ZERO_FIT if corrects else (FITTED if is_accurate else _BRANCH,)))
        state = state._replace(unknowns=unknowns, best=unknowns, stage=np.array(_TRAINING))
        if not corrects:
            return state
        # the coarse solution is the benchmark: networks with a larger error are not returned
        return state._replace(
            least=np.array(at.basis.unresolved(at, unknowns)), left_coarse=np.array(error_left(at, unknowns))
        )

    def _at(self, state: NeuralState, workspace: NeuralWorkspace) -> CollocationWorkspace[NetworkBasis]:
        """The equation at the points of the current draw."""
        draw, previous = int(state.draw), next(iter(workspace.held.values()))
        add_base = bool(self.coarse) and int(state.stage) != _START and not previous.basis.corrects
        if add_base or draw not in workspace.held:
            base = self._coarse_solution(state, previous, workspace) if add_base else None
            basis = previous.basis.redrawn(draw, state.inside, base)
            workspace.held.clear()
            workspace.held[draw] = CollocationWorkspace(previous.problem, previous.family, basis)
        collocation = workspace.held[draw]
        collocation.basis.scaled(state.level, state.scale, state.slope)
        return collocation

    def _first_step(self, state, workspace, key):
        """Perform one finite-difference step. The converged solution scales the networks, which then approximate or correct it."""
        collocation, coarse = next(iter(workspace.held.values())), workspace.coarse
        assert coarse is not None  # this stage exists only with a finite-difference start
        start_state = coarse.step(collocation.problem, state.start, workspace.start, key)
        state = state._replace(start=start_state, norm=np.full_like(state.norm, float(np.max(start_state.norm))))
        if not coarse.terminate(start_state):
            return state
        status = int(start_state.status)
        usable = status == CONVERGED if self.coarse else can_start_from(status)
        if not usable:
            return state._replace(status=start_state.status)
        state = state._replace(stage=np.array(_FITTING))
        collocation = self._at(state, workspace)
        return self._scaled(state, collocation, self._begun(state, collocation, workspace))

    def _solved(self, state, at, workspace):
        """The value functions of the finite-difference solution, with stacked leaves."""
        coarse = workspace.coarse
        assert coarse is not None  # called only with a finite-difference start
        return coarse.finish(at.problem, state.start, workspace.start).value

    def _coarse_solution(self, state, at, workspace) -> CoarseSolution:
        """The coarse solution that the networks correct."""
        return CoarseSolution(Equation(at.problem.model), self._solved(state, at, workspace))

    def _begun(self, state, at, workspace):
        """The values of the finite-difference solution at the points."""
        if at.basis.corrects:  # the basis stores these values
            return at.basis.base_at(at.basis.points)[0]
        return family_at(at.problem, self._solved(state, at, workspace), at.basis.points)

    def _look(self, state, at):
        """Measure the error on fresh points of the region, keep the best networks, and then resample or stop."""
        error = at.basis.unresolved(at, state.unknowns)
        smallest = float(state.least)
        if error < smallest:
            state = state._replace(best=state.unknowns, least=np.array(error))
        draws_waited = 0 if error < _NOTICEABLE * smallest else int(state.waited) + 1
        draw = int(state.draw) + 1
        points = fresh_points(self.sampling, at, state.unknowns, draw)
        state = state._replace(waited=np.array(draws_waited), left=np.array(error), draw=np.array(draw), inside=points)
        if error <= self.tolerance or draws_waited >= self.patience or state.steps[_TRAINING] >= self.steps:
            status, error = judge(at, state.best)
            state = state._replace(status=np.array(status), left=np.array(error))
        return state

    def terminate(self, state):
        return int(state.status) != RUNNING

    def training_steps(self, state):
        return int(state.steps[_TRAINING])

    def verdict(self, problem, state, workspace):
        del problem
        status = int(state.status)
        if status == RUNNING and int(state.stage) == _TRAINING:
            with one_thread(), np.errstate(all="ignore"):
                status = judge(self._at(state, workspace), self._returned(state))[0]
        return CODES[status]

    def trained_with(self, architecture, network, **options):
        return dataclasses.replace(
            self, architecture=architecture, network=self.network.with_options(network), **options
        )

    def _returned(self, state: NeuralState) -> Float[np.ndarray, "network unknown"]:
        """The unknowns of the networks that `finish` returns."""
        return state.best if np.isfinite(state.least) else state.unknowns

    def progress(self, state):
        return {"residual/delta/range": float(np.max(state.norm)), "on fresh points": float(state.left)}, _STAGES[
            int(state.stage)
        ]

    def finish(self, problem, state, workspace):
        status = int(state.status)
        collocation = self._at(state, workspace)
        stats: dict[str, Any] = {
            "steps_monotone": int(state.steps[_START]),
            "steps_training": int(state.steps[_TRAINING]),
            "unknowns": int(state.unknowns.size),
            "points": len(collocation.basis.points),
            # error of the returned networks; before the verdict it is based on the residual alone
            "unresolved": float(np.minimum(state.left, state.least) if status == RUNNING else state.left),
            "scale_value": float(np.max(state.scale)),
        } | self.remarks(state)
        coarse = workspace.coarse
        if self.coarse and coarse is not None:
            stats |= {"coarse": list(coarse.counts(problem)), "unresolved_coarse": float(state.left_coarse)}
        if coarse is not None and int(state.stage) != _TRAINING:  # training has not begun
            start_finish = coarse.finish(problem, state.start, workspace.start)
            return start_finish._replace(result=CODES[status], stats=start_finish.stats | stats)
        unknowns = self._returned(state)
        result = RESULTS.untrained if status == ROUGH else CODES[status]
        return Finish(
            collocation.basis.value(unknowns),
            result,
            stats,
            collocation.basis.shown(),
            self.trained_policy(state, collocation),
        )
