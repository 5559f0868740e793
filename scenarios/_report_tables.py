"""The two tables of the result page that compare policies."""

import math
from collections.abc import Callable

import xarray as xr

from ._charts import DICE_2023, EPA_2023
from ._headlines import net_zero_year
from ._html import paragraph, table
from ._screen import at_year, fixed, percent, significant
from ._units import conversion_factor


def scc_table(summary: xr.Dataset, neutral: xr.Dataset | None) -> str:
    """The social cost of carbon every ten years: mean and 5 to 95 % of the paths, on and off, and published ones."""
    if "scc" not in summary:
        return ""
    years = [int(year) for year in summary["year"].values]
    years = [year for year in years if year % 10 == 0 or year in (years[0], years[-1]) or year == 2025]
    rows = []
    for year in years:
        row = [str(year), _with_spread(summary, year)]
        if neutral is not None and "scc" in neutral:
            on, off = (at_year(data, "scc_mean", year) for data in (summary, neutral))
            row += [_with_spread(neutral, year), f"{fixed(on / off, 2)}" if off else "–"]
        for prices, price_year, _ in (EPA_2023, DICE_2023):
            factor = conversion_factor(f"USD_{price_year}/tCO2", "USD_2020/tCO2")
            row.append(significant(factor * prices[year]) if year in prices else "")
        rows.append(row)
    header = ["Year", "This run"]
    if neutral is not None and "scc" in neutral:
        header = ["Year", "Ambiguity on", "Ambiguity off", "Ratio"]
    header += ["EPA 2023, 2 %", "DICE-2023"]
    caption = "Social cost of carbon, 2020 US$ per tonne of CO₂: mean (5–95 % of simulated paths)"
    note = "The two published series have no ambiguity aversion and their own discounting; they are shown for scale."
    return table(caption, header, rows, range(1, len(header))) + paragraph(note, class_="small")


def _with_spread(data: xr.Dataset, year: int) -> str:
    mean, low, high = (
        at_year(data, "scc_mean", year),
        at_year(data, "scc", year, 0.05),
        at_year(data, "scc", year, 0.95),
    )
    text, spread = significant(mean), f"{significant(low)}–{significant(high)}"
    return f"{text} ({spread})" if significant(low) != significant(high) else text


def comparison_table(summary: xr.Dataset, neutral: xr.Dataset | None = None, worst: xr.Dataset | None = None) -> str:
    """Policies in columns, what they bring in rows; rows without a number are left out."""
    own = "neutral" if summary.attrs.get("ambiguity") == "neutral" else "averse"
    policies = {f"Ambiguity {own}": summary}
    if neutral is not None:
        policies["Ambiguity neutral"] = neutral
    if worst is not None:
        policies[f"Ambiguity {own}, worst-case paths"] = worst
    begin, end = int(summary["year"].values[0]), int(summary["year"].values[-1])
    later = [year for year in (2030, 2050) if begin < year < end]
    rows = []

    def add(words: str, unit: str, cells: list[str]) -> None:
        if any(cell != "–" for cell in cells):
            rows.append([words, unit, *cells])

    def values(name: str, year: int, show: Callable[[float], str]) -> list[str]:
        return [show(at_year(data, name, year)) for data in policies.values()]

    for year in (begin, *later):
        add(f"Social cost of carbon {year}, mean", "2020 US$ per tonne CO₂", values("scc_mean", year, significant))
    for year in (begin, *later, end):
        add(f"Emissions {year}, median", "GtCO₂ per year", values("emissions", year, fixed))
    if "emissions" in summary:
        zero = [net_zero_year(data) for data in policies.values()]
        add("Median of emissions reaches zero", "year", [str(year) if year else f"not by {end}" for year in zero])
    for year in (2050, end) if begin < 2050 < end else (end,):
        add(f"Warming {year}, median (5–95 %)", "°C above 1850–1900", [_warming(d, year) for d in policies.values()])
    for name in map(str, summary.data_vars):
        if name.startswith("probability_") and not name.endswith("_error"):
            words = name.removeprefix("probability_").replace("_", " ")
            shares = [
                _with_error(at_year(data, name, end), at_year(data, f"{name}_error", end)) for data in policies.values()
            ]
            add(f"The {words} has happened by {end}", "of paths (± standard error)", shares)
    for name, words in (("output", "Output"), ("consumption", "Consumption"), ("damages", "Damages")):
        for year in later or (end,):
            cells = values(name, year, lambda value: significant(value, 3))
            add(f"{words} {year}, median", "trillion 2020 US$ per year", cells)
    if not rows:
        return ""
    note = (
        "The worst case is what the planner guards against; the paths under it are no forecast."
        if worst is not None
        else ""
    )
    columns = ["Quantity", "Unit", *policies]
    return table("What each policy brings", columns, rows, range(2, len(columns))) + (
        paragraph(note, class_="small") if note else ""
    )


def _warming(data: xr.Dataset, year: int) -> str:
    median, low, high = (at_year(data, "temperature", year, q) for q in (0.5, 0.05, 0.95))
    return f"{fixed(median)} ({fixed(low)}–{fixed(high)})" if high > low else fixed(median)


def _with_error(share: float, error: float) -> str:
    if not math.isfinite(share) or not error > 0:
        return percent(share)
    return f"{percent(share)} (± {significant(100 * error, 1)})"
