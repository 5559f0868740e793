"""The files of a comparison: table, dataset, figures and one self-contained page."""

import json
import math
from html import escape
from pathlib import Path

from ...common import complete_file
from ...validation import Comparison
from ...validation.comparison import rows_of
from ..figures import SavedFigure, save_comparison_figures
from ..labels import write_netcdf
from ..words import Records, general, label_of, sentences, significant
from ._html import page, paragraph, table, tag
from ._report import figure_list


def write_comparison(comparison: Comparison, folder: Path) -> None:
    """Write `comparison.csv`, `comparison.nc`, `figures/` and, last, `comparison.html`."""
    with complete_file(folder / "comparison.csv") as beside:
        comparison.table.to_csv(beside, index=False)
    write_netcdf(comparison.to_dataset(), folder / "comparison.nc")
    figures = save_comparison_figures(comparison, folder / "figures")
    with complete_file(folder / "comparison.html") as beside:
        beside.write_text(comparison_page(comparison, figures, folder / "comparison.html"), encoding="utf-8")


def comparison_page(comparison: Comparison, figures: dict[str, SavedFigure], path: Path) -> str:
    """The page: results in sentences, the ranking, figures, all runs, tuning, and an explanation of the terms."""
    name = comparison.about["model"].replace("_", " ")
    sections = [
        ("answer", "Results", _answer(sentences(comparison))),
        ("ranking", "Ranking", _ranking(comparison)),
        ("figures", "Figures", figure_list(figures, path)),
        ("runs", "Every run", _runs(comparison)),
        ("tuning", "Tuning", _tuning(rows_of(comparison.table))),
        ("failures", "Failures", _failures(rows_of(comparison.table))),
        ("reference", "The reference", _reference(comparison)),
        ("reading", "How to read this page", _reading()),
        ("downloads", "Downloads", _downloads()),
    ]
    sections = [(key, title, content) for key, title, content in sections if content]
    title = f"Solvers and architectures compared: {name}"
    links = "".join(tag("li", tag("a", escape(text), href=f"#{key}")) for key, text, _ in sections)
    main = "\n".join(
        tag("section", tag("h2", escape(text), id=f"{key}-title") + content, id=key, aria_labelledby=f"{key}-title")
        for key, text, content in sections
    )
    about = comparison.about
    each = f"{about['budget_seconds']:g} s" if about["budget_seconds"] else f"{about['budget_steps']} steps"
    seeds = "one seed" if about["seeds"] == 1 else f"{about['seeds']} seeds"
    lead = f"{seeds.capitalize()}, {each} and about {about['parameters']} parameters for every network."
    body = [
        tag("a", "Skip to the results", class_="skip", href="#answer"),
        tag("header", tag("h1", escape(title)) + paragraph(lead, class_="lead")),
        tag("nav", tag("ul", links), aria_label="Contents"),
        tag("main", main),
    ]
    return page(title, "\n".join(body))


def _answer(results: list[str]) -> str:
    first = tag("ul", tag("li", paragraph(results[0], class_="sentence")), class_="headlines")
    return first + "\n".join(paragraph(text) for text in results[1:])


def _ranking(comparison: Comparison) -> str:
    rows = []
    constant = comparison.target.constant_errors()["constant_policy_error"]
    for row in rows_of(comparison.summary):
        rows.append(
            [
                label_of(row),
                str(row["rank"]) if row["rank"] else "–",
                _number(row["policy_error"]),
                f"{_number(row['policy_error_low'])} to {_number(row['policy_error_high'])}"
                if row["runs"] > 1
                else "–",
                significant(row["p_value"]) if math.isfinite(row["p_value"]) else "–",
                _seconds(row["seconds"]),
                f"{row['runs'] - row['failed']} of {row['runs']}",
                _number(row["value_error"]),
                _number(row["gradient_error"]),
                _number(row["residual_rms"]),
                _number(row["welfare_loss"]),
                _number(row["exits"]),
            ]
        )
    rows.append(["best constant policy", "–", _number(constant), *["–"] * 9])
    header = ["Solver, architecture", "Rank", "Policy error", "Quartiles", "p against the best", "Seconds", "Runs"]
    header += ["Value error", "Gradient error", "Residual", "Welfare loss, %", "Exits"]
    return table("Medians over the seeds, ordered by the policy error", header, rows, range(1, len(header)))


