import functools
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float

from ...models import Equation
from ...neural_operators import NetworkOptions, architecture
from ..base import compiled
from ._first_order import AbstractFirstOrder, to_device, to_host
from ._network_parameters import with_parameters
from ._network_policy import NetworkPolicy, control_bounds, score_scales
from ._optimizers import lifted, moved
from ._residual_loss import at_point, greedy, losses, over_members, with_landings, with_time_step
from ._workspace import TrainingData, TrainingSet

METHODS = ("dgm_pia", "actor_critic")


class Turns(NamedTuple):
    """The policy network and the state of both optimisers."""

    policy: Any  # trainable parameters, as numpy arrays
    scales: tuple[np.ndarray, np.ndarray]  # offset and gain of the scores of the policy
    moments: tuple[Any, Any]  # optimiser moments of value and policy
    rate: Float[np.ndarray, ""]
    recoveries: np.ndarray
    gap: Float[np.ndarray, ""]  # mean distance of the policy from the maximiser, relative to the range of the controls


class PolicyIteration(AbstractFirstOrder):
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

    def __check_init__(self):
        if self.method not in METHODS:
            raise ValueError(f"`solver.method` is {self.method!r}; it must be one of {', '.join(METHODS)}.")
        if self.optimizer == "lbfgs":
            raise ValueError(
                "`solver.optimizer` is 'lbfgs'; two networks that take turns need adam, adamw, muon or soap."
            )

    def prepare(self, state, training):
        basis = training.basis
        local = training.collocation.evaluate(state.unknowns)
        network = self._policy_network(training)
        controls = np.stack(local.control, axis=-1)
        scales = score_scales(control_bounds(training.problem, training.family), controls)
        networks = len(state.unknowns)
        parameters = jax.tree.map(lambda leaf: leaf[:networks], eqx.filter(network, eqx.is_inexact_array))
        rule = lifted(self.optimizer)
        moments = rule.init(basis.trees(state.unknowns)), rule.init(parameters)
        policies, moments = to_host((parameters, moments))
        return Turns(policies, scales, moments, np.array(1.0), np.array(0), np.array(np.nan))

    def _policy_network(self, training: TrainingSet) -> Any:
        """The initial policy networks, one per member, with stacked leaves."""
        inputs, controls = training.basis.template.inputs.size, len(training.problem.model.controls)
        network_class = architecture(self.architecture)
        return _initial_policies(self.network, network_class, self.parameters, inputs, controls, training.family)

    def improve(self, state, training, key):
        if not np.isfinite(float(state.optimizer_state.gap)):
            # first step: the controls of the fitted value function scale the policy
            fresh = self.prepare(state, training)
            optimizer_state = fresh._replace(
                rate=state.optimizer_state.rate, recoveries=state.optimizer_state.recoveries
            )
            state = state._replace(optimizer_state=optimizer_state)
        basis, optimizer_state, rates = training.basis, state.optimizer_state, self.rates(state)
        blocks = self.method == "dgm_pia"
        turns = np.repeat([0, 1], self.inner) if blocks else np.tile([0, 1], self.inner)
        rates = np.tile(rates, 2) if blocks else np.repeat(rates, 2)
        parameters, policies, moments, loss, gap = _take_turns(
            training.data,
            self._policy(training, optimizer_state),
            to_device((basis.trees(state.unknowns), optimizer_state.policy, optimizer_state.moments)),
            self.time_step_pace(state, training),
            (jnp.asarray(turns), jnp.asarray(rates)),
            key,
            (self.optimizer, min(self.batch, len(basis.points))),
        )
        unknowns = basis.rows(parameters)
        if not (np.isfinite(float(loss)) and np.isfinite(float(gap)) and np.all(np.isfinite(unknowns))):
            return self.recovered(state, training)
        policies, moments, gap = to_host((policies, moments, gap))
        optimizer_state = optimizer_state._replace(policy=policies, moments=moments, gap=gap)
        return state._replace(
            unknowns=unknowns, norm=np.full(len(unknowns), np.sqrt(float(loss))), optimizer_state=optimizer_state
        )

    def _policy(self, training: TrainingSet, optimizer_state: Turns) -> NetworkPolicy:
        """The policy networks with initial parameters and the scaling of this state."""
        return NetworkPolicy(
            self._policy_network(training),
            training.basis.template.inputs,
            control_bounds(training.problem, training.family),
            *map(jnp.asarray, optimizer_state.scales),
        )

    def trained_policy(self, state, training):
        return with_parameters(self._policy(training, state.optimizer_state), to_device(state.optimizer_state.policy))

    def optimizer_stats(self, state):
        return {"recoveries": int(state.optimizer_state.recoveries), "policy_gap": float(state.optimizer_state.gap)}


@functools.lru_cache(maxsize=4)
def _initial_policies(
    network: NetworkOptions, network_class: type, parameters: int, inputs: int, controls: int, family: int
) -> Any:
    """Policy networks with stacked leaves, made once for all steps of a training, because their structure is needed in every step."""
    single = network.make(network_class.name, inputs, controls, parameters=parameters, key=jr.key(controls))
    stack = jax.tree.map(lambda leaf: jnp.stack([leaf] * family), eqx.filter(single, eqx.is_array))
    return eqx.combine(stack, eqx.filter(single, eqx.is_array, inverse=True))


@compiled
def _take_turns(data: TrainingData, policy: NetworkPolicy, trained, pace, schedule, key, options):
    """Perform steps of both optimisers; return parameters, moments, the mean evaluation loss and the final policy gap."""
    (problem, value, pool, lengths, _), (optimizer, size) = data, options
    rule = lifted(optimizer)
    if pace is not None:
        pool = with_time_step(pool, with_parameters(value, trained[0]), pace)

    def controls(p: Equation, both, row):
        return type(p.model.controls)(*both[1].at(row.points))

    def evaluation(parameters, policies, batch):
        values = with_parameters(value, parameters)
        u = over_members(controls, problem, jax.lax.stop_gradient((values, with_parameters(policy, policies))), batch)
        terms = losses(problem, values, batch, lengths, u)
        return terms.equation + terms.faces

    def worth(policies, parameters, batch):
        """Minus the mean Hamiltonian of the policy, divided by delta and the range of the value function."""

        def negative_hamiltonian(p, both, row):
            v, acts = both
            t, x, at, _ = jax.lax.stop_gradient(at_point(p, v, row))
            h = p.hamiltonian(t, x, controls(p, (v, acts), row), at)
            return -row.weights * h / (p.model.preferences.discount_rate * v.scale)

        values = with_parameters(value, parameters)
        return jnp.mean(
            over_members(
                negative_hamiltonian,
                problem,
                (values, with_parameters(policy, policies)),
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
    values, acts = with_parameters(value, parameters), with_parameters(policy, policies)

    def gap(p, both, row):
        best = jnp.stack(greedy(p, both[0], row))
        return jnp.mean(jnp.abs(jnp.stack(controls(p, both, row)) - best)), best

    gaps, best = over_members(gap, problem, (values, acts), with_landings(problem, values, pool))
    spread = jnp.mean(jnp.max(best, axis=(0, 1)) - jnp.min(best, axis=(0, 1)))
    evaluated = jnp.sum(step_losses) / jnp.sum(schedule[0] == 0, dtype=step_losses.dtype)
    return parameters, policies, moments, evaluated, jnp.mean(gaps) / spread
