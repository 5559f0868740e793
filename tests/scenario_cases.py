"""Simulated paths whose quantiles are known."""

import numpy as np
import xarray as xr


def synthetic_paths(num_paths=101, ambiguity="averse", measure="baseline", scale=1.0):
    """Paths of five years whose quantiles are known: each variable is a trend times a factor linear in the path."""
    years = np.arange(2020, 2025, dtype=np.int32)
    spread = np.linspace(0.9, 1.1, num_paths)[:, None]
    described = {
        "temperature": (1.2 + 0.02 * np.arange(5), "degC", "warming above 1850-1900", "Surface Temperature (GSAT)"),
        "emissions": (10.0 - np.arange(5.0), "GtC/yr", "carbon emissions", "Emissions|CO2"),
        "output": (85.0 * 1.02 ** np.arange(5), "trillion US$/yr", "output", "GDP|MER"),
        "capital": (200.0 * 1.02 ** np.arange(5), "trillion US$", "capital", "Capital Stock"),
        "scc": (100.0 * scale * 1.02 ** np.arange(5), "US$/tCO2", "social cost of carbon", "Social Cost of Carbon"),
        "log_capital": (5.3 + 0.02 * np.arange(5), "log trillion US$", "log of capital", ""),
    }
    dims = ("realization", "year")
    paths = xr.Dataset(
        {
            name: (dims, spread * trend, {"units": unit, "long_name": words} | ({"iamc": iamc} if iamc else {}))
            for name, (trend, unit, words, iamc) in described.items()
        },
        coords={"realization": np.arange(num_paths, dtype=np.int32), "year": years},
    )
    # a quarter of the paths jumps at the start of 2022, another quarter during 2023
    dates = np.full(num_paths, np.nan)
    dates[: num_paths // 4] = 2022.0
    dates[num_paths // 4 : num_paths // 2] = 2023.5
    paths["jump_year_damage"] = ("realization", dates, {"units": "calendar year", "long_name": "date of the damage"})
    paths["regime"] = (dims, (dates[:, None] <= years).astype(np.int32), {"units": "1", "long_name": "regime"})
    paths["outside"] = ("realization", (np.arange(num_paths) < 10).astype(np.int8), {"units": "1"})
    return paths.assign_attrs(
        model="uncertain_damages",
        measure=measure,
        seed=1,
        num_paths=num_paths,
        shocks="on",
        start_year=2020,
        price_year=2020,
        ambiguity=ambiguity,
        abatax_version="0.1.0",
    )
