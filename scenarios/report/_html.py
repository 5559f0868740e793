"""Elements of a self-contained page: escaped text, tables, figures as inline SVG, styles."""

import re
from collections.abc import Iterable, Sequence
from html import escape

import pandas as pd

from ..words import significant

STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem; max-width: 64rem; background: #fff; color: #1a1a1a;
  font: 1rem/1.55 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: .5rem 0; }
h2 { font-size: 1.35rem; margin: 2.5rem 0 .75rem; padding-top: .5rem; border-top: 2px solid #3b2a7a; }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .5rem; }
p, li { max-width: 46rem; }
a { color: #1c3f94; }
a:focus-visible, summary:focus-visible, .scroll:focus-visible { outline: 3px solid #a8480a; outline-offset: 2px; }
.skip { position: absolute; left: -99rem; }
.skip:focus { left: 1rem; top: 1rem; background: #fff; padding: .5rem; }
.lead, .small { color: #444; }
.small { font-size: .875rem; }
nav ul { list-style: none; display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; padding: 0; }
.headlines { list-style: none; padding: 0; margin: 1rem 0; }
.headlines > li { border-left: .4rem solid #3b2a7a; padding: .25rem 0 .25rem 1rem; margin: 1.25rem 0; max-width: 50rem; }
.headlines p { margin: .15rem 0; }
.headlines .sentence { font-size: 1.25rem; line-height: 1.4; font-weight: 600; }
.warning { border: 3px solid #9b1c1c; background: #fdf1f0; padding: .75rem 1rem; margin: 1rem 0; }
.warning strong { color: #7d1414; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: 1.5rem 2rem; }
figure { margin: 0; max-width: 30rem; break-inside: avoid; }
.wide { grid-column: 1 / -1; }
.wide figure { max-width: none; }
figure svg { width: 100%; height: auto; display: block; }
figure svg * { stroke-linejoin: round; stroke-linecap: butt; }
figcaption { font-size: .875rem; color: #333; }
figcaption strong { display: block; font-size: 1rem; color: #1a1a1a; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; margin: .5rem 0; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: .25rem 0; }
tbody th { font-weight: 500; }
th, td { text-align: left; vertical-align: top; padding: .3rem .9rem .3rem 0; border-bottom: 1px solid #bbb; }
thead th { border-bottom: 2px solid #444; vertical-align: bottom; }
td.number, th.number { text-align: right; }
td.number { white-space: nowrap; }
td.flag { font-weight: 700; color: #7d1414; white-space: nowrap; }
td.pass { color: #14532d; white-space: nowrap; }
summary { cursor: pointer; padding: .25rem 0; }
code { font-family: ui-monospace, "DejaVu Sans Mono", Consolas, monospace; font-size: .9em; overflow-wrap: anywhere; }
@page { size: A4; margin: 18mm 16mm; }
@media print {
  body { font-size: 10pt; padding: 0; max-width: none; }
  nav, .skip, details { display: none; }
  h2 { break-after: avoid; }
  table { font-size: 8.5pt; }
  tr { break-inside: avoid; }
  .scroll { overflow: visible; }
  .figures { display: block; }
  .figures > div { margin-bottom: 1rem; }
}
"""


def tag(name: str, content: str, **attributes: str) -> str:
    """An element around existing markup; attribute values are escaped, and `class_` becomes `class`."""
    markup = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(v)}"' for key, v in attributes.items())
    return f"<{name}{markup}>{content}</{name}>"


def paragraph(text: str, **attributes: str) -> str:
    """A paragraph of plain text."""
    return tag("p", escape(text), **attributes)


def table(caption: str, header: Sequence[str], rows: Iterable[Sequence[str]], numeric: Iterable[int] = ()) -> str:
    """A table of plain text with a caption; the first column contains the names of the rows.

    **Arguments:**

    - `caption`: the caption, which is also the name of the scrollable region.
    - `header`: names of the columns.
    - `rows`: cells as text.
    - `numeric`: columns aligned to the right.
    """
    numeric = set(numeric)
    kind = [{"class_": "number"} if n in numeric else {} for n in range(len(header))]
    head = "".join(tag("th", escape(text), scope="col", **kind[n]) for n, text in enumerate(header))
    body = []
    for row in rows:
        cells = [tag("th", escape(row[0]), scope="row")]
        for n, text in enumerate(row[1:], 1):
            verdict = {"flagged": {"class_": "flag"}, "passed": {"class_": "pass"}}.get(text[2:], kind[n])
            cells.append(tag("td", escape(text), **verdict))
        body.append(tag("tr", "".join(cells)))
    whole = tag("caption", escape(caption)) + tag("thead", tag("tr", head)) + tag("tbody", "\n".join(body))
    return tag("div", tag("table", whole), class_="scroll", tabindex="0", role="region", aria_label=caption)


def data_table(caption: str, data: pd.DataFrame, rows: int = 40) -> str:
    """A data frame as a table; a long data frame is reduced to every fifth row and the last row."""
    shown = data
    if len(data) > rows:
        shown = data.iloc[sorted({*range(0, len(data), 5), len(data) - 1})]
        caption += ", every fifth row"
    cells = [[_cell(value) for value in row] for row in shown.itertuples(index=False)]
    return table(caption, [str(c) for c in data.columns], cells, range(1, len(data.columns)))


def _cell(value: object) -> str:
    return significant(value, 4) if isinstance(value, float) else str(value)


def inline_svg(text: str, prefix: str, alt: str) -> str:
    """An SVG file as an element of the page, without prolog and namespaces, with unique ids and the description `alt`."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<style[^>]*>.*?</style>", "", text, flags=re.DOTALL)
    opening, rest = text.split(">", 1)
    opening = re.sub(r'\s(?:xmlns(?::\w+)?|width|height|version)="[^"]*"', "", opening)
    rest = re.sub(r'\bid="', f'id="{prefix}-', rest)
    rest = rest.replace("url(#", f"url(#{prefix}-").replace('xlink:href="#', f'href="#{prefix}-')
    return f'{opening} role="img" aria-label="{escape(alt)}" focusable="false">{rest}'


def page(title: str, body: str) -> str:
    """A complete page."""
    head = '<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    head += tag("title", escape(title)) + tag("style", STYLE)
    return f'<!doctype html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{body}\n</body>\n</html>\n'
