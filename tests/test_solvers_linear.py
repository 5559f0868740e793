"""Sparse solvers of a frozen policy: one answer from all of them, and no exception where there is none."""

import numpy as np
import pytest
import scipy.sparse as sp

from abatax.solvers import Automatic, Direct, Multigrid
from abatax.solvers._discretisation import Discretisation
from abatax.solvers._stencils import make_axis

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


@pytest.mark.parametrize("solver, tolerance", [(Direct(), ROUNDING), (Multigrid(), RELATIVE), (Automatic(2), ROUNDING)])
def test_solvers_agree_with_dense_elimination(solver, tolerance):
    matrix, right = frozen_policy(24, 2)
    expected = np.linalg.solve(matrix.toarray(), right)
    np.testing.assert_allclose(solver.solve(matrix, right), expected, atol=tolerance * np.max(np.abs(expected)))


def test_automatic_turns_to_multigrid_where_factors_fill_up():
    matrix, right = frozen_policy(21, 3)  # 9261 unknowns: above what Automatic factorises in three states
    found = Automatic(3).solve(matrix, right)
    assert np.linalg.norm(matrix @ found - right) < 1e-8 * np.linalg.norm(right) * 1.01


def test_multigrid_uses_the_companion():
    # a centred operator, not an M-matrix, preconditioned by the upwind one
    upwind, right = frozen_policy(24, 2)
    axis = make_axis((-1.0, 1.0), (-1.0, 3.0), 24, ())
    grid = Discretisation((axis, axis), 4)
    operators = grid.operators(grid.scheme(True, frozenset()), has_mixed=False)
    x = grid.points
    variance = np.einsum("n,ab->nab", 0.02 + 0.0 * x[:, 0], np.eye(2))
    centred = operators.assemble(np.full(grid.size, -0.01), 0.3 - 0.5 * x, variance)
    expected = np.linalg.solve(centred.toarray(), right)
    found = Multigrid().solve(centred, right, upwind)
    np.testing.assert_allclose(found, expected, atol=RELATIVE * np.max(np.abs(expected)))


@pytest.mark.filterwarnings("ignore::scipy.sparse.linalg.MatrixRankWarning")
@pytest.mark.parametrize("singular", [sp.csr_matrix((3, 3)), sp.csr_matrix(np.ones((3, 3)))])
def test_singular_system_has_no_finite_answer(singular):
    # a solver turns an answer that is not finite into a result code; an exception would lose all that was computed
    assert not np.all(np.isfinite(Direct().solve(singular, np.array([1.0, 2.0, 4.0]))))
