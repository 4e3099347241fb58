"""report_streams: one gapless sequence per reporter, table and scope (docking contract 9.2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import asyncpg

from sync.database import Connection, storable
from sync.dependencies import preceded


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream and where it stands."""

    stream_id: int
    table: str
    scope: str
    next_row: int
    acknowledged_sequence: int
    failures: int

    @property
    def name(self) -> str:
        """The stream as people write it."""
        return f"{self.table}/{self.scope}"


class Due(NamedTuple):
    """A stream whose turn it is; `compare_first` when both sides' sequences were not compared lately."""

    stream: Stream
    compare_first: bool


_COLUMNS = "stream_id, table_id, scope, next_row, acknowledged_sequence, failures"


async def lock_scopes(connection: Connection, reporter: str, table: str, scopes: Sequence[str]) -> dict[str, Stream]:
    """Return the streams of these scopes, made if they are new, locked until the transaction ends."""
    await connection.execute(
        "INSERT INTO report_streams (reporter, table_id, scope) SELECT $1, $2, unnest($3::text[]) "
        "ON CONFLICT DO NOTHING",
        reporter,
        table,
        list(scopes),
    )
    # In the order of ids, so that two lockers never wait for each other.
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM report_streams WHERE reporter = $1 AND table_id = $2 AND scope = ANY($3::text[]) "  # noqa: S608 - a constant
        "ORDER BY stream_id FOR UPDATE",
        reporter,
        table,
        list(scopes),
    )
    return {row["scope"]: _stream(row) for row in rows}


async def lock(connection: Connection, stream_id: int) -> Stream:
    """Return the stream as it is now, locked until the transaction ends."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM report_streams WHERE stream_id = $1 FOR UPDATE",  # noqa: S608 - a constant
        stream_id,
    )
    assert row is not None  # noqa: S101 - streams are never removed
    return _stream(row)


async def due(
    connection: Connection,
    reporter: str,
    *,
    now: datetime,
    compared_before: datetime,
    busy: Sequence[int],
    tables: Sequence[str],
    taken: Sequence[str],
    limit: int,
) -> list[Due]:
    """Return streams with something to hand over now, or not compared since `compared_before`; longest due first.

    A stream waits while its next batch is held until later, and while the collector does not hold what has to be known
    before its table (9.6). `tables` may go now, `taken` are all that the collector takes.
    """
    rows = await connection.fetch(
        f"SELECT {_COLUMNS}, compared_at < $5 AS compare_first FROM report_streams s "  # noqa: S608 - a constant
        "WHERE reporter = $1 AND halted_reason IS NULL AND next_attempt_at <= $2 AND stream_id <> ALL($3::bigint[]) "
        "AND table_id = ANY($7::text[]) AND (compared_at < $5 OR ("
        "  coalesce((SELECT b.not_before IS NULL OR b.not_before <= $2 FROM report_batches b "
        "    WHERE b.stream_id = s.stream_id AND b.state <> 'acknowledged' ORDER BY b.first_row LIMIT 1), false) "
        f"  AND {preceded('$4')})) "
        "ORDER BY next_attempt_at, stream_id LIMIT $6",
        reporter,
        now,
        list(busy),
        list(taken),
        compared_before,
        limit,
        list(tables),
    )
    return [Due(_stream(row), row["compare_first"]) for row in rows]


async def advance_rows(connection: Connection, stream_id: int, next_row: int) -> None:
    """Note that the rows before `next_row` are in batches."""
    await connection.execute("UPDATE report_streams SET next_row = $2 WHERE stream_id = $1", stream_id, next_row)


async def acknowledge(connection: Connection, stream_id: int, sequence: int, now: datetime) -> None:
    """Note that the collector has consumed `sequence`, the one after the last."""
    await connection.execute(
        "UPDATE report_streams SET acknowledged_sequence = $2, acknowledged_at = $3, failures = 0, last_error = NULL, "
        "last_error_at = NULL, next_attempt_at = $3 WHERE stream_id = $1",
        stream_id,
        sequence,
        now,
    )


async def rewind(connection: Connection, stream_id: int, sequence: int) -> None:
    """Count `sequence` as the last acknowledged one again: the collector has lost what came after it."""
    await connection.execute(
        "UPDATE report_streams SET acknowledged_sequence = $2 WHERE stream_id = $1", stream_id, sequence
    )


async def compared(connection: Connection, stream_id: int, now: datetime) -> None:
    """Note that both sides' sequences were compared."""
    await connection.execute("UPDATE report_streams SET compared_at = $2 WHERE stream_id = $1", stream_id, now)


async def compare_again(connection: Connection, reporter: str, places: Sequence[tuple[str, str]]) -> int:
    """Have both sides' sequences of these tables and scopes compared first of all; return how many there are."""
    tag = await connection.execute(
        "UPDATE report_streams s SET compared_at = '-infinity' "
        "FROM unnest($2::text[], $3::text[]) AS named(table_id, scope) "
        "WHERE s.reporter = $1 AND s.table_id = named.table_id AND s.scope = named.scope",
        reporter,
        [table for table, _ in places],
        [scope for _, scope in places],
    )
    return int(tag.split()[-1])


async def put_off(connection: Connection, stream_id: int, *, until: datetime, error: str | None, now: datetime) -> None:
    """Let the stream rest until a moment; with an error, one more failure in a row."""
    await connection.execute(
        "UPDATE report_streams SET next_attempt_at = $2, failures = failures + ($3::text IS NOT NULL)::int, "
        "last_error = coalesce($3, last_error), "
        "last_error_at = CASE WHEN $3::text IS NULL THEN last_error_at ELSE $4::timestamptz END WHERE stream_id = $1",
        stream_id,
        until,
        None if error is None else storable(error),
        now,
    )


async def halt(connection: Connection, stream_id: int, reason: str, now: datetime) -> None:
    """Stop this stream until an operator resumes it; others go on."""
    await connection.execute(
        "UPDATE report_streams SET halted_reason = $2, last_error = $2, last_error_at = $3 WHERE stream_id = $1",
        stream_id,
        storable(reason),
        now,
    )


async def resume(connection: Connection, reporter: str, table: str, scope: str) -> bool:
    """Let a halted stream go on, comparing both sides first; False if there is no such halted stream."""
    tag = await connection.execute(
        "UPDATE report_streams SET halted_reason = NULL, failures = 0, next_attempt_at = '-infinity', "
        "compared_at = '-infinity' "
        "WHERE reporter = $1 AND table_id = $2 AND scope = $3 AND halted_reason IS NOT NULL",
        reporter,
        table,
        scope,
    )
    return bool(tag != "UPDATE 0")


def _stream(row: asyncpg.Record) -> Stream:
    return Stream(
        stream_id=row["stream_id"],
        table=row["table_id"],
        scope=row["scope"],
        next_row=row["next_row"],
        acknowledged_sequence=row["acknowledged_sequence"],
        failures=row["failures"],
    )
