"""The solution of a nearby problem as a start of a solve in every regime."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ...models import Equation, HJBProblem, derivatives
from ..base import compiled
from ._interpolation import TensorSpline
from ._solution import Solution, on_tensor_grid, reshape_family


class Near(eqx.Module):
    """One regime of a solution on another grid, in another box or at other parameters; it is extended linearly beyond its box."""

    solution: Solution  # of a family, leaves stacked

    @property
    def domain(self) -> tuple[tuple[float, float], ...]:
        return self.solution.problem.domain

    def on_grid(self, nodes: tuple[Float[np.ndarray, "..."], ...]) -> Float[np.ndarray, "family node"]:
        """Values on a tensor grid."""
        values = self.solution.value
        if isinstance(values, TensorSpline):
            size = len(values.coefficients)
            return on_tensor_grid(values, nodes, size, linear=True).reshape(size, -1)
        return self.at(np.stack([x.ravel() for x in np.meshgrid(*nodes, indexing="ij")], axis=-1))

    def at(self, points: Float[np.ndarray, "point state"]) -> Float[np.ndarray, "family point"]:
        """Values at points."""
        return np.asarray(_extended(Equation(self.solution.problem.model), self.solution.value, self.domain, points))

    def after(self, number: int, family: int, problem: HJBProblem) -> "Near | None":
        """The regime after a jump, as a start for `problem`; None if its shape differs."""
        if number >= len(self.solution.destinations):
            return None
        destination = self.solution.destinations[number]
        if not isinstance(destination, Solution):
            return None
        members = int(np.prod(destination.family))
        return near(reshape_family(destination, (family,), 2), problem, family) if members == family else None


def near(solution: Solution, problem: HJBProblem, family: int) -> Near | None:
    """A solution as a start of a family; None unless it has the same states and the same number of members."""
    same = solution.problem.model.states._fields == problem.model.states._fields
    return Near(solution) if same and solution.family == (family,) else None


@compiled
def _extended(problem: Equation, values: Any, domain: tuple[tuple[float, float], ...], points):
    low, high = jnp.array(domain).T

    def of_member(p, v):
        def at(z):
            inside = jnp.clip(z, low, high)
            value, slope, _ = derivatives(jnp.zeros(()), p.state(inside), v)
            return value + slope @ (z - inside)

        return jax.vmap(at)(points)

    return eqx.filter_vmap(of_member)(problem, values)
