"""The tensor grids of a solver: how many nodes each state has, where they lie, and how few will do."""

import equinox as eqx

from ..models import HJBProblem
from ._discretisation import Discretisation
from ._solver import AbstractSolver
from ._stencils import least_nodes, make_axis


class AbstractGridded(AbstractSolver):
    """A solver on nested tensor grids; subclasses say how the equation is solved there."""

    points: eqx.AbstractVar[int | tuple[int, ...]]
    grading: eqx.AbstractVar[float | tuple[float, ...]]
    levels: eqx.AbstractVar[int]
    order: eqx.AbstractVar[int]

    @property
    def least_points(self) -> int:
        """Fewest nodes per state that the widest stencil and the nested grids can work with."""
        return max(self.order, 2) + 3

    def fewest(self, problem: HJBProblem) -> tuple[int, ...]:
        """Fewest nodes per state that resolve the problem's kinks."""
        kinks = problem.model.breakpoints()
        domains = zip(problem.model.states._fields, problem.domain, strict=True)
        return tuple(least_nodes(domain, kinks.get(field, ())) for field, domain in domains)

    def counts(self, problem: HJBProblem) -> tuple[int, ...]:
        """Nodes per state on the finest grid."""
        dimension = len(problem.region)
        counts = self._each("points", problem)
        default, found = {1: 161, 2: 49, 3: 21}.get(dimension, 13), []
        for field, least, count in zip(problem.model.states._fields, self.fewest(problem), counts, strict=True):
            if 0 < count < least:
                raise ValueError(f"`solver.points` is {count} for `{field}`; its kinks need at least {least}.")
            found.append(count or max(default, least))
        return tuple(found)

    def _each(self, name: str, problem: HJBProblem) -> tuple:
        """An option's value for every state."""
        value, dimension = getattr(self, name), len(problem.region)
        every = value if isinstance(value, tuple) else (value,) * dimension
        if len(every) != dimension:
            raise ValueError(f"`solver.{name}` has {len(every)} entries; the problem has {dimension} states.")
        return every

    def fewer(self, count: int, times: int, least: int) -> int:
        """Nodes of a state with so many times fewer cells, or as few as the scheme and `least`, for kinks, allow."""
        return max((count - 1) // times + 1, self.least_points, least)

    def discretisation(
        self,
        problem: HJBProblem,
        level: int,
        marched: tuple[int, ...] | None = None,
        quiet: tuple[bool, ...] | None = None,
    ) -> Discretisation:
        """The grid of a level (0 is the coarsest).

        `marched` gives the sign of the drift of time-like states, `quiet` says which states have no noise.
        """
        coarsening = 2 ** (self.levels - 1 - level)
        kinks = problem.model.breakpoints()
        axes = []
        for field, region, domain, count, grading in zip(
            problem.model.states._fields,
            problem.region,
            problem.domain,
            self.counts(problem),
            self._each("grading", problem),
            strict=True,
        ):
            breaks = kinks.get(field, ())
            points = self.fewer(count, coarsening, least_nodes(domain, breaks))
            axes.append(make_axis(region, domain, points, breaks, grading))
        return Discretisation(tuple(axes), max(self.order, 2), marched, quiet)
