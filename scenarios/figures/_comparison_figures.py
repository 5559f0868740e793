"""The figures of a comparison: errors by pair, errors against time, slices against the reference, residual maps."""

import os
from typing import Any

import numpy as np
import pandas as pd

from ...validation import Comparison
from ...validation.comparison import Record, rows_of
from ..words import Records, label_of, share, significant
from ._figures import SavedFigure, store_figure
from ._plots import errors_panel, records_of
from ._style import COLOURS, HEIGHT, REFERENCE, dress, new_panel

# Line styles distinguish the colours in grey.
STYLES: tuple[Any, ...] = ("solid", (0, (5, 2)), (0, (1, 1.2)), (0, (3, 1, 1, 1)), (0, (8, 2)), (0, (2, 2)))
_LEAST = 1e-17  # position of an error of zero on a logarithmic axis
_MOST = len(COLOURS)  # number of pairs in a figure with lines, the best first


def save_comparison_figures(comparison: Comparison, folder: str | os.PathLike[str]) -> dict[str, SavedFigure]:
    """Draw and write all figures for which the comparison has data.

    **Arguments:** `folder`: the folder for `<name>.svg`, `<name>.png` and `<name>.csv`.

    **Returns:** figures by name: `policy_error`, `error_time`, `slice_<state>`, `residual_map`.
    """
    ranked = [row for row in rows_of(comparison.summary) if row["rank"]]
    if not ranked:
        return {}
    figures = {"policy_error": _errors(comparison, ranked, folder)}
    timed = _curves(comparison, ranked, folder)
    if timed is not None:
        figures["error_time"] = timed
    middle = {label_of(row): _median_run(comparison, row) for row in ranked[:_MOST]}
    for state in comparison.target.states[:4]:  # models with many regions have similar states
        figures[f"slice_{state}"] = _slice(comparison, middle, state, folder)
    if any(record.residuals for record in middle.values()):
        figures["residual_map"] = _maps(comparison, middle, folder)
    return figures


def _errors(comparison: Comparison, ranked: Records, folder) -> SavedFigure:
    """A chart of policy errors with seeds as dots, medians as bars and the constant policy as a line."""
    constant = comparison.target.constant_errors()["constant_policy_error"]
    panel = errors_panel(comparison, ranked)
    names = [label_of(row) for row in ranked]
    best, last = ranked[0], ranked[-1]
    alt = f"Policy error of {len(names)} solvers and architectures, from {share(best['policy_error'])} ({names[0]})"
    alt += f" to {share(last['policy_error'])} ({names[-1]}); the error of a constant policy is {share(constant)}."
    caption = "Circles: single seeds. Bars: their median. The scale is logarithmic."
    shown = ("solver", "architecture", "seed", "policy_error", "constant_policy_error")
    data = pd.DataFrame([{name: r.row[name] for name in shown} for r in comparison.records if not r.row["failure"]])
    return store_figure(panel, folder, "policy_error", "Error of the policy", alt, caption, data)


