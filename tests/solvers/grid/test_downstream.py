"""Systems in which everything moves one way: the order of solution, and the solver that uses it."""

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.sparse.linalg as spla

from abatax.solvers import Automatic, Direct, Downstream, LinearSystem
from abatax.solvers.grid import downstream_order

SHAPE = (11, 9, 10)


def transport(directions, noise, shape=SHAPE):
    """delta V - b . V_x - (noise / 2) V_xx, upwinded, on the unit cube; drifts vary over the grid but keep their sign."""
    rng = np.random.default_rng(0)
    n = int(np.prod(shape))
    total = 0.01 * sp.identity(n)
    for axis, direction in enumerate(directions):
        size = shape[axis]
        h = 1.0 / (size - 1)
        ahead = sp.csr_matrix(sp.diags([-1.0 * (np.arange(size) < size - 1), np.ones(size - 1)], [0, 1]) / h)
        behind = -ahead[::-1, ::-1]
        second = sp.diags([np.ones(size - 1), -2.0 * np.ones(size), np.ones(size - 1)], [-1, 0, 1]).tolil()
        second[0, :2], second[-1, -2:] = [-1.0, 1.0], [1.0, -1.0]
        before, after = int(np.prod(shape[:axis])), int(np.prod(shape[axis + 1 :]))

        def lift(m, before=before, after=after):
            return sp.kron(sp.kron(sp.identity(before), sp.csr_matrix(m)), sp.identity(after))

        speed = 0.02 * (0.5 + rng.random(n))
        total = total - sp.diags(speed * abs(direction)) @ (direction * lift(ahead if direction > 0 else behind))
        total = total - 0.5 * noise * lift(second) / h**2
    return sp.csr_matrix(total)


@pytest.mark.parametrize("directions", [(1, 1, 1), (-1, 1, -1)])
def test_without_noise_the_order_makes_the_system_triangular(directions):
    matrix = transport(directions, 0.0)
    order = downstream_order(matrix, SHAPE)
    assert sp.triu(matrix[order][:, order], 1).nnz == 0


@pytest.mark.parametrize("noise", [0.0, 1e-5])
@pytest.mark.parametrize("directions", [(1, 1, 1), (-1, 1, 1)])
def test_the_answer_is_that_of_a_direct_solve(directions, noise):
    matrix = transport(directions, noise)
    right = np.random.default_rng(1).standard_normal(matrix.shape[0])
    system = LinearSystem(matrix, right, SHAPE)
    want = spla.spsolve(matrix.tocsc(), right)
    # relative residual 1e-8 times the condition of the system, its largest time scale over its smallest
    assert np.linalg.norm(Downstream().solve(system) - want) < 1e-6 * np.linalg.norm(want)


def test_a_system_that_is_not_monotone_is_solved_by_its_monotone_companion():
    monotone = transport((1, 1, 1), 1e-5)
    rng = np.random.default_rng(2)
    wobble = sp.random(*monotone.shape, density=2e-4, random_state=rng, data_rvs=rng.standard_normal)
    matrix = sp.csr_matrix(monotone + 0.1 * wobble)
    right = rng.standard_normal(monotone.shape[0])
    found = Downstream().solve(LinearSystem(matrix, right, SHAPE, monotone))
    assert np.linalg.norm(matrix @ found - right) < 1e-7 * np.linalg.norm(right)


def test_automatic_takes_it_where_noise_is_faint_and_only_there():
    def chosen(matrix, shape=SHAPE):
        return Automatic().choose(LinearSystem(matrix, np.ones(matrix.shape[0]), shape))

    assert isinstance(chosen(transport((1, 1, 1), 1e-5)), Downstream)
    assert not isinstance(chosen(transport((1, 1, 1), 0.1)), Downstream)
    assert isinstance(chosen(transport((1, 1, 1), 1e-5, (5, 5, 5)), (5, 5, 5)), Direct)
