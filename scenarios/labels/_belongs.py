"""Checks that data belong to a solution, by the fingerprint of the solution that both contain."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from ...solvers.solution import MARK


def check_mark(path: Path, attributes: Mapping[Any, Any], run: Mapping[str, Any], remedy: str) -> None:
    """Raise unless a file contains the fingerprint of the solution that run.json describes.

    **Raises:** `ValueError`: one line with the file and the remedy.
    """
    mark = attributes.get(MARK)
    if not isinstance(mark, str):
        raise ValueError(f"{path} does not state to which solution it belongs (`{MARK}` is missing); {remedy}.")
    if mark != run[MARK]:
        raise ValueError(f"{path} belongs to another solution than {path.with_name('run.json')}; {remedy}.")


def check_same(run: Mapping[str, Any], **datasets: xr.Dataset | None) -> None:
    """Raise if a dataset has the fingerprint of another solution than the contents of a run.json.

    **Raises:** `ValueError` naming the dataset.
    """
    for name, data in datasets.items():
        mark = None if data is None else data.attrs.get(MARK)
        if mark is not None and MARK in run and mark != run[MARK]:
            raise ValueError(f"`{name}` belongs to another solution than `run`; simulate or solve again.")
