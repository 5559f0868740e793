"""Compiled evaluation of the HJB equation: policies, residuals and linearisations at a batch of nodes."""

import dataclasses
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ...models import Derivatives, Equation, HJBProblem, Outflow
from ..base import compiled
from ..solution import Bracket, Near, Recurrent


class Local(NamedTuple):
    """The residual of the equation at one node and its linearisation for a frozen policy."""

    residual: Any
    discount: Any
    drift: Any
    variance: Any
    control: Any
    ascent: Any  # derivative of the Hamiltonian in each control
    value: Any
    costate: Any
    outward: Any  # whether the drift points out of a state constraint for all controls
    weight: Any  # minus the derivative of the flow in the value: the discount rate, or with recursive utility a function of the value
    after: Any = ()  # derivatives in the values after the jumps, if these are unknown


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
    """The problem without its box and margins, so that face slopes are not compiled again when these change."""
    if problem.faces is None:
        return HJBProblem(problem.model)
    bare = [
        tuple(dataclasses.replace(face, extension=0.0) if face.has_known_slope else Outflow() for face in sides)
        for sides in problem.faces
    ]
    return HJBProblem(problem.model, faces=type(problem.faces)(*bare))


@compiled
def face_slope(problem, axis: int, side: int, points):
    """The known slope of a face and its normal derivative at all points (only values on the face are used)."""

    def of_member(p):
        closure = p.closure(axis, side)

        def slope(x):
            return closure.known_slope(jnp.asarray(_TIME), p.state(x))

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
    """The lowest value after the jumps, at all nodes of all members; zero without jumps to other regimes.

    With aversion to a jump the equation contains exp((V - V_after) / xi), so that Newton steps from far above decrease V by only one
    xi each. The lowest value avoids such a start.
    """
    leads_elsewhere = (not isinstance(continuation, Recurrent) for continuation in problem.continuations)
    lowest = [values.min(axis=-1) for values, elsewhere in zip(after, leads_elsewhere, strict=True) if elsewhere]
    return np.min(lowest, axis=0) if lowest else np.zeros(shape)


@compiled
def missed_gains(equation: Equation, points, control, derivatives: tuple) -> Float[jax.Array, "family node"]:
    """The gain of the Hamiltonian from a finer scan of the controls, at a batch of nodes of all members."""

    def of_member(p, *member_arrays):
        def gain(x, u, at):
            return p.missed_gain(jnp.asarray(_TIME), p.state(x), u, Derivatives(*at))

        return jax.vmap(gain)(points, *member_arrays)

    return eqx.filter_vmap(of_member)(equation, control, derivatives)


class Upwind(NamedTuple):
    """The choice of one-sided slopes, as arrays, so that one compiled program serves every choice.

    **Fields:**

    - `signs`: for each state the sign of its drift, 0 if it must be determined.
    - `order`: the states with a drift to be determined, in the order of the searches; only the first `sweeps` entries are used.
    - `sweeps`: the number of searches.
    """

    signs: Any
    order: Any
    sweeps: Any

    @classmethod
    def of(cls, signs: tuple[int, ...] | None, dimension: int) -> "Upwind":
        """The choice for the given signs of the drifts; None if both one-sided slopes are equal."""
        sign_array = np.ones(dimension, dtype=int) if signs is None else np.array(signs)
        free = np.flatnonzero(sign_array == 0)
        # the drift of one state may depend on the costates of the others, so that all states are visited twice
        sweeps = free.size if free.size < 2 else 2 * free.size
        order = np.zeros(2 * dimension + 1, dtype=int)
        order[:sweeps] = np.resize(free, sweeps)
        return cls(jnp.asarray(sign_array), jnp.asarray(order), jnp.asarray(sweeps))


def evaluate_nodes(
    problem, shared, member_arrays, after, upwind: tuple[int, ...] | None, coupled: bool = False
) -> Local:
    """Policies, residuals and linearisations at a batch of nodes of all members.

    `upwind` selects the monotone scheme: for each state the sign of its drift, 0 if it must be determined. `coupled` requests the
    derivatives in the values after the jumps.
    """
    return _evaluate(problem, shared, member_arrays, after, Upwind.of(upwind, shared[0].shape[-1]), coupled)


