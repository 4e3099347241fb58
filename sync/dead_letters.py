"""Dead letters: what does not reach the collector unless somebody acts, and the ways to act on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import asyncpg
import msgspec

from sync import body
from sync.batch import Row
from sync.database import Connection
from sync.outbox import streams
from sync.outbox.streams import Stream
from sync.reconcile import FULL_SET_NEEDED, STARTS_OVER

KEYS_MAX: Final = 10_000

_REMEDIES: Final = {
    "schema": "a defect of this release: report it, and resend after the next one",
    "forbidden": "the prefix is not this reporter's at the collector: clear that with the top-level node, then resend",
    "duplicate": "another owner holds it at the collector: clear that with the top-level node, then resend",
    "too_large": "shorten the values: the row is larger than the collector takes",
    "correction_wanted": "correct the data; the corrected row is reported by itself",
}
_CORRECT: Final = "correct the data; the corrected row is reported by itself"
_MISSING: Final = "see that what it refers to is accepted (`idnode sync rejections`), then resend"
_RESUME: Final = "remove the cause, then `idnode sync resume {table} {scope}`"
_START_OVER: Final = "find out why, then `idnode sync send-full {table} {scope} --start-over`"
_BY_ITSELF: Final = "it starts over within a minute; `idnode sync directives` tells the outcome"

_ROWS = """
SELECT s.table_id, s.scope, r.key, r.ver, r.code, r.field, r.message, r.noted_at, r.batch_id IS NULL AS withheld
FROM report_rejections r JOIN report_streams s USING (stream_id)
WHERE s.reporter = $1 AND r.resend_row IS NULL
ORDER BY r.noted_at DESC, s.stream_id, r.key
LIMIT $2"""
_STREAMS = """
SELECT table_id, scope, halted_reason, coalesce(last_error_at, acknowledged_at) AS since,
       (SELECT coalesce(sum(row_count), 0) FROM report_batches b
        WHERE b.stream_id = s.stream_id AND b.state <> 'acknowledged') AS waiting
FROM report_streams s
WHERE reporter = $1 AND halted_reason IS NOT NULL
ORDER BY table_id, scope
LIMIT $2"""
_REJECTED = """
SELECT key, ver, batch_id FROM report_rejections
WHERE stream_id = $1 AND ($2::text[] IS NULL OR key = ANY($2)) AND resend_row IS NULL
ORDER BY key LIMIT $3"""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A row that is not sent again by itself, or a stream that waits for an operator with all its rows.

    `code` is the collector's, or ours for a row withheld; `remedy` is what helps.
    """

    what: Literal["stream", "row"]
    table: str
    scope: str
    key: str | None
    ver: int | None
    code: str
    field: str | None
    reason: str
    since: datetime | None
    rows: int
    remedy: str


async def dead_letters(connection: Connection, reporter: str, limit: int) -> list[DeadLetter]:
    """Return halted streams, then rows, the newest first; at most `limit` of each."""
    halted = await connection.fetch(_STREAMS, reporter, limit)
    rows = await connection.fetch(_ROWS, reporter, limit)
    return [*map(_stream, halted), *map(_row, rows)]


@dataclass(frozen=True, slots=True)
class Resent:
    """What a resend came to: the keys queued, those whose batch is not kept any more, and those withheld as unfit."""

    queued: list[str]
    not_stored: list[str]
    never_sent: list[str]


async def resend(
    connection: Connection, reporter: str, table: str, scope: str, keys: Sequence[str] | None
) -> Resent | None:
    """Send rejected rows of a stream again as they were sent, all of them or those of `keys`; None: no such stream.

    In the caller's transaction. They are queued by the reporting process behind what is queued already.
    """
    stream = await _locked(connection, reporter, table, scope)
    if stream is None:
        return None
    found = await connection.fetch(_REJECTED, stream.stream_id, None if keys is None else list(keys), KEYS_MAX)
    rows = await _rows(connection, {one["batch_id"] for one in found if one["batch_id"] is not None})
    queued, not_stored, never_sent = list[str](), list[str](), list[str]()
    for one in found:
        row = rows.get((one["key"], one["ver"]))
        if row is None:
            (never_sent if one["batch_id"] is None else not_stored).append(one["key"])
            continue
        queued.append(row.key)
        await connection.execute(
            "UPDATE report_rejections SET resend_row = $3, resend_behind_row = $4, blocked_by = NULL, resends = 0 "
            "WHERE stream_id = $1 AND key = $2",
            stream.stream_id,
            row.key,
            msgspec.json.encode(row).decode(),
            stream.next_row,
        )
    return Resent(queued, not_stored, never_sent)


async def dismiss(connection: Connection, reporter: str, table: str, scope: str, keys: Sequence[str]) -> int:
    """Close open rows without sending them; returns how many there were."""
    tag = await connection.execute(
        "DELETE FROM report_rejections r USING report_streams s WHERE s.stream_id = r.stream_id "
        "AND s.reporter = $1 AND s.table_id = $2 AND s.scope = $3 AND r.key = ANY($4::text[])",
        reporter,
        table,
        scope,
        list(keys),
    )
    return int(tag.rpartition(" ")[2])


async def _locked(connection: Connection, reporter: str, table: str, scope: str) -> Stream | None:
    stream_id = await connection.fetchval(
        "SELECT stream_id FROM report_streams WHERE reporter = $1 AND table_id = $2 AND scope = $3",
        reporter,
        table,
        scope,
    )
    return None if stream_id is None else await streams.lock(connection, stream_id)


async def _rows(connection: Connection, batch_ids: set[UUID]) -> dict[tuple[str, int], Row]:
    """Return the rows of these batches, as far as their bodies are kept."""
    found: dict[tuple[str, int], Row] = {}
    for batch_id in batch_ids:
        content = await connection.fetchval("SELECT body FROM report_batches WHERE batch_id = $1", batch_id)
        if content is not None:
            _, lines = body.take_apart(body.decompress(content))
            found |= {(row.key, row.ver): row for row in body.rows_of(lines)}
    return found


def _stream(row: asyncpg.Record) -> DeadLetter:
    return DeadLetter(
        what="stream",
        table=row["table_id"],
        scope=row["scope"],
        key=None,
        ver=None,
        code="halted",
        field=None,
        reason=row["halted_reason"],
        since=row["since"],
        rows=row["waiting"],
        remedy=_way_on(row["halted_reason"]).format(table=row["table_id"], scope=row["scope"]),
    )


def _row(row: asyncpg.Record) -> DeadLetter:
    missing = row["code"].startswith(("unknown_", "blocked_"))
    return DeadLetter(
        what="row",
        table=row["table_id"],
        scope=row["scope"],
        key=row["key"],
        ver=row["ver"],
        code=row["code"],
        field=row["field"],
        reason=row["message"],
        since=row["noted_at"],
        rows=1,
        remedy=_REMEDIES.get(row["code"], _MISSING if missing and not row["withheld"] else _CORRECT),
    )


def _way_on(reason: str) -> str:
    """Return what helps a halted stream."""
    if reason.endswith(FULL_SET_NEEDED):
        return _START_OVER
    return _BY_ITSELF if reason.endswith(STARTS_OVER) else _RESUME
