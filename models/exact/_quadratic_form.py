"""The coefficients of a linear-quadratic problem, and its value function from the Riccati equation."""

import abc
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
from jaxtyping import Float

from ..equation import ClosedFormControl

# Relative size below which a direction counts as unobserved; only exact zeros are intended.
_UNSEEN = 1e-13
# A stable subspace whose upper block is worse conditioned than this is not the graph of a solution.
_DEGENERATE = 1e12
# Relative distance of an eigenvalue from the boundary of stability, and of a quadratic form from being non-negative.
_MARGIN = 1e-10
# Largest remainder of the Riccati equation, relative to its terms.
_REMAINDER = 1e-6
# Largest share by which an unstable mode may enter the linear part of the flow: rounding.
_ROUNDING = 1e-10
# Interval of factors on the aversion in which the breakdown of robustness is searched, and number of bisections.
_WEAKEST, _STRONGEST, _BISECTIONS = 1e-12, 1e12, 90
# Number of times, in units of the slowest rate of the closed loop, at which the Riccati flow of an indefinite cost is checked.
_TIMES = 200


class InfiniteValueError(ValueError):
    """A linear-quadratic problem has no finite value."""


class QuadraticSolution(NamedTuple):
    r"""$V(x) = -\tfrac12x^\top Px + p^\top x + c$ and $u(x) = k - Kx$."""

    matrix: Float[np.ndarray, "state state"]
    linear: Float[np.ndarray, " state"]
    constant: float
    gain: Float[np.ndarray, "control state"]
    offset: Float[np.ndarray, " control"]
    closed_loop: Float[np.ndarray, "state state"]  # Jacobian of the drift under the policy and the worst case


