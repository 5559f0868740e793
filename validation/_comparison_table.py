"""The rows of a comparison as tables: columns in order, medians and spreads over seeds, ranks with a paired test."""

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import scipy.stats
import xarray as xr

from ._compare import Comparison

LEVEL = 0.05  # of the tests
PAIR = ["solver", "architecture"]


def columns_of(comparison: Comparison) -> list[str]:
    """The columns of the table, in order."""
    controls = comparison.target.controls
    return [
        *("solver", "architecture", "seed", "parameters", "steps", "seconds", "compile_seconds"),
        *("value_error", "gradient_error"),
        *(f"policy_error_{name}" for name in controls),
        *(f"constant_policy_error_{name}" for name in controls),
        *("residual_rms", "residual_max", "welfare_loss", "exits", "converged"),
        *("policy_error", "constant_policy_error"),
        *(("scc_error",) if "scc" in comparison.target.truth else ()),
        *("welfare_loss_error", "value_loss", "result"),
        *("tuning_seconds", "tuning_compile_seconds", "tuning_trials", "options", "note", "failure"),
    ]


_TEXT = {"solver", "architecture", "result", "options", "note", "failure"}


def table_of(comparison: Comparison) -> pd.DataFrame:
    """One row for each solver, architecture and seed; what a failed row lacks is NaN, or empty text."""
    names = columns_of(comparison)
    rows = [{name: r.row.get(name, "" if name in _TEXT else math.nan) for name in names} for r in comparison.records]
    table = pd.DataFrame(rows, columns=names)
    return table.astype({"seed": int, "converged": bool})


def summary_of(table: pd.DataFrame) -> pd.DataFrame:
    """One row for each solver and architecture, the least median policy error first.

    `policy_error`, `value_error`, `gradient_error`, `residual_rms`, `welfare_loss` and `seconds` are medians over the seeds;
    `policy_error_low` and `policy_error_high` are quartiles. `p_value` is that of Wilcoxon's signed-rank test of the logarithms,
    paired by seed, against the best (two-sided, Holm's correction for the number of tests; NaN if there is nothing to test),
    and `least_p` the smallest that so few seeds allow, before the correction.
    """
    rows = []
    for (solver, architecture), part in table.groupby(PAIR, sort=False):
        good = part[part["failure"] == ""]
        row: dict[str, Any] = {
            "solver": solver,
            "architecture": architecture,
            "runs": len(part),
            "failed": len(part) - len(good),
        }
        for name in (
            "policy_error",
            "value_error",
            "gradient_error",
            "residual_rms",
            "welfare_loss",
            "exits",
            "seconds",
        ):
            row[name] = _quantile(good[name], 0.5)
        for name, share in (("low", 0.25), ("high", 0.75)):
            row[f"policy_error_{name}"] = _quantile(good["policy_error"], share)
        row["parameters"], row["steps"] = _quantile(good["parameters"], 0.5), _quantile(good["steps"], 0.5)
        row["tuning_seconds"] = float(part["tuning_seconds"].max())
        rows.append(row)
    summary = pd.DataFrame(rows).sort_values("policy_error", kind="stable", na_position="last", ignore_index=True)
    summary["rank"] = np.arange(1, len(summary) + 1)
    return summary.assign(**_tests(table, summary))


