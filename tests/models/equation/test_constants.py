"""Outside constants that a user's class reads belong to the problem: a change discards compiled programs."""

import types
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import abatax as ab
from abatax.models.base import changed_constant, constants_read, fingerprint
from abatax.solvers.base import compile_clock, compiled

EXTRA = 0.0
TABLE = np.array([1.0, 2.0])
SETTINGS = {"cost": 1.0}
PARAMETERS = types.ModuleType("parameters_of_the_user")
PARAMETERS.COST = 1.0
state = 1.0  # has the name of a field that the class below reads


def charge(x):
    return EXTRA * x**2


class Costly(ab.models.LinearQuadratic):
    """A further cost of the state that a helper reads from this module."""

    def utility(self, t, x, u):
        return super().utility(t, x, u) - 0.5 * charge(x.state)


def gain(extra):
    """The scalar Riccati equation of `LinearQuadratic` with a further cost of the state, for P."""
    model = ab.models.LinearQuadratic()
    dearer = ab.models.LinearQuadratic(state_cost=float(model.state_cost) + extra)
    return float(ab.validation.riccati(dearer).matrix[0, 0])


def test_a_constant_changed_between_solves_is_used(monkeypatch):
    solver, here = ab.solvers.FiniteDifference(points=21), (jnp.zeros(()), Costly().initial_state())
    solved = []
    for extra in (0.0, 3.0):
        monkeypatch.setattr(f"{__name__}.EXTRA", extra)
        solution = ab.solve(Costly(), solver)
        _, slope, _ = ab.models.derivatives(*here, solution.value)
        assert float(slope[0]) == pytest.approx(-gain(extra) * float(here[1].state), rel=1e-3)
        assert float(solution.policy(*here).control) == pytest.approx(-gain(extra) * float(here[1].state), rel=1e-3)
        solved.append(solution)
    assert "EXTRA" in str(solved[1].problem.constants)


class Scaled(eqx.Module):
    """A placeholder for parts of a problem; the tests set what it reads."""

    curve: Any = eqx.field(static=True)


class WithConstant(eqx.Module):
    cost = 1.0

    def at(self, x):
        return self.cost * x


def enclosing(cell):
    return lambda x: cell[0] * x


CELL = [1.0]
ENCLOSING = enclosing(CELL)


def change_global(monkeypatch):
    monkeypatch.setattr(f"{__name__}.EXTRA", 2.0)


def change_module(monkeypatch):
    monkeypatch.setattr(PARAMETERS, "COST", 2.0)


def change_class(monkeypatch):
    monkeypatch.setattr(WithConstant, "cost", 2.0)


def change_helper(monkeypatch):
    monkeypatch.setattr(f"{__name__}.charge", lambda x: x)


def change_method(monkeypatch):
    monkeypatch.setattr(WithConstant, "at", lambda self, x: x)


def replace_entry(place, key):
    def change(monkeypatch):
        before = place[key]
        place[key] = 2.0 + before
        monkeypatch.setattr(f"{__name__}.RESTORE", (place, key, before), raising=False)

    return change


RESTORE: Any = None


@pytest.fixture(autouse=True)
def restored(monkeypatch):
    monkeypatch.setattr(f"{__name__}.RESTORE", None)
    yield
    if RESTORE is not None:
        place, key, before = RESTORE
        place[key] = before


READERS = {
    "a number of the module": (lambda x: EXTRA * x, change_global),
    "through a helper": (lambda x: charge(x), change_global),
    "the helper itself": (lambda x: charge(x), change_helper),
    "an array, changed in place": (lambda x: TABLE[0] * x, replace_entry(TABLE, 0)),
    "a dictionary": (lambda x: SETTINGS["cost"] * x, replace_entry(SETTINGS, "cost")),
    "another module": (lambda x: PARAMETERS.COST * x, change_module),
    "a closure": (ENCLOSING, replace_entry(CELL, 0)),
    "the body of a class": (lambda x: WithConstant().at(x), change_class),
    "a method": (lambda x: WithConstant().at(x), change_method),
}


