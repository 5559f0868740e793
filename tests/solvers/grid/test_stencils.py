"""Grids and difference matrices: exact on polynomials, of their stated order, monotone where they must be."""

import numpy as np
import pytest

from abatax.solvers.grid import Axis, Discretisation, FaceSlopes, centred, fornberg, make_axis, one_sided, slope_jump

# Rounding of a difference: values of size one over the smallest cell, squared for the second derivative.
ROUNDING = 1e-9
# One-sided ends approach their order from below: the last grids before rounding measure it to ten per cent.
ORDER = 0.9


def polynomial(degree, derivative):
    """x^degree and its derivatives."""
    power = np.polynomial.Polynomial.basis(degree)
    return power.deriv(derivative) if derivative else power


# -- weights ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("points", [2, 3, 5, 8])
def test_fornberg_weights_are_exact_on_polynomials(points, seed):
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(-1.0, 1.0, points)) + np.arange(points) * 0.2
    z = rng.uniform(-1.0, 1.5)
    order = min(3, points - 1)
    weights = fornberg(z, x, order)
    for degree in range(points):
        for derivative in range(order + 1):
            found = weights[derivative] @ polynomial(degree, 0)(x)
            size = np.abs(weights[derivative]) @ np.abs(x) ** degree
            np.testing.assert_allclose(found, polynomial(degree, derivative)(z), atol=1e-13 * size + 1e-14)


def test_fornberg_weights_do_not_depend_on_the_order_of_points():
    x = np.array([0.3, -1.0, 0.9, 0.1])
    permutation = np.array([2, 0, 3, 1])
    np.testing.assert_allclose(fornberg(0.2, x, 2)[:, permutation], fornberg(0.2, x[permutation], 2), atol=1e-12)


# -- axes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("points", [41, 81, 161])
@pytest.mark.parametrize(
    "region, domain, breaks",
    [
        ((0.0, 1.0), (0.0, 1.0), ()),
        ((0.1, 4.0), (0.1, 12.0), ()),
        ((-3.0, 3.0), (-5.0, 9.0), ()),
        ((0.0, 2.5), (0.0, 3.0), (1.5,)),
        ((0.0, 5.0), (0.0, 8.0), (2.0,)),
        ((0.0, 5.0), (0.0, 8.0), (1.5, 2.0)),
        ((0.0, 5.0), (0.0, 8.0), (2.0, -1.0, 8.0, 30.0)),  # those at or beyond the ends are no kinks
    ],
)
def test_axis_covers_the_domain_with_the_points_asked_for(region, domain, breaks, points):
    axis = make_axis(region, domain, points, breaks)
    x = axis.nodes
    assert len(x) == points
    assert (x[0], x[-1]) == domain
    assert np.all(np.diff(x) > 0.0)
    inside = sorted(b for b in breaks if domain[0] < b < domain[1])
    assert [x[n] for n in axis.breaks] == inside  # exactly, so that a model's comparison with its kink agrees
    cells = np.diff(x)
    ratio = np.maximum(cells[1:] / cells[:-1], cells[:-1] / cells[1:])
    # sizes change by a quarter of the distance, so neighbours by little more; the two sides of a kink are rounded to
    # whole numbers of cells apart from each other
    assert np.max(ratio) < (2.4 if inside else 1.5)


def test_axis_without_margin_or_kink_is_even():
    np.testing.assert_allclose(make_axis((0.0, 1.0), (0.0, 1.0), 11, ()).nodes, np.linspace(0.0, 1.0, 11), atol=1e-12)


@pytest.mark.parametrize("grading", [0.2, 5.0])
def test_graded_cells_change_by_the_factor_over_the_region(grading):
    axis = make_axis((0.0, 4.0), (-1.0, 6.0), 161, (), grading)
    x, cells = axis.nodes, np.diff(axis.nodes)
    assert len(x) == 161 and (x[0], x[-1]) == (-1.0, 6.0)
    middle = 0.5 * (x[1:] + x[:-1])
    inside = (middle > 0.0) & (middle < 4.0)
    slope, _ = np.polyfit(middle[inside], np.log(cells[inside]), 1)
    assert slope * 4.0 == pytest.approx(np.log(grading), rel=0.02)
    assert 3 in make_axis((0.0, 4.0), (0.0, 4.0), 41, (3.0,), grading).nodes  # kinks stay nodes


def test_cells_are_smaller_at_a_kink():
    axis = make_axis((0.0, 5.0), (0.0, 5.0), 161, (2.0,))
    cells = np.diff(axis.nodes)
    (kink,) = axis.breaks
    assert cells.max() > 8.0 * cells[kink - 1 : kink + 1].max()


