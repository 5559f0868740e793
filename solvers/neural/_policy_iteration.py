from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float

from ...models import HJBProblem
from ...neural_operators import NetworkOptions
from ..base import NONFINITE, compiled
from ._network_policy import NetworkPolicy, scaled_policy
from ._neural import AbstractNeural
from ._optimizers import check_optimizer, check_training, learning_rates, lifted, moved
from ._residual_loss import asked_of, at_point, greedy, losses, over_members, pool_of, with_landings

METHODS = ("dgm_pia", "actor_critic")
_RECOVERIES = 8


class Turns(NamedTuple):
    """The policy, and what both optimisers remember."""

    policy: Any  # numpy leaves of the trainable part
    scaling: tuple[np.ndarray, ...]  # bounds, offset and gain
    moments: tuple[Any, Any]  # of value and policy
    rate: Float[np.ndarray, ""]
    recoveries: np.ndarray
    gap: Float[np.ndarray, ""]  # of the policy to the maximiser, in ranges of the controls


class PolicyIteration(AbstractNeural):
    r"""Policy iteration with two networks: one for the value of a policy, one for the policy.

    Evaluation makes the residual of $H(x, u_q(x), V_p, \ldots)$ small in $p$, the policy held; improvement makes its mean large in
    $q$, the value held. Improvement needs no first-order condition, so any model will do. In `dgm_pia` they alternate in blocks of
    `inner` steps, in `actor_critic` step by step. What is returned is the value function with the policy that maximises against it;
    `stats["policy_gap"]` says how far the policy network is from that.

    Slower and less exact than [`GaussNewton`][]: for models without a maximiser in closed form, and to compare.

    **Arguments:**

    - `method`: `dgm_pia` or `actor_critic`.
    - `architecture`, `parameters`, `network`: of both networks (see [`GaussNewton`][]).
    - `optimizer` (`adam`, `adamw`, `muon`, `soap`), `schedule`, `learning_rate`, `batch`, and all others: see [`DeepGalerkin`][].

    **Raises:** `ValueError` if an option is out of its range.

    **References:** Al-Aradi, Correia, Jardim, de Freitas Naiff and Saporito 2022, doi:10.1016/j.amc.2021.126764 (DGM-PIA); Zhou, Han
    and Lu 2021, doi:10.1137/21M1402303 (actor-critic).

    !!! example

        ```python
        import abatax as ab

        solver = ab.solvers.PolicyIteration(parameters=100, steps=5, inner=20)
        solution = ab.solve(ab.HJBProblem(ab.models.LinearQuadratic()), solver, throw=False)
        assert solution.stats["policy_gap"] < 0.5
        ```
    """

    name: ClassVar[str] = "policy_iteration"

    method: str = eqx.field(static=True, default="dgm_pia")
    architecture: str = eqx.field(static=True, default="gated_mlp")
    parameters: int = eqx.field(static=True, default=1200)
    network: NetworkOptions = NetworkOptions()
    points: int = eqx.field(static=True, default=0)
    focus: float = eqx.field(static=True, default=0.5)
    joint: bool = eqx.field(static=True, default=True)
    start: int = eqx.field(static=True, default=1)
    coarse: int | tuple[int, ...] = eqx.field(static=True, default=0)
    steps: int = eqx.field(static=True, default=200)
    resample: int = eqx.field(static=True, default=5)
    patience: int = eqx.field(static=True, default=1000)
    tolerance: float = eqx.field(static=True, default=1e-6)
    sampling: str = eqx.field(static=True, default="sobol")
    time_step: float = eqx.field(static=True, default=0.0)
    optimizer: str = eqx.field(static=True, default="adam")
    schedule: str = eqx.field(static=True, default="cosine")
    learning_rate: float = eqx.field(static=True, default=2e-3)
    inner: int = eqx.field(static=True, default=50)
    batch: int = eqx.field(static=True, default=256)

    def __check_init__(self):
        check_optimizer(self.optimizer, self.schedule)
        if self.method not in METHODS:
            raise ValueError(f"`solver.method` is {self.method!r}; it must be one of {', '.join(METHODS)}.")
        if self.optimizer == "lbfgs":
            raise ValueError(
                "`solver.optimizer` is 'lbfgs'; two networks that take turns need adam, adamw, muon or soap."
            )
        check_training(self.inner, self.batch, self.learning_rate)

    def prepare(self, state, workspace):
        basis = workspace.basis
        basis.scaled(state.level, state.scale, state.slope)
        local = workspace.evaluate(state.unknowns)
        network = self._network(workspace)
        bounds, controls = tuple(workspace.problem.model.controls), np.stack(local.control, axis=-1)
        policy = scaled_policy(network, basis.template.inputs, bounds, controls)
        parameters = _first(eqx.filter(network, eqx.is_inexact_array), len(state.unknowns))
        rule = lifted(self.optimizer)
        moments = rule.init(basis.trees(state.unknowns)), rule.init(parameters)
        kept = jax.tree.map(np.asarray, (parameters, (policy.low, policy.high, policy.offset, policy.gain), moments))
        policies, scaling, moments = kept
        return Turns(policies, scaling, moments, np.array(1.0), np.array(0), np.array(np.nan))

    def _network(self, workspace) -> Any:
        """Networks for the policy, one per network of the value, leaves stacked over the family."""
        value = workspace.basis.template
        size = len(workspace.problem.model.controls)
        net = self.network.make(
            self.architecture, value.inputs.size, size, parameters=self.parameters, key=jr.key(size)
        )
        family = workspace.family
        stack = jax.tree.map(lambda leaf: jnp.stack([leaf] * family), eqx.filter(net, eqx.is_array))
        return eqx.combine(stack, eqx.filter(net, eqx.is_array, inverse=True))

    def improve(self, state, workspace, key):
        basis, inner = workspace.basis, state.inner
        if not np.isfinite(float(inner.gap)):  # first: what is known of the policy is that of the fitted value
            inner = self.prepare(state, workspace)
        done = (int(state.steps[-1]) - 1) * self.inner
        rates = learning_rates(self.schedule, self.steps * self.inner, done, self.inner)
        rates = self.learning_rate * float(inner.rate) * rates
        blocks = self.method == "dgm_pia"
        turns = np.repeat([0, 1], self.inner) if blocks else np.tile([0, 1], self.inner)
        rates = np.tile(rates, 2) if blocks else np.repeat(rates, 2)
        policy = self._policy(workspace, inner)
        trained = jax.tree.map(jnp.asarray, (basis.trees(state.unknowns), inner.policy, inner.moments))
        found = _take_turns(
            asked_of(workspace),
            (basis.template, policy),
            trained,
            pool_of(workspace, state.unknowns, self.pace(state, float(np.max(workspace.discount_rate)))),
            (jnp.asarray(turns), jnp.asarray(rates)),
            key,
            (self.optimizer, min(self.batch, len(basis.points))),
        )
        parameters, policies, moments, loss, gap = found
        unknowns = basis.rows(parameters)
        if not (np.isfinite(float(loss)) and np.isfinite(float(gap)) and np.all(np.isfinite(unknowns))):
            recoveries = int(inner.recoveries) + 1
            back = state._replace(unknowns=state.best)
            fresh = self.prepare(back, workspace)
            again = fresh._replace(rate=0.5 * inner.rate, recoveries=np.array(recoveries))
            back = back._replace(inner=again)
            return back._replace(status=np.array(NONFINITE)) if recoveries > _RECOVERIES else back
        kept = jax.tree.map(np.asarray, (policies, moments))
        inner = inner._replace(policy=kept[0], moments=kept[1], gap=np.asarray(gap))
        return state._replace(unknowns=unknowns, norm=np.full(len(unknowns), np.sqrt(float(loss))), inner=inner)

    def _policy(self, workspace, inner: Turns) -> NetworkPolicy:
        """The policy networks as they were at the start, with the scaling of this state."""
        return NetworkPolicy(
            self._network(workspace), workspace.basis.template.inputs, *map(jnp.asarray, inner.scaling)
        )

    def trained_policy(self, state, workspace):
        return _with_parameters(self._policy(workspace, state.inner), jax.tree.map(jnp.asarray, state.inner.policy))

    def remarks(self, state):
        return {"recoveries": int(state.inner.recoveries), "policy_gap": float(state.inner.gap)}


