"""The table `audit_log`: who did what, from where, and with which result. Rows are added and never changed.

Entries of changes are written with the journal's rows, in `registry/journal.py` and `registry/tables/bulk.py`: in the
same statement, because a round trip of their own would cost a registration a tenth of its time.
"""

# ruff: noqa: S608 - what is put into the statements is the column list beside them

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from registry.database import Connection

EntryKind = Literal["change", "access"]

_COLUMNS = "id, kind, at, actor, address, action, object, result, request_id, count"
_INSERT = """
INSERT INTO audit_log (kind, actor, address, action, object, result, request_id)
VALUES ('access', $1, $2, $3, $4, $5, $6)"""
_PAGE = f"""
SELECT {_COLUMNS} FROM audit_log
WHERE (at, id) < ($1, $2)
    AND ($4::text IS NULL OR kind = $4) AND ($5::text IS NULL OR actor = $5) AND ($6::text IS NULL OR action = $6)
    AND ($7::text IS NULL OR starts_with(object, $7)) AND ($8::text IS NULL OR result = $8)
    AND ($9::text IS NULL OR request_id = $9) AND ($10::timestamptz IS NULL OR at >= $10)
    AND ($11::text IS NULL OR actor IN (SELECT id FROM accounts WHERE enterprise_id = $11))
ORDER BY at DESC, id DESC
LIMIT $3"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log. `object` is the journal's kind and key for changes, else the path of the request."""

    id: int
    kind: EntryKind
    at: datetime
    actor: str | None
    address: str
    action: str
    object: str
    result: str
    request_id: str
    count: int


@dataclass(frozen=True, slots=True)
class Filters:
    """Which entries are wanted; None: whatever. `object` is a beginning, everything else the whole value."""

    kind: EntryKind | None = None
    actor: str | None = None
    action: str | None = None
    object: str | None = None
    result: str | None = None
    request_id: str | None = None
    since: datetime | None = None
    enterprise: str | None = None
    """Only what accounts of this enterprise did."""


async def insert_access(
    connection: Connection,
    *,
    actor: str | None,
    address: str,
    action: str,
    object_: str,
    result: str,
    request_id: str,
) -> None:
    """Add an entry of access: a sign-in, a refusal, or a read of what is not public."""
    await connection.execute(_INSERT, actor, address, action, object_, result, request_id)


async def page(connection: Connection, filters: Filters, before: tuple[datetime, int], limit: int) -> list[Entry]:
    """Return the next older entries before a position (instant and id), newest first."""
    rows = await connection.fetch(
        _PAGE,
        *before,
        limit,
        filters.kind,
        filters.actor,
        filters.action,
        filters.object,
        filters.result,
        filters.request_id,
        filters.since,
        filters.enterprise,
    )
    return [Entry(*row.values()) for row in rows]
