"""Tables of a comparison: ordered columns, medians and spreads over seeds, and ranks with a paired test."""

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import scipy.stats
import xarray as xr

from ._compare import Comparison

_MEDIANS = ("policy_error", "value_error", "gradient_error", "residual_rms", "welfare_loss", "exits", "seconds")
_MEDIANS += ("parameters", "steps")


def columns_of(comparison: Comparison) -> list[str]:
    """The ordered columns of the table."""
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
    """A table with one row for each solver, architecture and seed; missing entries of failed runs are NaN or an empty text."""
    names = columns_of(comparison)
    rows = [{name: r.row.get(name, "" if name in _TEXT else math.nan) for name in names} for r in comparison.records]
    table = pd.DataFrame(rows, columns=names)
    return table.astype({"seed": int, "converged": bool})


def summary_of(table: pd.DataFrame, unranked: str = "") -> pd.DataFrame:
    """A table with one row for each solver and architecture, ordered by the median policy error.

    `policy_error`, `value_error`, `gradient_error`, `residual_rms`, `welfare_loss` and `seconds` are medians over the seeds;
    `policy_error_low` and `policy_error_high` are quartiles. `p_value` is the p-value of Wilcoxon's signed-rank test of the logarithms
    against the best pair, paired by seed (two-sided, with Holm's correction for the number of tests; NaN if a test is impossible),
    and `least_p` is the smallest p-value that the number of seeds allows, before the correction. `rank` is 0 without a
    finite error, and for the solver `unranked`, which computed the reference. These rows come last.
    """
    pairs: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for run in rows_of(table):
        pairs.setdefault((run["solver"], run["architecture"]), []).append(run)
    rows = []
    for (solver, architecture), runs in pairs.items():
        good = [run for run in runs if not run["failure"]]
        row: dict[str, Any] = {"solver": solver, "architecture": architecture, "runs": len(runs)}
        row["failed"] = len(runs) - len(good)
        for name in _MEDIANS:
            row[name] = _quantile([float(run[name]) for run in good], 0.5)
        for name, share in (("low", 0.25), ("high", 0.75)):
            row[f"policy_error_{name}"] = _quantile([float(run["policy_error"]) for run in good], share)
        row["tuning_seconds"] = max(float(run["tuning_seconds"]) for run in runs)
        row["error_by_seed"] = {int(run["seed"]): float(run["policy_error"]) for run in good}
        rows.append(row)
    ranked = [row for row in rows if math.isfinite(row["policy_error"]) and row["solver"] != unranked]
    ranked.sort(key=lambda row: row["policy_error"])
    ordered = ranked + [row for row in rows if not any(row is other for other in ranked)]
    for n, row in enumerate(ordered, 1):
        row |= {"rank": n if n <= len(ranked) else 0, "p_value": math.nan, "least_p": math.nan}
    _test(ranked)
    return pd.DataFrame(ordered).drop(columns="error_by_seed")


def rows_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as dictionaries of plain numbers and text."""
    return [dict(zip(map(str, table.columns), row, strict=True)) for row in table.itertuples(index=False, name=None)]


def dataset_of(comparison: Comparison) -> xr.Dataset:
    """The table (dimension `run`), curves (`run`, `sample`), slices (`run`, `place`) and residual maps (`run`, `x`, `y`).

    Curves are padded with NaN; `reference_slice_<state>_<quantity>` is the reference at the values `slice_<state>` of a state.
    """
    table, records, target = comparison.table, comparison.records, comparison.target
    data = xr.Dataset({name: ("run", _column(np.asarray(table[name]), name)) for name in columns_of(comparison)})
    length = max((len(r.curve.get("seconds", ())) for r in records), default=0)
    for name in sorted({name for r in records for name in r.curve}):
        padded = np.full((len(records), length), np.nan)
        for n, r in enumerate(records):
            curve = r.curve.get(name, ())
            padded[n, : len(curve)] = curve
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


def _column(values: np.ndarray, name: str) -> np.ndarray:
    return values.astype(str) if values.dtype == object or name in _TEXT else values


def _quantile(numbers: list[float], share: float) -> float:
    """A quantile of numbers, of which those that are not finite count as infinite; NaN for an empty list or an infinite quantile."""
    if not numbers:
        return math.nan
    values = np.where(np.isfinite(numbers), numbers, np.inf)
    # infinite values cannot be interpolated: take the next larger order statistic
    quantile = float(np.quantile(values, share, method="linear" if np.all(np.isfinite(values)) else "higher"))
    return quantile if math.isfinite(quantile) else math.nan


def _test(rows: list[dict[str, Any]]) -> None:
    """Set Holm-corrected p-values against the first row, and the smallest p-values that the number of pairs allows."""
    tested = []
    for row in rows:
        pairs = _paired(rows[0]["error_by_seed"], row["error_by_seed"])
        if row is not rows[0] and len(pairs) >= 2 and np.any(pairs != 0.0):
            test: Any = scipy.stats.wilcoxon(pairs)
            row["p_value"], row["least_p"] = float(test.pvalue), min(1.0, 2.0 ** (1 - len(pairs)))
            tested.append(row)
    running = 0.0
    for done, row in enumerate(sorted(tested, key=lambda row: row["p_value"])):
        running = max(running, min(1.0, (len(tested) - done) * row["p_value"]))
        row["p_value"] = running


def _paired(best: dict[int, float], other: dict[int, float]) -> np.ndarray:
    """Differences of logarithms over the seeds; the one run of a solver without seeds is compared with every seed of the other."""
    if len(best) == 1:
        best = dict.fromkeys(other, *best.values())
    if len(other) == 1:
        other = dict.fromkeys(best, *other.values())
    both = np.array([(best[seed], other[seed]) for seed in best if seed in other]).reshape(-1, 2)
    both = both[np.all(np.isfinite(both) & (both > 0.0), axis=1)]
    return np.log(both[:, 1]) - np.log(both[:, 0])
