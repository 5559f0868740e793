import abc

import equinox as eqx
import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spla
from jaxtyping import Float


class AbstractLinearSolver(eqx.Module):
    """How a sparse system of a frozen policy is solved, on the host."""

    @abc.abstractmethod
    def solve(
        self, matrix: sp.csr_matrix, right: Float[np.ndarray, " n"], companion: sp.csr_matrix | None = None
    ) -> Float[np.ndarray, " n"]:
        """Solve `matrix @ x = right`.

        `companion` is a nearby M-matrix (the monotone first-order operator) that a preconditioner may use
        where `matrix` itself is not one.
        """


class Direct(AbstractLinearSolver):
    """Sparse LU (SuperLU, minimum degree on A' + A): the fastest up to about 40 000 unknowns in two dimensions."""

    def solve(self, matrix, right, companion=None):
        try:
            factor = spla.splu(matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
        except RuntimeError:  # exactly singular: no finite answer, which the driver reports
            return np.full_like(right, np.nan)
        x = factor.solve(right)
        if not np.all(np.isfinite(x)):
            return x
        # one step of iterative refinement: threshold pivoting loses a few digits on graded grids
        return x + factor.solve(right - matrix @ x)


class Multigrid(AbstractLinearSolver):
    """GMRES preconditioned by Ruge-Stüben multigrid (pyamg) of the companion M-matrix.

    **Arguments:**

    - `tolerance`: relative residual.
    - `max_steps`: iterations before the best iterate is returned.
    """

    tolerance: float = 1e-8
    max_steps: int = 200

    def solve(self, matrix, right, companion=None):
        import pyamg

        base = (-(companion if companion is not None else matrix)).tocsr()
        preconditioner = pyamg.ruge_stuben_solver(base, max_coarse=500).aspreconditioner(cycle="V")
        x, _ = spla.gmres(
            matrix,
            right,
            rtol=self.tolerance,
            atol=0.0,
            restart=60,
            maxiter=max(1, self.max_steps // 60),
            M=spla.aslinearoperator(-1.0 * preconditioner),
        )
        return x


class Automatic(AbstractLinearSolver):
    """Direct while it is cheap, multigrid beyond.

    **Arguments:**

    - `states`: number of states of the problem (fill grows with it).
    """

    states: int = 1

    def solve(self, matrix, right, companion=None):
        limit = {1: 10**7, 2: 60_000, 3: 3_000}.get(self.states, 2_000)
        chosen = Direct() if len(right) <= limit else Multigrid()
        return chosen.solve(matrix, right, companion)
