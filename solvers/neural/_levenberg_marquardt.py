"""The Levenberg-Marquardt method with geodesic acceleration, as a part of compiled programs."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.scipy.linalg as jsl
from jaxtyping import Array, Bool, Float, Int

# Smallest damping relative to the mean curvature.
MINIMAL_DAMPING = 1e-12
# Factor by which the damping falls after a successful step, factor by which it rises after a failed trial, and the largest number
# of trials. The damping must not rise more easily than it falls (Transtrum and Sethna 2012, arXiv:1201.5885): with factors of 3 (down)
# and 4 (up) it hardly fell, and linear-quadratic problems of one and two states took three to five times as many steps.
_FALL, _RISE, _TRIALS = 5.0, 2.0, 24
# Length of the difference that determines the second derivative along a move, relative to the move, and the largest acceptable length
# of the acceleration relative to the move (Transtrum, Machta and Sethna 2011, doi:10.1103/PhysRevE.83.036701).
_PROBE, _LARGEST_ACCELERATION = 0.1, 0.75


class Step(NamedTuple):
    """Unknowns after a step, the damping of the next step (infinite if no trial lowered the cost), and the costs."""

    unknowns: Float[Array, "network unknown"]
    damping: Float[Array, " network"]
    cost: Float[Array, " network"]


class _Trial(NamedTuple):
    """State of the trials of one step."""

    number: Int[Array, ""]  # 0 for the start, then odd numbers for probes and even numbers for trials
    unknowns: Float[Array, "network unknown"]
    damping: Float[Array, " network"]
    cost: Float[Array, " network"]
    improved: Bool[Array, " network"]
    move: Float[Array, "network unknown"]
    factor: Float[Array, "network unknown unknown"]  # Cholesky factor of the damped curvature
    curvature: Float[Array, "network unknown unknown"]
    gradient: Float[Array, "network unknown"]
    jacobian: Float[Array, "network row unknown"]
    residual: Float[Array, "network row"]


def levenberg_marquardt_step(
    evaluate: Callable[[Array], tuple[Array, Any]],
    differentiate: Callable[[Array, Any], Array],
    unknowns: Float[Array, "network unknown"],
    damping: Float[Array, " network"],
) -> Step:
    r"""One step that lowers the sum of squared residuals of each network: the damping is raised until a trial succeeds.

    With the Jacobian $J$ of the residuals $r$ and the mean curvature $c$, the move is $v + a/2$ with

    $$(J^\top J + \lambda cI)\,v = -J^\top r,\qquad (J^\top J + \lambda cI)\,a = -J^\top r''[v, v].$$

    The acceleration $a$ follows the curved valley of the cost. The second derivative $r''$ along $v$ costs one more evaluation, by a
    difference. The acceleration is left out where it is large relative to the move.

    **Arguments:**

    - `evaluate`: the residuals at given unknowns (network, row), and data for `differentiate`.
    - `differentiate`: the Jacobian from the unknowns and these data.
    - `unknowns`, `damping`: parameters and $\lambda$ of each network; networks are independent. A network with an infinite damping is
      left as it is.

    **Returns:** the [`Step`][]. A network that no trial improves keeps its unknowns.

    **References:** Levenberg 1944, doi:10.1090/qam/10666; Marquardt 1963, doi:10.1137/0111030; Transtrum, Machta and Sethna 2011,
    doi:10.1103/PhysRevE.83.036701 (geodesic acceleration).
    """
    networks, size = unknowns.shape
    row_count = jax.eval_shape(lambda p: evaluate(p)[0], unknowns).shape[1]

    def normal_equations(candidate, residual, data):
        jacobian = differentiate(candidate, data)
        curvature = jnp.einsum("krp,krq->kpq", jacobian, jacobian)
        return jacobian, residual, curvature, jnp.einsum("krp,kr->kp", jacobian, residual)

    def propose(curvature, gradient, damping):
        """The move for a damping, and the Cholesky factor; NaN if the matrix is singular."""
        shift = jnp.maximum(damping, MINIMAL_DAMPING) * jnp.trace(curvature, axis1=1, axis2=2) / size
        factor = jnp.linalg.cholesky(curvature + shift[:, None, None] * jnp.eye(size)[None])
        return factor, -_solve(factor, gradient)

    def accelerate(trial: _Trial, residual, *_):
        """Add half the acceleration to the move."""
        first_order = jnp.einsum("krp,kp->kr", trial.jacobian, trial.move)
        bend = 2.0 / _PROBE * ((residual - trial.residual) / _PROBE - first_order)
        acceleration = -_solve(trial.factor, jnp.einsum("krp,kr->kp", trial.jacobian, bend))
        length, speed = jnp.linalg.norm(acceleration, axis=1), jnp.linalg.norm(trial.move, axis=1)
        applied = 2.0 * length < _LARGEST_ACCELERATION * speed  # false if the residuals are not finite
        move = trial.move + jnp.where(applied[:, None], 0.5 * acceleration, 0.0)
        return trial._replace(number=trial.number + 1, move=move)

    def judge(trial: _Trial, residual, candidate, data):
        """Accept a move or raise the damping; at the start, compute the normal equations."""
        is_start, cost = trial.number == 0, jnp.sum(jnp.square(residual), axis=1)
        jacobian, start_residual, curvature, gradient = jax.lax.cond(
            is_start,
            lambda: normal_equations(candidate, residual, data),
            lambda: (trial.jacobian, trial.residual, trial.curvature, trial.gradient),
        )
        pending = ~is_start & ~trial.improved
        better = pending & (cost < trial.cost)  # false for NaN
        improved = trial.improved | better
        damping = trial.damping * jnp.where(better, 1.0 / _FALL, jnp.where(pending, _RISE, 1.0))
        factor, move = jax.lax.cond(
            jnp.all(improved), lambda: (trial.factor, trial.move), lambda: propose(curvature, gradient, damping)
        )
        return _Trial(
            trial.number + 1,
            jnp.where(better[:, None], candidate, trial.unknowns),
            damping,
            jnp.where(is_start | better, cost, trial.cost),
            improved,
            move,
            factor,
            curvature,
            gradient,
            jacobian,
            start_residual,
        )

    def body(trial: _Trial) -> _Trial:
        is_probe = trial.number % 2 == 1
        fraction = jnp.where(trial.number == 0, 0.0, jnp.where(is_probe, _PROBE, 1.0))
        candidate = trial.unknowns + jnp.where(trial.improved[:, None], 0.0, fraction * trial.move)
        residual, data = evaluate(candidate)  # the only evaluation, so that the equation is compiled once
        return jax.lax.cond(is_probe, accelerate, judge, trial, residual, candidate, data)

    def is_unfinished(trial: _Trial):
        return (trial.number <= 2 * _TRIALS) & ~jnp.all(trial.improved)

    start = _Trial(
        jnp.array(0),
        unknowns,
        damping,
        jnp.full(networks, jnp.inf),
        ~jnp.isfinite(damping),
        jnp.zeros((networks, size)),
        jnp.zeros((networks, size, size)),
        jnp.zeros((networks, size, size)),
        jnp.zeros((networks, size)),
        jnp.zeros((networks, row_count, size)),
        jnp.zeros((networks, row_count)),
    )
    end = jax.lax.while_loop(is_unfinished, body, start)
    damping = jnp.where(end.improved, jnp.maximum(end.damping, MINIMAL_DAMPING), jnp.inf)
    return Step(end.unknowns, damping, end.cost)


def _solve(factor: Float[Array, "network unknown unknown"], right: Float[Array, "network unknown"]) -> Array:
    return jax.vmap(lambda lower, b: jsl.cho_solve((lower, True), b))(factor, right)
