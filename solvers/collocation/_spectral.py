import math
from typing import ClassVar

import equinox as eqx

from ...models import HJBProblem
from ..base import check_dense, check_tolerance, check_whole
from ..solution import ChebyshevAxis, chebyshev_axis
from ._collocation import AbstractCollocation
from ._polynomials import Polynomials

_LEAST = 4
_MOST_ELEMENTS = 30  # their lengths decrease geometrically towards a kink


class Spectral(AbstractCollocation):
    r"""Chebyshev collocation with policy iteration, a method independent of finite differences.

    The value function is a polynomial of degree `points` - 1 in every state, and the equation holds at the
    Chebyshev-Lobatto points of the box. Every step is a step of Howard's policy iteration: the policy is frozen at the maximiser,
    and by the envelope theorem the linear system of that policy is the Newton system of the equation.

    - *Start.* From a flat guess the iteration may converge to a false branch or diverge. It therefore starts from a coarse solution of
      the monotone finite-difference scheme, which selects the branch; with `start` = 0 it starts from the guess by growing implicit
      time steps.
    - *Faces.* Known slopes of the closures are inserted in the equation; at other faces the equation itself holds.
    - *Margins* are stretched ($x = c + \kappa\sinh t$), so that most nodes lie in the region of interest.
    - *Kinks* declared by the model divide the axis into elements, graded geometrically towards the kink, with continuous value and
      slope at the joints.

    **Arguments:**

    - `points`: nodes per state and element; one number for all states or one per state.
    - `refinement`: number of graded elements on either side of a kink.
    - `start`: 1 for the monotone start, 0 for none.
    - `tolerance`: largest correction, relative to the range of $V$, at which the iteration has converged.

    **Raises:** `ValueError` if there are fewer than four points.

    **Good values:** 25 points for one state, 17 for two, 11 to 13 for three; fewer in a state in which $V$ is nearly linear.
    With weak noise and an inward drift at a face, many more points make the system nearly singular and do not improve accuracy.

    **References:** Trefethen 2000, *Spectral methods in MATLAB*, doi:10.1137/1.9780898719598; Boyd 2001, *Chebyshev and
    Fourier spectral methods*.

    !!! example

        ```python
        import jax.numpy as jnp

        import abatax as ab

        solution = ab.solve(ab.HJBProblem(ab.models.LinearQuadratic()), ab.solvers.Spectral(points=5))
        assert abs(float(solution.policy(jnp.zeros(()), solution.problem.model.initial_state()).control) + 1.025312) < 1e-6
        ```
    """

    name: ClassVar[str] = "spectral"

    points: int | tuple[int, ...] = eqx.field(static=True, default=0)
    refinement: int = eqx.field(static=True, default=4)
    start: int = eqx.field(static=True, default=1)
    tolerance: float = eqx.field(static=True, default=1e-10)

    def __check_init__(self):
        for count in self.points if isinstance(self.points, tuple) else (self.points,):
            if count != 0 and count < _LEAST:
                raise ValueError(f"`solver.points` is {count}; it must be at least {_LEAST} per state.")
        check_whole("refinement", self.refinement, 1, _MOST_ELEMENTS)
        if self.start not in (0, 1):
            raise ValueError(f"`solver.start` is {self.start}; it must be 0 or 1.")
        check_tolerance(self.tolerance)

    def counts(self, problem: HJBProblem) -> tuple[int, ...]:
        """Nodes per state and element."""
        dimension = len(problem.region)
        if isinstance(self.points, tuple):
            if len(self.points) != dimension:
                raise ValueError(f"`solver.points` has {len(self.points)} entries; the problem has {dimension} states.")
            return self.points
        kinked = any(problem.model.breakpoints().values())
        default = {1: 13 if kinked else 25, 2: 17, 3: 11}.get(dimension, 7)
        return (self.points or default,) * dimension

    def axes(self, problem: HJBProblem) -> tuple[ChebyshevAxis, ...]:
        """The elements of every state."""
        kinks = problem.model.breakpoints()
        described = zip(problem.model.states._fields, problem.region, problem.domain, self.counts(problem), strict=True)
        return tuple(
            chebyshev_axis(region, domain, count, _inside(kinks.get(field, ()), domain), self.refinement)
            for field, region, domain, count in described
        )

    def check_basis(self, problem):
        counts, kinks = self.counts(problem), problem.model.breakpoints()
        elements = (1 if not kinks.get(field) else 2 for field in problem.model.states._fields)
        nodes = [count * number for count, number in zip(counts, elements, strict=True)]
        unknowns = math.prod(nodes)
        check_dense(f"`solver.points` is {','.join(map(str, counts))}", "fewer points", unknowns, unknowns)

    def basis(self, problem, family):
        del family
        return Polynomials(self.axes(problem))


def _inside(kinks: tuple[float, ...], domain: tuple[float, float]) -> tuple[float, ...]:
    return tuple(k for k in kinks if domain[0] < k < domain[1])
