"""Checks of names and sizes, in one clear line."""

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error message: the nearest known name, and all of them."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    guess = f"did you mean `{close[0]}`? " if close else ""
    return f"{guess}Known: {', '.join(known)}."


def choose(what: str, name: str, known: Mapping[str, T]) -> T:
    """The entry of a name.

    **Raises:** `ValueError` with the nearest known name.
    """
    if name not in known:
        raise ValueError(f"unknown {what} `{name}`: {nearest(name, known)}")
    return known[name]


def at_least(least: int, **sizes: int) -> None:
    """**Raises:** `ValueError` naming the first size that is below `least`."""
    for name, size in sizes.items():
        if size < least:
            raise ValueError(f"`{name}` is {size}; it must be at least {least}.")
