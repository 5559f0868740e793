"""Policies: the control as a function of the state."""

import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
from jaxtyping import Array, Float

from ...models import HJBProblem
from ...models.base import Point, Scalar
from ._constraints import Choice, best_within

Value = Callable[[Scalar, Point], Scalar]


class AbstractRule(eqx.Module):
    """The rule by which the control at a state is chosen for a given value function.

    Array leaves are stacked over a family, as in value functions.
    """

    @abc.abstractmethod
    def choose(
        self,
        problem: HJBProblem,
        value: Value,
        t: Scalar,
        x: Point,
        edges: Float[Array, "state side"],
        step: float | None = None,
    ) -> Choice:
        """The control at a state, with the value function and its derivatives there.

        **Arguments:** `edges`: low and high edges of the computational box. `step`: years for which the control is held constant;
        None for a control in continuous time.
        """


class Maximiser(AbstractRule):
    """The control that maximises the Hamiltonian of the value function and respects the bounds of the states."""

    def choose(
        self,
        problem: HJBProblem,
        value: Value,
        t: Scalar,
        x: Point,
        edges: Float[Array, "state side"],
        step: float | None = None,
    ) -> Choice:
        return best_within(problem, value, t, x, edges, step)


MAXIMISER: Any = Maximiser()
