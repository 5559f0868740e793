"""One-line errors for bad input. Values under a transformation (tracers) are not checked."""

from typing import Any

import numpy as np
from jax.core import Tracer

from ._types import Point

MOST_COPIES = 100  # upper bound on states of one kind in a model, more than any solver can handle


def is_traced(value: Any) -> bool:
    """Whether a value is abstract, under jit, vmap or grad."""
    return isinstance(value, Tracer)


def check_positive(name: str, value: Any, unit: str = "", *, allow_zero: bool = False) -> None:
    """Raise the one-line error for a parameter that must be positive."""
    if is_traced(value):
        return
    array = np.asarray(value)
    good = np.all(array >= 0) if allow_zero else np.all(array > 0)
    if not good or not np.all(np.isfinite(array)):
        bound = ">= 0" if allow_zero else "> 0"
        raise ValueError(f"`{name}` is {value}; it must be finite and {bound}{' ' + unit if unit else ''}.")


def check_share(name: str, value: Any) -> None:
    """Raise if a share is not strictly between 0 and 1."""
    if not is_traced(value) and not np.all((np.asarray(value) > 0) & (np.asarray(value) < 1)):
        raise ValueError(f"`{name}` is {value}; it must lie between 0 and 1.")


def check_variables(kind: str, variables: Point) -> None:
    """Raise if a box has low >= high."""
    for field, variable in variables._asdict().items():
        if not variable.low < variable.high:
            raise ValueError(
                f"{kind} `{field}`: low {variable.low:g} must be below high {variable.high:g} {variable.unit}."
            )


def check_capital(name: str, growth: Any, volatility: Any) -> None:
    """Raise if growth or volatility of capital is so large that a constant takes the digits of the value function."""
    reason = "its contribution to the value function would take the digits of everything else"
    for field, value, low, unit in (
        ("growth", growth, -1.0, "per year"),
        ("volatility", volatility, 0.0, "per square root of a year"),
    ):
        if not is_traced(value) and not np.all((np.asarray(value) >= low) & (np.asarray(value) <= 1.0)):
            raise ValueError(f"`{name}.{field}` is {value}; it must lie between {low:g} and 1 {unit}: {reason}.")


def check_finite(name: str, value: Any, unit: str = "") -> None:
    """Raise if a parameter is infinite or not a number."""
    if not is_traced(value) and not np.all(np.isfinite(np.asarray(value))):
        raise ValueError(f"`{name}` is {value}; it must be a finite number{' ' + unit if unit else ''}.")
