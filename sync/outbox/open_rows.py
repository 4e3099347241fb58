"""report_rejections: rows that were refused or not fit to be sent, one per key, until a later report of it is taken."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from sync.batch import Row
from sync.database import Connection, storable
from sync.tables.table import Operation, Standing


class OpenRow(NamedTuple):
    """One open row. `resend`, if any, is sent by itself once all rows before `resend_behind_row` are acknowledged.

    With `blocked_by` it waits instead until that template is accepted.
    """

    key: str
    ver: int
    operation: Operation
    code: str
    field: str | None
    message: str
    standing: Standing
    batch_id: UUID | None = None
    resend: Row | None = None
    resend_behind_row: int | None = None
    blocked_by: str | None = None


async def standings(connection: Connection, pairs: Collection[tuple[int, str]]) -> dict[int, dict[str, Standing]]:
    """Return, of these pairs of stream and key, those that are open and so do not simply follow the journal."""
    rows = await connection.fetch(
        "SELECT stream_id, key, standing FROM report_rejections "
        "JOIN unnest($1::bigint[], $2::text[]) AS asked(stream_id, key) USING (stream_id, key)",
        [stream_id for stream_id, _ in pairs],
        [key for _, key in pairs],
    )
    found: dict[int, dict[str, Standing]] = {}
    for row in rows:
        found.setdefault(row["stream_id"], {})[row["key"]] = Standing(row["standing"])
    return found


async def any_open(connection: Connection, stream_id: int) -> bool:
    """Whether the stream has open rows at all."""
    return bool(
        await connection.fetchval("SELECT EXISTS (SELECT FROM report_rejections WHERE stream_id = $1)", stream_id)
    )


async def resends_of(connection: Connection, stream_id: int, keys: Sequence[str]) -> dict[tuple[str, int], int]:
    """Return, by key and version, how often the open rows of these keys were sent again already."""
    rows = await connection.fetch(
        "SELECT key, ver, resends FROM report_rejections WHERE stream_id = $1 AND key = ANY($2::text[])",
        stream_id,
        list(keys),
    )
    return {(row["key"], row["ver"]): row["resends"] for row in rows}


async def note(connection: Connection, stream_id: int, rows: Sequence[OpenRow], now: datetime) -> None:
    """Open these rows. A newer version already open stays, but learns that the collector may not hold the key."""
    await connection.executemany(
        "INSERT INTO report_rejections AS stored (stream_id, key, ver, operation, code, field, message, noted_at, "
        "batch_id, standing, resend_row, resend_behind_row, blocked_by) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) "
        "ON CONFLICT (stream_id, key) DO UPDATE SET ver = excluded.ver, operation = excluded.operation, "
        "code = excluded.code, field = excluded.field, message = excluded.message, noted_at = excluded.noted_at, "
        "batch_id = excluded.batch_id, resend_row = excluded.resend_row, "
        "resend_behind_row = excluded.resend_behind_row, blocked_by = excluded.blocked_by, "
        "resends = CASE WHEN stored.ver = excluded.ver THEN stored.resends ELSE 0 END, "
        # A modification refused for its content says nothing new about whether the key is held.
        "standing = CASE excluded.standing WHEN 'present' THEN stored.standing ELSE excluded.standing END "
        "WHERE stored.ver <= excluded.ver",
        [_record(stream_id, row, now) for row in rows],
    )
    doubtful = [(stream_id, row.key, row.ver) for row in rows if row.standing is Standing.UNSURE]
    await connection.executemany(
        "UPDATE report_rejections SET standing = 'unsure' "
        "WHERE stream_id = $1 AND key = $2 AND ver > $3 AND standing = 'present'",
        doubtful,
    )


async def taken(connection: Connection, stream_id: int, rows: Collection[Row]) -> None:
    """Close the rows of these keys that are not newer: the collector has what it needs to know."""
    await connection.execute(
        "DELETE FROM report_rejections stored USING unnest($2::text[], $3::bigint[]) AS taken(key, ver) "
        "WHERE stored.stream_id = $1 AND stored.key = taken.key AND stored.ver <= taken.ver",
        stream_id,
        [row.key for row in rows],
        [row.ver for row in rows],
    )


async def superseded(connection: Connection, stream_id: int, keys: Sequence[str]) -> None:
    """Note that a later report of these keys is queued: nothing is sent again, and none is known to be absent."""
    await connection.execute(
        "UPDATE report_rejections SET resend_row = NULL, resend_behind_row = NULL, blocked_by = NULL, "
        "standing = CASE standing WHEN 'absent' THEN 'present' ELSE standing END "
        "WHERE stream_id = $1 AND key = ANY($2::text[])",
        stream_id,
        list(keys),
    )


async def dismiss(connection: Connection, stream_id: int, keys: Sequence[str]) -> None:
    """Close the rows of these keys: there is nothing left to tell."""
    await connection.execute(
        "DELETE FROM report_rejections WHERE stream_id = $1 AND key = ANY($2::text[])", stream_id, list(keys)
    )


async def dismiss_withheld(connection: Connection, stream_id: int, keys: Sequence[str]) -> None:
    """Close the rows of these keys that were never sent as they were not fit: what was told before holds again."""
    await connection.execute(
        "DELETE FROM report_rejections WHERE stream_id = $1 AND key = ANY($2::text[]) AND batch_id IS NULL",
        stream_id,
        list(keys),
    )


async def unblock(connection: Connection, reporter: str, metadata_ids: Sequence[str]) -> None:
    """Have rows sent that waited for these templates, behind what is queued of their streams by now."""
    await connection.execute(
        "UPDATE report_rejections r SET blocked_by = NULL, resend_behind_row = s.next_row FROM report_streams s "
        "WHERE s.stream_id = r.stream_id AND s.reporter = $1 AND r.blocked_by = ANY($2::text[])",
        reporter,
        list(metadata_ids),
    )


async def scopes_to_resend(connection: Connection, reporter: str, table: str, limit: int) -> list[str]:
    """Return scopes with a row whose time to be sent again has come."""
    rows = await connection.fetch(
        "SELECT DISTINCT s.scope FROM report_rejections r JOIN report_streams s USING (stream_id) "
        "WHERE s.reporter = $1 AND s.table_id = $2 AND r.resend_row IS NOT NULL AND r.blocked_by IS NULL "
        "AND NOT EXISTS ("
        "  SELECT FROM report_batches b WHERE b.stream_id = r.stream_id AND b.state <> 'acknowledged' "
        "  AND b.first_row < r.resend_behind_row) LIMIT $3",
        reporter,
        table,
        limit,
    )
    return [row["scope"] for row in rows]


async def take_resends(connection: Connection, stream_id: int, limit: int) -> list[Row]:
    """Take rows that are to be sent again now, oldest first; the caller queues them in the same transaction."""
    rows = await connection.fetch(
        "WITH ready AS (SELECT key, resend_row, resend_behind_row FROM report_rejections r "
        "  WHERE stream_id = $1 AND resend_row IS NOT NULL AND blocked_by IS NULL AND NOT EXISTS ("
        "    SELECT FROM report_batches b WHERE b.stream_id = r.stream_id AND b.state <> 'acknowledged' "
        "    AND b.first_row < r.resend_behind_row) ORDER BY resend_behind_row, key LIMIT $2), "
        "cleared AS (UPDATE report_rejections stored SET resend_row = NULL, resend_behind_row = NULL, "
        "  resends = resends + 1 FROM ready WHERE stored.stream_id = $1 AND stored.key = ready.key) "
        "SELECT resend_row FROM ready ORDER BY resend_behind_row, key",
        stream_id,
        limit,
    )
    return [msgspec.json.decode(row["resend_row"], type=Row) for row in rows]


def _record(stream_id: int, row: OpenRow, now: datetime) -> tuple[object, ...]:
    resend = None if row.resend is None else msgspec.json.encode(row.resend).decode()
    return (
        stream_id,
        row.key,
        row.ver,
        int(row.operation),
        storable(row.code, 64),
        None if row.field is None else storable(row.field, 255),
        storable(row.message),
        now,
        row.batch_id,
        row.standing.value,
        resend,
        row.resend_behind_row,
        row.blocked_by,
    )
