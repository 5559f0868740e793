"""The hand-over version of scenario data: metadata after the CF conventions 1.11."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import xarray as xr

from ._belongs import check_same
from ._netcdf import plain_dataset
from ._udunits import udunits
from ._units import is_money, split_price_year, temperature_baseline

_TEXT = {
    "title": "Simulated scenario of a climate-economic model under ambiguity",
    "references": "see the report written with this file",
    "comment": "Quantiles are pointwise in time and do not add up across variables. Scenarios are no forecasts.",
}


def scenario_dataset(data: xr.Dataset, run: Mapping[str, Any] | None = None) -> xr.Dataset:
    """Paths, or their summary, described after CF-1.11 for hand-over; no number is changed.

    `units` holds a UDUNITS string where one exists; temperatures are marked as differences. Money has no `units`: its
    unit is in `unit_iamc`, with `currency` and `price_basis_year`. The internal unit stays in `unit_native`, the IAMC
    name in `variable_iamc`.

    **Arguments:**

    - `data`: dims `realization` or `quantile`, and `year`.
    - `run`: contents of run.json, for the command in `history` and the parameters in `config_json`.

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
    dressed = plain_dataset(data)
    price_year = data.attrs.get("price_year")
    for name in dressed.data_vars:
        _describe(dressed, str(name), price_year)
    if "realization" in dressed.coords:
        dressed["realization"] = dressed["realization"].astype("int32")
        dressed["realization"].attrs = {
            "standard_name": "realization",
            "long_name": "number of the simulated path",
            "units": "1",
        }
    dressed["year"] = dressed["year"].astype("int32")
    dressed["year"].attrs = {"long_name": "calendar year", "comment": "Values are those at its start.", "units": "1"}
    made = f"abatax {data.attrs.get('abatax_version', '')}".strip()
    commit = run.get("versions", {}).get("commit")
    dressed.attrs = {
        "Conventions": "CF-1.11",
        **_TEXT,
        "source": f"{made}, commit {commit}" if commit else made,
        "history": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {run.get('command', made)}",
        **({"config_json": json.dumps(run["parameters"])} if "parameters" in run else {}),
        **dressed.attrs,
    }
    return dressed


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
