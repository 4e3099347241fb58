"""How reporting to the national node stands, read from its own tables; they are there once the node has reported."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final

import asyncpg
import msgspec

from registry.database import Connection

_LINKS: Final = """
SELECT l.reporter, l.transport, l.is_up, l.since, l.reason, l.next_probe_at, l.key_id, l.routes, l.shown_at,
       coalesce((SELECT sum(b.row_count) FROM report_batches b JOIN report_streams s USING (stream_id)
                 WHERE s.reporter = l.reporter AND b.state <> 'acknowledged'), 0) AS queue_rows,
       (SELECT min(b.created_at) FROM report_batches b JOIN report_streams s USING (stream_id)
        WHERE s.reporter = l.reporter AND b.state <> 'acknowledged') AS oldest_queued_at,
       (SELECT max(acknowledged_at) FROM report_streams s WHERE s.reporter = l.reporter) AS acknowledged_at,
       (SELECT count(*) FROM report_streams s
        WHERE s.reporter = l.reporter AND s.halted_reason IS NOT NULL) AS halted_streams,
       (SELECT count(*) FROM report_rejections JOIN report_streams s USING (stream_id)
        WHERE s.reporter = l.reporter) AS open_rows
FROM report_links l ORDER BY l.reporter"""
_ACCESS_POINTS: Final = """
SELECT reporter, url, state, failing_share::float8 AS failing_share, answer_s::float8 AS answer_s, last_error,
       last_error_at, last_success_at, tried_again_at
FROM report_access_points ORDER BY reporter, place"""
_PAUSES: Final = """
SELECT reporter, table_id AS table, since, ordered_by, reason FROM report_pauses ORDER BY reporter, table_id"""
_STREAMS: Final = """
SELECT s.reporter, s.table_id AS table, s.scope, s.acknowledged_sequence, s.acknowledged_at, open.queue_batches,
       open.queue_rows, open.oldest_queued_at, s.failures, s.halted_reason, s.last_error, s.last_error_at,
       nullif(s.next_attempt_at, '-infinity') AS next_attempt_at, c.compared_at,
       (SELECT count(*) FROM report_differences d WHERE d.stream_id = s.stream_id) AS differences,
       (SELECT count(*) FROM report_rejections r WHERE r.stream_id = s.stream_id) AS open_rows
FROM report_streams s LEFT JOIN report_comparisons c USING (stream_id)
CROSS JOIN LATERAL (
    SELECT count(*) AS queue_batches, coalesce(sum(b.row_count), 0) AS queue_rows, min(b.created_at) AS oldest_queued_at
    FROM report_batches b WHERE b.stream_id = s.stream_id AND b.state <> 'acknowledged'
) AS open
ORDER BY s.halted_reason IS NULL, open.queue_rows DESC, s.table_id, s.scope LIMIT $1"""
_BATCHES: Final = """
SELECT b.batch_id::text AS batch_id, s.reporter, s.table_id AS table, s.scope, b.sequence, b.state, b.mode, b.row_count,
       b.attempts, b.created_at, b.first_attempt_at, b.acknowledged_at,
       b.receipt ->> 'receipt_id' AS receipt_id, b.receipt ->> 'status' AS status,
       (b.receipt ->> 'rows_rejected')::integer AS rows_rejected, b.receipt -> 'proof' IS NOT NULL AS is_signed
FROM report_batches b JOIN report_streams s USING (stream_id)
ORDER BY b.created_at DESC, b.stream_id, b.first_row DESC LIMIT $1"""
_OPEN_ROWS: Final = """
SELECT s.reporter, s.table_id AS table, s.scope, r.key, r.ver, r.code, r.field, r.message, r.noted_at,
       r.batch_id IS NULL AS withheld, r.resend_row IS NOT NULL AS sent_again
FROM report_rejections r JOIN report_streams s USING (stream_id)
ORDER BY r.resend_row IS NOT NULL, r.noted_at DESC, s.stream_id, r.key LIMIT $1"""
_DIRECTIVES: Final = """
SELECT reporter, directive_id, origin, kind, reason, received_at, result, result_text, finished_at, acknowledged_at
FROM report_directives ORDER BY number DESC LIMIT $1"""
_PERFORMANCE_TOLD: Final = """
SELECT rows FROM report_enterprise_facts WHERE table_id = 'M2' AND prefix = $1 AND stat_date = $2
ORDER BY received_at DESC LIMIT 1"""
_SECONDS_NOTED: Final = """
SELECT max(measured_seconds) AS seconds FROM report_periods WHERE task = 'M1' AND starts_at = $1"""

Rows = Sequence[dict[str, Any]]


async def links(connection: Connection) -> Rows:
    """Return how the way to the collector is, one row for each reporter."""
    return await _read(connection, _LINKS)


async def access_points(connection: Connection) -> Rows:
    """Return the collector's addresses with their health."""
    return await _read(connection, _ACCESS_POINTS)


async def pauses(connection: Connection) -> Rows:
    """Return the tables that rest; `*` for all."""
    return await _read(connection, _PAUSES)


async def streams(connection: Connection, limit: int) -> Rows:
    """Return streams, halted ones first, then the longest queues."""
    return await _read(connection, _STREAMS, limit)


async def batches(connection: Connection, limit: int) -> Rows:
    """Return batches, the newest first."""
    return await _read(connection, _BATCHES, limit)


async def open_rows(connection: Connection, limit: int) -> Rows:
    """Return rows refused or not fit to be sent, those that wait for somebody first."""
    return await _read(connection, _OPEN_ROWS, limit)


async def directives(connection: Connection, limit: int) -> Rows:
    """Return what the collector and the operator asked for, the newest first."""
    return await _read(connection, _DIRECTIVES, limit)


async def performance_told(connection: Connection, prefix: str, day: date) -> dict[str, Any] | None:
    """Return how an enterprise's own node says that it performed on a day (M2); None if it has not told that."""
    found = await _read(connection, _PERFORMANCE_TOLD, prefix, day)
    rows = msgspec.json.decode(found[0]["rows"], type=list[dict[str, Any]]) if found else []
    return rows[-1] if rows else None


async def seconds_noted(connection: Connection, start: datetime) -> int:
    """Return how many seconds of the day that begins at a moment were measured, as it was told; 0 if it was not."""
    found = await _read(connection, _SECONDS_NOTED, start)
    return int(found[0]["seconds"] or 0) if found else 0


async def _read(connection: Connection, query: str, *parameters: object) -> Rows:
    try:
        return [dict(row) for row in await connection.fetch(query, *parameters)]
    except asyncpg.UndefinedTableError:
        return []