def test_axis_keeps_enough_cells_between_kinks():
    # a spline of degree five needs six cells in every piece
    axis = make_axis((0.0, 3.0), (0.0, 3.0), 41, (1.0, 1.05))
    assert len(axis.nodes) == 41
    assert np.min(np.diff([0, *axis.breaks, 40])) >= 6


# -- difference matrices ----------------------------------------------------------------------------------------------


def stretched(points):
    """A smooth grading, the cells at the top 2.4 times those at the bottom, the same at every resolution."""
    s = np.linspace(0.0, 1.0, points)
    return Axis(np.sinh(1.5 * s) / np.sinh(1.5), ())


@pytest.mark.parametrize("axis", [stretched(31), Axis(stretched(31).nodes, (9, 20))])
@pytest.mark.parametrize("order", [2, 4, 6])
def test_centred_differences_are_exact_on_polynomials(axis, order):
    first, second = centred(axis, order)
    for degree in range(order + 1):
        values = axis.nodes**degree
        np.testing.assert_allclose(first @ values, polynomial(degree, 1)(axis.nodes), atol=ROUNDING)
        np.testing.assert_allclose(second @ values, polynomial(degree, 2)(axis.nodes), atol=ROUNDING * 100)


@pytest.mark.parametrize("derivative", [1, 2])
@pytest.mark.parametrize("order", [2, 4, 6])
def test_centred_differences_have_their_order_on_a_stretched_axis(order, derivative):
    # at all nodes, ends included; log-error regressed on log-spacing
    errors = []
    counts = np.array([61, 121, 241]) if order < 6 else np.array([41, 61, 81])
    for points in counts:
        x = stretched(points).nodes
        found = centred(stretched(points), order)[derivative - 1] @ np.exp(1.7 * x)
        errors.append(np.max(np.abs(found - 1.7**derivative * np.exp(1.7 * x))))
    slope = -np.polyfit(np.log(counts - 1.0), np.log(errors), 1)[0]
    assert slope > ORDER * order


@pytest.mark.parametrize("order", [2, 4, 6])
def test_no_stencil_crosses_a_kink(order):
    axis = Axis(np.linspace(0.0, 3.0, 31), (10, 20))
    first, second = centred(axis, order)
    segment = np.searchsorted([10, 20], np.arange(31), side="right")
    for i in range(31):
        columns = np.flatnonzero((first[i] != 0.0) | (second[i] != 0.0))
        # a kink belongs to the segment above it, and closes the one below
        assert np.all((segment[columns] == segment[i]) | np.isin(columns, [10, 20]))
        assert np.all(columns >= [0, 10, 20][segment[i]]) and np.all(columns <= [10, 20, 30][segment[i]])


@pytest.mark.parametrize("order", [2, 4, 6])
def test_slope_jump_measures_a_kink_and_nothing_else(order):
    x = stretched(41).nodes
    axis = Axis(x, (15,))
    kink = x[15]
    weights = slope_jump(axis, 15, order)
    np.testing.assert_allclose(weights @ np.maximum(x - kink, 0.0), 1.0, rtol=1e-10)
    smooth = [weights @ x**degree for degree in range(order + 1)]
    np.testing.assert_allclose(smooth, 0.0, atol=ROUNDING)
    # a jump of the second derivative is no jump of the slope
    bent = weights @ (np.maximum(x - kink, 0.0) ** 2)
    np.testing.assert_allclose(bent, 0.0, atol=1e-12 if order > 1 else np.inf)


def test_slope_jump_between_two_kinks_stays_between_them():
    axis = Axis(np.linspace(0.0, 1.0, 21), (8, 12))
    assert set(np.flatnonzero(slope_jump(axis, 8, 6))) <= set(range(2, 13))
    assert set(np.flatnonzero(slope_jump(axis, 12, 6))) <= set(range(8, 19))


def test_one_sided_differences():
    x = stretched(21).nodes
    forward, backward, second = one_sided(Axis(x, ()))
    np.testing.assert_allclose((forward @ x**1)[:-1], 1.0, rtol=1e-12)
    np.testing.assert_allclose((backward @ x**1)[1:], 1.0, rtol=1e-12)
    np.testing.assert_allclose((second @ x**2)[1:-1], 2.0, rtol=1e-9)
    for matrix, rows in ((forward, [20]), (backward, [0]), (second, [0, 20])):
        assert np.all(matrix[rows] == 0.0)
    off = ~np.eye(21, dtype=bool)
    assert np.all(forward[off] >= 0.0) and np.all(backward[off] <= 0.0) and np.all(second[off] >= 0.0)