def _first(tree: Any, networks: int) -> Any:
    return jax.tree.map(lambda leaf: leaf[:networks], tree)


def _with_parameters(template: Any, parameters: Any) -> Any:
    """A value function or policy of every member with trained parameters, which members may share."""
    family = template.inputs.label.shape[0]
    every = jax.tree.map(lambda a: jnp.broadcast_to(a, (family, *a.shape[1:])), parameters)
    static = eqx.filter(template.network, eqx.is_inexact_array, inverse=True)
    return eqx.tree_at(lambda v: v.network, template, eqx.combine(every, static))


@compiled
def _take_turns(problem: HJBProblem, templates, trained, pool, schedule, key, options):
    """Steps of both optimisers: parameters of both, moments, the mean loss of evaluation, and the gap at the end."""
    (value, policy), (optimizer, size) = templates, options
    low, high = np.array(problem.domain).T
    lengths = jnp.asarray(high - low)
    rule = lifted(optimizer)

    built = _with_parameters

    def controls(p: HJBProblem, both, row):
        return type(p.model.controls)(*both[1].at(row.points))

    def evaluation(parameters, policies, batch):
        values = built(value, parameters)
        u = over_members(controls, problem, jax.lax.stop_gradient((values, built(policy, policies))), batch)
        found = losses(problem, values, batch, lengths, u)
        return found.equation + found.faces

    def worth(policies, parameters, batch):
        """Minus the mean Hamiltonian of the policy, over delta and the range of the value."""

        def at(p, both, row):
            v, acts = both
            t, x, level, costate, hessian, _ = jax.lax.stop_gradient(at_point(p, v, row))
            h = p.hamiltonian(t, x, controls(p, (v, acts), row), level, costate, hessian, row.after)
            return -row.weights * h / (p.model.preferences.discount_rate * v.scale)

        values = built(value, parameters)
        return jnp.mean(
            over_members(at, problem, (values, built(policy, policies)), with_landings(problem, values, batch))
        )

    def step(carry, now):
        (turn, rate), key = now
        batch = pool.rows(jr.choice(key, pool.points.shape[0], (size,), replace=False))

        def evaluate(carry):
            parameters, policies, (own, other) = carry
            loss, slope = jax.value_and_grad(evaluation)(parameters, policies, batch)
            move, own = rule.update(slope, own, parameters)
            return (moved(parameters, move, rate), policies, (own, other)), loss

        def improve(carry):
            parameters, policies, (other, own) = carry
            slope = jax.grad(worth)(policies, parameters, batch)
            move, own = rule.update(slope, own, policies)
            return (parameters, moved(policies, move, rate), (other, own)), jnp.zeros(())

        return jax.lax.cond(turn == 0, evaluate, improve, carry)

    keys = jr.split(key, schedule[0].shape[0])
    (parameters, policies, moments), found = jax.lax.scan(step, trained, (schedule, keys))
    values, acts = built(value, parameters), built(policy, policies)

    def gap(p, both, row):
        best = jnp.stack(greedy(p, both[0], row))
        return jnp.mean(jnp.abs(jnp.stack(controls(p, both, row)) - best)), best

    off, best = over_members(gap, problem, (values, acts), with_landings(problem, values, pool))
    spread = jnp.mean(jnp.max(best, axis=(0, 1)) - jnp.min(best, axis=(0, 1)))
    evaluated = jnp.sum(found) / jnp.sum(schedule[0] == 0, dtype=found.dtype)
    return parameters, policies, moments, evaluated, jnp.mean(off) / spread
