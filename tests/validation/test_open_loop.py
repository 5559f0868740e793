"""The best path without noise, against Riccati equations with and without an event that ends the world as it was."""

from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from abatax.models import AbstractModel, Ambiguity, Jump, StateConstraint, TimeAdditive, Variable
from abatax.validation import OpenLoop

DELTA, STEEP, START = 0.1, 3.0, 1.5


class Position(NamedTuple):
    position: jax.Array


class Speed(NamedTuple):
    speed: jax.Array


class Leaving(AbstractModel):
    """Steer to the origin; at a rate x lands at x/2, and every distance costs more ever after.

    V = -P x^2/2 with (delta + rate) P = 1 - P^2 + rate STEEP/4, since what follows is worth -STEEP x^2/2.
    """

    rate: jax.Array
    ambiguity: Ambiguity = eqx.field(default_factory=Ambiguity)
    preferences: TimeAdditive = eqx.field(default_factory=lambda: TimeAdditive(DELTA))

    name: ClassVar[str] = "leaving"

    @property
    def states(self):
        return Position(Variable("position", "m", -2.0, 2.0))

    @property
    def controls(self):
        return Speed(Variable("speed", "m/yr", -50.0, 50.0))

    def drift(self, t, x, u, climate):
        return Position(u.speed)

    def diffusion(self, t, x, u):
        return Position(jnp.zeros(1))

    def utility(self, t, x, u):
        return -0.5 * (x.position**2 + u.speed**2)

    def closures(self):
        return Position((StateConstraint(), StateConstraint()))

    def initial_state(self):
        return Position(jnp.asarray(START))

    def jumps(self):
        return (Jump(lambda t, x, u: self.rate, lambda x: Position(0.5 * x.position), jnp.ones(1), self, "leaves"),)


def leaving(rate, **fields):
    return Leaving(jnp.asarray(rate), **fields)


def afterwards(t, x):
    return jnp.stack([-0.5 * STEEP * x.position**2])


def riccati(rate):
    total = DELTA + rate
    return 0.5 * (-total + np.sqrt(total**2 + 4.0 + rate * STEEP))


PRECISE = {"horizon": 100.0, "nodes": 81, "steps": 800}


def path_of(model, *continuations):
    return OpenLoop(model, continuations, **PRECISE).path(model.initial_state())


@pytest.mark.parametrize("rate, continuations", [(0.0, ()), (0.1, (afterwards,)), (0.6, (afterwards,))])
@pytest.mark.representative("0.0-continuations0")
def test_value_costate_and_control_are_those_of_the_riccati_equation(rate, continuations):
    path = path_of(leaving(rate), *continuations)
    p = riccati(rate)
    # controls are linear between nodes, the first of which are 0.016 years apart, later ones up to 2.5 years
    np.testing.assert_allclose(path.value, -0.5 * p * START**2, rtol=2e-5)
    now = path.times < 3.0
    x = np.asarray(path.states.position)[now]
    np.testing.assert_allclose(x, START * np.exp(-p * path.times[now]), rtol=2e-3)
    np.testing.assert_allclose(np.asarray(path.costates.position)[now], -p * x, rtol=2e-3)
    np.testing.assert_allclose(np.asarray(path.controls.speed)[now], -p * x, atol=4e-3)


def test_without_continuations_nothing_jumps():
    np.testing.assert_allclose(path_of(leaving(0.6)).value, -0.5 * riccati(0.0) * START**2, rtol=2e-5)


@pytest.mark.slow
def test_beyond_the_box_a_continuation_is_worth_what_it_is_at_the_edge():
    # x lands at x/2, which is 0.75 at the start: the box cuts what the continuation says of anything above 0.3
    inside = OpenLoop(leaving(0.6), (afterwards,), box=((-0.3, 0.3),), **PRECISE)
    cut = OpenLoop(leaving(0.6), (lambda t, x: afterwards(t, Position(jnp.clip(x.position, -0.3, 0.3))),), **PRECISE)
    whole = OpenLoop(leaving(0.6), (afterwards,), box=((-9.0, 9.0),), **PRECISE)
    start = leaving(0.6).initial_state()
    path = inside.path(start)
    np.testing.assert_allclose(path.value, cut.along(start, path.controls).value, rtol=1e-12)
    assert path.value > whole.path(start).value + 0.1


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="`continuations` has 2 entries; the model has 1 jumps"):
        OpenLoop(leaving(0.1), (afterwards, afterwards))
    with pytest.raises(ValueError, match=r"`model\.ambiguity\.jumps` is positive"):
        OpenLoop(leaving(0.1, ambiguity=Ambiguity(jumps=1.0)), (afterwards,))
    with pytest.raises(ValueError, match="`steps` is 120; it must be a multiple of `nodes` - 1, 50"):
        OpenLoop(leaving(0.1), nodes=51, steps=120)


def test_a_guess_from_which_no_search_can_begin_is_refused():
    with pytest.raises(ValueError, match="`guess` leads to a path without a finite value over"):
        OpenLoop(leaving(0.1), **PRECISE).path(Position(jnp.asarray(1e200)))
