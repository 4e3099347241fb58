"""Periods under test: a clock that is set by hand, prefixes and registrations at given times, and what was queued."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from identifiers.changes import PrefixState
from registry.statistics import note_drained
from sync import service
from sync.batch import Period
from sync.body import decompress, rows_of
from sync.calendar_time import BEIJING
from sync.context import Context
from sync.database import connected
from tests.sync_reporting import REPORTER, given_context


def beijing(*parts: int) -> datetime:
    """Return a moment of Beijing time, in UTC."""
    return datetime(*parts, tzinfo=BEIJING).astimezone(UTC)  # type: ignore[arg-type, misc]  # year, month, day and on


@dataclass
class Clock:
    """The time of a test."""

    now: datetime

    def pass_(self, **time: float) -> datetime:
        self.now += timedelta(**time)
        return self.now


@dataclass(frozen=True)
class Told:
    """One batch as it was queued."""

    table: str
    scope: str
    mode: str
    period: Period
    covers: bool
    rows: Sequence[dict[str, Any]]
    vers: Sequence[int]


class Node:
    """The node's tables as the reports see them, at the test's time."""

    def __init__(self, context: Context, clock: Clock) -> None:
        self.context = context
        self.clock = clock

    async def execute(self, query: str, *values: Any) -> None:
        async with connected(self.context.pool) as connection:
            await connection.execute(query, *values)

    async def fetch(self, query: str, *values: Any) -> list[Any]:
        async with connected(self.context.pool) as connection:
            return await connection.fetch(query, *values)

    async def collected(self) -> None:
        """Let every count be in the tables by now."""
        async with connected(self.context.pool) as connection:
            await note_drained(connection, self.clock.now)

    async def prefix(self, prefix: str, hosting: str = "here", state: str = "active") -> None:
        """Bring a prefix into force, or into another state, now."""
        await self.execute(
            "INSERT INTO enterprises (id, name, state, created_at, updated_at) VALUES ('e', 'e', 'active', $1, $1) "
            "ON CONFLICT DO NOTHING",
            self.clock.now,
        )
        await self.execute(
            "INSERT INTO prefixes (prefix, name, enterprise_id, state, hosting, hosting_state, created_at, updated_at) "
            "VALUES ($1, $1, 'e', $2, $3, CASE $3 WHEN 'here' THEN 'hosted' ELSE 'not_hosted' END, $4, $4) "
            "ON CONFLICT (prefix) DO UPDATE SET state = excluded.state",
            prefix,
            state,
            hosting,
            self.clock.now,
        )
        after = PrefixState(prefix, prefix, state, hosting, "e")  # type: ignore[arg-type]  # texts of the test's own
        await self.journal("prefix", prefix, "create", msgspec.json.encode(after).decode())

    async def journal(self, kind: str, key: str, op: str, after: str = "{}") -> None:
        """Write a journal row of now."""
        await self.execute(
            "INSERT INTO journal (at, actor, kind, key, op, after) VALUES ($1, 'test', $2, $3, $4, $5)",
            self.clock.now,
            kind,
            key,
            op,
            after,
        )

    async def register(self, *names: str, op: str = "create") -> None:
        """Register identifiers, or withdraw them, now."""
        for name in names:
            await self.journal("identifier", f"hdl:{name}", op)

    async def skip_feeds(self) -> None:
        """Let the feeds have read everything."""
        await self.execute(
            "INSERT INTO report_feeds (reporter, table_id, xid, seq) SELECT $1, feed, 1::bigint << 60, 0 "
            "FROM unnest('{T9,STATE}'::text[]) AS feed ON CONFLICT DO NOTHING",
            REPORTER,
        )

    async def told(self, *tables: str) -> list[Told]:
        """Return what is queued of some tables, in the order of streams and batches."""
        async with connected(self.context.pool) as connection:
            found = await connection.fetch(
                "SELECT s.table_id, s.scope, b.mode, b.period, b.covers_unchanged, b.row_lines FROM report_batches b "
                "JOIN report_streams s USING (stream_id) WHERE s.table_id = ANY($1) ORDER BY s.stream_id, b.first_row",
                list(tables),
            )
        told = []
        for table, scope, mode, period, covers, lines in found:
            rows = list(rows_of(decompress(lines)))
            data = [msgspec.json.decode(row.data) for row in rows]
            vers = [row.ver for row in rows]
            told.append(Told(table, scope, mode, msgspec.json.decode(period, type=Period), covers, data, vers))
        return told


@asynccontextmanager
async def node_at(dsn: str, now: datetime) -> AsyncIterator[Node]:
    """Give a node whose clock stands at a moment, and whose feeds have read everything."""
    await service.prepare(dsn)
    clock = Clock(now)
    async with given_context(dsn) as context:
        node = Node(replace(context, now=lambda: clock.now), clock)
        await node.skip_feeds()
        yield node
