"""Verdict on the result of an iteration on a basis: resolution, branch, and determinacy by the equation."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float

from ...models import AbstractClosure
from ..base import CONVERGED, INFINITE, OPEN, ROUGH
from ..equation import (
    SAFETY,
    UNRESOLVED,
    Layer,
    MarkovChain,
    chain_grid,
    false_branch,
    layer_in,
    left_open,
    noise_across,
)
from ._collocation_workspace import AbstractBasis, CollocationWorkspace
from ._determinacy import LOOSE, looseness


def chain_of(workspace: CollocationWorkspace, unknowns: Float[np.ndarray, "family unknown"]) -> MarkovChain | None:
    """The Markov chain of a solution on a grid; None if the number of states makes such a grid too coarse."""
    grid = chain_grid(workspace.problem)
    if grid is None:
        return None
    derivatives = workspace.basis.differentiate_at(unknowns, grid.points)
    local = workspace.equation(grid.points, derivatives, workspace.after_at(grid.points, unknowns))
    known = workspace.growth @ grid.points.T
    return MarkovChain(grid, derivatives, local, workspace.discount_rate, coupled=workspace.coupled, known=known)


def judge(workspace: CollocationWorkspace, unknowns: Float[np.ndarray, "family unknown"]) -> tuple[int, float]:
    """The status code at the end of an iteration, and the estimated relative error of the basis."""
    points, at_test_points = workspace.basis.judged(workspace, unknowns)
    at_basis_points = workspace.evaluate(unknowns)
    chain = chain_of(workspace, unknowns)
    basis_error, path_error = _errors(workspace, unknowns, chain)
    if chain is not None and chain.flow.contradicts():
        status = INFINITE
    else:
        status = false_branch(workspace.problem, points, at_test_points, workspace.leaves(at_basis_points))
    if status is None:
        status = CONVERGED
        if not max(basis_error, path_error) <= UNRESOLVED:
            status = ROUGH
        elif _is_open(workspace, unknowns, at_basis_points, chain):
            status = INFINITE if chain is not None and chain.flow.grows() else OPEN
    return status, max(basis_error, SAFETY * path_error)


def error_left(workspace: CollocationWorkspace, unknowns: Float[np.ndarray, "family unknown"]) -> float:
    """The estimated relative error of the basis."""
    basis_error, path_error = _errors(workspace, unknowns, chain_of(workspace, unknowns))
    return max(basis_error, SAFETY * path_error)


def _errors(workspace: CollocationWorkspace, unknowns, chain: MarkovChain | None) -> tuple[float, float]:
    """The error estimate of the basis itself, and the effect of the residuals between its points along optimal paths."""
    return workspace.basis.unresolved(workspace, unknowns), 0.0 if chain is None else chain.error()


def _is_open(workspace: CollocationWorkspace, unknowns, local, chain: MarkovChain | None) -> bool:
    """Whether the equation leaves the solution undetermined, or noise across faces without a condition has produced a layer in it.

    On the nodes of a chain, layers are identified by their shape. This test takes precedence, because a basis that resolves layers
    also produces them in the response to random right-hand sides when the solution contains none. Without a chain, the tests are the
    response of slopes in the region to noise across the constraints, and the size of the responses to random right-hand sides.
    """
    if chain is None:
        return _hangs_on_faces(workspace, unknowns, local) or looseness(workspace, unknowns, local) > LOOSE
    layer = _layer(workspace, unknowns, local, chain, _keeps_inside)
    if layer is not None and (layer.leaves_open or not _has_face(workspace, _drift_points_inward)):
        return layer.leaves_open
    if looseness(workspace, unknowns, local) <= LOOSE:
        return False
    layer = _layer(workspace, unknowns, local, chain, lambda face: face.keeps_inside or face.drift_points_inward)
    return layer is None or layer.leaves_open


Question = Callable[[AbstractClosure], bool]


def _keeps_inside(face: AbstractClosure) -> bool:
    return face.keeps_inside


def _drift_points_inward(face: AbstractClosure) -> bool:
    return face.drift_points_inward


def _has_face(workspace: CollocationWorkspace, has_property: Question) -> bool:
    return any(has_property(closure) for sides in workspace.closures for closure in sides)


def _layer(
    workspace: CollocationWorkspace, unknowns, local, chain: MarkovChain, has_property: Question
) -> Layer | None:
    """The boundary layer that a solution contains at faces with the given closures; None if no noise crosses them."""
    if not _has_face(workspace, has_property):
        return None
    basis, local = workspace.basis.following(workspace, unknowns, local)
    hessians = workspace.basis.differentiate_at(unknowns, basis.points)[2]
    across = noise_across(_on_faces(workspace, basis, has_property), local.variance, hessians)
    if not np.any(across):
        return None
    _, moved, bent = basis.differentiate_at(_move(workspace, basis, unknowns, local, across), chain.points)
    return layer_in(tuple(chain.nodes), chain.slopes, chain.hessians, moved, bent)


def _hangs_on_faces(workspace: CollocationWorkspace, unknowns, local) -> bool:
    """Whether slopes in the region depend on the noise across state constraints."""
    basis = workspace.basis
    _, slopes, hessians = basis.differentiate(unknowns)

    def respond(across):
        return basis.respond(unknowns, _move(workspace, basis, unknowns, local, across))

    constrained = _on_faces(workspace, basis, _keeps_inside)
    return left_open(workspace.problem, basis.points, constrained, local.variance, slopes, hessians, respond)


def _on_faces(
    workspace: CollocationWorkspace, basis: AbstractBasis, has_property: Question
) -> Bool[np.ndarray, "point state"]:
    """Whether each point of a basis lies on a face with one of the given closures, by state."""
    constrained = np.zeros(basis.points.shape, dtype=bool)
    for a, sides in enumerate(workspace.closures):
        for side, closure in enumerate(sides):
            if has_property(closure):
                constrained[:, a] |= basis.on_face(a, side)
    return constrained


def _move(workspace: CollocationWorkspace, basis: AbstractBasis, unknowns, local, source) -> np.ndarray:
    """The change of the unknowns of a basis that a residual of the equation causes."""
    rows, delta = np.zeros((len(source), basis.rows)), workspace.discount_rate
    rows[:, : source.shape[1]] = source
    return basis.correct(local, unknowns, rows, delta, np.zeros_like(delta))
