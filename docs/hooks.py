"""Hook of the documentation site: short names in cross references.

Docstrings and pages refer to a public name as [`Solution`][]; the API pages list every name in full. The hook completes
the short names, in pages and in docstrings, from the directives of the API pages.
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


class _Complete(Preprocessor):
    def __init__(self, md: Markdown, names: dict[str, str]):
        super().__init__(md)
        self.names = names

    def run(self, lines: list[str]) -> list[str]:
        return [SHORT.sub(self._completed, line) for line in lines]

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