def _curves(comparison: Comparison, ranked: Records, folder) -> SavedFigure | None:
    """A chart of the policy error against time, as the median over the seeds."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    panel = new_panel(height=1.25 * HEIGHT)
    panel.figure.set_figwidth(5.6)
    ax, pieces, drawn = panel.axes[0], [], 0
    for row in ranked:
        runs = [r for r in records_of(comparison, row) if r.curve.get("seconds")]
        if not runs:
            continue
        times, middle = _median_curve(runs)
        label = label_of(row)
        pieces.append(pd.DataFrame({"pair": label, "seconds": times, "policy error": middle}))
        if drawn < _MOST:
            ax.plot(
                times,
                np.maximum(middle, _LEAST),
                color=COLOURS[drawn],
                ls=STYLES[drawn],
                marker=".",
                ms=4,
                lw=1.5,
                label=label,
            )
            drawn += 1
    if not pieces:
        return None
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_yscale("log")
    ax.margins(x=0.03)
    ax.axhline(comparison.target.constant_errors()["constant_policy_error"], color=REFERENCE, lw=0.9)
    ax.set_xlabel("seconds (without compilation)")
    ax.set_title("Relative error of the policy (line: the best constant policy)", loc="left", fontsize=8.5)
    panel.figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=7.5, handlelength=2.8)
    data = pd.concat(pieces, ignore_index=True)
    alt = "Policy error against seconds: " + "; ".join(
        f"{piece['pair'].iloc[0]} from {share(piece['policy error'].iloc[0])} to {share(piece['policy error'].iloc[-1])}"
        for piece in pieces[:_MOST]
    )
    caption = "Median over the seeds in the first regime. The first seconds are the monotone start, which determines the branch."
    caption += f" The figure shows the best {_MOST} pairs." if len(pieces) > _MOST else ""
    return store_figure(panel, folder, "error_time", "Error against time", alt + ".", caption, data)


def _median_curve(runs: list[Record]) -> tuple[np.ndarray, np.ndarray]:
    """The median of step functions of time, beginning when all of them have a first sample."""
    times = np.unique(np.concatenate([r.curve["seconds"] for r in runs]))
    times = times[times >= max(r.curve["seconds"][0] for r in runs)]
    values = []
    for r in runs:
        seconds = np.asarray(r.curve["seconds"])
        index = np.clip(np.searchsorted(seconds, times, side="right") - 1, 0, len(seconds) - 1)
        values.append(np.asarray(r.curve["policy_error"])[index])
    return times, np.median(values, axis=0)


def _slice(comparison: Comparison, middle: dict[str, Record], state: str, folder) -> SavedFigure:
    """A chart of the value and every control along a state, with the reference as a grey band."""
    target = comparison.target
    reference = target.slices(target.problem, target.value)[state]
    names = ["value", *target.controls]
    panel = new_panel(len(names), HEIGHT, min(len(names), 3))
    columns: dict[str, Any] = {state: reference["at"]}
    for name, ax in zip(names, panel.axes, strict=True):
        ax.plot(reference["at"], reference[name], color="#b5b5b5", lw=5.0, label="reference", solid_capstyle="butt")
        columns[f"reference {name}"] = reference[name]
        for n, (label, record) in enumerate(middle.items()):
            ax.plot(
                record.slices[state]["at"],
                record.slices[state][name],
                color=COLOURS[n],
                ls=STYLES[n],
                lw=1.3,
                label=label,
            )
            columns[f"{label} {name}"] = record.slices[state][name]
        low, high = np.min(reference[name]), np.max(reference[name])
        room = 0.25 * (high - low) or 0.1 * abs(high) or 1.0
        ax.set_ylim(low - room, high + room)  # distant lines leave the axes and do not compress the others
        dress(ax, _words(comparison, name), whole=False)
    for ax in panel.axes[-min(len(names), 3) :]:
        ax.set_xlabel(_words(comparison, state))
    panel.figure.legend(
        *panel.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, fontsize=7.5
    )
    alt = f"Centred value and controls along {state} from {significant(reference['at'][0])} to {significant(reference['at'][-1])}:"
    alt += f" {', '.join(middle)}, and the reference."
    caption = "Grey band: the reference. Lines: the run with the median policy error of each pair, at the middle of the other states."
    title = f"Value and policy along {state.replace('_', ' ')}"
    return store_figure(panel, folder, f"slice_{state}", title, alt, caption, pd.DataFrame(columns))


def _maps(comparison: Comparison, middle: dict[str, Record], folder) -> SavedFigure:
    """Maps of the size of the residual over the first two states, with a common colour scale."""
    shown = {label: record.residuals for label, record in middle.items() if record.residuals}
    panel = new_panel(len(shown), 0.9 * HEIGHT, 3)
    sizes = {label: np.log10(np.abs(np.array(m["residual"])) + 1e-300) for label, m in shown.items()}
    finite = np.concatenate([s[np.isfinite(s)] for s in sizes.values()])
    top = float(np.ceil(np.max(finite)))
    low = float(max(np.floor(np.min(finite)), top - 8.0))
    pieces, mesh = [], None
    first, second = comparison.target.states[:2]
    for ax, (label, m) in zip(panel.axes, shown.items(), strict=True):
        mesh = ax.pcolormesh(
            m["x"], m["y"], sizes[label].T, vmin=low, vmax=top, cmap="cividis", shading="gouraud", rasterized=True
        )
        ax.grid(False)
        ax.set_title(label, loc="left", fontsize=8.0)
        ax.set_xlabel(_words(comparison, first), fontsize=7.5)
        x, y = np.meshgrid(m["x"], m["y"], indexing="ij")
        pieces.append(
            pd.DataFrame({"pair": label, first: x.ravel(), second: y.ravel(), "residual": np.ravel(m["residual"])})
        )
    panel.axes[0].set_ylabel(_words(comparison, second), fontsize=7.5)
    panel.figure.colorbar(mesh, ax=panel.axes, label="log₁₀ |residual|", shrink=0.9)
    alt = f"Size of the residual over {first} and {second} for {', '.join(shown)}."
    caption = "Residual of the equation relative to the discount rate and the range of the value, at the middle of the other states."
    caption += " A small residual alone does not imply a small error."
    return store_figure(
        panel, folder, "residual_map", "Residual over two states", alt, caption, pd.concat(pieces, ignore_index=True)
    )


def _words(comparison: Comparison, name: str) -> str:
    """The name of a state, a control or the value with its unit."""
    model = comparison.target.problem.model
    variables: dict[str, Any] = {**model.states._asdict(), **model.controls._asdict()}
    if name not in variables:
        return f"{name.capitalize()} (centred)"
    unit = str(variables[name].unit)
    words = name.replace("_", " ").capitalize()
    return words if unit in ("", "1") else f"{words} ({unit})"


def _median_run(comparison: Comparison, row: dict[str, Any]) -> Record:
    """The run with the median policy error; of two middle runs the better."""
    ordered = sorted(records_of(comparison, row), key=lambda r: np.nan_to_num(r.row["policy_error"], nan=np.inf))
    return ordered[(len(ordered) - 1) // 2]
