from typing import ClassVar, NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Float

from ...neural_operators import NetworkOptions
from ..base import STALLED
from ..grid import one_thread
from ._network_basis import descend
from ._neural import AbstractNeural

_FIRST_DAMPING = 1e-3


class Damping(NamedTuple):
    """What Levenberg and Marquardt's method remembers."""

    damping: Float[np.ndarray, " network"]


class GaussNewton(AbstractNeural):
    r"""Levenberg-Marquardt on the residual of a network, policies from the first-order condition.

    $$\min_p\ \tfrac1N\sum_i\Big[\frac{H(x_i, V_p, \nabla V_p, \nabla^2V_p)}{\sqrt{\delta\rho(x_i)}\,s}\Big]^2,\qquad
        (J^\top J + \lambda cI)\,\Delta p = -J^\top r$$

    The policy is frozen at the maximiser while $J$ is taken: by the envelope theorem that is the whole derivative, and the step
    is policy iteration in the space of the networks. $s$ is the range of the value function, $\rho$ the rate at which values are
    discounted: $\delta$ and the intensities of jumps. $c$ is the mean curvature; $\lambda$ rises until the residual falls. Points are
    drawn anew every `resample` steps, and the networks that leave the least residual on fresh points of the region of interest are
    returned.

    Nothing is scaled by hand: see [`NetworkValue`][]. Up to five states a coarse monotone finite-difference solution decides
    on the branch; faces are closed and answers judged as by the other solvers: `unresolved` if the error left is above 1e-3.

    **Arguments:**

    - `architecture`: a name of `ab.neural_operators.ARCHITECTURES`.
    - `network`: options of the architecture, `ab.neural_operators.NetworkOptions(depth=2)`; on the command line
      `--set solver.network.depth=2`.
    - `parameters`: of each network, about.
    - `points`: inside the box, a quarter as many on the faces; 0 for a number that suits the states.
    - `focus`: share of the points inside that is spread over the region of interest.
    - `joint`: one network for all members of a family, with what tells them apart as input; otherwise one for each.
    - `start`: 1 for a start from finite differences, 0 for none.
    - `coarse`: nodes per state (one number for all or one per state) of a finite-difference solution of high order that networks
      correct: they learn what it leaves, and never return what leaves a larger residual. 0 for networks that learn the whole value,
      from a monotone solution on few nodes. `stats["unresolved_coarse"]` is the error left by the grid alone.
    - `steps`: most steps. `resample`: steps between draws. `patience`: draws without improvement before the end.
    - `tolerance`: error left, relative to the range of $V$, at which training ends.
    - `sampling`: how points are drawn: `sobol`, `uniform`, `residual` (where the residual is large) or `trajectories` (half of them
      where optimally controlled states go: up to 80 years from the model's start, or from anywhere in the region).
    - `time_step`: years; more than 0 for false transients: every step of training moves the networks towards the value function
      of that time earlier, first by this time step and then by ever longer ones, until what is left is the stationary equation. Slower
      and steadier where policies oscillate.

    **Raises:** `ValueError` if an option is out of its range.

    **Good values:** `gated_mlp` with 1000 to 2000 parameters for two or three states.

    **References:** Levenberg 1944, doi:10.1090/qam/10666; Marquardt 1963, doi:10.1137/0111030; Müller and Zeinhofer 2023,
    arXiv:2302.13163 (why second order).

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

    architecture: str = eqx.field(static=True, default="gated_mlp")
    parameters: int = eqx.field(static=True, default=1200)
    network: NetworkOptions = NetworkOptions()
    points: int = eqx.field(static=True, default=0)
    focus: float = eqx.field(static=True, default=0.5)
    joint: bool = eqx.field(static=True, default=True)
    start: int = eqx.field(static=True, default=1)
    coarse: int | tuple[int, ...] = eqx.field(static=True, default=0)
    steps: int = eqx.field(static=True, default=200)
    resample: int = eqx.field(static=True, default=10)
    patience: int = eqx.field(static=True, default=5)
    tolerance: float = eqx.field(static=True, default=1e-6)
    sampling: str = eqx.field(static=True, default="sobol")
    time_step: float = eqx.field(static=True, default=0.0)

    def prepare(self, state, workspace):
        del workspace
        return Damping(np.full(len(state.unknowns), _FIRST_DAMPING))

    def improve(self, state, workspace, key):
        del key
        basis, delta = workspace.basis, workspace.discount_rate
        evaluated = {}
        pace = self.pace(state, float(np.max(delta)))
        earlier = basis.values_at(state.unknowns, basis.points) if pace else None

        def at(unknowns):
            mark = unknowns.tobytes()
            if mark not in evaluated:
                evaluated.clear()
                moved = 0.0 if earlier is None else basis.values_at(unknowns, basis.points) - earlier
                local = workspace.levelled(workspace.evaluate(unknowns), pace, moved)
                evaluated[mark] = local, basis.residuals(local, unknowns, delta, workspace.slopes)
            return evaluated[mark]

        def costs(unknowns):
            return basis.costs(basis.weighted(at(unknowns)[1], delta))

        def systems(unknowns):
            local, rows = at(unknowns)
            return basis.systems(local, unknowns, rows, delta, np.zeros_like(delta))

        with one_thread():
            before = np.where(np.isfinite(state.inner.damping), state.inner.damping, _FIRST_DAMPING)
            unknowns, damping, cost = descend(state.unknowns, before, systems, costs)
        state = state._replace(unknowns=unknowns, inner=Damping(damping), norm=np.sqrt(cost))
        if np.all(np.isinf(damping)):
            return state._replace(status=np.array(STALLED)) if not np.isfinite(state.least) else state
        return state
