"""The residuals of the training loss and their Jacobian in the network parameters, for the Levenberg-Marquardt method."""

import math
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...models import Equation
from ..base import compiled
from ..collocation import residual_unit
from ..solution import Recurrent
from ._levenberg_marquardt import Step, levenberg_marquardt_step
from ._network_parameters import expanded, network_row, slope_row
from ._network_value import NetworkValue
from ._residual_loss import Pool, at_point, over_members, with_landings, with_time_step
from ._workspace import TrainingData

# Rows of the Jacobian per pass of a compiled loop. With more rows intermediate arrays do not fit into the cache of a processor.
_ROWS = 512


class Linearised(NamedTuple):
    """The residual of the equation at one point of one member and its derivatives at a frozen policy, in units of the loss."""

    residual: Any
    discount: Any
    drift: Any
    variance: Any
    after: Any  # derivatives in the values after the jumps within the family
    slope_errors: Any  # errors of the known slopes, by state


def linearised(problem: Equation, values: NetworkValue, pool: Pool, lengths) -> Linearised:
    """The equation at all points of all members, in the units of the training loss: family, point."""
    # derivatives in values after jumps are needed if these values are unknown
    within = [j for j, c in enumerate(problem.continuations) if isinstance(c, Recurrent)]

    def of_row(p, v, row):
        t, x, at, network_costate = at_point(p, v, row)
        control = p.best_control(t, x, at)
        h, slopes = jax.value_and_grad(lambda at: p.hamiltonian(t, x, control, at))(at)
        unit = residual_unit(p.model.preferences.discount_rate, slopes.value, jnp) + row.pace
        factor, is_known = row.weights / (unit * v.scale), row.closed > 0.0
        return Linearised(
            factor * (h - row.pace * (at.value - row.before)),
            factor * (slopes.value - row.pace),
            jnp.where(is_known, 0.0, factor * slopes.costate),
            jnp.where(jnp.diag(is_known), 0.0, factor * slopes.hessian),
            tuple(factor * slopes.after[j] for j in within),
            row.weights * row.closed * (network_costate - row.slopes) * lengths / v.scale,
        )

    return over_members(of_row, problem, values, with_landings(problem, values, pool))


def jacobian(problem: Equation, values: NetworkValue, pool: Pool, local: Linearised, lengths, faces):
    """The Jacobian of the residuals of all members: family, row, unknown. Rows are ordered as in `residual_rows`."""
    family = values.level.shape[0]
    members_after = [c.members for c in problem.continuations if isinstance(c, Recurrent)]
    targets = [jax.tree.map(lambda leaf, m=m: leaf[m] if eqx.is_array(leaf) else leaf, values) for m in members_after]

    def of_member(v, targets, local, points, landed):
        def of_point(z, now, landed):
            row = network_row(v, z, now.discount, now.drift, now.variance)
            for target, weights, (inside, distance, _) in zip(targets, now.after, landed, strict=True):

                def landed_row(value, weight, y, step):
                    return network_row(value, y, weight, weight * step, 0.5 * weight * jnp.outer(step, step))

                row = row + jnp.sum(eqx.filter_vmap(landed_row)(target, weights, inside, distance), axis=0)
            return row

        return jax.vmap(of_point)(points, local, landed)

    def of_part(_, part):
        local, points, landed = part
        local, landed = (jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 1, 0), tree) for tree in (local, landed))
        axes = (eqx.if_array(0), eqx.if_array(0), 0, None, 0)
        return None, eqx.filter_vmap(of_member, in_axes=axes)(values, targets, local, points, landed)

    points_first = jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 0, 1), local._replace(slope_errors=()))
    places = jax.tree.map(lambda leaf: _parts(leaf, family, "edge"), (pool.points, pool.landed))
    coefficients = jax.tree.map(lambda leaf: _parts(leaf, family, "constant"), points_first)
    rows = jax.lax.scan(of_part, None, (coefficients, *places))[1]
    rows = jnp.moveaxis(rows, 1, 0).reshape(family, -1, rows.shape[-1])
    blocks = [rows[:, : len(pool.points)]]
    for a, index in faces:
        direction = lengths[a] * jnp.eye(len(lengths))[a]
        rows = eqx.filter_vmap(lambda v, i=index, d=direction: jax.vmap(lambda z: slope_row(v, z, d))(pool.points[i]))(
            values
        )
        blocks.append(rows * (pool.weights[index][None] / values.scale[:, None])[..., None])
    return jnp.concatenate(blocks, axis=1)


def residual_rows(local: Linearised, faces) -> Float[Array, "family row"]:
    """The equation at all points, then the errors of the known slopes of every face."""
    return jnp.concatenate([local.residual, *(local.slope_errors[:, index, a] for a, index in faces)], axis=1)


def _parts(leaf: Array, family: int, mode: str) -> Array:
    """The leading axis in equal parts, filled with zeros or copies of the last row."""
    count = math.ceil(len(leaf) * family / _ROWS)
    size = math.ceil(len(leaf) / count)
    filling = [(0, count * size - len(leaf)), *[(0, 0)] * (leaf.ndim - 1)]
    return jnp.pad(leaf, filling, mode=mode).reshape(count, size, *leaf.shape[1:])


@compiled
def least_squares_step(
    data: TrainingData, unknowns: Float[Array, "network unknown"], damping: Float[Array, " network"], pace: Any
) -> Step:
    """One Levenberg-Marquardt step on the equation at the points of a training set. The cost is the mean square residual.

    `pace` is the reciprocal length (1/yr) of an implicit time step from the current networks; None for the stationary equation.
    """
    problem, template, pool, lengths, faces = data
    if pace is not None:
        pool = with_time_step(pool, expanded(template, unknowns), pace)
    networks, family = unknowns.shape[0], template.level.shape[0]
    unit = 1.0 / math.sqrt(len(pool.points) * family / networks)

    def of_networks(rows):
        """Members that share a network are rows of one least-squares problem."""
        return unit * rows.reshape(networks, -1, *rows.shape[2:])

    def evaluate(unknowns):
        local = linearised(problem, expanded(template, unknowns), pool, lengths)
        return of_networks(residual_rows(local, faces)), local

    def differentiate(unknowns, local):
        return of_networks(jacobian(problem, expanded(template, unknowns), pool, local, lengths, faces))

    return levenberg_marquardt_step(evaluate, differentiate, unknowns, damping)
