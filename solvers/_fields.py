"""What a value function implies at given states, in one compiled call."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..models import CarbonModel, HJBProblem, derivatives
from ._solution import USD_PER_TCO2


def fields_at(problem: HJBProblem, value: Any, points: Float[Array, "point state"]) -> dict[str, Any]:
    """Value, controls, social cost of carbon (US$/tCO2) and residual over delta at given states."""
    # without its box: the same compilation serves every box
    return _fields_at(HJBProblem(problem.model, continuations=problem.continuations), value, points)


@eqx.filter_jit
def _fields_at(problem: HJBProblem, value, points) -> dict[str, Any]:
    def at(z):
        t, x, model = jnp.zeros(()), problem.state(z), problem.model
        v, costate, hessian = derivatives(t, x, value)
        after = problem.after(t, x)
        u = problem.best_control(t, x, v, costate, hessian, after)
        residual = problem.hamiltonian(t, x, u, v, costate, hessian, after)
        out = {"value": v} | u._asdict()
        if isinstance(model, CarbonModel):
            price = problem.social_cost_of_carbon(t, x, model.initial_additive(), u, v, costate, hessian)
            out["scc"] = USD_PER_TCO2 * price
        out["residual"] = residual / model.preferences.discount_rate
        return out

    return jax.vmap(at)(points)