def _runs(comparison: Comparison) -> str:
    controls, runs, rows = comparison.target.controls, rows_of(comparison.table), []
    for row in runs:
        if row["failure"]:
            continue
        cells = [label_of(row), str(row["seed"]), f"{row['parameters']:.0f}", f"{row['steps']:.0f}"]
        cells += [_seconds(row["seconds"]), _seconds(row["compile_seconds"]), _number(row["value_error"])]
        cells += [_number(row["gradient_error"]), *(_number(row[f"policy_error_{name}"]) for name in controls)]
        cells += [_number(row["residual_rms"]), _number(row["residual_max"]), str(row["result"]).replace("_", " ")]
        rows.append(cells)
    constant = [_number(comparison.target.constant_errors()[f"constant_policy_error_{name}"]) for name in controls]
    rows.append(["best constant policy", *["–"] * 7, *constant, *["–"] * 3])
    header = [
        "Solver, architecture",
        "Seed",
        "Parameters",
        "Steps",
        "Seconds",
        "Compilation, s",
        "Value error",
        "Gradient error",
    ]
    header += [f"Error of {name.replace('_', ' ')}" for name in controls] + [
        "Residual, rms",
        "Residual, largest",
        "Result",
    ]
    notes = sorted({note for row in runs if (note := row["note"])})
    text = "".join(paragraph(f"{note[0].upper()}{note[1:]}.", class_="small") for note in notes)
    return table("All runs that ended", header, rows, range(1, len(header) - 1)) + text


def _tuning(rows: Records) -> str:
    tuned = {label_of(row): row for row in rows if row["tuning_trials"] > 0}
    if not tuned:
        return ""
    cells = []
    for label, row in tuned.items():
        chosen = json.loads(row["options"])
        options = chosen["architecture"] | chosen["solver"]
        text = ", ".join(f"{key} {value}" for key, value in options.items()) or "the defaults"
        trials = f"{row['tuning_trials']:.0f}"
        cells.append([label, trials, _seconds(row["tuning_seconds"]), _seconds(row["tuning_compile_seconds"]), text])
    text = "A random search with a quarter of the budget per trial and separate seeds. The criterion is the residual on fresh points;"
    text += " the reference is not used. The seconds above do not include the search."
    header = ["Solver, architecture", "Trials", "Seconds", "Compilation, s", "Chosen"]
    return paragraph(text) + table("Tuning of each architecture", header, cells, [1, 2, 3])


def _failures(rows: Records) -> str:
    failed = [row for row in rows if row["failure"]]
    if not failed:
        return ""
    cells = [[label_of(row), str(row["seed"]), str(row["failure"])] for row in failed]
    return table("Runs that failed", ["Solver, architecture", "Seed", "Reason"], cells)


def _reference(comparison: Comparison) -> str:
    target = comparison.target
    text = paragraph(f"Errors are distances to {target.source}.")
    if not target.errors:
        return text
    cells = [[name.replace("_", " "), _number(error)] for name, error in target.errors.items()]
    return text + table("Estimated errors of the reference itself (relative L2)", ["Quantity", "Error"], cells, [1])


_READING = (
    (
        "Error",
        "root mean square distance to the reference, relative to the root mean square of the reference, on fresh points of"
        " the region of interest; the value is centred, slopes are measured per length of the region; the policy error is the"
        " root mean square over the controls",
    ),
    (
        "Best constant policy",
        "the error of the mean of the reference's policy: a method with a similar error has learnt nothing",
    ),
    (
        "Equal budget",
        "the same seconds for each regime, or the same number of training steps, and the same number of parameters; compilation and"
        " measurements during training are not included, whereas the monotone finite-difference start of networks is; a solver that"
        " reaches its own tolerance ends earlier; programs are compiled once for all seeds, mostly in the first run of a pair",
    ),
    (
        "Residual",
        "the residual of the equation on fresh points, relative to the discount rate and the range of the value; a small residual does"
        " not imply a small error",
    ),
    (
        "Welfare loss",
        "the welfare loss from following the policy until the first jump, in % of consumption, computed from the Hamiltonian of"
        " the reference along simulated paths",
    ),
    ("Exits", "share of simulated paths that leave the computational box"),
    (
        "Result",
        "the result code of the solver; a network that used up its budget may be accurate although it has not converged",
    ),
)


def _reading() -> str:
    return tag("dl", "".join(tag("dt", tag("strong", escape(a))) + tag("dd", escape(b)) for a, b in _READING))


def _downloads() -> str:
    files = {
        "comparison.csv": "one row for every run",
        "comparison.nc": "table, curves, slices and residual maps, NetCDF",
    }
    return tag("ul", "".join(tag("li", tag("a", name, href=name) + f": {text}") for name, text in files.items()))


def _number(value: float) -> str:
    return general(float(f"{value:.3g}")) if math.isfinite(value) else "–"


def _seconds(value: float) -> str:
    return f"{value:.1f}" if math.isfinite(value) else "–"
