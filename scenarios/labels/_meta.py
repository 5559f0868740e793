"""Metadata of scenarios: one row per scenario that describes the numbers of an IAMC table and their computation."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from ...solvers.solution import MARK
from ._belongs import check_same
from ._iamc import scenario_names
from ._quantiles import summarise
from ._units import temperature_baseline

# degC above 1850-1900; the thresholds for which AR6 reports exceedance
_THRESHOLDS = (1.5, 2.0, 3.0, 4.0)


def flatten(parameters: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested parameters as pairs of a dotted name and a value; lists are not split.

    **Arguments:**

    - `parameters`: nested parameters, as from [`parameters_of`][].
    - `prefix`: text before every name.

    **Returns:** an iterator over pairs.

    !!! example

        ```python
        from abatax import scenarios

        assert dict(scenarios.flatten({"climate": {"volatility": 1.2}})) == {"climate.volatility": 1.2}
        ```
    """
    for key, value in parameters.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def meta(
    run: Mapping[str, Any],
    paths: xr.Dataset,
    *,
    model: str | None = None,
    scenario: str | None = None,
    climate_model: str = "TCRE",
) -> pd.DataFrame:
    """The row of the `meta` sheet of a scenario.

    Names follow the AR6 scenario database if it has the indicator. The category (C1 to C8) requires an assessed
    climate emulator and is therefore `not assessed`.

    **Arguments:**

    - `run`: contents of run.json.
    - `paths`: simulated paths, or their summary (without exceedance probabilities and net-zero years).
    - `model`, `scenario`: as in [`to_iamc`][].
    - `climate_model`: name of the climate model in climate indicators.

    **Returns:** one row; text, numbers and truth values only.

    **Raises:** `ValueError` if the paths belong to another solution than `run`.

    !!! example

        ```python
        import numpy as np
        import xarray as xr

        from abatax import scenarios

        paths = xr.Dataset({"temperature": (("realization", "year"), np.full((4, 2), 1.2))}, {"year": [2020, 2021]})
        row = scenarios.meta({"converged": True}, paths, model="mine", scenario="test")
        assert row.loc[0, "Category"] == "not assessed"
        ```
    """
    check_same(run, paths=paths)
    given = paths.attrs
    default_model, default_scenario = scenario_names(paths)
    parameters = run.get("parameters", {})
    versions = run.get("versions", {})
    row: dict[str, Any] = {
        "Model": default_model if model is None else model,
        "Scenario": default_scenario if scenario is None else scenario,
        "Category": "not assessed",
        "Category_name": "not assessed",
        **_climate(paths, climate_model),
        **_net_zero(paths),
        "Decision rule": f"ambiguity {given.get('ambiguity', 'not stated')}",
        "Probability measure of the paths": given.get("measure", "not stated"),
        "Plain variable name": "median of the simulated paths, pointwise in time",
        "Stocks": "start of the year",
        "Flows": "annual rate at the start of the year",
        "Capital Stock": "a stock; its unit contains /yr as in the variable list",
        "Currency": "US dollar",
        "Price year of the model": given.get("price_year", "not stated"),
        "GDP basis": given.get("gdp_basis", "MER"),
        "Emissions scope": given.get("emissions_scope", "net CO2 of all sources in the model"),
        "Temperature baseline": _baseline(paths),
        "Random shocks": given.get("shocks", "not stated"),
        "Number of paths": given.get("num_paths", "not stated"),
        "Seed of the paths": given.get("seed", "not stated"),
        "abatax version": given.get("abatax_version", versions.get("abatax", "not stated")),
        "Commit": versions.get("commit", "not stated"),
        "Solution fingerprint": run.get(MARK, "not stated"),
        "Configuration SHA-256": hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()[:16],
        "Solver": _text(run.get("solver", "not stated")),
        "Converged": bool(run.get("converged", False)),
        "Residual RMS over discount rate": run.get("residual_rms", "not stated"),
        "Residual max over discount rate": run.get("residual_max", "not stated"),
    }
    row |= {f"Parameter {name}": _text(value) for name, value in flatten(parameters)}
    # readers of the sheet drop empty columns
    row = {key: "not stated" if value is None or _is_nan(value) else value for key, value in row.items()}
    return pd.DataFrame([row])


def _text(value: Any) -> Any:
    # readers of a sheet interpret these words as numbers or as empty cells
    if value is None or value in ("inf", "-inf", "nan"):
        return {None: "none", "inf": "infinite", "-inf": "minus infinite", "nan": "not a number"}[value]
    return value if isinstance(value, (str, int, float)) else json.dumps(value)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _baseline(paths: xr.Dataset) -> str:
    return (
        temperature_baseline(str(paths["temperature"].attrs.get("long_name", ""))) if "temperature" in paths else "none"
    )


def _climate(paths: xr.Dataset, climate_model: str) -> dict[str, Any]:
    if "temperature" not in paths:
        return {}
    summary = summarise(paths) if "realization" in paths.dims else paths
    median, years = summary["temperature"].sel(quantile=0.5).values, summary["year"].values
    row: dict[str, Any] = {
        f"median peak warming ({climate_model})": float(np.max(median)),
        f"median year of peak warming ({climate_model})": int(years[np.argmax(median)]),
    }
    if 2100 in years:
        row[f"median warming in 2100 ({climate_model})"] = float(median[years == 2100][0])
    if "realization" in paths.dims:
        warming = paths["temperature"].transpose("realization", "year").values
        row[f"p67 peak warming ({climate_model})"] = float(np.max(np.quantile(warming, 0.67, axis=0)))
        for threshold in _THRESHOLDS:
            share = float(np.mean(np.max(warming, axis=1) > threshold))
            row[f"Exceedance Probability {threshold:.1f}C ({climate_model})"] = share
    return row


def _net_zero(paths: xr.Dataset) -> dict[str, Any]:
    """Quantiles of the first year without net emissions; paths that do not reach net zero have an infinite year."""
    if "emissions" not in paths or "realization" not in paths.dims:
        return {}
    reached = paths["emissions"].transpose("realization", "year").values <= 0.0
    years = paths["year"].values.astype(float)
    first = np.where(reached.any(axis=1), years[np.argmax(reached, axis=1)], np.inf)
    row = {}
    for level, words in ((0.5, "median"), (0.05, "5th percentile"), (0.95, "95th percentile")):
        year = np.quantile(first, level, method="higher")
        row[f"Year of net zero CO2, {words}"] = int(year) if np.isfinite(year) else f"not by {int(years[-1])}"
    return row
