"""Evaluation of a solution at a state; policies are evaluated on value functions only in this module."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...models import CarbonModel, HJBProblem, WorstCase
from ...models.base import USD_PER_TCO2, Point, Scalar
from ..base import chunks, compiled
from ._policy import MAXIMISER, AbstractRule, Value

_CHUNK = 256  # points per call, so that one compilation serves grids of every size


class Evaluation(NamedTuple):
    """A solution at one state.

    - `state`: the state of the evaluation, in the computational box.
    - `value`, `slopes` (by state), `bends` (state, state): the value function and its derivatives.
    - `controls`: of the policy.
    - `worst_case`: the distortions of the worst case.
    - `social_cost_of_carbon`: US$/tCO2; None if the model has no carbon.
    - `residual`: of the HJB equation, in units of the value function per year.
    - `after`: for each jump the value functions after it, by outcome.

    !!! example

        ```python
        import jax.numpy as jnp

        import abatax as ab

        solution = ab.solve(ab.models.LinearQuadratic(), ab.solvers.FiniteDifference(points=21))
        here = solution.at(jnp.zeros(()), solution.problem.model.initial_state())
        assert here.social_cost_of_carbon is None and here.bends.shape == (1, 1)
        ```
    """

    state: Point
    value: Scalar
    slopes: Point
    bends: Float[Array, "state state"]
    controls: Point
    worst_case: WorstCase
    social_cost_of_carbon: Scalar | None
    residual: Scalar
    after: tuple[Float[Array, " outcome"], ...]


def evaluate(
    problem: HJBProblem,
    value: Value,
    t: Scalar,
    x: Point,
    *,
    rule: AbstractRule = MAXIMISER,
    edges: Float[Array, "state side"] | None = None,
    additive: Point | None = None,
    step: float | None = None,
) -> Evaluation:
    """Value, derivatives, controls, worst case and social cost at a state of the box.

    **Arguments:**

    - `problem`, `value`: the problem and the value function of a solution. `rule`: the rule by which controls are chosen.
    - `edges`: low and high edges of the computational box; those of the problem by default.
    - `additive`: the additive states for the social cost; the initial ones by default.
    - `step`: years for which the control is held constant; None for a control in continuous time.
    """
    model, edges = problem.model, jnp.asarray(problem.domain) if edges is None else edges
    u, at = rule.choose(problem, value, t, x, edges, step)
    price = None
    if isinstance(model, CarbonModel):
        cumulated = model.initial_additive() if additive is None else additive
        price = USD_PER_TCO2 * problem.social_cost_of_carbon(t, x, cumulated, u, at)
    return Evaluation(
        state=x,
        value=at.value,
        slopes=problem.state(at.costate),
        bends=at.hessian,
        controls=u,
        worst_case=problem.worst_case(t, x, u, at),
        social_cost_of_carbon=price,
        residual=problem.hamiltonian(t, x, u, at),
        after=at.after,
    )


def fields_at(
    problem: HJBProblem,
    value: Value,
    points: Float[Array, "point state"],
    *,
    stacked: bool = False,
    rule: AbstractRule = MAXIMISER,
) -> dict[str, np.ndarray]:
    """Value, slopes, controls, social cost of carbon (US$/tCO2) and residual over delta at given states.

    **Arguments:**

    - `problem`, `value`: of a solution.
    - `points`: one state per row.
    - `stacked`: whether problem and value are a family, with a leading axis of all array leaves.
    - `rule`: the rule by which the control is chosen, `Solution.rule`; the maximiser of the Hamiltonian by default.

    **Returns:** arrays by name, with axes "point" or "family point": `value`, `slope_<state>`, each control, `scc`, `residual`,
    and the worst case: mean `worst_case_sensitivity` of the climate ensemble (degC/GtC), drift
    `worst_case_shock_<n>` of each shock (1/sqrt(yr)), `worst_case_factor_<jump>` on the intensity of each jump.

    **Raises:** `ValueError` if a constant that the model reads has changed since the problem was solved.

    !!! example

        ```python
        import jax.numpy as jnp

        import abatax as ab

        solution = ab.solve(ab.models.LinearQuadratic(), ab.solvers.FiniteDifference(points=21))
        fields = ab.solvers.fields_at(solution.problem, solution.value, jnp.array([[0.0], [1.0]]))
        assert fields["control"].shape == (2,) and abs(fields["control"][1] + 1.0253) < 1e-3
        ```
    """
    # a problem without a box, so that the same compilation serves every box
    problem.check_constants()
    bare = HJBProblem(problem.model, continuations=problem.continuations)
    edges, states, pieces = jnp.asarray(problem.domain), np.asarray(points), []
    for index, keep in chunks(len(states), _CHUNK):
        fields = (_of_family if stacked else _of_one)(bare, value, rule, edges, jnp.asarray(states[index]))
        pieces.append({name: np.asarray(v)[..., :keep] for name, v in fields.items()})
    return {name: np.concatenate([piece[name] for piece in pieces], axis=-1) for name in pieces[0]}


@compiled
def _of_one(problem: HJBProblem, value, rule, edges, points) -> dict[str, Any]:
    return jax.vmap(lambda z: _fields(problem, value, rule, edges, z))(points)


@compiled
def _of_family(problem: HJBProblem, value, rule, edges, points) -> dict[str, Any]:
    def of_member(p, v, r):
        return jax.vmap(lambda z: _fields(p, v, r, edges, z))(points)

    return eqx.filter_vmap(of_member)(problem, value, rule)


def _fields(problem: HJBProblem, value, rule, edges, z) -> dict[str, Any]:
    evaluation = evaluate(problem, value, jnp.zeros(()), problem.state(z), rule=rule, edges=edges)
    model, worst = problem.model, evaluation.worst_case
    fields = {"value": evaluation.value}
    fields |= {
        f"slope_{name}": slope for name, slope in evaluation.slopes._asdict().items()
    } | evaluation.controls._asdict()
    if evaluation.social_cost_of_carbon is not None:
        fields["scc"] = evaluation.social_cost_of_carbon
    if model.ensemble.values.shape[-1] > 1:
        fields["worst_case_sensitivity"] = worst.climate @ model.ensemble.values
    for number, distortion in enumerate(worst.shocks, 1):
        fields[f"worst_case_shock_{number}"] = distortion
    for jump, factors in zip(model.jumps(), worst.jumps, strict=True):
        fields[f"worst_case_factor_{jump.name}"] = jump.probabilities @ factors
    return fields | {"residual": evaluation.residual / model.preferences.discount_rate}