class QuadraticForm(NamedTuple):
    r"""The coefficients of a linear-quadratic problem.

    $$dx = (m + Ax + Bu)\,dt + S\,dW,\qquad U = k + q^\top x + r^\top u - \tfrac12x^\top Qx - x^\top Nu - \tfrac12u^\top Ru,$$

    discounted at $\delta$, with the aversions $a_i$ to misspecification of the shocks and the excess $\gamma-1$ of risk aversion over
    logarithmic utility.
    """

    transition: Float[np.ndarray, "state state"]  # A
    loading: Float[np.ndarray, "state control"]  # B
    intercept: Float[np.ndarray, " state"]  # m
    volatility: Float[np.ndarray, "state shock"]  # S
    state_cost: Float[np.ndarray, "state state"]  # Q
    control_cost: Float[np.ndarray, "control control"]  # R
    cross_cost: Float[np.ndarray, "state control"]  # N
    state_reward: Float[np.ndarray, " state"]  # q
    control_reward: Float[np.ndarray, " control"]  # r
    constant: float  # k
    aversion: Float[np.ndarray, " shock"]
    discount_rate: float
    excess_risk_aversion: float = 0.0

    def with_aversion(self, factor: float) -> "QuadraticForm":
        """The problem with the aversions multiplied by a factor; for a neutral planner, with this aversion to every shock."""
        direction = self.aversion if np.any(self.aversion > 0.0) else np.ones_like(self.aversion)
        return self._replace(aversion=factor * direction)

    @property
    def doubt(self) -> Float[np.ndarray, "state state"]:
        r"""$G = S\,\mathrm{diag}(a + \gamma - 1)\,S^\top$: robustness and risk aversion subtract $\tfrac12V_x^\top GV_x$."""
        return (self.volatility * (self.aversion + self.excess_risk_aversion)) @ self.volatility.T

    def solve(self) -> QuadraticSolution:
        """The value function and the optimal policy.

        **Raises:** `InfiniteValueError` if the value is not finite.
        """
        root = self._root()
        r_inverse = np.linalg.inv(self.control_cost)
        gain = r_inverse @ (self.loading.T @ root + self.cross_cost.T)
        closed = self.transition - self.loading @ gain + self.doubt @ root
        source = self.state_reward - root @ self.intercept - gain.T @ self.control_reward
        linear = _resolve(closed.T - self.discount_rate * np.eye(len(root)), source)
        offset = r_inverse @ (self.loading.T @ linear + self.control_reward)
        flow = (
            self.constant
            + linear @ self.intercept
            + 0.5 * offset @ self.control_cost @ offset
            - 0.5 * linear @ self.doubt @ linear
            - 0.5 * np.sum((self.volatility @ self.volatility.T) * root)
        )
        return QuadraticSolution(root, linear, float(flow / self.discount_rate), gain, offset, closed)

    def has_value(self) -> bool:
        """Whether the value is finite."""
        try:
            self.solve()
        except InfiniteValueError:
            return False
        return True

    def breakdown(self) -> float:
        r"""The largest factor on the aversions with a finite value; infinity if every factor has one, 0 if none has.

        The value decreases in the aversion, so that the factors with a finite value form an interval.
        """
        low, high = _WEAKEST, _STRONGEST
        if not self.with_aversion(low).has_value():
            return 0.0
        if self.with_aversion(high).has_value():
            return np.inf
        for _ in range(_BISECTIONS):
            middle = np.sqrt(low * high)
            low, high = (middle, high) if self.with_aversion(middle).has_value() else (low, middle)
            if high <= low * (1.0 + 1e-13):
                break
        return float(low)

    def _root(self) -> Float[np.ndarray, "state state"]:
        r"""$P$: the limit of the costs of ever longer horizons.

        With $\tilde A = A - BR^{-1}N^\top - \tfrac\delta2I$, $\tilde Q = Q - NR^{-1}N^\top$ and $\Gamma = BR^{-1}B^\top - G$
        it solves $\tilde A^\top P + P\tilde A - P\Gamma P + \tilde Q = 0$. In directions without a direct or indirect cost
        $P = 0$, even if the state grows there; in the others $P$ is the stabilising root. The costs of a finite horizon $T$ are
        $P - e^{\Phi^\top T}P(I - W(T)P)^{-1}e^{\Phi T}$, with $\Phi = \tilde A - \Gamma P$ and
        $W(T) = \int_0^Te^{\Phi t}\Gamma e^{\Phi^\top t}dt$: they are finite if the inverse exists for every $T$, which is
        equivalent to $P\ge0$ if $\tilde Q\ge0$.
        """
        r_inverse = np.linalg.inv(self.control_cost)
        n = len(self.transition)
        a = self.transition - self.loading @ r_inverse @ self.cross_cost.T - 0.5 * self.discount_rate * np.eye(n)
        cost = self.state_cost - self.cross_cost @ r_inverse @ self.cross_cost.T
        gain = self.loading @ r_inverse @ self.loading.T - self.doubt
        basis = _observed(a, cost)
        projection = basis.T
        root = _stabilising(projection @ a @ basis, projection @ gain @ basis, projection @ cost @ basis)
        return basis @ root @ projection


def _ordered_schur(matrix: np.ndarray) -> tuple[Any, Any, Any]:
    """Triangle and basis of the real Schur form with decaying modes first, and the number of decaying modes."""
    ordered: Any = scipy.linalg.schur(matrix, sort="lhp")
    return ordered


def _observed(a: np.ndarray, cost: np.ndarray) -> Float[np.ndarray, "state observed"]:
    """An orthonormal basis of the observable subspace, whose directions have a direct or an indirect cost."""
    basis = np.zeros((len(a), 0))
    rows, size = cost.T, np.linalg.norm(cost)
    while size > 0.0:
        rest = rows - basis @ (basis.T @ rows)
        vectors, sizes, _ = np.linalg.svd(rest, full_matrices=False)
        new = vectors[:, sizes > _UNSEEN * size]
        basis = np.linalg.qr(np.concatenate([basis, new], axis=1))[0]
        if not new.shape[1] or basis.shape[1] == len(a):
            break
        rows, size = a.T @ new, np.linalg.norm(a) + 1e-300
    return np.eye(len(a)) if basis.shape[1] == len(a) else basis


