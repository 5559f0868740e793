"""CSV tables in which text remains text: a spreadsheet must not evaluate a name as a formula."""

import os
from typing import Any

import pandas as pd

from ...common import complete_file

# Spreadsheets evaluate text with these first characters as a formula (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def is_formula(value: Any) -> bool:
    """Whether a spreadsheet would evaluate a cell as a formula; a number written as text is not a formula.

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
    """Write a table as CSV; the file appears when it is complete. An apostrophe precedes text that a spreadsheet would evaluate."""
    as_text = table.rename(columns=_text)
    for number, column in enumerate(as_text.columns):
        if not pd.api.types.is_numeric_dtype(table.dtypes.iloc[number]):
            as_text[column] = table.iloc[:, number].map(_text)
    with complete_file(path) as beside:
        as_text.to_csv(beside, index=False, lineterminator="\n")


def _text(value: Any) -> Any:
    return f"'{value}" if is_formula(value) else value
