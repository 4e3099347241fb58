"""Templates before identifiers: what a batch of T9 requires, and which of its rows have to wait (docking contract 9.6).

Asked once for each batch, just before its body is made. The templates' rows are locked against receipts until the
transaction ends, so that none can be accepted unnoticed while rows are put aside for its sake.
"""

import asyncio
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final, NamedTuple

from sync import body
from sync.batch import Requirement, Row
from sync.context import Context
from sync.database import Connection
from sync.outbox import batches, feeds, open_rows, streams
from sync.outbox.batches import StoredBatch
from sync.outbox.open_rows import OpenRow
from sync.outbox.streams import Stream
from sync.tables.t9 import metadata_id_of
from sync.tables.table import Operation, Standing

TABLES: Final = ("T4", "T11")
BLOCKED: Final = "blocked_by_template"
LOOK_AGAIN: Final = timedelta(milliseconds=200)
"""How soon to look again when the state tables have not come to the templates that T9 knows; they run side by side."""

_TOLD = """
SELECT r.key, a.table_id, a.scope, r.accepted_ver >= r.ver AND NOT r.again AS accepted, r.accepted_sequence,
       EXISTS (SELECT FROM report_rejections x WHERE x.stream_id = r.stream_id AND x.key = r.key AND x.ver = r.ver
               AND x.batch_id IS NOT NULL AND x.resend_row IS NULL) AS refused
FROM report_rows r JOIN report_streams a USING (stream_id)
WHERE a.reporter = $1 AND a.table_id = ANY($2::text[]) AND r.key = ANY($3::text[])
FOR SHARE OF r"""
_WITHHELD = """
SELECT DISTINCT x.key FROM report_rejections x JOIN report_streams a USING (stream_id)
WHERE a.reporter = $1 AND a.table_id = ANY($2::text[]) AND x.key = ANY($3::text[])"""
_LEARNED = "SELECT xid, seq FROM report_templates ORDER BY xid DESC, seq DESC LIMIT 1"


class _Verdict(NamedTuple):
    """What the templates of a batch come to."""

    requires: tuple[Requirement, ...]
    blocked: frozenset[str]
    wait: bool


async def pass_through(
    connection: Connection, context: Context, stream: Stream, stored: StoredBatch
) -> StoredBatch | None:
    """Return a queued batch of T9 with what it requires, without the rows that wait for their template.

    None: it has to wait as a whole, or no row is left and it is out of the queue; a part of a full set stays without.
    """
    taken = [table for table in TABLES if context.transport.supports(table)]
    verdict = await _verdict(connection, context.reporter, taken, stored.metadata_ids)
    if verdict.wait:
        now = context.now()
        await streams.put_off(connection, stream.stream_id, until=now + LOOK_AGAIN, error=None, now=now)
        return None
    passed = replace(stored, requires=verdict.requires)
    if not verdict.blocked:
        return passed
    return await _put_aside(connection, context, stream, passed, verdict.blocked)


async def _verdict(
    connection: Connection, reporter: str, tables: Sequence[str], metadata_ids: Sequence[str]
) -> _Verdict:
    if not tables:
        return _Verdict((), frozenset(), wait=False)
    if await _state_tables_are_behind(connection, reporter):
        return _Verdict((), frozenset(), wait=True)
    rows = await connection.fetch(_TOLD, reporter, list(tables), list(metadata_ids))
    latest: dict[tuple[str, str], int] = {}
    for row in rows:
        if row["accepted"] and row["accepted_sequence"] is not None:
            place = (row["table_id"], row["scope"])
            latest[place] = max(latest.get(place, 0), row["accepted_sequence"])
    unsettled = [row for row in rows if not row["accepted"]]
    blocked = {row["key"] for row in unsettled if row["refused"]}
    unknown = set(metadata_ids) - {row["key"] for row in rows}
    if unknown:
        blocked |= {row["key"] for row in await connection.fetch(_WITHHELD, reporter, list(tables), list(unknown))}
    requires = tuple(Requirement(table, scope, sequence) for (table, scope), sequence in sorted(latest.items()))
    return _Verdict(requires, frozenset(blocked), wait=len(blocked & {row["key"] for row in rows}) < len(unsettled))


async def _state_tables_are_behind(connection: Connection, reporter: str) -> bool:
    """Whether a template that T9 has read of in the journal may still be missing among the rows told."""
    learned = await connection.fetchrow(_LEARNED)
    if learned is None:
        return False
    return tuple(await feeds.position(connection, reporter, feeds.STATE)) < (learned["xid"], learned["seq"])


async def _put_aside(
    connection: Connection, context: Context, stream: Stream, stored: StoredBatch, blocked: frozenset[str]
) -> StoredBatch | None:
    """Keep the rows of these templates as open rows, and return the batch with the others, if there are any."""
    assert stored.row_lines is not None  # noqa: S101 - it is queued
    rows = await asyncio.to_thread(_rows, stored.row_lines)
    waiting = [row for row in rows if metadata_id_of(row) in blocked]
    table = context.tables[stream.table]
    opened = [_waiting(row, table.operation(row), stored.batch_id) for row in waiting]
    await open_rows.note(connection, stream.stream_id, opened, context.now())
    others = [row for row in rows if metadata_id_of(row) not in blocked]
    if not others and stored.full is None:
        await batches.drop(connection, stored.batch_id)
        return None
    lines = await asyncio.to_thread(_lines, others)
    return replace(stored, row_count=len(others), row_lines=lines)


def _waiting(row: Row, operation: Operation, batch_id: uuid.UUID) -> OpenRow:
    template = metadata_id_of(row)
    return OpenRow(
        key=row.key,
        ver=row.ver,
        operation=operation,
        code=BLOCKED,
        field="metadata_id",
        message=f"waits for its template {template}, which is refused or not fit to be sent: correct the template",
        # An addition put aside is not held, but rows queued behind it may still add it.
        standing=Standing.UNSURE if operation is Operation.ADD else Standing.PRESENT,
        batch_id=batch_id,
        resend=row,
        blocked_by=template,
    )


def _rows(row_lines: bytes) -> list[Row]:
    return list(body.rows_of(body.decompress(row_lines)))


def _lines(rows: Iterable[Row]) -> bytes:
    return body.compress(b"".join(body.numbered(rows)))
