"""Parts of error messages."""

import difflib
from collections.abc import Iterable

_LONGEST = 200  # characters of a name that is compared with the known names


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error message: the nearest known name, and a list of all known names."""
    known = list(known)
    # the comparison takes time that grows with the square of the length
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5) if len(name) <= _LONGEST else []
    guess = f"did you mean `{close[0]}`? " if close else ""
    return f"{guess}Known: {', '.join(known)}."


def shortened(text: str, most: int = 80) -> str:
    """A text for a message; the middle of a longer text is left out."""
    return text if len(text) <= most else f"{text[: most // 2]}…{text[-most // 4 :]}"
