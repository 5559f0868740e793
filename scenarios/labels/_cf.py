"""Metadata after the CF conventions 1.11: global attributes of files, and the description of scenario data."""

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import xarray as xr

from ._belongs import check_same
from ._netcdf import plain_dataset
from ._udunits import udunits
from ._units import is_money, split_price_year, temperature_baseline

CONVENTIONS = "CF-1.11"
_TITLE = "Simulated scenario of a climate-economic model under ambiguity"
_TEXT = {
    "references": "see the report written with this file",
    "comment": "Quantiles are pointwise in time and do not add up across variables. Scenarios are not forecasts.",
}


def command_line() -> str:
    """The command of this process, as it is recorded in files."""
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])


def with_global_attributes(
    data: xr.Dataset, title: str, *, command: str | None = None, commit: str | None = None, references: str = ""
) -> xr.Dataset:
    """A copy of a dataset with the global attributes of the CF conventions; no number is changed.

    **Arguments:**

    - `title`: a short description of the contents.
    - `command`: the command that made the data, for the last line of `history`; the command of this process if left out.
    - `commit`: of the source code, for `source`.
    - `references`: publications that describe the model or the method.

    **Returns:** the dataset with `Conventions`, `title`, `source`, `history` and, where given, `references`. An existing `source` is
    kept, and a line is added to an existing `history`.

    !!! example

        ```python
        import xarray as xr

        from abatax.scenarios.labels import with_global_attributes

        data = with_global_attributes(xr.Dataset(), "Value function of `mine`", command="abatax solve mine")
        assert data.attrs["Conventions"] == "CF-1.11" and data.attrs["history"].endswith("abatax solve mine")
        ```
    """
    given = dict(data.attrs)
    program = f"abatax {given.get('abatax_version', version('abatax'))}"
    line = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {command_line() if command is None else command}"
    described = {
        "Conventions": CONVENTIONS,
        "title": title,
        "source": given.get("source") or (f"{program}, commit {commit}" if commit else program),
        "history": "\n".join([*([given["history"]] if "history" in given else []), line]),
        **({"references": references} if references else {}),
    }
    return data.assign_attrs(given | described)


def scenario_dataset(data: xr.Dataset, run: Mapping[str, Any] | None = None) -> xr.Dataset:
    """Paths, or their summary, with metadata according to CF-1.11; no number is changed.

    `units` is a UDUNITS string if one exists; temperatures are marked as differences. Money has no `units`: its
    unit is in `unit_iamc`, with `currency` and `price_basis_year`. The internal unit is in `unit_native`, and the IAMC
    name is in `variable_iamc`.

    **Arguments:**

    - `data`: dimensions `realization` or `quantile`, and `year`.
    - `run`: contents of run.json, which provide the command in `history` and the parameters in `config_json`.

    **Returns:** the dataset, ready for [`write_netcdf`][].

    **Raises:** `ValueError` if the data belong to another solution than `run`.

    !!! example

        ```python
        import xarray as xr

        from abatax import scenarios

        data = xr.Dataset({"temperature": ("year", [1.1], {"units": "degC"})}, {"year": [2020]})
        assert scenarios.scenario_dataset(data).temperature.units_metadata == "temperature: difference"
        ```
    """
    run = {} if run is None else run
    check_same(run, data=data)
    described = plain_dataset(data)
    price_year = data.attrs.get("price_year")
    for name in described.data_vars:
        _describe(described, str(name), price_year)
    if "realization" in described.coords:
        described["realization"] = described["realization"].astype("int32")
        described["realization"].attrs = {
            "standard_name": "realization",
            "long_name": "number of the simulated path",
            "units": "1",
        }
    described["year"] = described["year"].astype("int32")
    described["year"].attrs = {
        "long_name": "calendar year",
        "comment": "Values refer to the start of the year.",
        "units": "1",
    }
    described = with_global_attributes(
        described, _TITLE, command=run.get("command", "abatax export"), commit=run.get("versions", {}).get("commit")
    )
    parameters = {"config_json": json.dumps(run["parameters"])} if "parameters" in run else {}
    return described.assign_attrs(_TEXT | parameters | described.attrs)


def _describe(data: xr.Dataset, name: str, price_year: int | None) -> None:
    variable = data[name]
    attributes = variable.attrs
    native = str(attributes.pop("units", ""))
    attributes["unit_native"] = native
    attributes.setdefault("long_name", name.replace("_", " "))
    if "iamc" in attributes:
        attributes["variable_iamc"] = attributes.pop("iamc")
    if is_money(native) and not native.startswith("log"):
        attributes["currency"] = "USD"
        if price_year is not None:
            attributes["price_basis_year"] = price_year
            plain = split_price_year(native)[0].replace("CO2", " CO2")
            attributes["unit_iamc"] = plain.replace("US$", f"USD_{price_year}")
    elif udunits(native)[0] is not None:
        attributes["units"], species = udunits(native)
        if species:
            attributes["long_name"] = f"{attributes['long_name']}, {species}"
        if native in ("degC", "K"):
            attributes["units_metadata"] = "temperature: difference"
            attributes["comment"] = f"Difference from the mean of {temperature_baseline(attributes['long_name'])}."
    elif native.startswith("log"):
        attributes["units"] = "1"
        attributes["comment"] = f"Natural logarithm; the argument is in {native.removeprefix('log').strip() or '1'}."
    if "year" in variable.dims:
        mean = name.endswith("_mean")
        attributes["cell_methods"] = "realization: mean year: point" if mean else "year: point"
