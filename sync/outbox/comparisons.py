"""report_comparisons, report_differences: what comparing by digests has found, and which streams are to be compared."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, TypeAlias

from sync.database import Connection, storable

TABLES = ("T1", "T2", "T4", "T6", "T7", "T9", "T11")
"""Tables whose rows stand for what is now; facts and events of the past are compared by sequences only."""


class Difference(NamedTuple):
    """A row that both sides do not hold alike; None: that side holds none."""

    key: str
    ver_here: int | None
    ver_there: int | None


@dataclass(frozen=True, slots=True)
class Compared:
    """One stream's last comparison. Of the rows that differ, `queued` ones are on their way."""

    table: str
    scope: str
    compared_at: datetime
    held_here: int
    held_there: int
    different: int
    queued: int
    problem: str | None


class Wanted(NamedTuple):
    """A stream whose turn it is to be compared."""

    stream_id: int
    table: str
    scope: str
    acknowledged_sequence: int
    repair: bool
    asked: bool


Question: TypeAlias = Callable[[Connection], Awaitable[list[Compared] | None]]

_STATE_STREAM = (
    "s.reporter = $1 AND s.table_id = ANY($2::text[]) AND s.halted_reason IS NULL "
    # Identifiers of an enterprise's own node are that node's to compare.
    "AND NOT (s.table_id = 'T9' "
    "AND EXISTS (SELECT FROM intake_rows i WHERE i.table_id = 'T9' AND i.reporter = s.scope))"
)
_QUIET = "NOT EXISTS (SELECT FROM report_batches b WHERE b.stream_id = s.stream_id AND b.state <> 'acknowledged')"


async def request(
    connection: Connection, reporter: str, table: str | None, scope: str | None, now: datetime, *, repair: bool
) -> list[int]:
    """Ask for streams to be compared: one, all of a table, or all; return their ids."""
    rows = await connection.fetch(
        "INSERT INTO report_comparison_requests AS r (stream_id, asked_at, repair) "
        "SELECT stream_id, $5, $6 FROM report_streams s WHERE s.reporter = $1 AND s.table_id = ANY($2::text[]) "
        "AND ($3::text IS NULL OR s.table_id = $3) AND ($4::text IS NULL OR s.scope = $4) "
        "ON CONFLICT (stream_id) DO UPDATE SET asked_at = $5, repair = r.repair OR $6 RETURNING stream_id",
        reporter,
        list(TABLES),
        table,
        scope,
        now,
        repair,
    )
    return [row["stream_id"] for row in rows]


async def next_wanted(connection: Connection, reporter: str, *, now: datetime, before: datetime) -> Wanted | None:
    """Return a quiet stream that somebody asked for, else one not compared since `before` and long without news."""
    row = await connection.fetchrow(
        "SELECT s.stream_id, s.table_id, s.scope, s.acknowledged_sequence, coalesce(r.repair, false) AS repair, "  # noqa: S608 - constants
        "r.stream_id IS NOT NULL AS asked FROM report_streams s "
        "LEFT JOIN report_comparison_requests r USING (stream_id) LEFT JOIN report_comparisons c USING (stream_id) "
        f"WHERE {_STATE_STREAM} AND {_QUIET} AND (r.stream_id IS NOT NULL OR ("
        "  coalesce(c.compared_at, '-infinity') < $3 AND s.acknowledged_at < $4::timestamptz - interval '1 hour')) "
        "ORDER BY r.asked_at NULLS LAST, c.compared_at NULLS FIRST LIMIT 1",
        reporter,
        list(TABLES),
        before,
        now,
    )
    return None if row is None else Wanted(*row.values())


async def is_unchanged(connection: Connection, wanted: Wanted) -> bool:
    """Whether nothing was sent or queued on the stream since it was chosen."""
    return bool(
        await connection.fetchval(
            f"SELECT {_QUIET} AND s.acknowledged_sequence = $2 FROM report_streams s WHERE stream_id = $1",  # noqa: S608 - a constant
            wanted.stream_id,
            wanted.acknowledged_sequence,
        )
    )


async def settle(
    connection: Connection,
    wanted: Wanted,
    *,
    held_here: int,
    held_there: int,
    found: Sequence[Difference],
    problem: str | None,
    now: datetime,
) -> None:
    """Store what a comparison has found, in place of what the last one had; the request for it is answered."""
    await connection.execute(
        "INSERT INTO report_comparisons (stream_id, compared_at, held_here, held_there, problem) "
        "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (stream_id) DO UPDATE SET compared_at = $2, held_here = $3, "
        "held_there = $4, problem = $5",
        wanted.stream_id,
        now,
        held_here,
        held_there,
        None if problem is None else storable(problem),
    )
    await connection.execute("DELETE FROM report_comparison_requests WHERE stream_id = $1", wanted.stream_id)
    if problem is not None:
        return
    await connection.execute("DELETE FROM report_differences WHERE stream_id = $1", wanted.stream_id)
    await connection.executemany(
        "INSERT INTO report_differences (stream_id, key, ver_here, ver_there, found_at) VALUES ($1, $2, $3, $4, $5)",
        [(wanted.stream_id, one.key, one.ver_here, one.ver_there, now) for one in found],
    )


async def queued(connection: Connection, stream_id: int, keys: Sequence[str], now: datetime) -> None:
    """Note that these rows are on their way."""
    await connection.execute(
        "UPDATE report_differences SET queued_at = $3 WHERE stream_id = $1 AND key = ANY($2::text[])",
        stream_id,
        list(keys),
        now,
    )


async def find(connection: Connection, stream_ids: Sequence[int]) -> list[Compared]:
    """Return the last comparisons of these streams, as far as there are any."""
    rows = await connection.fetch(
        "SELECT s.table_id AS table, s.scope, c.compared_at, c.held_here, c.held_there, count(d.key) AS different, "
        "count(d.queued_at) AS queued, c.problem FROM report_comparisons c JOIN report_streams s USING (stream_id) "
        "LEFT JOIN report_differences d USING (stream_id) WHERE c.stream_id = ANY($1::bigint[]) "
        "GROUP BY s.table_id, s.scope, c.compared_at, c.held_here, c.held_there, c.problem ORDER BY 1, 2",
        list(stream_ids),
    )
    return [Compared(**dict(row)) for row in rows]


async def counts(connection: Connection, reporter: str) -> dict[str, int]:
    """Return how many rows differ, by table, those on their way left out."""
    rows = await connection.fetch(
        "SELECT s.table_id, count(d.key) FILTER (WHERE d.queued_at IS NULL) AS rows FROM report_streams s "
        "JOIN report_comparisons c USING (stream_id) LEFT JOIN report_differences d USING (stream_id) "
        "WHERE s.reporter = $1 GROUP BY 1",
        reporter,
    )
    return {row["table_id"]: row["rows"] for row in rows}
