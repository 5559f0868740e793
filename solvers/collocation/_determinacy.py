"""Whether the equation and its closures determine the value function, or only the functions in which it is sought."""

import numpy as np
from jaxtyping import Float

from ..equation import Local
from ._collocation_workspace import CollocationWorkspace

# Right-hand sides that are tried, and how many times their size over the rate of discounting an answer may have. By the maximum
# principle it has no more than once where the state is kept inside. Measured on linear-quadratic problems, up to 5 where the solution
# is right, and where noise across state constraints leaves it open from 120 with nine functions and from 1e5 with twenty-five.
_SOURCES, LOOSE = 8, 100.0
# Of the region the inner half counts, within this share of its length from the middle: where drift points in, what noise carries in
# over a face dies off from there, and smoothness is right about the rest.
_INNER = 0.25


def looseness(workspace: CollocationWorkspace, unknowns: Float[np.ndarray, "family unknown"], local: Local) -> float:
    r"""How large values in the middle of the region are that solve the linearised equation for random right-hand sides of size $\rho$.

    The equation of a frozen policy, $\rho v = b\cdot v_x + \tfrac12\mathrm{tr}(\sigma\sigma^\top v_{xx}) + f$, has one solution where
    paths stay in the box, no larger than $f/\rho$. Where they leave it, and no face says what is found outside, solutions with $f = 0$
    may be added at will. With enough functions to follow these every answer has a residual of zero: which one an iteration returns is
    a matter of its start. `local` is the equation at the points of the basis.
    """
    delta, rng = workspace.discount_rate[:, None], np.random.default_rng(0)

    def sources(local: Local) -> np.ndarray:
        rates = np.maximum(-local.discount, delta)
        return rates[:, None] * np.sign(rng.standard_normal((_SOURCES, rates.shape[1])))

    points, answers = workspace.basis.answers(workspace, unknowns, local, sources)
    low, high = np.array(workspace.problem.region).T
    inside = np.all(np.abs(points - 0.5 * (low + high)) <= _INNER * (high - low), axis=1)
    if inside.any():  # of many states there may be no point
        answers = answers[..., inside]
    if not np.all(np.isfinite(answers)):
        return np.inf
    return float(np.max(np.sqrt(np.mean(answers**2, axis=1))))
