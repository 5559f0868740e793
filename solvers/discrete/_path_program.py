"""A problem in discrete time as a smooth program in numpy, with its controls in one vector."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...models import DiscreteProblem, Dynamics
from ...models.base import Point, Scalar
from ..base import compiled
from ._program import Local, Program


def program_of(problem: DiscreteProblem) -> Program:
    """The program that minimises minus welfare over the vector of controls."""
    dynamics = problem.dynamics()
    count, kind = problem.model.periods, type(problem.low)
    limits = problem.model.path_bounds()
    sides = [np.concatenate([np.asarray(limits[name][side]) for name in dynamics.bounded] or [[]]) for side in (0, 1)]
    zero_controls = kind(*(jnp.zeros(count) for _ in kind._fields))

    def values(x):
        value, constraints = _values(dynamics, zero_controls, jnp.asarray(x))
        return float(value), np.asarray(constraints)

    def derivatives(x, y):
        return _derivatives(dynamics, zero_controls, jnp.asarray(x), jnp.asarray(y))

    bounds = vector(problem.low), vector(problem.high)
    groups = (np.tile(np.arange(count), k) for k in (len(kind._fields), len(dynamics.bounded)))
    return Program(values, lambda x, y: _local(*derivatives(x, y)), *bounds, *sides, *groups)


def vector(controls: Point) -> np.ndarray:
    """The controls as one vector, one control after the other."""
    return np.concatenate([np.asarray(v, dtype=float) for v in controls])


def controls_of(problem: DiscreteProblem, x: np.ndarray) -> Point:
    """The controls from a vector."""
    return type(problem.low)(*np.split(x, len(problem.low)))


def _local(value, constraints, gradient, jacobian, hessian) -> Local:
    return Local(float(value), *(np.asarray(v) for v in (constraints, gradient, jacobian, hessian)))


def _functions(dynamics: Dynamics, like: Point, x: Float[Array, " unknown"]) -> tuple[Scalar, Float[Array, " limit"]]:
    controls = type(like)(*jnp.split(x, len(like)))
    welfare, _, outcomes = dynamics.run(controls, jnp.zeros(like[0].shape))
    limits = [outcomes.seen[name] for name in dynamics.bounded]
    return -welfare, jnp.concatenate(limits) if limits else jnp.zeros(0)


_values = compiled(_functions)


@compiled
def _derivatives(dynamics: Dynamics, like: Point, x: Float[Array, " unknown"], y: Float[Array, " limit"]):
    def lagrangian(x):
        value, constraints = _functions(dynamics, like, x)
        return value + constraints @ y, (value, constraints)

    def first(x):
        slope, (value, constraints) = jax.grad(lagrangian, has_aux=True)(x)
        return slope, constraints, value

    (slope, constraints, value), tangent = jax.linearize(first, x)
    rows, columns, _ = jax.vmap(tangent)(jnp.eye(x.size))
    return value, constraints, slope - columns @ y, columns.T, 0.5 * (rows + rows.T)