@pytest.mark.parametrize("what", READERS)
def test_every_kind_of_constant_that_is_read_counts(what, monkeypatch):
    function, change = READERS[what]
    before, mark = constants_read(Scaled(function)), fingerprint(function)
    assert constants_read(Scaled(function)) == before and fingerprint(function) == mark
    change(monkeypatch)
    now = constants_read(Scaled(function))
    assert now != before and changed_constant(before, now) is not None and fingerprint(function) != mark


def test_a_field_with_the_name_of_a_global_reads_no_global(monkeypatch):
    before = constants_read(Costly())
    monkeypatch.setattr(f"{__name__}.state", 2.0)
    assert constants_read(Costly()) == before


class Waiting(ab.models.LinearQuadratic):
    """A jump leads to a class that reads a constant."""

    def jumps(self):
        after = eqx.filter_vmap(lambda weight: Costly(state_cost=weight))(jnp.ones(1))
        return (ab.models.Jump(lambda t, x, u: jnp.array(0.1), lambda x: x, jnp.ones(1), after, "event"),)


def test_constants_read_by_the_destination_of_a_jump_count(monkeypatch):
    before = constants_read(Waiting())
    monkeypatch.setattr(f"{__name__}.EXTRA", 2.0)
    assert "EXTRA" in str(changed_constant(before, constants_read(Waiting())))


def test_models_of_the_package_read_no_outside_constants():
    for name in ("linear_quadratic", "uncertain_damages", "net_zero"):
        assert ab.HJBProblem(ab.models.MODELS[name]()).constants == ()


def test_unchanged_code_is_not_compiled_again_and_changed_code_is(monkeypatch):
    double = compiled(lambda function, x: function.curve(x))
    scaled = Scaled(lambda x: (1.0 + EXTRA) * x)
    assert float(double(scaled, jnp.array(2.0))) == 2.0
    before = compile_clock()
    assert float(double(scaled, jnp.array(3.0))) == 3.0
    assert compile_clock() == before
    monkeypatch.setattr(f"{__name__}.EXTRA", 1.0)
    assert float(double(scaled, jnp.array(3.0))) == 6.0


@jax.jit
def jitted(x):
    return (1.0 + EXTRA) * x


def scaled_up(carry, _):
    return (1.0 + EXTRA) * carry, None


def doubled(x):
    return (1.0 + EXTRA) * x


KEPT = {
    "a jitted helper": lambda x: jitted(x),
    "the body of a loop": lambda x: jax.lax.scan(scaled_up, x, None, length=1)[0],
    "a branch": lambda x: jax.lax.cond(x > 0.0, doubled, doubled, x),
}


@pytest.mark.parametrize("what", KEPT)
def test_cached_traces_are_dropped_if_a_constant_that_they_read_has_changed(what, monkeypatch):
    evaluate = compiled(lambda scaled, x: scaled.curve(x))
    assert float(evaluate(Scaled(KEPT[what]), jnp.array(3.0))) == 3.0
    monkeypatch.setattr(f"{__name__}.EXTRA", 1.0)
    assert float(evaluate(Scaled(KEPT[what]), jnp.array(3.0))) == 6.0
    monkeypatch.setattr(f"{__name__}.EXTRA", 0.0)
    assert float(evaluate(Scaled(KEPT[what]), jnp.array(3.0))) == 3.0


class Point(NamedTuple):
    state: Any


def test_a_solution_is_refused_after_its_constants_have_changed(monkeypatch):
    monkeypatch.setattr(f"{__name__}.EXTRA", 1.0)
    problem = ab.HJBProblem(Costly())
    flow = compiled(lambda p, x: p.model.utility(jnp.zeros(()), Point(x), type(p.model.controls)(x)))
    assert float(flow(problem, jnp.array(1.0))) == pytest.approx(-1.5)
    monkeypatch.setattr(f"{__name__}.EXTRA", 2.0)
    assert float(flow(problem, jnp.array(1.0))) == pytest.approx(-1.5)  # compiled with the constants of the problem
    with pytest.raises(ValueError, match=r"`EXTRA`, which `charge` reads, has changed .* solve it again"):
        flow(problem, jnp.array([1.0, 2.0])[0] * jnp.ones((1,)))
    assert float(flow(problem.replace(), jnp.array(1.0))) == pytest.approx(-2.0)
