"""Making a month's report: figures, documents, revision. In the caller's transaction."""

import asyncio
import hashlib
from datetime import datetime
from typing import Final

from sync.database import Connection
from sync.monthly import store
from sync.monthly.figures import Figures, gather, report_of
from sync.monthly.store import ReportDocument, Stored

HANDED_OVER: Final = "application/pdf"
"""Goes with the report. The others are for the operator; the name of the type of one is too long for a `file` (3.1)."""


async def make(connection: Connection, reporter: str, month: str, now: datetime, *, revise: bool = False) -> Stored:
    """Make the report of a month from what is known now, and keep it unless it says the same as before.

    A revision that was not sent is replaced; after one that was, comes the next. With `revise` the next one comes in
    any case. Raises CannotReport.
    """
    await store.lock(connection, month)
    figures = await gather(connection, reporter, month, now)
    before = await store.newest(connection, reporter, month)
    if before is not None and before.figures == figures and not revise:
        return before
    revision = 0 if before is None else before.revision + (revise or before.sent_at is not None)
    documents = await asyncio.to_thread(render, figures)
    named = [
        {"sha256": one.sha256.hex(), "media_type": one.media_type, "bytes": len(one.content), "name": one.name}
        for one in documents
        if one.media_type == HANDED_OVER
    ]
    report = report_of(figures, revision=revision, now=now, documents=named)
    await store.put(connection, reporter, report, figures, now, documents)
    made = await store.newest(connection, reporter, month)
    assert made is not None  # noqa: S101 - just stored
    return made


def render(figures: Figures) -> list[ReportDocument]:
    """Render a report in every form; takes about a second."""
    # The libraries for documents are large, and needed once a month.
    from sync.monthly import docx, html, pdf  # noqa: PLC0415 - see above

    found: list[ReportDocument] = []
    for ending, renderer in (("docx", docx), ("html", html), ("pdf", pdf)):
        content = renderer.render(figures)
        name = f"{figures.node_prefix}-{figures.month}.{ending}"
        media_type = renderer.MEDIA_TYPE.partition(";")[0]
        found.append(ReportDocument(name, media_type, hashlib.sha256(content).digest(), content))
    return found
