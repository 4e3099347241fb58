"""The form of annex 5, 应急联系人变更确认单: who was and who is called in an emergency, to be signed and sealed."""

import io
from datetime import date
from typing import Any, Final

from docx import Document
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.shared import Pt

from registry.tables.service_notes import Contact
from sync.monthly.docx import use_font

TITLE: Final = "应急联系人变更确认单"
_FIELDS: Final = (("联系人", "name"), ("联系电话", "telephone"), ("邮箱地址", "email"))


def render(before: Contact | None, after: Contact, organisation: str, day: date) -> bytes:
    """Return the form as a document for word processors."""
    document = Document()
    use_font(document)
    document.add_heading(TITLE, level=0).alignment = WD_ALIGN_PARAGRAPH.CENTER
    table = document.add_table(rows=0, cols=3, style="Table Grid")
    _row(table, "", "变更前", "变更后")
    for words, name in _FIELDS:
        _row(table, words, "" if before is None else str(getattr(before, name)), str(getattr(after, name)))
    document.add_paragraph()
    for line in (f"单位名称（公章）：{organisation}", "签字：", f"日期：{day.year} 年 {day.month} 月 {day.day} 日"):
        paragraph = document.add_paragraph(line)
        paragraph.paragraph_format.space_before = Pt(18)
    written = io.BytesIO()
    document.save(written)
    return written.getvalue()


def _row(table: Any, *texts: str) -> None:
    for cell, text in zip(table.add_row().cells, texts, strict=True):
        cell.text = text
