"""The main results in a few sentences with numbers and units, and checks of their plausibility."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import xarray as xr

from ...models.base import CO2_PER_CARBON
from ...validation.errors import ALONG
from ._screen import at_year, fixed, on_screen, percent, significant, warming_unit

Rows: TypeAlias = Sequence[Mapping[Any, Any]]


class Headline(NamedTuple):
    """A sentence, and notes that qualify it.

    **Arguments:**

    - `sentence`: the sentence, with numbers and units.
    - `notes`: sentences that qualify it, for example by the error of a number.

    !!! example

        ```python
        from abatax import scenarios

        headline = scenarios.Headline("Warming in 2100: 1.9 °C.", ("Median of the simulated paths.",))
        assert headline.notes[0].startswith("Median")
        ```
    """

    sentence: str
    notes: tuple[str, ...]


def headlines(summary: xr.Dataset, neutral: xr.Dataset | None = None, validation: Rows = ()) -> list[Headline]:
    """Headline sentences on the quantities that the model has: cost of carbon, emissions, warming, jumps.

    Percentages are shares of simulated paths; they are not expressed in the calibrated language of assessments.

    **Arguments:**

    - `summary`, `neutral`: summaries with ambiguity aversion and, for comparison, without.
    - `validation`: rows of the validation table, from which the relative errors of `scc` are quoted.

    **Returns:** the sentences, each a [`Headline`][].

    !!! example

        ```python
        import numpy as np
        import xarray as xr

        from abatax import scenarios

        paths = xr.Dataset({"temperature": (("realization", "year"), np.full((4, 1), 1.2), {"units": "degC"})}, {"year": [2020]})
        (warming,) = scenarios.headlines(scenarios.summarise(paths))
        assert "Warming in 2020: 1.2 °C" in warming.sentence
        ```
    """
    lines = []
    if "scc" in summary:
        lines.append(_carbon(summary, neutral, validation))
    if "emissions" in summary:
        lines.append(_emissions(summary, neutral))
    if "temperature" in summary:
        lines.append(_warming(summary, neutral))
    return lines + _jumps(summary, neutral)


def stance(summary: xr.Dataset) -> str:
    """The ambiguity aversion of the planner of a summary, in words."""
    return "Without ambiguity aversion" if summary.attrs.get("ambiguity") == "neutral" else "With ambiguity aversion"


# The share of initial emissions below which emissions are called net zero; they remain positive if dirty capital emits.
NET_ZERO = 0.05


def net_zero_year(summary: xr.Dataset) -> int | None:
    """The first year in which the median of emissions is below 5 % of its initial value, or None."""
    if "emissions" not in summary:
        return None
    median = summary["emissions"].sel(quantile=0.5).values
    reached = np.flatnonzero(median <= NET_ZERO * median[0])
    return int(summary["year"].values[reached[0]]) if reached.size else None


def _years(summary: xr.Dataset) -> tuple[int, int]:
    return int(summary["year"].values[0]), int(summary["year"].values[-1])


def _spread(summary: xr.Dataset, name: str, year: int, unit: str, show=fixed) -> str:
    """The range of the central 90 % of paths, or an empty text if all paths are equal."""
    low, high = (at_year(summary, name, year, q) for q in (0.05, 0.95))
    return f"90 % of simulated paths: {show(low)} to {show(high)}{unit}" if high > low else ""


def _carbon(summary: xr.Dataset, neutral: xr.Dataset | None, validation: Rows) -> Headline:
    year, _ = _years(summary)
    value = at_year(summary, "scc_mean", year)
    other = math.nan if neutral is None else at_year(neutral, "scc_mean", year)
    shown, before = significant(value), significant(other)
    per_carbon = [significant(CO2_PER_CARBON * v) for v in (other, value) if math.isfinite(v)]
    if not math.isfinite(other):
        sentence = f"{stance(summary)} the social cost of carbon in {year} is ${shown} per tonne of CO₂ (2020 US$)."
    elif shown == before:
        sentence = (
            f"Ambiguity aversion leaves the social cost of carbon in {year} near ${shown} per tonne of CO₂ (2020 US$)."
        )
    else:
        verb = "raises" if value > other else "lowers"
        sentence = (
            f"Ambiguity aversion {verb} the social cost of carbon in {year} from ${before} to ${shown} per tonne of CO₂"
            " (2020 US$)."
        )
    change = " to ".join(f"${text}" for text in per_carbon)
    notes = [f"Per tonne of carbon, multiply by 3.67: {'from ' * (len(per_carbon) > 1)}{change}."]
    error = numerical_error(validation, "scc")
    if error:
        notes.append(f"Numerical error, from the validation below: about {significant(100 * error, 1)} %.")
    notes.append(
        "It is the welfare gain, in dollars, from emitting one tonne less, with future outcomes weighted as described under"
        " “How to read this page”. All paths have the same initial state, so that it has no sampling error."
    )
    return Headline(sentence, tuple(notes))


def numerical_error(validation: Rows, quantity: str) -> float:
    """The relative error of a quantity: the largest estimate in a validation table, or 0 if there is none.

    Pages quote numbers along paths. Errors along paths therefore take precedence over errors in the box if they are available.
    """
    names = {f"grid_error_{ALONG}{quantity}", f"domain_change_{ALONG}{quantity}"}
    finite = {row["name"] for row in validation if math.isfinite(float(row["value"]))}
    if not names <= finite:
        names = {f"grid_error_{quantity}", f"domain_change_{quantity}"}
    names.add(f"error_{quantity}")
    return max((abs(float(row["value"])) for row in validation if row["name"] in names & finite), default=0.0)


def _emissions(summary: xr.Dataset, neutral: xr.Dataset | None) -> Headline:
    begin, end = _years(summary)
    year = 2050 if begin < 2050 < end else end
    spread = _spread(summary, "emissions", year, "")
    first, later = (fixed(at_year(summary, "emissions", y)) for y in (begin, year))
    sentence = (
        f"Under these assumptions it would be optimal to emit {later} GtCO₂ in {year}"
        + (f" ({spread})" if spread else "")
        + f", after {first} in {begin}."
    )
    text = f"The median of emissions {_zero(net_zero_year(summary), end)}."
    if neutral is not None and "emissions" in neutral:
        other = fixed(at_year(neutral, "emissions", year))
        text += f" Without ambiguity aversion it is {other} GtCO₂ in {year} and {_zero(net_zero_year(neutral), end)}."
    return Headline(sentence, (text,))


def _zero(year: int | None, end: int) -> str:
    goal = f"{NET_ZERO:.0%} of its initial value".replace("%", " %")
    return f"falls below {goal} in {year}" if year else f"does not fall below {goal} by {end}"


def _warming(summary: xr.Dataset, neutral: xr.Dataset | None) -> Headline:
    _, year = _years(summary)
    spread = _spread(summary, "temperature", year, " °C")
    inside = f"median; {spread}" if spread else "one path"
    sentence = f"Warming in {year}: {fixed(at_year(summary, 'temperature', year))} {warming_unit(summary['temperature'])} ({inside})."
    notes = []
    error = at_year(summary, "temperature_median_error", year)
    if math.isfinite(error) and spread:
        notes.append(f"Monte Carlo standard error of the median: {significant(error, 1)} °C.")
    if neutral is not None and "temperature" in neutral:
        spread = _spread(neutral, "temperature", year, " °C")
        text = f"Without ambiguity aversion: {fixed(at_year(neutral, 'temperature', year))} °C"
        notes.append(f"{text} ({spread})." if spread else f"{text}.")
    return Headline(sentence, tuple(notes))


def _jumps(summary: xr.Dataset, neutral: xr.Dataset | None) -> list[Headline]:
    _, year = _years(summary)
    lines = []
    for name in map(str, summary.data_vars):
        if not name.startswith("probability_") or name.endswith("_error"):
            continue
        jump = name.removeprefix("probability_").replace("_", " ")
        share, error = at_year(summary, name, year), at_year(summary, f"{name}_error", year)
        sentence = f"The {jump} has occurred by {year} on {percent(share)} of simulated paths."
        notes = [f"Monte Carlo standard error: {fixed(100 * error)} percentage points."] if error > 0 else []
        if neutral is not None and name in neutral:
            notes.append(f"Without ambiguity aversion: {percent(at_year(neutral, name, year))}.")
        lines.append(Headline(sentence, tuple(notes)))
    return lines


def plausibility(summary: xr.Dataset) -> list[dict[str, Any]]:
    """Comparison of the numbers with the ranges of published models and observations.

    **Arguments:**

    - `summary`: from [`summarise`][].

    **Returns:** rows with `name`, `value`, `unit`, `low`, `high`, `meaning` and `passed`, for the quantities and years
    of the summary.

    !!! example

        ```python
        import numpy as np
        import xarray as xr

        from abatax import scenarios

        paths = xr.Dataset({"temperature": (("realization", "year"), np.full((4, 1), 1.9), {"units": "degC"})}, {"year": [2025]})
        (row,) = scenarios.plausibility(scenarios.summarise(paths))
        assert row["passed"] is False
        ```
    """
    begin, _ = _years(summary)
    ranges = [
        (
            "scc_mean",
            begin,
            30.0,
            340.0,
            "published estimates without ambiguity aversion, 2020 US$ (EPA 2023, DICE-2023)",
        ),
        ("emissions", 2050, -10.0, 80.0, "the range of scenarios in the literature"),
        ("temperature", 2025, 1.0, 1.5, "observed human-induced warming with its uncertainty"),
        ("temperature", 2100, 1.5, 3.2, "optimal policies of published models"),
    ]
    rows = []
    for name, year, low, high, reference in ranges:
        value = at_year(summary, name, year)
        if not math.isfinite(value):
            continue
        quantity = {"scc_mean": "Social cost of carbon", "emissions": "Emissions", "temperature": "Warming"}[name]
        rows.append(
            {
                "name": f"{quantity} in {year}",
                "value": value,
                "unit": on_screen(summary, name)[1],
                "low": low,
                "high": high,
                "meaning": f"Compared with {reference}.",
                "passed": low <= value <= high,
            }
        )
    outside = summary.attrs.get("share_outside")
    if outside is not None:
        rows.append(
            {
                "name": "Paths outside the grid",
                "value": 100.0 * float(outside),
                "unit": "% of paths",
                "low": 0.0,
                "high": 1.0,
                "meaning": "Share of paths that leave the computational box, outside which the policy at its edge is used.",
                "passed": float(outside) <= 0.01,
            }
        )
    return rows
