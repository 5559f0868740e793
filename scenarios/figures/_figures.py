"""The figures of a report as SVG, PNG and CSV files, with descriptions in words."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from ...common import complete_file
from ..labels import summarise
from ..words import at_year, fixed, on_screen, significant, stance
from ._charts import DICE_2023, EPA_2023, fan, jump_dates, scc_path, sentence
from ._policy_chart import axis_name, region_of, slice_along, states_of, value_and_policy
from ._style import WIDTH, Panel, new_panel, save_panel

FANS = ("emissions", "temperature", "damages")  # fan charts, if the model has the quantity


class SavedFigure(NamedTuple):
    """A figure on disk, with its texts and numbers.

    **Arguments:**

    - `title`: the title.
    - `alt`: the description for readers who do not see the figure.
    - `caption`: the caption.
    - `svg`, `png`, `csv`: the files.
    - `data`: the numbers of the figure, as in the csv file.
    - `wide`: whether the figure has the width of the page.

    !!! example

        ```python
        import tempfile
        from pathlib import Path

        import pandas as pd

        from abatax import scenarios

        svg, png = scenarios.save_panel(scenarios.new_panel(), tempfile.mkdtemp(), "empty")
        figure = scenarios.SavedFigure("Empty", "no data", "An empty figure.", svg, png, Path("empty.csv"), pd.DataFrame())
        assert figure.svg.exists() and not figure.wide
        ```
    """

    title: str
    alt: str
    caption: str
    svg: Path
    png: Path
    csv: Path
    data: pd.DataFrame
    wide: bool = False


def save_figures(
    folder: str | os.PathLike[str],
    *,
    summary: xr.Dataset,
    solution: xr.Dataset | Mapping[str, xr.Dataset] | None = None,
    neutral: xr.Dataset | None = None,
    neutral_solution: xr.Dataset | Mapping[str, xr.Dataset] | None = None,
    worst: xr.Dataset | None = None,
) -> dict[str, SavedFigure]:
    """Draw and write all figures for which the data suffice.

    **Arguments:**

    - `folder`: the folder for `<name>.svg`, `<name>.png` and `<name>.csv`.
    - `summary`: from [`summarise`][], paths under the baseline measure.
    - `solution`: the solution on its grid, or datasets by regime with the first regime under `""`.
    - `neutral`, `neutral_solution`: the same without ambiguity aversion.
    - `worst`: paths under the worst-case measure, or their summary.

    **Returns:** figures by name: `emissions`, `temperature`, `damages`, `jump_<jump>`, `policy_<state>` and `scc`, if the
    model has the quantity.

    !!! example

        ```python
        import tempfile

        import numpy as np
        import xarray as xr

        from abatax import scenarios

        warming = ("realization", "year"), np.linspace(1, 2, 40).reshape(10, 4), {"units": "degC"}
        summary = scenarios.summarise(xr.Dataset({"temperature": warming}, {"year": [2020, 2021, 2022, 2023]}))
        figures = scenarios.save_figures(tempfile.mkdtemp(), summary=summary)
        assert figures["temperature"].svg.exists() and "2023" in figures["temperature"].alt
        ```
    """
    if worst is not None and "realization" in worst.dims:
        worst = summarise(worst)
    figures = {name: _fan_figure(folder, name, summary, neutral) for name in FANS if name in summary}
    for name in summary.data_vars:
        jump = str(name).removeprefix("probability_")
        if jump != name and not jump.endswith("_error"):
            figures[f"jump_{jump}"] = _jump_figure(folder, jump, summary, worst)
    if solution is not None:
        first = solution if isinstance(solution, xr.Dataset) else solution[""]
        other = neutral_solution
        other = other if other is None or isinstance(other, xr.Dataset) else other[""]
        start = {state: _start(summary, state) for state in states_of(first)}
        for state in (state for state in states_of(first) if first.sizes[state] > 1):
            figures[f"policy_{state}"] = _policy_figure(folder, state, first, other, start)
    if "scc" in summary:
        figures["scc"] = _scc_figure(folder, summary, neutral)
    return figures


def store_figure(
    panel: Panel, folder: str | os.PathLike[str], name: str, title: str, alt: str, caption: str, data: pd.DataFrame
) -> SavedFigure:
    """Write a figure as SVG and PNG, and its numbers as CSV."""
    svg, png = save_panel(panel, folder, name)
    csv = Path(folder, f"{name}.csv")
    with complete_file(csv) as beside:
        data.to_csv(beside, index=False)
    return SavedFigure(title, alt, caption, svg, png, csv, data, panel.figure.get_figwidth() > WIDTH)


def _start(summary: xr.Dataset, state: str) -> float:
    """The initial value of the paths in the unit of the state; NaN if the summary does not contain the state."""
    if state not in summary:
        return float("nan")
    return float(summary[state].sel(quantile=0.5).isel(year=0))


def _ends(summary: xr.Dataset) -> tuple[int, int]:
    return int(summary["year"].values[0]), int(summary["year"].values[-1])


def _movement(first: float, last: float) -> str:
    if abs(last - first) <= 0.005 * max(abs(first), abs(last)):
        return f"stays near {_show(first)}"
    return f"{'rises' if last > first else 'falls'} from {_show(first)} to {_show(last)}"


def _fan_figure(
    folder: str | os.PathLike[str], name: str, summary: xr.Dataset, neutral: xr.Dataset | None
) -> SavedFigure:
    panel = new_panel()
    fan(panel.axes[0], summary, name, neutral=neutral)
    title = {"emissions": "Carbon emissions", "temperature": "Warming", "damages": "Damages"}[name]
    words, unit = sentence(summary, name), on_screen(summary, name)[1]
    begin, end = _ends(summary)
    first, last = (at_year(summary, name, year) for year in (begin, end))
    low, high = (at_year(summary, name, end, q) for q in (0.05, 0.95))
    movement = _movement(first, last)
    alt = f"{words}, {begin} to {end}, in {unit}: the median of the simulated paths {movement}"
    alt += f"; in {end}, 90 % of the paths lie between {_show(low)} and {_show(high)}." if high > low else "."
    if neutral is not None and name in neutral:
        alt += f" Without ambiguity aversion the median of {end} is {_show(at_year(neutral, name, end))}."
    caption = (
        "Solid: median of the simulated paths; dark band 17–83 %, light band 5–95 % of the paths, pointwise in time."
    )
    caption += " Dashed: median without ambiguity aversion." if neutral is not None else ""
    return store_figure(panel, folder, name, title, alt, caption, _fan_data(summary, name, neutral))


def _show(number: float) -> str:
    return significant(number, 2 if abs(number) < 100 else 3)


def _fan_data(summary: xr.Dataset, name: str, neutral: xr.Dataset | None) -> pd.DataFrame:
    values, unit = on_screen(summary, name)
    columns = {"year": summary["year"].values}
    for level, line in zip(summary["quantile"].values, values, strict=True):
        columns["median" if level == 0.5 else f"{100 * level:g} %"] = line
    columns["mean"] = on_screen(summary, f"{name}_mean")[0]
    columns["standard error of the mean"] = on_screen(summary, f"{name}_mean_error")[0]
    if neutral is not None and name in neutral:
        median = neutral[[name]].sel(quantile=0.5).reindex(year=summary["year"])
        columns["neutral median"] = on_screen(median, name)[0]
        columns["neutral mean"] = on_screen(neutral[[f"{name}_mean"]].reindex(year=summary["year"]), f"{name}_mean")[0]
    return pd.DataFrame(columns).rename(columns=lambda c: c if c == "year" else f"{c} ({unit})")


def _scc_figure(folder: str | os.PathLike[str], summary: xr.Dataset, neutral: xr.Dataset | None) -> SavedFigure:
    panel = new_panel()
    scc_path(panel.axes[0], summary, neutral)
    begin, end = _ends(summary)
    first, last = (at_year(summary, "scc_mean", year) for year in (begin, end))
    planner = stance(summary).lower()
    alt = f"Social cost of carbon in 2020 US$ per tonne of CO₂: {planner} {significant(first)} in {begin}"
    alt += f" and {significant(last)} in {end} (mean of the paths)"
    if neutral is not None and "scc" in neutral:
        first, last = (at_year(neutral, "scc_mean", year) for year in (begin, end))
        alt += f"; without it {significant(first)} and {significant(last)}"
    alt += ". Markers show two published estimates for scale."
    caption = (
        f"Solid: {planner}, mean and 5–95 % of the simulated paths. "
        + ("Dashed: without. " if neutral is not None else "")
        + "For scale, without ambiguity aversion and in 2020 US$: "
        + f"diamonds {EPA_2023[2]}; squares {DICE_2023[2]}, converted from 2019 US$."
    )
    title = "Social cost of carbon" + ("" if neutral is None else ", with and without ambiguity aversion")
    return store_figure(panel, folder, "scc", title, alt, caption, _fan_data(summary, "scc", neutral))


def _jump_figure(
    folder: str | os.PathLike[str], jump: str, summary: xr.Dataset, worst: xr.Dataset | None
) -> SavedFigure:
    panel = new_panel()
    rows = jump_dates(panel.axes[0], jump, summary, worst)
    words, end = jump.replace("_", " "), _ends(summary)[1]
    alt = f"Probability that the {words} has occurred by {end}: {fixed(100 - rows[-1][1], 0)} % of the simulated paths"
    if worst is not None:
        alt += f", and {fixed(100 - rows[-1][2], 0)} % under the worst case that the planner guards against"
    alt += f". The most frequent period is {max(rows[:-1], key=lambda row: row[1])[0]}." if rows[-1][1] < 100 else "."
    caption = "Share of simulated paths by period."
    if worst is not None:
        caption += " The policy guards against the worst case, which is not a forecast."
    data = pd.DataFrame(rows, columns=["period", "baseline (%)", "worst case (%)"])
    data = data if worst is not None else data.drop(columns="worst case (%)")
    return store_figure(panel, folder, f"jump_{jump}", f"Date of the {words}", alt, caption, data)


def _policy_figure(
    folder: str | os.PathLike[str],
    state: str,
    solution: xr.Dataset,
    neutral: xr.Dataset | None,
    start: dict[str, float],
) -> SavedFigure:
    panel = value_and_policy(solution, neutral, state=state, at=start)
    line = slice_along(solution, state, start)
    other = None if neutral is None else slice_along(neutral, state, start)
    axis = axis_name(line, state)
    low, high = region_of(solution, state)
    parts = []
    columns: dict[str, np.ndarray] = {axis: line[state].values}
    for name in map(str, line.data_vars):
        values, unit = on_screen(line, name)
        columns[f"{sentence(line, name)} ({unit})"] = values
        if other is not None and name in other:
            across = np.interp(line[state].values, other[state].values, on_screen(other, name)[0])
            columns[f"{sentence(line, name)}, neutral ({unit})"] = across
        if name != "value" and values.size:
            parts.append(f"{sentence(line, name)}: {significant(values[0])} to {significant(values[-1])} {unit}")
    alt = f"Optimal policy before any jump from {significant(low)} to {significant(high)}, {axis}. "
    alt += (". ".join(parts) or "The value function") + "."
    caption = "Within the region of interest, before any jump" + (
        "; other states have their initial values." if len(states_of(solution)) > 1 else "."
    )
    caption += " Solid: with ambiguity aversion; dashed: without." if other is not None else ""
    title = f"Value and policy along {sentence(line, state).lower()}"
    return store_figure(panel, folder, f"policy_{state}", title, alt, caption, pd.DataFrame(columns))
