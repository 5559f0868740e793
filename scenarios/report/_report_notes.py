"""The end matter of the result page: parameters, reading help, files, citation."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ..labels import flatten
from ..words import general
from ._html import paragraph, table, tag

_READING = (
    (
        "Scenario",
        "The optimal policy under these assumptions. It is a conditional result, not a prediction or a prescription.",
    ),
    (
        "Ambiguity aversion",
        "The planner does not rely on the probabilities of one model and guards against plausible less favourable"
        " probabilities. Without ambiguity aversion the planner maximises expected utility under the baseline probabilities.",
    ),
    (
        "Worst case",
        "The probabilities against which the planner guards. They serve to find robust decisions and are not a"
        " forecast.",
    ),
    (
        "Simulated paths",
        "Drawn under the baseline probabilities unless stated otherwise. “90 % of simulated paths” is the range from the 5 % to"
        " the 95 % quantile, pointwise in time: no single path follows it, and it does not include uncertainty outside the model.",
    ),
    (
        "Social cost of carbon",
        "The welfare gain from emitting one tonne of CO₂ less in that year, in consumption of that year. With"
        " ambiguity aversion future outcomes are weighted with the worst-case probabilities. It is a value, which becomes a price"
        " only if a policy sets it.",
    ),
    (
        "Limits of the model",
        "The model contains only the mechanisms that its parameters describe. Unless they state otherwise, there is one decision for"
        " the whole world, no heterogeneity of regions or people, no greenhouse gas other than CO₂, and no learning about which"
        " model is right.",
    ),
    (
        "Rounding",
        "Costs of carbon are rounded to two digits and warming to a tenth of a degree. Numerical and sampling errors are stated with"
        " the numbers or in the validation table.",
    ),
)

_DOWNLOADS = {
    "scenario.csv": "IAMC table: median, mean and percentiles by year",
    "scenario.xlsx": "the same as a workbook, with metadata",
    "scenario_meta.csv": "metadata of the scenarios",
    "scenario.nc": "quantiles by year, NetCDF (CF-1.11)",
    "paths.nc": "every simulated path, NetCDF",
    "paths_worst_case.nc": "paths under the worst-case probabilities, NetCDF",
    "solution.nc": "value function and policy on the grid, NetCDF",
    "solution.abatax": "the solution to the last bit, from which it is loaded again",
    "validation.csv": "the validation table",
    "run.json": "model, parameters, solver and versions, from which the run can be repeated",
}


def parameters(run: Mapping[str, Any], solution: xr.Dataset | Mapping[str, xr.Dataset] | None) -> str:
    """Parameters of model and solver by dotted name, with units if the run contains them."""
    units = run.get("parameter_units", {})
    rows = [[name, _parameter(value), str(units.get(name, ""))] for name, value in flatten(run.get("parameters", {}))]
    rows += [[f"solver.{name}", _parameter(value), ""] for name, value in flatten(_mapping(run.get("solver")))]
    if solution is not None:
        first = solution if isinstance(solution, xr.Dataset) else solution[""]
        nodes = " × ".join(str(first.sizes[dim]) for dim in first["value"].dims)
        rows.append(["grid", f"{nodes} nodes ({', '.join(map(str, first['value'].dims))})", ""])
    rows += [[name, _parameter(run[name]), ""] for name in ("seed", "iterations") if name in run]
    rows += [[name, _parameter(run[name]), "s"] for name in ("seconds", "compile_seconds") if name in run]
    if not rows:
        return ""
    return table("Parameters of the model and the solver", ["Name", "Value", "Unit"], rows)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else ({} if value is None else {"name": value})


def _parameter(value: Any) -> str:
    if isinstance(value, float):
        return general(value)
    if isinstance(value, (list, tuple)):
        numeric = len(value) > 0 and all(isinstance(v, (int, float)) for v in value)
        if numeric and len(value) > 6:
            low, high, mean = (general(float(f(value))) for f in (np.min, np.max, np.mean))
            return f"{len(value)} values from {low} to {high}, mean {mean}"
        return ", ".join(_parameter(v) for v in value)
    return {None: "none", "inf": "∞", "-inf": "−∞"}.get(value, str(value))


def reading() -> str:
    """Definitions of the terms of the page, and limits of the model."""
    return tag("dl", "".join(tag("dt", tag("strong", escape(a))) + tag("dd", escape(b)) for a, b in _READING))


def downloads(page_path: Path) -> str:
    """Links to the files of the run in the folder of the page."""
    items = [
        tag("li", tag("a", escape(name), href=name) + f": {escape(text)}")
        for name, text in _DOWNLOADS.items()
        if (page_path.parent / name).exists()
    ]
    return tag("ul", "".join(items)) if items else ""


def citation(run: Mapping[str, Any], version: str, date: str) -> str:
    """The citation, the command and the versions."""
    text = f"The abatax developers, abatax {version} (software), {date}."
    source = f" Model: {run['source']}." if "source" in run else ""
    lines = paragraph(f"Cite as: {text}{source}")
    if "command" in run:
        lines += tag("p", "Command: " + tag("code", escape(str(run["command"]))))
    named = ", ".join(f"{name} {number}" for name, number in run.get("versions", {}).items())
    return lines + (paragraph(f"Versions: {named}.", class_="small") if named else "")
