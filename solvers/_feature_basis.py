"""The basis of the feature solver: a linear least-squares problem at scattered points."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg as sla
from scipy.stats import qmc

from ..models import Growth, HJBProblem, Reflecting
from ._collocation_workspace import AbstractBasis
from ._feature_map import FeatureMap, FeatureValue, combine, operate

# Directions of the coefficients that the points determine no better than this are left alone.
_RANK = 1e-13
# Share of the points that lies on the faces, together.
_ON_FACES = 0.25
# Fresh points between those of the least-squares problem.
_FRESH = 256
# States that a grid shows.
_SHOWN = 4


class LeastSquares(AbstractBasis):
    """Features and low-discrepancy points, denser towards the faces as Chebyshev nodes are."""

    overdetermined = True

    def __init__(self, problem: HJBProblem, features: FeatureMap, oversampling: float):
        self.problem, self.features = problem, features
        self.size = len(features.axes) + len(features.weights)
        self.dimension = len(problem.region)
        count = int(np.ceil(oversampling * self.size))
        per_face = max(int(_ON_FACES * count / (2 * self.dimension)), 2 if self.dimension > 1 else 1)
        blocks, on = [self._scatter(count, 0)], [np.zeros((count, self.dimension, 2), dtype=bool)]
        for a in range(self.dimension):
            for side in (0, 1):
                block = self._scatter(per_face, 1 + 2 * a + side)
                block[:, a] = problem.domain[a][side]
                here = np.zeros((per_face, self.dimension, 2), dtype=bool)
                here[:, a, side] = True
                blocks.append(block)
                on.append(here)
        self.points, self.on = np.concatenate(blocks), np.concatenate(on)
        closures = problem.model.closures()
        self.closed = [
            (a, side)
            for a in range(self.dimension)
            for side in (0, 1)
            if isinstance(closures[a][side], (Growth, Reflecting))
        ]
        self.parts = features.parts(self.points, np)

    def _scatter(self, count: int, seed: int) -> np.ndarray:
        """Points in the box, with Chebyshev's density in the stretched coordinates."""
        unit = qmc.Sobol(self.dimension, rng=seed).random(1 << (count - 1).bit_length())[:count]
        s, f = -np.cos(np.pi * unit), self.features
        t = f.low + f.half * (1.0 + s)
        points = np.where(f.scale > 0.0, f.centre + f.scale * np.sinh(np.where(f.scale > 0.0, t, 0.0)), t)
        return np.clip(points, *np.array(self.problem.domain).T)

    def on_face(self, axis, side):
        return self.on[:, axis, side]

    def differentiate(self, unknowns):
        found = [combine(self.features, self.parts, c, np) for c in unknowns]
        values, slopes, hessians = (np.stack(part) for part in zip(*found, strict=True))
        return values, slopes, hessians

    def fit(self, values):
        matrix = values_of(self.features, self.points)
        return np.stack([truncated(matrix, v) for v in values])

    # -- the least-squares problem ----------------------------------------------------------------------------

    def residuals(self, local, unknowns, scale, known):
        """The equation at all points, and what is known about slopes, over the length of the box."""
        rows = [local.residual]
        if self.closed:
            slopes = self.differentiate(unknowns)[1]
            for a, side in self.closed:
                on, length = self.on_face(a, side), np.ptp(self.problem.domain[a])
                rows.append(scale[:, None] * length * (slopes[:, on, a] - known[a, side][:, on]))
        return np.concatenate(rows, axis=1)

    def correct(self, local, residuals, scale, shift):
        moves = []
        for f, residual in enumerate(residuals):
            rows = [operate(self.features, self.parts, local.discount[f] - shift[f], local.drift[f], local.variance[f])]
            for a, side in self.closed:
                length = np.ptp(self.problem.domain[a])
                rows.append(scale[f] * length * self.face_rows(a, side))
            moves.append(truncated(np.concatenate(rows), -residual))
        return np.stack(moves)

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

    def shown(self, unknowns):
        """A tensor grid of the first four states; of the others, in which arrays cannot have axes, the middle."""
        count = {1: 65, 2: 33, 3: 17}.get(self.dimension, 7)
        f, nodes = self.features, []
        for a, domain in enumerate(self.problem.domain[:_SHOWN]):
            t = f.low[a] + f.half[a] * (1.0 - np.cos(np.pi * np.arange(count) / (count - 1)))
            x = f.centre[a] + f.scale[a] * np.sinh(t) if f.scale[a] else t
            x[0], x[-1] = domain
            nodes.append(x)
        mesh = np.stack([m.ravel() for m in np.meshgrid(*nodes, indexing="ij")], axis=-1)
        middle = np.mean(self.problem.region[_SHOWN:], axis=1) if self.dimension > _SHOWN else np.zeros(0)
        mesh = np.concatenate([mesh, np.broadcast_to(middle, (len(mesh), len(middle)))], axis=1)
        shown = (*nodes, *(np.array([x]) for x in middle))
        return shown, (unknowns @ values_of(f, mesh).T).reshape(-1, *(len(x) for x in nodes))

    def unresolved(self, workspace, unknowns):
        """The residual on fresh points of the region, over delta and the range of V."""
        local = self.judged(workspace, unknowns)[1]
        relative = local.residual / workspace.discount_rate[:, None] / np.ptp(local.value, axis=1)[:, None]
        return float(np.max(np.sqrt(np.mean(relative**2, axis=1))))

    def judged(self, workspace, unknowns):
        """Fresh points of the region: with margins of many states, hardly any point of the problem lies there."""
        unit = qmc.Sobol(self.dimension, rng=999).random(_FRESH)
        points = qmc.scale(unit, *np.array(self.problem.region).T)
        parts = self.features.parts(points, np)
        found = [combine(self.features, parts, c, np) for c in unknowns]
        derivatives = tuple(np.stack(part) for part in zip(*found, strict=True))
        return points, workspace.equation(points, derivatives, workspace.after_at(points))


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
