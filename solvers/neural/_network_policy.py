"""A policy network that satisfies the bounds of the controls by construction."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...models import HJBProblem
from ...models.base import Point, Scalar
from ...neural_operators import ControlBounds
from ..solution import AbstractRule, Choice, Value
from ._network_value import NetworkInputs

# Smallest standard deviation of the scores of the initial controls; a constant control has none.
_NARROW = 1e-3


class NetworkPolicy(AbstractRule):
    r"""Controls within their bounds: $u = c(o + g\,N(b(x), \ell))$ with the map $c$ from scores to controls.

    $o$ and $g$ standardise the scores of the initial controls, so that wide bounds do not make a control hard to learn.

    **Arguments:**

    - `network`: $N$, with one output per control.
    - `inputs`: $b$ and $\ell$, the inputs of the network at a state.
    - `bounds`: $c$, with the bounds in the units of the controls.
    - `offset`, `gain`: $o$ and $g$, mean and standard deviation of the scores of the initial controls.
    """

    network: Any
    inputs: NetworkInputs
    bounds: ControlBounds
    offset: Float[Array, "*family control"]
    gain: Float[Array, "*family control"]

    def at(self, z: Float[Array, " state"]) -> Float[Array, " control"]:
        """Controls at a coordinate vector."""
        return self.bounds(self.offset + self.gain * self.network(self.inputs(z)))

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


def control_bounds(problem: HJBProblem, family: int) -> ControlBounds:
    """The bounds of the controls of a problem, repeated for every member of a family."""
    variables = tuple(problem.model.controls)
    bounds = ControlBounds([v.low for v in variables], [v.high for v in variables])
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (family, *leaf.shape)), bounds)


def score_scales(
    bounds: ControlBounds, controls: Float[np.ndarray, "family point control"]
) -> tuple[Float[np.ndarray, "family control"], Float[np.ndarray, "family control"]]:
    """Offset and gain with which network outputs of order one represent given controls."""
    scores = np.stack([_member(bounds, f).scores(u) for f, u in enumerate(controls)])
    return np.mean(scores, axis=1), np.maximum(np.std(scores, axis=1), _NARROW)


def _member(bounds: ControlBounds, member: int) -> ControlBounds:
    return jax.tree.map(lambda leaf: leaf[member], bounds)
