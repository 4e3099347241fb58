"""The report as one HTML page without anything from elsewhere."""

from html import escape
from typing import Final

from sync.monthly.figures import Figures
from sync.monthly.plots import plots_of, svg
from sync.monthly.text import Chapter, Sheet, chapters, cover, title

MEDIA_TYPE: Final = "text/html; charset=utf-8"
_STYLE: Final = """
body{font:16px/1.6 "Noto Sans CJK SC","Source Han Sans SC","PingFang SC","Microsoft YaHei",sans-serif;color:#222;
max-width:46rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;text-align:center;margin:2rem 0 .5rem}.cover{text-align:center;margin-bottom:2.5rem}
h2{font-size:1.2rem;margin-top:2rem;border-bottom:1px solid #ccc}
table{border-collapse:collapse;width:100%;margin:.5rem 0 1rem}caption{text-align:left;font-weight:bold;padding:.3rem 0}
th,td{border:1px solid #bbb;padding:.25rem .6rem;text-align:left}th{background:#f2f4f7}
figure{margin:1rem 0}figcaption{font-size:.9rem;color:#444}svg{width:100%;height:auto;font-family:sans-serif}
@media print{body{margin:0}}
"""


def render(figures: Figures) -> bytes:
    """Return the page in UTF-8."""
    drawn = {
        plot.name: f"<figure>{svg(plot)}<figcaption>{plot.caption}</figcaption></figure>" for plot in plots_of(figures)
    }
    body = "".join(_chapter(one, drawn) for one in chapters(figures))
    lines = "<br>".join(map(escape, cover(figures)))
    name = escape(title(figures))
    page = (
        f'<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><title>{name}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f'<body><h1>{name}</h1><p class="cover">{lines}</p>{body}</body></html>\n'
    )
    return page.encode()


def _chapter(chapter: Chapter, drawn: dict[str, str]) -> str:
    heading = f"<h2>{escape(chapter.heading)}</h2>" if chapter.heading else ""
    paragraphs = "".join(f"<p>{escape(text)}</p>" for text in chapter.paragraphs)
    return heading + paragraphs + "".join(map(_table, chapter.sheets)) + "".join(drawn[name] for name in chapter.plots)


def _table(sheet: Sheet) -> str:
    head, *rows = sheet.rows
    first = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    rest = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return (
        f"<table><caption>{escape(sheet.title)}</caption><thead><tr>{first}</tr></thead><tbody>{rest}</tbody></table>"
    )
