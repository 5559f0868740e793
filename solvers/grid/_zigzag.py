"""Local zigzags of values on a grid: what schemes of high order do around a kink that they cannot resolve."""

import numpy as np
from jaxtyping import Bool, Float

from ._discretisation import Discretisation

# Slopes that go up and down by more than this share of their root mean square, four times in a row, are a zigzag.
_AMPLITUDE = 2e-3
# The monotone solution may do so too, on nodes that follow a kink of the problem: this much more is the scheme's doing.
_MORE_THAN_MONOTONE = 3.0


def zigzags(
    grid: Discretisation,
    inside: Bool[np.ndarray, " node"],
    values: Float[np.ndarray, "family node"],
    monotone: Float[np.ndarray, "family node"],
) -> bool:
    """Whether values zigzag anywhere among the nodes `inside` where those of the monotone scheme do not.

    At a kink of the value (a threshold between two basins of attraction, a jump of utility) differences of high order overshoot:
    the slopes of adjacent cells alternate around the right one, and with them the policy. Such places are few, so that a root mean
    square over the grid does not show them. Nodes with a declared kink, where slopes may jump, are left out.
    """
    shape = (len(values), *grid.shape)
    for a, axis in enumerate(grid.axes):
        if len(axis.nodes) < 6:
            continue
        # jumps of the slope at the nodes inside a line; the first of a run of four alternating ones begins at node 1
        allowed = np.moveaxis(inside.reshape(grid.shape), a, -1)[..., 1:-1]
        smooth = ~np.isin(np.arange(1, len(axis.nodes) - 1), list(axis.breaks))
        runs = len(axis.nodes) - 5
        here = np.all([(allowed & smooth)[..., n : n + runs] for n in range(4)], axis=0)
        size, amplitude = _alternation(np.moveaxis(values.reshape(shape), a + 1, -1), axis.nodes)
        _, before = _alternation(np.moveaxis(monotone.reshape(shape), a + 1, -1), axis.nodes)
        near = np.pad(before, [(0, 0)] * (before.ndim - 1) + [(1, 1)])
        before = np.max([near[..., n : n + runs] for n in range(3)], axis=0)
        size = size.reshape(len(values), *([1] * (amplitude.ndim - 1)))
        if np.any(here & (amplitude > _AMPLITUDE * size) & (amplitude > _MORE_THAN_MONOTONE * before)):
            return True
    return False


def _alternation(
    values: Float[np.ndarray, "family ... point"], nodes: Float[np.ndarray, " point"]
) -> tuple[Float[np.ndarray, " family"], Float[np.ndarray, "family ... run"]]:
    """The root mean square slope, and the smallest of every four consecutive jumps of the slope that alternate in sign, else 0."""
    slopes = np.diff(values, axis=-1) / np.diff(nodes)
    jumps = np.diff(slopes, axis=-1)
    runs = jumps.shape[-1] - 3
    four = np.stack([jumps[..., n : n + runs] for n in range(4)])
    alternate = np.all(four[1:] * four[:-1] < 0.0, axis=0)
    size = np.sqrt(np.mean(slopes**2, axis=tuple(range(1, slopes.ndim))))
    return size, np.where(alternate, np.min(np.abs(four), axis=0), 0.0)
