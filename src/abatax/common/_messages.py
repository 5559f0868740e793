"""Parts of error messages that contain names and values of the user's input."""

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")

_LONGEST = 200  # characters; a longer text is no misspelt name


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error message: the most similar known name, and all of them.

    **Arguments:**

    - `name`: the name that is not known.
    - `known`: the known names.

    **Returns:** the text, with the most similar name first if there is one.

    !!! example

        ```python
        import abatax as ab

        assert ab.models.nearest("ak_climat", ["ak_climate", "net_zero"]).startswith("did you mean `ak_climate`?")
        ```
    """
    known = list(known)
    # the comparison takes time that grows with the square of the length
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5) if len(name) <= _LONGEST else []
    guess = f"did you mean `{close[0]}`? " if close else ""
    return f"{guess}Known: {', '.join(known)}."


def choose(kind: str, name: str, entries: Mapping[str, T]) -> T:
    """The entry of a name; `kind` says in the message which names these are.

    **Raises:** `ValueError` with the most similar known name.
    """
    if name not in entries:
        raise ValueError(f"unknown {kind} `{name}`: {nearest(name, entries)}")
    return entries[name]


def shortened(text: str, most: int = 80) -> str:
    """A text for a message; the middle of a longer text is replaced by an ellipsis."""
    return text if len(text) <= most else f"{text[: most // 2]}…{text[-most // 4 :]}"
