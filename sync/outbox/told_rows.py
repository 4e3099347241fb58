"""report_rows: what was last queued for each key of the state tables, and what the collector holds of it."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import asyncpg

from sync.batch import Row
from sync.database import Connection


class ToldRow(NamedTuple):
    """What was last queued for a key. `digest` is None after a deletion; `again`: the collector misses it."""

    stream_id: int
    table: str
    scope: str
    key: str
    thing: str
    ver: int
    digest: bytes | None
    covers: tuple[str, ...]
    again: bool = False


_COLUMNS = "stream_id, s.table_id, s.scope, r.key, r.object, r.ver, r.digest, r.covers, r.again"


async def hold(connection: Connection, reporter: str) -> None:
    """Wait for others who tell of differences, until the end of the transaction: each must see what was told before."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('report_rows:' || $1, 0))", reporter)


async def of_things(connection: Connection, reporter: str, things: Sequence[str]) -> dict[str, list[ToldRow]]:
    """Return what was told of these things."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM report_rows r JOIN report_streams s USING (stream_id) "  # noqa: S608 - a constant
        "WHERE s.reporter = $1 AND r.object = ANY($2::text[])",
        reporter,
        list(things),
    )
    found: dict[str, list[ToldRow]] = {}
    for row in map(_told, rows):
        found.setdefault(row.thing, []).append(row)
    return found


async def of_stream(connection: Connection, reporter: str, table: str, scope: str) -> list[ToldRow]:
    """Return everything that was told on a stream, deletions too."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM report_rows r JOIN report_streams s USING (stream_id) "  # noqa: S608 - a constant
        "WHERE s.reporter = $1 AND s.table_id = $2 AND s.scope = $3 ORDER BY r.key",
        reporter,
        table,
        scope,
    )
    return [_told(row) for row in rows]


async def store(connection: Connection, rows: Collection[ToldRow]) -> None:
    """Remember rows as they were queued just now."""
    await connection.executemany(
        "INSERT INTO report_rows (stream_id, key, object, ver, digest, covers) VALUES ($1, $2, $3, $4, $5, $6) "
        "ON CONFLICT (stream_id, key) DO UPDATE SET object = excluded.object, ver = excluded.ver, "
        "digest = excluded.digest, covers = excluded.covers, again = false",
        [(row.stream_id, row.key, row.thing, row.ver, row.digest, list(row.covers)) for row in rows],
    )


async def accepted(connection: Connection, stream_id: int, rows: Collection[Row], sequence: int) -> None:
    """Note that the collector holds these versions of a stream's rows; other rows are not looked at."""
    await connection.execute(
        "UPDATE report_rows r SET accepted_ver = taken.ver, accepted_sequence = $4 "
        "FROM unnest($2::text[], $3::bigint[]) AS taken(key, ver) "
        "WHERE r.stream_id = $1 AND r.key = taken.key AND r.accepted_ver <= taken.ver",
        stream_id,
        [row.key for row in rows],
        [row.ver for row in rows],
        sequence,
    )


async def tell_again(connection: Connection, reporter: str, tables: Sequence[str], keys: Sequence[str]) -> int:
    """Have rows told once more, because the collector misses them; return how many are known to us."""
    tag = await connection.execute(
        "UPDATE report_rows r SET again = true, accepted_ver = 0 FROM report_streams s "
        "WHERE s.stream_id = r.stream_id AND s.reporter = $1 AND s.table_id = ANY($2::text[]) "
        "AND r.key = ANY($3::text[]) AND r.digest IS NOT NULL",
        reporter,
        list(tables),
        list(keys),
    )
    return int(tag.split()[-1])


async def tell_enterprise_again(connection: Connection, reporter: str, prefix: str) -> int:
    """Have the row of the enterprise that has a prefix told once more; return how many there are."""
    tag = await connection.execute(
        "UPDATE report_rows r SET again = true, accepted_ver = 0 FROM report_streams s "
        "WHERE s.stream_id = r.stream_id AND s.reporter = $1 AND s.table_id = 'T6' "
        "AND r.covers @> ARRAY[$2]::text[] AND r.digest IS NOT NULL",
        reporter,
        prefix,
    )
    return int(tag.split()[-1])


async def things_to_tell_again(connection: Connection, reporter: str, limit: int) -> list[str]:
    """Return things with a row that the collector misses."""
    rows = await connection.fetch(
        "SELECT DISTINCT r.object FROM report_rows r JOIN report_streams s USING (stream_id) "
        "WHERE s.reporter = $1 AND r.again LIMIT $2",
        reporter,
        limit,
    )
    return [row["object"] for row in rows]


def _told(row: asyncpg.Record) -> ToldRow:
    stream_id, table, scope, key, thing, ver, digest, covers, again = row
    return ToldRow(stream_id, table, scope, key, thing, ver, digest, tuple(covers), again)
