"""Memory requirement of simulated paths, checked before the simulation."""

import jax
import jax.numpy as jnp

from ...models import AbstractModel, HJBProblem
from ...models.equation import noise_size
from ..base import check_bytes

_COPIES = 3  # copies of the reported data: by step of the year, by year, and as labelled data
_UNIFORM = 3  # number of uniform draws per step, for jumps


def bytes_of_paths(model: AbstractModel, years: int, num_paths: int, steps_per_year: int) -> int:
    """Peak memory of a simulation in bytes: the reported data of every year, and the draws of one year.

    !!! example

        ```python
        import abatax as ab
        from abatax.solvers.paths._simulation_size import bytes_of_paths

        assert bytes_of_paths(ab.models.LinearQuadratic(), 80, 1000, 4) < 1e8
        ```
    """
    reported = len(model.states) + len(model.additive) + len(model.controls) + len(model.jumps()) + 4
    reported += len(jax.eval_shape(lambda: _observables(model)))
    drawn = steps_per_year * (noise_size(model) + _UNIFORM)
    return 8 * _COPIES * num_paths * ((years + 1) * reported + drawn)


def _observables(model: AbstractModel):
    zero = jnp.zeros(())
    controls = type(model.controls)(*(zero for _ in model.controls))
    return model.observables(zero, model.initial_state(), controls, model.initial_additive())


def check_paths(problem: HJBProblem, years: int, num_paths: int, steps_per_year: int) -> None:
    """Check that simulated paths fit in memory.

    **Raises:** `ValueError` with the required memory if they do not.
    """
    check_bytes(
        f"`years` is {years} and `num_paths` is {num_paths}",
        "fewer paths, years or steps per year",
        bytes_of_paths(problem.model, years, num_paths, steps_per_year),
    )
