"""The rows of a comparison as tables: columns in order, medians and spreads over seeds, ranks with a paired test."""

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


def summary_of(table: pd.DataFrame, unranked: str = "") -> pd.DataFrame:
    """One row for each solver and architecture, the least median policy error first.

    `policy_error`, `value_error`, `gradient_error`, `residual_rms`, `welfare_loss` and `seconds` are medians over the seeds;
    `policy_error_low` and `policy_error_high` are quartiles. `p_value` is that of Wilcoxon's signed-rank test of the logarithms,
    paired by seed, against the best (two-sided, Holm's correction for the number of tests; NaN if there is nothing to test),
    and `least_p` the smallest that so few seeds allow, before the correction. `rank` is 0 where there is none: of what has no
    finite error, and of the solver `unranked`, which made the reference itself. Those come last.
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
        row["own"] = {int(run["seed"]): float(run["policy_error"]) for run in good}
        rows.append(row)
    ranked = [row for row in rows if math.isfinite(row["policy_error"]) and row["solver"] != unranked]
    ranked.sort(key=lambda row: row["policy_error"])
    ordered = ranked + [row for row in rows if not any(row is other for other in ranked)]
    for n, row in enumerate(ordered, 1):
        row |= {"rank": n if n <= len(ranked) else 0, "p_value": math.nan, "least_p": math.nan}
    _test(ranked)
    return pd.DataFrame(ordered).drop(columns="own")


def rows_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as dictionaries of plain numbers and text."""
    return [dict(zip(map(str, table.columns), row, strict=True)) for row in table.itertuples(index=False, name=None)]


def dataset_of(comparison: Comparison) -> xr.Dataset:
    """Table (dim `run`), curves (`run`, `sample`), slices (`run`, `place`) and residual maps (`run`, `x`, `y`).

    Curves are padded with NaN; `reference_slice_<state>_<quantity>` is the reference on the places `slice_<state>`.
    """
    table, records, target = comparison.table, comparison.records, comparison.target
    data = xr.Dataset({name: ("run", _column(np.asarray(table[name]), name)) for name in columns_of(comparison)})
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


def _column(values: np.ndarray, name: str) -> np.ndarray:
    return values.astype(str) if values.dtype == object or name in _TEXT else values


def _quantile(numbers: list[float], share: float) -> float:
    """A quantile; a number that is not finite counts as infinite, and no quantile of nothing is a number."""
    if not numbers:
        return math.nan
    values = np.where(np.isfinite(numbers), numbers, np.inf)
    # no interpolation with infinity: the order statistic above
    found = float(np.quantile(values, share, method="linear" if np.all(np.isfinite(values)) else "higher"))
    return found if math.isfinite(found) else math.nan


def _test(rows: list[dict[str, Any]]) -> None:
    """Holm-corrected p-values against the first row, and the least that so many pairs can give."""
    tested = []
    for row in rows:
        pairs = _paired(rows[0]["own"], row["own"])
        if row is not rows[0] and len(pairs) >= 2 and np.any(pairs != 0.0):
            test: Any = scipy.stats.wilcoxon(pairs)
            row["p_value"], row["least_p"] = float(test.pvalue), min(1.0, 2.0 ** (1 - len(pairs)))
            tested.append(row)
    running = 0.0
    for done, row in enumerate(sorted(tested, key=lambda row: row["p_value"])):
        running = max(running, min(1.0, (len(tested) - done) * row["p_value"]))
        row["p_value"] = running


def _paired(best: dict[int, float], own: dict[int, float]) -> np.ndarray:
    """Differences of logarithms over the seeds; a solver without seeds stands against every seed of the other."""
    if len(best) == 1:
        best = dict.fromkeys(own, *best.values())
    if len(own) == 1:
        own = dict.fromkeys(best, *own.values())
    both = np.array([(best[seed], own[seed]) for seed in best if seed in own]).reshape(-1, 2)
    both = both[np.all(np.isfinite(both) & (both > 0.0), axis=1)]
    return np.log(both[:, 1]) - np.log(both[:, 0])
