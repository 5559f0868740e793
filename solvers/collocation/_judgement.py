"""Whether an iteration on a basis ended at a solution: resolved, on the right branch, determined by the equation."""

import numpy as np
from jaxtyping import Float

from ...models import StateConstraint
from ..base import CONVERGED, INFINITE, OPEN, ROUGH
from ..equation import SAFETY, UNRESOLVED, MarkovChain, chain_grid, false_branch, has_layer, left_open, noise_across
from ._collocation_workspace import CollocationWorkspace
from ._determinacy import LOOSE, looseness


def chain_of(workspace: CollocationWorkspace, unknowns: Float[np.ndarray, "family unknown"]) -> MarkovChain | None:
    """The chain of a solution; None with so many states that a grid is too coarse."""
    grid = chain_grid(workspace.problem)
    if grid is None:
        return None
    derivatives = workspace.basis.differentiate_at(unknowns, grid.points)
    local = workspace.equation(grid.points, derivatives, workspace.after_at(grid.points, unknowns))
    known = workspace.growth @ grid.points.T
    return MarkovChain(grid, derivatives, local, workspace.discount_rate, coupled=workspace.coupled, known=known)


def judge(workspace: CollocationWorkspace, unknowns: Float[np.ndarray, "family unknown"]) -> tuple[int, float]:
    """The status of the end of an iteration, and the relative error that the basis leaves."""
    points, local = workspace.basis.judged(workspace, unknowns)
    at_own = workspace.evaluate(unknowns)
    chain = chain_of(workspace, unknowns)
    own, paths = _errors(workspace, unknowns, chain)
    if chain is not None and chain.flow.contradicts():
        status = INFINITE
    else:
        status = false_branch(workspace.problem, points, local, workspace.leaves(at_own))
    if status is None:
        status = CONVERGED
        if not max(own, paths) <= UNRESOLVED:
            status = ROUGH
        elif _hangs_on_faces(workspace, unknowns, at_own, chain) or looseness(workspace, unknowns, at_own) > LOOSE:
            status = INFINITE if chain is not None and chain.flow.grows() else OPEN
    return status, max(own, SAFETY * paths)


def error_left(workspace: CollocationWorkspace, unknowns: Float[np.ndarray, "family unknown"]) -> float:
    """The relative error that the basis leaves, as it is told."""
    own, paths = _errors(workspace, unknowns, chain_of(workspace, unknowns))
    return max(own, SAFETY * paths)


def _errors(workspace: CollocationWorkspace, unknowns, chain: MarkovChain | None) -> tuple[float, float]:
    """What the basis itself tells of its error, and what the residuals off its points are worth along the optimal paths."""
    return workspace.basis.unresolved(workspace, unknowns), 0.0 if chain is None else chain.error()


def _hangs_on_faces(workspace: CollocationWorkspace, unknowns, local, chain: MarkovChain | None) -> bool:
    """Whether noise across state constraints leaves the solution open, or has put a layer into it, as of finite differences.

    What is seen on the nodes of the chain says so where the basis is linear and has a grid; else how far slopes in the region move.
    """
    basis, delta = workspace.basis, workspace.discount_rate
    _, slopes, hessians = basis.differentiate(unknowns)
    barred = np.zeros(basis.points.shape, dtype=bool)
    for a, sides in enumerate(workspace.closures):
        for side, closure in enumerate(sides):
            if isinstance(closure, StateConstraint):
                barred[:, a] |= basis.on_face(a, side)

    def move(across):
        rows = np.zeros_like(basis.residuals(local, unknowns, delta, workspace.slopes))
        rows[:, : across.shape[1]] = across
        return basis.correct(local, unknowns, rows, delta, np.zeros_like(delta))

    if chain is None or not basis.linear:
        respond = lambda across: basis.respond(unknowns, move(across))
        return left_open(workspace.problem, basis.points, barred, local.variance, slopes, hessians, respond)
    across = noise_across(barred, local.variance, hessians)
    if not np.any(across):
        return False
    _, moved, bent = basis.differentiate_at(move(across), chain.points)
    return has_layer(tuple(chain.nodes), chain.slopes, chain.hessians, moved, bent)
