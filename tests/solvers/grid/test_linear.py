"""Sparse solvers of a frozen policy: one answer from all of them, and no exception where there is none."""

import numpy as np
import pytest
import scipy.sparse as sp

from abatax.solvers import Automatic, Direct, LinearSystem, Multigrid, Sweep
from abatax.solvers.grid import Discretisation, Downwind, make_axis

# Multigrid stops at a relative residual of 1e-8; the inverse grows it by at most 1/(discount rate) = 100.
RELATIVE = 1e-6
# LU with one step of refinement: rounding times the condition number.
ROUNDING = 1e-11


def frozen_policy(points, dimension):
    """A discounted upwind operator with drift towards the middle, and a right-hand side."""
    axis = make_axis((-1.0, 1.0), (-1.0, 3.0), points, ())
    grid = Discretisation((axis,) * dimension, 2)
    operators = grid.operators(grid.scheme(False, frozenset()), has_mixed=False)
    x = grid.points
    variance = np.einsum("n,ab->nab", 0.02 + 0.0 * x[:, 0], np.eye(dimension))
    matrix = operators.assemble(np.full(grid.size, -0.01), 0.3 - 0.5 * x, variance)
    return matrix, np.cos(x.sum(axis=1))


@pytest.mark.parametrize("solver, tolerance", [(Direct(), ROUNDING), (Multigrid(), RELATIVE), (Automatic(), ROUNDING)])
def test_solvers_agree_with_dense_elimination(solver, tolerance):
    matrix, right = frozen_policy(24, 2)
    expected = np.linalg.solve(matrix.toarray(), right)
    found = solver.solve(LinearSystem(matrix, right, (24, 24)))
    np.testing.assert_allclose(found, expected, atol=tolerance * np.max(np.abs(expected)))


def test_automatic_turns_to_multigrid_where_factors_fill_up():
    system = LinearSystem(
        *frozen_policy(21, 3), (21, 21, 21)
    )  # 9261 unknowns: above what is factorised in three states
    assert isinstance(Automatic().choose(system), Multigrid)
    found = Automatic().solve(system)
    assert np.linalg.norm(system.matrix @ found - system.right) < 1e-8 * np.linalg.norm(system.right) * 1.01


def centred_policy(points, drift, noise, dimension=2, known=frozenset()):
    """A centred operator that is not an M-matrix, the upwind one, and the one upwinded in the first state only."""
    axis = make_axis((-1.0, 1.0), (-1.0, 3.0), points, ())
    grid = Discretisation((axis,) * dimension, 4)
    x = grid.points
    variance = np.einsum("n,ab->nab", noise + 0.0 * x[:, 0], np.eye(dimension))
    parts = np.full(grid.size, -0.01), drift(x), variance
    high, low = (grid.operators(grid.scheme(order, known), has_mixed=False) for order in (True, False))
    return [o.assemble(*parts) for o in (high, low, high.with_axis(0, low))], np.cos(x.sum(axis=1)), grid.shape


def test_multigrid_uses_the_monotone_system():
    (centred, upwind, _), right, shape = centred_policy(24, lambda x: 0.3 - 0.5 * x, 0.02)
    expected = np.linalg.solve(centred.toarray(), right)
    found = Multigrid().solve(LinearSystem(centred, right, shape, upwind))
    np.testing.assert_allclose(found, expected, atol=RELATIVE * np.max(np.abs(expected)))


@pytest.mark.parametrize("direction", [1, -1])
def test_a_sweep_along_a_dominant_drift_agrees_with_elimination(direction):
    def drift(x):
        return np.stack([direction * (0.3 + 0.1 * x[:, 1] ** 2), -0.2 * x[:, 1]], axis=1)

    (centred, upwind, swept), right, shape = centred_policy(
        24, drift, 1e-3, known=frozenset({(0, 0 if direction < 0 else 1)})
    )
    expected = np.linalg.solve(centred.toarray(), right)
    found = Sweep().solve(LinearSystem(centred, right, shape, upwind, Downwind(0, direction, swept)))
    np.testing.assert_allclose(found, expected, atol=RELATIVE * np.max(np.abs(expected)))


