"""The welfare loss from following a suboptimal policy, from the Hamiltonian of the reference along paths of the policy."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from ...models import CarbonModel, Derivatives, HJBProblem
from ...solvers import Solution, simulate
from ...solvers.base import chunks, compiled
from ...solvers.solution import evaluate
from ._target import Target

_PATHS, _YEARS, _SEED = 64, 60, 77
_CHUNK = 512  # states per call, so that one compiled program serves any number of paths


class Loss(NamedTuple):
    """The loss from a policy.

    - `value`: loss in units of the value function. `percent`: loss in % of consumption in all years, NaN in models without
      consumption.
    - `percent_error`: Monte Carlo standard error of `percent`. `exits`: share of paths that leave the box.
    - `note`: the reason if a number is missing.
    """

    value: float
    percent: float
    percent_error: float
    exits: float
    note: str


def policy_loss(target: Target, solution: Solution, *, years: int = _YEARS, num_paths: int = _PATHS) -> Loss:
    r"""The loss of the policy of a solution relative to the reference, and the share of paths that leave the box.

    $$V(x_0) - V^u(x_0) = \mathrm E^u\int_0^\infty e^{-\delta t}\,[\max_v H(x_t, v) - H(x_t, u_t)]\,dt$$

    with the Hamiltonian $H$ of the reference along paths under the policy $u$. Utility is not simulated, and the integrand vanishes
    for the optimal policy, so that noise is small. The loss divided by the discounted gain from 1 % more consumption is in % of
    consumption. The formula is exact for time-additive utility without ambiguity; otherwise $H$ contains the worst case for
    $u$, and the loss is a first-order approximation. Paths contribute while they are in the first regime and up to `years`,
    both in the numerator and in the denominator.

    **Arguments:** `target`: the reference. `solution`: the solution with the policy. `years`, `num_paths`: size of the simulation.
    """
    unknown = float("nan")
    try:
        paths = simulate(solution, years=years, num_paths=num_paths, key=jr.key(_SEED))
    except ValueError as error:
        return Loss(unknown, unknown, unknown, unknown, f"not simulated: {error}")
    exits = float(np.mean(np.asarray(paths.outside)))
    shape = np.asarray(paths.regime).shape
    flat = jax.tree.map(lambda a: a.reshape(-1), (paths.states, paths.additive, paths.controls))
    gaps, gains = (part.reshape(shape) for part in _along(target, flat))
    delta = float(target.problem.model.preferences.discount_rate)
    weights = np.exp(-delta * np.arange(shape[1])) * paths.in_first
    lost, gained = np.sum(weights * gaps, axis=1), np.sum(weights * gains, axis=1)
    value = float(np.mean(lost))
    if not np.isfinite(value):
        return Loss(unknown, unknown, unknown, exits, "no loss: the Hamiltonian is not finite along the paths")
    if not np.all(np.isfinite(gained)) or np.mean(gained) <= 0.0:
        return Loss(value, unknown, unknown, exits, f"no % of consumption: {target.problem.model.name} has none")
    share = np.mean(lost) / np.mean(gained)
    spread = np.std(lost - share * gained, ddof=1) / np.sqrt(len(lost)) / np.mean(gained)
    return Loss(value, 100.0 * float(share), 100.0 * float(spread), exits, "")


def _along(target: Target, flat: Any) -> tuple[np.ndarray, np.ndarray]:
    """The loss per year, and the gain per relative increase of consumption, at every state."""
    count = jax.tree.leaves(flat)[0].shape[0]
    pieces = []
    for index, _ in chunks(count, _CHUNK):
        part = jax.tree.map(lambda a, index=index: jnp.asarray(np.asarray(a)[index]), flat)
        pieces.append(jax.tree.map(np.asarray, _at_states(target.problem, target.value, *part)))
    gaps, gains = (np.concatenate(both)[:count] for both in zip(*pieces, strict=True))
    return gaps, gains


@compiled
def _at_states(problem: HJBProblem, value, states, additive, controls):
    model, t = problem.model, jnp.zeros(())

    def at(x, a, u):
        x = type(x)(*(jnp.clip(z, *bounds) for z, bounds in zip(x, problem.domain, strict=True)))
        best = evaluate(problem, value, t, x)
        derivatives = Derivatives(best.value, jnp.stack(best.slopes), best.bends, best.after)
        gap = best.residual - problem.hamiltonian(t, x, u, derivatives)
        consumption = model.observables(t, x, u, a).get("consumption")
        if not isinstance(model, CarbonModel) or consumption is None:
            return gap, jnp.full((), jnp.nan)
        weight = jax.grad(model.preferences.aggregate)(model.utility(t, x, u), best.value)
        return gap, weight * model.marginal_utility(t, x, u, a) * consumption

    return jax.vmap(at)(states, additive, controls)
