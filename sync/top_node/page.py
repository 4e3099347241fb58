"""The simulator's page for people: streams, the newest rows, the newest rejections."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

_STYLE: Final = """
body { font: 15px/1.5 system-ui, "Noto Sans CJK SC", sans-serif; margin: 2rem; color: #1c2733 }
h2 { margin: 2rem 0 .5rem; font-size: 1.1rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #d8dee6; vertical-align: top }
th { font-weight: 600; color: #5a6b7d }
td { overflow-wrap: anywhere }
@media (prefers-color-scheme: dark) { body { background: #12181f; color: #d7dee6 } th, td { border-color: #2b3744 } }
"""
_TITLES: Final = {
    "streams": "Streams 上报流",
    "rows": "Newest rows 最新数据",
    "rejections": "Newest rejections 最新拒绝",
}


def page(overview: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Return the page; it shows itself anew every two seconds."""
    parts = [f"<h2>{_TITLES[name]}</h2>{_table(rows)}" for name, rows in overview.items()]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="2">'
        f"<title>Top-level node simulator</title><style>{_STYLE}</style></head><body>"
        f"<h1>Top-level node simulator 国家顶级节点模拟器</h1>{''.join(parts)}</body></html>"
    )


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return "<p>none yet</p>"
    head = "".join(f"<th>{escape(name)}</th>" for name in rows[0])
    lines = ("".join(f"<td>{escape(_text(value))}</td>" for value in row.values()) for row in rows)
    return (
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(f'<tr>{line}</tr>' for line in lines)}</tbody></table>"
    )


def _text(value: object) -> str:
    return "" if value is None else str(value)
