"""The training problem of one draw of points, and the workspace of the neural solvers."""

import copy
import functools
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ...models import Equation, HJBProblem
from ..collocation import CollocationWorkspace, family_at
from ..grid import FiniteDifference
from ._network_basis import NetworkBasis
from ._network_value import CoarseSolution, NetworkValue
from ._residual_loss import Pool, box_lengths, equation_of_losses, pool_of


class TrainingData(NamedTuple):
    """What a compiled training step reads besides its state; the arrays stay on the device until new points are drawn."""

    equation: Equation
    template: NetworkValue  # the value functions, whose network parameters are trained
    pool: Pool
    lengths: Float[Array, " state"]  # side lengths of the box
    faces: tuple[
        tuple[int, Int[Array, " point"]], ...
    ]  # faces with a known slope: the state, and the indices of the points


class TrainingSet:
    """The equation at the points of one draw, in the units of given scales. It does not change."""

    def __init__(self, collocation: CollocationWorkspace[NetworkBasis]):
        self.collocation = collocation

    @property
    def basis(self) -> NetworkBasis:
        """The networks at the points."""
        return self.collocation.basis

    @property
    def problem(self) -> HJBProblem:
        """The problem of the family."""
        return self.collocation.problem

    @property
    def family(self) -> int:
        """The number of members."""
        return self.collocation.family

    @property
    def highest_discount_rate(self) -> float:
        """The highest discount rate of the members (1/yr)."""
        return float(np.max(self.collocation.discount_rate))

    @functools.cached_property
    def data(self) -> TrainingData:
        """The arguments of a compiled training step."""
        basis = self.basis
        return TrainingData(
            equation_of_losses(self.collocation),
            basis.template,
            pool_of(self.collocation),
            box_lengths(self.collocation),
            tuple((a, jnp.asarray(np.flatnonzero(basis.on_face(a, side)))) for a, side in basis.closed),
        )

    def scaled(self, level: np.ndarray, scale: np.ndarray, slope: np.ndarray) -> "TrainingSet":
        """The same equation with other scales of the networks."""
        collocation = copy.copy(self.collocation)
        collocation.basis = self.basis.scaled(level, scale, slope)
        return TrainingSet(collocation)


class NeuralWorkspace:
    """Data that can be rebuilt at any time from the problem and the state.

    The training set of the last state is remembered, because consecutive steps use the same points. This is the only content that
    changes, and only `training_set` changes it.

    **Arguments:**

    - `first`: the equation at the points of the first draw. `first_values`: values there, from the guess or the asymptote.
    - `start_solver`, `start_workspace`: the finite-difference solver of the start and its workspace; None without a start.
    - `corrects_start`: whether the networks correct the solution of the start.
    """

    def __init__(
        self,
        first: CollocationWorkspace[NetworkBasis],
        first_values: Float[np.ndarray, "family point"],
        start_solver: FiniteDifference | None,
        start_workspace: Any,
        corrects_start: bool,
    ):
        self.problem, self.first_values = first.problem, first_values
        self.start_solver, self.start_workspace = start_solver, start_workspace
        self._corrects_start = corrects_start
        self._latest_draw, self._latest = 0, TrainingSet(first)

    def training_set(self, state: Any, has_started: bool) -> TrainingSet:
        """The equation at the points of the draw of a state, in the units of its scales.

        `has_started` says whether the finite-difference solution is complete, so that networks can correct it.
        """
        draw, latest = int(state.draw), self._latest
        is_base_missing = self._corrects_start and has_started and not latest.basis.corrects
        if is_base_missing or draw != self._latest_draw:
            base = CoarseSolution(Equation(self.problem.model), self.start_values(state)) if is_base_missing else None
            basis = latest.basis.redrawn(draw, state.interior, base)
            latest = TrainingSet(CollocationWorkspace(self.problem, latest.family, basis))
        scales, template = (state.level, state.scale, state.slope), latest.basis.template
        if not all(map(np.array_equal, scales, (template.level, template.scale, template.slope))):
            latest = latest.scaled(*scales)
        self._latest_draw, self._latest = draw, latest
        return latest

    def start_values(self, state: Any) -> Any:
        """The value functions of the finite-difference solution, with stacked leaves."""
        solver = self.start_solver
        assert solver is not None  # called only with a finite-difference start
        return solver.finish(self.problem, state.start, self.start_workspace).value

    def start_values_at(self, state: Any, training: TrainingSet) -> Float[np.ndarray, "family point"]:
        """The values of the finite-difference solution at the points of a training set."""
        basis = training.basis
        if basis.corrects:  # the basis stores these values
            return basis.base_at(basis.points)[0]
        return family_at(self.problem, self.start_values(state), basis.points)
