"""Detection of time-like states, which have no noise and a drift of one sign for all controls."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.stats import qmc

from ...models import HJBProblem
from ..base import compiled

_SAMPLES = 256


class Transport(NamedTuple):
    """Drift and noise of every state in all members of a family."""

    signs: tuple[int, ...]  # sign of the drift if the state is time-like, otherwise 0
    quiet: tuple[bool, ...]  # whether the state has no noise
    outweighs: tuple[
        float, ...
    ]  # median of drift over variance; multiplied by the cell size, the Peclet number of the cell


def time_like_states(problem: HJBProblem) -> Transport:
    """The time-like states, the states without noise, and the ratio of drift to noise.

    For example, cumulative emissions never decrease and have no noise: values depend only on values downstream, so that a solver may
    march. The detection evaluates drift and diffusion at states and controls spread over their bounds.
    """
    signs, quiet, transport = [], [], []
    for b, s in zip(*sample_motion(problem), strict=True):
        still = not np.any(s) and np.all(np.isfinite(b)) and np.any(b)
        signs.append(int(still and np.all(b >= 0)) - int(still and np.all(b <= 0)))
        quiet.append(not np.any(s))
        # the drift depends on the member of the climate ensemble, the noise does not
        speed = np.abs(b).reshape(b.shape[0], b.shape[1], -1).mean(axis=2)
        variance = np.sum(s**2, axis=-1)
        noisy = (variance > 0.0) & np.isfinite(speed)
        transport.append(float(np.median(speed[noisy] / variance[noisy])) if np.any(noisy) else np.inf)
    return Transport(tuple(signs), tuple(quiet), tuple(transport))


def sample_motion(
    problem: HJBProblem,
    states: Float[np.ndarray, "sample state"] | None = None,
    controls: Float[np.ndarray, "sample control"] | None = None,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Drift and noise of every state in all members of a family, at given states and controls or at points within their bounds."""
    model = problem.model
    if states is None or controls is None:
        bounds = [*problem.domain, *((c.low, c.high) for c in model.controls)]
        low, high = (np.array([b[n] for b in bounds], dtype=float) for n in (0, 1))
        sample = between(low, high, qmc.Sobol(len(bounds), scramble=False).random(_SAMPLES))
        states, controls = sample[:, : len(problem.region)], sample[:, len(problem.region) :]
    x = type(model.states)(*jnp.asarray(states.T))
    u = type(model.controls)(*jnp.asarray(controls.T))
    drift, diffusion = _evaluate(model, x, u)
    return [np.asarray(b) for b in drift], [np.asarray(s) for s in diffusion]


@compiled
def _evaluate(model, x, u):
    t = jnp.zeros(())

    def of_member(m):
        def at(x, u):
            drift = jax.vmap(lambda climate: m.drift(t, x, u, climate))(m.climates)
            return drift, m.diffusion(t, x, u)

        return jax.vmap(at)(x, u)

    return eqx.filter_vmap(of_member)(model)


def between(
    low: Float[np.ndarray, " variable"],
    high: Float[np.ndarray, " variable"],
    shares: Float[np.ndarray, "point variable"],
) -> Float[np.ndarray, "point variable"]:
    """Points between bounds. With an infinite bound, most points lie near the other bound, or near zero if both are infinite."""
    below, above = np.isfinite(low), np.isfinite(high)
    outward = shares / (1.0 - np.minimum(shares, 1.0 - 1e-6))
    inward = (1.0 - shares) / np.maximum(shares, 1e-6)
    start, end = np.where(below, low, 0.0), np.where(above, high, 0.0)
    half = np.where(below, start + outward, end - outward)
    one = np.where(below | above, half, outward - inward)
    return np.where(below & above, start + (end - start) * shares, one)
