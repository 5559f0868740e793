"""Compiled functions that are traced again when constants outside their arguments change."""

import functools as ft
import os
from collections.abc import Callable
from typing import Any, TypeVar

import equinox as eqx
import jax

from ...models import Equation
from ...models.base import constants_read

F = TypeVar("F", bound=Callable[..., Any])

_GENERATOR = "xla_cpu_use_fusion_emitters"


def compiled(function: F) -> F:
    """`equinox.filter_jit` of a function, traced again if external constants that its arguments read have changed.

    A problem holds the constants and the code that the user's classes read, as part of the key of compiled programs. During tracing
    they are compared with their values when the problem was created. Constants that other classes and functions of the user read (in
    policies, networks, functionals) become part of the key at every call.

    !!! example

        ```python
        import jax.numpy as jnp

        from abatax.solvers.base._jit import compiled

        double = compiled(lambda x: 2.0 * x)
        assert double(jnp.array(2.0)) == 4.0
        ```
    """

    def traced(constants, arguments, keywords):
        del constants
        for equation in _equations((arguments, keywords)):
            equation.check_constants()
        return function(*arguments, **keywords)

    # JAX's logs and the timings of compilation identify programs by this name
    traced.__name__ = traced.__qualname__ = function.__name__

    @ft.cache
    def program():
        """The program, created at the first call so that an import does not initialise JAX."""
        options: Any = {"compiler_options": quick_to_compile()}  # the type stubs of equinox lack this option
        return eqx.filter_jit(traced, **options)

    @ft.wraps(function)
    def call(*arguments, **keywords):
        rest = jax.tree.map(
            lambda leaf: None if _is_equation(leaf) else leaf, (arguments, keywords), is_leaf=_is_equation
        )
        return program()(constants_read(rest), arguments, keywords)

    return call  # type: ignore[return-value]


@ft.cache
def quick_to_compile() -> dict[str, bool]:
    """XLA options that compile programs of many small operations faster, to code of equal speed; empty if XLA has none.

    On CPUs the older code generator takes 60 % of the compilation time of the default one for the equation at a batch of nodes.
    A choice in the environment variable `XLA_FLAGS` takes precedence.
    """
    if jax.default_backend() != "cpu" or _GENERATOR in os.environ.get("XLA_FLAGS", ""):
        return {}
    options = {_GENERATOR: False}
    try:
        jax.jit(lambda x: x, compiler_options=options).lower(0.0).compile()
    except jax.errors.JaxRuntimeError:  # an XLA that does not know the option
        return {}
    return options


def _is_equation(node: Any) -> bool:
    return isinstance(node, Equation)


def _equations(tree: Any) -> list[Equation]:
    return [leaf for leaf in jax.tree.leaves(tree, is_leaf=_is_equation) if _is_equation(leaf)]
