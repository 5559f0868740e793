"""The IAMC table with one row per variable and one column per year, the format of integrated-assessment tools."""

import os
import re
from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from ...common import complete_file
from ._csv import is_formula, write_csv
from ._quantiles import summarise
from ._units import convert, iamc_unit

INDEX = ["Model", "Scenario", "Region", "Variable", "Unit"]
"""Columns of an IAMC table before the years."""
STYLES = ("current", "ar6")

# Variables whose name contains the climate model, as in AR6. The prefix "AR6 climate diagnostics" does not apply, since
# temperatures are not recentred on the assessed warming of 1995-2014.
_CLIMATE = ("Surface Temperature (GSAT)", "Atmospheric Concentrations", "Effective Radiative Forcing")

# The IAMC variable list assigns a unit per year to this stock; it is exported with the listed unit.
_LISTED_PER_YEAR = ("Capital Stock",)

_FORBIDDEN = re.compile(r"[;:\"`\n\r\t]")


def scenario_names(data: xr.Dataset) -> tuple[str, str]:
    """Model and scenario names from the attributes of paths or of their summary.

    **Arguments:**

    - `data`: paths or their summary, with the attributes `model`, `abatax_version`, `ambiguity`, `measure`.

    **Returns:** for example `("abatax uncertain_damages 0.1.0", "ambiguity averse")`. Paths under the worst-case measure
    are a separate scenario, `ambiguity averse [worst-case measure]`. If a model has named scenarios (`cbopt` of `dice2023`), this
    name is used; the scenario of a deterministic model without them is `optimum`.

    !!! example

        ```python
        import xarray as xr

        from abatax import scenarios

        data = xr.Dataset(attrs={"model": "ak_climate", "abatax_version": "0.1.0", "ambiguity": "neutral"})
        assert scenarios.scenario_names(data) == ("abatax ak_climate 0.1.0", "ambiguity neutral")
        ```
    """
    attributes = data.attrs
    model = " ".join(["abatax", *(str(attributes[key]) for key in ("model", "abatax_version") if key in attributes)])
    planner = f"ambiguity {attributes['ambiguity']}" if "ambiguity" in attributes else "optimum"
    scenario = str(attributes.get("scenario", planner))
    if attributes.get("measure", "baseline") != "baseline":
        scenario += f" [{attributes['measure']} measure]"
    if attributes.get("shocks", "on") == "off":
        scenario += " [without shocks]"
    return model, scenario


def to_iamc(
    data: xr.Dataset,
    *,
    model: str | None = None,
    scenario: str | None = None,
    region: str = "World",
    style: str = "current",
    price_year_out: int = 2010,
    climate_model: str = "TCRE",
) -> pd.DataFrame:
    """The wide IAMC table of a scenario.

    A variable with an attribute `iamc` has several rows. The row with the plain name is the **median** of the simulated
    paths, `<variable>|Mean` is their mean, and `<variable>|5.0th Percentile` and similar rows are quantiles, pointwise in time:
    percentiles are not paths and do not add up across variables. Climate variables have no plain row; their name contains the
    climate model, as in `Surface Temperature (GSAT)|TCRE|50.0th Percentile`. Scenarios (with and without ambiguity aversion,
    worst-case measure) are joined with `pandas.concat`.

    **Arguments:**

    - `data`: simulated paths, or their summary.
    - `model`, `scenario`: names in the table; by default from [`scenario_names`][].
    - `region`: IAMC region.
    - `style`: `current` (`USD_2010`) or `ar6` (`US$2010`, for databases of AR6).
    - `price_year_out`: price year of exported money; the attribute `price_year` of `data` is the price year of its values.
    - `climate_model`: name of the climate model in climate variables.

    **Returns:** columns Model, Scenario, Region, Variable, Unit and one per year (integers).

    **Raises:** `ValueError` naming a forbidden character, an infinite value, or a name used twice.

    !!! example

        ```python
        import numpy as np
        import xarray as xr

        from abatax import scenarios

        attributes = {"units": "GtC/yr", "iamc": "Emissions|CO2"}
        paths = xr.Dataset({"emissions": (("realization", "year"), np.full((5, 2), 10.0), attributes)}, {"year": [2020, 2021]})
        table = scenarios.to_iamc(paths, model="mine", scenario="test")
        assert table.set_index("Variable").loc["Emissions|CO2", 2021].round() == 36667.0
        ```
    """
    if style not in STYLES:
        raise ValueError(f"`style` is {style!r}; use one of {', '.join(STYLES)}.")
    summary = summarise(data) if "realization" in data.dims else data
    default_model, default_scenario = scenario_names(summary)
    model = default_model if model is None else model
    scenario = default_scenario if scenario is None else scenario
    years = _integer_years(summary["year"].values)
    rows = []
    for name, variable in summary.data_vars.items():
        stem = variable.attrs.get("iamc")
        unit = iamc_unit(variable.attrs.get("units", ""), price_year_out)
        if not stem or unit is None or str(name).endswith("_mean"):
            continue
        for suffix, line in _lines(summary, name, stem, climate_model):
            _refuse_infinite(suffix, line, years)
            line = convert(line, variable.attrs["units"], unit, summary.attrs.get("price_year"))
            if not np.all(np.isnan(line)):
                shown = f"{unit}/yr" if stem in _LISTED_PER_YEAR else unit
                shown = shown.replace("USD_", "US$") if style == "ar6" else shown
                rows.append([model, scenario, region, suffix, shown, *line.tolist()])
    table = pd.DataFrame(rows, columns=[*INDEX, *years])
    _check_names(table)
    return table


