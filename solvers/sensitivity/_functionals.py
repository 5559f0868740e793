"""Functionals of a solution: fields at a state, differentiable with respect to all their inputs."""

import functools as ft
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...models import AbstractModel, CarbonModel, Derivatives, HJBProblem
from ...models.base import Point, Scalar
from ..solution import AbstractRule, Choice, Value, evaluate

_TIME = 0.0  # stationary problems


class Fields(NamedTuple):
    """Fields of a solution at one state.

    - `state`, `value`, `costate`, `hessian`: the state, the value function and its first and second derivatives.
    - `control`: the optimal control.
    - `social_cost_of_carbon`: US$/tCO2; None if the model has no carbon.
    - `observables`: observables of the model by name, as in simulated paths.

    !!! example

        ```python
        import abatax as ab

        problem = ab.HJBProblem(ab.models.LinearQuadratic())
        read = ab.solvers.Reader(problem, lambda t, x: -0.5 * 1.0253 * x.state**2)
        assert abs(float(read().control.control) + 1.0253) < 1e-8
        ```
    """

    state: Point
    value: Scalar
    costate: Float[Array, " state"]
    hessian: Float[Array, "state state"]
    control: Point
    social_cost_of_carbon: Scalar | None
    observables: dict[str, Scalar]


class Reader:
    """Evaluates a solution at a state, by default the initial state: `read().control.emissions`.

    **Arguments:**

    - `problem`: the problem of a solution.
    - `value`: its value function.

    !!! example

        ```python
        import abatax as ab

        problem = ab.HJBProblem(ab.models.LinearQuadratic())
        read = ab.solvers.Reader(problem, lambda t, x: -0.5 * 1.0253 * x.state**2)
        fields = read()  # at the initial state, 1
        assert abs(float(fields.costate[0]) + 1.0253) < 1e-12
        ```
    """

    def __init__(self, problem: HJBProblem, value: Callable[[Scalar, Point], Scalar]):
        self.problem, self.value = problem, value

    @property
    def model(self) -> AbstractModel:
        """The model with its parameters."""
        return self.problem.model

    def __call__(self, state: Point | None = None) -> Fields:
        if state is None:
            return self._initial
        return self._at(type(self.model.states)(*(jnp.asarray(z, dtype=jnp.float64) for z in state)))

    @ft.cached_property
    def _initial(self) -> Fields:
        """The fields at the initial state, traced once for all functionals."""
        return self._at(self.model.initial_state())

    def _at(self, x: Point) -> Fields:
        t, model = jnp.asarray(_TIME), self.model
        at_state = evaluate(self.problem, self.value, t, x, rule=SmoothMaximiser())
        u, costate = at_state.controls, jnp.stack(at_state.slopes)
        observables = model.observables(t, x, u, model.initial_additive())
        return Fields(x, at_state.value, costate, at_state.bends, u, at_state.social_cost_of_carbon, observables)


Functional = Callable[[Reader], Scalar]


class SmoothMaximiser(AbstractRule):
    """The control that maximises the Hamiltonian, differentiable with respect to all its inputs (see `smooth_control`)."""

    def choose(
        self,
        problem: HJBProblem,
        value: Value,
        t: Scalar,
        x: Point,
        edges: Float[Array, "state side"],
        step: float | None = None,
    ) -> Choice:
        del edges, step
        at = problem.derivatives(t, x, value)
        return Choice(smooth_control(problem, x, at), at)


def smooth_control(problem: HJBProblem, x: Point, at: Derivatives) -> Point:
    r"""The optimal control, with its derivative by the implicit function theorem.

    $du = -H_{uu}^{-1}\,dH_u$ for controls in the interior; the derivative is zero for controls at a bound.
    """
    t, kind = jnp.asarray(_TIME), type(problem.model.controls)
    low, high = (jnp.asarray([getattr(c, side) for c in problem.model.controls]) for side in ("low", "high"))
    fixed, fixed_x, fixed_at = _stopped((problem, x, at))
    best = jax.lax.stop_gradient(jnp.stack(fixed.best_control(t, fixed_x, fixed_at)))
    bend = jax.hessian(lambda z: fixed.hamiltonian(t, fixed_x, kind(*z), fixed_at))(best)
    gradient = jax.grad(lambda z: problem.hamiltonian(t, x, kind(*z), at))(best)
    at_bound = ((best <= low) & (gradient < 0.0)) | ((best >= high) & (gradient > 0.0))
    both_free = ~at_bound[:, None] & ~at_bound[None, :]
    bend = jax.lax.stop_gradient(jnp.where(both_free, bend, 0.0) - jnp.diag(jnp.where(at_bound, 1.0, 0.0)))
    move = -jnp.linalg.solve(bend, jnp.where(at_bound, 0.0, gradient))
    return kind(*(best + move - jax.lax.stop_gradient(move)))


def _stopped(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: jax.lax.stop_gradient(leaf) if eqx.is_inexact_array(leaf) else leaf, tree)


def default_functionals(model: AbstractModel) -> dict[str, Functional]:
    """The default functionals at the initial state: social cost of carbon, each control, and welfare."""
    return dict(_defaults(isinstance(model, CarbonModel), model.controls._fields))


@ft.cache
def _defaults(carbon: bool, controls: tuple[str, ...]) -> tuple[tuple[str, Functional], ...]:
    """The default functionals, cached so that they are compiled once."""

    def control(name: str) -> Functional:
        return lambda read: getattr(read().control, name)

    price: Any = ("scc", lambda read: read().social_cost_of_carbon)
    named = tuple((name, control(name)) for name in controls)
    return (*((price,) if carbon else ()), *named, ("welfare", lambda read: read().value))


def default_units(model: AbstractModel) -> dict[str, str]:
    """Units of the default functionals; welfare has the unit of the model's value function."""
    controls = {name: c.unit for name, c in model.controls._asdict().items()}
    return {"scc": "US$/tCO2"} | controls
