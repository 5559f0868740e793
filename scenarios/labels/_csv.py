"""Tables as files in which text stays text: a spreadsheet must not run a name as a formula."""

import os
from typing import Any

import pandas as pd

from ..._writing import complete_file

# Spreadsheets take text that begins so for a formula (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def is_formula(value: Any) -> bool:
    """Whether a spreadsheet would take a cell for a formula; a number written as text is none.

    !!! example

        ```python
        from abatax.scenarios.labels._csv import is_formula

        assert is_formula("=1+1") and is_formula("-net zero") and not is_formula("-0.5") and not is_formula(-0.5)
        ```
    """
    if not isinstance(value, str) or not value.lstrip(" ").startswith(_FORMULA):
        return False
    try:
        float(value)
    except ValueError:
        return True
    return False


def write_csv(table: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a table as CSV; the file appears when it is complete. Text that a spreadsheet would run gets an apostrophe in front."""
    as_text = table.rename(columns=_text)
    for number, column in enumerate(as_text.columns):
        if not pd.api.types.is_numeric_dtype(table.dtypes.iloc[number]):
            as_text[column] = table.iloc[:, number].map(_text)
    with complete_file(path) as beside:
        as_text.to_csv(beside, index=False, lineterminator="\n")


def _text(value: Any) -> Any:
    return f"'{value}" if is_formula(value) else value