def _lines(summary: xr.Dataset, name: Hashable, stem: str, climate_model: str):
    """Pairs of an IAMC name and a series over the years."""
    variable = summary[name]
    if "quantile" not in variable.dims:
        yield stem, variable.values
        return
    climate = stem.startswith(_CLIMATE)
    root = f"{stem}|{climate_model}" if climate else stem
    if not climate and 0.5 in variable["quantile"].values:
        yield root, variable.sel(quantile=0.5).values
    if f"{name}_mean" in summary:
        yield f"{root}|Mean", summary[f"{name}_mean"].values
    for level in variable["quantile"].values:
        yield f"{root}|{100.0 * level:.1f}th Percentile", variable.sel(quantile=level).values


def _integer_years(years: np.ndarray) -> list[int]:
    if np.any(years != np.floor(years)):
        raise ValueError(f"`year` is {years[years != np.floor(years)][0]}; the IAMC table takes whole years.")
    return [int(year) for year in years]


def _refuse_infinite(name: str, line: np.ndarray, years: list[int]) -> None:
    if np.any(np.isinf(line)):
        raise ValueError(f"`{name}` is infinite in {years[int(np.argmax(np.isinf(line)))]}; it cannot be exported.")


def _check_names(table: pd.DataFrame) -> None:
    for column in INDEX:
        for text in table[column].unique():
            if not isinstance(text, str) or _FORBIDDEN.search(text):
                raise ValueError(f'{column} is {str(text)!r}; it must be a text without ; : " ` or a line break.')
    repeated = table[table.duplicated(INDEX[:4])]
    if len(repeated):
        model, scenario = repeated.iloc[0][INDEX[:2]]
        same = pd.DataFrame(table[(table[INDEX[0]] == model) & (table[INDEX[1]] == scenario)])
        if same.duplicated(INDEX[:4], keep=False).all():  # every row is repeated, not only one variable
            raise ValueError(
                f"the scenario `{scenario}` of the model `{model}` is joined twice; join it once, or name one differently:"
                " to_iamc(..., scenario=NAME)."
            )
        raise ValueError(
            f"`{repeated.iloc[0]['Variable']}` is the IAMC name of two variables; give them different names."
        )


def _normalised(table: pd.DataFrame) -> pd.DataFrame:
    """The table with ordered columns and every year once, as an integer; in a table that was read from a file headers are text.

    **Raises:** `ValueError` naming the column that is missing or not a year, or the variable with two values in one year.
    """
    table = table.reset_index(drop=True)
    names = [str(column) for column in table.columns]
    for column in INDEX:
        if names.count(column) != 1:
            raise ValueError(f"the table has {names.count(column)} columns `{column}`; an IAMC table has one.")
    years: dict[int, pd.Series] = {}
    for number, column in enumerate(table.columns):
        if column in INDEX:
            continue
        year, values = _year(column), _numeric(column, table.iloc[:, number])
        before = years.get(year, values)
        clash = np.asarray(before.notna() & values.notna() & (before != values))
        if clash.any():
            variable = table["Variable"].tolist()[int(np.argmax(clash))]
            raise ValueError(f"column {year} occurs twice, with different values of `{variable}`; keep one of them.")
        years[year] = before.where(before.notna(), values)
    ordered = {year: years[year] for year in sorted(years)}
    columns: dict[Any, Any] = {column: table[column] for column in INDEX} | ordered
    normal = pd.DataFrame(columns)
    _check_names(normal)
    return normal


