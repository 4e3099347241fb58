"""The report as PDF on A4, in Chinese with a font that every reader of PDF has, so that none is put into the file."""

import io
from typing import Any, Final
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.platypus import KeepTogether, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from sync.monthly.figures import Figures
from sync.monthly.plots import drawing, plots_of
from sync.monthly.text import Chapter, Sheet, chapters, cover, title

MEDIA_TYPE: Final = "application/pdf"
FONT: Final = "STSong-Light"
_MARGIN: Final = 22 * mm
_WIDTH: Final = A4[0] - 2 * _MARGIN
_SHARES: Final = {2: (1, 1), 3: (2, 2, 4), 4: (3, 3, 5, 4)}
"""Of the width of a sheet with so many columns: instants first, then texts."""
_BODY: Final = ParagraphStyle("body", fontName=FONT, fontSize=11, leading=18, wordWrap="CJK")
_CELL: Final = ParagraphStyle("cell", _BODY, fontSize=10, leading=14)
_SMALL: Final = ParagraphStyle("small", _BODY, fontSize=9, leading=13, textColor=colors.HexColor("#444444"))
_HEADING: Final = ParagraphStyle("heading", _BODY, fontSize=14, leading=22, spaceBefore=12, spaceAfter=4)
_TITLE: Final = ParagraphStyle("title", _BODY, fontSize=20, leading=30, alignment=1, spaceBefore=20, spaceAfter=10)
_COVER: Final = ParagraphStyle("cover", _BODY, fontSize=12, leading=20, alignment=1)
_LOOK: Final = TableStyle(
    [
        ("GRID", (0, 0), (-1, -1), 0.5, colors.HexColor("#bbbbbb")),
        ("BACKGROUND", (0, 0), (-1, 0), colors.HexColor("#f2f4f7")),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ]
)


def render(figures: Figures) -> bytes:
    """Return the document."""
    pdfmetrics.registerFont(UnicodeCIDFont(FONT))
    drawn = {plot.name: plot for plot in plots_of(figures)}
    story: list[Any] = [Paragraph(escape(title(figures)), _TITLE)]
    story += [Paragraph(escape(line), _COVER) for line in cover(figures)]
    story.append(Spacer(1, 12))
    for chapter in chapters(figures):
        story += _chapter(chapter, drawn)
    written = io.BytesIO()
    document = SimpleDocTemplate(
        written,
        pagesize=A4,
        leftMargin=_MARGIN,
        rightMargin=_MARGIN,
        topMargin=_MARGIN,
        bottomMargin=_MARGIN,
        title=title(figures),
        author=figures.operator_name,
        # The same figures make the same octets: no date of making.
        invariant=1,
    )
    document.build(story, onFirstPage=_number, onLaterPages=_number)
    return written.getvalue()


def _chapter(chapter: Chapter, drawn: dict[str, Any]) -> list[Any]:
    story: list[Any] = [Paragraph(escape(chapter.heading), _HEADING)] if chapter.heading else []
    story += [Paragraph(escape(text), _BODY) for text in chapter.paragraphs]
    for sheet in chapter.sheets:
        story.append(KeepTogether([Paragraph(escape(sheet.title), _BODY), _table(sheet)]))
        story.append(Spacer(1, 8))
    for name in chapter.plots:
        plot = drawn[name]
        story.append(KeepTogether([drawing(plot, _WIDTH), Paragraph(escape(plot.caption), _SMALL), Spacer(1, 8)]))
    return story


def _table(sheet: Sheet) -> Table:
    cells = [[Paragraph(escape(cell), _CELL) for cell in row] for row in sheet.rows]
    shares = _SHARES[len(sheet.rows[0])]
    widths = [_WIDTH * share / sum(shares) for share in shares]
    return Table(cells, colWidths=widths, style=_LOOK, repeatRows=1)


def _number(canvas: Any, document: Any) -> None:
    canvas.saveState()
    canvas.setFont(FONT, 9)
    canvas.drawCentredString(A4[0] / 2, 12 * mm, str(document.page))
    canvas.restoreState()
