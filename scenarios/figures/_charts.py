"""Charts of a scenario, each drawn on given axes."""

from typing import Any

import numpy as np
import xarray as xr

from ..labels import convert
from ..words import at_year, on_screen
from ._style import AVERSE, LINES, NEUTRAL, REFERENCE, WORST_CASE, dress, label_ends

# Published values for scale, without ambiguity aversion: US$/tCO2 by year, price year, source.
EPA_2023 = (
    {2020: 193.0, 2025: 212.0, 2030: 230.0, 2050: 308.0},
    2020,
    "US EPA 2023, Report on the Social Cost of Greenhouse Gases, near-term discount rate 2 %",
)
"""Social cost of carbon of the US EPA (2023): US$/tCO2 by year, price year, and source."""
DICE_2023 = (
    {2020: 50.0, 2025: 59.0, 2050: 125.0},
    2019,
    "Barrage and Nordhaus 2024, DICE-2023, cost-benefit optimal, doi:10.1073/pnas.2312030121",
)
"""Social cost of carbon of DICE-2023: US$/tCO2 by year, price year, and source."""


def fan(
    ax: Any,
    summary: xr.Dataset,
    name: str,
    label: str = "median",
    *,
    neutral: xr.Dataset | None = None,
    bands: bool = True,
) -> None:
    """A fan chart with labels on the plot: median, 17 to 83 % and 5 to 95 % of the paths.

    **Arguments:**

    - `ax`: matplotlib axes.
    - `summary`: from [`summarise`][].
    - `name`: the variable, which is drawn in its unit on screen.
    - `label`: name of the median line.
    - `neutral`: summary without ambiguity aversion, whose median is drawn dashed.
    - `bands`: whether to draw the bands.

    !!! example

        ```python
        import numpy as np
        import xarray as xr

        from abatax import scenarios

        paths = xr.Dataset({"temperature": (("realization", "year"), np.eye(9, 3), {"units": "degC"})}, {"year": [1, 2, 3]})
        panel = scenarios.new_panel()
        scenarios.fan(panel.axes[0], scenarios.summarise(paths), "temperature")
        assert panel.axes[0].lines
        ```
    """
    values, words = on_screen(summary, name)
    years = summary["year"].values
    level = {round(float(q), 3): n for n, q in enumerate(summary["quantile"].values)}
    labels = []
    for low, high, alpha in ((0.05, 0.95, 0.16), (0.17, 0.83, 0.30)) if bands else ():
        if {low, high} <= level.keys() and np.any(values[level[high]] > values[level[low]]):
            ax.fill_between(years, values[level[low]], values[level[high]], color=AVERSE, alpha=alpha, linewidth=0)
            labels.append((float(values[level[high]][-1]), f"{100 * low:.0f}–{100 * high:.0f} %", AVERSE))
    ax.plot(years, values[level[0.5]], color=AVERSE, linestyle=LINES[AVERSE])
    labels.append((float(values[level[0.5]][-1]), label, AVERSE))
    if neutral is not None and name in neutral:
        other, _ = on_screen(neutral.sel(quantile=0.5), name)
        ax.plot(neutral["year"].values, other, color=NEUTRAL, linestyle=LINES[NEUTRAL])
        labels.append((float(other[-1]), "neutral", NEUTRAL))
    dress(ax, f"{sentence(summary, name)}\n{words}".strip())
    _include_zero(ax)
    label_ends(ax, _finite(labels))


def scc_path(ax: Any, averse: xr.Dataset, neutral: xr.Dataset | None = None) -> None:
    """The social cost of carbon with and without ambiguity aversion on the same axes, with two published series for scale.

    Lines are means over the paths; the band is 5 to 95 % of the paths with ambiguity aversion. Diamonds are [`EPA_2023`][] and
    squares are [`DICE_2023`][], in US dollars of the price year on screen.

    **Arguments:**

    - `ax`: matplotlib axes.
    - `averse`, `neutral`: summaries with `scc`.

    !!! example

        ```python
        import numpy as np
        import xarray as xr

        from abatax import scenarios

        attributes = {"units": "US$/tCO2", "long_name": "social cost of carbon"}
        paths = xr.Dataset(
            {"scc": (("realization", "year"), np.linspace(40.0, 80.0, 22).reshape(11, 2), attributes)},
            {"year": [2020, 2050]},
            {"price_year": 2020},
        )
        panel = scenarios.new_panel()
        scenarios.scc_path(panel.axes[0], scenarios.summarise(paths))
        ```
    """
    from matplotlib.patheffects import withStroke

    labels, lines = [], []
    planner = str(averse.attrs.get("ambiguity", "averse"))
    for summary, colour, words in ((averse, AVERSE, planner), (neutral, NEUTRAL, "neutral")):
        if summary is None:
            continue
        years = summary["year"].values
        mean, unit = on_screen(summary, "scc_mean")
        if colour == AVERSE:
            low, high = (on_screen(summary.sel(quantile=q), "scc")[0] for q in (0.05, 0.95))
            ax.fill_between(years, low, high, color=AVERSE, alpha=0.16, linewidth=0)
            dress(ax, f"Social cost of carbon\n{unit}")
        ax.plot(years, mean, color=colour, linestyle=LINES[colour])
        labels.append((float(mean[-1]), words, colour))
        lines.append((years, mean))
    first, last = int(averse["year"].values[0]), int(averse["year"].values[-1])
    for (points, price_year, _), marker, words in ((EPA_2023, "D", "EPA 2 %"), (DICE_2023, "s", "DICE-2023")):
        shown = {year: convert(price, f"USD_{price_year}/tCO2", "USD_2020/tCO2") for year, price in points.items()}
        shown = {year: price for year, price in shown.items() if first <= year <= last}
        if not shown:
            continue
        ax.plot(
            list(shown), list(shown.values()), marker, color=REFERENCE, markersize=4.5, markerfacecolor="white",
            clip_on=False, zorder=5,
        )  # fmt: skip
        latest = max(shown)
        above = all(shown[latest] >= np.interp(latest, *line) for line in lines)  # away from the lines
        ax.annotate(
            words, (latest, shown[latest]), (0, 5 if above else -5), textcoords="offset points", fontsize=7,
            color=REFERENCE, path_effects=[withStroke(linewidth=2.0, foreground="white")],
            va="bottom" if above else "top", ha="center" if latest < last else "right",
        )  # fmt: skip
    ax.set_xlim(first - 0.02 * (last - first), last)  # room for the markers of the first year
    _include_zero(ax)
    label_ends(ax, _finite(labels))


