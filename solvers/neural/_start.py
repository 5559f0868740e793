"""The finite-difference solution from which training starts."""

from typing import Any

import equinox as eqx

from ...models import HJBProblem
from ..base import CONVERGED, check_whole
from ..grid import FiniteDifference, bent_start, can_start_from, check_nodes, coarse_start


class Start(eqx.Module):
    """A finite-difference solution that selects the branch, or that the networks correct.

    **Arguments:**

    - `enabled`: 1 for a start from finite differences, 0 for a start from the guess.
    - `coarse`: nodes per state of a high-order solution that the networks correct; with 0 the networks learn the whole value function
      and start from a monotone solution on a coarse grid.

    **Raises:** `ValueError` if an option is out of its range, or if a solution is to be corrected that is not computed.
    """

    enabled: int = eqx.field(static=True)
    coarse: int | tuple[int, ...] = eqx.field(static=True)

    def __check_init__(self):
        check_whole("start", self.enabled, 0, 1)
        if self.coarse:
            check_nodes("coarse", self.coarse, FiniteDifference().order)
            if not self.enabled:
                raise ValueError(f"`solver.start` is 0; with `solver.coarse` = {self.coarse} it must be 1.")

    @property
    def is_corrected(self) -> bool:
        """Whether the networks learn a correction to the solution on the grid."""
        return bool(self.coarse)

    def solver(self, problem: HJBProblem, family: int, key: Any) -> FiniteDifference | None:
        """The finite-difference solver of the start; None for a start from the guess."""
        if not self.enabled:
            return None
        return coarse_start(problem, self.coarse) if self.coarse else bent_start(problem, family, key)

    def is_usable(self, status: int) -> bool:
        """Whether training can start from a solution with a status code. Only a converged solution is corrected."""
        return status == CONVERGED if self.is_corrected else can_start_from(status)
