import abc
import functools as ft
from typing import NamedTuple

import equinox as eqx
import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spla
from jaxtyping import Float
from threadpoolctl import ThreadpoolController


@ft.cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


def one_thread():
    """A context in which BLAS uses one thread.

    The dense blocks of a sparse solve are small. On a shared machine the synchronisation of threads took ten times as long as the
    solve.
    """
    return _controller().limit(limits=1, user_api="blas")


class Downwind(NamedTuple):
    """A state along which a system is nearly triangular, because its drift has one sign."""

    axis: int
    direction: int  # +1: the drift goes up, so values depend on those above
    matrix: (
        sp.csr_matrix
    )  # the system with upwind differences in that state; the system itself if it is already triangular


class LinearSystem(NamedTuple):
    """`matrix @ x = right` on a tensor grid, with information for preconditioners.

    **Arguments:**

    - `matrix`: the sparse matrix.
    - `right`: the right-hand side.
    - `shape`: number of nodes of each state.
    - `monotone`: a nearby M-matrix, from which preconditioners are built; None if `matrix` is one.
    - `downwind`: a state along which the system is nearly triangular, if there is one.

    !!! example

        ```python
        import numpy as np
        import scipy.sparse as sp

        import abatax as ab

        matrix = sp.csr_matrix(sp.diags_array([np.ones(19), np.full(20, -3.0), np.ones(19)], offsets=[-1, 0, 1]))
        system = ab.solvers.LinearSystem(matrix, np.ones(20), shape=(20,))
        assert np.allclose(matrix @ ab.solvers.Direct().solve(system), system.right)
        ```
    """

    matrix: sp.csr_matrix
    right: Float[np.ndarray, " n"]
    shape: tuple[int, ...]
    monotone: sp.csr_matrix | None = None  # a nearby M-matrix, if `matrix` is not an M-matrix
    downwind: Downwind | None = None


class AbstractLinearSolver(eqx.Module):
    """A solver, on the host, of the sparse linear system for a frozen policy.

    !!! example

        ```python
        import numpy as np

        import abatax as ab

        class Dense(ab.solvers.AbstractLinearSolver):
            def solve(self, system):
                return np.linalg.solve(system.matrix.toarray(), system.right)

        solver = ab.solvers.FiniteDifference(points=21, linear_solver=Dense())
        assert ab.solve(ab.models.LinearQuadratic(), solver).converged
        ```
    """

    @abc.abstractmethod
    def solve(self, system: LinearSystem) -> Float[np.ndarray, " n"]:
        """The solution; not finite if there is none."""


class Direct(AbstractLinearSolver):
    """Sparse LU factorisation (SuperLU, minimum degree on A' + A), fastest up to about 40 000 unknowns in two dimensions.

    !!! example

        ```python
        import numpy as np
        import scipy.sparse as sp

        import abatax as ab

        matrix = sp.csr_matrix(sp.diags_array([np.ones(19), np.full(20, -3.0), np.ones(19)], offsets=[-1, 0, 1]))
        system = ab.solvers.LinearSystem(matrix, np.ones(20), shape=(20,))
        assert np.allclose(matrix @ ab.solvers.Direct().solve(system), system.right, atol=1e-6)
        ```
    """

    def solve(self, system):
        matrix, right = system.matrix, system.right
        factor = _factorise(matrix)
        if factor is None:  # exactly singular: the driver reports the nonfinite result
            return np.full_like(right, np.nan)
        x = factor.solve(right)
        if not np.all(np.isfinite(x)):
            return x
        # one step of iterative refinement: threshold pivoting loses a few digits on graded grids
        return x + factor.solve(right - matrix @ x)


