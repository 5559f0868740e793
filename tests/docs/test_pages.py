"""What pages print below a block of Python is what the block prints."""

import contextlib
import io
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```$(?:(?!^```).)*?^```text\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PRINTED = {
    f"{page.relative_to(DOCS)}-{number}": pair
    for page in sorted(DOCS.rglob("*.md"))
    for number, pair in enumerate(BLOCK.findall(page.read_text(encoding="utf-8")))
}


def test_the_first_result_is_on_the_first_page():
    assert "index.md-0" in PRINTED


@pytest.mark.slow
@pytest.mark.parametrize("name", PRINTED)
def test_pages_print_what_the_code_prints(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, expected = PRINTED[name]
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        exec(compile(code, name, "exec"), {"__name__": "page"})
    assert shown.getvalue() == expected
