"""Models that do not define a stationary problem are refused before they are solved, in one line that names the method."""

import math
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

import abatax as ab
from abatax.models import Ambiguity, Growth, Inflow, Jump, TimeAdditive, Variable
from abatax.models.base import dependent_outputs
from abatax.models.equation import check_posed
from abatax.solvers.solution import reshape_leading


class Stock(NamedTuple):
    stock: Any


class Effort(NamedTuple):
    effort: Any


class Other(NamedTuple):
    other: Any


class Nothing(NamedTuple):
    pass


class Plain(ab.models.AbstractModel):
    """A stock that effort moves, with quadratic costs; subclasses introduce the faults."""

    preferences: TimeAdditive = eqx.field(default_factory=lambda: TimeAdditive(0.05))
    ambiguity: Ambiguity = eqx.field(default_factory=Ambiguity)

    @property
    def states(self):
        return Stock(Variable("stock", "1", -1.0, 1.0))

    @property
    def controls(self):
        return Effort(Variable("effort", "1/yr", -1.0, 1.0))

    def drift(self, t, x, u, climate):
        return Stock(u.effort)

    def diffusion(self, t, x, u):
        return Stock(jnp.array([0.1]))

    def utility(self, t, x, u):
        return -(x.stock**2) - u.effort**2

    def initial_state(self):
        return Stock(jnp.array(0.5))


def plain(**methods):
    """A `Plain` with other methods."""
    return type("Plain", (Plain,), methods)()


def having(jump):
    """A `Plain` with one jump."""
    return plain(jumps=lambda self: (jump,))


def jump(intensity=lambda t, x, u: jnp.array(0.1), land=lambda x: x, probabilities=(1.0,), outcomes=None):
    count = len(probabilities) if outcomes is None else outcomes
    stacked = jax.tree.map(lambda leaf: jnp.stack([leaf] * count), Plain())
    return Jump(intensity, land, jnp.array(probabilities), stacked, "event")


def controls(low, high):
    return property(lambda self: Effort(Variable("effort", "1/yr", low, high)))


def faces(closure):
    return lambda self: Stock((Inflow(), closure))


class Fading(ab.models.AbstractValue):
    """A value function that moves."""

    def __call__(self, t, x):
        return jnp.exp(-t) * x.stock

    def derivatives(self, t, x):
        return self(t, x), jnp.exp(-t) * jnp.ones(1), jnp.zeros((1, 1))


def looped(t, x, u):
    return jax.lax.scan(lambda carry, _: (carry + t * x.stock, None), u.effort, None, length=3)[0]


TIMED = {
    "drift": lambda: plain(drift=lambda self, t, x, u, climate: Stock(u.effort * jnp.exp(-0.05 * t))),
    "diffusion": lambda: plain(diffusion=lambda self, t, x, u: Stock(jnp.array([0.1]) * jnp.cos(t))),
    "utility": lambda: plain(utility=lambda self, t, x, u: jnp.where(t > 5.0, x.stock, u.effort)),
    "drift, in a loop": lambda: plain(drift=lambda self, t, x, u, climate: Stock(looped(t, x, u))),
    "utility, jitted": lambda: plain(utility=lambda self, t, x, u: jax.jit(lambda t, x: t * x)(t, x.stock)),
    "jumps (intensity of event)": lambda: having(jump(intensity=lambda t, x, u: 0.1 + 0.01 * t)),
    "closures (slope of the high face of stock)": lambda: plain(
        closures=faces(Growth(slope=lambda t, x: -jnp.exp(-t)))
    ),
    "exact_value": lambda: plain(exact_value=lambda self: Fading()),
}


@pytest.mark.parametrize("what", TIMED)
def test_a_model_that_depends_on_time_is_refused(what):
    name = what.partition(", ")[0]
    with pytest.raises(ValueError) as caught:
        ab.solve(TIMED[what](), throw=False)
    message = str(caught.value)
    assert f"`{name}` depends on the time t" in message and "\n" not in message


def test_a_model_that_ignores_its_time_argument_is_accepted():
    def ignoring(t, x):
        return jax.lax.scan(lambda carry, _: ((carry[0] + t, carry[1] + x), None), (x, x), None, length=3)[0][1]

    check_posed(
        ab.HJBProblem(
            plain(
                drift=lambda self, t, x, u, climate: Stock(u.effort + 0.0 * t),
                utility=lambda self, t, x, u: -(ignoring(t, x.stock) ** 2) - u.effort**2,
                observables=lambda self, t, x, u, additive: {"date": 2020.0 + t},
                observable_variables=property(lambda self: {"date": Variable("date", "yr")}),
            )
        )
    )