@pytest.mark.parametrize("direction", [1, -1])
def test_a_sweep_is_a_direct_solve_where_a_state_has_no_noise(direction):
    # in three states, 9261 unknowns: one factorisation per layer
    axes = (make_axis((-1.0, 1.0), (-1.0, 3.0), 21, ()),) * 3
    grid = Discretisation(axes, 4, (0, direction, 0))
    x = grid.points
    operators = grid.operators(grid.scheme(True, frozenset()), has_mixed=False)
    drift = np.stack([-0.4 * x[:, 0], direction * (1.0 + 0.5 * np.cos(x[:, 0])), -0.3 * x[:, 2]], axis=1)
    variance = np.einsum("n,ab->nab", 0.02 + 0.0 * x[:, 0], np.diag([1.0, 0.0, 1.0]))
    matrix = operators.assemble(np.full(grid.size, -0.01), drift, variance)
    system = LinearSystem(matrix, np.cos(x.sum(axis=1)), grid.shape, downwind=Downwind(1, direction, matrix))
    assert isinstance(Automatic().choose(system), Sweep)
    found = Sweep(max_steps=0).solve(system)  # no iteration is needed
    assert np.linalg.norm(matrix @ found - system.right) < 1e-12 * np.linalg.norm(system.right)


@pytest.mark.filterwarnings("ignore::scipy.sparse.linalg.MatrixRankWarning")
@pytest.mark.parametrize(
    "solver, singular",
    [
        (Direct(), sp.csr_matrix((3, 3))),
        (Direct(), sp.csr_matrix(np.ones((3, 3)))),
        (Multigrid(), sp.csr_matrix(np.ones((3, 3)))),
    ],
)
def test_singular_system_has_no_finite_answer(solver, singular):
    # a solver turns an answer that is not finite into a result code; an exception would lose all that was computed
    assert not np.all(np.isfinite(solver.solve(LinearSystem(singular, np.array([1.0, 2.0, 4.0]), (3,)))))


@pytest.mark.parametrize("size", [1e-60, 1e60])
def test_rows_beyond_single_precision_are_preconditioned_too(size, capfd):
    """In single precision their interpolation weights would be 0 / 0, which pyamg prints for every one of them."""
    matrix, right = frozen_policy(24, 2)
    expected = Multigrid().solve(LinearSystem(matrix, right, (24, 24)))
    found = Multigrid().solve(LinearSystem(sp.csr_matrix(size * matrix), size * right, (24, 24)))
    np.testing.assert_allclose(found, expected, rtol=RELATIVE)
    assert "denominator" not in capfd.readouterr().out


@pytest.mark.parametrize("size", [1e16, 1e22, 1e40])
def test_rows_of_very_different_sizes_are_solved_and_nothing_is_printed(size, capfd):
    """A policy that grows without bound makes some rows very large; pyamg took sums of their entries for zero, and said so."""
    matrix, right = frozen_policy(13, 3)
    expected = Multigrid().solve(LinearSystem(matrix, right, (13,) * 3))
    scales = np.where(np.arange(len(right)) % 5 < 2, size, 1.0)
    found = Multigrid().solve(LinearSystem(sp.csr_matrix(sp.diags_array(scales) @ matrix), scales * right, (13,) * 3))
    printed = capfd.readouterr()
    assert printed.out == "" and printed.err == ""
    np.testing.assert_allclose(found, expected, rtol=RELATIVE)


def test_a_system_that_is_not_finite_has_no_solution():
    matrix, right = frozen_policy(24, 2)
    matrix.data[5] = np.inf
    assert not np.any(np.isfinite(Multigrid().solve(LinearSystem(matrix, right, (24, 24)))))