def _year(column: Hashable) -> int:
    try:
        number = float(str(column))
    except ValueError:
        number = float("nan")
    if number != number // 1 or abs(number) > _LATEST:  # also if it is not a number
        raise ValueError(f"column {column!r} is not a year; an IAMC table has {', '.join(INDEX)} and years.")
    return int(number)


_LATEST = 99999  # a year beyond is a mistake


def _numeric(column: Hashable, values: pd.Series) -> pd.Series:
    try:
        numbers = pd.Series(pd.to_numeric(values), index=values.index)
    except (ValueError, TypeError) as error:
        raise ValueError(f"column {column} contains values that are not numbers ({error}).") from None
    if np.any(np.isinf(np.asarray(numbers, dtype=float))):
        raise ValueError(f"column {column} contains an infinite value; it cannot be exported.")
    return numbers


def write_iamc_csv(table: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write an IAMC table as CSV; several scenarios are joined with `pandas.concat` first.

    A CSV file does not contain metadata: write [`meta`][] to a second file. An apostrophe precedes text that a spreadsheet would
    evaluate as a formula (text that begins with `=`, `+`, `-` or `@`).

    **Arguments:**

    - `table`: from [`to_iamc`][], from a file, or several joined tables; headers of years may be numbers or text.
    - `path`: the file; it appears when it is complete.

    **Raises:** `ValueError` naming a column that is missing or not a year, or a value that is repeated or forbidden.

    !!! example

        ```python
        import tempfile
        from pathlib import Path

        import pandas as pd

        from abatax import scenarios

        table = pd.DataFrame([["m", "s", "World", "Population", "million", 8.1]], columns=[*scenarios.INDEX, 2025])
        path = Path(tempfile.mkdtemp(), "scenario.csv")
        scenarios.write_iamc_csv(table, path)
        assert pd.read_csv(path).loc[0, "2025"] == 8.1
        ```
    """
    write_csv(_normalised(table), path)


def write_iamc_xlsx(table: pd.DataFrame, path: str | os.PathLike[str], meta: pd.DataFrame | None = None) -> None:
    """Write an IAMC table as a workbook with the sheets `data` and `meta`.

    **Arguments:**

    - `table`: as in [`write_iamc_csv`][]; every text remains a text.
    - `path`: the file; it appears when it is complete.
    - `meta`: from [`meta`][], one row per scenario; without it the workbook has no sheet `meta`.

    **Raises:** as [`write_iamc_csv`][].

    !!! example

        ```python
        import tempfile
        from pathlib import Path

        import pandas as pd

        from abatax import scenarios

        table = pd.DataFrame([["m", "s", "World", "Population", "million", 8.1]], columns=[*scenarios.INDEX, 2025])
        path = Path(tempfile.mkdtemp(), "scenario.xlsx")
        scenarios.write_iamc_xlsx(table, path)
        assert pd.read_excel(path, sheet_name="data").equals(table)
        ```
    """
    table = _normalised(table)
    with complete_file(path) as beside, pd.ExcelWriter(beside, engine="openpyxl") as writer:
        table.to_excel(writer, sheet_name="data", index=False, freeze_panes=(1, 5))
        if meta is not None:
            meta.to_excel(writer, sheet_name="meta", index=False)
        for sheet in writer.sheets.values():
            _as_text(sheet)


def _as_text(sheet: Any) -> None:
    """Mark cells that a spreadsheet would evaluate as formulas as text, which they remain when they are edited."""
    for row in sheet.iter_rows():
        for cell in row:
            if is_formula(cell.value):
                cell.data_type = "s"
                cell.quotePrefix = True
