import math
from typing import ClassVar

import equinox as eqx

from ..base import check_dense, check_real, check_tolerance, check_whole
from ._collocation import AbstractCollocation
from ._feature_basis import LeastSquares
from ._feature_map import make_features

# More features than this do not fit a dense least-squares problem in reasonable time.
_MOST = 8000
_MOST_OVERSAMPLED = 1e3


class Features(AbstractCollocation):
    r"""Policy iteration on features of the state, without a mesh: $V(x) = \sum_j c_j\phi_j(x)$.

    The features are products of Chebyshev polynomials of total degree up to `degree`, and `random` functions
    $\tanh(w\cdot x + b)$ with random weights, in coordinates in which the box is [-1, 1] and margins are stretched. The policy
    is frozen at the maximiser, and the equation at scattered points (denser towards the faces) is then a linear
    least-squares problem for $c$, solved by QR with scaled columns; by the envelope theorem its steps are Gauss-Newton's.

    - *Structure.* With `interactions` = 1 every feature depends on one state only (an additive value function), with 2 on at
      most two, and so on: that is what makes tens of states possible.
    - *Start.* Up to five states from a coarse monotone finite-difference solution, which decides which root is found; beyond, or
      with `start` = 0, from the guess (flat if there is none) by implicit time steps that grow.
    - *Faces.* Known slopes are put into the equation and asked of the features; elsewhere the equation itself holds.
    - Features are smooth: kinks of the model are smeared out, and a solution whose residual between the points stays large is
      returned as `unresolved`.

    **Arguments:**

    - `degree`: total degree of the Chebyshev products, 2 if only `random` is given.
    - `random`: number of random features. With neither, the numbers of states and of `interactions` decide.
    - `interactions`: most states on which a feature depends; 0 for all.
    - `oversampling`: points per feature.
    - `seed`: of the random features.
    - `start`: 1 for the monotone start, 0 for none.
    - `tolerance`: largest correction, relative to the range of $V$, at which the iteration has converged.

    **Raises:** `ValueError` if an option is out of its range, or there would be more than 8000 features.

    **Good values:** degree 24 for one state, 20 for two; 600 random features with degree 2 for three, where a total degree spends
    too much on products; degree 20 with `interactions` = 1, or 4 for a nearly quadratic value in fifty states.

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

    def basis(self, problem, family):
        del family
        dimension = len(problem.region)
        if self.interactions > dimension:
            raise ValueError(f"`solver.interactions` is {self.interactions}; the problem has {dimension} states.")
        degree, random = self.degree, self.random
        if not degree and not random:
            if self.interactions:
                degree = 20 if self.interactions == 1 else 8
            else:
                degree, random = {1: (24, 0), 2: (20, 0)}.get(dimension, (2, 600))
        degree = degree or 2  # random features need little besides them: a quadratic
        count = random + count_products(dimension, degree, self.interactions or dimension)
        if count > _MOST:
            raise ValueError(
                f"`solver.degree` is {degree}: with {dimension} states and `solver.interactions` = {self.interactions} that"
                f" makes {count} features, more than {_MOST}; lower it, or declare fewer interactions."
            )
        rows = math.ceil(self.oversampling * count)
        check_dense(f"{count} features at {rows} points", "a lower `solver.degree` or fewer random ones", rows, count)
        features = make_features(problem.region, problem.domain, degree, random, self.interactions, self.seed)
        return LeastSquares(problem, features, self.oversampling)


def count_products(dimension: int, degree: int, interactions: int) -> int:
    """How many products of at most `interactions` states have total degree up to `degree`."""
    return sum(math.comb(dimension, k) * math.comb(degree, k) for k in range(min(interactions, degree) + 1))
