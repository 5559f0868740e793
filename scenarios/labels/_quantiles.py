"""Summaries of simulated paths by year: quantiles, means, and the probability that a jump has occurred."""

from collections.abc import Hashable, Sequence

import numpy as np
import xarray as xr
from jaxtyping import Float

QUANTILES = (0.05, 0.17, 0.5, 0.83, 0.95)
"""Default quantiles of summaries, those of the figures and IAMC tables."""

_JUMP = "jump_year_"


def summarise(paths: xr.Dataset, quantiles: Sequence[float] = QUANTILES) -> xr.Dataset:
    """Quantiles, means and Monte Carlo errors of simulated paths by year.

    Quantiles are pointwise in time: the 95 % quantile is not a path, and quantiles of components do not add up to the quantile of
    their sum.

    **Arguments:**

    - `paths`: dimensions `realization` and `year`; dates of jumps `jump_year_<jump>` by realization (NaN: no jump).
    - `quantiles`: increasing, between 0 and 1.

    **Returns:** a Dataset with the attributes of `paths`. For each variable `x`, in its own units: `x` (quantile, year),
    and by year `x_mean` with the Monte Carlo standard errors `x_mean_error` and `x_median_error` (the latter is estimated from the
    spread of the neighbouring order statistics). For each jump `probability_<jump>` by year, the share of paths on which
    it has occurred by the start of the year, and `probability_<jump>_error`. The attribute `share_outside` is the share
    of paths that left the computational box, if `paths` contains `outside`.

    **Raises:** `ValueError` if a dimension is missing or the quantiles are not increasing.

    !!! example

        ```python
        import numpy as np
        import xarray as xr

        from abatax import scenarios

        warming = ("realization", "year"), np.arange(33.0).reshape(11, 3), {"units": "degC"}
        paths = xr.Dataset({"temperature": warming}, {"year": [2020, 2021, 2022]})
        summary = scenarios.summarise(paths)
        assert summary.temperature.sel(quantile=0.5, year=2020) == 15.0
        ```
    """
    if missing := {"realization", "year"} - set(paths.dims):
        raise ValueError(f"paths: no dimension {', '.join(sorted(map(str, missing)))}; simulated paths have both.")
    levels = np.asarray(quantiles, dtype=float)
    if levels.size == 0 or np.any(np.diff(levels) <= 0) or levels[0] < 0 or levels[-1] > 1:
        raise ValueError(f"`quantiles` is {tuple(quantiles)}; it must increase, within 0 to 1.")
    coordinate = xr.Variable("quantile", levels, {"long_name": "quantile across simulated paths", "units": "1"})
    summary = xr.Dataset(coords={"quantile": coordinate, "year": paths["year"]}, attrs=paths.attrs)
    for name, variable in paths.data_vars.items():
        if set(variable.dims) == {"realization", "year"} and np.issubdtype(variable.dtype, np.floating):
            summary.update(_statistics(name, variable.transpose("realization", "year"), levels))
        elif str(name).startswith(_JUMP):
            summary.update(_jump_probability(str(name).removeprefix(_JUMP), variable, paths["year"].values))
    if "outside" in paths:
        summary.attrs["share_outside"] = float(np.mean(paths["outside"].values))
    return summary


def _statistics(name: Hashable, variable: xr.DataArray, levels: Float[np.ndarray, " quantile"]) -> dict:
    sample = np.asarray(variable.values, dtype=float)
    count, attributes = sample.shape[0], dict(variable.attrs)
    words = str(attributes.get("long_name", name))
    # NaN on one path makes the statistics NaN: a quantile of the remaining paths would hide the failure.
    with np.errstate(invalid="ignore"):
        mean_error = np.std(sample, axis=0, ddof=1) / np.sqrt(count) if count > 1 else np.zeros(sample.shape[1])
        # identical paths differ by rounding errors
        mean_error = np.where(mean_error <= 1e-12 * np.abs(np.mean(sample, axis=0)), 0.0, mean_error)
        return {
            name: (("quantile", "year"), np.quantile(sample, levels, axis=0), attributes),
            f"{name}_mean": ("year", np.mean(sample, axis=0), attributes | {"long_name": f"{words}, mean of paths"}),
            f"{name}_mean_error": ("year", mean_error, _error_attributes(attributes, f"{words}, mean of paths")),
            f"{name}_median_error": (
                "year",
                _median_error(sample),
                _error_attributes(attributes, f"{words}, median of paths"),
            ),
        }


def _error_attributes(attributes: dict, words: str) -> dict:
    kept = {key: value for key, value in attributes.items() if key != "iamc"}
    return kept | {"long_name": f"Monte Carlo standard error of: {words}"}


def _median_error(sample: Float[np.ndarray, "path year"]) -> Float[np.ndarray, " year"]:
    """Half the distance between the order statistics one binomial standard deviation below and above the median."""
    count = sample.shape[0]
    width = 0.5 / np.sqrt(count)
    low, high = np.quantile(sample, [max(0.5 - width, 0.0), min(0.5 + width, 1.0)], axis=0)
    return 0.5 * (high - low)


def _jump_probability(jump: str, dates: xr.DataArray, years: np.ndarray) -> dict:
    occurred = np.asarray(dates.values)[:, None] <= years[None, :]  # comparisons with NaN are False: no jump
    probability = np.mean(occurred, axis=0)
    error = np.sqrt(probability * (1.0 - probability) / occurred.shape[0])
    words = jump.replace("_", " ")
    name = f"probability_{jump}"
    attributes = {
        "long_name": f"share of paths on which the {words} has happened by the start of the year",
        "units": "1",
        "iamc": f"Jump Probability|{words.title()}",
    }
    text = f"Monte Carlo standard error of: {attributes['long_name']}"
    return {
        name: ("year", probability, attributes),
        f"{name}_error": ("year", error, {"long_name": text, "units": "1"}),
    }
