"""Grids and difference matrices in one dimension, from which tensor products build those of several dimensions."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq

# At the end of a margin as long as the region, the cells are 1 + STRETCH times as large as those of the region, ...
STRETCH = 8.0
# ... but the sizes of neighbouring cells differ by at most about this share.
STEEPEST = 0.2
# Ratio of regular cells to those at a kink, because noise smooths a kink over a layer far thinner than the region.
KINK_REFINEMENT = 16.0


class Axis(NamedTuple):
    """The nodes of one state, and the indices of kinks, which no stencil may cross."""

    nodes: Float[np.ndarray, " node"]
    breaks: tuple[int, ...]


# Smallest number of cells between kinks, as needed by a spline of degree five.
_LEAST_CELLS = 6


def least_nodes(domain: tuple[float, float], breaks: tuple[float, ...]) -> int:
    """The smallest number of nodes of an axis with the given kinks."""
    inside = sum(domain[0] < b < domain[1] for b in breaks)
    return _LEAST_CELLS * (inside + 1) + 1 if inside else 2


def make_axis(
    region: tuple[float, float],
    domain: tuple[float, float],
    points: int,
    breaks: tuple[float, ...],
    grading: float = 1.0,
) -> Axis:
    """Nodes with uniform spacing in the region of interest, stretched geometrically in the margins.

    A cell at distance d from the region of length R has the size h (1 + STRETCH d / R); near a kink the size decreases to
    h / KINK_REFINEMENT. The number of points determines h, and all cells are proportional to it. Kinks become nodes. With
    `grading`, h changes by that factor from the low to the high end of the region, linearly in its logarithm.
    """
    low, high = domain
    kinks = sorted(b for b in breaks if low < b < high)
    fine = np.linspace(low, high, 40001)
    outside = np.maximum(np.maximum(region[0] - fine, fine - region[1]), 0.0)
    graded = grading ** (np.clip((fine - region[0]) / (region[1] - region[0]), 0.0, 1.0) - 0.5)
    to_kink = np.min([np.abs(fine - k) for k in kinks], axis=0) if kinks else np.full_like(fine, np.inf)

    def cells(h):
        """Number of cells between the low end of the domain and each point."""
        growth = min(STRETCH * h / (region[1] - region[0]), STEEPEST)
        size = np.minimum(h * graded + growth * outside, h / KINK_REFINEMENT + 1.2 * STEEPEST * to_kink)
        density = 1.0 / size
        return np.append(0.0, np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(fine)))

    h = brentq(lambda h: cells(h)[-1] - (points - 1), 1e-6 * (high - low), 1e3 * (high - low))
    counts = cells(h)
    fixed = [low, *kinks, high]
    cell_counts = np.interp(fixed, fine, counts)
    least = _LEAST_CELLS if kinks else 1
    pieces = np.maximum(np.rint(np.diff(cell_counts)).astype(int), min(least, points - 1))
    while pieces.sum() > points - 1 and pieces.max() > least:
        pieces[np.argmax(pieces)] -= 1
    while pieces.sum() < points - 1:
        pieces[np.argmax(np.diff(cell_counts) / pieces)] += 1
    nodes = [np.array([low])]
    for start, stop, n, end in zip(cell_counts[:-1], cell_counts[1:], pieces, fixed[1:], strict=True):
        inner = np.interp(np.linspace(start, stop, n + 1)[1:-1], counts, fine)
        nodes.append(np.append(inner, end))
    inner_breaks = tuple(int(n) for n in np.cumsum(pieces)[:-1])
    return Axis(np.concatenate(nodes), inner_breaks)


def fornberg(z: float, x: Float[np.ndarray, " point"], order: int) -> Float[np.ndarray, "derivative point"]:
    """Weights of derivatives 0 to `order` at `z` from values at `x` (Fornberg 1988, doi:10.1090/S0025-5718-1988-0935077-0)."""
    n = len(x)
    weights = np.zeros((order + 1, n))
    weights[0, 0] = 1.0
    c1, c4 = 1.0, x[0] - z
    for i in range(1, n):
        c2, c5, c4 = 1.0, c4, x[i] - z
        top = min(i, order)
        for j in range(i):
            c3 = x[i] - x[j]
            c2 *= c3
            if j == i - 1:
                for k in range(top, 0, -1):
                    weights[k, i] = c1 * (k * weights[k - 1, i - 1] - c5 * weights[k, i - 1]) / c2
                weights[0, i] = -c1 * c5 * weights[0, i - 1] / c2
            for k in range(top, 0, -1):
                weights[k, j] = (c4 * weights[k, j] - k * weights[k - 1, j]) / c3
            weights[0, j] = c4 * weights[0, j] / c3
        c1 = c2
    return weights


def centred(axis: Axis, order: int) -> tuple[Float[np.ndarray, "n n"], Float[np.ndarray, "n n"]]:
    """First and second derivative matrices of the given order; stencils are one-sided at the ends and at kinks.

    The derivatives at a kink are those of the segment above it.
    """
    nodes, n = axis.nodes, len(axis.nodes)
    edges = [0, *axis.breaks, n - 1]
    first, second = np.zeros((n, n)), np.zeros((n, n))
    for i in range(n):
        upper = next(k for k in range(1, len(edges)) if i < edges[k] or k == len(edges) - 1)
        low, high = edges[upper - 1], edges[upper]
        for matrix, derivative in ((first, 1), (second, 2)):
            # symmetric stencils gain one order for the second derivative; one-sided stencils need one more point
            width = order + 1
            start = i - width // 2
            if derivative == 2 and not low <= start <= high - width + 1:
                width += 1
            start = min(max(i - width // 2, low), max(high - width + 1, low))
            window = slice(start, min(start + width, high + 1))
            matrix[i, window] = fornberg(nodes[i], nodes[window], derivative)[derivative]
    return first, second


def downstream(axis: Axis, order: int, direction: int, slope_is_known: bool) -> Float[np.ndarray, "n n"]:
    """First derivatives in a time-like state from the nodes downstream, as in a multistep method.

    `direction` is the sign of the drift. Near a kink and near the last node downstream fewer nodes are available and the order
    is lower; the cells there are small. The last node has no derivative. If the slope at that face is known, the row of the node
    before it is twice the mean slope of the cell, from which the caller subtracts the known slope.
    """
    n = len(axis.nodes)
    if direction < 0:  # mirrored
        mirrored = Axis(-axis.nodes[::-1], tuple(n - 1 - b for b in axis.breaks[::-1]))
        return -downstream(mirrored, order, 1, slope_is_known)[::-1, ::-1]
    nodes, first = axis.nodes, np.zeros((n, n))
    ends = [*axis.breaks, n - 1]
    # on stretched grids backward differences of order 4 and higher are unstable along the imaginary axis
    order = min(order, 3)
    for i in range(n - 1):
        end = next(e for e in ends if i < e)
        window = slice(i, min(i + order, end) + 1)
        first[i, window] = fornberg(nodes[i], nodes[window], 1)[1]
    if slope_is_known:
        first[n - 2] *= 2.0
    return first


def biased(axis: Axis, direction: int) -> Float[np.ndarray, "n n"]:
    """Biased first derivatives of order 3, with one node upstream and two nodes downstream of the drift.

    They are used in states without noise, in which centred differences do not damp zigzags. At ends and kinks the stencil
    consists of the four nearest nodes of the segment.
    """
    n = len(axis.nodes)
    if direction < 0:
        mirrored = Axis(-axis.nodes[::-1], tuple(n - 1 - b for b in axis.breaks[::-1]))
        return -biased(mirrored, 1)[::-1, ::-1]
    nodes, first, edges = axis.nodes, np.zeros((n, n)), [0, *axis.breaks, n - 1]
    for i in range(n):
        upper = next(k for k in range(1, len(edges)) if i < edges[k] or k == len(edges) - 1)
        low, high = edges[upper - 1], edges[upper]
        start = max(min(i - 1, high - 3), low)
        window = slice(start, min(start + 4, high + 1))
        first[i, window] = fornberg(nodes[i], nodes[window], 1)[1]
    return first


def slope_jump(axis: Axis, kink: int, order: int) -> Float[np.ndarray, " n"]:
    """Weights of the jump of the first derivative at a kink, the slope from above minus the slope from below."""
    nodes = axis.nodes
    edges = [0, *axis.breaks, len(nodes) - 1]
    position = edges.index(kink)
    weights = np.zeros(len(nodes))
    below = slice(max(edges[position - 1], kink - order), kink + 1)
    above = slice(kink, min(edges[position + 1], kink + order) + 1)
    weights[below] -= fornberg(nodes[kink], nodes[below], 1)[1]
    weights[above] += fornberg(nodes[kink], nodes[above], 1)[1]
    return weights


def one_sided(
    axis: Axis,
) -> tuple[Float[np.ndarray, "n n"], Float[np.ndarray, "n n"], Float[np.ndarray, "n n"]]:
    """Forward and backward differences and the three-point second difference; rows without a complete stencil are zero."""
    nodes, n = axis.nodes, len(axis.nodes)
    forward, backward, second = np.zeros((n, n)), np.zeros((n, n)), np.zeros((n, n))
    h = np.diff(nodes)
    lower = np.arange(n - 1)
    forward[lower, lower], forward[lower, lower + 1] = -1.0 / h, 1.0 / h
    backward[lower + 1, lower], backward[lower + 1, lower + 1] = -1.0 / h, 1.0 / h
    for i in range(1, n - 1):
        second[i, i - 1 : i + 2] = fornberg(nodes[i], nodes[i - 1 : i + 2], 2)[2]
    return forward, backward, second
