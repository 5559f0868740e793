"""A value function represented by a network that is scaled by the problem."""

import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...models import AbstractValue, Equation
from ...models.base import Point, Scalar
from ..solution import BoxMap


class AbstractBase(eqx.Module):
    """A known approximation of the value function; a network learns the remainder."""

    @abc.abstractmethod
    def at(self, z: Float[Array, " state"]) -> Scalar:
        """The known approximation at a coordinate vector."""

    @abc.abstractmethod
    def remainder_scale(self, z: Float[Array, " state"]) -> Scalar:
        """Relative magnitude of the remainder V − base as a function of the state."""


class Asymptote(AbstractBase):
    """The asymptote of the model, given the value functions after its jumps."""

    problem: Equation

    def at(self, z: Float[Array, " state"]) -> Scalar:
        return self.problem.asymptote(jnp.zeros(()), self.problem.state(z))

    def remainder_scale(self, z: Float[Array, " state"]) -> Scalar:
        return self.problem.remainder_scale(jnp.zeros(()), self.problem.state(z))


# Error of a coarse grid solution relative to the range of the value function. Its order of magnitude prevents the first training steps
# from being much too long.
_COARSE_ERROR = 2e-2


class CoarseSolution(AbstractBase):
    """A high-order solution on a coarse grid; networks learn the remainder."""

    problem: Equation  # supplies the names of the states
    value: Callable[[Scalar, Point], Scalar]

    def at(self, z: Float[Array, " state"]) -> Scalar:
        return self.value(jnp.zeros(()), self.problem.state(z))

    def remainder_scale(self, z: Float[Array, " state"]) -> Scalar:
        return jnp.full((), _COARSE_ERROR)


class NetworkInputs(eqx.Module):
    r"""The inputs of a network at a state: the state on the unit box, two features per kink, and the label of the member.

    **Arguments:**

    - `box`: $b$, the map from the box to [-1, 1] in every state.
    - `label`: $\ell$, the numbers that identify a member of a family; empty for a single problem.
    - `kinks`, `kinked`: positions of the kinks of the model's functions on the unit box, and the states in which they lie (see
      `kink_inputs`).
    """

    box: BoxMap
    label: Float[Array, "*family label"]
    kinks: Float[Array, "*family kink"]
    kinked: tuple[int, ...] = eqx.field(static=True)

    @property
    def size(self) -> int:
        """The number of network inputs."""
        return self.box.low.shape[-1] + 2 * len(self.kinked) + self.label.shape[-1]

    def parts(
        self, z: Float[Array, " state"]
    ) -> tuple[Float[Array, " state"], Float[Array, " kink"], Float[Array, " label"]]:
        """The state on the unit box, two features of every kink, and the label."""
        unit = self.box.parts(z, jnp)[0]
        pairs = [kink_inputs(unit[a], k) for a, k in zip(self.kinked, self.kinks, strict=True)]
        return unit, jnp.concatenate([jnp.zeros(0), *pairs]), self.label

    def __call__(self, z: Float[Array, " state"]) -> Float[Array, " input"]:
        """All inputs in one vector."""
        return jnp.concatenate(self.parts(z))


class NetworkValue(AbstractValue):
    r"""A known base plus a scaled network on the unit box: $V(x) = a(x) + r(x)\big[v_0 + p\cdot(x - \bar x) + s\,N(b(x), \ell)\big]$.

    The states are mapped to the unit box, the known part of the value function and of its slopes is subtracted, and the remainder is
    divided by its range. The network therefore represents a smooth function of order one in every model.

    **Arguments:**

    - `network`: $N$, a map from the states in [-1, 1] and the label to a scalar.
    - `inputs`: $b$ and $\ell$, the inputs of the network at a state.
    - `base`: $a$, the asymptote of the model, and $r$, the relative magnitude of the remainder (1 unless the model declares it); or a
      coarse solution.
    - `level`, `scale`: $v_0$ and $s$, in the unit of the value function.
    - `slope`, `middle`: $p$, the known slopes in excess of the slopes of $a$ (0 where no slope is known), and $\bar x$.

    !!! example

        ```python
        import abatax as ab

        solver = ab.solvers.GaussNewton(parameters=100, steps=20)
        solution = ab.solve(ab.HJBProblem(ab.models.LinearQuadratic()), solver, throw=False)
        assert isinstance(solution.value, ab.solvers.NetworkValue)
        ```
    """

    network: Any
    base: AbstractBase
    inputs: NetworkInputs
    level: Float[Array, "*family"]
    scale: Float[Array, "*family"]
    slope: Float[Array, "*family state"]
    middle: Float[Array, "*family state"]

    def __call__(self, t: Scalar, x: Point) -> Scalar:
        return self.at(jnp.stack(x))

    def at(self, z: Float[Array, " state"]) -> Scalar:
        """The value at a coordinate vector."""
        return self.base.at(z) + self.learnt(z)

    def learnt(self, z: Float[Array, " state"]) -> Scalar:
        """The learnt remainder, which is added to the base."""
        remainder = self.level + self.slope @ (z - self.middle) + self.scale * self.network(self.inputs(z))
        return self.base.remainder_scale(z) * remainder

    def derivatives(self, t: Scalar, x: Point) -> tuple[Scalar, Float[Array, " state"], Float[Array, "state state"]]:
        return three(self.at, jnp.stack(x))


def three(
    function: Any, z: Float[Array, " state"]
) -> tuple[Scalar, Float[Array, " state"], Float[Array, "state state"]]:
    """Value, slopes and hessian of a function at a coordinate vector."""
    return function(z), jax.grad(function)(z), jax.hessian(function)(z)


# Width of the resolved layer around a kink, in half lengths of the box. Weak noise produces layers this thin: the layer of the
# uncertain-damages model at its threshold is 0.004 degC wide, which is 0.002 in these units.
WIDTH = 2e-3


def kink_inputs(b: Scalar, k: Scalar) -> Float[Array, " 2"]:
    r"""Two input features of a kink at $k$: $(b - k)_+^2$, so that second derivatives may jump, and $\sinh^{-1}((b - k)/w)$.

    The second feature stretches the thin layer that weak noise produces around the kink. Both features are of order one.
    """
    beyond = jnp.square(jnp.maximum(b - k, 0.0) / (1.0 - k))
    return jnp.stack([beyond, jnp.arcsinh((b - k) / WIDTH) / np.arcsinh(1.0 / WIDTH)])