def _stabilising(a: np.ndarray, gain: np.ndarray, cost: np.ndarray) -> Float[np.ndarray, "state state"]:
    """The stabilising root, if the costs of finite horizons converge to it."""
    n = len(a)
    if not n:
        return np.zeros((0, 0))
    # Units of the states in which costs and gains have the same norm give the best-conditioned subspace.
    sizes = np.linalg.norm(cost), np.linalg.norm(gain)
    unit = np.sqrt(sizes[0] / sizes[1]) if min(sizes) > 0.0 else 1.0
    gain, cost = gain * unit, cost / unit
    hamiltonian = np.block([[a, -gain], [-cost, -a.T]])
    scale = np.linalg.norm(hamiltonian)
    eigenvalues = np.linalg.eigvals(hamiltonian)
    if np.sum(eigenvalues.real < -_MARGIN * scale) != n:
        raise InfiniteValueError("no stabilising root")
    _, vectors, _ = _ordered_schur(hamiltonian)
    upper, lower = vectors[:n, :n], vectors[n:, :n]
    if np.linalg.cond(upper) > _DEGENERATE:
        raise InfiniteValueError("no stabilising root")
    root = np.linalg.solve(upper.T, lower.T).T
    root = 0.5 * (root + root.T)
    for _ in range(2):  # Newton steps remove the rounding of the subspace
        remainder = a.T @ root + root @ a - root @ gain @ root + cost
        root = root + scipy.linalg.solve_continuous_lyapunov((a - gain @ root).T, -remainder)
        root = 0.5 * (root + root.T)
    terms = np.linalg.norm(a.T @ root) + np.linalg.norm(root @ gain @ root) + np.linalg.norm(cost)
    remainder = np.linalg.norm(a.T @ root + root @ a - root @ gain @ root + cost)
    closed = a - gain @ root
    if not remainder <= _REMAINDER * terms or np.max(np.linalg.eigvals(closed).real) >= 0.0:
        raise InfiniteValueError("no stabilising root")
    if np.min(np.linalg.eigvalsh(cost)) >= -_MARGIN * np.linalg.norm(cost):
        finite = np.min(np.linalg.eigvalsh(root)) >= -_MARGIN * np.linalg.norm(root)
    else:
        finite = _never_escapes(closed, gain, root)
    if not finite:
        raise InfiniteValueError("costs of finite horizons do not tend to the stabilising root")
    return root * unit


def _never_escapes(closed: np.ndarray, gain: np.ndarray, root: np.ndarray) -> bool:
    """Whether the costs of every finite horizon are finite; the cost of the state may be negative."""
    n = len(root)
    limit = scipy.linalg.solve_continuous_lyapunov(closed, -gain)
    slowest = -np.max(np.linalg.eigvals(closed).real)
    for time in np.geomspace(1e-3, 40.0, _TIMES) / slowest:
        step = scipy.linalg.expm(closed * time)
        gramian = limit - step @ limit @ step.T
        if np.linalg.det(np.eye(n) - gramian @ root) <= 0.0:
            return False
    return True


def _resolve(matrix: np.ndarray, source: np.ndarray) -> Float[np.ndarray, " state"]:
    """The limit of $p' = Mp + s$ from zero, which exists if $s$ does not excite growing modes of $M$."""
    triangle, vectors, stable = _ordered_schur(matrix)
    modes = vectors.T @ source
    if np.any(np.abs(modes[stable:]) > _ROUNDING * (np.max(np.abs(source)) + 1e-300)):
        raise InfiniteValueError("a linear term grows faster than it is discounted")
    return vectors[:, :stable] @ np.linalg.solve(triangle[:stable, :stable], -modes[:stable])


class QuadraticModel(ClosedFormControl):
    """A linear-quadratic model that gives its coefficients."""

    @abc.abstractmethod
    def quadratic_form(self) -> QuadraticForm:
        """The coefficients, of one model (not of a family)."""
