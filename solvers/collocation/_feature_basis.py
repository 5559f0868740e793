"""The basis of the feature solver: a linear least-squares problem at scattered points."""

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

# Directions of the coefficients that the points determine no better than this are left alone.
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
        found = [combine(self.features, parts, c, np) for c in unknowns]
        values, slopes, hessians = (np.stack(part) for part in zip(*found, strict=True))
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
        """The equation of one member, linearised, and what is known about slopes."""
        discount, drift, variance = (leaf[member] for leaf in (local.discount, local.drift, local.variance))
        rows = [operate(self.features, self.parts, discount - shift, drift, variance)]
        for a, side in self.closed:
            rows.append(scale * np.ptp(self.problem.domain[a]) * self.face_rows(a, side))
        return np.concatenate(rows)

    def answers(self, workspace, unknowns, local, sources):
        del unknowns
        points, found = self.points, []
        rights, scale = sources(local), workspace.discount_rate
        for f, right in enumerate(rights):
            rows = self.system(local, f, scale[f])
            whole = np.zeros((len(rows), len(right)))
            whole[: len(points)] = right.T
            found.append(damped_answers(rows, whole).T @ values_of(self.features, points).T)
        return points, np.stack(found)

    def following(self, workspace, unknowns, local):
        del local
        return follow_layers(workspace, unknowns)

    def equation_of(self, workspace: CollocationWorkspace, unknowns: Float[np.ndarray, "family unknown"]) -> Local:
        """The equation, at the points of these features, of a solution on another basis."""
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
        on = self.on_face(axis, side)
        parts = self.features.parts(self.points[on], np)
        n, d = int(on.sum()), self.dimension
        drift = np.zeros((n, d))
        drift[:, axis] = 1.0
        return operate(self.features, parts, np.zeros(n), drift, np.zeros((n, d, d)))

    # -- what comes out -----------------------------------------------------------------------------------------

    def value(self, unknowns):
        def stacked(leaf):
            return jnp.asarray(np.broadcast_to(leaf, (len(unknowns), *np.shape(leaf))))

        return FeatureValue(jnp.asarray(unknowns), jax.tree.map(stacked, self.features))


# Most features that say whether an equation has one answer, and their largest degree.
_PLAIN, _HIGHEST = 600, 24
# Degree of those that tell how strongly slopes respond to noise across a constraint: with many more functions least squares take
# layers for rounding. Measured with networks on linear-quadratic problems of one state: responses of up to 0.08 where the
# solution is right and from 0.8 where a layer makes it wrong, with degree 16 up to 7 and from 600.
_FOLLOWING = 8


def plain_features(problem: HJBProblem, highest: int = _HIGHEST) -> LeastSquares:
    """Products of all states, of as high a total degree (up to `highest`) as a moderate number of features allows."""
    dimension = len(problem.region)
    degree = max((n for n in range(2, highest + 1) if math.comb(dimension + n, n) <= _PLAIN), default=1)
    return LeastSquares(problem, make_features(problem.region, problem.domain, degree, 0, 0, 0), 2.0)


def follow_layers(
    workspace: CollocationWorkspace, unknowns: Float[np.ndarray, "family unknown"]
) -> tuple[LeastSquares, Local]:
    """Few features, and the equation of a solution at their points: see `AbstractBasis.following`."""
    features = plain_features(workspace.problem, _FOLLOWING)
    return features, features.equation_of(workspace, unknowns)


def values_of(features: FeatureMap, points: np.ndarray) -> np.ndarray:
    """All features at all points."""
    n, d = points.shape
    return operate(features, features.parts(points, np), np.ones(n), np.zeros((n, d)), np.zeros((n, d, d)))


def damped_answers(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Least squares with a damping at the edge of rounding: directions that hardly matter are not left alone."""
    size = np.linalg.norm(matrix, axis=0)
    size = np.where(size > 0.0, size, 1.0)
    scaled, n = matrix / size, matrix.shape[1]
    damping = _RANK * np.linalg.norm(scaled)
    q, triangle = np.linalg.qr(np.concatenate([scaled, damping * np.eye(n)]))
    below = np.concatenate([right, np.zeros((n, right.shape[1]))])
    return (sla.solve_triangular(triangle, q.T @ below, check_finite=False).T / size).T


def truncated(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Least squares by QR of the scaled columns, then a rank-revealing factorisation of the small triangle."""
    if not (np.all(np.isfinite(matrix)) and np.all(np.isfinite(right))):
        return np.full(matrix.shape[1], np.nan)
    size = np.linalg.norm(matrix, axis=0)
    size = np.where(size > 0.0, size, 1.0)
    n = matrix.shape[1]
    both = np.concatenate([matrix / size, right[:, None]], axis=1)
    triangle = np.asarray(np.linalg.qr(both, mode="r"))
    found: Any = sla.lstsq(triangle[:n, :n], triangle[:n, n], cond=_RANK, lapack_driver="gelsy", check_finite=False)
    return found[0] / size
