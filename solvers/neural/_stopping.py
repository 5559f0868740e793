"""When training ends."""

import equinox as eqx

from ..base import check_tolerance, check_whole

# A draw counts as an improvement if its error is below this fraction of the smallest error so far.
_NOTICEABLE = 0.95


class Stopping(eqx.Module):
    """The end of training by the number of steps, the error on fresh points, or a lack of improvement.

    **Arguments:**

    - `steps`: largest number of training steps.
    - `tolerance`: error on fresh points, relative to the range of the value function, at which training ends.
    - `patience`: number of draws without a noticeable improvement after which training ends.

    **Raises:** `ValueError` if a number is out of its range.
    """

    steps: int = eqx.field(static=True)
    tolerance: float = eqx.field(static=True)
    patience: int = eqx.field(static=True)

    def __check_init__(self):
        check_whole("steps", self.steps, 1)
        check_whole("patience", self.patience, 1)
        check_tolerance(self.tolerance)

    def draws_without_improvement(self, error: float, smallest: float, before: int) -> int:
        """The number of draws since the error last fell noticeably below the smallest error so far."""
        return 0 if error < _NOTICEABLE * smallest else before + 1

    def is_over(self, error: float, draws: int, steps: int) -> bool:
        """Whether training ends at an error, after so many draws without improvement and so many steps."""
        return error <= self.tolerance or draws >= self.patience or steps >= self.steps
