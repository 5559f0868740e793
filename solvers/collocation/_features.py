import math
from typing import ClassVar

import equinox as eqx

from ..base import check_dense, check_real, check_tolerance, check_whole
from ._collocation import AbstractCollocation
from ._feature_basis import LeastSquares
from ._feature_map import make_features

# Largest number of features: a dense least-squares problem with more features takes too long.
_MOST = 8000
_MOST_OVERSAMPLED = 1e3


class Features(AbstractCollocation):
    r"""Meshless policy iteration on features of the state: $V(x) = \sum_j c_j\phi_j(x)$.

    The features are products of Chebyshev polynomials of total degree up to `degree`, and `random` functions
    $\tanh(w\cdot x + b)$ with random weights, in coordinates in which the box is [-1, 1] and margins are stretched. With the policy
    frozen at the maximiser, the equation at scattered points (denser towards the faces) is a linear least-squares problem for $c$,
    which is solved by QR with scaled columns. By the envelope theorem the iterates are those of the Gauss-Newton method.

    - *Structure.* With `interactions` = 1 every feature depends on one state (an additive value function), with 2 on at most two, and
      so on. This makes problems with tens of states tractable.
    - *Start.* With up to five states the iteration starts from a coarse monotone finite-difference solution, which selects the
      solution branch; with more states, or with `start` = 0, it starts from the guess (flat by default) by growing implicit time
      steps.
    - *Faces.* Known slopes are inserted in the equation and imposed on the features; at other faces the equation itself holds.
    - *Kinks.* Features are smooth and smear out kinks of the model. A solution with a large residual between the points is returned
      as `unresolved`.

    **Arguments:**

    - `degree`: total degree of the Chebyshev products; 2 if only `random` is given.
    - `random`: number of random features. Without `degree` and `random`, the defaults depend on the number of states and on
      `interactions`.
    - `interactions`: largest number of states on which a feature depends; 0 for all states.
    - `oversampling`: number of points per feature.
    - `seed`: seed of the random features.
    - `start`: 1 for the monotone start, 0 for none.
    - `tolerance`: largest correction, relative to the range of $V$, at which the iteration has converged.

    **Raises:** `ValueError` if an option is out of its range, or with more than 8000 features.

    **Good values:** degree 24 for one state, 20 for two; 600 random features with degree 2 for three states, where a high total
    degree needs too many products; degree 20 with `interactions` = 1; degree 4 for a nearly quadratic value function of fifty states.

    **References:** Huang, Zhu and Siew 2006, doi:10.1016/j.neucom.2005.12.126 (random features); Trefethen 2017,
    doi:10.1137/16M1101209 (total degree); Bertsekas and Tsitsiklis 1996, *Neuro-dynamic programming* (policy iteration).

    !!! example

        ```python
        import jax.numpy as jnp

        import abatax as ab

        model = ab.models.LinearQuadratic(dimension=6)
        solution = ab.solve(ab.HJBProblem(model), ab.solvers.Features(degree=4, interactions=1))
        assert abs(float(solution.policy(jnp.zeros(()), model.initial_state()).control_6) + 1.025312) < 1e-6
        ```
    """

    name: ClassVar[str] = "features"

    degree: int = eqx.field(static=True, default=0)
    random: int = eqx.field(static=True, default=0)
    interactions: int = eqx.field(static=True, default=0)
    oversampling: float = eqx.field(static=True, default=2.0)
    seed: int = eqx.field(static=True, default=0)
    start: int = eqx.field(static=True, default=1)
    tolerance: float = eqx.field(static=True, default=1e-9)

    def __check_init__(self):
        for name, least in (("degree", 0), ("random", 0), ("interactions", 0), ("seed", 0)):
            check_whole(name, getattr(self, name), least)
        check_real("oversampling", self.oversampling, 1.0, _MOST_OVERSAMPLED)
        if self.start not in (0, 1):
            raise ValueError(f"`solver.start` is {self.start}; it must be 0 or 1.")
        check_tolerance(self.tolerance)

    def check_basis(self, problem):
        dimension = len(problem.region)
        if self.interactions > dimension:
            raise ValueError(f"`solver.interactions` is {self.interactions}; the problem has {dimension} states.")
        degree, random = self.sizes(dimension)
        count = random + count_products(dimension, degree, self.interactions or dimension)
        if count > _MOST:
            raise ValueError(
                f"`solver.degree` is {degree}: with {dimension} states and `solver.interactions` = {self.interactions} that"
                f" makes {count} features, more than {_MOST}; lower it, or declare fewer interactions."
            )
        rows = math.ceil(self.oversampling * count)
        check_dense(f"{count} features at {rows} points", "a lower `solver.degree` or fewer random ones", rows, count)

    def sizes(self, dimension: int) -> tuple[int, int]:
        """The degree of the products and the number of random features."""
        degree, random = self.degree, self.random
        if not degree and not random:
            if self.interactions:
                degree = 20 if self.interactions == 1 else 8
            else:
                degree, random = {1: (24, 0), 2: (20, 0)}.get(dimension, (2, 600))
        return degree or 2, random  # random features are complemented by quadratic products

    def basis(self, problem, family):
        del family
        degree, random = self.sizes(len(problem.region))
        features = make_features(problem.region, problem.domain, degree, random, self.interactions, self.seed)
        return LeastSquares(problem, features, self.oversampling)


def count_products(dimension: int, degree: int, interactions: int) -> int:
    """Number of products of at most `interactions` states with total degree up to `degree`."""
    return sum(math.comb(dimension, k) * math.comb(degree, k) for k in range(min(interactions, degree) + 1))
