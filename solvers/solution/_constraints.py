"""The best control where the state may not leave: at a bound of a state, and in the layer of cells beside it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ...models import HJBProblem, StateConstraint, derivatives
from ...models.base import Point, Scalar
from ._bracket import Bracket
from ._interpolation import TensorSpline

# Without a grid the layer beside a bound is this share of the box.
_LAYER = 1e-2
_MOST_DOUBLINGS, _MOST_STEPS = 40, 60

# What the search for the shadow price of a bound does next.
_HERE, _BESIDE, _DOUBLING, _SEARCH, _DONE = range(5)


class Choice(NamedTuple):
    """The best control at a state, and the value function and its derivatives there."""

    control: Point
    value: Scalar
    costate: Float[Array, " state"]
    hessian: Float[Array, "state state"]
    after: tuple[Float[Array, " outcome"], ...]


def bounds_of(problem: HJBProblem) -> Bool[np.ndarray, "state side"]:
    """Which faces are bounds of their state."""
    faces = problem.closures()
    return np.array([[isinstance(face, StateConstraint) and face.is_bound for face in sides] for sides in faces])


def kept_within(problem: HJBProblem, x: Point) -> Point:
    """The nearest state that violates no bound."""
    kept = []
    for z, (low, high), (below, above) in zip(x, problem.domain, bounds_of(problem), strict=True):
        kept.append(jnp.clip(z, low if below else -jnp.inf, high if above else jnp.inf))
    return type(x)(*kept)


def best_within(
    problem: HJBProblem,
    value: Callable[[Scalar, Point], Scalar],
    t: Scalar,
    x: Point,
    edges: Float[Array, "state side"],
    step: float | None = None,
) -> Choice:
    r"""The control that a value function implies and that respects the bounds of the states.

    At a bound the control maximises the Hamiltonian among those whose drift does not leave. With $n$ the outward direction and
    $\lambda \ge 0$ the shadow price of the bound, it is the best one for the costate $V_x - \lambda n$, with the smallest
    $\lambda$ at which the drift does not point out: what the monotone scheme solves for at that node. A costate
    interpolated to the face is off there, since $V$ has no second derivative at a bound that binds.

    In the first cell beside the bound the drift towards it is at most that at the end of the cell, times the square root of
    the distance: without noise $\rho V = \max_u H$ and $H_p = 0$ at the bound give $V_x - V_x(0)$, and so the drift, as the
    square root of the distance.

    **Arguments:**

    - `problem`, `value`: of a solution; `edges` are the low and high edges of its computational box.
    - `step`: years for which the control will be held; the drift must not reach beyond the bound within them.
    """
    bounded = bounds_of(problem)
    axes = np.flatnonzero(bounded.any(axis=1))

    def evaluate(z, shift):
        state = problem.state(z)
        v, costate, hessian = derivatives(t, state, value)
        after = problem.after(t, state)
        u = problem.best_control(t, state, v, costate + shift, hessian, after)
        return Choice(u, v, costate, hessian, after)

    z = jnp.stack(x)
    if not axes.size:
        return evaluate(z, jnp.zeros_like(z))

    def drift_of(z, choice, shift):
        p = choice.costate + shift
        arguments = problem.state(z), choice.control, choice.value, p, choice.hessian, choice.after
        return jax.grad(problem.hamiltonian, argnums=4)(t, *arguments)

    layers = jnp.stack([jnp.stack([_layer(value, edges, a, side) for side in (0, 1)]) for a in range(len(x))])

    def sweep(n, carry):
        shift, before = carry
        a = jnp.asarray(axes)[n % axes.size]
        allowed = jnp.asarray(bounded)[a]

        def look(z, shift):
            choice = evaluate(z, shift)
            return choice, drift_of(z, choice, shift)[a]

        price, choice = _one_bound(look, z, shift, a, edges[a], layers[a], allowed, step, before)
        return shift.at[a].add(price), choice

    # the drift of one state may depend on the costates of the others: twice around
    sweeps = 1 if axes.size == 1 else 2 * axes.size
    # shapes are written down, for tracing the maximiser again would cost a second
    zero, controls = jnp.zeros(()), problem.model.controls
    afterwards = jax.eval_shape(lambda: problem.after(t, x))
    nothing = Choice(
        type(controls)(*(zero for _ in controls)),
        zero,
        jnp.zeros_like(z),
        jnp.zeros((z.size, z.size)),
        tuple(jnp.zeros(a.shape) for a in afterwards),
    )
    start = jnp.zeros_like(z), nothing
    return sweep(0, start)[1] if sweeps == 1 else jax.lax.fori_loop(0, sweeps, sweep, start)[1]


class _Search(NamedTuple):
    """Where the search for the shadow price of a bound stands."""

    phase: Any
    count: Any
    price: Any  # to be tried next
    here: Choice  # without a price
    sign: Any  # +1 if the drift there points to the upper edge, -1 if to the lower
    towards: Any  # its size
    share: Any  # of the layer that lies between the state and its bound
    reach: Any  # the drift with which the bound is reached in one step
    limit: Any  # of the drift towards the bound
    bracket: Bracket  # of the price; what increases in it is the limit less the drift
    at_low: Point
    at_high: Point


def _one_bound(look, z, shift, a, edges, layers, allowed, step, nothing):
    """The shadow price of one state's bound, in the direction of its costate, and the choice it leads to.

    One loop evaluates the state itself, the end of the layer beside it, and the prices that are tried: the maximiser is
    compiled once, and most states need it once. `nothing` is a choice to begin with; it is not used.
    """

    def body(search: _Search) -> _Search:
        side = jnp.where(search.sign > 0.0, 1, 0)
        beside = z.at[a].set(edges[side] - search.sign * layers[side])
        at = jnp.where(search.phase == _BESIDE, beside, z)
        # kept apart: fused with the search the maximiser takes several times as long to compile
        at, moved = jax.lax.optimization_barrier((at, shift.at[a].add(-search.sign * search.price)))
        choice, drift = jax.lax.optimization_barrier(look(at, moved))
        later = _pick(search.phase == _BESIDE, _looked_beside(search, drift), _tried(search, choice, drift))
        return _pick(search.phase == _HERE, _looked_here(search, choice, drift), later)

    def _looked_here(search: _Search, choice: Choice, drift) -> _Search:
        sign = jnp.where(drift > 0.0, 1.0, -1.0)
        side = jnp.where(sign > 0.0, 1, 0)
        distance = jnp.maximum(sign * (edges[side] - z[a]), 0.0)
        reach = jnp.array(jnp.inf) if step is None else distance / step
        share, towards = distance / layers[side], jnp.abs(drift)
        needed = allowed[side] & (towards > 0.0)
        beyond = jnp.where(needed & (towards > reach), _DOUBLING, _DONE)
        return search._replace(
            phase=jnp.where(needed & (share < 1.0), _BESIDE, beyond),
            here=choice,
            sign=sign,
            towards=towards,
            share=share,
            reach=reach,
            limit=reach,
            bracket=search.bracket._replace(at_low=reach - towards),
            price=jnp.where(needed & (share < 1.0), 0.0, 1.0 + jnp.abs(choice.costate[a])),
            at_low=choice.control,
        )

    def _looked_beside(search: _Search, drift) -> _Search:
        limit = jnp.minimum(jnp.maximum(search.sign * drift, 0.0) * jnp.sqrt(search.share), search.reach)
        return search._replace(
            phase=jnp.where(search.towards > limit, _DOUBLING, _DONE),
            limit=limit,
            bracket=search.bracket._replace(at_low=limit - search.towards),
            price=1.0 + jnp.abs(search.here.costate[a]),
        )

    def _tried(search: _Search, choice: Choice, drift) -> _Search:
        gap = search.limit - search.sign * drift
        bracket = search.bracket.narrowed(search.price, gap, gap < 0.0, gap >= 0.0)
        doubling = search.phase == _DOUBLING
        again = doubling & (gap < 0.0) & (search.count < _MOST_DOUBLINGS)
        bracket = bracket.started(doubling & ~again)
        count = jnp.where(again | ~doubling, search.count + 1, 0)
        closed = bracket.found | (count >= _MOST_STEPS) | ~(bracket.high < jnp.inf)
        return search._replace(
            phase=jnp.where(again, _DOUBLING, jnp.where(closed, _DONE, _SEARCH)),
            count=count,
            price=jnp.where(again, 4.0 * search.price, bracket.next_point(count)),
            bracket=bracket,
            at_low=_pick(gap < 0.0, choice.control, search.at_low),
            at_high=_pick(gap >= 0.0, choice.control, search.at_high),
        )

    zero = jnp.zeros(())
    start = _Search(
        phase=jnp.array(_HERE),
        count=jnp.array(0),
        price=zero,
        here=nothing,
        sign=zero + 1.0,
        towards=zero,
        share=zero,
        reach=zero,
        limit=zero,
        bracket=Bracket(zero, zero + jnp.inf, zero, zero, zero),
        at_low=nothing.control,
        at_high=nothing.control,
    )
    end = jax.lax.while_loop(lambda search: search.phase != _DONE, body, start)
    held, bracket = end.bracket.high < jnp.inf, end.bracket
    # where the best control jumps with the price, a mixture of both holds the bound
    weight = jnp.clip(bracket.at_high / jnp.where(held, bracket.at_high - bracket.at_low, 1.0), 0.0, 1.0)
    mixed = jax.tree.map(lambda low, high: high + weight * (low - high), end.at_low, end.at_high)
    # where no control stops the drift, the one that comes nearest to it
    price = jnp.where(held, -end.sign * bracket.high, 0.0)
    return price, end.here._replace(control=_pick(held, mixed, end.at_low))


def _pick(condition, this, other):
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), this, other)


def _layer(value: Any, edges: Float[Array, "state side"], axis: int, side: int) -> Scalar:
    """How wide the cell of a value function is beside a face."""
    if not isinstance(value, TensorSpline):
        return _LAYER * (edges[axis, 1] - edges[axis, 0])
    knots, degree = value.knots[axis], value.degree[axis]
    # the first interval of a spline without knots beside its ends holds (degree + 1) / 2 cells
    ends = (knots[degree + 1], knots[degree]) if side == 0 else (knots[-degree - 1], knots[-degree - 2])
    return jax.lax.stop_gradient(ends[0] - ends[1]) / ((degree + 1) // 2)
