from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Float

from ...models import Equation
from ...neural_operators import NetworkOptions
from ..base import NONFINITE, compiled
from ._neural import AbstractNeural
from ._optimizers import check_optimizer, check_training, learning_rates, lifted, moved
from ._residual_loss import asked_of, box_lengths, losses, pool_of

# Largest number of restarts from the best networks after a non-finite step; each restart halves the learning rate.
_RECOVERIES = 8


class Descent(NamedTuple):
    """State of the optimiser."""

    moments: Any
    faces: Float[np.ndarray, ""]  # weight of the loss on known slopes at faces
    rate: Float[np.ndarray, ""]  # factor on the learning rate after recoveries
    recoveries: np.ndarray


class DeepGalerkin(AbstractNeural):
    r"""The deep Galerkin method: a first-order optimiser minimises the mean square residual at random points.

    $$\min_p\ \frac1N\sum_i\Big[\frac{H(x_i, V_p, \nabla V_p, \nabla^2V_p)}{\sqrt{\delta\rho(x_i)}\,s}\Big]^2 +
        \beta\,\frac1M\sum_j\Big[\frac{L\,(\partial_nV_p - \bar p_j)}s\Big]^2$$

    The sums are over batches of the current points. Policies are at the maximiser and are not differentiated (envelope theorem). The
    second sum is over the faces with a known slope, $L$ is the length of the box, and $\beta$ is adapted so that both gradients have
    the same norm. All other choices are as in [`GaussNewton`][], which is two to three digits more accurate at equal time.

    One step of the driver is a compiled sequence of `inner` optimiser steps. If the loss becomes non-finite, training continues from
    the best networks with half the learning rate (`stats["recoveries"]`).

    **Arguments:**

    - `architecture`, `network`, `parameters`, `points`, `focus`, `joint`, `start`, `coarse`, `resample`, `patience`, `tolerance`,
      `sampling`, `time_step`: see [`GaussNewton`][].
    - `optimizer`: `adam`, `adamw`, `muon`, `soap` or `lbfgs` (which uses all points in every step).
    - `learning_rate`: the largest learning rate of the schedule.
    - `schedule`: `cosine`, `constant` or `exponential`, over all `steps`. `cosine` and `exponential` begin with a warm-up over one
      fiftieth of the optimiser steps, but at most 1000.
    - `steps`: number of driver steps.
    - `inner`: number of optimiser steps in each driver step.
    - `batch`: number of points in each optimiser step.
    - `balance`: whether $\beta$ is adapted; otherwise it is 1.

    **Raises:** `ValueError` if an option is out of its range.

    **Good values:** a learning rate of 1e-3 to 3e-3 for `adam`, 1e-2 for `muon`, 3e-3 for `soap`.

    **References:** Sirignano and Spiliopoulos 2018, doi:10.1016/j.jcp.2018.08.029; Wang, Teng and Perdikaris 2021,
    doi:10.1137/20M1318043 (balance of losses).

    !!! example

        ```python
        import abatax as ab

        solver = ab.solvers.DeepGalerkin(parameters=100, steps=5, inner=20)
        solution = ab.solve(ab.HJBProblem(ab.models.LinearQuadratic()), solver, throw=False)
        assert solution.stats["recoveries"] == 0
        ```
    """

    name: ClassVar[str] = "deep_galerkin"

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
    balance: bool = eqx.field(static=True, default=True)

    def __check_init__(self):
        check_optimizer(self.optimizer, self.schedule)
        check_training(self.inner, self.batch, self.learning_rate)

    def prepare(self, state, workspace):
        basis = workspace.basis
        parameters = basis.trees(state.unknowns)
        moments = jax.tree.map(np.asarray, lifted(self.optimizer).init(parameters))
        return Descent(moments, np.array(1.0), np.array(1.0), np.array(0))

    def improve(self, state, workspace, key):
        basis, inner = workspace.basis, state.inner
        pool = pool_of(workspace, state.unknowns, self.pace(state, float(np.max(workspace.discount_rate))))
        done = (int(state.steps[-1]) - 1) * self.inner
        rates = learning_rates(self.schedule, self.steps * self.inner, done, self.inner)
        rates = jnp.asarray(self.learning_rate * float(inner.rate) * rates)
        size = len(basis.points) if self.optimizer == "lbfgs" else min(self.batch, len(basis.points))
        parameters, moments, faces, loss = _train(
            asked_of(workspace),
            basis.template,
            basis.trees(state.unknowns),
            jax.tree.map(jnp.asarray, inner.moments),
            jnp.asarray(inner.faces),
            pool,
            box_lengths(workspace),
            rates,
            key,
            (self.optimizer, size, self.balance and bool(basis.closed)),
        )
        unknowns = basis.rows(parameters)
        if not (np.isfinite(float(loss)) and np.all(np.isfinite(unknowns))):
            recoveries = int(inner.recoveries) + 1
            recovered = inner._replace(rate=0.5 * inner.rate, recoveries=np.array(recoveries))
            if recoveries > _RECOVERIES:
                return state._replace(inner=recovered, status=np.array(NONFINITE))
            fresh = self.prepare(state._replace(unknowns=state.best), workspace)
            return state._replace(unknowns=state.best, inner=recovered._replace(moments=fresh.moments))
        moments = jax.tree.map(np.asarray, moments)
        norm = np.full(len(unknowns), np.sqrt(float(loss)))
        return state._replace(
            unknowns=unknowns, norm=norm, inner=inner._replace(moments=moments, faces=np.asarray(faces))
        )

    def remarks(self, state):
        return {"recoveries": int(state.inner.recoveries), "weight_faces": float(state.inner.faces)}


