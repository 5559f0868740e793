"""What a value function implies at given states, in few compiled calls."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...models import CarbonModel, HJBProblem
from ..base import compiled
from ._constraints import best_within
from ._solution import USD_PER_TCO2

_CHUNK = 256  # points per call: one compilation serves grids of every size


def fields_at(
    problem: HJBProblem, value: Callable, points: Float[Array, "point state"], *, stacked: bool = False
) -> dict[str, np.ndarray]:
    """Value, slopes, controls, social cost of carbon (US$/tCO2) and residual over delta at given states.

    **Arguments:**

    - `problem`, `value`: of a solution; with `stacked` a family, array leaves with a leading axis.
    - `points`: one state per row.

    **Returns:** arrays by name, "point" or "family point": `value`, `slope_<state>`, each control, `scc`, `residual`, and
    the worst case the planner guards against: mean `worst_case_sensitivity` of the climate ensemble (degC/GtC), drift
    `worst_case_shock_<n>` of each shock (1/sqrt(yr)), `worst_case_factor_<jump>` on the intensity of each jump.
    """
    # without its box: the same compilation serves every box
    problem.check_constants()
    bare = HJBProblem(problem.model, continuations=problem.continuations)
    edges, states, pieces = jnp.asarray(problem.domain), np.asarray(points), []
    for start in range(0, len(states), _CHUNK):
        index = np.minimum(np.arange(start, start + _CHUNK), len(states) - 1)
        out = (_of_family if stacked else _of_one)(bare, value, edges, jnp.asarray(states[index]))
        keep = min(_CHUNK, len(states) - start)
        pieces.append({name: np.asarray(v)[..., :keep] for name, v in out.items()})
    return {name: np.concatenate([piece[name] for piece in pieces], axis=-1) for name in pieces[0]}


@compiled
def _of_one(problem: HJBProblem, value, edges, points) -> dict[str, Any]:
    return jax.vmap(lambda z: _fields(problem, value, edges, z))(points)


@compiled
def _of_family(problem: HJBProblem, value, edges, points) -> dict[str, Any]:
    return eqx.filter_vmap(lambda p, v: jax.vmap(lambda z: _fields(p, v, edges, z))(points))(problem, value)


def _fields(problem: HJBProblem, value, edges, z) -> dict[str, Any]:
    t, x, model = jnp.zeros(()), problem.state(z), problem.model
    u, v, costate, hessian, after = best_within(problem, value, t, x, edges)
    slopes = {f"slope_{name}": p for name, p in zip(x._fields, costate, strict=True)}
    out = {"value": v} | slopes | u._asdict()
    if isinstance(model, CarbonModel):
        price = problem.social_cost_of_carbon(t, x, model.initial_additive(), u, v, costate, hessian)
        out["scc"] = USD_PER_TCO2 * price
    worst = problem.worst_case(t, x, u, v, costate, after)
    if model.ensemble.values.shape[-1] > 1:
        out["worst_case_sensitivity"] = worst.climate @ model.ensemble.values
    for number, distortion in enumerate(worst.shocks, 1):
        out[f"worst_case_shock_{number}"] = distortion
    for jump, factors in zip(model.jumps(), worst.jumps, strict=True):
        out[f"worst_case_factor_{jump.name}"] = jump.probabilities @ factors
    residual = problem.hamiltonian(t, x, u, v, costate, hessian, after)
    return out | {"residual": residual / model.preferences.discount_rate}
