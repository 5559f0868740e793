"""A basis at scattered points: where they lie, which conditions hold there, and how an answer on them is shown and judged."""

import abc

import numpy as np
from jaxtyping import Float
from scipy.stats import qmc

from ...models import Growth, HJBProblem, Reflecting
from ..base import value_ranges
from ..solution import BoxMap
from ._collocation_workspace import AbstractBasis

# Share of the points that lies on the faces, together.
_ON_FACES = 0.25
# Fresh points between those of the least-squares problem.
_FRESH = 256
# States that a grid shows.
_SHOWN = 4
# Of the points inside one in so many is drawn to kinks, and the least distance in half lengths of the box.
_KINKED, _NEAREST = 4, 1e-4


class AbstractScattered(AbstractBasis):
    """Low-discrepancy points, denser towards the faces as Chebyshev nodes are, and some on every face.

    **Arguments:**

    - `problem`: its box and closures.
    - `box`: the coordinates in which the points are spread.
    - `count`: points inside; a quarter as many lie on the faces.
    - `focus`: share of `count` that is spread evenly over the region of interest instead.
    - `kinks`: states and places, on the unit box, to which a quarter of `count` in all is drawn, at distances of all sizes.
    - `draw`: which points of the sequence; another number gives fresh ones.
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
        near = int(focus * count)
        if near:
            inner[:near] = qmc.scale(self._unit(near, first), *np.array(problem.region).T)
        for n, (a, k) in enumerate(kinks):
            some = slice(n, None, _KINKED * len(kinks))
            inner[some] = self._towards(inner[some], a, k, first)
        blocks, on = [inner], [np.zeros((count, self.dimension, 2), dtype=bool)]
        for a in range(self.dimension):
            for side in (0, 1):
                block = self._scatter(per_face, first + 1 + 2 * a + side)
                block[:, a] = problem.domain[a][side]
                here = np.zeros((per_face, self.dimension, 2), dtype=bool)
                here[:, a, side] = True
                blocks.append(block)
                on.append(here)
        self.points, self.on = np.concatenate(blocks), np.concatenate(on)
        closures = problem.closures()
        self.closed = [
            (a, side)
            for a in range(self.dimension)
            for side in (0, 1)
            if isinstance(closures[a][side], (Growth, Reflecting))
        ]

    def _unit(self, count: int, seed: int) -> np.ndarray:
        return qmc.Sobol(self.dimension, rng=seed).random(1 << (count - 1).bit_length())[:count]

    def _scatter(self, count: int, seed: int) -> np.ndarray:
        """Points in the box, with Chebyshev's density in the stretched coordinates."""
        points = self.box.back(-np.cos(np.pi * self._unit(count, seed)))
        return np.clip(points, *np.array(self.problem.domain).T)

    def _towards(self, points: np.ndarray, axis: int, kink: float, seed: int) -> np.ndarray:
        """Points moved towards a kink: distances uniform in their logarithm, on both sides."""
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
        """The equation at all points, and what is known about slopes, over the length of the box."""
        rows = [local.residual]
        if self.closed:
            slopes = self.differentiate(unknowns)[1]
            for a, side in self.closed:
                on, length = self.on_face(a, side), np.ptp(self.problem.domain[a])
                rows.append(scale[:, None] * length * (slopes[:, on, a] - known[a, side][:, on]))
        return np.concatenate(rows, axis=1)

    def shown(self):
        """A tensor grid of the first four states; of the others, in which arrays cannot have axes, the middle."""
        count = {1: 65, 2: 33, 3: 17}.get(self.dimension, 7)
        s = np.zeros((count, self.dimension)) - np.cos(np.pi * np.arange(count) / (count - 1))[:, None]
        nodes = list(self.box.back(s).T[:_SHOWN])
        for x, ends in zip(nodes, self.problem.domain, strict=False):
            x[0], x[-1] = ends
        middle = np.mean(self.problem.region[_SHOWN:], axis=1) if self.dimension > _SHOWN else np.zeros(0)
        return (*nodes, *(np.array([x]) for x in middle))

    def unresolved(self, workspace, unknowns):
        """The residual on fresh points of the region, over delta and the range of V less the growth that its faces know."""
        points, local = self.judged(workspace, unknowns)
        found = value_ranges(local.value, local.value - workspace.growth @ points.T)
        relative = local.residual / workspace.discount_rate[:, None] / found[:, None]
        return float(np.max(np.sqrt(np.mean(relative**2, axis=1))))

    def judged(self, workspace, unknowns):
        """Fresh points of the region: with margins of many states, hardly any point of the problem lies there."""
        unit = qmc.Sobol(self.dimension, rng=999).random(_FRESH)
        points = qmc.scale(unit, *np.array(self.problem.region).T)
        derivatives = self.differentiate_at(unknowns, points)
        return points, workspace.equation(points, derivatives, workspace.after_at(points, unknowns))
