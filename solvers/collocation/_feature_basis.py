"""The basis of the feature solver, with coefficients from a linear least-squares problem at scattered points."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg as sla
from jaxtyping import Float

from ...models import HJBProblem
from ..equation import Local
from ._collocation_workspace import CollocationWorkspace
from ._feature_map import FeatureMap, FeatureValue, combine, make_features, operate
from ._scattered import AbstractScattered

# Relative singular value below which directions of the coefficients count as undetermined.
_RANK = 1e-13


class LeastSquares(AbstractScattered):
    """Features of the state, and the linear least-squares problem for their coefficients."""

    def __init__(self, problem: HJBProblem, features: FeatureMap, oversampling: float):
        self.features = features
        self.size = len(features.axes) + len(features.weights)
        super().__init__(problem, features.box, int(np.ceil(oversampling * self.size)))
        self.parts = features.parts(self.points, np)

    def differentiate(self, unknowns):
        return self._combine(unknowns, self.parts)

    def differentiate_at(self, unknowns, points):
        return self._combine(unknowns, self.features.parts(points, np))

    def _combine(self, unknowns, parts):
        combined = [combine(self.features, parts, c, np) for c in unknowns]
        values, slopes, hessians = (np.stack(part) for part in zip(*combined, strict=True))
        return values, slopes, hessians

    def values_at(self, unknowns, points):
        return unknowns @ values_of(self.features, points).T

    def fit(self, values):
        matrix = values_of(self.features, self.points)
        return np.stack([truncated(matrix, v) for v in values])

    # -- the least-squares problem ----------------------------------------------------------------------------

    def correct(self, local, unknowns, residuals, scale, shift):
        matrices = [self.system(local, f, scale[f], shift[f]) for f in range(len(residuals))]
        if not self.landings:
            return np.stack([truncated(matrix, -y) for matrix, y in zip(matrices, residuals, strict=True)])
        systems = []
        for f, matrix in enumerate(matrices):
            joined = np.zeros((len(matrix), len(matrices), self.size))
            joined[:, f] = matrix
            for k, part in self.coupling(unknowns, local, f).items():
                joined[: len(part), k] += part
            systems.append(joined.reshape(len(matrix), -1))
        return truncated(np.concatenate(systems), -residuals.ravel()).reshape(unknowns.shape)

    def system(self, local: Local, member: int, scale: float, shift: float = 0.0) -> Float[np.ndarray, "row feature"]:
        """Rows of the linearised equation of one member and of the conditions on known slopes."""
        discount, drift, variance = (leaf[member] for leaf in (local.discount, local.drift, local.variance))
        rows = [operate(self.features, self.parts, discount - shift, drift, variance)]
        for a, side in self.closed:
            rows.append(scale * np.ptp(self.problem.domain[a]) * self.face_rows(a, side))
        return np.concatenate(rows)

    def answers(self, workspace, unknowns, local, sources):
        del unknowns
        points, responses = self.points, []
        right_sides, scale = sources(local), workspace.discount_rate
        for f, right in enumerate(right_sides):
            rows = self.system(local, f, scale[f])
            extended = np.zeros((len(rows), len(right)))
            extended[: len(points)] = right.T
            responses.append(damped_answers(rows, extended).T @ values_of(self.features, points).T)
        return points, np.stack(responses)

    def following(self, workspace, unknowns, local):
        del local
        return follow_layers(workspace, unknowns)

    def equation_of(self, workspace: CollocationWorkspace, unknowns: Float[np.ndarray, "family unknown"]) -> Local:
        """The equation of a solution on another basis, at the points of these features."""
        derivatives = workspace.basis.differentiate_at(unknowns, self.points)
        local = workspace.equation(self.points, derivatives, workspace.after_at(self.points, unknowns))
        return workspace.without_known(local, self.on_face)

    def landed_rows(self, unknowns, member, weight, inside, distance):
        del unknowns, member  # the value is linear in the unknowns, and all members have the same features
        parabola = 0.5 * weight[:, None, None] * distance[:, :, None] * distance[:, None, :]
        parts = self.features.parts(inside, np)
        return operate(self.features, parts, weight, weight[:, None] * distance, parabola)

    def face_rows(self, axis: int, side: int) -> np.ndarray:
        """The slope of every feature at the points of a face."""
        is_on_face = self.on_face(axis, side)
        parts = self.features.parts(self.points[is_on_face], np)
        n, d = int(is_on_face.sum()), self.dimension
        drift = np.zeros((n, d))
        drift[:, axis] = 1.0
        return operate(self.features, parts, np.zeros(n), drift, np.zeros((n, d, d)))

    # -- the value function -----------------------------------------------------------------------------------------

    def value(self, unknowns):
        def stacked(leaf):
            return jnp.asarray(np.broadcast_to(leaf, (len(unknowns), *np.shape(leaf))))

        return FeatureValue(jnp.asarray(unknowns), jax.tree.map(stacked, self.features))


# Largest number of features in the test for a unique solution, and their largest degree.
_PLAIN, _HIGHEST = 600, 24
# Degree of the features that measure the response of slopes to noise across a constraint. With many more functions, the least-squares
# solution treats layers as rounding. Measured with networks on linear-quadratic problems of one state: responses of up to 0.08 if the
# solution is correct and from 0.8 if a layer falsifies it; with degree 16 up to 7 and from 600.
_FOLLOWING = 8


def plain_features(problem: HJBProblem, highest: int = _HIGHEST) -> LeastSquares:
    """Chebyshev products of all states, with the largest total degree (up to `highest`) that keeps the number of features moderate."""
    dimension = len(problem.region)
    degree = max((n for n in range(2, highest + 1) if math.comb(dimension + n, n) <= _PLAIN), default=1)
    return LeastSquares(problem, make_features(problem.region, problem.domain, degree, 0, 0, 0), 2.0)


def follow_layers(
    workspace: CollocationWorkspace, unknowns: Float[np.ndarray, "family unknown"]
) -> tuple[LeastSquares, Local]:
    """A small feature basis, and the equation of a solution at its points: see `AbstractBasis.following`."""
    features = plain_features(workspace.problem, _FOLLOWING)
    return features, features.equation_of(workspace, unknowns)


def values_of(features: FeatureMap, points: np.ndarray) -> np.ndarray:
    """Values of all features at all points."""
    n, d = points.shape
    return operate(features, features.parts(points, np), np.ones(n), np.zeros((n, d)), np.zeros((n, d, d)))


def damped_answers(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Least squares with a damping at the level of rounding, which keeps weakly determined directions."""
    size = np.linalg.norm(matrix, axis=0)
    size = np.where(size > 0.0, size, 1.0)
    scaled, n = matrix / size, matrix.shape[1]
    damping = _RANK * np.linalg.norm(scaled)
    q, triangle = np.linalg.qr(np.concatenate([scaled, damping * np.eye(n)]))
    below = np.concatenate([right, np.zeros((n, right.shape[1]))])
    return (sla.solve_triangular(triangle, q.T @ below, check_finite=False).T / size).T


def truncated(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Least squares by QR of the scaled columns and a rank-revealing factorisation of the triangular factor."""
    if not (np.all(np.isfinite(matrix)) and np.all(np.isfinite(right))):
        return np.full(matrix.shape[1], np.nan)
    size = np.linalg.norm(matrix, axis=0)
    size = np.where(size > 0.0, size, 1.0)
    n = matrix.shape[1]
    extended = np.concatenate([matrix / size, right[:, None]], axis=1)
    triangle = np.asarray(np.linalg.qr(extended, mode="r"))
    solution: Any = sla.lstsq(triangle[:n, :n], triangle[:n, n], cond=_RANK, lapack_driver="gelsy", check_finite=False)
    return solution[0] / size