class Multigrid(AbstractLinearSolver):
    """BiCGStab for monotone systems and GMRES for others, preconditioned by Ruge-Stüben multigrid (pyamg) of the monotone system.

    **Arguments:**

    - `tolerance`: relative residual.
    - `max_steps`: iterations before the best iterate is returned.

    !!! example

        ```python
        import numpy as np
        import scipy.sparse as sp

        import abatax as ab

        matrix = sp.csr_matrix(sp.diags_array([np.ones(19), np.full(20, -3.0), np.ones(19)], offsets=[-1, 0, 1]))
        system = ab.solvers.LinearSystem(matrix, np.ones(20), shape=(20,))
        assert np.allclose(matrix @ ab.solvers.Multigrid().solve(system), system.right, atol=1e-6)
        ```
    """

    tolerance: float = 1e-8
    max_steps: int = 200

    def solve(self, system):
        try:
            return self._solve(system)
        except RuntimeError as error:  # raised by the factorisation on the coarsest grid
            if "singular" not in str(error):
                raise
            return np.full_like(system.right, np.nan)

    def _solve(self, system):
        import pyamg

        # single precision is sufficient for a preconditioner and takes half the memory and three quarters of the time
        base = -(system.matrix if system.monotone is None else system.monotone)
        if not np.all(np.isfinite(base.data)):
            return np.full_like(system.right, np.nan)
        rows = _scales(base)
        base = (sp.diags_array(rows) @ base).tocsr().astype(np.float32)
        levels = pyamg.ruge_stuben_solver(
            base,
            # direct interpolation is cheaper to build but needed up to five times as many cycles on some grids
            strength=("classical", {"theta": 0.3}),
            # sweeps in opposite directions before and after the coarse correction: a third fewer cycles where drift dominates
            presmoother=("gauss_seidel", {"sweep": "forward"}),
            postsmoother=("gauss_seidel", {"sweep": "backward"}),
            max_coarse=500,
            coarse_solver="splu",
        )
        size = len(system.right)

        def precondition(right):
            return -_cycle(levels, (rows * np.ravel(right)).astype(np.float32)).astype(float)

        cycle = spla.LinearOperator((size, size), precondition, dtype=float)  # pyright: ignore[reportCallIssue]
        if system.monotone is None:
            # BiCGStab stores a few vectors, GMRES sixty
            x, info = spla.bicgstab(
                system.matrix, system.right, rtol=self.tolerance, atol=0.0, maxiter=self.max_steps // 2, M=cycle
            )
            if info == 0:
                return x
        return gmres(system, cycle, self.tolerance, self.max_steps)[0]


# Range of row sizes for which the interpolation weights are accurate: products of three entries stay in the range of single
# precision, and pyamg does not treat sums as zero, which it does below 1e-15 of a product of two entries.
_SMALLEST, _LARGEST = 1e-12, 1e10


def _scales(matrix: sp.csr_matrix) -> Float[np.ndarray, " n"]:
    """Scaling factors of rows that are too large or too small for accurate interpolation weights; 1 for other rows."""
    absolute = matrix.copy()  # with its indices, because the search for a maximum sorts them in place
    absolute.data = np.abs(absolute.data)
    size = np.ravel(absolute.max(axis=1).toarray())
    return np.where((size > _SMALLEST) & (size < _LARGEST), 1.0, 1.0 / np.where(size > 0.0, size, 1.0))


def _cycle(hierarchy, right: Float[np.ndarray, " n"], depth: int = 0) -> Float[np.ndarray, " n"]:
    """One V-cycle from a zero guess; pyamg's own preconditioner also computes two residual norms, a tenth of its time."""
    level = hierarchy.levels[depth]
    if depth == len(hierarchy.levels) - 1:
        return np.ravel(hierarchy.coarse_solver(level.A, right))
    x = np.zeros_like(right)
    level.presmoother(level.A, x, right)
    x += level.P @ _cycle(hierarchy, level.R @ (right - level.A @ x), depth + 1)
    level.postsmoother(level.A, x, right)
    return x


class Sweep(AbstractLinearSolver):
    """Block substitution in downstream order along one state, used as preconditioner of GMRES; exact if that state has no noise.

    If the drift of a state has one sign, values depend (almost) only on values downstream. Each layer of the grid is factorised
    separately, and the layers are solved from the last one downstream to the first.

    **Arguments:**

    - `tolerance`: relative residual.
    - `max_steps`: iterations before multigrid takes over.

    !!! example

        ```python
        import numpy as np
        import scipy.sparse as sp

        import abatax as ab

        matrix = sp.csr_matrix(sp.diags_array([np.ones(19), np.full(20, -3.0), np.ones(19)], offsets=[-1, 0, 1]))
        system = ab.solvers.LinearSystem(matrix, np.ones(20), shape=(20,))
        assert np.allclose(matrix @ ab.solvers.Sweep().solve(system), system.right, atol=1e-6)
        ```
    """

    tolerance: float = 1e-8
    max_steps: int = 120

    def solve(self, system):
        if system.downwind is None:
            return Multigrid(self.tolerance).solve(system)
        layers = _Layers(system.downwind, system.shape)
        if layers.singular:
            return np.full_like(system.right, np.nan)
        if layers.exact and system.downwind.matrix is system.matrix:
            x = layers.substitute(system.right)
            return x + layers.substitute(system.right - system.matrix @ x)
        size = len(system.right)
        preconditioner = spla.LinearOperator((size, size), layers.substitute, dtype=float)  # pyright: ignore[reportCallIssue]
        x, converged = gmres(system, preconditioner, self.tolerance, self.max_steps)
        if converged:
            return x
        multigrid = Multigrid(self.tolerance).solve(system)
        residual_norms = [np.linalg.norm(system.matrix @ z - system.right) for z in (x, multigrid)]
        return x if residual_norms[0] < residual_norms[1] else multigrid


