"""Where the next points are drawn."""

import numpy as np
from jaxtyping import Float

from ._collocation_workspace import CollocationWorkspace
from ._network_basis import NetworkBasis

SAMPLING = ("sobol", "uniform", "residual", "trajectories")
# Candidates per point of residual-based sampling (Wu et al. 2023, doi:10.1016/j.cma.2022.115671, whose k and c are 1).
_CANDIDATES = 4
_APART = 1_000_000  # their draws are none of the others
# Steps and length, yr, of the trajectories; half of the points lie on them.
_STEPS, _YEARS = 20, 2.0


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
        x, member, dt = fresh[::2], np.arange(len(fresh[::2])) % at.family, _YEARS
        near, far = np.array(problem.region).T
        x = rng.uniform(near, far, x.shape)
        stop, nth = rng.integers(0, _STEPS, len(x)), np.arange(len(x))
        for step in range(_STEPS):
            local = _equation(at, unknowns, x)
            drift, variance = local.drift[member, nth], local.variance[member, nth]
            # the linearisation holds half the variance of the equation
            noise = np.sqrt(2.0 * np.maximum(np.einsum("naa->na", variance), 0.0) * dt) * rng.standard_normal(x.shape)
            x = np.where((step < stop)[:, None], np.clip(x + drift * dt + noise, low, high), x)
        fresh[::2] = x
    return fresh


def _equation(at: CollocationWorkspace[NetworkBasis], unknowns: np.ndarray, points: np.ndarray):
    return at.equation(points, at.basis.differentiate_at(unknowns, points), at.after_at(points))
