"""The generated pages of the site follow from the sources, and say what files contain."""

import importlib.util
import re
import sys
from pathlib import Path

import jax.random as jr
import pytest

import abatax as ab

ROOT = Path(__file__).parents[2]
VARIABLES = ROOT / "docs/scenarios/variables.md"


@pytest.fixture(scope="module")
def generate():
    spec = importlib.util.spec_from_file_location("generate_docs", ROOT / "docs/generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["generate_docs"] = module
    spec.loader.exec_module(module)
    return module


def test_pages_are_fresh(generate):
    stale = [path.name for path, write in generate.PAGES.items() if path.read_text("utf-8") != write().rstrip() + "\n"]
    assert not stale, "run `python docs/generate.py`"


def test_every_parameter_of_every_model_is_explained(generate):
    for name in ab.models.MODELS:
        unexplained = [row[0] for row in generate.parameter_rows(ab.models.default_model(name)) if not row[-1]]
        assert not unexplained, name


def test_every_solver_option_is_explained(generate):
    for name, cls in ab.solvers.SOLVERS.items():
        assert not [row[0] for row in generate.solver_rows(cls) if not row[-1]], name


def test_the_dictionary_has_what_a_solution_and_its_paths_contain():
    page = VARIABLES.read_text(encoding="utf-8")
    solution = ab.solve(ab.HJBProblem(ab.models.LinearQuadratic()), ab.solvers.FiniteDifference(points=21))
    paths = ab.simulate(solution, years=2, num_paths=2, key=jr.key(0))
    for data in (solution.to_dataset(), paths.to_dataset()):
        for variable in data.variables:
            general = re.sub(r"^worst_case_shock_.*", "worst_case_shock_<shock>", str(variable))
            assert f"`{general}`" in page, variable
            if "long_name" in data[variable].attrs and not general.startswith("worst_case"):
                assert data[variable].attrs["long_name"] in page, variable
