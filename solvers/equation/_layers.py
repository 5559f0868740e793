"""Layers that noise makes at state constraints: whether a solution holds one, and whether the equation would exclude it."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

# A layer of this share of the slopes is one, if noise across the constraints of the size found inside would move slopes by at least
# this multiple of their size. Measured on linear-quadratic problems of one and two states in boxes of one to ten standard deviations:
# shares of 3e-7 and less where grids, polynomials and features are exact (moved by up to 1e3), of 0.02 and more where they are not; of
# networks, up to 1e-3 where they are right, and where a layer is what is wrong a sixth of the error to all of it.
_LAYER, _FELT = 1.5e-3, 0.2


class Layer(NamedTuple):
    """What noise across state constraints may do to a solution, and has done, by member of a family."""

    felt: Float[np.ndarray, " family"]  # by how much it would move slopes, relative to their size
    share: Float[np.ndarray, " family"]  # of the slopes that is a layer

    @property
    def leaves_open(self) -> bool:
        """Whether the solution is one of many, told apart by the layers that they hold."""
        return bool(np.any((self.felt > _FELT) & (self.share > _LAYER) | ~np.isfinite(self.felt + self.share)))


def noise_across(
    barred: Bool[np.ndarray, "node state"],
    variance: Float[np.ndarray, "family node state state"],
    hessians: Float[np.ndarray, "family node state state"],
) -> Float[np.ndarray, "family node"]:
    """What noise across the constraints would contribute there, with second derivatives of the size that they have inside."""
    across = np.zeros(variance.shape[:2])
    for a in range(barred.shape[1]):
        on, size = barred[:, a], np.sqrt(np.mean(hessians[:, :, a, a] ** 2, axis=1, keepdims=True))
        across[:, on] += variance[:, on, a, a] * size
    return across


def layer_in(
    nodes: tuple[Float[np.ndarray, "..."], ...],
    slopes: Float[np.ndarray, "family node state"],
    hessians: Float[np.ndarray, "family node state state"],
    moved: Float[np.ndarray, "family node state"],
    bent: Float[np.ndarray, "family node state state"],
) -> Layer:
    r"""How much of a layer at the constraints a solution holds.

    Where drift points in from a constraint and noise crosses it, the equation has solutions that grow towards the face like
    $e^{2\int b/\sigma^2}$, of any amplitude: with rows of the equation at the face a nonlinear problem has a smooth solution and
    others with a layer, all of residual zero, and only the smooth one is what a larger box would give. Third derivatives tell:
    `moved` and `bent` are first and second derivatives of the change that a residual at the constraints causes, which has the shape of
    the layer; its share in the solution is how far the third derivatives of the two agree, on each half of the grid.
    """
    size = np.sqrt(np.mean(slopes**2, axis=(1, 2)))
    felt = np.sqrt(np.mean(moved**2, axis=(1, 2))) / np.maximum(size, 1e-300)
    shape, share = tuple(len(x) for x in nodes), np.zeros_like(felt)
    for a, x in enumerate(nodes):
        solution, layer = (
            np.gradient(h[:, :, a, a].reshape(-1, *shape), x, axis=a + 1).reshape(len(h), *shape)
            for h in (hessians, bent)
        )
        solution, layer = (np.moveaxis(t, a + 1, 1).reshape(len(t), len(x), -1) for t in (solution, layer))
        for half in (slice(None, len(x) // 2), slice(-(len(x) // 2), None)):
            common = np.sum(solution[:, half] * layer[:, half], axis=(1, 2))
            norm = np.sum(layer[:, half] ** 2, axis=(1, 2))
            share = np.maximum(share, np.abs(common) / np.maximum(norm, 1e-300) * felt)
    return Layer(felt, share)
