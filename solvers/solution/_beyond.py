"""The error of a solution from jumps that land beyond its box."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.stats import qmc

from ...models import HJBProblem
from ..base import compiled
from ._coupled import filled, landings
from ._solution import on_host

# Number of states of the region at which the error is estimated, and the largest acceptable error.
_POINTS, MOST_BEYOND = 64, 1e-3


def left_beyond(problem: HJBProblem, value: Any) -> float:
    r"""An estimate of the error caused by landings beyond the box, relative to the range of the value; 0 without such landings.

    Beyond the box the value is extended as a parabola. The error of the equation is estimated by the next term of the Taylor series,
    $\lambda\sum_m\pi_m|d^3V^m(x^+_m)|/6$ with $d$ the distance to the box. Its root mean square over the region is divided by
    $\delta$.

    **Arguments:** `problem`: a family of problems in which jumps that lead back have no known continuation. `value`: the value
    functions of its members, leaves stacked.
    """
    low, high = np.array(problem.region).T
    points = qmc.scale(qmc.Sobol(len(low), rng=7).random(_POINTS), low, high)
    complete, remainder, values = None, 0.0, np.zeros(())
    for landing in landings(problem, points):
        if not np.any(landing.distance):
            continue
        complete = filled(problem, value) if complete is None else complete
        targets = on_host(lambda leaf, m=landing.members: leaf[m], value)
        landing_states = jnp.asarray(landing.inside), jnp.asarray(landing.distance)
        values, terms = map(
            np.asarray, _terms(complete, value, targets, landing.jump, jnp.asarray(points), *landing_states)
        )
        remainder = remainder + terms
    if complete is None:
        return 0.0
    delta = np.asarray(problem.model.preferences.discount_rate).reshape(-1)
    size = np.maximum(np.ptp(values, axis=1), 1e-300)
    return float(np.max(np.sqrt(np.mean(np.square(remainder), axis=1)) / delta / size))


@compiled
def _terms(problem: HJBProblem, value: Any, targets: Any, number: int, points, inside, distance):
    """Values and remainder terms at the points, with axes (family, point)."""
    t = jnp.zeros(())

    def of_member(p, v, following, inside, distance):
        def third(after: Any, z: Float[Array, " state"], far: Float[Array, " state"]):
            along = jax.grad(jax.grad(jax.grad(lambda s: after(t, p.state(z + s * far)))))
            return jnp.abs(along(jnp.zeros(()))) / 6.0

        def at(x, z, far):
            state = p.state(x)
            derivatives = p.derivatives(t, state, v)
            u = p.best_control(t, state, derivatives)
            jump = p.model.jumps()[number]
            remainder = jump.probabilities @ eqx.filter_vmap(third)(following, z, far)
            return derivatives.value, jump.intensity(t, state, u) * remainder

        return jax.vmap(at)(points, jnp.swapaxes(inside, 0, 1), jnp.swapaxes(distance, 0, 1))

    return eqx.filter_vmap(of_member)(problem, value, targets, inside, distance)
