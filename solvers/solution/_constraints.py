"""The optimal control under state constraints: at a bound of a state and in the layer of cells beside it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ...models import Derivatives, HJBProblem
from ...models.base import Point, Scalar
from ._bracket import Bracket
from ._interpolation import TensorSpline

# Width of the layer beside a bound, as a share of the box, for value functions without a grid.
_LAYER = 1e-2
_MOST_DOUBLINGS, _MOST_STEPS = 40, 60

# Phases of the search for the shadow price of a bound: evaluate the state itself, evaluate the end of the layer, double the price,
# narrow the bracket, stop.
_HERE, _BESIDE, _DOUBLING, _SEARCH, _DONE = range(5)


class Choice(NamedTuple):
    """The optimal control at a state, and the value function there."""

    control: Point
    at: Derivatives


def bounds_of(problem: HJBProblem) -> Bool[np.ndarray, "state side"]:
    """The faces that are bounds of their state."""
    return np.array([[face.is_bound for face in sides] for sides in problem.closures()])


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
    r"""The optimal control for a given value function, subject to the bounds of the states.

    At a bound the control maximises the Hamiltonian among the controls with a drift that does not point outward. With $n$ the
    outward direction and $\lambda \ge 0$ the shadow price of the bound, it is the maximiser for the costate $V_x - \lambda n$
    with the smallest $\lambda$ at which the drift does not point outward. The monotone scheme solves the same problem at the node
    on the bound. The costate interpolated to the face is inaccurate, because $V$ has no second derivative at a binding bound.

    In the first cell beside the bound the drift towards the bound is limited to the drift at the end of the cell times the square
    root of the relative distance: without noise, $\rho V = \max_u H$ and $H_p = 0$ at the bound imply that $V_x - V_x(0)$, and
    hence the drift, is proportional to the square root of the distance.

    **Arguments:**

    - `problem`, `value`: the problem and the value function of a solution. `edges`: low and high edges of its computational box.
    - `step`: years for which the control is held constant; within them the drift must not carry the state across the bound.
    """
    bounded = bounds_of(problem)
    axes = np.flatnonzero(bounded.any(axis=1))

    def evaluate(z, shift):
        state = problem.state(z)
        at = problem.derivatives(t, state, value)
        return Choice(problem.best_control(t, state, at._replace(costate=at.costate + shift)), at)

    z = jnp.stack(x)
    if not axes.size:
        return evaluate(z, jnp.zeros_like(z))

    def drift_of(z, choice, shift):
        def hamiltonian(costate):
            return problem.hamiltonian(t, problem.state(z), choice.control, choice.at._replace(costate=costate))

        return jax.grad(hamiltonian)(choice.at.costate + shift)

    layers = jnp.stack([jnp.stack([_layer(value, edges, a, side) for side in (0, 1)]) for a in range(len(x))])

    def sweep(n, carry):
        shift, before = carry
        a = jnp.asarray(axes)[n % axes.size]
        allowed = jnp.asarray(bounded)[a]

        def evaluate_at(z, shift):
            choice = evaluate(z, shift)
            return choice, drift_of(z, choice, shift)[a]

        price, choice = _one_bound(evaluate_at, z, shift, a, edges[a], layers[a], allowed, step, before)
        return shift.at[a].add(price), choice

    # the drift of one state may depend on the costates of the others, so that all bounds are visited twice
    sweeps = 1 if axes.size == 1 else 2 * axes.size
    # the shapes are given explicitly because tracing the maximiser again would cost a second
    zero, controls = jnp.zeros(()), problem.model.controls
    afterwards = jax.eval_shape(lambda: problem.after(t, x))
    unset = Derivatives(
        zero, jnp.zeros_like(z), jnp.zeros((z.size, z.size)), tuple(jnp.zeros(a.shape) for a in afterwards)
    )
    placeholder = Choice(type(controls)(*(zero for _ in controls)), unset)
    start = jnp.zeros_like(z), placeholder
    return sweep(0, start)[1] if sweeps == 1 else jax.lax.fori_loop(0, sweeps, sweep, start)[1]


class _Search(NamedTuple):
    """The state of the search for the shadow price of a bound."""

    phase: Any
    count: Any
    price: Any  # the price for the next evaluation
    here: Choice  # the unconstrained choice at the state
    sign: Any  # +1 if the unconstrained drift points to the upper edge, -1 if to the lower
    towards: Any  # magnitude of that drift
    share: Any  # distance to the bound as a share of the layer
    reach: Any  # the drift with which the state reaches the bound in one step
    limit: Any  # upper limit of the drift towards the bound
    bracket: Bracket  # of the price; the function is the limit minus the drift, which increases with the price
    at_low: Point
    at_high: Point


def _one_bound(evaluate_at, z, shift, a, edges, layers, allowed, step, placeholder):
    """The shadow price of the bound of one state, as a change of its costate, and the constrained choice.

    A single loop evaluates the state itself, the end of the layer beside it, and the trial prices, so that the maximiser is compiled
    once; most states need one evaluation. `nothing` is a placeholder of the right shape for the first iteration.
    """

    def body(search: _Search) -> _Search:
        side = jnp.where(search.sign > 0.0, 1, 0)
        beside = z.at[a].set(edges[side] - search.sign * layers[side])
        evaluation_point = jnp.where(search.phase == _BESIDE, beside, z)
        # the barriers keep the maximiser apart: fused with the search it takes several times as long to compile
        evaluation_point, costate_shift = jax.lax.optimization_barrier(
            (evaluation_point, shift.at[a].add(-search.sign * search.price))
        )
        choice, drift = jax.lax.optimization_barrier(evaluate_at(evaluation_point, costate_shift))
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
            price=jnp.where(needed & (share < 1.0), 0.0, 1.0 + jnp.abs(choice.at.costate[a])),
            at_low=choice.control,
        )

    def _looked_beside(search: _Search, drift) -> _Search:
        limit = jnp.minimum(jnp.maximum(search.sign * drift, 0.0) * jnp.sqrt(search.share), search.reach)
        return search._replace(
            phase=jnp.where(search.towards > limit, _DOUBLING, _DONE),
            limit=limit,
            bracket=search.bracket._replace(at_low=limit - search.towards),
            price=1.0 + jnp.abs(search.here.at.costate[a]),
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
        here=placeholder,
        sign=zero + 1.0,
        towards=zero,
        share=zero,
        reach=zero,
        limit=zero,
        bracket=Bracket(zero, zero + jnp.inf, zero, zero, zero),
        at_low=placeholder.control,
        at_high=placeholder.control,
    )
    end = jax.lax.while_loop(lambda search: search.phase != _DONE, body, start)
    is_bracketed, bracket = end.bracket.high < jnp.inf, end.bracket
    # if the optimal control jumps with the price, a mixture of the two controls keeps the state at the bound
    weight = jnp.clip(bracket.at_high / jnp.where(is_bracketed, bracket.at_high - bracket.at_low, 1.0), 0.0, 1.0)
    mixed = jax.tree.map(lambda low, high: high + weight * (low - high), end.at_low, end.at_high)
    # if no control stops the drift, the control of the largest trial price is used
    price = jnp.where(is_bracketed, -end.sign * bracket.high, 0.0)
    return price, end.here._replace(control=_pick(is_bracketed, mixed, end.at_low))


def _pick(condition, this, other):
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), this, other)


def _layer(value: Any, edges: Float[Array, "state side"], axis: int, side: int) -> Scalar:
    """The width of the cell of a value function beside a face."""
    if not isinstance(value, TensorSpline):
        return _LAYER * (edges[axis, 1] - edges[axis, 0])
    knots, degree = value.knots[axis], value.degree[axis]
    # the first interval of a spline without knots beside its ends holds (degree + 1) / 2 cells
    ends = (knots[degree + 1], knots[degree]) if side == 0 else (knots[-degree - 1], knots[-degree - 2])
    return jax.lax.stop_gradient(ends[0] - ends[1]) / ((degree + 1) // 2)
