from typing import ClassVar, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ..base import STALLED
from ._least_squares import least_squares_step
from ._neural import AbstractNeural

_FIRST_DAMPING = 1e-3


class Damping(NamedTuple):
    """State of the Levenberg-Marquardt method."""

    damping: Float[np.ndarray, " network"]


class GaussNewton(AbstractNeural):
    r"""The Levenberg-Marquardt method on the residual of a network, with policies from the first-order condition.

    $$\min_p\ \tfrac1N\sum_i\Big[\frac{H(x_i, V_p, \nabla V_p, \nabla^2V_p)}{\sqrt{\delta\rho(x_i)}\,s}\Big]^2,\qquad
        (J^\top J + \lambda cI)\,\Delta p = -J^\top r$$

    The policy is frozen at the maximiser when $J$ is computed: by the envelope theorem this is the full derivative, and the step is
    policy iteration in the space of the networks. $s$ is the range of the value function, $\rho$ the sum of $\delta$ and the
    intensities of jumps, and $c$ the mean curvature; $\lambda$ is raised until the residual falls. Half the geodesic acceleration is
    added to each step, so that it follows the curved valleys of the residual; one step is one compiled program. New points are drawn
    every `resample` steps, and the solver returns the networks with the smallest residual on fresh points of the region of interest.

    The problem determines all scales, see [`NetworkValue`][]. With up to five states, a coarse monotone finite-difference solution
    selects the branch. Boundary conditions and the verdict on the result are the same as in the other solvers: the result is
    `untrained` if the estimated error exceeds 1e-3.

    **Arguments:**

    - `architecture`: a name of `ab.neural_operators.ARCHITECTURES`.
    - `network`: options of the architecture, `ab.neural_operators.NetworkOptions(depth=2)`; on the command line
      `--set solver.network.depth=2`.
    - `parameters`: approximate number of parameters of each network.
    - `points`: number of points inside the box, with a quarter as many on the faces; 0 for a default by number of states.
    - `focus`: fraction of the points inside that is distributed over the region of interest.
    - `joint`: whether all members of a family share one network, with their label as an input; otherwise each has its own.
    - `start`: 1 for a start from finite differences, 0 for none.
    - `coarse`: nodes per state (one number for all or one per state) of a high-order finite-difference solution that the networks
      correct: they learn its error, and networks with a larger residual than the grid solution are never returned. With 0 the networks
      learn the whole value function, starting from a monotone solution on a coarse grid. `stats["unresolved_coarse"]` is the estimated
      error of the grid solution alone.
    - `steps`: largest number of training steps. `resample`: steps between draws. `patience`: number of draws without improvement
      after which training stops.
    - `tolerance`: estimated error, relative to the range of $V$, at which training stops.
    - `sampling`: distribution of the points: `sobol`, `uniform`, `residual` (more points at large residuals) or `trajectories` (half
      of the points on optimally controlled paths of up to 80 years from the model's initial state or from the region).
    - `time_step`: in years; a positive value adds a false transient: every training step is an implicit time step of the value
      function, with growing time steps, until the equation is stationary. This is slower, and more stable if policies oscillate.

    **Raises:** `ValueError` if an option is out of its range.

    **Good values:** `mlp` with 400 parameters for up to three states, 600 to 900 for functions with thin layers or more states.

    **References:** Levenberg 1944, doi:10.1090/qam/10666; Marquardt 1963, doi:10.1137/0111030; Müller and Zeinhofer 2023,
    arXiv:2302.13163 (second-order optimisation); Transtrum, Machta and Sethna 2011, doi:10.1103/PhysRevE.83.036701 (acceleration).

    !!! example

        ```python
        import jax.numpy as jnp

        import abatax as ab

        model = ab.models.LinearQuadratic()
        solution = ab.solve(ab.HJBProblem(model), ab.solvers.GaussNewton(parameters=100))
        assert abs(float(solution.policy(jnp.zeros(()), model.initial_state()).control) + 1.0253) < 1e-3
        ```
    """

    name: ClassVar[str] = "gauss_newton"

    architecture: str = eqx.field(static=True, default="mlp")
    parameters: int = eqx.field(static=True, default=400)
    tolerance: float = eqx.field(static=True, default=1e-7)

    def prepare(self, state, training):
        del training
        return Damping(np.full(len(state.unknowns), _FIRST_DAMPING))

    def improve(self, state, training, key):
        del key
        damping = np.where(np.isfinite(state.optimizer_state.damping), state.optimizer_state.damping, _FIRST_DAMPING)
        pace = self.pace(state, training)
        step = least_squares_step(
            training.data,
            jnp.asarray(state.unknowns),
            jnp.asarray(damping),
            None if pace is None else jnp.asarray(pace),
        )
        unknowns, damping, cost = map(np.asarray, step)
        state = state._replace(unknowns=unknowns, optimizer_state=Damping(damping), norm=np.sqrt(cost))
        if np.all(np.isinf(damping)) and not np.isfinite(state.best_error):
            return state._replace(status=np.array(STALLED))
        return state
