"""Reading the monthly reports, which the reporting process makes."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from registry.database import Connection

_NEWEST: Final = """
SELECT DISTINCT ON (month) reporter, month, revision, report, made_at, sent_at, last_error
FROM monthly_reports ORDER BY month DESC, revision DESC LIMIT $1"""
_MONTH: Final = """
SELECT reporter, month, revision, report, made_at, sent_at, last_error
FROM monthly_reports WHERE month = $1 ORDER BY revision DESC LIMIT 1"""
_DOCUMENT: Final = """
SELECT name, media_type, content FROM monthly_documents AS d
WHERE month = $1 AND name LIKE '%.' || $2
  AND revision = (SELECT max(revision) FROM monthly_reports AS m WHERE (m.reporter, m.month) = (d.reporter, d.month))
LIMIT 1"""


@dataclass(frozen=True, slots=True)
class MonthlyView:
    """The newest revision of a month's report, in the form in which it is handed over."""

    reporter: str
    month: str
    revision: int
    report: dict[str, Any]
    made_at: datetime
    sent_at: datetime | None
    last_error: str | None


async def newest(connection: Connection, limit: int) -> list[MonthlyView]:
    """Return the newest months."""
    return [_view(row) for row in await connection.fetch(_NEWEST, limit)]


async def of_month(connection: Connection, month: str) -> MonthlyView | None:
    """Return a month's report."""
    row = await connection.fetchrow(_MONTH, month)
    return None if row is None else _view(row)


async def document(connection: Connection, month: str, ending: str) -> tuple[str, str, bytes] | None:
    """Return a document of a month's newest revision: its name, media type and content."""
    row = await connection.fetchrow(_DOCUMENT, month, ending)
    return None if row is None else (row["name"], row["media_type"], row["content"])


def _view(row: Any) -> MonthlyView:
    values = dict(row)
    return MonthlyView(**{**values, "report": msgspec.json.decode(values["report"])})
