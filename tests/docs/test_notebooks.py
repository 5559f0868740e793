"""Notebooks are stored executed, thin, and with a place on the site."""

import contextlib
import importlib.util
import io
import json
import os
import re
from pathlib import Path

import matplotlib
import pytest

import abatax as ab

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
MOST_LINES = 90  # of code in a notebook, without empty lines
MOST_BYTES = 60_000  # of a figure
PRIVATE = re.compile(r"(?:/(?:home|root|tmp|work|Users|var|usr|opt)/|[A-Z]:\\\\)[\w.-]")


def _code_hash(notebook):
    spec = importlib.util.spec_from_file_location("freshness", FOLDER / "freshness.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.code_hash(notebook)


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return json.loads(request.param.read_text(encoding="utf-8"))


def _code(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def _outputs(notebook):
    return [output for cell in _code(notebook) for output in cell["outputs"]]


def test_code_is_the_code_that_was_executed(notebook):
    advice = "run `python notebooks/execute.py NAME`"
    assert notebook["metadata"]["abatax"] == {"code": _code_hash(notebook), "version": ab.__version__}, advice


def test_every_cell_was_executed_in_order(notebook):
    assert [cell["execution_count"] for cell in _code(notebook)] == list(range(1, len(_code(notebook)) + 1))


def test_no_cell_failed_or_warned(notebook):
    assert not [o for o in _outputs(notebook) if o["output_type"] == "error" or o.get("name") == "stderr"]


def test_figures_are_shown_and_small(notebook):
    figures = [o["data"]["image/png"] for o in _outputs(notebook) if "image/png" in o.get("data", {})]
    assert figures
    assert max(3 * len(figure) // 4 for figure in figures) <= MOST_BYTES


def test_nothing_of_the_machine_is_stored(notebook):
    assert set(notebook["metadata"]) == {"abatax", "kernelspec", "language_info"}
    for output in _outputs(notebook):
        output.get("data", {}).pop("image/png", None)
        assert not any("widget" in kind for kind in output.get("data", {}))
    match = PRIVATE.search(json.dumps(notebook))
    assert match is None, match


def test_notebooks_are_thin(notebook):
    lines = [line for cell in _code(notebook) for line in "".join(cell["source"]).splitlines() if line.strip()]
    assert len(lines) <= MOST_LINES


def test_text_says_first_what_the_reader_can_do(notebook):
    title, _, text = "".join(notebook["cells"][0]["source"]).partition("\n\n")
    assert title.startswith("# ") and text.startswith("After this notebook you can ")


def test_figures_are_followed_by_what_they_show(notebook):
    for cell, following in zip(notebook["cells"], [*notebook["cells"][1:], None], strict=True):
        if any("image/png" in output.get("data", {}) for output in cell.get("outputs", [])):
            assert following is not None and following["cell_type"] == "markdown"
            assert "".join(following["source"]).startswith("*"), "a caption follows the figure"


def test_pages_that_are_linked_exist(notebook):
    text = "\n".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    for link in re.findall(r"\]\(([^)]+)\)", text):
        if not link.startswith("https://"):
            page = Path(os.path.normpath(ROOT / "docs/notebooks" / link.partition("#")[0]))  # docs/notebooks is a link
            assert page.with_suffix(".md").exists() or page.with_suffix(".ipynb").exists(), link


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_is_on_the_site(path):
    assert f"notebooks/{path.name}" in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert f"({path.name})" in (FOLDER / "README.md").read_text(encoding="utf-8")


NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(e[-+]\d+)?")


def _differs(stored, printed):
    """Whether printed text is other than the stored text: numbers may differ by 1 %, errors (1.2e-07) by a factor of ten."""
    if NUMBER.sub("#", stored) != NUMBER.sub("#", printed):
        return True
    for old, new in zip(NUMBER.finditer(stored), NUMBER.finditer(printed), strict=True):
        close = {"rel": 0.01, "abs": 0.01} if old[1] is None else {"rel": 9.0}
        if float(new[0]) != pytest.approx(float(old[0]), **close):
            return True
    return False


def test_text_with_other_numbers_differs():
    stored = "network  error 2.3e-06, cost 37.1"
    assert not _differs(stored, "network  error 1.1e-06, cost 37.2")
    assert _differs(stored, "network  error 2.3e-06, cost 39.1")
    assert _differs(stored, "network  error 2.3e-04, cost 37.1")
    assert _differs(stored, "network  fault 2.3e-06, cost 37.1")


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_print_what_is_stored(path, tmp_path, monkeypatch):
    from matplotlib import pyplot

    matplotlib.use("Agg")
    monkeypatch.chdir(tmp_path)
    scope = {"__name__": path.stem}
    for number, cell in enumerate(_code(json.loads(path.read_text(encoding="utf-8"))), 1):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile("".join(cell["source"]), f"{path.stem}, cell {number}", "exec"), scope)
        stored = "".join("".join(output["text"]) for output in cell["outputs"] if output["output_type"] == "stream")
        assert not _differs(stored, printed.getvalue()), f"cell {number} prints {printed.getvalue()}"
    pyplot.close("all")
