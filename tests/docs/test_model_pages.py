"""Every model has a page with its declarations and a picture, and every table of measured results is shown on a page."""

import importlib.util
import sys
from pathlib import Path

import pytest

import abatax as ab

DOCS = Path(__file__).parents[2] / "docs"
LARGEST_FIGURE = 60 * 1024  # bytes
SHARED = {"dice2016": "dice", "dice2016_continuous": "dice", "dice2023": "dice"}


@pytest.mark.parametrize("name", ab.models.MODELS)
def test_every_model_has_a_page_with_its_declarations_and_a_figure(name):
    page = (DOCS / f"models/{SHARED.get(name, name)}.md").read_text(encoding="utf-8")
    assert f'--8<-- "docs/models/declarations/{name}.md"' in page
    assert f"../figures/models/{name}.svg" in page
    assert (DOCS / f"figures/models/{name}.svg").stat().st_size < LARGEST_FIGURE


@pytest.mark.parametrize("name", ab.solvers.SOLVERS)
def test_every_solver_has_a_page(name):
    page = (DOCS / f"solvers/{name}.md").read_text(encoding="utf-8")
    assert f"`{ab.solvers.SOLVERS[name].__name__}`" in page


def test_every_table_of_measured_results_is_shown():
    pages = "".join(path.read_text(encoding="utf-8") for path in DOCS.rglob("*.md"))
    unused = [path.name for path in (DOCS / "data").glob("*.csv") if f'"docs/data/{path.stem}.md"' not in pages]
    assert not unused


def test_links_of_measured_results_lead_to_pages():
    spec = importlib.util.spec_from_file_location("generate_docs_for_data", DOCS / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    for row in module.measured("solvers"):
        assert (DOCS / row["source"]).exists(), row
        assert (DOCS.parent / row["command"].split()[1]).exists(), row
        assert row["solver"] in ab.solvers.SOLVERS
    for row in module.measured("published"):
        assert (DOCS / row["section"].split("#")[0]).exists(), row
