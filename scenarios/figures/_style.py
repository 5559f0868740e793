"""The style of figures: colours, lines, labels and files. The global state of matplotlib is not changed."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...common import complete_file

# Colours have a contrast above 4.5 on white, can be distinguished with every type of colour vision and in
# grey, and are not colours of IPCC scenarios or categories.
AVERSE = "#3b2a7a"
NEUTRAL = "#a8480a"
WORST_CASE = "#8a1c5c"
REFERENCE = "#444444"
INK = "#1a1a1a"

# Of several lines, in this order.
COLOURS = (AVERSE, NEUTRAL, "#14694a", WORST_CASE, "#1c5f94", "#6b5a00")

LINES = {AVERSE: "solid", NEUTRAL: (0, (5, 2)), WORST_CASE: (0, (1, 1.2)), REFERENCE: (0, (3, 1, 1, 1))}

# 9 cm wide with letters of 8.5 points, which remain readable at a width of 7 cm
WIDTH, HEIGHT = 3.55, 2.75  # inches
PAGE_WIDTH = 7.6

_SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.edgecolor": "#666666",
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlepad": 7.0,
    "axes.unicode_minus": True,
    "axes.prop_cycle": f"cycler('color', {list(COLOURS)})",
    "lines.linewidth": 1.8,
    "svg.hashsalt": "abatax",  # the same figure gives the same file
    "svg.fonttype": "path",
    "xtick.color": INK,
    "ytick.color": INK,
}


class Panel(NamedTuple):
    """A figure and its axes, row by row.

    **Arguments:**

    - `figure`: the matplotlib figure.
    - `axes`: its axes, row by row.

    !!! example

        ```python
        from abatax import scenarios

        panel = scenarios.new_panel(2, columns=2)
        assert isinstance(panel, scenarios.Panel) and len(panel.axes) == 2
        ```
    """

    figure: Any
    axes: list[Any]


def new_panel(count: int = 1, height: float = HEIGHT, columns: int = 1, *, shown: bool = False) -> Panel:
    """An empty figure.

    **Arguments:**

    - `count`: number of axes.
    - `height`: height of each in inches.
    - `columns`: number of axes side by side; with two or more the figure has the width of the page.
    - `shown`: whether pyplot manages the figure, so that notebooks and windows show it; otherwise it is only written to files.

    **Returns:** the figure and its axes, a [`Panel`][].

    !!! example

        ```python
        from abatax import scenarios

        panel = scenarios.new_panel()
        panel.axes[0].plot([2020, 2100], [1.2, 2.1])
        ```
    """
    import matplotlib
    from matplotlib.figure import Figure

    rows = -(-count // columns)
    size: dict[str, Any] = {
        "figsize": (WIDTH if columns == 1 else PAGE_WIDTH, height * rows),
        "layout": "constrained",
    }
    if shown:
        from matplotlib import pyplot

        # The first figure loads the backend of a notebook, which switches interactive mode on; within the context below that
        # would be undone, and no later figure would be shown.
        figure = pyplot.figure(**size)
    else:
        figure = Figure(**size)
    with matplotlib.rc_context(_SETTINGS):
        all_axes = list(np.ravel(figure.subplots(rows, columns, sharex=True, squeeze=False)))
        axes = all_axes[:count]
        for ax in axes[-columns:]:
            ax.tick_params(labelbottom=True)
        for ax in all_axes[count:]:
            ax.remove()
        for ax in axes:
            ax.grid(axis="y", color="#e3e3e3", linewidth=0.6)
            ax.set_axisbelow(True)
            ax.margins(x=0)
    return Panel(figure, axes)


def dress(ax: Any, ylabel: str, *, whole: bool = True) -> None:
    """Set the title with the unit of the vertical axis, and few round ticks (integers on the horizontal axis if `whole`)."""
    from matplotlib.ticker import MaxNLocator

    ax.set_title(ylabel, color=INK, loc="left", fontsize=8.5)
    ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10], integer=whole))
    ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    ax.tick_params(length=3)


def label_ends(ax: Any, labels: Sequence[tuple[float, str, str]]) -> None:
    """Names at the right end of lines, moved apart if they would overlap.

    **Arguments:**

    - `ax`: axes whose limits are final.
    - `labels`: height in data units, text, colour.
    """
    if not labels:
        return
    low, high = ax.get_ylim()
    ordered = sorted(labels, key=lambda label: label[0])
    heights = [(y - low) / (high - low) for y, _, _ in ordered]
    gap = 0.085 * HEIGHT / (ax.figure.get_figheight() / max(len(ax.figure.axes), 1))
    for (_, text, colour), place in zip(ordered, _apart(heights, gap), strict=True):
        ax.annotate(
            text,
            xy=(1.0, place),
            xycoords="axes fraction",
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=7.5,
            color=colour,
        )


def _apart(places: list[float], gap: float) -> list[float]:
    """Increasing places, moved as little as possible (least squares) such that neighbours are a gap apart."""
    blocks: list[list[float]] = []  # for each block of touching labels: sum of preferred starts, number of labels
    for number, place in enumerate(places):
        blocks.append([place - number * gap, 1.0])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            total, count = blocks.pop()
            blocks[-1][0] += total
            blocks[-1][1] += count
    starts = [total / count for total, count in blocks for _ in range(int(count))]
    room = 1.0 - gap * (len(places) - 1)  # upper bound of the first place, such that the last is inside
    return [max(min(start, room), 0.0) + number * gap for number, start in enumerate(starts)]


def save_panel(panel: Panel, folder: str | os.PathLike[str], name: str) -> tuple[Path, Path]:
    """Write a figure as `<name>.svg` and `<name>.png` (300 dots per inch); each file appears when complete.

    **Arguments:**

    - `panel`: the figure, as from [`new_panel`][].
    - `folder`: the folder, which exists.
    - `name`: the name of the files without suffix.

    **Returns:** the paths of the svg and the png file.

    !!! example

        ```python
        import tempfile

        from abatax import scenarios

        panel = scenarios.new_panel()
        panel.axes[0].plot([2020, 2100], [1.2, 2.1])
        svg, png = scenarios.save_panel(panel, tempfile.mkdtemp(), "warming")
        assert svg.exists() and png.exists()
        ```
    """
    import matplotlib

    paths = Path(folder, f"{name}.svg"), Path(folder, f"{name}.png")
    with matplotlib.rc_context(_SETTINGS):
        for path in paths:
            with complete_file(path) as beside:
                metadata = {"Date": None} if path.suffix == ".svg" else {}
                panel.figure.savefig(beside, dpi=300, facecolor="white", metadata=metadata)
    return paths
