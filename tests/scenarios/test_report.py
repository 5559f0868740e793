"""Figures say what they show; the page is one file, holds the numbers and loads nothing."""

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scenario_cases import synthetic_paths

from abatax import scenarios
from abatax.scenarios.report import with_error
from abatax.scenarios.words import net_zero_year, numerical_error

RUN = {
    "model": "uncertain_damages",
    "parameters": {"ambiguity": {"type": "Ambiguity", "shocks": 1.0, "jumps": "inf"}, "weights": [0.1] * 10},
    "parameter_units": {"ambiguity.shocks": "value units"},
    "solver": {"name": "finite_difference", "points": 41},
    "versions": {"abatax": "0.1.0"},
    "command": "abatax run <file> & more",
    "converged": True,
    "residual_rms": 1.2e-9,
    "seed": 7,
    "date": "2026-01-31",
    "source": "A paper, doi:10.1000/1",
}
VALIDATION = [
    {
        "name": "grid_error_scc",
        "value": 0.0021,
        "unit": "relative L2",
        "allowed": 0.01,
        "meaning": "Grid.",
        "passed": True,
    },
    {
        "name": "domain_change_scc",
        "value": 0.02,
        "unit": "relative L2",
        "allowed": 0.001,
        "meaning": "Box.",
        "passed": False,
    },
    {"name": "order_value", "value": np.nan, "unit": "1", "allowed": None, "meaning": "Order.", "passed": None},
    {"name": "mean_cost", "value": 3.0, "unit": "US$", "meaning": "With an error.", "error": 0.25},
]


def test_what_pages_quote_is_the_error_along_paths():
    def rows(**values):
        return [{"name": name, "value": value} for name, value in values.items()]

    box = {"grid_error_scc": 0.05, "domain_change_scc": 0.02}
    along = {"grid_error_along_paths_scc": 0.003, "domain_change_along_paths_scc": -0.004}
    assert numerical_error(rows(**box), "scc") == 0.05
    assert numerical_error(rows(**box, **along), "scc") == 0.004
    assert numerical_error(rows(**box, **along, error_scc=0.01), "scc") == 0.01
    assert numerical_error(rows(**box, **(along | {"grid_error_along_paths_scc": np.nan})), "scc") == 0.05
    assert numerical_error(rows(**along), "emissions") == 0.0


def synthetic_solution(scale=1.0):
    """Value, emissions and cost on a grid of two states, with margins outside of the region of interest."""
    temperature, capital = np.linspace(-0.5, 3.0, 15), np.linspace(4.0, 7.0, 7)
    dims = ("log_capital", "temperature")
    across = np.ones((7, 1))
    solution = xr.Dataset(
        {
            "value": (dims, -across * temperature**2 + capital[:, None], {"units": "utility", "long_name": "value"}),
            "emissions": (dims, across * (12.0 - temperature), {"units": "GtC/yr", "long_name": "carbon emissions"}),
            "scc": (dims, scale * across * np.exp(temperature), {"units": "US$/tCO2", "long_name": "cost of carbon"}),
            "residual": (dims, 1e-9 * across * temperature),
        },
        {"log_capital": capital, "temperature": temperature},
        {"price_year": 2020},
    )
    solution["temperature"].attrs.update(units="degC", long_name="warming above 1850-1900", region=[0.0, 2.5])
    solution["log_capital"].attrs.update(units="log trillion US$", long_name="log of capital", region="[4.5, 6.5]")
    return solution


