"""Whether a solution hangs on what lies beyond its box, where jumps that lead back land."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.stats import qmc

from ...models import HJBProblem, derivatives
from ..base import compiled
from ._coupled import filled, landings
from ._solution import on_host

# States of the region at which it is asked, and the error from which a solution is not believed.
_POINTS, MOST_BEYOND = 64, 1e-3


def left_beyond(problem: HJBProblem, value: Any) -> float:
    r"""An estimate of the error that landing beyond the box makes, relative to the range of the value; 0 if nothing lands there.

    Beyond the box a value goes on as a parabola. The next term of Taylor's series, $\lambda\sum_m\pi_m|d^3V^m(x^+_m)|/6$ with
    $d$ the distance to the box, is what the equation is off by; its root mean square over the region is divided by $\delta$.

    **Arguments:** `problem`: of a family, jumps that lead back not filled in. `value`: of its members, leaves stacked.
    """
    low, high = np.array(problem.region).T
    points = qmc.scale(qmc.Sobol(len(low), rng=7).random(_POINTS), low, high)
    known, missing, values = None, 0.0, np.zeros(())
    for landing in landings(problem, points):
        if not np.any(landing.distance):
            continue
        known = filled(problem, value) if known is None else known
        targets = on_host(lambda leaf, m=landing.members: leaf[m], value)
        places = jnp.asarray(landing.inside), jnp.asarray(landing.distance)
        values, terms = map(np.asarray, _terms(known, value, targets, landing.jump, jnp.asarray(points), *places))
        missing = missing + terms
    if known is None:
        return 0.0
    delta = np.asarray(problem.model.preferences.discount_rate).reshape(-1)
    size = np.maximum(np.ptp(values, axis=1), 1e-300)
    return float(np.max(np.sqrt(np.mean(np.square(missing), axis=1)) / delta / size))


@compiled
def _terms(problem: HJBProblem, value: Any, targets: Any, number: int, points, inside, distance):
    """Values at the points, and the terms that are missing there: family, point."""
    t = jnp.zeros(())

    def of_member(p, v, following, inside, distance):
        def third(after: Any, z: Float[Array, " state"], far: Float[Array, " state"]):
            along = jax.grad(jax.grad(jax.grad(lambda s: after(t, p.state(z + s * far)))))
            return jnp.abs(along(jnp.zeros(()))) / 6.0

        def at(x, z, far):
            state = p.state(x)
            level, costate, hessian = derivatives(t, state, v)
            u = p.best_control(t, state, level, costate, hessian, p.after(t, state))
            jump = p.model.jumps()[number]
            missing = jump.probabilities @ eqx.filter_vmap(third)(following, z, far)
            return level, jump.intensity(t, state, u) * missing

        return jax.vmap(at)(points, jnp.swapaxes(inside, 0, 1), jnp.swapaxes(distance, 0, 1))

    return eqx.filter_vmap(of_member)(problem, value, targets, inside, distance)
