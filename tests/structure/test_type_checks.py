"""Annotations are checked at run time while the tests run, with axis sizes compared within each call."""

import jax.numpy as jnp
import pytest
from beartype import beartype
from jaxtyping import Array, Float, jaxtyped

from abatax.models import load_ensemble


def checked(function):
    return jaxtyped(typechecker=beartype)(function)


def test_axis_sizes_agree_among_arguments_and_with_the_result():
    @checked
    def add(x: Float[Array, " n"], y: Float[Array, " n"]) -> Float[Array, " n"]:
        return x + y

    @checked
    def shorten(x: Float[Array, " n"]) -> Float[Array, " n"]:
        return x[1:]

    # sizes hold within one call only
    for size in (2, 3):
        assert add(jnp.ones(size), jnp.ones(size)).shape == (size,)
    with pytest.raises(Exception, match="violates type hint"):
        add(jnp.ones(2), jnp.ones(3))
    with pytest.raises(Exception, match="violates type hint"):
        shorten(jnp.ones(3))


def test_annotations_in_strings_are_resolved_where_they_can_be():
    @checked
    def double(x: "Float[Array, '']", other: "DoesNotExist" = None) -> "Float[Array, '']":  # noqa: F821  # type: ignore
        return 2.0 * x

    assert double(jnp.array(1.0), other="anything") == 2.0
    with pytest.raises(Exception, match="violates type hint"):
        double(jnp.ones(2))


def test_functions_of_the_package_are_checked():
    with pytest.raises(Exception, match="violates type hint"):
        load_ensemble(1.0)  # type: ignore[arg-type]


def test_functions_without_annotations_are_left_alone():
    def plain(x):
        return x

    assert checked(plain) is plain
