"""The compiled parts of the finite-difference solver: policies, residuals and linearisations at a batch of nodes."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ...models import Growth, HJBProblem, Outflow
from ..base import compiled
from ..solution import Bracket, Near, Recurrent


class Local(NamedTuple):
    """What the equation says at one node: its residual and its linearisation, policy frozen."""

    residual: Any
    discount: Any
    drift: Any
    variance: Any
    control: Any
    ascent: Any  # derivative of the Hamiltonian in each control
    value: Any
    costate: Any
    outward: Any  # drift out of a state constraint that no control stops
    weight: Any  # minus the derivative of the flow in the value: the discount rate, of recursive utility by where the value stands
    after: Any = ()  # derivatives in the values after the jumps, where those are unknown


_TIME = 0.0  # stationary problems


@compiled
def _on_nodes_jit(problem, guess, points):
    def at(p, x):
        return guess(jnp.asarray(_TIME), p.state(x))

    return eqx.filter_vmap(lambda p: jax.vmap(lambda x: at(p, x))(points))(problem)


def on_nodes(problem, guess, points):
    if isinstance(guess, Near):
        return guess.at(np.asarray(points))
    return np.asarray(_on_nodes_jit(problem, guess, jnp.asarray(points)), dtype=float)


def with_faces_only(problem: HJBProblem) -> HJBProblem:
    """The problem without its box and margins: its face slopes need not be compiled anew when these move."""
    if problem.faces is None:
        return HJBProblem(problem.model)
    bare = [
        tuple(Growth(slope=face.slope) if isinstance(face, Growth) else Outflow() for face in sides)
        for sides in problem.faces
    ]
    return HJBProblem(problem.model, faces=type(problem.faces)(*bare))


@compiled
def face_slope(problem, axis: int, side: int, points):
    """The known slope of a face and its normal derivative, at all nodes (only those on the face are used)."""

    def of_member(p):
        closure = p.closure(axis, side)

        def slope(x):
            return closure.slope(jnp.asarray(_TIME), p.state(x))

        normal = jnp.zeros(points.shape[-1]).at[axis].set(1.0)
        return jax.vmap(lambda x: jax.jvp(slope, (x,), (normal,)))(points)

    return eqx.filter_vmap(of_member)(problem)


@compiled
def after_jumps(problem, points):
    def of_member(p):
        return jax.vmap(lambda x: p.after(jnp.asarray(_TIME), p.state(x)))(points)

    return eqx.filter_vmap(of_member)(problem)


def lowest_after(
    problem: HJBProblem, after: tuple[Float[np.ndarray, "family _ _"], ...], shape: tuple[int, int]
) -> Float[np.ndarray, "family node"]:
    """The lowest of the values after jumps, at all nodes of all members; zero without jumps that lead elsewhere.

    Where a planner fears a jump, what it is worth holds exp((V - V_after) / xi): from far above Newton steps come down by one xi each.
    """
    known = (not isinstance(continuation, Recurrent) for continuation in problem.continuations)
    lowest = [values.min(axis=-1) for values, elsewhere in zip(after, known, strict=True) if elsewhere]
    return np.min(lowest, axis=0) if lowest else np.zeros(shape)


@compiled
def missed_gains(problem, points, value, costate, hessian, control, after) -> Float[jax.Array, "family node"]:
    """By how much a finer scan of the controls raises the Hamiltonian at a batch of nodes of all members."""

    def of_member(p, *own):
        def at(x, value, costate, hessian, u, after):
            return p.missed_gain(jnp.asarray(_TIME), p.state(x), u, value, costate, hessian, after)

        return jax.vmap(at)(points, *own)

    return eqx.filter_vmap(of_member)(problem, value, costate, hessian, control, after)


class Upwind(NamedTuple):
    """Which one-sided slopes the equation is evaluated with; arrays, so that one compiled program serves all of them.

    **Fields:**

    - `signs`: for each state the sign of its drift, 0 where it has to be found.
    - `order`: the states whose drift has to be found, in the order in which they are; entries after the first `sweeps` are not used.
    - `sweeps`: how many searches there are.
    """

    signs: Any
    order: Any
    sweeps: Any

    @classmethod
    def of(cls, signs: tuple[int, ...] | None, dimension: int) -> "Upwind":
        """From the signs of the drifts; None where both one-sided slopes are the same."""
        known = np.ones(dimension, dtype=int) if signs is None else np.array(signs)
        free = np.flatnonzero(known == 0)
        # the drift of one state may depend on the costates of the others: twice around
        sweeps = free.size if free.size < 2 else 2 * free.size
        order = np.zeros(2 * dimension + 1, dtype=int)
        order[:sweeps] = np.resize(free, sweeps)
        return cls(jnp.asarray(known), jnp.asarray(order), jnp.asarray(sweeps))


def evaluate_nodes(problem, shared, own, after, upwind: tuple[int, ...] | None, coupled: bool = False) -> Local:
    """Policies, residuals and linearisations at a batch of nodes of all members.

    `upwind` asks for the monotone scheme: for each state the sign of its drift, 0 where that is to be found. `coupled` asks for
    the derivatives in the values after the jumps.
    """
    return _evaluate(problem, shared, own, after, Upwind.of(upwind, shared[0].shape[-1]), coupled)


@compiled
def _evaluate(problem, shared, own, after, upwind: Upwind, coupled: bool) -> Local:
    def of_member(p, own, after):
        return jax.vmap(lambda s, o, a: at_node(p, s, o, a, upwind, coupled))(shared, own, after)

    return eqx.filter_vmap(of_member)(problem, own, after)


def at_node(problem: HJBProblem, shared, own, after, upwind: Upwind, coupled: bool = False) -> Local:
    """Policy, residual and linearisation at one node."""
    (x, blocked), (value, forward, backward, hessian) = shared, own
    t, state = jnp.asarray(_TIME), problem.state(x)

    def hamiltonian(u, v, p, m, then=after):
        return problem.hamiltonian(t, state, u, v, p, m, then)

    def look(costate, along) -> _Look:
        u = problem.best_control(t, state, value, costate, hessian, after)
        h, drift = jax.jvp(lambda p: hamiltonian(u, value, p, hessian), (costate,), (along,))
        return _Look(u, h, drift)

    zero = jnp.zeros(())
    nothing = _Look(type(problem.model.controls)(*(zero for _ in problem.model.controls)), zero, zero)
    costate, stuck, u = _godunov(look, nothing, forward, backward, blocked, upwind)
    residual, (ascent, discount, drift, variance) = jax.value_and_grad(hamiltonian, argnums=(0, 1, 2, 3))(
        u, value, costate, hessian
    )
    # a drift out of a state constraint that no control stops is dropped
    residual = residual - jnp.sum(jnp.where(stuck, drift * costate, 0.0))
    drift = jnp.where(stuck, 0.0, drift)
    flow = jax.grad(problem.model.preferences.aggregate, argnums=1)(problem.model.utility(t, state, u), value)
    then = jax.grad(hamiltonian, argnums=4)(u, value, costate, hessian, after) if coupled else ()
    return Local(residual, discount, drift, variance, u, ascent, value, costate, jnp.any(stuck), -flow, then)


class _Look(NamedTuple):
    """The best control for a costate, and what the Hamiltonian and its derivative in one costate, a drift, then are."""

    control: Any
    hamiltonian: Any
    drift: Any


def _godunov(look, nothing: _Look, forward, backward, blocked, upwind: Upwind):
    r"""The costate at which the discrete Hamiltonian is maximised, found state by state, and the control there.

    $\max_u H$ is convex in the costate and its derivative there is the optimal drift. With both one-sided slopes at hand
    the monotone choice is the forward one if its drift is upward, the backward one if its drift is downward; where $V$ has a
    convex kink both may hold and the larger Hamiltonian wins; where neither does, the slope in between at which the
    drift vanishes. On a state constraint the outward slope is moved out until the drift no longer leaves. Where the drift has
    a known sign there is nothing to choose.

    The control at the costate found is one more pass of the same loop, so that the maximiser is compiled once.
    """
    start = jnp.where(blocked[:, 1], backward, jnp.where(blocked[:, 0], forward, 0.5 * (forward + backward)))
    start = jnp.where(upwind.signs > 0, forward, jnp.where(upwind.signs < 0, backward, start))
    states = jnp.arange(start.shape[0])

    def sweep(n, carry):
        costate, stuck, _ = carry
        here = states == upwind.order[n]

        def at(p):
            return look(jnp.where(here, p, costate), jnp.where(here, 1.0, 0.0))

        def of(leaf):
            return jnp.sum(jnp.where(here, leaf, 0.0))

        searched = n < upwind.sweeps
        blocked_here = jnp.any(here[:, None] & blocked, axis=0)
        chosen, out, control = _one_state(at, nothing, of(costate), of(forward), of(backward), blocked_here, searched)
        return jnp.where(here, chosen, costate), jnp.where(here & searched, out, stuck), control

    carry = start, jnp.zeros(forward.shape, dtype=bool), nothing.control
    return jax.lax.fori_loop(0, upwind.sweeps + 1, sweep, carry)


_MOST_DOUBLINGS, _MOST_STEPS = 40, 60

# What the search for one state's slope does next.
_FORWARD, _BACKWARD, _SEARCH, _ONCE, _DONE = range(5)


def _one_state(look, nothing: _Look, given, forward, backward, blocked, searched):
    """The slope of one state, the others given, whether a drift out of a constrained face cannot be stopped, and the last control.

    One loop evaluates the forward slope, the backward slope and, only where the drift vanishes in between, the search
    for that slope: the Hamiltonian is compiled once. On a constrained face the outward slope is moved out,
    by doubling steps, until the drift no longer points out. Unless the slope is `searched`, the given one is evaluated.
    """
    out_high, out_low = blocked[1], blocked[0] & ~blocked[1]
    step = 1.0 + 0.5 * jnp.abs(jnp.where(out_high, backward, forward))
    first = jnp.where(searched, jnp.where(out_high, backward - step, forward), given)

    def is_between(up: _Look, down: _Look):
        return ~(up.drift > 0.0) & ~(down.drift < 0.0)

    def body(carry):
        phase, count, p, bracket, up, down, _ = carry
        seen = look(p)
        up = jax.tree.map(lambda new, old: jnp.where(phase == _FORWARD, new, old), seen._replace(control=()), up)
        down = jax.tree.map(lambda new, old: jnp.where(phase == _BACKWARD, new, old), seen._replace(control=()), down)
        # the bracket starts at the slopes that were evaluated last
        low_side = (phase == _FORWARD) | ((phase == _SEARCH) & (seen.drift < 0.0))
        high_side = (phase == _BACKWARD) | ((phase == _SEARCH) & (seen.drift >= 0.0))
        bracket = bracket.narrowed(p, seen.drift, low_side, high_side)
        more_high = (phase == _FORWARD) & out_high & (seen.drift > 0.0)
        more_low = (phase == _BACKWARD) & out_low & (seen.drift < 0.0)
        again = (more_high | more_low) & (count < _MOST_DOUBLINGS)
        bracket = bracket.started((phase == _BACKWARD) & ~again)
        # the first point of the search is asked for with a count of zero
        asked, count = jnp.where(phase == _SEARCH, count, 0), jnp.where(again | (phase == _SEARCH), count + 1, 0)
        open_still = is_between(up, down) & ~bracket.found & (count < _MOST_STEPS)
        after_both = jnp.where((phase == _ONCE) | ~open_still, _DONE, _SEARCH)
        following = jnp.where(phase == _FORWARD, _BACKWARD, after_both)
        doubled = jnp.where(more_high, backward + 2.0 * (p - backward), forward + 2.0 * (p - forward))
        onward = jnp.where(phase == _FORWARD, jnp.where(out_low, forward + step, backward), bracket.next_point(asked))
        return (
            jnp.where(again, phase, following),
            count,
            jnp.where(again, doubled, onward),
            bracket,
            up,
            down,
            seen.control,
        )

    zero, unseen = jnp.zeros(()), nothing._replace(control=())
    bracket = Bracket(first, backward, zero, zero, zero)
    carry = jnp.where(searched, _FORWARD, _ONCE), jnp.array(0), first, bracket, unseen, unseen, nothing.control
    _, _, _, bracket, up, down, control = jax.lax.while_loop(lambda carry: carry[0] != _DONE, body, carry)
    goes_up, goes_down = up.drift > 0.0, down.drift < 0.0
    side = jnp.where(goes_up & (~goes_down | (up.hamiltonian >= down.hamiltonian)), forward, backward)
    # the only slope that exists on a constrained face is the inner one
    side = jnp.where(out_high & goes_down, backward, jnp.where(out_low & goes_up, forward, side))
    stuck = (out_high & goes_up & ~goes_down) | (out_low & goes_down & ~goes_up)
    # on a constrained face, the end of the bracket at which the drift does not leave
    root = jnp.where(out_high, bracket.low, jnp.where(out_low, bracket.high, bracket.root))
    chosen = jnp.where(is_between(up, down), root, jnp.where(stuck, 0.0, side))
    return jnp.where(searched, chosen, given), stuck, control
