"""Parameters that move the grid: kinks are nodes, so that the nodes depend on the parameters of the kinks."""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float

from ...models import AbstractModel, HJBProblem
from ..base import compiled
from ..solution import Continuation, closed_form, reshape_leading, splines_through
from ._adjoint import RegimeAdjoint, workspace_of

# Steps of the central difference relative to the parameter. A smaller step is used if the number of cells between kinks changes.
_STEPS = (1e-3, 1e-4, 1e-5)

# the values of all functionals, from a problem with its continuations and a value function
Evaluate = Callable[[HJBProblem, Any], np.ndarray]


def moves_grid(root: RegimeAdjoint, model: AbstractModel) -> bool:
    """Whether the kinks or the box of any regime change with another model of the initial regime."""
    return _elsewhere(root, _family(root.problem, model))


def _elsewhere(regime: RegimeAdjoint, problem: HJBProblem) -> bool:
    old = regime.problem
    if not regime.exact:
        if old.domain != problem.domain or old.region != problem.region:
            return True
        if old.model.breakpoints() != problem.model.breakpoints():
            return True
    return any(_elsewhere(d, p) for d, p in zip(regime.destinations, _after(regime, problem), strict=True))


def _after(regime: RegimeAdjoint, problem: HJBProblem) -> list[HJBProblem]:
    """The problems after the jumps of a family, in the boxes of the solved problems."""
    if not regime.destinations:
        return []
    destinations = zip(regime.destinations, _destinations(problem.model), strict=True)
    return [d.problem.replace(model=reshape_leading(m, (d.family,), 2), continuations=()) for d, m in destinations]


@compiled
def _destinations(model: Any) -> tuple[Any, ...]:
    return eqx.filter_vmap(lambda m: tuple(jump.destination for jump in m.jumps()))(model)


def grid_derivative(
    root: RegimeAdjoint, at: Callable[[float], AbstractModel], name: str, start: float, evaluate: Evaluate
) -> Float[np.ndarray, " functional"]:
    r"""The derivative of $J - \lambda^\top F$ in one parameter at fixed nodal values, with nodes that move with their kinks.

    It is a central difference of two evaluations and needs no solve. At the solution $J - \lambda^\top F$ is stationary in the values,
    so that the result is $dJ/dp$ of the discrete problem, including the motion of its grid.

    **Raises:** `ValueError` if the number of cells between kinks changes at the parameter.
    """
    for step in _STEPS:
        h = step * (abs(start) or 1.0)
        try:
            up, down = (_lagrangian(root, at(start + s * h), evaluate) for s in (1.0, -1.0))
        except _Rearranged:
            continue
        return (up - down) / (2.0 * h)
    raise ValueError(
        f"sensitivities: the number of cells between kinks changes at this `{name}`; change `solver.points` by a few."
    )


class _Rearranged(Exception):
    """The numbers of the nodes at the kinks have changed."""


def _family(problem: HJBProblem, model: AbstractModel) -> HJBProblem:
    """The problem of another model, as a family of one."""
    return problem.replace(model=reshape_leading(model, (1,), 0), continuations=())


def _lagrangian(root: RegimeAdjoint, model: AbstractModel, evaluate: Evaluate) -> Float[np.ndarray, " functional"]:
    """The functionals of the original nodal values on the moved grid, minus the multipliers times the residuals."""
    total = np.zeros(len(root.multipliers))

    def rebuild(regime: RegimeAdjoint, problem: HJBProblem):
        """The value functions of a family on its moved grid; subtracts the weighted residuals from `total`."""
        if regime.exact:
            return _closed_form(problem.model)
        continuations = []
        after = zip(regime.destinations, _after(regime, problem), regime.outcomes, strict=True)
        for destination, destination_problem, outcomes in after:
            value = rebuild(destination, destination_problem)
            continuations.append(Continuation(reshape_leading(value, (regime.family, outcomes), 1)))
        problem = problem.replace(continuations=tuple(continuations))
        part = dataclasses.replace(regime.part, problem=problem)
        workspace = workspace_of(part, regime.family, moved=True)
        grid, old = workspace.grid(0), regime.workspace.grid(0)
        if [a.breaks for a in grid.axes] != [a.breaks for a in old.axes]:
            raise _Rearranged
        residual = workspace.evaluate(0, regime.high, regime.values).residual
        for k, multipliers in enumerate(regime.multipliers):
            total[k] -= np.sum(multipliers * residual)
        rebuilt.append(problem)
        return splines_through(problem, grid.nodes, regime.values.reshape(-1, *grid.shape))

    rebuilt: list[HJBProblem] = []
    value = rebuild(root, _family(root.problem, model))
    single = reshape_leading((rebuilt[-1], value), (), 1)
    return total + evaluate(*single)


@compiled
def _closed_form(model: Any) -> Any:
    return eqx.filter_vmap(closed_form)(model)
