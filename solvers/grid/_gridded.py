"""The tensor grids of a solver: the number of nodes per state, their positions, and the smallest possible number."""

from typing import Any

import equinox as eqx

from ...models import HJBProblem
from ..base import AbstractSolver, check_whole
from ._discretisation import Discretisation
from ._stencils import least_nodes, make_axis


def least_of(order: int) -> int:
    """The smallest number of nodes per state for a scheme of the given order."""
    return max(order, 2) + 3


def check_nodes(name: str, nodes: int | tuple[int, ...], order: int) -> None:
    """**Raises:** `ValueError` if an option has too few nodes for a scheme of the given order."""
    for count in nodes if isinstance(nodes, tuple) else (nodes,):
        check_whole(name, count, 0)
        if count < least_of(order):
            raise ValueError(
                f"`solver.{name}` is {count}; a scheme of order {order} needs at least {least_of(order)} per state."
            )


def per_state(name: str, value: Any, problem: HJBProblem) -> tuple:
    """The values of an option for every state, from one common value or one value per state.

    **Raises:** `ValueError` if the number of values differs from the number of states.
    """
    dimension = len(problem.region)
    values = value if isinstance(value, tuple) else (value,) * dimension
    if len(values) != dimension:
        raise ValueError(f"`solver.{name}` has {len(values)} entries; the problem has {dimension} states.")
    return values


def check_kinks(name: str, counts: tuple[int, ...], fewest: tuple[int, ...], problem: HJBProblem) -> None:
    """**Raises:** `ValueError` if an option has too few nodes (0 stands for a default) for the kinks of a state."""
    for field, count, least in zip(problem.model.states._fields, counts, fewest, strict=True):
        if 0 < count < least:
            raise ValueError(f"`solver.{name}` is {count} for `{field}`; its kinks need at least {least}.")


class AbstractGridded(AbstractSolver):
    """A solver on nested tensor grids; subclasses implement the solution of the equation on them."""

    points: eqx.AbstractVar[int | tuple[int, ...]]
    grading: eqx.AbstractVar[float | tuple[float, ...]]
    levels: eqx.AbstractVar[int]
    order: eqx.AbstractVar[int]

    @property
    def least_points(self) -> int:
        """The smallest number of nodes per state for the widest stencil and the nested grids."""
        return least_of(self.order)

    def fewest(self, problem: HJBProblem) -> tuple[int, ...]:
        """The smallest number of nodes per state that resolves the kinks of the problem."""
        kinks = problem.model.breakpoints()
        domains = zip(problem.model.states._fields, problem.domain, strict=True)
        return tuple(least_nodes(domain, kinks.get(field, ())) for field, domain in domains)

    def counts(self, problem: HJBProblem) -> tuple[int, ...]:
        """Nodes per state on the finest grid."""
        usual, least = {1: 161, 2: 49, 3: 21}.get(len(problem.region), 13), self.fewest(problem)
        counts, suggested = self._each("points", problem), problem.model.grid_points()
        check_kinks("points", counts, least, problem)
        states = zip(problem.model.states._fields, counts, least, strict=True)
        return tuple(count or max(suggested.get(name, usual), fewest) for name, count, fewest in states)

    def _each(self, name: str, problem: HJBProblem) -> tuple:
        """The values of an option for every state."""
        return per_state(name, getattr(self, name), problem)

    def fewer(self, count: int, times: int, least: int) -> int:
        """The nodes of a state after division of its cells by `times`; at least those for the scheme and `least`, for kinks."""
        return max((count - 1) // times + 1, self.least_points, least)

    def discretisation(
        self,
        problem: HJBProblem,
        level: int,
        marched: tuple[int, ...] | None = None,
        quiet: tuple[bool, ...] | None = None,
    ) -> Discretisation:
        """The grid of a level (0 is the coarsest).

        `marched` is the sign of the drift of time-like states; `quiet` marks the states with no or too faint noise.
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
