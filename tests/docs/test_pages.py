"""What pages print below a block of Python is what the block prints.

The blocks of a page share one namespace, as a reader would run them. Output that depends on the machine (seconds, rounding
errors) is in a block of its own kind, `console`, and is not compared.
"""

import contextlib
import io
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(page):
    """The blocks of Python of a page, each with the output below it or None."""
    fences = FENCE.findall(page.read_text(encoding="utf-8"))
    followers = [*fences[1:], ("", "")][: len(fences)]
    return [
        (text, after if next_kind == "text" else None)
        for (kind, text), (next_kind, after) in zip(fences, followers, strict=True)
        if kind == "python"
    ]


PAGES = [page for page in sorted(DOCS.rglob("*.md")) if any(printed is not None for _, printed in blocks(page))]
REPRESENTATIVE = ("index.md", "getting_started.md")


def test_the_first_pages_print_results():
    assert {DOCS / name for name in REPRESENTATIVE} <= set(PAGES)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_pages_print_what_the_code_prints(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "page"}
    for code, expected in blocks(page):
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown):
            exec(compile(code, page.name, "exec"), namespace)
        assert expected is None or shown.getvalue() == expected


def test_the_glossary_is_alphabetical_and_has_each_term_once():
    terms = re.findall(r"^\*\*(.+?)\*\*", (DOCS / "glossary.md").read_text(encoding="utf-8"), re.MULTILINE)
    folded = [term.lower() for term in terms]
    assert len(terms) >= 60 and folded == sorted(set(folded))
