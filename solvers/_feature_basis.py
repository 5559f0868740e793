"""The basis of the feature solver: a linear least-squares problem at scattered points."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg as sla

from ..models import HJBProblem
from ._feature_map import FeatureMap, FeatureValue, combine, operate
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
        moves, systems = [], []
        for f, residual in enumerate(residuals):
            rows = [operate(self.features, self.parts, local.discount[f] - shift[f], local.drift[f], local.variance[f])]
            for a, side in self.closed:
                length = np.ptp(self.problem.domain[a])
                rows.append(scale[f] * length * self.face_rows(a, side))
            if not self.landings:
                moves.append(truncated(np.concatenate(rows), -residual))
                continue
            own, joined = np.concatenate(rows), np.zeros((len(residual), len(residuals), self.size))
            joined[:, f] = own
            for k, part in self.coupling(unknowns, local, f).items():
                joined[: len(part), k] += part
            systems.append(joined.reshape(len(residual), -1))
        if systems:
            return truncated(np.concatenate(systems), -residuals.ravel()).reshape(unknowns.shape)
        return np.stack(moves)

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


def values_of(features: FeatureMap, points: np.ndarray) -> np.ndarray:
    """All features at all points."""
    n, d = points.shape
    return operate(features, features.parts(points, np), np.ones(n), np.zeros((n, d)), np.zeros((n, d, d)))


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