class Automatic(AbstractLinearSolver):
    """Direct factorisation of small systems; for large systems a sweep if they are nearly triangular, otherwise multigrid.

    From three states on, `Downstream` is preferred if an order of the nodes makes the system nearly triangular.

    !!! example

        ```python
        import numpy as np
        import scipy.sparse as sp

        import abatax as ab

        matrix = sp.csr_matrix(sp.diags_array([np.ones(19), np.full(20, -3.0), np.ones(19)], offsets=[-1, 0, 1]))
        system = ab.solvers.LinearSystem(matrix, np.ones(20), shape=(20,))
        assert np.allclose(matrix @ ab.solvers.Automatic().solve(system), system.right, atol=1e-6)
        ```
    """

    def solve(self, system):
        return self.choose(system).solve(system)

    def choose(self, system: LinearSystem) -> AbstractLinearSolver:
        """The solver for a system, chosen by its size and dimension (fill-in grows with both)."""
        from ._downstream import Downstream

        size, hint = len(system.right), system.downwind
        triangular = hint is not None and hint.matrix is system.matrix
        if len(system.shape) > 2 and size > _FEW and not triangular and Downstream.suits(system):
            return Downstream()
        if size <= _cheap(len(system.shape)):
            return Direct()
        # multigrid solves a monotone system in a few cycles, unless it is triangular
        if hint is not None and (system.monotone is not None or triangular):
            layer = size // system.shape[hint.axis]
            if layer <= _cheap(len(system.shape) - 1):
                return Sweep()
        return Multigrid()


_FEW = 500  # number of unknowns up to which systems of any structure are factorised directly


def _cheap(states: int) -> int:
    """The number of unknowns up to which a direct factorisation is cheaper than the alternatives."""
    return {0: 10**7, 1: 10**7, 2: 60_000, 3: 3_000}.get(states, 2_000)


class _Layers:
    """The factorised layers of a system along one state, and their coupling to the layers downstream."""

    def __init__(self, downwind: Downwind, shape: tuple[int, ...]):
        count = shape[downwind.axis]
        layers = np.moveaxis(np.arange(int(np.prod(shape))).reshape(shape), downwind.axis, 0).reshape(count, -1)
        # order of solution: the layer furthest downstream comes first
        self.order = (layers[::-1] if downwind.direction > 0 else layers).ravel()
        self.size, self.count = layers.shape[1], count
        matrix = downwind.matrix[self.order][:, self.order].tocsr()
        self.factors, self.coupling, upstream = [], [], 0
        for n in range(count):
            start, stop = n * self.size, (n + 1) * self.size
            rows = matrix[start:stop]
            self.factors.append(_factorise(rows[:, start:stop]))
            self.coupling.append(rows[:, :start])
            upstream += rows[:, stop:].nnz
        self.exact = upstream == 0
        self.singular = any(factor is None for factor in self.factors)

    def substitute(self, right: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Solve the block triangular part."""
        ordered = np.ravel(right)[self.order]
        x = np.zeros_like(ordered)
        for n in range(self.count):
            start, stop = n * self.size, (n + 1) * self.size
            x[start:stop] = self.factors[n].solve(ordered[start:stop] - self.coupling[n] @ x[:start])
        solution = np.empty_like(x)
        solution[self.order] = x
        return solution


def _factorise(matrix: sp.csr_matrix):
    """The sparse LU of a matrix, or None if it is exactly singular."""
    try:
        return spla.splu(matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    except RuntimeError:
        return None


def gmres(system: LinearSystem, preconditioner, tolerance: float, max_steps: int):
    """The solution by restarted GMRES, and whether it converged."""
    restart = min(60, max_steps)
    x, info = spla.gmres(
        system.matrix,
        system.right,
        rtol=tolerance,
        atol=0.0,
        restart=restart,
        maxiter=max(1, max_steps // restart),
        M=preconditioner,
    )
    return x, info == 0
