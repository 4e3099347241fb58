"""Rows of tables other than T9 that are sent again by themselves, each for the period it was told for first."""

from datetime import datetime
from typing import NamedTuple

import msgspec

from sync.batch import Mode, Period, Row
from sync.calendar_time import instant_period
from sync.context import Context
from sync.database import Connection, connected, transaction
from sync.outbox import streams
from sync.outbox.enqueue import enqueue
from sync.rejections import PERIOD_CLOSED

STREAMS_AT_ONCE = 100
ROWS_AT_ONCE = 1_000

_READY = """
r.resend_row IS NOT NULL AND r.blocked_by IS NULL AND NOT EXISTS (
    SELECT FROM report_batches b WHERE b.stream_id = r.stream_id AND b.state <> 'acknowledged'
    AND b.first_row < r.resend_behind_row)"""
_STREAMS = f"""
SELECT DISTINCT s.table_id, s.scope FROM report_rejections r JOIN report_streams s USING (stream_id)
WHERE s.reporter = $1 AND s.table_id <> 'T9' AND {_READY} LIMIT $2"""  # noqa: S608 - constants
_TAKE = f"""
WITH ready AS (
    SELECT r.key, r.resend_row, r.code, r.noted_at, b.period
    FROM report_rejections r LEFT JOIN report_batches b USING (batch_id)
    WHERE r.stream_id = $1 AND {_READY} ORDER BY r.resend_behind_row, r.key LIMIT $2),
cleared AS (
    UPDATE report_rejections stored SET resend_row = NULL, resend_behind_row = NULL, resends = resends + 1
    FROM ready WHERE stored.stream_id = $1 AND stored.key = ready.key)
SELECT resend_row, code, noted_at, period FROM ready ORDER BY key"""  # noqa: S608 - constants


class _Manner(NamedTuple):
    period: Period
    mode: Mode


async def queue(context: Context) -> bool:
    """Queue rows whose time to be sent again has come; False if there were none."""
    async with connected(context.pool) as connection:
        places = await connection.fetch(_STREAMS, context.reporter, STREAMS_AT_ONCE)
    for table, scope in places:
        async with transaction(context.pool) as connection:
            await _queue_stream(connection, context, table, scope)
    return bool(places)


async def _queue_stream(connection: Connection, context: Context, table: str, scope: str) -> None:
    stream = (await streams.lock_scopes(connection, context.reporter, table, [scope]))[scope]
    alike: dict[_Manner, list[Row]] = {}
    for record in await connection.fetch(_TAKE, stream.stream_id, ROWS_AT_ONCE):
        mode: Mode = "revision" if record["code"] == PERIOD_CLOSED else "delta"
        manner = _Manner(_period(record["period"], record["noted_at"]), mode)
        alike.setdefault(manner, []).append(msgspec.json.decode(record["resend_row"], type=Row))
    for manner, rows in alike.items():
        await enqueue(connection, context, table, scope, rows, period=manner.period, mode=manner.mode, repeated=True)


def _period(stored: str | None, noted_at: datetime) -> Period:
    if stored is None:
        return instant_period(noted_at, noted_at)
    return msgspec.json.decode(stored, type=Period)
