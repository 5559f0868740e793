"""Figures that the objects of a study draw of themselves: `solution.plot()`, `paths.plot()`, `comparison.plot()`, `report.plot()`.

Every function returns its matplotlib axes. pyplot manages the figures, so that notebooks show them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from ...validation import Comparison, ValidationReport
from ...validation.comparison import Record, rows_of
from ..labels import summarise
from ..words import Records, label_of
from ._charts import fan
from ._policy_chart import value_and_policy
from ._style import AVERSE, HEIGHT, INK, NEUTRAL, REFERENCE, Panel, new_panel

_LEAST = 1e-17  # position of an error of zero on a logarithmic axis
_WORDS = 44  # characters of the name of a number


def plot_solution(
    solution: xr.Dataset,
    neutral: xr.Dataset | None = None,
    *,
    state: str | None = None,
    at: Mapping[str, float] | None = None,
) -> list[Any]:
    """Controls, social cost of carbon and value along one state; see `value_and_policy` for the arguments."""
    return value_and_policy(solution, neutral, state=state, at=at, shown=True).axes


def plot_paths(paths: xr.Dataset, names: Sequence[str] | None = None) -> list[Any]:
    """Fans of simulated paths: median, 17 to 83 % and 5 to 95 % by year.

    **Arguments:** `paths`: dimensions realization and year. `names`: variables; by default the first six.

    **Raises:** `ValueError` if no variable is named or one is unknown.
    """
    known = [
        str(name) for name, v in paths.data_vars.items() if v.dims == ("realization", "year") and v.dtype.kind == "f"
    ]
    chosen = list(known[:6] if names is None else names)
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise ValueError(f"`names` contains `{unknown[0]}`; the paths have {', '.join(known)}.")
    if not chosen:
        raise ValueError(f"`names` is empty; name one or more of {', '.join(known)}.")
    summary = summarise(paths)
    panel = new_panel(len(chosen), 0.8 * HEIGHT, 1 if len(chosen) == 1 else 2, shown=True)
    for ax, name in zip(panel.axes, chosen, strict=True):
        fan(ax, summary, name)
    return panel.axes


def plot_comparison(comparison: Comparison) -> list[Any]:
    """Errors of the policy, one row per solver and architecture, best first (see `errors_panel`).

    **Raises:** `ValueError` if no run of the comparison finished.
    """
    ranked = [row for row in rows_of(comparison.summary) if row["rank"]]
    if not ranked:
        raise ValueError("the comparison has no finished run to plot; its `table` lists the failures.")
    return errors_panel(comparison, ranked, shown=True).axes


def errors_panel(comparison: Comparison, ranked: Records, *, shown: bool = False) -> Panel:
    """The errors of the policy: seeds as circles, their median as a bar.

    The dashed line is the error of the best constant policy: a policy beyond it has learnt nothing. `shown` is as in [`new_panel`][].
    """
    panel = new_panel(height=max(1.2, 0.26 * len(ranked) + 0.75), shown=shown)
    panel.figure.set_figwidth(7.6 if len(ranked) > 8 else 5.6)
    ax = panel.axes[0]
    for place, row in enumerate(ranked):
        errors = np.maximum([record.row["policy_error"] for record in records_of(comparison, row)], _LEAST)
        ax.plot(errors, np.full(len(errors), place), "o", ms=4.0, mfc="none", mec=AVERSE, clip_on=False)
        ax.plot([max(row["policy_error"], _LEAST)] * 2, [place - 0.32, place + 0.32], color=INK, lw=1.8)
    ax.axvline(comparison.target.constant_errors()["constant_policy_error"], color=NEUTRAL, lw=1.2, ls=(0, (5, 2)))
    ax.margins(x=0.06)
    _name_rows(ax, [label_of(row) for row in ranked])
    _title(ax, "Relative error of the policy (dashed: the best constant policy)")
    return panel


def records_of(comparison: Comparison, row: dict[str, Any]) -> list[Record]:
    """The finished runs of a solver and an architecture."""
    pair = row["solver"], row["architecture"]
    return [r for r in comparison.records if (r.row["solver"], r.row["architecture"]) == pair and not r.row["failure"]]


def plot_report(report: ValidationReport) -> list[Any]:
    """The numbers of a validation as shares of what is allowed: left of the line they are within their bounds."""
    rows = [(row, row.allowed) for row in report.rows if row.allowed is not None]
    panel = new_panel(height=max(1.2, 0.24 * len(rows) + 0.75), shown=True)
    panel.figure.set_figwidth(7.6)
    ax = panel.axes[0]
    for place, (row, allowed) in enumerate(rows):
        share = max(abs(row.value) / allowed, _LEAST) if np.isfinite(row.value) else np.nan
        colour = AVERSE if row.passed else NEUTRAL
        ax.plot([share], [place], "o", ms=4.5, mfc=colour if row.passed else "none", mec=colour)
    ax.axvline(1.0, color=REFERENCE, lw=1.2)
    _name_rows(ax, [row.name[:_WORDS] for row, _ in rows])
    _title(ax, "Numbers of the validation as shares of what is allowed (open circles: beyond)")
    return panel.axes


def _name_rows(ax: Any, names: list[str]) -> None:
    """A row for each name, the first on top, and a logarithmic horizontal axis with vertical grid lines."""
    ax.grid(False)
    ax.grid(axis="x", color="#e3e3e3", linewidth=0.6)
    ax.set_xscale("log")
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(length=3)


def _title(ax: Any, words: str) -> None:
    ax.set_title(words, loc="left", fontsize=8.5)
