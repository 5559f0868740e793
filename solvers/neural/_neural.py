"""The base class of the neural solvers: options, stages of a solve, scales of the networks, and verdict on the result."""

import abc
import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax.random as jr
import numpy as np
from jaxtyping import Float

from ...neural_operators import NetworkOptions
from ..base import CODES, RESULTS, ROUGH, RUNNING, AbstractTrainedSolver, Finish, check_dense, check_whole, value_ranges
from ..collocation import CollocationWorkspace, error_left, judge
from ..equation import on_nodes
from ..grid import FiniteDifferenceState, one_thread
from ..solution import AbstractRule
from ._labels import labels_of
from ._network_basis import FITTED
from ._network_start import first_basis
from ._sampling import Sampler
from ._start import Start
from ._stopping import Stopping
from ._workspace import NeuralWorkspace, TrainingSet

_START, _FITTING, _TRAINING = 0, 1, 2
_STAGES = ("finite differences", "fit", "training")
# Relative accuracy of the fit to the monotone start. With up to two states the start is close to the solution, and a close fit
# saves training: the errors of `uncertain_damages` (one state) fall to a third in equal seconds. With more states the start is coarse
# and only selects the branch; where the value function is not smooth, no fit reaches an error below 2e-3.
_STATES_OF_CLOSE_FIT, _BRANCH = 2, 1e-2
# Networks that correct a coarse solution start from a correction of zero, so that the coarse solution keeps its accuracy. The values
# are the relative error and the first damping of the fit to zero, which is almost linear.
_FIT_TO_ZERO = (1e-8, 1e-10)
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
    optimizer_state: Any  # damping factors, or moments and learning rates
    best_unknowns: Float[np.ndarray, "network unknown"]  # with the smallest error on fresh points of the region
    best_error: np.ndarray  # error of the best unknowns
    draws_without_improvement: np.ndarray  # number of draws since the error last fell noticeably
    norm: Float[np.ndarray, " network"]  # root mean square residual at the points, divided by delta and the range of V
    draw: np.ndarray  # index of the current set of points
    interior: Float[np.ndarray, "point state"]  # points that do not lie on faces
    status: np.ndarray  # status code
    steps: np.ndarray  # number of steps taken in each stage
    error: np.ndarray  # estimated error of the latest networks; at the end, of the returned networks
    start_error: np.ndarray  # estimated error of the coarse solution that the networks correct