def jump_dates(
    ax: Any, jump: str, baseline: xr.Dataset, worst: xr.Dataset | None = None
) -> list[tuple[str, float, float]]:
    """The distribution of the date of a jump by decade: bars of the baseline and the worst-case probability, side by side.

    The last pair is the probability that the jump has not occurred by the last year.

    **Arguments:**

    - `ax`: matplotlib axes.
    - `jump`: name of the jump.
    - `baseline`, `worst`: summaries of paths under the two measures.

    **Returns:** for each pair the period and the two probabilities in percent (NaN without `worst`).

    !!! example

        ```python
        import numpy as np
        import xarray as xr

        from abatax import scenarios

        years = np.arange(2020, 2061)
        paths = xr.Dataset(
            {
                "temperature": (("realization", "year"), np.ones((4, 41)), {"units": "degC"}),
                "jump_year_technology": ("realization", np.array([2031.0, 2042.0, np.nan, np.nan])),
            },
            {"year": years},
        )
        panel = scenarios.new_panel()
        table = scenarios.jump_dates(panel.axes[0], "technology", scenarios.summarise(paths))
        assert table[-1][1] == 50.0  # percent of paths without the jump
        ```
    """
    years = baseline["year"].values
    edges = sorted({int(years[0]), int(years[-1]), *range(int(years[0]) // 10 * 10 + 10, int(years[-1]), 10)})
    edges = [int(years[0]), *[e for e in edges[1:-1] if e - years[0] > 4 and years[-1] - e > 4], int(years[-1])]
    names = [f"{a}–{b}" for a, b in zip(edges[:-1], edges[1:], strict=True)] + [f"not by {edges[-1]}"]
    columns = []
    for summary in (baseline, worst):
        if summary is None:
            columns.append(np.full(len(names), np.nan))
            continue
        by = np.array([at_year(summary, f"probability_{jump}", edge) for edge in edges])
        columns.append(100.0 * np.append(np.diff(by), 1.0 - by[-1]))
    place = np.arange(len(names))
    width = 0.4 if worst is not None else 0.7
    shift = 0.5 * width if worst is not None else 0.0
    ax.bar(place - shift, columns[0], width, color="white", edgecolor=AVERSE, linewidth=1.2, label="baseline model")
    if worst is not None:
        ax.bar(place + shift, columns[1], width, color=WORST_CASE, hatch="////", edgecolor="white", linewidth=0,
               label="worst case")  # fmt: skip
        ax.legend(frameon=False, fontsize=7.5, loc="upper center", handlelength=1.3)
    for bar, column in zip((place[-1] - shift, place[-1] + shift), columns, strict=True):
        if np.isfinite(column[-1]):
            ax.annotate(
                f"{column[-1]:.0f}", (bar, column[-1]), (0, 1), textcoords="offset points", ha="center", fontsize=7
            )
    dress(ax, f"Date of the {jump.replace('_', ' ')}\n% of simulated paths")
    ax.set_xticks(place, names, rotation=35, ha="right", fontsize=7.5, rotation_mode="anchor")
    ax.margins(x=0.02, y=0.25 if worst is not None else 0.1)
    return [(name, float(a), float(b)) for name, a, b in zip(names, *columns, strict=True)]


def sentence(data: xr.Dataset, name: str) -> str:
    """The name of a variable in words, with a capital letter."""
    words = "warming" if name == "temperature" else str(data[name].attrs.get("long_name", name.replace("_", " ")))
    return words[:1].upper() + words[1:]


def _include_zero(ax: Any) -> None:
    """Let the vertical axis start at zero unless this would leave more than half of the height empty."""
    low, high = ax.get_ylim()
    if 0.0 < low < 0.5 * high:
        ax.set_ylim(0.0, high)


def _finite(labels: list[tuple[float, str, str]]) -> list[tuple[float, str, str]]:
    return [label for label in labels if np.isfinite(label[0])]
