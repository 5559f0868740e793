"""Test whether the equation and its closures determine the value function, independently of the basis."""

import numpy as np
from jaxtyping import Float

from ..equation import Local
from ._collocation_workspace import CollocationWorkspace

# Number of random right-hand sides, and the largest admissible ratio of the response to the right-hand side over the discounting. By
# the maximum principle the ratio is at most one if the state stays in the box. Measured on linear-quadratic problems: up to 5 if the
# solution is correct; if noise across state constraints leaves the solution undetermined, at least 120 with nine functions and 1e5
# with twenty-five.
_SOURCES, LOOSE = 8, 100.0
# Responses are measured in the inner half of the region, within this fraction of its length from the middle. Where the drift points
# inward, the influence of noise across a face decays towards the middle, and a smooth basis gives the correct solution there.
_INNER = 0.25


def looseness(workspace: CollocationWorkspace, unknowns: Float[np.ndarray, "family unknown"], local: Local) -> float:
    r"""Size, in the middle of the region, of the solutions of the linearised equation for random right-hand sides of size $\rho$.

    The equation of a frozen policy, $\rho v = b\cdot v_x + \tfrac12\mathrm{tr}(\sigma\sigma^\top v_{xx}) + f$, has a unique
    solution of at most $f/\rho$ if paths stay in the box. If paths leave the box and no condition at the face fixes the value outside,
    solutions with $f = 0$ may be added. On a basis that resolves them, all these solutions have a residual of zero, and the iteration
    returns one that depends on its start. `local` is the equation at the points of the basis.
    """
    delta, rng = workspace.discount_rate[:, None], np.random.default_rng(0)

    def sources(local: Local) -> np.ndarray:
        rates = np.maximum(-local.discount, delta)
        return rates[:, None] * np.sign(rng.standard_normal((_SOURCES, rates.shape[1])))

    points, responses = workspace.basis.answers(workspace, unknowns, local, sources)
    low, high = np.array(workspace.problem.region).T
    is_inner = np.all(np.abs(points - 0.5 * (low + high)) <= _INNER * (high - low), axis=1)
    if is_inner.any():  # with many states, no point may lie in the inner half
        responses = responses[..., is_inner]
    if not np.all(np.isfinite(responses)):
        return np.inf
    return float(np.max(np.sqrt(np.mean(responses**2, axis=1))))
