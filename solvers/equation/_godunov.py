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


def lowest_after(problem, points, family: int) -> Float[np.ndarray, "family node"]:
    """The worst that jumps can lead to, at all nodes; zero without jumps.

    Where a planner fears a jump, what it is worth holds exp((V - V_after) / xi): from far above Newton steps come down by one xi each.
    """
    elsewhere = [not isinstance(after, Recurrent) for after in problem.continuations]
    if not any(elsewhere):
        return np.zeros((family, len(points)))
    after = zip(after_jumps(problem, points), elsewhere, strict=True)
    found = [np.asarray(values).min(axis=-1) for values, counts in after if counts]
    return np.min(found, axis=0)


@compiled
def missed_gains(problem, points, value, costate, hessian, control, after) -> Float[jax.Array, "family node"]:
    """By how much a finer scan of the controls raises the Hamiltonian at a batch of nodes of all members."""

    def of_member(p, *own):
        def at(x, value, costate, hessian, u, after):
            return p.missed_gain(jnp.asarray(_TIME), p.state(x), u, value, costate, hessian, after)

        return jax.vmap(at)(points, *own)

    return eqx.filter_vmap(of_member)(problem, value, costate, hessian, control, after)


@compiled
def evaluate_nodes(problem, shared, own, after, upwind: tuple[int, ...] | None, coupled: bool = False) -> Local:
    """Policies, residuals and linearisations at a batch of nodes of all members.

    `upwind` asks for the monotone scheme: for each state the sign of its drift, 0 where that is to be found. `coupled` asks for
    the derivatives in the values after the jumps.
    """

    def of_member(p, own, after):
        return jax.vmap(lambda s, o, a: at_node(p, s, o, a, upwind, coupled))(shared, own, after)

    return eqx.filter_vmap(of_member)(problem, own, after)


def at_node(problem: HJBProblem, shared, own, after, upwind: tuple[int, ...] | None, coupled: bool = False) -> Local:
    (x, blocked), (value, forward, backward, hessian) = shared, own
    t, state = jnp.asarray(_TIME), problem.state(x)

    def control(costate):
        return problem.best_control(t, state, value, costate, hessian, after)

    def hamiltonian(u, v, p, m, then=after):
        return problem.hamiltonian(t, state, u, v, p, m, then)

    def drift_of(costate, a):
        """The Hamiltonian of the best control, and its derivative in a costate: the worst-case drift of that state."""
        u = control(costate)
        h, drift = jax.value_and_grad(hamiltonian, argnums=2)(u, value, costate, hessian)
        return h, drift[a]

    if upwind is not None:
        costate, stuck = _godunov(drift_of, forward, backward, blocked, upwind)
    else:
        costate, stuck = forward, jnp.zeros(x.shape, dtype=bool)
    u = control(costate)
    residual, (ascent, discount, drift, variance) = jax.value_and_grad(hamiltonian, argnums=(0, 1, 2, 3))(
        u, value, costate, hessian
    )
    # a drift out of a state constraint that no control stops is dropped
    residual = residual - jnp.sum(jnp.where(stuck, drift * costate, 0.0))
    drift = jnp.where(stuck, 0.0, drift)
    flow = jax.grad(problem.model.preferences.aggregate, argnums=1)(problem.model.utility(t, state, u), value)
    then = jax.grad(hamiltonian, argnums=4)(u, value, costate, hessian, after) if coupled else ()
    return Local(residual, discount, drift, variance, u, ascent, value, costate, jnp.any(stuck), -flow, then)


def _godunov(drift_of, forward, backward, blocked, signs: tuple[int, ...]):
    r"""The costate at which the discrete Hamiltonian is maximised, state by state.

    $\max_u H$ is convex in the costate and its derivative there is the optimal drift. With both one-sided slopes at hand
    the monotone choice is the forward one if its drift is upward, the backward one if its drift is downward; where $V$ has a
    convex kink both may hold and the larger Hamiltonian wins; where neither does, the slope in between at which the
    drift vanishes. On a state constraint the outward slope is moved out until the drift no longer leaves. Where the drift has
    a known sign there is nothing to choose.
    """
    start = jnp.where(blocked[:, 1], backward, jnp.where(blocked[:, 0], forward, 0.5 * (forward + backward)))
    known = np.array(signs)
    start = jnp.where(known > 0, forward, jnp.where(known < 0, backward, start))
    free = jnp.flatnonzero(known == 0, size=int(np.sum(known == 0)))
    nothing = jnp.zeros(forward.shape, dtype=bool)
    if not free.size:
        return start, nothing

    def sweep(n, carry):
        costate, stuck = carry
        a = free[n % free.size]
        chosen, out = _one_state(lambda p: drift_of(costate.at[a].set(p), a), forward[a], backward[a], blocked[a])
        return costate.at[a].set(chosen), stuck.at[a].set(out)

    # what the drift of one state is may depend on the costates of the others: twice around
    sweeps = 1 if free.size == 1 else 2 * free.size
    return jax.lax.fori_loop(0, sweeps, sweep, (start, nothing))


