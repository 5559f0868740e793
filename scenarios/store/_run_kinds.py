"""The type of every entry of run.json, which may have been edited by hand."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...common import shortened

_NEEDED = ("converged", "advice")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool)


def _is_number(value: Any) -> bool:
    """A residual of a solve that did not converge may be infinite."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _is_table(value: Any) -> bool:
    return isinstance(value, dict)


def _is_table_of_text(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(part, str) for part in value.values())


def _is_box(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_interval(part) for part in value.values())


def _is_interval(value: Any) -> bool:
    finite = isinstance(value, list) and all(_is_number(end) and math.isfinite(end) for end in value)
    return finite and len(value) == 2 and value[0] < value[1]


_KINDS = {
    "a text": (_is_text, ("model", "advice", "command", "date", "source", "stored_in")),
    "true or false": (_is_truth, ("converged",)),
    "a number": (_is_number, ("extension", "seconds", "compile_seconds", "residual_rms", "residual_max")),
    "a whole number from 0 to 2^63 - 1": (_is_count, ("format", "seed", "iterations")),
    "a table": (_is_table, ("parameters", "parameter_units", "platform", "solver", "reference")),
    "a table of texts": (_is_table_of_text, ("results", "versions")),
    "a table of states with LOW and HIGH": (_is_box, ("box",)),
}


def check_kinds(run: Any, path: Path) -> None:
    """Raise if an entry of run.json is missing or has the wrong type.

    **Raises:** `ValueError`: one line with the file, the entry and its value.
    """
    if not isinstance(run, Mapping):
        raise ValueError(f"{path} was not written by abatax: it is not a table.")
    for name in _NEEDED:
        if name not in run:
            raise ValueError(f"{path} was not written by abatax: `{name}` is missing.")
    for kind, (fits, names) in _KINDS.items():
        for name in names:
            if name in run and not fits(run[name]):
                raise ValueError(
                    f"{path}: `{name}` is {shortened(repr(run[name]))}; it must be {kind}. Restore the file or solve again."
                )
