"""The equation as a loss on the device, for optimisers that take many small steps."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...models import HJBProblem
from ..collocation import CollocationWorkspace, residual_unit
from ..solution import Recurrent
from ._network_basis import NetworkBasis
from ._network_value import NetworkValue, three


class Pool(NamedTuple):
    """Points and all that is known there; any rows of it are a batch."""

    points: Float[Array, "point state"]
    weights: Float[Array, " point"]
    closed: Float[Array, "point state"]  # 1 where the slope is known
    slopes: Float[Array, "point family state"]  # known, else 0
    bends: Float[Array, "point family state"]
    after: tuple[Float[Array, "point family outcome"], ...]  # values after the jumps
    before: Float[Array, "point family"]  # values one time step ago
    known: tuple[Array, ...]  # the asymptote with slopes and hessian: point, family first
    pace: Float[Array, " point"]  # one over that time step (1/yr), 0 for none
    landed: tuple[tuple[Array, Array, Array], ...] = ()  # of jumps that lead back: `Landing`, points first

    def rows(self, index: Any) -> "Pool":
        return jax.tree.map(lambda leaf: leaf[index], self)


# Fields that differ between the members of a family, which is their second axis.
_OF_MEMBERS = ("slopes", "bends", "after", "before", "known")


class Losses(NamedTuple):
    """What is to be small: weighted mean squares over how fast values are discounted and their range."""

    equation: Float[Array, ""]
    faces: Float[Array, ""]  # slopes that are known


def pool_of(workspace: CollocationWorkspace[NetworkBasis], unknowns: np.ndarray, pace: float = 0.0) -> Pool:
    """The points of a workspace; networks may move at a `pace` (1/yr) away from what `unknowns` say."""
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
    before = jnp.asarray(basis.values_at(unknowns, basis.points).T if pace else np.zeros((n, workspace.family)))
    known = tuple(jnp.asarray(np.swapaxes(leaf, 0, 1)) for leaf in basis.base_at(basis.points))

    def first(part):
        return jnp.asarray(np.moveaxis(part, 2, 0))

    landed = tuple((first(a.inside), first(a.distance), first(a.known)) for a in basis.landings)
    return Pool(points, weights, closed, slopes, bends, after, before, known, jnp.full(n, pace), landed)


def asked_of(workspace: CollocationWorkspace[NetworkBasis]) -> HJBProblem:
    """The problem with which losses are computed; where jumps lead back it says to which members."""
    return workspace.followed if workspace.coupled else workspace.bare


def with_landings(problem: HJBProblem, values: NetworkValue, pool: Pool) -> Pool:
    """The points with values after jumps that lead back: the networks themselves, where they land."""
    if not pool.landed:
        return pool
    back = [(j, c.members) for j, c in enumerate(problem.continuations) if isinstance(c, Recurrent)]
    after = list(pool.after)
    for (j, members), (inside, distance, known) in zip(back, pool.landed, strict=True):
        targets = jax.tree.map(lambda leaf, m=members: leaf[m.ravel()] if eqx.is_array(leaf) else leaf, values)
        places = [jnp.moveaxis(part, 0, 2).reshape(members.size, -1, part.shape[-1]) for part in (inside, distance)]
        found = eqx.filter_vmap(lambda v, z, far: jax.vmap(lambda z, far: _parabola(v, z, far))(z, far))(
            targets, *places
        )
        after[j] = jnp.moveaxis(found.reshape(*members.shape, -1), 2, 0) + known
    return pool._replace(after=tuple(after), landed=())


def _parabola(value: NetworkValue, z: Float[Array, " state"], distance: Float[Array, " state"]) -> Array:
    """A value extended beyond a point by Taylor's parabola."""

    def slope(y):
        return jax.jvp(value.at, (y,), (distance,))

    (level, first), (_, second) = jax.jvp(slope, (z,), (distance,))
    return level + first + 0.5 * second


def at_point(problem: HJBProblem, value: NetworkValue, row: Pool):
    """State, value, costate and hessian at one point of one member, known slopes put in, and the costate of the network."""
    t, x = jnp.zeros(()), problem.state(row.points)
    v, found, hessian = (a + b for a, b in zip(row.known, three(value.learnt, row.points), strict=True))
    known = row.closed > 0.0
    costate = jnp.where(known, row.slopes, found)
    hessian = jnp.where(jnp.diag(known), jnp.diag(row.bends), hessian)
    return t, x, v, costate, hessian, found


def greedy(problem: HJBProblem, value: NetworkValue, row: Pool):
    """The maximising control at one point of one member; nothing is differentiated through it (envelope theorem)."""
    t, x, v, costate, hessian, _ = jax.lax.stop_gradient(at_point(problem, value, row))
    return jax.lax.stop_gradient(problem.best_control(t, x, v, costate, hessian, row.after))


def residual(problem: HJBProblem, value: NetworkValue, row: Pool, control: Any):
    """The equation at one point of one member for a control and its unit (per year), and how far known slopes are missed."""
    t, x, v, costate, hessian, found = at_point(problem, value, row)
    equation = lambda v: problem.hamiltonian(t, x, control, v, costate, hessian, row.after)
    h, slope = jax.value_and_grad(equation)(v)
    unit = residual_unit(problem.model.preferences.discount_rate, jax.lax.stop_gradient(slope), jnp) + row.pace
    return h - row.pace * (v - row.before), unit, row.closed * (found - row.slopes)


def over_members(function: Any, problem: HJBProblem, values: Any, pool: Pool, *more: Any) -> Any:
    """A function of (problem, value, row, more), for all members and rows: family, point."""

    def of_member(p, v, own, *each):
        return jax.vmap(lambda row, *now: function(p, v, row, *now))(pool._replace(**own), *each)

    own = {name: jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 1, 0), getattr(pool, name)) for name in _OF_MEMBERS}
    return eqx.filter_vmap(of_member)(problem, values, own, *more)


def losses(problem: HJBProblem, values: NetworkValue, pool: Pool, lengths, control: Any = None) -> Losses:
    """Both losses on a batch, averaged over the members.

    **Arguments:**

    - `problem`, `values`: of the family, leaves stacked.
    - `lengths`: of the box, for slopes. `control`: controls by member and point; the maximising ones if left out.
    """

    pool = with_landings(problem, values, pool)

    def both(p, v, row, *u):
        h, unit, missed = residual(p, v, row, *(u or (greedy(p, v, row),)))
        return jnp.square(row.weights * h / (unit * v.scale)), jnp.square(row.weights * missed * lengths / v.scale)

    given = () if control is None else (control,)
    equation, faces = over_members(both, problem, values, pool, *given)
    return Losses(jnp.mean(equation), jnp.mean(jnp.sum(faces, axis=-1)))
