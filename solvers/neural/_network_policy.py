"""A policy network that satisfies the bounds of the controls by construction."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...models import HJBProblem
from ...models.base import Point, Scalar
from ..solution import AbstractRule, Choice, Value
from ._network_value import NetworkInputs

# Smallest distance of the centre from a bound, and smallest spread, as fractions of the range of a control.
_EDGE, _NARROW = 1e-3, 1e-3


class NetworkPolicy(AbstractRule):
    r"""Controls between their bounds: $u = u_{\min} + (u_{\max} - u_{\min})\,\mathrm{sigmoid}(o + g\,N(b(x), \ell))$.

    $o$ and $g$ standardise the initial controls, so that wide bounds do not make a control hard to learn.

    **Arguments:**

    - `network`: $N$, with one output per control.
    - `inputs`: $b$ and $\ell$, the inputs of the network at a state.
    - `low`, `high`: bounds in the units of the controls.
    - `offset`, `gain`: $o$ and $g$, mean and standard deviation of the initial logits.
    """

    network: Any
    inputs: NetworkInputs
    low: Float[Array, "*family control"]
    high: Float[Array, "*family control"]
    offset: Float[Array, "*family control"]
    gain: Float[Array, "*family control"]

    def at(self, z: Float[Array, " state"]) -> Float[Array, " control"]:
        """Controls at a coordinate vector."""
        score = self.offset + self.gain * self.network(self.inputs(z))
        return self.low + (self.high - self.low) * jax.nn.sigmoid(score)

    def choose(
        self,
        problem: HJBProblem,
        value: Value,
        t: Scalar,
        x: Point,
        edges: Float[Array, "state side"],
        step: float | None = None,
    ) -> Choice:
        del edges, step  # a trained policy does not depend on the length of a step
        controls = type(problem.model.controls)(*self.at(jnp.stack(x)))
        return Choice(controls, problem.derivatives(t, x, value))


def scaled_policy(
    network: Any, inputs: NetworkInputs, bounds: tuple, controls: Float[np.ndarray, "family point control"]
) -> NetworkPolicy:
    """A policy network scaled so that outputs of order one represent the given controls."""
    low, high = (np.array([getattr(v, side) for v in bounds], dtype=float) for side in ("low", "high"))
    share = np.clip((controls - low) / (high - low), _EDGE, 1.0 - _EDGE)
    logit = np.log(share / (1.0 - share))
    gain = np.maximum(np.std(logit, axis=1), _NARROW)
    low, high = (jnp.asarray(np.broadcast_to(a, gain.shape)) for a in (low, high))
    return NetworkPolicy(network, inputs, low, high, jnp.asarray(np.mean(logit, axis=1)), jnp.asarray(gain))
