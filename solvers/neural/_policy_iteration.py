from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float

from ...models import Equation
from ...neural_operators import NetworkOptions
from ..base import NONFINITE, compiled
from ._network_policy import NetworkPolicy, scaled_policy
from ._neural import AbstractNeural
from ._optimizers import check_optimizer, check_training, learning_rates, lifted, moved
from ._residual_loss import asked_of, at_point, box_lengths, greedy, losses, over_members, pool_of, with_landings

METHODS = ("dgm_pia", "actor_critic")
_RECOVERIES = 8


class Turns(NamedTuple):
    """The policy network and the state of both optimisers."""

    policy: Any  # trainable parameters, as numpy arrays
    scaling: tuple[np.ndarray, ...]  # bounds, offset and gain of the policy
    moments: tuple[Any, Any]  # optimiser moments of value and policy
    rate: Float[np.ndarray, ""]
    recoveries: np.ndarray
    gap: Float[np.ndarray, ""]  # mean distance of the policy from the maximiser, relative to the range of the controls


class PolicyIteration(AbstractNeural):
    r"""Policy iteration with two networks, one for the value function and one for the policy.

    Policy evaluation minimises the mean square of $H(x, u_q(x), V_p, \ldots)$ over $p$ with the policy fixed; policy improvement
    maximises the mean of $H$ over $q$ with the value function fixed. Improvement needs no first-order condition and therefore applies
    to every model. In `dgm_pia` the two alternate in blocks of `inner` steps, in `actor_critic` step by step. The solution carries the
    value function and the trained policy; `stats["policy_gap"]` is the mean distance of the policy network from the maximising
    control.

    The method is slower and less accurate than [`GaussNewton`][]. It serves models without a closed-form maximiser, and comparisons.

    **Arguments:**

    - `method`: `dgm_pia` or `actor_critic`.
    - `architecture`, `parameters`, `network`: architecture, size and options of both networks (see [`GaussNewton`][]).
    - `points`, `focus`, `joint`, `start`, `coarse`, `resample`, `patience`, `tolerance`, `sampling`, `time_step`: see
      [`GaussNewton`][].
    - `optimizer`: `adam`, `adamw`, `muon` or `soap`.
    - `steps`, `schedule`, `learning_rate`, `inner`, `batch`: see [`DeepGalerkin`][].

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
        arrays = jax.tree.map(np.asarray, (parameters, (policy.low, policy.high, policy.offset, policy.gain), moments))
        policies, scaling, moments = arrays
        return Turns(policies, scaling, moments, np.array(1.0), np.array(0), np.array(np.nan))

    def _network(self, workspace) -> Any:
        """The policy networks, one per value network, with leaves stacked over the family."""
        value = workspace.basis.template
        size = len(workspace.problem.model.controls)
        network = self.network.make(
            self.architecture, value.inputs.size, size, parameters=self.parameters, key=jr.key(size)
        )
        family = workspace.family
        stack = jax.tree.map(lambda leaf: jnp.stack([leaf] * family), eqx.filter(network, eqx.is_array))
        return eqx.combine(stack, eqx.filter(network, eqx.is_array, inverse=True))

    def improve(self, state, workspace, key):
        basis, inner = workspace.basis, state.inner
        if not np.isfinite(float(inner.gap)):
            # first step: the controls of the fitted value function scale the policy
            inner = self.prepare(state, workspace)
        done = (int(state.steps[-1]) - 1) * self.inner
        rates = learning_rates(self.schedule, self.steps * self.inner, done, self.inner)
        rates = self.learning_rate * float(inner.rate) * rates
        blocks = self.method == "dgm_pia"
        turns = np.repeat([0, 1], self.inner) if blocks else np.tile([0, 1], self.inner)
        rates = np.tile(rates, 2) if blocks else np.repeat(rates, 2)
        policy = self._policy(workspace, inner)
        trained = jax.tree.map(jnp.asarray, (basis.trees(state.unknowns), inner.policy, inner.moments))
        training = _take_turns(
            asked_of(workspace),
            (basis.template, policy),
            trained,
            pool_of(workspace, state.unknowns, self.pace(state, float(np.max(workspace.discount_rate)))),
            box_lengths(workspace),
            (jnp.asarray(turns), jnp.asarray(rates)),
            key,
            (self.optimizer, min(self.batch, len(basis.points))),
        )
        parameters, policies, moments, loss, gap = training
        unknowns = basis.rows(parameters)
        if not (np.isfinite(float(loss)) and np.isfinite(float(gap)) and np.all(np.isfinite(unknowns))):
            recoveries = int(inner.recoveries) + 1
            restored = state._replace(unknowns=state.best)
            fresh = self.prepare(restored, workspace)
            recovered = fresh._replace(rate=0.5 * inner.rate, recoveries=np.array(recoveries))
            restored = restored._replace(inner=recovered)
            return restored._replace(status=np.array(NONFINITE)) if recoveries > _RECOVERIES else restored
        arrays = jax.tree.map(np.asarray, (policies, moments))
        inner = inner._replace(policy=arrays[0], moments=arrays[1], gap=np.asarray(gap))
        return state._replace(unknowns=unknowns, norm=np.full(len(unknowns), np.sqrt(float(loss))), inner=inner)

    def _policy(self, workspace, inner: Turns) -> NetworkPolicy:
        """The policy networks with initial parameters and the scaling of this state."""
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
    """The value functions or policies of all members with trained parameters, which members may share."""
    family = template.inputs.label.shape[0]
    every = jax.tree.map(lambda a: jnp.broadcast_to(a, (family, *a.shape[1:])), parameters)
    static = eqx.filter(template.network, eqx.is_inexact_array, inverse=True)
    return eqx.tree_at(lambda v: v.network, template, eqx.combine(every, static))


@compiled
def _take_turns(problem: Equation, templates, trained, pool, lengths, schedule, key, options):
    """Perform steps of both optimisers; return parameters, moments, the mean evaluation loss and the final policy gap."""
    (value, policy), (optimizer, size) = templates, options
    rule = lifted(optimizer)

    def controls(p: Equation, both, row):
        return type(p.model.controls)(*both[1].at(row.points))

    def evaluation(parameters, policies, batch):
        values = _with_parameters(value, parameters)
        u = over_members(controls, problem, jax.lax.stop_gradient((values, _with_parameters(policy, policies))), batch)
        terms = losses(problem, values, batch, lengths, u)
        return terms.equation + terms.faces

    def worth(policies, parameters, batch):
        """Minus the mean Hamiltonian of the policy, divided by delta and the range of the value function."""

        def negative_hamiltonian(p, both, row):
            v, acts = both
            t, x, at, _ = jax.lax.stop_gradient(at_point(p, v, row))
            h = p.hamiltonian(t, x, controls(p, (v, acts), row), at)
            return -row.weights * h / (p.model.preferences.discount_rate * v.scale)

        values = _with_parameters(value, parameters)
        return jnp.mean(
            over_members(
                negative_hamiltonian,
                problem,
                (values, _with_parameters(policy, policies)),
                with_landings(problem, values, batch),
            )
        )

    def step(carry, now):
        (turn, rate), key = now
        batch = pool.rows(jr.choice(key, pool.points.shape[0], (size,), replace=False))

        def evaluate(carry):
            parameters, policies, (value_moments, policy_moments) = carry
            loss, slope = jax.value_and_grad(evaluation)(parameters, policies, batch)
            move, value_moments = rule.update(slope, value_moments, parameters)
            return (moved(parameters, move, rate), policies, (value_moments, policy_moments)), loss

        def improve(carry):
            parameters, policies, (value_moments, policy_moments) = carry
            slope = jax.grad(worth)(policies, parameters, batch)
            move, policy_moments = rule.update(slope, policy_moments, policies)
            return (parameters, moved(policies, move, rate), (value_moments, policy_moments)), jnp.zeros(())

        return jax.lax.cond(turn == 0, evaluate, improve, carry)

    keys = jr.split(key, schedule[0].shape[0])
    (parameters, policies, moments), step_losses = jax.lax.scan(step, trained, (schedule, keys))
    values, acts = _with_parameters(value, parameters), _with_parameters(policy, policies)

    def gap(p, both, row):
        best = jnp.stack(greedy(p, both[0], row))
        return jnp.mean(jnp.abs(jnp.stack(controls(p, both, row)) - best)), best

    gaps, best = over_members(gap, problem, (values, acts), with_landings(problem, values, pool))
    spread = jnp.mean(jnp.max(best, axis=(0, 1)) - jnp.min(best, axis=(0, 1)))
    evaluated = jnp.sum(step_losses) / jnp.sum(schedule[0] == 0, dtype=step_losses.dtype)
    return parameters, policies, moments, evaluated, jnp.mean(gaps) / spread