def dataset_of(comparison: Comparison) -> xr.Dataset:
    """Table (dim `run`), curves (`run`, `sample`), slices (`run`, `place`) and residual maps (`run`, `x`, `y`).

    Curves are padded with NaN; `reference_slice_<state>_<quantity>` is the reference on the places `slice_<state>`.
    """
    table, records, target = comparison.table, comparison.records, comparison.target
    data = xr.Dataset({name: ("run", _column(table[name])) for name in table.columns})
    length = max((len(r.curve.get("seconds", ())) for r in records), default=0)
    for name in sorted({name for r in records for name in r.curve}):
        padded = np.full((len(records), length), np.nan)
        for n, r in enumerate(records):
            own = r.curve.get(name, ())
            padded[n, : len(own)] = own
        data[f"curve_{name}"] = ("run", "sample"), padded
    for state, line in target.slices(target.problem, target.value).items():
        data[f"slice_{state}"] = "place", np.asarray(line["at"])
        for name in ("value", *target.controls):
            data[f"reference_slice_{state}_{name}"] = "place", np.asarray(line[name])
            missing = [math.nan] * len(line["at"])
            data[f"slice_{state}_{name}"] = (
                ("run", "place"),
                np.array([r.slices[state][name] if r.slices else missing for r in records]),
            )
    maps = [r.residuals for r in records]
    first = next((m for m in maps if m is not None), None)
    if first is not None:
        missing = np.full_like(np.array(first["residual"]), np.nan)
        data["residual_map"] = ("run", "x", "y"), np.array([missing if m is None else m["residual"] for m in maps])
        data = data.assign_coords(x=np.array(first["x"]), y=np.array(first["y"]))
        for dim, state in zip("xy", target.states, strict=False):
            data[dim].attrs["state"] = state
    about = {k: json.dumps(v) if isinstance(v, dict) else v for k, v in comparison.about.items() if v is not None}
    return data.assign_attrs(about)


def _column(column: pd.Series) -> np.ndarray:
    values = column.to_numpy()
    return values.astype(str) if values.dtype == object or column.name in _TEXT else values


def _quantile(values: pd.Series, share: float) -> float:
    """A quantile of the finite numbers among them; an error that is not finite counts as infinite."""
    numbers = np.where(np.isfinite(values.to_numpy(dtype=float)), values.to_numpy(dtype=float), np.inf)
    if not len(numbers):
        return math.nan
    # no interpolation with infinity: the nearest order statistic from above
    found = float(np.quantile(numbers, share, method="linear" if np.all(np.isfinite(numbers)) else "higher"))
    return found if math.isfinite(found) else math.nan


def _tests(table: pd.DataFrame, summary: pd.DataFrame) -> dict[str, list[float]]:
    """Holm-corrected p-values against the first row, and the least that so many pairs can give."""
    found, least = [math.nan] * len(summary), [math.nan] * len(summary)
    runs = [_by_seed(table, row) for _, row in summary.iterrows()]
    for n, own in enumerate(runs):
        pairs = _paired(runs[0], own) if n else np.zeros(0)
        if len(pairs) >= 2 and np.any(pairs != 0.0):
            found[n] = float(scipy.stats.wilcoxon(pairs).pvalue)
            least[n] = min(1.0, 2.0 ** (1 - len(pairs)))
    tested = sorted((p, n) for n, p in enumerate(found) if math.isfinite(p))
    running = 0.0
    for done, (p, n) in enumerate(tested):
        running = max(running, min(1.0, (len(tested) - done) * p))
        found[n] = running
    return {"p_value": found, "least_p": least}


def _by_seed(table: pd.DataFrame, row: pd.Series) -> pd.Series:
    part = table[
        (table["solver"] == row["solver"]) & (table["architecture"] == row["architecture"]) & (table["failure"] == "")
    ]
    return part.set_index("seed")["policy_error"].astype(float)


def _paired(best: pd.Series, own: pd.Series) -> np.ndarray:
    """Differences of logarithms over the seeds; a solver without seeds stands against every seed of the other."""
    if len(best) == 1 and len(own) > 1:
        best = pd.Series(float(best.iloc[0]), index=own.index)
    elif len(own) == 1 and len(best) > 1:
        own = pd.Series(float(own.iloc[0]), index=best.index)
    both = pd.concat([best, own], axis=1, join="inner").to_numpy()
    both = both[np.all(np.isfinite(both) & (both > 0.0), axis=1)]
    return np.log(both[:, 1]) - np.log(both[:, 0])
