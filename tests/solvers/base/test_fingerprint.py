"""Fingerprints tell apart whatever changes the answer, and agree between processes."""

import functools as ft
import os
import subprocess
import sys
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import quadratic_guess

import abatax as ab
from abatax.models.base import fingerprint


def enclosing(factor):
    return lambda x: factor * x


def with_default(x, power=2):
    return x**power


class Power:
    """A callable that is no module."""

    def __init__(self, power):
        self.power = power

    def __call__(self, x):
        return x**self.power


class Cost(eqx.Module):
    curve: Callable = eqx.field(static=True)
    scale: jax.Array


def made_class(scale):
    """Two classes of one name that differ in the code of a method."""
    if scale == 1:

        class Made(ab.models.LinearQuadratic):
            def utility(self, t, x, u):
                return super().utility(t, x, u)
    else:

        class Made(ab.models.LinearQuadratic):
            def utility(self, t, x, u):
                return super().utility(t, x, u) - 1.0

    Made.__qualname__ = "Made"
    return Made


DIFFERENT = {
    "numbers": (1.0, 2.0),
    "types": (1, 1.0),
    "text and bytes": ("a", b"a"),
    "shapes": (jnp.zeros((2, 3)), jnp.zeros((3, 2))),
    "dtypes": (np.zeros(2), np.zeros(2, dtype=np.float32)),
    "last bit": (np.array(1.0), np.nextafter(np.array(1.0), 2.0)),
    "nesting": (((1,), 2), (1, (2,))),
    "delimiters": (("ab", "c"), ("a", "bc")),
    "keys": (jax.random.key(0), jax.random.key(1)),
    "code": (lambda x: x + 1, lambda x: x + 2),
    "operators": (lambda x: x + 1, lambda x: x - 1),
    "names": (lambda x: jnp.sin(x), lambda x: jnp.cos(x)),
    "inner functions": (lambda x: (lambda y: y + 1)(x), lambda x: (lambda y: y + 2)(x)),
    "closures": (enclosing(1.0), enclosing(2.0)),
    "defaults": (with_default, ft.partial(with_default, power=3)),
    "partials": (ft.partial(with_default, power=2), ft.partial(with_default, power=3)),
    "instances": (Power(2), Power(3)),
    "bound methods": (Power(2).__call__, Power(3).__call__),
    "jitted": (jax.jit(enclosing(1.0)), jax.jit(enclosing(2.0))),
    "static callables": (Cost(enclosing(1.0), jnp.ones(1)), Cost(enclosing(2.0), jnp.ones(1))),
    "classes": (made_class(1)(), made_class(2)()),
    "dictionaries": ({"a": 1, "b": 2}, {"a": 2, "b": 1}),
    "sets": ({1, 2}, {1, 3}),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_different_things_have_different_fingerprints(name):
    one, other = DIFFERENT[name]
    assert fingerprint(one) != fingerprint(other)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ab.HJBProblem(ab.models.LinearQuadratic(dimension=2)),
        lambda: Cost(enclosing(2.0), jnp.ones(3)),
        lambda: (Power(2), {"b": {3, 1}, "a": ft.partial(with_default, power=3)}),
        lambda: made_class(2)(),
        lambda: ab.solvers.FiniteDifference(points=(7, 9), linear_solver=ab.solvers.Direct()),
    ],
)
def test_things_made_twice_have_one_fingerprint(make):
    assert fingerprint(make()) == fingerprint(make())


def test_a_list_that_contains_itself_ends():
    around: list = [1]
    around.append(around)
    assert fingerprint(around) != fingerprint([1])


def test_processes_agree():
    code = (
        "import abatax as ab; from abatax.models.base import fingerprint;"
        "print(fingerprint((ab.HJBProblem(ab.models.AKClimate()), ab.solvers.FiniteDifference(), {'a', 'b', 'c'})))"
    )
    marks = set()
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        marks.add(done.stdout.strip())
    assert len(marks) == 1 and len(marks.pop()) == 64


class Bent(ab.models.LinearQuadratic):
    """A flow utility with a curve of the user's own."""

    curve: Callable = eqx.field(static=True, default=abs)

    def utility(self, t, x, u):
        return super().utility(t, x, u) - self.curve(x[0])


def test_a_checkpoint_of_another_static_callable_is_not_resumed(tmp_path):
    solver = ab.solvers.FiniteDifference(points=21, levels=2)
    one, other = (ab.HJBProblem(Bent(curve=enclosing(factor))) for factor in (0.1, 0.2))
    ab.solve(one, solver, checkpoint=tmp_path)
    again = ab.solve(one, solver, checkpoint=tmp_path)
    fresh, beside = ab.solve(other, solver), ab.solve(other, solver, checkpoint=tmp_path)
    assert again.converged and beside.stats["steps"] == fresh.stats["steps"] > 0
    assert eqx.tree_equal(beside.value, fresh.value) and not eqx.tree_equal(beside.value, again.value)


def test_a_checkpoint_from_another_guess_is_not_resumed(tmp_path):
    problem, solver = ab.HJBProblem(ab.models.LinearQuadratic()), ab.solvers.FiniteDifference(points=21, levels=2)

    def flat(t, x):
        return 0.0 * x[0]

    ab.solve(problem, solver, guess=flat, max_steps=1, throw=False, checkpoint=tmp_path)
    fresh = ab.solve(problem, solver, guess=quadratic_guess([[-0.7]]))
    beside = ab.solve(problem, solver, guess=quadratic_guess([[-0.7]]), checkpoint=tmp_path)
    assert beside.stats["steps"] == fresh.stats["steps"]
