"""The table of sensitivities with respect to parameters, and its tornado chart."""

import math
import os
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from ...solvers.solution import MARK
from ..labels import write_csv
from ._figures import SavedFigure
from ._style import AVERSE, INK, NEUTRAL, new_panel, save_panel

_MOST = 15  # bars
_ROUNDING = 1e-9  # smaller elasticities are rounding errors
# entries sum to one, so that an elasticity with respect to all entries has no meaning
_PROBABILITIES = ("weights", "probabilities")


def sensitivity_table(derivatives: xr.Dataset) -> pd.DataFrame:
    """The dataset of [`sensitivities`][] with one row per functional and parameter, as in `sensitivities.csv`.

    **Arguments:**

    - `derivatives`: the dataset of [`sensitivities`][].

    **Returns:** a table with one row per functional and parameter.

    !!! example

        ```python
        import abatax as ab

        solution = ab.solve(ab.models.LinearQuadratic(), ab.solvers.FiniteDifference(points=21))
        table = ab.scenarios.sensitivity_table(ab.sensitivities(solution))
        assert "control_cost" in set(table["parameter"])
        ```
    """
    columns = ["functional", "functional_value", "functional_unit", "parameter", "value", "unit"]
    table = derivatives.transpose("functional", "parameter").to_dataframe().reset_index()
    mark = {MARK: derivatives.attrs[MARK]} if MARK in derivatives.attrs else {}
    return pd.DataFrame(table[[*columns, "derivative", "elasticity"]]).assign(**mark)


def headline_of(table: pd.DataFrame) -> str:
    """The functional of the chart: the social cost of carbon, or the first functional if there is none."""
    names = [str(name) for name in table["functional"]]
    return "scc" if "scc" in names else names[0]


def largest_elasticities(table: pd.DataFrame, functional: str) -> list[tuple[str, float]]:
    """The largest elasticities without probabilities; entries of a field are scaled together."""
    total: dict[str, float] = {}
    for row in table.to_dict("records"):
        field = str(row["parameter"]).partition("[")[0]
        if row["functional"] == functional and field.rpartition(".")[2] not in _PROBABILITIES:
            total[field] = total.get(field, 0.0) + float(row["elasticity"])
    nonzero = [(field, value) for field, value in total.items() if math.isfinite(value) and abs(value) > _ROUNDING]
    return sorted(nonzero, key=lambda pair: -abs(pair[1]))[:_MOST]


def save_tornado(folder: str | os.PathLike[str], table: pd.DataFrame) -> SavedFigure:
    """Write `sensitivities.csv` and the figure `sensitivities.svg` and `.png` of a table of sensitivities.

    **Arguments:**

    - `folder`: the folder for the three files.
    - `table`: from `sensitivity_table`, or from a file `sensitivities.csv`.

    **Returns:** the figure on disk, a [`SavedFigure`][].

    !!! example

        ```python
        import tempfile

        import abatax as ab
        from abatax.scenarios import save_tornado, sensitivity_table

        solution = ab.solve(ab.models.LinearQuadratic(), ab.solvers.FiniteDifference(points=41))
        figure = save_tornado(tempfile.mkdtemp(), sensitivity_table(ab.sensitivities(solution)))
        assert figure.csv.name == "sensitivities.csv" and figure.png.exists()
        ```
    """
    name = headline_of(table)
    shown = largest_elasticities(table, name)
    words = "social cost of carbon" if name == "scc" else name.replace("_", " ")
    panel = new_panel(height=0.6 + 0.2 * max(len(shown), 3))
    (ax,) = panel.axes
    heights = np.arange(len(shown))
    colours = [AVERSE if v > 0 else NEUTRAL for _, v in shown]
    ax.barh(heights, [v for _, v in shown], color=colours, height=0.7)
    ax.set_yticks(heights, [label.replace("_", " ") for label, _ in shown], fontsize=7)
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.grid(axis="x", color="#e3e3e3", linewidth=0.6)
    ax.axvline(0.0, color=INK, linewidth=0.8)
    ax.tick_params(length=2)
    ax.margins(x=0.16)
    # the title begins at the left edge of the figure, above the names of the parameters
    panel.figure.suptitle(f"Elasticity of the {words}", x=0.01, ha="left", fontsize=8.5, color=INK)
    for height, (_, value) in zip(heights, shown, strict=True):
        ax.annotate(
            f"{value:+.2g}".replace("-", "−"),
            (value, height),
            xytext=(2 if value > 0 else -2, 0),
            textcoords="offset points",
            va="center",
            ha="left" if value > 0 else "right",
            fontsize=6.5,
            color=INK,
        )
    svg, png = save_panel(panel, folder, "sensitivities")
    csv = Path(folder, "sensitivities.csv")
    write_csv(table, csv)
    title = f"Sensitivity of the {words} at the initial state"
    top = ", ".join(f"{label} {value:+.2g}" for label, value in shown[:3])
    return SavedFigure(
        title,
        f"Bars of elasticities of the {words}, the largest on top: {top}."
        if top
        else f"The {words} has no elasticity.",
        " Change in percent if a parameter rises by one percent. Entries of a field are scaled together;"
        " probabilities are omitted. Parameters of ambiguity are aversions, the inverse of penalties.",
        svg,
        png,
        csv,
        pd.DataFrame(shown, columns=["parameter", "elasticity"]),
    )
