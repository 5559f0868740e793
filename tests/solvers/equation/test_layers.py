"""Layers at state constraints are told by their third derivatives: how much of one a solution holds, and when that is too much."""

import numpy as np
import pytest

from abatax.solvers.equation import layer_in

NODES = np.linspace(-1.0, 1.0, 201)
STEEP = 6.0


def measured(amplitude, felt, side=1.0):
    """A parabola with a layer at a face: slopes of the layer and of the response, in units of those of the parabola."""
    grown = np.exp(STEEP * (side * NODES - 1.0))
    slope, bend = side * STEEP * grown, STEEP**2 * grown
    flat = -NODES, -np.ones_like(NODES)
    unit = np.sqrt(np.mean(flat[0] ** 2) / np.mean(slope**2))
    seen = (flat[0] + amplitude * unit * slope, flat[1] + amplitude * unit * bend)
    slopes, moved = (s[None, :, None] for s in (seen[0], felt * unit * slope))
    hessians, bent = (b[None, :, None, None] for b in (seen[1], felt * unit * bend))
    return layer_in((NODES,), slopes, hessians, moved, bent)


@pytest.mark.parametrize("side", [-1.0, 1.0])
@pytest.mark.parametrize("amplitude", [0.0, 1e-4, 3e-2])
def test_the_share_of_a_layer_is_its_part_of_the_slopes(amplitude, side):
    layer = measured(amplitude, felt=3.0, side=side)
    # to first order: the layer is also part of the slopes by which both are measured
    np.testing.assert_allclose(layer.share, amplitude, rtol=2.0 * amplitude + 1e-9, atol=1e-13)
    np.testing.assert_allclose(layer.response, 3.0, rtol=2.0 * amplitude + 1e-9)


@pytest.mark.parametrize(
    "amplitude, felt, leaves_open",
    [
        (3e-2, 0.1, False),  # noise at the faces hardly matters: what bends there is the solution itself
        (3e-2, 1.0, True),
        (1e-4, 1.0, False),
        (1e-4, 500.0, False),  # much could be there, and is not
        (3e-2, 500.0, True),
        (1e-4, np.inf, True),
    ],
)
def test_a_solution_is_open_if_it_holds_a_layer_where_slopes_respond_to_one(amplitude, felt, leaves_open):
    with np.errstate(invalid="ignore"):
        assert measured(amplitude, felt).leaves_open is leaves_open
