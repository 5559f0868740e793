"""The table of a validation."""

from typing import NamedTuple

import numpy as np


class Row(NamedTuple):
    """One number of a validation and its explanation.

    - `name`: a short name with underscores, which is a key in files.
    - `value`, `unit`: the number and its unit.
    - `allowed`: the largest absolute value that needs no explanation, or None if the number is for information.
    - `meaning`: one sentence for readers who are not numerical analysts.

    !!! example

        ```python
        import abatax as ab

        row = ab.validation.Row("residual_rms", 1e-9, "1", 1e-6, "Root mean square of the residual.")
        assert row.passed
        ```
    """

    name: str
    value: float
    unit: str
    allowed: float | None
    meaning: str

    @property
    def passed(self) -> bool | None:
        """Whether the value is within its allowed range; None if it is for information."""
        if self.allowed is None:
            return None
        return bool(np.isfinite(self.value) and abs(self.value) <= self.allowed)


class ValidationReport(NamedTuple):
    """A table of numbers on the accuracy of a solution.

    **Arguments:**

    - `rows`: the numbers, each a [`Row`][].

    !!! example

        ```python
        import abatax as ab

        report = ab.validation.ValidationReport((ab.validation.Row("residual_rms", 1e-9, "1", 1e-6, "Root mean square."),))
        assert report["residual_rms"] == 1e-9 and report.passed
        ```
    """

    rows: tuple[Row, ...]

    def __getitem__(self, name):
        """The value of a row, by name."""
        for row in self.rows:
            if row.name == name:
                return row.value
        raise KeyError(f"no row `{name}`; there are {', '.join(r.name for r in self.rows)}")

    @property
    def passed(self) -> bool:
        """Whether all numbers are within their allowed ranges."""
        return all(row.passed is not False for row in self.rows)

    def to_rows(self) -> list[dict]:
        """Plain dictionaries, for files and pages."""
        return [row._asdict() | {"passed": row.passed} for row in self.rows]

    def plot(self):
        """Draw the numbers as shares of what is allowed; those without bounds are left out.

        **Returns:** the matplotlib axes.
        """
        from ...scenarios.figures import plot_report

        return plot_report(self)

    def to_csv(self, path) -> None:
        """Write a CSV file with one line per number."""
        import pandas as pd

        pd.DataFrame(self.to_rows()).to_csv(path, index=False)

    def __str__(self):
        width = max(len(row.name) for row in self.rows)
        mark = {True: "ok", False: "CHECK", None: ""}
        lines = [f"{'number':<{width}}  {'value':>11}  {'allowed':>9}  {'':5}  unit"]
        for row in self.rows:
            allowed = "" if row.allowed is None else f"{row.allowed:.1e}"
            lines.append(f"{row.name:<{width}}  {row.value:>11.3e}  {allowed:>9}  {mark[row.passed]:5}  {row.unit}")
        return "\n".join(lines)
