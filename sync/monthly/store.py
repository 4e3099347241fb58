"""The tables of monthly reports: what was made, with its documents, and what the collector said to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from sync.database import Connection
from sync.monthly.figures import Figures

_NEWEST: Final = """
SELECT month, revision, report, figures, made_at, sent_at, answer, last_error FROM monthly_reports
WHERE reporter = $1 AND month = $2 ORDER BY revision DESC LIMIT 1"""
_ALL: Final = """
SELECT DISTINCT ON (month) month, revision, report, figures, made_at, sent_at, answer, last_error FROM monthly_reports
WHERE reporter = $1 ORDER BY month DESC, revision DESC LIMIT $2"""
_DROP: Final = "DELETE FROM monthly_reports WHERE reporter = $1 AND month = $2 AND revision = $3 AND sent_at IS NULL"
_PUT: Final = """
INSERT INTO monthly_reports (reporter, month, revision, report, figures, made_at)
VALUES ($1, $2, $3, $4::jsonb, $5::jsonb, $6)"""
_PUT_DOCUMENT: Final = """
INSERT INTO monthly_documents (reporter, month, revision, name, media_type, sha256, content)
VALUES ($1, $2, $3, $4, $5, $6, $7)"""
_DOCUMENTS: Final = """
SELECT name, media_type, sha256, content FROM monthly_documents
WHERE reporter = $1 AND month = $2 AND revision = $3 ORDER BY name"""
_SENT: Final = """
UPDATE monthly_reports SET sent_at = $4, answer = $5::jsonb, last_error = NULL
WHERE reporter = $1 AND month = $2 AND revision = $3"""
_FAILED: Final = "UPDATE monthly_reports SET last_error = $4 WHERE reporter = $1 AND month = $2 AND revision = $3"
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('monthly report ' || $1, 0))"


@dataclass(frozen=True, slots=True)
class Stored:
    """A revision of a month's report."""

    month: str
    revision: int
    report: dict[str, Any]
    figures: Figures
    made_at: datetime
    sent_at: datetime | None
    answer: dict[str, Any] | None
    last_error: str | None


@dataclass(frozen=True, slots=True)
class ReportDocument:
    """A rendered report."""

    name: str
    media_type: str
    sha256: bytes
    content: bytes


async def lock(connection: Connection, month: str) -> None:
    """Let no other process make a report of the month until the transaction ends."""
    await connection.execute(_LOCK, month)


async def newest(connection: Connection, reporter: str, month: str) -> Stored | None:
    """Return the newest revision."""
    row = await connection.fetchrow(_NEWEST, reporter, month)
    return None if row is None else _stored(row)


async def months(connection: Connection, reporter: str, limit: int) -> list[Stored]:
    """Return the newest revision of the newest months."""
    return [_stored(row) for row in await connection.fetch(_ALL, reporter, limit)]


async def put(
    connection: Connection,
    reporter: str,
    report: dict[str, Any],
    figures: Figures,
    now: datetime,
    documents: Sequence[ReportDocument],
) -> None:
    """Keep a revision, in the place of the same one if that was not sent."""
    month, revision = report["month"], report["revision"]
    await connection.execute(_DROP, reporter, month, revision)
    encoded = (msgspec.json.encode(report).decode(), msgspec.json.encode(figures).decode())
    await connection.execute(_PUT, reporter, month, revision, *encoded, now)
    for one in documents:
        values = (reporter, month, revision, one.name, one.media_type, one.sha256, one.content)
        await connection.execute(_PUT_DOCUMENT, *values)


async def documents(connection: Connection, reporter: str, month: str, revision: int) -> list[ReportDocument]:
    """Return the documents of a revision."""
    return [ReportDocument(**row) for row in await connection.fetch(_DOCUMENTS, reporter, month, revision)]


async def note_sent(
    connection: Connection, reporter: str, stored: Stored, now: datetime, answer: dict[str, Any]
) -> None:
    """Note what the collector said."""
    said = msgspec.json.encode(answer).decode()
    await connection.execute(_SENT, reporter, stored.month, stored.revision, now, said)


async def note_failed(connection: Connection, reporter: str, stored: Stored, error: str) -> None:
    """Note why sending failed."""
    await connection.execute(_FAILED, reporter, stored.month, stored.revision, error)


def _stored(row: Any) -> Stored:
    return Stored(
        row["month"],
        row["revision"],
        msgspec.json.decode(row["report"]),
        msgspec.json.decode(row["figures"], type=Figures),
        row["made_at"],
        row["sent_at"],
        None if row["answer"] is None else msgspec.json.decode(row["answer"]),
        row["last_error"],
    )
