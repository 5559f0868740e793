"""Problems with one state and one control from plain functions, and problems whose bounds bind over most of the region."""

import collections
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp

from abatax.models import AbstractModel, Ambiguity, ClosedFormControl, StateConstraint, TimeAdditive, Variable


class State(NamedTuple):
    x: Any


class Control(NamedTuple):
    u: Any


def one_state(
    drift,
    volatility,
    utility,
    *,
    discount=0.05,
    box=(-1.0, 1.0),
    bounds=((-1.0, 1.0),),
    start=None,
    closures=None,
    jumps=None,
    base=AbstractModel,
    fineness=1,
):
    """A model with one state, and a control for each pair of bounds, from functions of (x, u)."""
    names = ("u",) if len(bounds) == 1 else tuple(f"u{n}" for n in range(len(bounds)))
    point: Any = Control if len(bounds) == 1 else collections.namedtuple("Controls", names)  # noqa: PYI024

    class Model(base):
        @property
        def scan_fineness(self):
            return fineness

        preferences: TimeAdditive = eqx.field(default_factory=lambda: TimeAdditive(discount))
        ambiguity: Ambiguity = eqx.field(default_factory=Ambiguity)

        @property
        def states(self):
            return State(Variable("x", "1", *box))

        @property
        def controls(self):
            return point(*(Variable(n, "1", *pair) for n, pair in zip(names, bounds, strict=True)))

        def drift(self, t, x, u, climate):
            return State(drift(x.x, *u))

        def diffusion(self, t, x, u):
            return State(jnp.array([1.0]) * volatility)

        def utility(self, t, x, u):
            return utility(x.x, *u)

        def initial_state(self):
            return State(jnp.array(0.5 * sum(box) if start is None else start))

        def closures(self):
            return State(closures or (StateConstraint(), StateConstraint()))

        def jumps(self):
            return jumps or ()

    return Model()


def of_slope(control):
    """A model whose best control is a function of the marginal value, within its bounds."""

    class Base(ClosedFormControl):
        def best_control(self, t, x, value, costate, hessian):
            (bounds,) = self.controls
            return type(self.controls)(jnp.clip(control(costate.x), bounds.low, bounds.high))

    return Base