# -- the assembled operator --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_upwind_operator_is_minus_an_m_matrix(dimension, seed):
    # any drift, any diagonal variance: off-diagonals >= 0, rows sum to minus the discount rate
    rng = np.random.default_rng(seed)
    axes = [make_axis((0.0, 2.0), (-0.5, 4.0), 15, (1.0,)), Axis(np.linspace(-1.0, 1.0, 7), ()), stretched(9)]
    grid = Discretisation(tuple(axes[:dimension]), 4)
    operators = grid.operators(grid.scheme(False, frozenset()), has_mixed=False)
    drift = rng.standard_normal((grid.size, dimension)) * 10.0 ** rng.integers(-3, 3, (grid.size, dimension))
    for a in range(dimension):  # nothing flows out of the box
        drift[grid.on_face(a, 0), a] = np.abs(drift[grid.on_face(a, 0), a])
        drift[grid.on_face(a, 1), a] = -np.abs(drift[grid.on_face(a, 1), a])
    variance = np.zeros((grid.size, dimension, dimension))
    variance[:, range(dimension), range(dimension)] = rng.random((grid.size, dimension))
    discount = -0.01 - rng.random(grid.size)
    matrix = operators.assemble(discount, drift, variance).toarray()
    off = matrix - np.diag(np.diag(matrix))
    assert np.all(off >= 0.0)
    scale = np.abs(matrix).sum(axis=1)
    np.testing.assert_allclose((matrix.sum(axis=1) - discount) / scale, 0.0, atol=1e-15 * 10)
    # so the inverse is negative: more utility anywhere is worth something everywhere it can reach
    assert np.max(np.linalg.inv(matrix)) <= 1e-12


@pytest.mark.parametrize("high", [False, True])
def test_differentiation_agrees_with_the_assembled_matrices(high):
    # two ways to the same derivative: along axes, and by Kronecker products
    rng = np.random.default_rng(0)
    grid = Discretisation((stretched(9), Axis(np.linspace(-1.0, 1.0, 8), (3,))), 4)
    scheme = grid.scheme(high, frozenset())
    operators = grid.operators(scheme, has_mixed=True)
    values = rng.standard_normal((2, grid.size))
    found = grid.differentiate(scheme, values, FaceSlopes({}, {}), high)
    for a in range(2):
        np.testing.assert_allclose(found.forward[:, :, a], (operators.forward[a] @ values.T).T, atol=1e-9)
        np.testing.assert_allclose(found.backward[:, :, a], (operators.backward[a] @ values.T).T, atol=1e-9)
        np.testing.assert_allclose(found.hessian[:, :, a, a], (operators.second[a] @ values.T).T, atol=1e-7)
    mixed = (operators.mixed[0, 1] @ values.T).T
    np.testing.assert_allclose(found.hessian[:, :, 0, 1], mixed, atol=1e-7)
    np.testing.assert_allclose(found.hessian[:, :, 1, 0], mixed, atol=1e-7)


def test_operator_is_drift_and_variance_times_derivatives():
    # exact on a quadratic in two states, mixed derivative included, with the high-order scheme
    grid = Discretisation((stretched(11), Axis(np.linspace(-1.0, 2.0, 9), ())), 4)
    operators = grid.operators(grid.scheme(True, frozenset()), has_mixed=True)
    x, y = grid.points.T
    v = 1.0 + x - 2.0 * y + 0.5 * x**2 + 1.5 * x * y - y**2
    drift = np.stack([np.cos(y), x - y], axis=-1)
    variance = np.empty((grid.size, 2, 2))
    variance[:] = [[0.3, 0.1], [0.1, 0.7]]
    found = operators.assemble(np.full(grid.size, -0.05), drift, variance) @ v
    slopes = np.stack([1.0 + x + 1.5 * y, -2.0 + 1.5 * x - 2.0 * y], axis=-1)
    expected = -0.05 * v + np.sum(drift * slopes, axis=-1) + 0.3 * 1.0 + 0.7 * -2.0 + 2 * 0.1 * 1.5
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_points_run_through_the_last_state_fastest():
    grid = Discretisation((Axis(np.array([0.0, 1.0]), ()), Axis(np.array([5.0, 6.0, 7.0]), ())), 2)
    np.testing.assert_array_equal(grid.points, [[0, 5], [0, 6], [0, 7], [1, 5], [1, 6], [1, 7]])
    np.testing.assert_array_equal(grid.on_face(1, 1), [False, False, True, False, False, True])


@pytest.mark.parametrize("domain, breaks", [((0.0, 1.0), ()), ((0.0, 5.0), ()), ((-4.0, 5.0), (0.5,))])
def test_every_cell_shrinks_when_points_are_added(domain, breaks):
    # a grid that is not refined in its margin has a limit, but not that of the equation
    coarse, fine = (np.diff(make_axis((0.0, 1.0), domain, n, breaks).nodes) for n in (81, 161))
    assert fine.max() < 0.6 * coarse.max()
    assert fine.min() < 0.6 * coarse.min()