# Relaxation of the balanced weight: the fraction of its update that is applied per step.
_BALANCING = 0.02


@compiled
def _train(problem: Equation, template, parameters, moments, faces, pool, lengths, rates, key, options):
    """Perform `inner` optimiser steps and return parameters, moments, weight of the faces and the mean loss."""
    optimizer, size, balance = options
    rule = lifted(optimizer)
    family = template.level.shape[0]
    static = eqx.filter(template.network, eqx.is_inexact_array, inverse=True)

    def parts(parameters, batch):
        every = jax.tree.map(lambda a: jnp.broadcast_to(a, (family, *a.shape[1:])), parameters)
        values = eqx.tree_at(lambda v: v.network, template, eqx.combine(every, static))
        return losses(problem, values, batch, lengths)

    def step(carry, now):
        parameters, moments, faces = carry
        rate, key = now
        uses_all_points = size == pool.points.shape[0]
        batch = pool if uses_all_points else pool.rows(jr.choice(key, pool.points.shape[0], (size,), replace=False))

        def total(parameters):
            terms = parts(parameters, batch)
            return terms.equation + faces * terms.faces

        if balance:
            terms, pull_back = jax.vjp(lambda p: parts(p, batch), parameters)
            equation_slope, face_slope = (pull_back(type(terms)(*unit))[0] for unit in jnp.eye(2))
            loss = terms.equation + faces * terms.faces
            slope = jax.tree.map(lambda a, b: a + faces * b, equation_slope, face_slope)
            ratio = optax.tree.norm(equation_slope) / (optax.tree.norm(face_slope) + 1e-12)
            faces = (1.0 - _BALANCING) * faces + _BALANCING * jnp.clip(ratio, 1e-2, 1e2)
        else:
            loss, slope = jax.value_and_grad(total)(parameters)
        if optimizer == "lbfgs":
            move, moments = rule.update(slope, moments, parameters, value=loss, grad=slope, value_fn=total)
            rate = jnp.ones_like(rate)
        else:
            move, moments = rule.update(slope, moments, parameters)
        return (moved(parameters, move, rate), moments, faces), loss

    keys = jr.split(key, len(rates))
    (parameters, moments, faces), step_losses = jax.lax.scan(step, (parameters, moments, faces), (rates, keys))
    return parameters, moments, faces, jnp.mean(step_losses)
