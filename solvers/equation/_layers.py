"""Boundary layers caused by noise at state constraints: whether a solution contains one and whether the equation excludes it."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

# A solution contains a layer if the layer's share of the slopes exceeds the first number and if noise across the constraints, with the
# second derivatives of the interior, would change the slopes by more than the second number times their size. Shares on
# linear-quadratic problems with one and two states in boxes of one to ten standard deviations: at most 3e-7 for exact solutions on
# grids, polynomials and features (changes of the slopes up to 1e3), at least 0.02 for wrong ones. For networks: at most 1e-3 for
# accurate solutions; if the error is a layer, between a sixth of the error and all of it.
_LAYER, _FELT = 1.5e-3, 0.2


class Layer(NamedTuple):
    """The possible and the actual effect of noise across state constraints on a solution, by member of a family."""

    response: Float[np.ndarray, " family"]  # possible change of the slopes, relative to their size
    share: Float[np.ndarray, " family"]  # share of the slopes that belongs to a layer

    @property
    def leaves_open(self) -> bool:
        """Whether the solution contains a layer of undetermined amplitude, so that it is one of many."""
        return bool(np.any((self.response > _FELT) & (self.share > _LAYER) | ~np.isfinite(self.response + self.share)))


def noise_across(
    constrained: Bool[np.ndarray, "node state"],
    variance: Float[np.ndarray, "family node state state"],
    hessians: Float[np.ndarray, "family node state state"],
) -> Float[np.ndarray, "family node"]:
    """The noise term of the equation at the constraints, with root-mean-square second derivatives of the interior."""
    across = np.zeros(variance.shape[:2])
    for a in range(constrained.shape[1]):
        on, size = constrained[:, a], np.sqrt(np.mean(hessians[:, :, a, a] ** 2, axis=1, keepdims=True))
        across[:, on] += variance[:, on, a, a] * size
    return across


def layer_in(
    nodes: tuple[Float[np.ndarray, "..."], ...],
    slopes: Float[np.ndarray, "family node state"],
    hessians: Float[np.ndarray, "family node state state"],
    moved: Float[np.ndarray, "family node state"],
    bent: Float[np.ndarray, "family node state state"],
) -> Layer:
    r"""The share of a boundary layer at the constraints in a solution.

    If the drift points inward at a constraint and noise crosses it, the equation has solutions that grow towards the face like
    $e^{2\int b/\sigma^2}$ with arbitrary amplitude. If the equation is imposed at the face, a nonlinear problem then has a smooth
    solution and others with a layer, all with zero residual; only the smooth solution agrees with that of a larger box. Third
    derivatives distinguish them. `moved` and `bent` are first and second derivatives of the change caused by a residual at the
    constraints, which has the shape of the layer. The share of the layer is the projection of the third derivatives of the solution
    on those of this change, on each half of the grid.
    """
    size = np.sqrt(np.mean(slopes**2, axis=(1, 2)))
    response = np.sqrt(np.mean(moved**2, axis=(1, 2))) / np.maximum(size, 1e-300)
    shape, share = tuple(len(x) for x in nodes), np.zeros_like(response)
    for a, x in enumerate(nodes):
        solution, layer = (
            np.gradient(h[:, :, a, a].reshape(-1, *shape), x, axis=a + 1).reshape(len(h), *shape)
            for h in (hessians, bent)
        )
        solution, layer = (np.moveaxis(t, a + 1, 1).reshape(len(t), len(x), -1) for t in (solution, layer))
        for half in (slice(None, len(x) // 2), slice(-(len(x) // 2), None)):
            common = np.sum(solution[:, half] * layer[:, half], axis=(1, 2))
            norm = np.sum(layer[:, half] ** 2, axis=(1, 2))
            share = np.maximum(share, np.abs(common) / np.maximum(norm, 1e-300) * response)
    return Layer(response, share)
