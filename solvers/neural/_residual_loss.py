"""The residual of the equation as a loss on the device, for first-order optimisers."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...models import Derivatives, Equation
from ...models.base import Point, Scalar
from ..collocation import CollocationWorkspace, residual_unit
from ..solution import Recurrent
from ._network_basis import NetworkBasis
from ._network_value import NetworkValue, three


class Pool(NamedTuple):
    """Points with all known data there. Any subset of rows is a batch."""

    points: Float[Array, "point state"]
    weights: Float[Array, " point"]
    closed: Float[Array, "point state"]  # 1 where the slope is known, else 0
    slopes: Float[Array, "point family state"]  # known normal slopes, else 0
    bends: Float[Array, "point family state"]  # normal derivatives of the known slopes, else 0
    after: tuple[Float[Array, "point family outcome"], ...]  # values after the jumps
    known: tuple[Array, ...]  # value, slopes and hessian of the base: leading axes point, family
    before: Float[Array, "point family"]  # values one time step ago
    pace: Float[Array, " point"]  # reciprocal of that time step (1/yr), 0 for the stationary equation
    # landings of jumps within the family (see `Landing`), leading axis point
    landed: tuple[tuple[Array, Array, Array], ...] = ()

    def rows(self, index: Any) -> "Pool":
        return jax.tree.map(lambda leaf: leaf[index], self)


# Fields that differ between the members of a family. Their second axis is the family.
_OF_MEMBERS = ("slopes", "bends", "after", "before", "known")


class Losses(NamedTuple):
    """Weighted mean square losses, relative to the discounting and the range of the value function."""

    equation: Float[Array, ""]
    faces: Float[Array, ""]  # error of the slopes at faces with a known slope


def pool_of(workspace: CollocationWorkspace[NetworkBasis]) -> Pool:
    """The points of a workspace with all data there that training does not change."""
    basis = workspace.basis
    n, d = basis.points.shape
    closed, slopes, bends = np.zeros((n, d)), np.zeros((n, workspace.family, d)), np.zeros((n, workspace.family, d))
    for (a, side), slope in workspace.slopes.items():
        on = basis.on_face(a, side)
        closed[on, a] = 1.0
        slopes[on, :, a], bends[on, :, a] = slope[:, on].T, workspace.bends[a, side][:, on].T
    after = tuple(jnp.asarray(np.swapaxes(values, 0, 1)) for values in workspace.known_after)
    weights = basis.weights / np.sqrt(np.mean(basis.weights**2))
    points, weights, closed, slopes, bends = map(jnp.asarray, (basis.points, weights, closed, slopes, bends))
    known = tuple(jnp.asarray(np.swapaxes(leaf, 0, 1)) for leaf in basis.base_at(basis.points))

    def points_first(part):
        return jnp.asarray(np.moveaxis(part, 2, 0))

    landed = tuple((points_first(a.inside), points_first(a.distance), points_first(a.known)) for a in basis.landings)
    before, pace = jnp.zeros((n, workspace.family)), jnp.zeros(n)
    return Pool(points, weights, closed, slopes, bends, after, known, before, pace, landed)


def with_time_step(pool: Pool, values: NetworkValue, pace: Float[Array, ""]) -> Pool:
    """The pool for an implicit time step of length 1/`pace` (yr) from the values of the given networks."""
    learnt = eqx.filter_vmap(lambda v: jax.vmap(v.learnt)(pool.points))(values)
    return pool._replace(before=pool.known[0] + learnt.T, pace=jnp.broadcast_to(pace, pool.pace.shape))


def equation_of_losses(workspace: CollocationWorkspace[NetworkBasis]) -> Equation:
    """The equation with which losses are computed. For a coupled family it includes the members that jumps lead to."""
    return workspace.followed if workspace.coupled else workspace.bare


def box_lengths(workspace: CollocationWorkspace[NetworkBasis]) -> Float[Array, " state"]:
    """Side lengths of the computational box, by which losses scale slopes."""
    return jnp.asarray([high - low for low, high in workspace.problem.domain])


def with_landings(problem: Equation, values: NetworkValue, pool: Pool) -> Pool:
    """Add the values after jumps within the family, which are the networks at the landing points."""
    if not pool.landed:
        return pool
    recurrent = [(j, c.members) for j, c in enumerate(problem.continuations) if isinstance(c, Recurrent)]
    after = list(pool.after)
    for (j, members), (inside, distance, known) in zip(recurrent, pool.landed, strict=True):
        targets = jax.tree.map(lambda leaf, m=members: leaf[m.ravel()] if eqx.is_array(leaf) else leaf, values)
        landing_points = [
            jnp.moveaxis(part, 0, 2).reshape(members.size, -1, part.shape[-1]) for part in (inside, distance)
        ]
        landed_values = eqx.filter_vmap(lambda v, z, step: jax.vmap(lambda z, step: _parabola(v, z, step))(z, step))(
            targets, *landing_points
        )
        after[j] = jnp.moveaxis(landed_values.reshape(*members.shape, -1), 2, 0) + known
    return pool._replace(after=tuple(after), landed=())


def _parabola(value: NetworkValue, z: Float[Array, " state"], distance: Float[Array, " state"]) -> Array:
    """The second-order Taylor expansion of a value function about a point."""

    def slope(y):
        return jax.jvp(value.at, (y,), (distance,))

    (level, first), (_, second) = jax.jvp(slope, (z,), (distance,))
    return level + first + 0.5 * second


def at_point(problem: Equation, value: NetworkValue, row: Pool) -> tuple[Scalar, Point, Derivatives, Array]:
    """Time, state and value function at one point of one member with known slopes inserted, and the costate of the network."""
    t, x = jnp.zeros(()), problem.state(row.points)
    v, network_costate, hessian = (a + b for a, b in zip(row.known, three(value.learnt, row.points), strict=True))
    is_known = row.closed > 0.0
    costate = jnp.where(is_known, row.slopes, network_costate)
    hessian = jnp.where(jnp.diag(is_known), jnp.diag(row.bends), hessian)
    return t, x, Derivatives(v, costate, hessian, row.after), network_costate


def greedy(problem: Equation, value: NetworkValue, row: Pool):
    """The maximising control at one point of one member, without derivatives through it (envelope theorem)."""
    t, x, at, _ = jax.lax.stop_gradient(at_point(problem, value, row))
    return jax.lax.stop_gradient(problem.best_control(t, x, at))


def residual(problem: Equation, value: NetworkValue, row: Pool, control: Any):
    """Residual at one point of one member for a control, its unit (per year), and the error of the known slopes."""
    t, x, at, network_costate = at_point(problem, value, row)
    h, slope = jax.value_and_grad(lambda v: problem.hamiltonian(t, x, control, at._replace(value=v)))(at.value)
    unit = residual_unit(problem.model.preferences.discount_rate, jax.lax.stop_gradient(slope), jnp) + row.pace
    return h - row.pace * (at.value - row.before), unit, row.closed * (network_costate - row.slopes)


def over_members(function: Any, problem: Equation, values: Any, pool: Pool, *more: Any) -> Any:
    """Map a function of (problem, value, row, more) over all members and rows: family, point."""

    def of_member(p, v, member_fields, *each):
        return jax.vmap(lambda row, *now: function(p, v, row, *now))(pool._replace(**member_fields), *each)

    member_fields = {
        name: jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 1, 0), getattr(pool, name)) for name in _OF_MEMBERS
    }
    return eqx.filter_vmap(of_member)(problem, values, member_fields, *more)


def losses(problem: Equation, values: NetworkValue, pool: Pool, lengths, control: Any = None) -> Losses:
    """The losses on a batch, averaged over the members of the family.

    **Arguments:**

    - `problem`, `values`: problem and value functions of the family, with stacked leaves.
    - `lengths`: side lengths of the box, which scale the slopes. `control`: controls by member and point; by default the maximising
      controls.
    """

    pool = with_landings(problem, values, pool)

    def squares(p, v, row, *u):
        h, unit, slope_error = residual(p, v, row, *(u or (greedy(p, v, row),)))
        return jnp.square(row.weights * h / (unit * v.scale)), jnp.square(row.weights * slope_error * lengths / v.scale)

    controls = () if control is None else (control,)
    equation, faces = over_members(squares, problem, values, pool, *controls)
    return Losses(jnp.mean(equation), jnp.mean(jnp.sum(faces, axis=-1)))
