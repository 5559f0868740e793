"""The examples in the docstrings of the public names run as they stand."""

import inspect
import re
import textwrap

import pytest

from abatax import scenarios

BLOCK = re.compile(r"^ *```python\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
PUBLIC = {
    name: thing
    for name, thing in vars(scenarios).items()
    if not name.startswith("_") and inspect.isfunction(thing) and thing.__module__.startswith("abatax.scenarios")
}
EXAMPLES = {
    f"{name}-{number}": textwrap.dedent(code)
    for name, thing in PUBLIC.items()
    for number, code in enumerate(BLOCK.findall(inspect.getdoc(thing) or ""))
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_example(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(EXAMPLES[name], name, "exec"), {})


def test_examples_were_found():
    assert len(EXAMPLES) > 20
