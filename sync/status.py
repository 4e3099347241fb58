"""How reporting stands: per table for metrics, per stream and row for operators. Reads only."""

from dataclasses import dataclass
from datetime import datetime

from sync.database import Connection


@dataclass(frozen=True, slots=True)
class TableStatus:
    """All streams of one table taken together."""

    table: str
    queue_batches: int
    queue_rows: int
    oldest_unacknowledged_s: float
    halted_streams: int
    open_rejections: int


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """One stream. `halted_reason` is set while it waits for an operator; `last_error` until the next success."""

    table: str
    scope: str
    acknowledged_sequence: int
    acknowledged_at: datetime | None
    queue_batches: int
    queue_rows: int
    oldest_unacknowledged_s: float
    open_rejections: int
    failures: int
    halted_reason: str | None
    last_error: str | None
    next_attempt_at: datetime | None


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """One row that was rejected or withheld, and why."""

    table: str
    scope: str
    key: str
    ver: int
    code: str
    field: str | None
    message: str
    noted_at: datetime
    withheld: bool
    sent_again: bool


_TABLE = """
SELECT (SELECT count(*) FROM open) AS queue_batches,
       (SELECT coalesce(sum(row_count), 0) FROM open) AS queue_rows,
       (SELECT coalesce(extract(epoch FROM $3::timestamptz - min(created_at)), 0) FROM open)::float8 AS oldest_s,
       (SELECT count(*) FROM streams WHERE halted_reason IS NOT NULL) AS halted_streams,
       (SELECT count(*) FROM report_rejections JOIN streams USING (stream_id)) AS open_rejections
"""
_WITH_OPEN = """
WITH streams AS (SELECT stream_id, halted_reason FROM report_streams WHERE reporter = $1 AND table_id = $2),
     open AS (SELECT row_count, created_at FROM report_batches JOIN streams USING (stream_id)
              WHERE state <> 'acknowledged')
"""
_STREAMS = """
SELECT s.table_id, s.scope, s.acknowledged_sequence, s.acknowledged_at, s.failures, s.halted_reason, s.last_error,
       nullif(s.next_attempt_at, '-infinity') AS next_attempt_at, open.queue_batches, open.queue_rows,
       coalesce(extract(epoch FROM $2::timestamptz - open.oldest), 0)::float8 AS oldest_s,
       (SELECT count(*) FROM report_rejections r WHERE r.stream_id = s.stream_id) AS open_rejections
FROM report_streams s
CROSS JOIN LATERAL (
    SELECT count(*) AS queue_batches, coalesce(sum(b.row_count), 0) AS queue_rows, min(b.created_at) AS oldest
    FROM report_batches b WHERE b.stream_id = s.stream_id AND b.state <> 'acknowledged'
) AS open
WHERE s.reporter = $1
ORDER BY s.halted_reason IS NULL, open.queue_rows DESC, s.table_id, s.scope
LIMIT $3
"""
_REJECTIONS = """
SELECT s.table_id, s.scope, r.key, r.ver, r.code, r.field, r.message, r.noted_at, r.batch_id IS NULL AS withheld,
       r.resend_row IS NOT NULL AS sent_again
FROM report_rejections r JOIN report_streams s USING (stream_id)
WHERE s.reporter = $1
ORDER BY r.noted_at DESC, s.stream_id, r.key
LIMIT $2
"""


async def table_status(connection: Connection, reporter: str, table: str, now: datetime) -> TableStatus:
    """Return how one table stands."""
    row = await connection.fetchrow(_WITH_OPEN + _TABLE, reporter, table, now)
    assert row is not None  # noqa: S101 - a query of aggregates gives one row
    return TableStatus(
        table=table,
        queue_batches=row["queue_batches"],
        queue_rows=row["queue_rows"],
        oldest_unacknowledged_s=max(0.0, row["oldest_s"]),
        halted_streams=row["halted_streams"],
        open_rejections=row["open_rejections"],
    )


async def stream_status(connection: Connection, reporter: str, now: datetime, limit: int) -> list[StreamStatus]:
    """Return the streams, at most `limit`: halted ones first, then those with the longest queues."""
    rows = await connection.fetch(_STREAMS, reporter, now, limit)
    return [
        StreamStatus(
            table=row["table_id"],
            scope=row["scope"],
            acknowledged_sequence=row["acknowledged_sequence"],
            acknowledged_at=row["acknowledged_at"],
            queue_batches=row["queue_batches"],
            queue_rows=row["queue_rows"],
            oldest_unacknowledged_s=max(0.0, row["oldest_s"]),
            open_rejections=row["open_rejections"],
            failures=row["failures"],
            halted_reason=row["halted_reason"],
            last_error=row["last_error"],
            next_attempt_at=row["next_attempt_at"],
        )
        for row in rows
    ]


async def rejected_rows(connection: Connection, reporter: str, limit: int) -> list[RejectedRow]:
    """Return rejected and withheld rows, newest first, at most `limit`."""
    rows = await connection.fetch(_REJECTIONS, reporter, limit)
    return [
        RejectedRow(
            table=row["table_id"],
            scope=row["scope"],
            key=row["key"],
            ver=row["ver"],
            code=row["code"],
            field=row["field"],
            message=row["message"],
            noted_at=row["noted_at"],
            withheld=row["withheld"],
            sent_again=row["sent_again"],
        )
        for row in rows
    ]


async def reporters(connection: Connection) -> list[str]:
    """Return the prefixes this database has reported for, usually one."""
    rows = await connection.fetch("SELECT DISTINCT reporter FROM report_feeds ORDER BY reporter")
    return [row["reporter"] for row in rows]