class AbstractNeural(AbstractTrainedSolver):
    """Networks trained on the residual; subclasses define the initial state of an optimiser and one training step.

    The options of all neural solvers are declared here. They form the parts `initial`, `sampler` and `stopping`, which hold the
    checks and the behaviour; `network` holds the options of the architecture.

    **Arguments:** see [`GaussNewton`][].

    **Raises:** `ValueError` naming an option that is out of its range.

    !!! example

        ```python
        import abatax as ab

        solver = ab.solvers.GaussNewton(parameters=100, network=ab.neural_operators.NetworkOptions(depth=1))
        assert isinstance(solver, ab.solvers.AbstractNeural) and solver.sampler.method == "sobol"
        ```
    """

    architecture: str = eqx.field(static=True, default="gated_mlp")
    parameters: int = eqx.field(static=True, default=1200)
    network: NetworkOptions = NetworkOptions()
    points: int = eqx.field(static=True, default=0)
    focus: float = eqx.field(static=True, default=0.5)
    joint: bool = eqx.field(static=True, default=True)
    start: int = eqx.field(static=True, default=1)
    coarse: int | tuple[int, ...] = eqx.field(static=True, default=0)
    steps: int = eqx.field(static=True, default=200)
    resample: int = eqx.field(static=True, default=10)
    patience: int = eqx.field(static=True, default=5)
    tolerance: float = eqx.field(static=True, default=1e-6)
    sampling: str = eqx.field(static=True, default="sobol")
    time_step: float = eqx.field(static=True, default=0.0)

    def __check_init__(self):
        check_whole("parameters", self.parameters, 8)
        if not 0.0 <= self.time_step < math.inf:
            raise ValueError(f"`solver.time_step` is {self.time_step}; it must be >= 0 years and finite.")
        self.network.check(self.architecture)
        _ = self.initial, self.sampler, self.stopping  # each part checks its options

    @property
    def initial(self) -> Start:
        """The finite-difference solution from which training starts."""
        return Start(self.start, self.coarse)

    @property
    def sampler(self) -> Sampler:
        """The distribution of the collocation points."""
        return Sampler(self.sampling, self.points, self.focus, self.resample)

    @property
    def stopping(self) -> Stopping:
        """When training ends."""
        return Stopping(self.steps, self.tolerance, self.patience)

    @property
    def most_steps(self) -> int:
        """The steps of the finite-difference start and of the fit, plus the training steps."""
        return super().most_steps + self.steps

    @abc.abstractmethod
    def prepare(self, state: NeuralState, training: TrainingSet) -> Any:
        """The initial state of the training method."""

    @abc.abstractmethod
    def improve(self, state: NeuralState, training: TrainingSet, key: Any) -> NeuralState:
        """Perform one training step at the points of a training set; it updates `unknowns`, `optimizer_state` and `norm`."""

    def pace(self, state: NeuralState, training: TrainingSet) -> float | None:
        """Reciprocal time step (1/yr) of the current training step; None once the time step is long compared with 1/delta."""
        if self.time_step == 0.0:
            return None
        length = self.time_step * _TIME_STEP_GROWTH ** max(int(state.steps[_TRAINING]) - 1, 0)
        return None if length * training.highest_discount_rate > _INFINITE_TIME_STEP else 1.0 / length

    def trained_policy(self, state: NeuralState, training: TrainingSet) -> AbstractRule | None:
        """The trained policy with stacked leaves; None if the solver trains no policy."""
        del state, training
        return None

    def optimizer_stats(self, state: NeuralState) -> dict[str, Any]:
        """Statistics of the training method."""
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
        basis = first_basis(problem, labels, self._network_maker(key), self.points, self.focus)
        collocation = CollocationWorkspace(problem, family, basis)
        values = collocation.asymptote() if guess is None else on_nodes(problem, guess, basis.points)
        start_solver, start_state, start_workspace = self.initial.solver(problem, family, key), (), None
        if start_solver is not None:
            start_state, start_workspace = start_solver.init(problem, family, key, guess)
        workspace = NeuralWorkspace(collocation, values, start_solver, start_workspace, self.initial.is_corrected)
        level, scale, slope = _scales(TrainingSet(collocation), values)
        state = NeuralState(
            start=start_state,
            stage=np.array(_FITTING if start_solver is None else _START),
            unknowns=basis.start(),
            level=level,
            scale=scale,
            slope=slope,
            optimizer_state=(),
            best_unknowns=basis.start(),
            best_error=np.array(np.inf),
            draws_without_improvement=np.array(0),
            norm=np.full(1 if basis.joint else family, np.inf),
            draw=np.array(0),
            interior=basis.interior,
            status=np.array(RUNNING),
            steps=np.zeros(3, dtype=int),
            error=np.array(np.inf),
            start_error=np.array(np.nan),
        )
        return state._replace(optimizer_state=self.prepare(state, self._training_set(state, workspace))), workspace

    def _network_maker(self, key) -> Callable[[int, int], Any]:
        """A function that makes an initial network from its index and its number of inputs."""

        def make(number, inputs):
            key_of_network = jr.fold_in(key, number)
            return self.network.make(self.architecture, inputs, parameters=self.parameters, key=key_of_network)

        return make

    def _training_set(self, state: NeuralState, workspace: NeuralWorkspace) -> TrainingSet:
        return workspace.training_set(state, has_started=int(state.stage) != _START)

    def step(self, problem, state, workspace, key):
        stage = int(state.stage)
        steps = state.steps.copy()
        steps[stage] += 1
        state = state._replace(steps=steps)
        if stage == _START:
            with one_thread():
                return self._start_step(state, workspace, key)
        training = self._training_set(state, workspace)
        if stage == _FITTING:
            return self._fit(state, training, workspace)
        state = self.improve(state, training, key)
        if int(state.status) != RUNNING or not self.sampler.is_due(self.training_steps(state)):
            return state
        return self._assess(state, training)

    def _start_step(self, state: NeuralState, workspace: NeuralWorkspace, key) -> NeuralState:
        """Perform one finite-difference step. The converged solution scales the networks, which then approximate or correct it."""
        solver = workspace.start_solver
        assert solver is not None  # this stage exists only with a finite-difference start
        start_state = solver.step(workspace.problem, state.start, workspace.start_workspace, key)
        state = state._replace(start=start_state, norm=np.full_like(state.norm, float(np.max(start_state.norm))))
        if not solver.terminate(start_state):
            return state
        if not self.initial.is_usable(int(start_state.status)):
            return state._replace(status=start_state.status)
        state = state._replace(stage=np.array(_FITTING))
        training = self._training_set(state, workspace)
        level, scale, slope = _scales(training, workspace.start_values_at(state, training))
        return state._replace(level=level, scale=scale, slope=slope)

    def _fit(self, state: NeuralState, training: TrainingSet, workspace: NeuralWorkspace) -> NeuralState:
        """Fit the networks to the finite-difference solution or the guess, or to zero if they correct a coarse solution."""
        basis, from_guess = training.basis, state.start == ()
        with one_thread():
            values = workspace.first_values if from_guess else workspace.start_values_at(state, training)
            is_close = from_guess or len(training.problem.region) <= _STATES_OF_CLOSE_FIT
            unknowns = basis.fit(values, *(_FIT_TO_ZERO if basis.corrects else (FITTED if is_close else _BRANCH,)))
        state = state._replace(unknowns=unknowns, best_unknowns=unknowns, stage=np.array(_TRAINING))
        if not basis.corrects:
            return state
        # the coarse solution is the benchmark: networks with a larger error are not returned
        return state._replace(
            best_error=np.array(basis.unresolved(training.collocation, unknowns)),
            start_error=np.array(error_left(training.collocation, unknowns)),
        )

    def _assess(self, state: NeuralState, training: TrainingSet) -> NeuralState:
        """Measure the error on fresh points of the region, keep the best networks, and then draw new points or end the training."""
        error, smallest = training.basis.unresolved(training.collocation, state.unknowns), float(state.best_error)
        if error < smallest:
            state = state._replace(best_unknowns=state.unknowns, best_error=np.array(error))
        draw, stopping = int(state.draw) + 1, self.stopping
        draws = stopping.draws_without_improvement(error, smallest, int(state.draws_without_improvement))
        state = state._replace(
            draws_without_improvement=np.array(draws),
            error=np.array(error),
            draw=np.array(draw),
            interior=self.sampler.fresh_points(training.collocation, state.unknowns, draw),
        )
        if stopping.is_over(error, draws, self.training_steps(state)):
            status, error = judge(training.collocation, state.best_unknowns)
            state = state._replace(status=np.array(status), error=np.array(error))
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
                status, _ = judge(self._training_set(state, workspace).collocation, _returned(state))
        return CODES[status]

    def trained_with(self, architecture, network, **options):
        return dataclasses.replace(
            self, architecture=architecture, network=self.network.with_options(network), **options
        )

    def progress(self, state):
        numbers = {"residual/delta/range": float(np.max(state.norm)), "on fresh points": float(state.error)}
        return numbers, _STAGES[int(state.stage)]

    def finish(self, problem, state, workspace):
        status = int(state.status)
        training = self._training_set(state, workspace)
        basis = training.basis
        stats: dict[str, Any] = {
            "steps_monotone": int(state.steps[_START]),
            "steps_training": int(state.steps[_TRAINING]),
            "unknowns": int(state.unknowns.size),
            "points": len(basis.points),
            # error of the returned networks; before the verdict it is based on the residual alone
            "unresolved": float(np.minimum(state.error, state.best_error) if status == RUNNING else state.error),
            "scale_value": float(np.max(state.scale)),
        } | self.optimizer_stats(state)
        start_solver = workspace.start_solver
        if start_solver is not None and self.initial.is_corrected:
            stats |= {"coarse": list(start_solver.counts(problem)), "unresolved_coarse": float(state.start_error)}
        if start_solver is not None and int(state.stage) != _TRAINING:
            start_finish = start_solver.finish(problem, state.start, workspace.start_workspace)
            return start_finish._replace(result=CODES[status], stats=start_finish.stats | stats)
        result = RESULTS.untrained if status == ROUGH else CODES[status]
        policy = self.trained_policy(state, training)
        return Finish(basis.value(_returned(state)), result, stats, basis.shown(), policy)


def _returned(state: NeuralState) -> Float[np.ndarray, "network unknown"]:
    """The networks with the smallest error on fresh points; the latest ones if no error was measured."""
    return state.best_unknowns if np.isfinite(state.best_error) else state.unknowns


def _scales(
    training: TrainingSet, values: Float[np.ndarray, "family point"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Level, range and known slopes of the value functions from values at the points."""
    family, dimension = training.family, len(training.problem.region)
    value_range = value_ranges(values)
    if training.basis.corrects:  # the base already contains level and slopes
        return np.zeros(family), value_range, np.zeros((family, dimension))
    remainder = training.collocation.remainder(values)
    deviation = np.std(remainder, axis=1)
    scale = np.where(deviation > 1e-3 * value_range, deviation, value_range)
    return np.mean(remainder, axis=1), scale, training.collocation.known_slopes()
