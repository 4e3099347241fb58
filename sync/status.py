"""How reporting stands: in one piece and per stream and row for operators, per table for metrics. Reads only."""

from dataclasses import dataclass
from datetime import datetime

from identifiers.changes import START, Cursor
from registry import journal
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
    last_error_at: datetime | None
    next_attempt_at: datetime | None


@dataclass(frozen=True, slots=True)
class OldestRow:
    """The row that has waited longest in a batch: its stream, its number there, and since when."""

    table: str
    scope: str
    row: int
    since: datetime
    age_s: float


@dataclass(frozen=True, slots=True)
class OldestChange:
    """The journal's oldest change that no batch was made of yet."""

    since: datetime
    age_s: float


@dataclass(frozen=True, slots=True)
class HaltedStream:
    """A stream that waits for an operator, and why."""

    table: str
    scope: str
    reason: str


@dataclass(frozen=True, slots=True)
class ReporterStatus:
    """All streams of one reporter taken together. `halted` names the first of `halted_streams`.

    `oldest_unread` is young while the reporting process works: it reads about once a second.
    """

    reporter: str
    acknowledged_at: datetime | None
    queue_rows: int
    oldest_unacknowledged: OldestRow | None
    oldest_unread: OldestChange | None
    open_rejections: int
    halted_streams: int
    halted: list[HaltedStream]


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
_REPORTER = """
WITH streams AS (SELECT stream_id, acknowledged_at, halted_reason FROM report_streams WHERE reporter = $1)
SELECT (SELECT max(acknowledged_at) FROM streams) AS acknowledged_at,
       (SELECT count(*) FROM streams WHERE halted_reason IS NOT NULL) AS halted_streams,
       (SELECT coalesce(sum(row_count), 0) FROM report_batches JOIN streams USING (stream_id)
        WHERE state <> 'acknowledged') AS queue_rows,
       (SELECT count(*) FROM report_rejections JOIN streams USING (stream_id)) AS open_rejections
"""
_OLDEST_ROW = """
SELECT s.table_id, s.scope, b.first_row, b.created_at
FROM report_batches b JOIN report_streams s USING (stream_id)
WHERE s.reporter = $1 AND b.state <> 'acknowledged'
ORDER BY b.created_at, b.stream_id, b.first_row
LIMIT 1
"""
_HALTED = """
SELECT table_id, scope, halted_reason FROM report_streams
WHERE reporter = $1 AND halted_reason IS NOT NULL
ORDER BY table_id, scope
LIMIT $2
"""
_FEEDS = "SELECT xid, seq FROM report_feeds WHERE reporter = $1 ORDER BY xid, seq LIMIT 1"
_STREAMS = """
SELECT s.table_id, s.scope, s.acknowledged_sequence, s.acknowledged_at, s.failures, s.halted_reason, s.last_error,
       s.last_error_at, nullif(s.next_attempt_at, '-infinity') AS next_attempt_at, open.queue_batches, open.queue_rows,
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


async def reporter_status(connection: Connection, reporter: str, now: datetime, halted_max: int) -> ReporterStatus:
    """Return how one reporter stands, with at most `halted_max` of its halted streams by name."""
    row = await connection.fetchrow(_REPORTER, reporter)
    assert row is not None  # noqa: S101 - a query of aggregates gives one row
    halted = await connection.fetch(_HALTED, reporter, halted_max)
    return ReporterStatus(
        reporter=reporter,
        acknowledged_at=row["acknowledged_at"],
        queue_rows=row["queue_rows"],
        oldest_unacknowledged=await _oldest_row(connection, reporter, now),
        oldest_unread=await _oldest_unread(connection, reporter, now),
        open_rejections=row["open_rejections"],
        halted_streams=row["halted_streams"],
        halted=[HaltedStream(one["table_id"], one["scope"], one["halted_reason"]) for one in halted],
    )


async def _oldest_row(connection: Connection, reporter: str, now: datetime) -> OldestRow | None:
    row = await connection.fetchrow(_OLDEST_ROW, reporter)
    if row is None:
        return None
    since = row["created_at"]
    return OldestRow(row["table_id"], row["scope"], row["first_row"], since, _age_s(since, now))


async def _oldest_unread(connection: Connection, reporter: str, now: datetime) -> OldestChange | None:
    row = await connection.fetchrow(_FEEDS, reporter)
    changes = await journal.read_changes(connection, START if row is None else Cursor(row["xid"], row["seq"]), 1)
    return OldestChange(changes[0].at, _age_s(changes[0].at, now)) if changes else None


def _age_s(since: datetime, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds())


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
            last_error_at=row["last_error_at"],
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