def test_dependence_is_followed_through_loops_and_branches():
    def program(t, x):
        steps = jax.lax.while_loop(lambda c: c[0] < t, lambda c: (c[0] + 1.0, c[1] * 0.5), (0.0, x))
        chosen = jax.lax.cond(t > 0.0, lambda: x, lambda: 2.0 * x)
        inner = jax.lax.cond(x > 0.0, lambda t, x: x, lambda t, x: t, t, x)
        unread = jax.lax.while_loop(lambda c: c[0] < 3.0, lambda c: (c[0] + 1.0, c[1] + t, c[2] * x), (0.0, x, x))
        return steps[1], chosen, inner, unread[0], unread[1], unread[2], jnp.sin(x), jnp.zeros_like(t)

    traced = jax.make_jaxpr(program)(1.0, 2.0)
    assert dependent_outputs(traced, [True, False]) == [True, True, True, False, True, False, False, False]


# Faults, and a part of the message for each.
WRONG = {
    "a bare number for the drift": (
        lambda: plain(drift=lambda self, t, x, u, climate: u.effort),
        "`Plain.drift` returns shape (); it must return Stock(stock), each a scalar",
    ),
    "another NamedTuple": (
        lambda: plain(drift=lambda self, t, x, u, climate: Other(u.effort)),
        "`Plain.drift` returns Other",
    ),
    "a vector for a scalar": (
        lambda: plain(drift=lambda self, t, x, u, climate: Stock(jnp.ones(2))),
        "`Plain.drift`: `stock` is float64[2]; it must be a real scalar",
    ),
    "nothing": (lambda: plain(utility=lambda self, t, x, u: None), "`Plain.utility` returns NoneType"),
    "no vector of loadings": (
        lambda: plain(diffusion=lambda self, t, x, u: Stock(jnp.array(0.1))),
        "`Plain.diffusion`: `stock` is float64[]; it must be a real vector",
    ),
    "a bare array of loadings": (
        lambda: plain(diffusion=lambda self, t, x, u: jnp.array([0.1])),
        "`Plain.diffusion` returns shape (1,); it must return Stock(stock)",
    ),
    "a vector of utilities": (
        lambda: plain(utility=lambda self, t, x, u: jnp.ones(2)),
        "`Plain.utility` returns float64[2]; it must return a real scalar",
    ),
    "a Python decision": (
        lambda: plain(utility=lambda self, t, x, u: u.effort if x.stock > 0.0 else x.stock),
        "`Plain.utility` takes a Python decision",
    ),
    "no states": (lambda: plain(states=property(lambda self: Nothing())), "`Plain.states` is empty"),
    "no controls": (lambda: plain(controls=property(lambda self: Nothing())), "`Plain.controls` is empty"),
    "states without names": (
        lambda: plain(states=property(lambda self: (Variable("stock", "1", 0.0, 1.0),))),
        "`Plain.states` is tuple; it must be a NamedTuple",
    ),
    "a number for a variable": (
        lambda: plain(states=property(lambda self: Stock(1.0))),
        "`Plain.states.stock` is float",
    ),
    "bounds in the wrong order": (
        lambda: plain(controls=controls(1.0, 0.0)),
        "control `effort`: low 1 must not be above high 0",
    ),
    "a bound that is no number": (lambda: plain(controls=controls(math.nan, 1.0)), "control `effort`: low nan"),
    "a start outside the box": (
        lambda: plain(initial_state=lambda self: Stock(jnp.array(7.0))),
        "`stock` starts at 7, outside its box of -1 to 1",
    ),
    "a start that is no number": (
        lambda: plain(initial_state=lambda self: Stock(jnp.array(math.nan))),
        "`Plain.initial_state` starts `stock` at nan",
    ),
    "a start without a name": (
        lambda: plain(initial_state=lambda self: jnp.array(0.5)),
        "`Plain.initial_state` returns shape ()",
    ),
    "a kink in no state": (
        lambda: plain(breakpoints=lambda self: {"temperature": (0.5,)}),
        "`Plain.breakpoints`: unknown state `temperature`; the states are stock",
    ),
    "a kink outside the box": (
        lambda: plain(breakpoints=lambda self: {"stock": (7.0,)}),
        "`Plain.breakpoints`: 7 is outside the box of `stock`, -1 to 1",
    ),
    "a kink that is no number": (
        lambda: plain(breakpoints=lambda self: {"stock": (math.nan,)}),
        "nan is outside the box",
    ),
    "the sign of no state": (
        lambda: plain(costate_signs=lambda self: {"effort": 1}),
        "`Plain.costate_signs`: unknown state",
    ),
    "no such idle control": (
        lambda: plain(idle_controls=lambda self: ("stock",)),
        "`Plain.idle_controls`: unknown control",
    ),
    "one closure for two faces": (
        lambda: plain(closures=lambda self: Stock(Inflow())),
        "`Plain.closures`: `stock` must be a pair",
    ),
    "a parameter that is no number": (
        lambda: eqx.tree_at(lambda m: m.preferences.discount_rate, Plain(), jnp.array(math.nan)),
        "`preferences.discount_rate` of Plain is nan",
    ),
    "probabilities of 1.2": (
        lambda: having(jump(probabilities=(0.6, 0.6))),
        "jump `event` of Plain: the probabilities sum to 1.2; they must sum to 1",
    ),
    "a negative probability": (
        lambda: having(jump(probabilities=(1.6, -0.6))),
        "jump `event` of Plain: a probability is -0.6",
    ),
    "an outcome without destination": (
        lambda: having(jump(probabilities=(0.5, 0.5), outcomes=1)),
        "there are 2 probabilities, but `preferences.discount_rate` of the destination has shape (1,)",
    ),
    "a landing elsewhere": (
        lambda: having(jump(land=lambda x: Other(x.stock))),
        "`Plain.jumps (land of event)` returns Other; it must return Stock(stock)",
    ),
    "two intensities": (
        lambda: having(jump(intensity=lambda t, x, u: jnp.ones(2))),
        "`Plain.jumps (intensity of event)` returns",
    ),
    "a function as a value": (
        lambda: plain(exact_value=lambda self: lambda t, x: x.stock),
        "`Plain.exact_value` returns function; it must return an `AbstractValue`",
    ),
    "an observable without a description": (
        lambda: plain(observables=lambda self, t, x, u, additive: {"date": t}),
        "`Plain.observables` returns `date`; describe it",
    ),
    "one name for two": (
        lambda: plain(controls=property(lambda self: Stock(Variable("effort", "1/yr", -1.0, 1.0)))),
        "Plain: `stock` is the name of a control and of a state",
    ),
    "jumps in a list": (lambda: plain(jumps=lambda self: [jump()]), "`Plain.jumps` must return a tuple of `Jump`s"),
}


