"""The two tables of the result page that compare policies with each other and with published values."""

import math
from collections.abc import Callable

import xarray as xr

from ..figures import DICE_2023, EPA_2023
from ..labels import conversion_factor
from ..words import Rows, at_year, fixed, net_zero_year, numerical_error, percent, significant, warming_unit
from ._html import paragraph, table


def scc_table(summary: xr.Dataset, neutral: xr.Dataset | None) -> str:
    """The social cost of carbon every ten years: mean and 5 to 95 % of the paths, for both planners, and published values."""
    if "scc" not in summary:
        return ""
    years = [int(year) for year in summary["year"].values]
    years = [year for year in years if year % 10 == 0 or year in (years[0], years[-1]) or year == 2025]
    rows = []
    for year in years:
        row = [str(year), _with_spread(summary, year)]
        if neutral is not None and "scc" in neutral:
            averse_cost, neutral_cost = (at_year(data, "scc_mean", year) for data in (summary, neutral))
            ratio = f"{fixed(averse_cost / neutral_cost, 2)}" if neutral_cost else "–"
            row += [_with_spread(neutral, year), ratio]
        for prices, price_year, _ in (EPA_2023, DICE_2023):
            factor = conversion_factor(f"USD_{price_year}/tCO2", "USD_2020/tCO2")
            row.append(significant(factor * prices[year]) if year in prices else "")
        rows.append(row)
    header = ["Year", "This run"]
    if neutral is not None and "scc" in neutral:
        header = ["Year", "With aversion", "Without aversion", "Ratio"]
    header += ["EPA 2023, 2 %", "DICE-2023"]
    caption = "Social cost of carbon, 2020 US$ per tonne of CO₂: mean (5–95 % of simulated paths)"
    note = "The two published series have no ambiguity aversion and other discount rates; they are shown for scale."
    return table(caption, header, rows, range(1, len(header))) + paragraph(note, class_="small")


def _with_spread(data: xr.Dataset, year: int) -> str:
    mean, low, high = (
        at_year(data, "scc_mean", year),
        at_year(data, "scc", year, 0.05),
        at_year(data, "scc", year, 0.95),
    )
    text, spread = significant(mean), f"{significant(low)}–{significant(high)}"
    return f"{text} ({spread})" if significant(low) != significant(high) else text


def comparison_table(
    summary: xr.Dataset,
    neutral: xr.Dataset | None = None,
    worst: xr.Dataset | None = None,
    validation: Rows = (),
    neutral_validation: Rows = (),
) -> str:
    """A table of outcomes (rows) for each policy (columns), each number with its error; rows without a number are omitted.

    The error of the initial social cost of carbon is numerical, from the validation; other errors are Monte Carlo standard errors.
    """
    planner = "neutral" if summary.attrs.get("ambiguity") == "neutral" else "averse"
    policies = {f"Ambiguity {planner}": (summary, numerical_error(validation, "scc"))}
    if neutral is not None:
        policies["Ambiguity neutral"] = neutral, numerical_error(neutral_validation, "scc")
    if worst is not None:
        policies[f"Ambiguity {planner}, worst-case paths"] = worst, numerical_error(validation, "scc")
    begin, end = int(summary["year"].values[0]), int(summary["year"].values[-1])
    later = [year for year in (2030, 2050) if begin < year < end]
    rows = []

    def add(words: str, unit: str, show: Callable[[xr.Dataset, float], str]) -> None:
        cells = [show(data, share) for data, share in policies.values()]
        if any(cell != "–" for cell in cells):
            rows.append([words, unit, *cells])

    def cost(year: int) -> Callable[[xr.Dataset, float], str]:
        def show(data: xr.Dataset, share: float) -> str:
            value, sampling = at_year(data, "scc_mean", year), at_year(data, "scc_mean_error", year)
            return with_error(value, math.hypot(share * value, sampling if math.isfinite(sampling) else 0.0))

        return show

    def median(name: str, year: int, scale: float = 1.0) -> Callable[[xr.Dataset, float], str]:
        def show(data: xr.Dataset, _: float) -> str:
            return with_error(scale * at_year(data, name, year), scale * at_year(data, f"{name}_median_error", year))

        return show

    for year in (begin, *later):
        add(f"Social cost of carbon {year}, mean", "2020 US$ per tonne CO₂", cost(year))
    for year in (begin, *later, end):
        add(f"Emissions {year}, median", "GtCO₂ per year", median("emissions", year))
    if "emissions" in summary:
        words = "Median of emissions below 5 % of its initial value"
        add(words, "year", lambda data, _: _reached(net_zero_year(data), end))
    for name, words in (
        ("green_share", "Green share of capital"),
        ("carbon_intensity", "Carbon intensity of dirty output"),
    ):
        for year in (begin, *later, end):
            unit = "%" if name == "green_share" else "% of its initial value"
            add(f"{words} {year}, median", unit, median(name, year, 100.0))
    warming = warming_unit(summary["temperature"]) if "temperature" in summary else ""
    for year in (2050, end) if begin < 2050 < end else (end,):
        add(f"Warming {year}, median (5–95 %)", warming, lambda data, _, year=year: _warming(data, year))
    for name in map(str, summary.data_vars):
        if name.startswith("probability_") and not name.endswith("_error"):
            words = name.removeprefix("probability_").replace("_", " ")

            def share(data: xr.Dataset, _: float, name: str = name) -> str:
                return _percent_with_error(at_year(data, name, end), at_year(data, f"{name}_error", end))

            add(f"The {words} has occurred by {end}", "of paths", share)
    for name, words in (("output", "Output"), ("consumption", "Consumption"), ("damages", "Damages")):
        for year in later or (end,):
            add(f"{words} {year}, median", "trillion 2020 US$ per year", median(name, year))
    if not rows:
        return ""
    note = (
        "Numbers after ± are Monte Carlo standard errors; for the social cost of carbon they also include the numerical error of the"
        " validation."
    )
    if worst is not None:
        note += " The planner guards against the worst case; paths under the worst case are not a forecast."
    columns = ["Quantity", "Unit", *policies]
    return table("Outcomes of each policy", columns, rows, range(2, len(columns))) + paragraph(note, class_="small")


def with_error(value: float, error: float) -> str:
    """A number and its error, rounded to the first digit of the error."""
    if not math.isfinite(value):
        return "–"
    if not (math.isfinite(error) and error > 0.0):
        return significant(value, 3)
    decimals = max(0, -math.floor(math.log10(error)))
    return f"{fixed(value, decimals)} ± {fixed(error, decimals)}"


def _reached(year: int | None, end: int) -> str:
    return str(year) if year else f"not by {end}"


def _warming(data: xr.Dataset, year: int) -> str:
    median, low, high = (at_year(data, "temperature", year, q) for q in (0.5, 0.05, 0.95))
    text = with_error(median, at_year(data, "temperature_median_error", year))
    return f"{text} ({fixed(low)}–{fixed(high)})" if high > low else text


def _percent_with_error(share: float, error: float) -> str:
    if not math.isfinite(share) or not error > 0:
        return percent(share)
    return f"{with_error(100.0 * share, 100.0 * error)} %"
