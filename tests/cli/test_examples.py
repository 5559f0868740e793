"""The examples in the docstrings of the public names run as they stand."""

import inspect
import re
import textwrap

import pytest

from abatax import models, neural_operators, scenarios, solvers, validation

BLOCK = re.compile(r"^ *```python\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
FOLDERS = (models, neural_operators, scenarios, solvers, validation)
PUBLIC = {
    f"{folder.__name__.removeprefix('abatax.')}.{name}": thing
    for folder in FOLDERS
    for name, thing in vars(folder).items()
    if not name.startswith("_")
    and (inspect.isfunction(thing) or inspect.isclass(thing))
    and thing.__module__.startswith(folder.__name__)
}
EXAMPLES = {
    f"{name}-{number}": textwrap.dedent(code)
    for name, thing in PUBLIC.items()
    for number, code in enumerate(BLOCK.findall(inspect.getdoc(thing) or ""))
}


# Examples that train networks or solve twice take most of the time. Of the architectures, which have the same interface, one
# is enough beside their own tests.
SLOW = (
    "validation.MultiRegionExact",
    "solvers.DeepGalerkin",
    "solvers.PolicyIteration",
    "solvers.GaussNewton",
    "scenarios.compare",
    "scenarios.full_run",
    "validation.Comparison",
    "scenarios.save_tornado",
    "scenarios.path_dataset",
    "scenarios.ReferenceStore",
    "validation.validate",
    "solvers.NetworkValue",
    *(f"neural_operators.{name}" for name in "Additive Concave DGM GLU KAN Monotone Separable".split()),
    "models.Dice2016",
)


def _case(name: str):
    return pytest.param(name, marks=[pytest.mark.slow] if name.rpartition("-")[0] in SLOW else [])


@pytest.mark.parametrize("name", [_case(name) for name in EXAMPLES])
def test_example(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(EXAMPLES[name], name, "exec"), {})


def test_examples_were_found():
    assert len(EXAMPLES) > 40


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_have_a_docstring_of_their_own(name):
    assert PUBLIC[name].__doc__, name