@compiled
def _evaluate(problem, shared, member_arrays, after, upwind: Upwind, coupled: bool) -> Local:
    def of_member(p, member_arrays, after):
        return jax.vmap(lambda s, o, a: at_node(p, s, o, a, upwind, coupled))(shared, member_arrays, after)

    return eqx.filter_vmap(of_member)(problem, member_arrays, after)


def at_node(problem: Equation, shared, member_arrays, after, upwind: Upwind, coupled: bool = False) -> Local:
    """Policy, residual and linearisation at one node."""
    (x, blocked), (value, forward, backward, hessian) = shared, member_arrays
    t, state = jnp.asarray(_TIME), problem.state(x)

    def hamiltonian(u, v, p, m, then=after):
        return problem.hamiltonian(t, state, u, Derivatives(v, p, m, then))

    def evaluate(costate, along) -> Evaluated:
        u = problem.best_control(t, state, Derivatives(value, costate, hessian, after))
        h, drift = jax.jvp(lambda p: hamiltonian(u, value, p, hessian), (costate,), (along,))
        return Evaluated(u, h, drift)

    zero = jnp.zeros(())
    placeholder = Evaluated(type(problem.model.controls)(*(zero for _ in problem.model.controls)), zero, zero)
    costate, stuck, u = _godunov(evaluate, placeholder, forward, backward, blocked, upwind)
    residual, (ascent, discount, drift, variance) = jax.value_and_grad(hamiltonian, argnums=(0, 1, 2, 3))(
        u, value, costate, hessian
    )
    # an outward drift at a state constraint that no control can stop is removed
    residual = residual - jnp.sum(jnp.where(stuck, drift * costate, 0.0))
    drift = jnp.where(stuck, 0.0, drift)
    flow = jax.grad(problem.model.preferences.aggregate, argnums=1)(problem.model.utility(t, state, u), value)
    then = jax.grad(hamiltonian, argnums=4)(u, value, costate, hessian, after) if coupled else ()
    return Local(residual, discount, drift, variance, u, ascent, value, costate, jnp.any(stuck), -flow, then)


class Evaluated(NamedTuple):
    """The optimal control for a costate, the Hamiltonian, and its derivative in one costate, which is a drift."""

    control: Any
    hamiltonian: Any
    drift: Any


def _godunov(evaluate, placeholder: Evaluated, forward, backward, blocked, upwind: Upwind):
    r"""The costate that maximises the discrete Hamiltonian, determined state by state, and the optimal control there.

    $\max_u H$ is convex in the costate, and its derivative is the optimal drift. The monotone choice is the forward slope if its
    drift is upward and the backward slope if its drift is downward. At a convex kink of $V$ both conditions may hold, and the
    slope with the larger Hamiltonian is used; if neither holds, the slope between them at which the drift vanishes is used. At a
    state constraint the outward slope is shifted until the drift no longer points outward. If the sign of the drift is known, the
    slope follows from it.

    The control at the resulting costate is computed in one more pass of the same loop, so that the maximiser is compiled once.
    """
    start = jnp.where(blocked[:, 1], backward, jnp.where(blocked[:, 0], forward, 0.5 * (forward + backward)))
    start = jnp.where(upwind.signs > 0, forward, jnp.where(upwind.signs < 0, backward, start))
    states = jnp.arange(start.shape[0])

    def sweep(n, carry):
        costate, stuck, _ = carry
        is_current = states == upwind.order[n]

        def at(p):
            return evaluate(jnp.where(is_current, p, costate), jnp.where(is_current, 1.0, 0.0))

        def of(leaf):
            return jnp.sum(jnp.where(is_current, leaf, 0.0))

        searched = n < upwind.sweeps
        blocked_sides = jnp.any(is_current[:, None] & blocked, axis=0)
        chosen, out, control = _one_state(
            at, placeholder, of(costate), of(forward), of(backward), blocked_sides, searched
        )
        return jnp.where(is_current, chosen, costate), jnp.where(is_current & searched, out, stuck), control

    carry = start, jnp.zeros(forward.shape, dtype=bool), placeholder.control
    return jax.lax.fori_loop(0, upwind.sweeps + 1, sweep, carry)


# At a constrained face the shift of the slope grows by a factor, up to a total of 10^12 of the first shift. Where no control stops the
# drift all steps are taken, by all nodes of a batch, so that few large steps are faster than many small ones.
_GROWTH, _MOST_SHIFTS, _MOST_STEPS = 8.0, 14, 60

