"""The distribution of collocation points."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ...models import HJBProblem
from ..base import check_whole
from ..collocation import CollocationWorkspace
from ._network_basis import NetworkBasis

SAMPLING = ("sobol", "uniform", "residual", "trajectories")
# Candidates per point of residual-based sampling (Wu et al. 2023, doi:10.1016/j.cma.2022.115671, with k = c = 1).
_CANDIDATES = 4
_APART = 1_000_000  # offset of the draw indices of candidates, so that they differ from all others
# Number and length (yr) of the steps of the trajectories, on which half of the points lie. Every other trajectory starts at the
# initial state of simulations. With all starts in the region, the errors of social costs along optimal paths of `net_zero` before
# both jumps were 1.7 and 2.8 %; they are now 0.6 to 1.3 % (docs/solvers/neural.md).
_STEPS, _YEARS = 20, 4.0
_FAR = 0.1  # largest drift of a step relative to the region: longer explicit steps of fast states would overshoot


class Sampler(eqx.Module):
    """The distribution of the collocation points.

    **Arguments:**

    - `method`: `sobol`, `uniform`, `residual` or `trajectories`.
    - `points`: number of points inside the box; 0 for a default by number of states.
    - `focus`: fraction of the points that is distributed over the region of interest.
    - `resample`: number of training steps between draws.

    **Raises:** `ValueError` if an option is out of its range.
    """

    method: str = eqx.field(static=True)
    points: int = eqx.field(static=True)
    focus: float = eqx.field(static=True)
    resample: int = eqx.field(static=True)

    def __check_init__(self):
        check_whole("points", self.points, 0)
        check_whole("resample", self.resample, 1)
        if not 0.0 <= self.focus < 1.0:
            raise ValueError(f"`solver.focus` is {self.focus}; it must be in [0, 1).")
        if self.method not in SAMPLING:
            raise ValueError(f"`solver.sampling` is {self.method!r}; it must be one of {', '.join(SAMPLING)}.")

    def is_due(self, steps: int) -> bool:
        """Whether new points are drawn after so many training steps."""
        return steps % self.resample == 0

    def fresh_points(
        self,
        workspace: CollocationWorkspace[NetworkBasis],
        unknowns: Float[np.ndarray, "network unknown"],
        draw: int,
    ) -> Float[np.ndarray, "point state"]:
        """Points inside the box for a draw; two of the methods depend on the current networks."""
        basis, problem = workspace.basis, workspace.problem
        rng = np.random.default_rng(draw)
        fresh = basis.redrawn(draw).interior
        low, high = np.array(problem.domain).T
        if self.method == "uniform":
            return rng.uniform(low, high, fresh.shape)
        if self.method == "residual":
            draws = [fresh, *(basis.redrawn(_APART + draw * _CANDIDATES + k).interior for k in range(1, _CANDIDATES))]
            candidates = np.concatenate(draws)
            size = np.sqrt(np.mean(_equation(workspace, unknowns, candidates).residual ** 2, axis=0))
            density = size / np.mean(size) + 1.0
            return candidates[rng.choice(len(candidates), len(fresh), replace=False, p=density / np.sum(density))]
        if self.method == "trajectories":
            fresh[::2] = _travelled(workspace, unknowns, len(fresh[::2]), rng)
        return fresh


def _travelled(
    workspace: CollocationWorkspace[NetworkBasis],
    unknowns: Float[np.ndarray, "network unknown"],
    count: int,
    rng: np.random.Generator,
) -> Float[np.ndarray, "point state"]:
    """Positions of optimally controlled states of the members after a random time."""
    problem, index = workspace.problem, np.arange(count)
    (region_low, region_high), (low, high) = np.array(problem.region).T, np.array(problem.domain).T
    member = index % workspace.family
    initial_states, x = _starts(problem)[member], rng.uniform(region_low, region_high, (count, len(low)))
    from_initial_state = (index // workspace.family % 2 == 0) & np.all(
        (initial_states >= low) & (initial_states <= high), axis=1
    )
    x = np.where(from_initial_state[:, None], initial_states, x)
    stop = rng.integers(0, _STEPS, count)
    for step in range(_STEPS):
        local = _equation(workspace, unknowns, x)
        # the linearisation stores half the variance
        variance = 2.0 * np.maximum(np.einsum("naa->na", local.variance[member, index]), 0.0)
        drift = local.drift[member, index]
        speed = np.max(np.abs(drift) / (region_high - region_low), axis=1)
        dt = np.minimum(_YEARS, _FAR / np.maximum(speed, 1e-300))[:, None]
        move = drift * dt + np.sqrt(variance * dt) * rng.standard_normal(x.shape)
        x = np.where((step < stop)[:, None], np.clip(x + move, low, high), x)
    return x


def _starts(problem: HJBProblem) -> Float[np.ndarray, "family state"]:
    """The initial states of the members."""
    return np.asarray(eqx.filter_vmap(lambda model: jnp.stack(model.initial_state()))(problem.model))


def _equation(workspace: CollocationWorkspace[NetworkBasis], unknowns: np.ndarray, points: np.ndarray):
    derivatives = workspace.basis.differentiate_at(unknowns, points)
    return workspace.equation(points, derivatives, workspace.after_at(points, unknowns))