@pytest.mark.parametrize("what", WRONG)
def test_faults_of_a_model_are_refused_in_one_line(what):
    make, words = WRONG[what]
    with pytest.raises(ValueError) as caught:
        ab.solve(ab.HJBProblem(make()), throw=False)
    message = str(caught.value)
    assert words in message and "\n" not in message


def test_loadings_on_different_numbers_of_shocks_are_refused():
    class Two(NamedTuple):
        stock: Any
        other: Any

    ragged = plain(
        states=property(lambda self: Two(Variable("stock", "1", -1.0, 1.0), Variable("other", "1", -1.0, 1.0))),
        drift=lambda self, t, x, u, climate: Two(u.effort, x.other),
        diffusion=lambda self, t, x, u: Two(jnp.array([0.1]), jnp.array([0.1, 0.2])),
        initial_state=lambda self: Two(jnp.array(0.5), jnp.array(0.5)),
    )
    with pytest.raises(
        ValueError, match=r"the same number everywhere: `Plain.diffusion`: `stock` has 1, .*`other` has 2"
    ):
        ab.solve(ragged, throw=False)


def test_correct_models_pass():
    check_posed(ab.HJBProblem(Plain()))
    check_posed(ab.HJBProblem(having(jump(probabilities=(0.3, 0.7)))))
    check_posed(ab.HJBProblem(plain(breakpoints=lambda self: {"stock": (0.9,)}), box={"stock": (-0.5, 0.6)}))
    check_posed(reshape_leading(ab.HJBProblem(Plain()), (1,), 0), family=True)
    free = plain(controls=controls(-math.inf, math.inf), drift=lambda self, t, x, u, climate: Stock(0.0))
    check_posed(ab.HJBProblem(free))


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n, c in ab.models.MODELS.items() if issubclass(c, ab.models.AbstractModel)])
def test_the_models_of_the_package_define_stationary_problems(name):
    class Own(ab.models.MODELS[name]):
        """A user's class, whose methods are checked."""

    check_posed(ab.HJBProblem(Own()))
