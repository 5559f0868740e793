from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Float

from ..base import compiled
from ._first_order import AbstractFirstOrder, to_device, to_host
from ._network_parameters import with_parameters
from ._optimizers import lifted, moved
from ._residual_loss import losses, with_time_step
from ._workspace import TrainingData


class Descent(NamedTuple):
    """State of the optimiser."""

    moments: Any
    faces: Float[np.ndarray, ""]  # weight of the loss on known slopes at faces
    rate: Float[np.ndarray, ""]  # factor on the learning rate after recoveries
    recoveries: np.ndarray  # number of restarts from the best networks


class DeepGalerkin(AbstractFirstOrder):
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

    balance: bool = eqx.field(static=True, default=True)

    def prepare(self, state, training):
        moments = to_host(lifted(self.optimizer).init(training.basis.trees(state.unknowns)))
        return Descent(moments, np.array(1.0), np.array(1.0), np.array(0))

    def improve(self, state, training, key):
        basis, optimizer_state = training.basis, state.optimizer_state
        size = len(basis.points) if self.optimizer == "lbfgs" else min(self.batch, len(basis.points))
        parameters, moments, faces, loss = _train(
            training.data,
            basis.trees(state.unknowns),
            to_device(optimizer_state.moments),
            jnp.asarray(optimizer_state.faces),
            self.time_step_pace(state, training),
            jnp.asarray(self.rates(state)),
            key,
            (self.optimizer, size, self.balance and bool(basis.closed)),
        )
        unknowns = basis.rows(parameters)
        if not (np.isfinite(float(loss)) and np.all(np.isfinite(unknowns))):
            return self.recovered(state, training)
        norm = np.full(len(unknowns), np.sqrt(float(loss)))
        optimizer_state = optimizer_state._replace(moments=to_host(moments), faces=np.asarray(faces))
        return state._replace(unknowns=unknowns, norm=norm, optimizer_state=optimizer_state)

    def optimizer_stats(self, state):
        return {"recoveries": int(state.optimizer_state.recoveries), "weight_faces": float(state.optimizer_state.faces)}


# Relaxation of the balanced weight: the fraction of its update that is applied per step.
_BALANCING = 0.02


@compiled
def _train(data: TrainingData, parameters, moments, faces, pace, rates, key, options):
    """Perform `inner` optimiser steps and return parameters, moments, weight of the faces and the mean loss."""
    problem, template, pool, lengths, _ = data
    optimizer, size, balance = options
    rule = lifted(optimizer)
    if pace is not None:
        pool = with_time_step(pool, with_parameters(template, parameters), pace)

    def parts(parameters, batch):
        return losses(problem, with_parameters(template, parameters), batch, lengths)

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
