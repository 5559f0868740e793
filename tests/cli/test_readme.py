"""The README's examples run and print what it says; its commands exist."""

import contextlib
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(python|text)\n(.*?)```", README, flags=re.DOTALL)
EXAMPLES = [code for kind, code in BLOCKS if kind == "python"]


def run(code):
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
    return shown.getvalue()


def expected_after(code):
    """The output the README prints below an example."""
    following = BLOCKS[[c for _, c in BLOCKS].index(code) + 1]
    assert following[0] == "text"
    return following[1]


def test_the_readme_has_at_most_120_lines():
    assert len(README.splitlines()) <= 120


@pytest.mark.slow
def test_the_ten_line_example_prints_what_the_readme_says():
    assert len(EXAMPLES[0].strip().splitlines()) <= 10
    assert run(EXAMPLES[0]) == expected_after(EXAMPLES[0])


def test_a_model_of_ones_own_takes_forty_lines_and_runs():
    assert len([line for line in EXAMPLES[1].splitlines() if line.strip()]) <= 40
    assert run(EXAMPLES[1]) == expected_after(EXAMPLES[1])


@pytest.mark.parametrize("target", ["run", "test"])
def test_the_two_commands_are_targets_of_the_makefile(target):
    assert f"make {target}" in README
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)


def test_every_relative_link_leads_somewhere():
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        if not link.startswith("http"):
            assert (ROOT / link).exists(), link
