"""Hook of the documentation site: what docstrings and pages may write in short.

- Cross references name a public name as [`Solution`][]; the full name comes from the directives of the API pages.
- A dollar sign in `US$` is a currency, not the start of a formula.
- Two displayed formulas may follow each other without an empty line.
"""

import re
from pathlib import Path

from markdown import Extension, Markdown
from markdown.preprocessors import Preprocessor

DIRECTIVE = re.compile(r"^::: (abatax\.\S+)$", re.MULTILINE)
SHORT = re.compile(r"\[`([A-Za-z_0-9.]+)`\]\[\]")


def full_names(api: Path) -> dict[str, str]:
    """Full name by last part, for names that occur once; the name nearest to the root counts where both are listed."""
    names: dict[str, list[str]] = {}
    for page in sorted(api.glob("*.md")):
        for full in DIRECTIVE.findall(page.read_text(encoding="utf-8")):
            names.setdefault(full.rpartition(".")[2], []).append(full)
    return {short: full[0] for short, full in names.items() if len(full) == 1}


def _currency(line: str) -> str:
    """The line with the dollar sign of `US$` escaped, except in code."""
    parts = line.split("`")  # code is at odd places
    return "`".join(part if place % 2 else part.replace("US$", "US\\$") for place, part in enumerate(parts))


class _Complete(Preprocessor):
    def __init__(self, md: Markdown, names: dict[str, str]):
        super().__init__(md)
        self.names = names

    def run(self, lines: list[str]) -> list[str]:
        result: list[str] = []
        fenced = False
        for line in lines:
            fence = line.lstrip().startswith("```")
            fenced ^= fence
            if not (fenced or fence):
                line = SHORT.sub(self._completed, _currency(line))
                if result and result[-1].endswith("$$") and line.lstrip().startswith("$$"):
                    result.append("")
            result.append(line)
        return result

    def _completed(self, match: re.Match[str]) -> str:
        short, _, member = match[1].partition(".")
        full = self.names.get(short, short)
        return f"[`{match[1]}`][{full}{'.' + member if member else ''}]"


class ShortNames(Extension):
    """Complete short names of the API in cross references."""

    def __init__(self, names: dict[str, str]):
        super().__init__()
        self.names = names

    def extendMarkdown(self, md: Markdown) -> None:
        md.preprocessors.register(_Complete(md, self.names), "abatax-short-names", 30)


def on_config(config):
    config.markdown_extensions.append(ShortNames(full_names(Path(config.docs_dir) / "api")))
    return config
