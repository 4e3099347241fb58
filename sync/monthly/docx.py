"""The report as a document for word processors, which the operator can complete and seal."""

import io
from datetime import datetime
from typing import Any, Final

from docx import Document
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml.ns import qn
from docx.shared import Cm, Pt

from sync.monthly.figures import Figures
from sync.monthly.plots import plots_of, png
from sync.monthly.text import Chapter, Sheet, chapters, cover, title

MEDIA_TYPE: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
FONT: Final = "SimSun"
_MADE: Final = datetime(2000, 1, 1)  # noqa: DTZ001 - the library writes naive instants; the same figures make the same file
_PLOT_WIDTH: Final = Cm(15.5)


def render(figures: Figures) -> bytes:
    """Return the document."""
    document = Document()
    use_font(document)
    heading = document.add_heading(title(figures), level=0)
    heading.alignment = WD_ALIGN_PARAGRAPH.CENTER
    for line in cover(figures):
        document.add_paragraph(line).alignment = WD_ALIGN_PARAGRAPH.CENTER
    drawn = {plot.name: plot for plot in plots_of(figures)}
    for chapter in chapters(figures):
        _add(document, chapter, drawn)
    properties = document.core_properties
    properties.title, properties.author = title(figures), figures.operator_name
    properties.created = properties.modified = _MADE
    written = io.BytesIO()
    document.save(written)
    return written.getvalue()


def _add(document: Any, chapter: Chapter, drawn: dict[str, Any]) -> None:
    if chapter.heading:
        document.add_heading(chapter.heading, level=1)
    for text in chapter.paragraphs:
        document.add_paragraph(text)
    for sheet in chapter.sheets:
        _add_table(document, sheet)
    for name in chapter.plots:
        document.add_picture(io.BytesIO(png(drawn[name])), width=_PLOT_WIDTH)
        document.add_paragraph(drawn[name].caption)


def _add_table(document: Any, sheet: Sheet) -> None:
    document.add_paragraph(sheet.title)
    table = document.add_table(rows=0, cols=len(sheet.rows[0]), style="Table Grid")
    for row in sheet.rows:
        for cell, text in zip(table.add_row().cells, row, strict=True):
            cell.text = text
    document.add_paragraph()


def use_font(document: Any) -> None:
    """Name a Chinese font for every style used: the library's own names Latin ones only."""
    for name in ("Normal", "Title", "Heading 1"):
        style = document.styles[name]
        style.font.name = FONT
        style.element.get_or_add_rPr().get_or_add_rFonts().set(qn("w:eastAsia"), FONT)
    document.styles["Normal"].font.size = Pt(11)
