"""Local zigzags of values on a grid, which high-order schemes produce at an unresolved kink."""

import numpy as np
from jaxtyping import Bool, Float

from ._discretisation import Discretisation

# A zigzag consists of four consecutive alternating jumps of the slope, each above this share of the root mean square slope.
_AMPLITUDE = 2e-3
# The monotone solution may zigzag as well, at nodes that follow a kink of the problem. The high-order scheme is the cause if the
# amplitude exceeds that of the monotone solution by this factor.
_MORE_THAN_MONOTONE = 3.0


def zigzags(
    grid: Discretisation,
    inside: Bool[np.ndarray, " node"],
    values: Float[np.ndarray, "family node"],
    monotone: Float[np.ndarray, "family node"],
) -> bool:
    """Whether the values zigzag at any node marked by `inside` at which the values of the monotone scheme do not.

    At a kink of the value (a threshold between two basins of attraction, a jump of utility) high-order differences overshoot:
    the slopes of adjacent cells alternate around the correct slope, and so does the policy. Few nodes are affected, so that a root
    mean square over the grid does not detect them. Nodes with a declared kink, at which slopes may jump, are excluded.
    """
    shape = (len(values), *grid.shape)
    for a, axis in enumerate(grid.axes):
        if len(axis.nodes) < 6:
            continue
        # jumps of the slope at the interior nodes of each grid line; the first run of four starts at node 1
        allowed = np.moveaxis(inside.reshape(grid.shape), a, -1)[..., 1:-1]
        smooth = ~np.isin(np.arange(1, len(axis.nodes) - 1), list(axis.breaks))
        runs = len(axis.nodes) - 5
        candidates = np.all([(allowed & smooth)[..., n : n + runs] for n in range(4)], axis=0)
        size, amplitude = _alternation(np.moveaxis(values.reshape(shape), a + 1, -1), axis.nodes)
        _, monotone_amplitude = _alternation(np.moveaxis(monotone.reshape(shape), a + 1, -1), axis.nodes)
        padded = np.pad(monotone_amplitude, [(0, 0)] * (monotone_amplitude.ndim - 1) + [(1, 1)])
        monotone_amplitude = np.max([padded[..., n : n + runs] for n in range(3)], axis=0)
        size = size.reshape(len(values), *([1] * (amplitude.ndim - 1)))
        if np.any(
            candidates & (amplitude > _AMPLITUDE * size) & (amplitude > _MORE_THAN_MONOTONE * monotone_amplitude)
        ):
            return True
    return False


def _alternation(
    values: Float[np.ndarray, "family ... point"], nodes: Float[np.ndarray, " point"]
) -> tuple[Float[np.ndarray, " family"], Float[np.ndarray, "family ... run"]]:
    """The root mean square slope, and the smallest of every four consecutive jumps of the slope; 0 unless they alternate in sign."""
    slopes = np.diff(values, axis=-1) / np.diff(nodes)
    jumps = np.diff(slopes, axis=-1)
    runs = jumps.shape[-1] - 3
    four = np.stack([jumps[..., n : n + runs] for n in range(4)])
    alternate = np.all(four[1:] * four[:-1] < 0.0, axis=0)
    size = np.sqrt(np.mean(slopes**2, axis=tuple(range(1, slopes.ndim))))
    return size, np.where(alternate, np.min(np.abs(four), axis=0), 0.0)
