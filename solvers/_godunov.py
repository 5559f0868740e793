"""The compiled parts of the finite-difference solver: policies, residuals and linearisations at a batch of nodes."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..models import HJBProblem


class Local(NamedTuple):
    """What the equation says at one node: its residual and its linearisation, policy frozen."""

    residual: Any
    discount: Any
    drift: Any
    variance: Any
    control: Any
    outward: Any  # drift out of a state constraint that no control stops


_TIME = 0.0  # stationary problems


@eqx.filter_jit
def _on_nodes_jit(problem, guess, points):
    def at(p, x):
        return guess(jnp.asarray(_TIME), p.state(x))

    return eqx.filter_vmap(lambda p: jax.vmap(lambda x: at(p, x))(points))(problem)


def on_nodes(problem, guess, points):
    return np.asarray(_on_nodes_jit(problem, guess, jnp.asarray(points)), dtype=float)


@eqx.filter_jit
def face_slope(problem, axis: int, side: int, points):
    """The known slope of a face and its normal derivative, at all nodes (only those on the face are used)."""

    def of_member(p):
        closure = p.closure(axis, side)

        def slope(x):
            return closure.slope(jnp.asarray(_TIME), p.state(x))

        return jax.vmap(lambda x: (slope(x), jax.grad(slope)(x)[axis]))(points)

    return eqx.filter_vmap(of_member)(problem)


@eqx.filter_jit
def after_jumps(problem, points):
    def of_member(p):
        return jax.vmap(lambda x: p.after(jnp.asarray(_TIME), p.state(x)))(points)

    return eqx.filter_vmap(of_member)(problem)


@eqx.filter_jit
def evaluate_nodes(problem, shared, own, after, upwind: bool) -> Local:
    """Policies, residuals and linearisations at a batch of nodes of all members."""

    def of_member(p, own, after):
        return jax.vmap(lambda s, o, a: at_node(p, s, o, a, upwind))(shared, own, after)

    return eqx.filter_vmap(of_member)(problem, own, after)


def at_node(problem: HJBProblem, shared, own, after, upwind: bool) -> Local:
    (x, blocked), (value, forward, backward, hessian) = shared, own
    t, state = jnp.asarray(_TIME), problem.state(x)

    def control(costate):
        return problem.best_control(t, state, value, costate, hessian, after)

    def hamiltonian(u, v, p, m):
        return problem.hamiltonian(t, state, u, v, p, m, after)

    def drift_of(costate, a):
        """The Hamiltonian of the best control, and its derivative in a costate: the worst-case drift of that state."""
        u = control(costate)
        h, drift = jax.value_and_grad(hamiltonian, argnums=2)(u, value, costate, hessian)
        return h, drift[a]

    if upwind:
        costate, stuck = _godunov(drift_of, forward, backward, blocked)
    else:
        costate, stuck = forward, jnp.zeros(x.shape, dtype=bool)
    u = control(costate)
    residual, (discount, drift, variance) = jax.value_and_grad(hamiltonian, argnums=(1, 2, 3))(
        u, value, costate, hessian
    )
    # a drift out of a state constraint that no control stops is dropped
    residual = residual - jnp.sum(jnp.where(stuck, drift * costate, 0.0))
    drift = jnp.where(stuck, 0.0, drift)
    return Local(residual, discount, drift, variance, u, jnp.any(stuck))


def _godunov(drift_of, forward, backward, blocked):
    r"""The costate at which the discrete Hamiltonian is maximised, state by state.

    $\max_u H$ is convex in the costate and its derivative there is the optimal drift. With both one-sided slopes at hand
    the monotone choice is the forward one if its drift is upward, the backward one if its drift is downward; where $V$ has a
    convex kink both may hold and the larger Hamiltonian wins; where neither does, the slope in between at which the
    drift vanishes. On a state constraint the outward slope is moved out until the drift no longer leaves.
    """
    start = jnp.where(blocked[:, 1], backward, jnp.where(blocked[:, 0], forward, 0.5 * (forward + backward)))
    dimension = forward.shape[0]

    def sweep(n, carry):
        costate, stuck = carry
        a = n % dimension
        chosen, out = _one_state(lambda p: drift_of(costate.at[a].set(p), a), forward[a], backward[a], blocked[a])
        return costate.at[a].set(chosen), stuck.at[a].set(out)

    sweeps = 1 if dimension == 1 else 2 * dimension
    return jax.lax.fori_loop(0, sweeps, sweep, (start, jnp.zeros(forward.shape, dtype=bool)))


_MOST_BISECTIONS, _MOST_DOUBLINGS = 60, 40


def _one_state(drift_at, forward, backward, blocked):
    """The slope of one state, the others given, and whether a drift out of a constrained face cannot be stopped.

    One loop evaluates the forward slope, the backward slope and, only where the drift vanishes in between, the
    bisection for that slope: the Hamiltonian is compiled once. On a constrained face the outward slope is moved out,
    by doubling steps, until the drift no longer points out.
    """
    out_high, out_low = blocked[1], blocked[0] & ~blocked[1]
    step = 1.0 + 0.5 * jnp.abs(jnp.where(out_high, backward, forward))
    first = jnp.where(out_high, backward - step, forward)

    def is_between(up, down):
        return ~(up[1] > 0.0) & ~(down[1] < 0.0)

    def cond(carry):
        phase, count, _, left, right, up, down = carry
        narrow = right - left <= 1e-14 * (jnp.abs(left) + jnp.abs(right))
        return (phase < 2) | (is_between(up, down) & (count < _MOST_BISECTIONS) & ~narrow)

    def body(carry):
        phase, count, p, left, right, up, down = carry
        found = drift_at(p)
        above = found[1] > 0.0
        up = jax.tree.map(lambda new, old: jnp.where(phase == 0, new, old), found, up)
        down = jax.tree.map(lambda new, old: jnp.where(phase == 1, new, old), found, down)
        # the inner bracket follows the slopes that were evaluated last
        left = jnp.where((phase == 0) | ((phase == 2) & ~above), p, left)
        right = jnp.where((phase == 1) | ((phase == 2) & above), p, right)
        more_high = (phase == 0) & out_high & above
        more_low = (phase == 1) & out_low & (found[1] < 0.0)
        again = (more_high | more_low) & (count < _MOST_DOUBLINGS)
        following = jnp.where(phase == 0, jnp.where(out_low, forward + step, backward), 0.5 * (left + right))
        doubled = jnp.where(more_high, backward + 2.0 * (p - backward), forward + 2.0 * (p - forward))
        new_phase = jnp.where(again, phase, jnp.minimum(phase + 1, 2))
        new_count = jnp.where(again | (new_phase == phase), count + 1, 0)
        return new_phase, new_count, jnp.where(again, doubled, following), left, right, up, down

    nothing = jnp.zeros(()), jnp.zeros(())
    carry = jnp.array(0), jnp.array(0), first, first, backward, nothing, nothing
    _, _, _, left, right, up, down = jax.lax.while_loop(cond, body, carry)
    goes_up, goes_down = up[1] > 0.0, down[1] < 0.0
    side = jnp.where(goes_up & (~goes_down | (up[0] >= down[0])), forward, backward)
    # the only slope that exists on a constrained face is the inner one
    side = jnp.where(out_high & goes_down, backward, jnp.where(out_low & goes_up, forward, side))
    stuck = (out_high & goes_up & ~goes_down) | (out_low & goes_down & ~goes_up)
    chosen = jnp.where(is_between(up, down), 0.5 * (left + right), jnp.where(stuck, 0.0, side))
    return chosen, stuck
