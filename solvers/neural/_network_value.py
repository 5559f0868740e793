"""A value function that is a network, scaled by the problem."""

import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...models import AbstractValue, HJBProblem
from ...models.base import Point, Scalar
from ..solution import BoxMap


class AbstractBase(eqx.Module):
    """What is known of a value function before a network learns the rest."""

    @abc.abstractmethod
    def at(self, z: Float[Array, " state"]) -> Scalar:
        """The value at a coordinate vector, as far as it is known."""

    @abc.abstractmethod
    def remainder_scale(self, z: Float[Array, " state"]) -> Scalar:
        """How large what that leaves out is, relative to the range of what is learnt."""


class Asymptote(AbstractBase):
    """What a model knows of its value function, given what comes after its jumps."""

    problem: HJBProblem

    def at(self, z: Float[Array, " state"]) -> Scalar:
        return self.problem.asymptote(jnp.zeros(()), self.problem.state(z))

    def remainder_scale(self, z: Float[Array, " state"]) -> Scalar:
        return self.problem.remainder_scale(jnp.zeros(()), self.problem.state(z))


# What a grid of few nodes leaves to be learnt, relative to the range of the value: of that order, so that the first steps are not far
# too long.
_LEFT = 2e-2


class CoarseSolution(AbstractBase):
    """A solution on few nodes, of high order: networks learn what it leaves."""

    problem: HJBProblem  # for the names of its states
    value: Callable[[Scalar, Point], Scalar]

    def at(self, z: Float[Array, " state"]) -> Scalar:
        return self.value(jnp.zeros(()), self.problem.state(z))

    def remainder_scale(self, z: Float[Array, " state"]) -> Scalar:
        return jnp.full((), _LEFT)


class NetworkInputs(eqx.Module):
    r"""The inputs of a network at a state: the state on the unit box, features of the kinks, and the label of the member.

    **Arguments:**

    - `box`: $b$, the map of the box to [-1, 1] in every state.
    - `label`: $\ell$, the numbers that tell a member of a family from the others; empty for one problem.
    - `kinks`, `kinked`: where, on the unit box, the model's functions have kinks, and in which state (see `kink_inputs`).
    """

    box: BoxMap
    label: Float[Array, "*family label"]
    kinks: Float[Array, "*family kink"]
    kinked: tuple[int, ...] = eqx.field(static=True)

    @property
    def size(self) -> int:
        """How many numbers the network is given."""
        return self.box.low.shape[-1] + 2 * len(self.kinked) + self.label.shape[-1]

    def parts(
        self, z: Float[Array, " state"]
    ) -> tuple[Float[Array, " state"], Float[Array, " kink"], Float[Array, " label"]]:
        """States on the unit box, two features of every kink, and the label."""
        unit = self.box.parts(z, jnp)[0]
        pairs = [kink_inputs(unit[a], k) for a, k in zip(self.kinked, self.kinks, strict=True)]
        return unit, jnp.concatenate([jnp.zeros(0), *pairs]), self.label

    def __call__(self, z: Float[Array, " state"]) -> Float[Array, " input"]:
        """All of them in one vector."""
        return jnp.concatenate(self.parts(z))


class NetworkValue(AbstractValue):
    r"""A network on the unit box around what is known: $V(x) = a(x) + r(x)\big[v_0 + p\cdot(x - \bar x) + s\,N(b(x), \ell)\big]$.

    States go to the unit box, what is known of the value and of its slopes is taken out and the rest is measured in its own range,
    so the network is asked for a smooth function of size one whatever the model.

    **Arguments:**

    - `network`: $N$, from the states in [-1, 1] and the label to a scalar.
    - `inputs`: $b$ and $\ell$, what the network is given at a state.
    - `base`: $a$, what the model knows of its value function, and $r$, how large what that leaves out is (1 if it does not say); or a
      solution on few nodes.
    - `level`, `scale`: $v_0$ and $s$, in the unit of the value.
    - `slope`, `middle`: $p$, slopes that are known beyond those of $a$ (0 where none is), and $\bar x$.

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
        """What the network adds to the base."""
        left = self.level + self.slope @ (z - self.middle) + self.scale * self.network(self.inputs(z))
        return self.base.remainder_scale(z) * left

    def derivatives(self, t: Scalar, x: Point) -> tuple[Scalar, Float[Array, " state"], Float[Array, "state state"]]:
        return three(self.at, jnp.stack(x))


def three(
    function: Any, z: Float[Array, " state"]
) -> tuple[Scalar, Float[Array, " state"], Float[Array, "state state"]]:
    """Value, slopes and hessian of a function at a coordinate vector."""
    return function(z), jax.grad(function)(z), jax.hessian(function)(z)


# Width of the layer around a kink that is told apart, in half lengths of the box. Little noise leaves layers this thin: that of the
# uncertain-damages model at its threshold is 0.004 degC wide, 0.002 here.
WIDTH = 2e-3


def kink_inputs(b: Scalar, k: Scalar) -> Float[Array, " 2"]:
    r"""What a network is told of a kink at $k$: $(b - k)_+^2$, so that second derivatives may jump, and $\sinh^{-1}((b - k)/w)$.

    The latter spreads out the layer that little noise makes of the kink. Both are of size one.
    """
    beyond = jnp.square(jnp.maximum(b - k, 0.0) / (1.0 - k))
    return jnp.stack([beyond, jnp.arcsinh((b - k) / WIDTH) / np.arcsinh(1.0 / WIDTH)])
