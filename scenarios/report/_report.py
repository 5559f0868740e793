"""The result page: one self-contained HTML file that begins with the main results."""

import math
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

import xarray as xr

from ...common import complete_file
from ..figures import SavedFigure
from ..labels import check_same, summarise
from ..words import general, headlines, plausibility, significant, stance
from ._html import data_table, inline_svg, page, paragraph, table, tag
from ._report_notes import citation, downloads, parameters, reading
from ._report_tables import comparison_table, scc_table

_NAMED = 5  # the first section names up to this number of flags, and summarises a larger number


def write_report(
    path: str | os.PathLike[str],
    *,
    run: Mapping[str, Any],
    summary: xr.Dataset,
    figures: Mapping[str, SavedFigure],
    solution: xr.Dataset | Mapping[str, xr.Dataset] | None = None,
    neutral: xr.Dataset | None = None,
    worst: xr.Dataset | None = None,
    validation: Sequence[Mapping[str, Any]] = (),
    neutral_validation: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write the result page of a run: one HTML file that loads no other file.

    Write the page after the other files: it links, by relative paths, the files that exist in its folder.

    **Arguments:**

    - `path`: the file.
    - `run`: contents of run.json. The page uses `model`, `parameters`, `parameter_units` (dotted name to unit), `converged`,
      `advice`, `residual_rms`, `solver`, `seed`, `versions`, `command`, `date` and `source` (the paper of the model), if
      present.
    - `summary`: from [`summarise`][].
    - `figures`: from [`save_figures`][].
    - `solution`: the solution on its grid, from which the page takes the number of nodes.
    - `neutral`: summary of the same run without ambiguity aversion.
    - `worst`: paths under the worst-case measure, or their summary.
    - `validation`: rows with `name`, `value`, `unit`, `meaning`, and optionally `allowed`, `passed`, `error`.
    - `neutral_validation`: the validation rows of the neutral run, for its error bars.

    **Raises:** `ValueError` if an argument belongs to another solution than `run`.

    !!! example

        ```python
        import tempfile
        from pathlib import Path

        import numpy as np
        import xarray as xr

        from abatax import scenarios

        warming = ("realization", "year"), np.full((4, 2), 1.2), {"units": "degC"}
        summary = scenarios.summarise(xr.Dataset({"temperature": warming}, {"year": [2020, 2021]}))
        page = Path(tempfile.mkdtemp(), "report.html")
        scenarios.write_report(page, run={"model": "mine", "converged": True}, summary=summary, figures={})
        assert "1.2 °C above 1850–1900" in page.read_text(encoding="utf-8")
        ```
    """
    path = Path(path)
    root = solution if solution is None or isinstance(solution, xr.Dataset) else solution[""]
    check_same(run, summary=summary, worst=worst, solution=root)
    if worst is not None and "realization" in worst.dims:
        worst = summarise(worst)
    version = str(run.get("versions", {}).get("abatax", summary.attrs.get("abatax_version", "")))
    date = str(run.get("date", f"{datetime.now(UTC):%Y-%m-%d}"))[:10]  # without the time of the day
    evidence = {name: figure for name, figure in figures.items() if name != "scc"}
    cost = {name: figure for name, figure in figures.items() if name == "scc"}
    checks = [*_validation_rows(validation), *_plausibility_rows(summary)]
    both_planners = "" if neutral is None else ", with and without ambiguity aversion"
    sections = [
        ("answer", "Main results", _answer(summary, neutral, validation, checks)),
        ("figures", "Figures", figure_list(evidence, path)),
        ("cost", "Social cost of carbon" + both_planners, figure_list(cost, path) + scc_table(summary, neutral)),
        ("policies", "Policies compared", comparison_table(summary, neutral, worst, validation, neutral_validation)),
        ("validation", "Validation", _validation(checks)),
        ("parameters", "Parameters", parameters(run, solution)),
        ("reading", "How to read this page, and limits of the model", reading()),
        ("downloads", "Downloads", downloads(path)),
        ("citation", "Citation", citation(run, version, date)),
    ]
    sections = [(key, title, content) for key, title, content in sections if content]
    links = "".join(tag("li", tag("a", escape(title), href=f"#{key}")) for key, title, _ in sections)
    title = f"Optimal climate policy under ambiguity: {run.get('model', 'scenario').replace('_', ' ')}"
    main = "\n".join(
        tag("section", tag("h2", escape(title), id=f"{key}-title") + content, id=key, aria_labelledby=f"{key}-title")
        for key, title, content in sections
    )
    body = "\n".join(
        [
            tag("a", "Skip to the main results", class_="skip", href="#answer"),
            tag("header", tag("h1", escape(title)) + paragraph(_scope(summary, version, date), class_="lead")),
            _banner(run),
            tag("nav", tag("ul", links), aria_label="Contents"),
            tag("main", main),
        ]
    )
    with complete_file(path) as beside:
        beside.write_text(page(title, body), encoding="utf-8")


def _scope(summary: xr.Dataset, version: str, date: str) -> str:
    years, attributes = summary["year"].values, summary.attrs
    count = attributes.get("num_paths")
    paths = "" if count is None else f"{int(count):,} simulated paths, "
    shocks = ", without random shocks" if attributes.get("shocks") == "off" else ""
    measure = attributes.get("measure", "baseline")
    under = "" if measure == "baseline" else f", under the {measure} measure, which is not a forecast"
    text = f"{stance(summary)}. {paths}{int(years[0])} to {int(years[-1])}{shocks}{under}. abatax {version}, {date}."
    return text[:1].upper() + text[1:]


def _banner(run: Mapping[str, Any]) -> str:
    if run.get("converged", True):
        return ""
    residual = run.get("residual_rms")
    size = (
        f" The residual of the equation is {general(float(residual))} (root mean square)."
        if residual is not None
        else ""
    )
    text = f"The numbers on this page belong to an unfinished solution; do not use them.{size} {run.get('advice', '')}"
    return tag("div", tag("strong", "The solver did not converge. ") + escape(text), class_="warning", role="alert")


def _answer(
    summary: xr.Dataset,
    neutral: xr.Dataset | None,
    validation: Sequence[Mapping[str, Any]],
    checks: Sequence[Sequence[str]],
) -> str:
    items = []
    for sentence, notes in headlines(summary, neutral, validation):
        small = "".join(paragraph(note, class_="small") for note in notes)
        items.append(tag("li", paragraph(sentence, class_="sentence") + small))
    flagged = [row[0] for row in checks if row[4] == _FLAGGED]
    count = sum(row[4] != _INFORMS for row in checks)
    if flagged:
        named = ": " + ", ".join(flagged) if len(flagged) <= _NAMED else _where(flagged)
        verdict = f"{len(flagged)} of {count} checks are flagged{named}. See “Validation”."
    else:
        verdict = f"All {count} checks of “Validation” are passed."
    return tag("ul", "\n".join(items), class_="headlines") + paragraph(verdict)


def _where(flagged: Sequence[str]) -> str:
    """The number of flags at states of simulated paths, which matter most for the results."""
    along_paths = sum("along paths" in name for name in flagged)
    return f", {along_paths} of them at states of simulated paths, the others over the whole region"


def figure_list(figures: Mapping[str, SavedFigure], page_path: Path) -> str:
    """Figures with their captions, links and numbers, as markup."""
    shown = []
    for name, figure in figures.items():
        links = ", ".join(
            tag("a", escape(kind), href=_relative(file, page_path))
            for kind, file in (("svg", figure.svg), ("png", figure.png), ("data (csv)", figure.csv))
        )
        picture = inline_svg(figure.svg.read_text(encoding="utf-8"), name, figure.alt)
        text = tag("strong", escape(figure.title)) + escape(figure.caption) + f" {links}"
        numbers = tag("summary", f"Numbers of this figure: {escape(figure.title)}")
        numbers = tag("details", numbers + data_table(figure.title, figure.data))
        place = {"class_": "wide"} if figure.wide else {}
        shown.append(tag("div", tag("figure", picture + tag("figcaption", text)) + numbers, **place))
    return tag("div", "\n".join(shown), class_="figures") if shown else ""


def _relative(file: Path, page_path: Path) -> str:
    return Path(os.path.relpath(file, page_path.parent)).as_posix()


_PASSED, _FLAGGED, _INFORMS = "✓ passed", "⚑ flagged", "for information"


def _verdict(passed: Any) -> str:
    """The verdict of a row; files contain truth values as text, and missing values as NaN."""
    return {"True": _PASSED, "1.0": _PASSED, "False": _FLAGGED, "0.0": _FLAGGED}.get(str(passed), _INFORMS)


def _validation_rows(validation: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    rows = []
    for row in validation:
        value, error, allowed = general(float(row["value"])), row.get("error"), row.get("allowed")
        if error is not None and math.isfinite(float(error)):
            value += f" ± {general(float(error))}"
        limit = "" if allowed is None or not math.isfinite(float(allowed)) else f"up to {general(float(allowed))}"
        unit = "" if row["unit"] == "1" else str(row["unit"])
        words = str(row["name"]).replace("_", " ")
        rows.append([words, value, unit, limit, _verdict(row.get("passed")), str(row["meaning"])])
    return rows


def _plausibility_rows(summary: xr.Dataset) -> list[list[str]]:
    return [
        [
            row["name"],
            significant(row["value"], 3),
            row["unit"],
            f"{general(row['low'])} to {general(row['high'])}",
            _verdict(row["passed"]),
            row["meaning"],
        ]
        for row in plausibility(summary)
    ]


def _validation(checks: Sequence[Sequence[str]]) -> str:
    if not checks:
        return ""
    text = "A flag does not imply an error: it marks a number outside the range in which it needs no explanation."
    return paragraph(text) + table(
        "Checks of the solution", ["Check", "Value", "Unit", "Allowed", "Verdict", "Meaning"], checks, [1]
    )
