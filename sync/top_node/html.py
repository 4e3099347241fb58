"""HTML of the simulator's pages: whatever is not markup already is escaped."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final

from sync.calendar_time import BEIJING
from sync.top_node.overview import PeriodCell, PeriodRow

_STYLE: Final = """
:root { --ink: #1d2733; --soft: #5d6b7a; --line: #dde3ea; --ground: #f5f7fa; --card: #fff; --good: #2f9e66;
  --some: #d9971c; --none: #d5dbe3; --bad: #c8402f; --link: #1c5fae }
@media (prefers-color-scheme: dark) { :root { --ink: #dbe2ea; --soft: #93a1b0; --line: #2a3542; --ground: #10161d;
  --card: #182029; --none: #33404e; --link: #7fb3f0 } }
* { box-sizing: border-box }
body { margin: 0; font: 14px/1.5 system-ui, "Noto Sans CJK SC", "Noto Sans SC", sans-serif; color: var(--ink);
  background: var(--ground) }
header { background: var(--card); border-bottom: 1px solid var(--line); padding: .9rem 1.5rem; display: flex;
  gap: 1.5rem; align-items: baseline; flex-wrap: wrap }
h1 { font-size: 1.15rem; margin: 0 }
a { color: var(--link); text-decoration: none } a:hover { text-decoration: underline }
main { max-width: 1280px; margin: 0 auto; padding: 1rem 1.5rem 3rem }
h2 { font-size: 1rem; margin: 1.8rem 0 .5rem }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px; overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .35rem .75rem; border-bottom: 1px solid var(--line); vertical-align: top }
tr:last-child td { border-bottom: 0 }
th { font-weight: 600; color: var(--soft); white-space: nowrap; font-size: .85em }
td { overflow-wrap: break-word; max-width: 26rem } td.n, th.n { text-align: right; white-space: nowrap }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: .75rem; margin-top: 1rem }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .7rem .9rem }
.tile b { display: block; font-size: 1.35rem; font-weight: 600; overflow-wrap: anywhere }
.tile span, .none { color: var(--soft) }
.bar { border-left: 4px solid var(--some); background: var(--card); border-radius: 4px; padding: .6rem 1rem;
  margin: 1rem 0 0 }
.bar i { font-style: normal; margin-right: 1rem; white-space: nowrap }
.cell { display: inline-block; width: 2.6rem; margin: 1px; text-align: center; border-radius: 4px; font-size: .8em;
  background: var(--none); padding: .15rem 0 }
.cell.all { background: var(--good); color: #fff } .cell.some { background: var(--some); color: #fff }
details { padding: .4rem .75rem; border-bottom: 1px solid var(--line) } details:last-child { border: 0 }
summary { cursor: pointer; overflow-wrap: anywhere } .gone summary { text-decoration: line-through; color: var(--soft) }
dl { display: grid; grid-template-columns: minmax(8rem, 16rem) 1fr; gap: .15rem 1rem; margin: .5rem 0 .5rem 1rem }
dt { color: var(--soft) } dd { margin: 0; overflow-wrap: anywhere }
form.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(160px, 1fr)); gap: .75rem;
  background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 1rem; align-items: end }
label { display: block; color: var(--soft); font-size: .9em }
input, select, textarea, button { font: inherit; width: 100%; padding: .35rem .5rem; border: 1px solid var(--line);
  border-radius: 5px; background: var(--ground); color: var(--ink) }
button { width: auto; cursor: pointer; background: var(--link); border-color: var(--link); color: var(--card) }
"""


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def markup(text: str) -> Markup:
    """Take text for HTML; only for what the simulator wrote itself."""
    return Markup(text)


def document(title: str, parts: Iterable[Markup], *, refresh_s: int | None = None) -> str:
    """Return a whole page; with `refresh_s` it shows itself anew."""
    refresh = "" if refresh_s is None else f'<meta http-equiv="refresh" content="{refresh_s}">'
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">{refresh}'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} · Top-level node simulator</title><style>{_STYLE}</style></head><body>"
        "<header><h1>国家顶级节点模拟器 Top-level node simulator</h1>"
        '<a href="/">Overview</a><a href="/desk">Desk</a></header>'
        f"<main><h1>{escape(title)}</h1>{''.join(parts)}</main></body></html>"
    )


def table(rows: Sequence[Mapping[str, Any]]) -> Markup:
    """Return rows as a table whose columns are their members."""
    if not rows:
        return Markup('<p class="none">none yet 暂无</p>')
    numeric = {name for name in rows[0] if all(isinstance(row[name], int | float | None) for row in rows)}
    head = "".join(f"<th{_class(name in numeric)}>{escape(name.replace('_', ' '))}</th>" for name in rows[0])
    lines = "".join(
        f"<tr>{''.join(f'<td{_class(name in numeric)}>{text(value)}</td>' for name, value in row.items())}</tr>"
        for row in rows
    )
    return Markup(f'<div class="card"><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>')


def tiles(figures: Mapping[str, object]) -> Markup:
    """Return figures large enough to be read from afar."""
    parts = (
        f'<div class="tile"><b>{text(value)}</b><span>{escape(name)}</span></div>' for name, value in figures.items()
    )
    return Markup(f'<div class="tiles">{"".join(parts)}</div>')


def bars(title: str, entries: Iterable[str]) -> Markup:
    """Return a notice."""
    return Markup(
        f'<div class="bar"><b>{escape(title)}</b> {"".join(f"<i>{escape(one)}</i>" for one in entries)}</div>'
    )


def facts(title: str, data: Mapping[str, Any], *, deleted: bool) -> Markup:
    """Return one row's data, folded under its title."""
    members = "".join(f"<dt>{escape(name)}</dt><dd>{text(value)}</dd>" for name, value in data.items())
    gone = ' class="gone"' if deleted else ""
    return Markup(f"<details{gone}><summary>{escape(title)}</summary><dl>{members}</dl></details>")


def each(rows: Sequence[Mapping[str, Any]], shown: Callable[[Mapping[str, Any]], Markup]) -> Markup:
    """Return every row as `shown` shows it, in one card."""
    if not rows:
        return Markup('<p class="none">none yet 暂无</p>')
    return Markup(f'<div class="card">{"".join(map(shown, rows))}</div>')


def period_grid(rows: Sequence[PeriodRow]) -> Markup:
    """Return the last periods of each table: green when every scope told of it, amber when some did, grey for none."""
    cells = {row.table: "".join(_cell(row.kind, cell) for cell in row.cells) for row in rows}
    lines = "".join(f"<tr><td>{row.table}</td><td>{row.kind}</td><td>{cells[row.table]}</td></tr>" for row in rows)
    return Markup(f'<div class="card"><table><tbody>{lines}</tbody></table></div>')


def text(value: object) -> str:
    """Return a value as it is shown, escaped."""
    if isinstance(value, Markup):
        return value
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return escape(f"{value:,}" if isinstance(value, int) else str(value))


def _cell(kind: str, cell: PeriodCell) -> str:
    local = cell.start.astimezone(BEIJING)
    label = local.strftime({"hour": "%H:00", "day": "%m-%d", "month": "%y-%m"}[kind])
    state = "" if not cell.told else "all" if cell.told >= cell.expected else "some"
    title = f"{local:%Y-%m-%d %H:%M}: {cell.told} of {cell.expected} scopes"
    return f'<span class="cell {state}" title="{title}">{label}</span>'


def _class(is_number: bool) -> str:  # noqa: FBT001 - one private switch
    return ' class="n"' if is_number else ""
