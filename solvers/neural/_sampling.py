"""Where the next points are drawn."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ...models import HJBProblem
from ..collocation import CollocationWorkspace
from ._network_basis import NetworkBasis

SAMPLING = ("sobol", "uniform", "residual", "trajectories")
# Candidates per point of residual-based sampling (Wu et al. 2023, doi:10.1016/j.cma.2022.115671, whose k and c are 1).
_CANDIDATES = 4
_APART = 1_000_000  # their draws are none of the others
# Steps and length, yr, of the trajectories; half of the points lie on them. Every other one starts where simulations do: with all of
# them anywhere in the region, social costs along optimal paths of `net_zero` before both jumps were off by 1.7 and 2.8 %, now by .6 to
# 1.3 % (docs/neural.md).
_STEPS, _YEARS = 20, 4.0
_FAR = 0.1  # no step is longer than this share of the region: explicit steps of fast states would overshoot


def check_sampling(sampling: str) -> None:
    """**Raises:** `ValueError` if there is no such way."""
    if sampling not in SAMPLING:
        raise ValueError(f"`solver.sampling` is {sampling!r}; it must be one of {', '.join(SAMPLING)}.")


def fresh_points(
    sampling: str,
    at: CollocationWorkspace[NetworkBasis],
    unknowns: Float[np.ndarray, "network unknown"],
    draw: int,
) -> Float[np.ndarray, "point state"]:
    """Points inside the box for a draw, given what has been learnt so far."""
    basis, problem = at.basis, at.problem
    rng = np.random.default_rng(draw)
    fresh = basis.redrawn(draw).inside
    low, high = np.array(problem.domain).T
    if sampling == "uniform":
        return rng.uniform(low, high, fresh.shape)
    if sampling == "residual":
        draws = [fresh, *(basis.redrawn(_APART + draw * _CANDIDATES + k).inside for k in range(1, _CANDIDATES))]
        candidates = np.concatenate(draws)
        size = np.sqrt(np.mean(_equation(at, unknowns, candidates).residual ** 2, axis=0))
        chance = size / np.mean(size) + 1.0
        return candidates[rng.choice(len(candidates), len(fresh), replace=False, p=chance / np.sum(chance))]
    if sampling == "trajectories":
        fresh[::2] = _travelled(at, unknowns, len(fresh[::2]), rng)
    return fresh


def _travelled(
    at: CollocationWorkspace[NetworkBasis],
    unknowns: Float[np.ndarray, "network unknown"],
    count: int,
    rng: np.random.Generator,
) -> Float[np.ndarray, "point state"]:
    """Where the optimally controlled states of the members are after a random time."""
    problem, nth = at.problem, np.arange(count)
    (near, far), (low, high) = np.array(problem.region).T, np.array(problem.domain).T
    member = nth % at.family
    first, x = _starts(problem)[member], rng.uniform(near, far, (count, len(low)))
    begins = (nth // at.family % 2 == 0) & np.all((first >= low) & (first <= high), axis=1)
    x = np.where(begins[:, None], first, x)
    stop = rng.integers(0, _STEPS, count)
    for step in range(_STEPS):
        local = _equation(at, unknowns, x)
        # the linearisation holds half the variance of the equation
        variance = 2.0 * np.maximum(np.einsum("naa->na", local.variance[member, nth]), 0.0)
        drift = local.drift[member, nth]
        dt = np.minimum(_YEARS, _FAR / np.maximum(np.max(np.abs(drift) / (far - near), axis=1), 1e-300))[:, None]
        move = drift * dt + np.sqrt(variance * dt) * rng.standard_normal(x.shape)
        x = np.where((step < stop)[:, None], np.clip(x + move, low, high), x)
    return x


def _starts(problem: HJBProblem) -> Float[np.ndarray, "family state"]:
    """Where simulations of each member start."""
    return np.asarray(eqx.filter_vmap(lambda model: jnp.stack(model.initial_state()))(problem.model))


def _equation(at: CollocationWorkspace[NetworkBasis], unknowns: np.ndarray, points: np.ndarray):
    return at.equation(points, at.basis.differentiate_at(unknowns, points), at.after_at(points, unknowns))
