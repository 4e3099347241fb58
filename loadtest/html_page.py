"""The frame of our HTML reports: one file, no outside resource, readable in light and in dark."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --faint: #5b6675; --paper: #ffffff; --card: #f5f7fa; --rule: #dbe1e8;
  --line-1: #1f6feb; --line-2: #c2410c; --line-3: #15803d; --good: #15803d; --bad: #b42318; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --faint: #9aa5b4; --paper: #11161d; --card: #1a212b;
  --rule: #2e3946; --line-1: #6cb0ff; --line-2: #ffa657; --line-3: #5fd38d; --good: #5fd38d; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 62rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 2.25rem 0 .5rem; }
p { margin: .25rem 0 .75rem; max-width: 48rem; } .faint { color: var(--faint); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--rule); text-align: right; vertical-align: top; }
th:first-child, td:first-child { text-align: left; } thead th { color: var(--faint); font-weight: 600; }
.good { color: var(--good); font-weight: 600; } .bad { color: var(--bad); font-weight: 600; }
figure { margin: 0; padding: .75rem; background: var(--card); border-radius: .5rem; }
svg { display: block; width: 100%; }
svg text { fill: var(--ink); font: 12px system-ui, sans-serif; } svg .tick, svg .label { fill: var(--faint); }
svg .grid { stroke: var(--rule); fill: none; } svg .curve { fill: none; stroke-width: 2; }
svg .line-1 { stroke: var(--line-1); } svg .line-2 { stroke: var(--line-2); }
svg .line-3 { stroke: var(--line-3); }
svg .dot { stroke: none; } svg .dot.line-1 { fill: var(--line-1); } svg .dot.line-2 { fill: var(--line-2); }
svg .dot.line-3 { fill: var(--line-3); } svg text.name { stroke: none; font-weight: 600; }
svg text.line-1 { fill: var(--line-1); } svg text.line-2 { fill: var(--line-2); }
svg text.line-3 { fill: var(--line-3); }
svg .mark { stroke: var(--ink); stroke-width: 1.5; } svg .mark.aim { stroke-dasharray: 3 2; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; }
dt { color: var(--faint); } dd { margin: 0; }
"""


def page(title: str, lead: str, sections: Iterable[str]) -> str:
    """Return a whole document; `sections` are markup, `title` and `lead` are text."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head>\n<body><h1>{escape(title)}</h1>\n"
        f'<p class="faint">{escape(lead)}</p>\n{"".join(sections)}</body></html>\n'
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; `head` is text, the cells of `rows` are markup."""
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>\n" for row in rows)
    return f'<div class="wide"><table><thead><tr>{names}</tr></thead><tbody>\n{lines}</tbody></table></div>\n'


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Return a list of named facts; both sides are text."""
    return "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>\n" for name, text in pairs) + "</dl>\n"


def figure(title: str, drawing: str, note: str = "") -> str:
    """Return a titled drawing; `drawing` is markup, the rest text."""
    below = f'<p class="faint">{escape(note)}</p>' if note else ""
    return f"<h2>{escape(title)}</h2>\n<figure>{drawing}</figure>{below}\n"
