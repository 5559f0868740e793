"""Compiled functions that know what they were traced from."""

import functools as ft
from collections.abc import Callable
from typing import Any, TypeVar

import equinox as eqx
import jax

from ...models import HJBProblem
from ...models.base import constants_read

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """`equinox.filter_jit` of a function, traced anew where what its arguments read from outside has changed.

    A problem holds the constants and the code that its user's classes read, as part of the key of compiled programs; while a
    program is traced it is checked that they still are what they were when the problem was posed. What else user's classes and
    functions read (of policies, networks, functionals) is made part of the key at every call.

    !!! example

        ```python
        import jax.numpy as jnp

        from abatax.solvers.base._jit import compiled

        double = compiled(lambda x: 2.0 * x)
        assert double(jnp.array(2.0)) == 4.0
        ```
    """

    @eqx.filter_jit
    def traced(constants, arguments, keywords):
        del constants
        for problem in _problems((arguments, keywords)):
            problem.check_constants()
        return function(*arguments, **keywords)

    @ft.wraps(function)
    def call(*arguments, **keywords):
        rest = jax.tree.map(
            lambda leaf: None if _is_problem(leaf) else leaf, (arguments, keywords), is_leaf=_is_problem
        )
        return traced(constants_read(rest), arguments, keywords)

    return call  # type: ignore[return-value]


def _is_problem(node: Any) -> bool:
    return isinstance(node, HJBProblem)


def _problems(tree: Any) -> list[HJBProblem]:
    return [leaf for leaf in jax.tree.leaves(tree, is_leaf=_is_problem) if _is_problem(leaf)]