_MOST_DOUBLINGS, _MOST_STEPS = 40, 60


def _one_state(drift_at, forward, backward, blocked):
    """The slope of one state, the others given, and whether a drift out of a constrained face cannot be stopped.

    One loop evaluates the forward slope, the backward slope and, only where the drift vanishes in between, the search
    for that slope: the Hamiltonian is compiled once. On a constrained face the outward slope is moved out,
    by doubling steps, until the drift no longer points out.
    """
    out_high, out_low = blocked[1], blocked[0] & ~blocked[1]
    step = 1.0 + 0.5 * jnp.abs(jnp.where(out_high, backward, forward))
    first = jnp.where(out_high, backward - step, forward)

    def is_between(up, down):
        return ~(up[1] > 0.0) & ~(down[1] < 0.0)

    def cond(carry):
        phase, count, _, bracket, up, down = carry
        return (phase < 2) | (is_between(up, down) & ~bracket.found & (count < _MOST_STEPS))

    def body(carry):
        phase, count, p, bracket, up, down = carry
        found = drift_at(p)
        up = jax.tree.map(lambda new, old: jnp.where(phase == 0, new, old), found, up)
        down = jax.tree.map(lambda new, old: jnp.where(phase == 1, new, old), found, down)
        # the bracket starts at the slopes that were evaluated last
        low_side = (phase == 0) | ((phase == 2) & (found[1] < 0.0))
        high_side = (phase == 1) | ((phase == 2) & (found[1] >= 0.0))
        bracket = bracket.narrowed(p, found[1], low_side, high_side)
        more_high = (phase == 0) & out_high & (found[1] > 0.0)
        more_low = (phase == 1) & out_low & (found[1] < 0.0)
        again = (more_high | more_low) & (count < _MOST_DOUBLINGS)
        bracket = bracket.started((phase == 1) & ~again)
        following = jnp.where(phase == 0, jnp.where(out_low, forward + step, backward), bracket.next_point(count))
        doubled = jnp.where(more_high, backward + 2.0 * (p - backward), forward + 2.0 * (p - forward))
        new_phase = jnp.where(again, phase, jnp.minimum(phase + 1, 2))
        new_count = jnp.where(again | (phase == 2), count + 1, 0)
        # the first point of the search is asked for with a count of zero
        following = jnp.where((phase == 1) & ~again, bracket.next_point(jnp.zeros_like(count)), following)
        return new_phase, new_count, jnp.where(again, doubled, following), bracket, up, down

    nothing = jnp.zeros(()), jnp.zeros(())
    bracket = Bracket(first, backward, jnp.zeros(()), jnp.zeros(()), jnp.zeros(()))
    carry = jnp.array(0), jnp.array(0), first, bracket, nothing, nothing
    _, _, _, bracket, up, down = jax.lax.while_loop(cond, body, carry)
    goes_up, goes_down = up[1] > 0.0, down[1] < 0.0
    side = jnp.where(goes_up & (~goes_down | (up[0] >= down[0])), forward, backward)
    # the only slope that exists on a constrained face is the inner one
    side = jnp.where(out_high & goes_down, backward, jnp.where(out_low & goes_up, forward, side))
    stuck = (out_high & goes_up & ~goes_down) | (out_low & goes_down & ~goes_up)
    # on a constrained face, the end of the bracket at which the drift does not leave
    root = jnp.where(out_high, bracket.low, jnp.where(out_low, bracket.high, bracket.root))
    chosen = jnp.where(is_between(up, down), root, jnp.where(stuck, 0.0, side))
    return chosen, stuck