class Page(HTMLParser):
    """Elements, ids and attributes of a page, and whether its elements are closed in order."""

    VOID = {"meta", "br", "path", "use", "rect", "line", "circle"}

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.elements = [], [], []
        self.feed(text)

    def handle_starttag(self, name, attributes):
        given = dict(attributes)
        self.elements.append((name, given))
        self.ids += [given["id"]] if "id" in given else []
        if name not in self.VOID:
            self.open.append(name)

    def handle_startendtag(self, name, attributes):
        self.elements.append((name, dict(attributes)))
        self.ids += [dict(attributes)["id"]] if "id" in dict(attributes) else []

    def handle_endtag(self, name):
        if name not in self.VOID:
            assert self.open.pop() == name


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A page with everything on it: its folder, text and figures."""
    folder = tmp_path_factory.mktemp("run")
    summary = scenarios.summarise(synthetic_paths(scale=1.6))
    neutral = scenarios.summarise(synthetic_paths(ambiguity="neutral"))
    worst = synthetic_paths(measure="worst-case", scale=1.6)
    figures = scenarios.save_figures(
        folder / "figures",
        summary=summary,
        solution={"": synthetic_solution(1.6), "after_damage": synthetic_solution()},
        neutral=neutral,
        neutral_solution=synthetic_solution(),
        worst=worst,
    )
    (folder / "run.json").write_text("{}")
    scenarios.write_report(
        folder / "report.html",
        run=RUN,
        summary=summary,
        figures=figures,
        solution=synthetic_solution(),
        neutral=neutral,
        worst=worst,
        validation=VALIDATION,
    )
    return folder, (folder / "report.html").read_text(encoding="utf-8"), figures


def test_every_figure_has_files_words_and_numbers(made):
    folder, _, figures = made
    assert list(figures) == [
        "emissions", "temperature", "jump_damage", "policy_log_capital", "policy_temperature", "scc",
    ]  # fmt: skip
    for name, figure in figures.items():
        assert figure.title and figure.caption and re.search(r"\d", figure.alt)
        assert figure.svg == folder / "figures" / f"{name}.svg" and "<svg" in figure.svg.read_text(encoding="utf-8")
        assert figure.png.read_bytes().startswith(b"\x89PNG")
        pd.testing.assert_frame_equal(pd.read_csv(figure.csv), figure.data, rtol=1e-14, check_dtype=False)


def test_alt_text_states_the_finding(made):
    figures = made[2]
    # medians 10 and 6 GtC a year; the 5 and 95 % quantiles are 0.91 and 1.09 times the median
    assert "falls from 37 to 22" in figures["emissions"].alt and "between 20 and 24" in figures["emissions"].alt
    assert "with ambiguity aversion 160 in 2020" in figures["scc"].alt and "without it 100" in figures["scc"].alt
    assert "has occurred by 2024: 50 %" in figures["jump_damage"].alt


def test_figures_are_the_same_every_time(tmp_path):
    summary = scenarios.summarise(synthetic_paths())
    one, two = (scenarios.save_figures(tmp_path / name, summary=summary)["scc"] for name in "ab")
    assert one.svg.read_bytes() == two.svg.read_bytes()
    assert {path.suffix for path in (tmp_path / "a").iterdir()} == {".svg", ".png", ".csv"}


def test_drawing_leaves_no_global_state():
    import matplotlib

    before = dict(matplotlib.rcParams)
    panel = scenarios.new_panel()
    scenarios.fan(panel.axes[0], scenarios.summarise(synthetic_paths()), "emissions")
    assert dict(matplotlib.rcParams) == before


def test_policy_is_drawn_within_the_region_only():
    line = scenarios.slice_along(synthetic_solution(), "temperature", {"log_capital": 5.0})
    assert line["temperature"].values[[0, -1]].tolist() == [0.0, 2.5] and "residual" not in line
    np.testing.assert_allclose(line["value"], 5.0 - line["temperature"].values ** 2, rtol=1e-14)
    assert scenarios.slice_along(synthetic_solution(), "log_capital")["log_capital"].values[0] == 4.5
    with pytest.raises(ValueError, match="the states are log_capital, temperature"):
        scenarios.slice_along(synthetic_solution(), "emissions")
    panel = scenarios.value_and_policy(synthetic_solution(1.6), synthetic_solution(), state="temperature")
    assert [len(ax.lines) for ax in panel.axes] == [2, 2, 2]


def test_many_policies_stand_side_by_side():
    solution = synthetic_solution()
    extra = {
        f"control_{k}": solution["value"].assign_attrs(long_name="worst-case factor on the rate of a jump")
        for k in range(4)
    }
    panel = scenarios.value_and_policy(solution.assign(extra), state="temperature")
    columns = {round(ax.get_subplotspec().colspan.start) for ax in panel.axes}
    assert (
        len(panel.axes) == 7
        and columns == {0, 1, 2}
        and panel.figure.get_figwidth() > 2 * scenarios.new_panel().figure.get_figwidth()
    )
    assert max(len(row) for ax in panel.axes for row in ax.get_title(loc="left").splitlines()) <= 34


def test_page_loads_nothing(made):
    text = made[1]
    assert not re.search(r"https?:", text)
    assert not re.search(r"@import|<script|<link|<img|<iframe", text)
    for _, given in Page(text).elements:
        for key in ("href", "src", "xlink:href"):
            target = given.get(key) or "#"
            assert target.startswith("#") or (made[0] / target).exists()


def test_page_is_well_formed(made):
    page = Page(made[1])
    assert page.open == [] and len(page.ids) == len(set(page.ids))
    names = [name for name, _ in page.elements]
    assert names.count("h1") == 1 and names.count("main") == 1 and names.count("svg") == 6
    for name, given in page.elements:
        if name == "svg":
            assert given["role"] == "img" and len(given["aria-label"]) > 40
        if name == "th":
            assert given["scope"] in ("row", "col")
        if given.get("href", "").startswith("#"):
            assert given["href"][1:] in page.ids
    for reference in re.findall(r"url\(#([^)]+)\)", made[1]):
        assert reference in page.ids


def test_page_holds_the_numbers(made):
    text = made[1]
    assert "raises the social cost of carbon in 2020 from $100 to $160 per tonne of CO₂ (2020 US$)" in text
    assert "multiply by 3.67: from $370 to $590" in text  # 366.7 and 586.7, to two digits
    assert (
        "Numerical error, from the validation below: about 2 %" in text
    )  # the box, which is larger than that of the grid
    assert "Warming in 2024: 1.3 °C above 1850–1900 (median; 90 % of simulated paths: 1.2 to 1.4 °C)" in text
    assert "it would be optimal to emit 22.0 GtCO₂ in 2024" in text
    assert "The damage has occurred by 2024 on 50 % of simulated paths" in text
    assert "Monte Carlo standard error: 5.0 percentage points" in text
    assert "ambiguity.shocks" in text and "value units" in text and "∞" in text
    assert "10 values from 0.1 to 0.1, mean 0.1" in text
    assert "3 ± 0.25" in text and "⚑ flagged" in text and "✓ passed" in text
    assert "abatax run &lt;file&gt; &amp; more" in text and "<file>" not in text
    assert "doi:10.1000/1" in text and "2026-01-31" in text
    assert 'href="run.json"' in text and 'href="scenario.csv"' not in text
    assert "did not converge" not in text and 'role="alert"' not in text


def test_wording(made):
    visible = re.sub(r"<[^>]+>", " ", re.sub(r"<(style|svg).*?</\1>", "", made[1], flags=re.DOTALL))
    assert not re.search(r"\blikely\b", visible)


def test_sections_are_in_order(made):
    order = [given["id"] for name, given in Page(made[1]).elements if name == "section"]
    assert order == [
        "answer", "figures", "cost", "policies", "validation", "parameters", "reading", "downloads", "citation",
    ]  # fmt: skip


def test_unfinished_solution_is_announced(tmp_path):
    summary = scenarios.summarise(synthetic_paths(ambiguity="neutral"))
    run = {"model": "ak_climate", "converged": False, "advice": "Take <more> points."}
    scenarios.write_report(tmp_path / "report.html", run=run, summary=summary, figures={})
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert 'role="alert"' in text and "did not converge" in text and "Take &lt;more&gt; points." in text
    assert text.index('role="alert"') < text.index("Main results")
    assert "Without ambiguity aversion the social cost of carbon in 2020 is $100" in text
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_policies_are_compared_with_error_bars(tmp_path):
    averse, neutral = (scenarios.summarise(synthetic_paths(ambiguity=kind)) for kind in ("averse", "neutral"))
    other = [row | {"value": 0.005} for row in VALIDATION if row["name"] == "grid_error_scc"]
    page = tmp_path / "report.html"
    scenarios.write_report(
        page, run={}, summary=averse, neutral=neutral, figures={}, validation=VALIDATION, neutral_validation=other
    )
    text = page.read_text(encoding="utf-8")
    # the larger of grid (0.2 %) and box (2 %) for the averse planner; half a percent, and sampling, for the other
    assert "100 ± 2" in text and "100.0 ± 0.8" in text
    assert "Median of emissions below 5 % of its initial value" in text


@pytest.mark.parametrize(
    "value, error, text",
    [(40.4273, 0.21, "40.4 ± 0.2"), (40.4273, 0.034, "40.43 ± 0.03"), (120.0, 3.2, "120 ± 3"), (1.5, 0.0, "1.50")],
)
def test_a_number_is_shown_to_the_digits_that_its_error_leaves(value, error, text):
    assert with_error(value, error) == text


def test_net_zero_is_a_twentieth_of_the_start():
    summary = scenarios.summarise(synthetic_paths())
    shape = summary["emissions"].shape
    falling = np.broadcast_to(np.linspace(1.0, 0.0, shape[1]), shape)
    summary["emissions"] = (summary["emissions"].dims, 10.0 * falling, summary["emissions"].attrs)
    first = int(summary["year"].values[np.flatnonzero(falling[0] <= 0.05)[0]])
    assert net_zero_year(summary) == first


def test_validation_read_from_a_file(tmp_path):
    pd.DataFrame(VALIDATION).to_csv(tmp_path / "validation.csv", index=False)
    rows = pd.read_csv(tmp_path / "validation.csv").to_dict("records")
    summary = scenarios.summarise(synthetic_paths())
    scenarios.write_report(tmp_path / "report.html", run={}, summary=summary, figures={}, validation=rows)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert text.count("⚑ flagged") == 2  # the box, and the paths outside of it
    assert text.count("for information") == 2


def test_of_many_flags_the_answer_says_where_they_are(tmp_path):
    names = [f"grid_error_{n}" for n in range(4)] + [f"grid_error_along_paths_{n}" for n in range(2)]
    rows = [{"name": n, "value": 0.2, "unit": "1", "allowed": 0.01, "meaning": "", "passed": False} for n in names]
    summary = scenarios.summarise(synthetic_paths())
    scenarios.write_report(tmp_path / "report.html", run={}, summary=summary, figures={}, validation=rows)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "checks are flagged, 2 of them at states of simulated paths, the others over" in text


def test_a_single_path_and_a_model_without_climate(tmp_path):
    paths = synthetic_paths(num_paths=1, ambiguity="neutral").assign_attrs(shocks="off")
    summary = scenarios.summarise(paths[["log_capital", "output"]])
    figures = scenarios.save_figures(tmp_path / "figures", summary=summary)
    assert figures == {} and scenarios.headlines(summary) == []
    summary = scenarios.summarise(paths)
    figures = scenarios.save_figures(tmp_path / "figures", summary=summary)
    assert "90 %" not in figures["temperature"].alt
    scenarios.write_report(tmp_path / "report.html", run={"converged": True}, summary=summary, figures=figures)
    assert "without random shocks" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_numbers_that_are_missing_are_dashes(tmp_path):
    paths = synthetic_paths()
    paths["scc"][:] = np.nan
    summary = scenarios.summarise(paths)
    figures = scenarios.save_figures(tmp_path, summary=summary, neutral=summary)
    scenarios.write_report(tmp_path / "report.html", run={}, summary=summary, figures=figures, neutral=summary)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "nan" not in re.sub(r"<[^>]+>", " ", text).lower().split()


def test_plausibility():
    rows = {row["name"]: row for row in scenarios.plausibility(scenarios.summarise(synthetic_paths(scale=10.0)))}
    assert rows["Social cost of carbon in 2020"]["passed"] is False
    assert rows["Paths outside the grid"]["value"] == pytest.approx(100.0 * 10 / 101)
