"""A basis at scattered points: the points, the conditions imposed there, and the display and error of the solution."""

import abc

import numpy as np
from jaxtyping import Float
from scipy.stats import qmc

from ...models import HJBProblem
from ..base import value_ranges
from ..solution import BoxMap
from ._collocation_workspace import AbstractBasis

# Number of points on all faces together, relative to the number of points inside.
_ON_FACES = 0.25
# Number of fresh points, which are not points of the least-squares problem.
_FRESH = 256
# Largest number of states with more than one node in the displayed grid.
_SHOWN = 4
# One in `_KINKED` of the points inside is moved towards a kink, to distances of at least `_NEAREST` half lengths of the box.
_KINKED, _NEAREST = 4, 1e-4


class AbstractScattered(AbstractBasis):
    """Low-discrepancy points with the density of Chebyshev nodes, and additional points on every face.

    **Arguments:**

    - `problem`: the problem, which supplies the box and the closures.
    - `box`: the coordinates in which the points are distributed.
    - `count`: number of points inside; a quarter as many lie on the faces.
    - `focus`: fraction of `count` that is distributed uniformly over the region of interest.
    - `kinks`: states and positions of kinks on the unit box. A quarter of `count` in total is moved towards them, with log-uniform
      distances.
    - `draw`: index of the sequence; every index gives different points.
    """

    overdetermined = True

    def __init__(
        self, problem: HJBProblem, box: BoxMap, count: int, focus: float = 0.0, kinks: tuple = (), draw: int = 0
    ):
        self.problem, self.box = problem, box
        self.dimension = len(problem.region)
        per_face = max(int(_ON_FACES * count / (2 * self.dimension)), 2 if self.dimension > 1 else 1)
        first = draw * (1 + 2 * self.dimension)
        inner = self._scatter(count, first)
        in_region = int(focus * count)
        if in_region:
            inner[:in_region] = qmc.scale(self._unit(in_region, first), *np.array(problem.region).T)
        for n, (a, k) in enumerate(kinks):
            moved = slice(n, None, _KINKED * len(kinks))
            inner[moved] = self._towards(inner[moved], a, k, first)
        blocks, on_faces = [inner], [np.zeros((count, self.dimension, 2), dtype=bool)]
        for a in range(self.dimension):
            for side in (0, 1):
                block = self._scatter(per_face, first + 1 + 2 * a + side)
                block[:, a] = problem.domain[a][side]
                on_this_face = np.zeros((per_face, self.dimension, 2), dtype=bool)
                on_this_face[:, a, side] = True
                blocks.append(block)
                on_faces.append(on_this_face)
        self.points, self.on = np.concatenate(blocks), np.concatenate(on_faces)
        closures = problem.closures()
        self.closed = [(a, side) for a in range(self.dimension) for side in (0, 1) if closures[a][side].has_known_slope]

    def _unit(self, count: int, seed: int) -> np.ndarray:
        return qmc.Sobol(self.dimension, rng=seed).random(1 << (count - 1).bit_length())[:count]

    def _scatter(self, count: int, seed: int) -> np.ndarray:
        """Points in the box with the density of Chebyshev nodes in the stretched coordinates."""
        points = self.box.back(-np.cos(np.pi * self._unit(count, seed)))
        return np.clip(points, *np.array(self.problem.domain).T)

    def _towards(self, points: np.ndarray, axis: int, kink: float, seed: int) -> np.ndarray:
        """Move points towards a kink, to log-uniform distances on both sides."""
        s, _, _ = self.box.parts(points)
        u = self._unit(len(points), seed + 7919)[:, 0]
        side = np.where(u < 0.5, -1.0, 1.0)
        s[:, axis] = np.clip(kink + side * _NEAREST ** (2.0 * np.abs(u - 0.5)), -1.0, 1.0)
        return np.clip(self.box.back(s), *np.array(self.problem.domain).T)

    @abc.abstractmethod
    def values_at(
        self, unknowns: Float[np.ndarray, "family unknown"], points: Float[np.ndarray, "point state"]
    ) -> Float[np.ndarray, "family point"]:
        """Values at any points."""

    @property
    def rows(self):
        return len(self.points) + sum(int(self.on_face(a, side).sum()) for a, side in self.closed)

    def on_face(self, axis, side):
        return self.on[:, axis, side]

    def residuals(self, local, unknowns, scale, known):
        """Residuals of the equation at all points, and errors of the known slopes times the length of the box."""
        rows = [local.residual]
        if self.closed:
            slopes = self.differentiate(unknowns)[1]
            for a, side in self.closed:
                on, length = self.on_face(a, side), np.ptp(self.problem.domain[a])
                rows.append(scale[:, None] * length * (slopes[:, on, a] - known[a, side][:, on]))
        return np.concatenate(rows, axis=1)

    def shown(self):
        """A tensor grid of the first four states, with the other states at the middle of the region."""
        count = {1: 65, 2: 33, 3: 17}.get(self.dimension, 7)
        s = np.zeros((count, self.dimension)) - np.cos(np.pi * np.arange(count) / (count - 1))[:, None]
        nodes = list(self.box.back(s).T[:_SHOWN])
        for x, ends in zip(nodes, self.problem.domain, strict=False):
            x[0], x[-1] = ends
        middle = np.mean(self.problem.region[_SHOWN:], axis=1) if self.dimension > _SHOWN else np.zeros(0)
        return (*nodes, *(np.array([x]) for x in middle))

    def unresolved(self, workspace, unknowns):
        """Root mean square residual on fresh points of the region, divided by delta and the range of V without its known growth."""
        points, local = self.judged(workspace, unknowns)
        ranges = value_ranges(local.value, local.value - workspace.growth @ points.T)
        relative = local.residual / workspace.discount_rate[:, None] / ranges[:, None]
        return float(np.max(np.sqrt(np.mean(relative**2, axis=1))))

    def judged(self, workspace, unknowns):
        """Fresh points of the region and the equation there. With margins in many states, few collocation points lie in the region."""
        unit = qmc.Sobol(self.dimension, rng=999).random(_FRESH)
        points = qmc.scale(unit, *np.array(self.problem.region).T)
        derivatives = self.differentiate_at(unknowns, points)
        return points, workspace.equation(points, derivatives, workspace.after_at(points, unknowns))