# Phases of the search for the slope in one state: evaluate the forward slope, evaluate the backward slope, search for a vanishing
# drift, evaluate the given slope once, stop.
_FORWARD, _BACKWARD, _SEARCH, _ONCE, _DONE = range(5)


def _one_state(evaluate, placeholder: Evaluated, given, forward, backward, blocked, searched):
    """The slope in one state for given slopes in the others, whether an outward drift cannot be stopped, and the last control.

    A single loop evaluates the forward slope, the backward slope and, if the drift vanishes between them, the search for that
    slope, so that the Hamiltonian is compiled once. At a constrained face the outward slope is shifted in growing steps until the
    drift no longer points outward. Unless `searched` holds, only the given slope is evaluated.
    """
    out_high, out_low = blocked[1], blocked[0] & ~blocked[1]
    step = 1.0 + 0.5 * jnp.abs(jnp.where(out_high, backward, forward))
    first = jnp.where(searched, jnp.where(out_high, backward - step, forward), given)

    def is_between(up: Evaluated, down: Evaluated):
        return ~(up.drift > 0.0) & ~(down.drift < 0.0)

    def body(carry):
        phase, count, p, bracket, up, down, _ = carry
        evaluated = evaluate(p)
        up = jax.tree.map(lambda new, old: jnp.where(phase == _FORWARD, new, old), evaluated._replace(control=()), up)
        down = jax.tree.map(
            lambda new, old: jnp.where(phase == _BACKWARD, new, old), evaluated._replace(control=()), down
        )
        # the bracket starts at the slopes that were evaluated last
        low_side = (phase == _FORWARD) | ((phase == _SEARCH) & (evaluated.drift < 0.0))
        high_side = (phase == _BACKWARD) | ((phase == _SEARCH) & (evaluated.drift >= 0.0))
        bracket = bracket.narrowed(p, evaluated.drift, low_side, high_side)
        more_high = (phase == _FORWARD) & out_high & (evaluated.drift > 0.0)
        more_low = (phase == _BACKWARD) & out_low & (evaluated.drift < 0.0)
        again = (more_high | more_low) & (count < _MOST_SHIFTS)
        bracket = bracket.started((phase == _BACKWARD) & ~again)
        # the search starts with a count of zero
        search_count, count = jnp.where(phase == _SEARCH, count, 0), jnp.where(again | (phase == _SEARCH), count + 1, 0)
        open_still = is_between(up, down) & ~bracket.found & (count < _MOST_STEPS)
        after_both = jnp.where((phase == _ONCE) | ~open_still, _DONE, _SEARCH)
        following = jnp.where(phase == _FORWARD, _BACKWARD, after_both)
        shifted = jnp.where(more_high, backward + _GROWTH * (p - backward), forward + _GROWTH * (p - forward))
        onward = jnp.where(
            phase == _FORWARD, jnp.where(out_low, forward + step, backward), bracket.next_point(search_count)
        )
        return (
            jnp.where(again, phase, following),
            count,
            jnp.where(again, shifted, onward),
            bracket,
            up,
            down,
            evaluated.control,
        )

    zero, unseen = jnp.zeros(()), placeholder._replace(control=())
    bracket = Bracket(first, backward, zero, zero, zero)
    carry = jnp.where(searched, _FORWARD, _ONCE), jnp.array(0), first, bracket, unseen, unseen, placeholder.control
    _, _, _, bracket, up, down, control = jax.lax.while_loop(lambda carry: carry[0] != _DONE, body, carry)
    goes_up, goes_down = up.drift > 0.0, down.drift < 0.0
    side = jnp.where(goes_up & (~goes_down | (up.hamiltonian >= down.hamiltonian)), forward, backward)
    # at a constrained face only the inner slope exists
    side = jnp.where(out_high & goes_down, backward, jnp.where(out_low & goes_up, forward, side))
    stuck = (out_high & goes_up & ~goes_down) | (out_low & goes_down & ~goes_up)
    # at a constrained face, the end of the bracket at which the drift does not point outward
    root = jnp.where(out_high, bracket.low, jnp.where(out_low, bracket.high, bracket.root))
    chosen = jnp.where(is_between(up, down), root, jnp.where(stuck, 0.0, side))
    return jnp.where(searched, chosen, given), stuck, control
