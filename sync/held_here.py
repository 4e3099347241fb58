"""What the collector should hold of one stream, as far as it has acknowledged it: keys and versions, by ranges.

The rows are put into a temporary table of a connection of its own, outside any transaction: the questions to the
collector between two looks may take minutes, and an open transaction would hold back every reader of the journal.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from registry import database as registry_database
from sync.database import Connection, away
from sync.digests import Digest, Held, KeyRange
from sync.outbox.comparisons import Wanted

_FETCHED_AT_ONCE: Final = 5_000

_MAKE: Final = 'CREATE TEMPORARY TABLE held_here (key text COLLATE "C" PRIMARY KEY, ver bigint NOT NULL)'
_FILL_T9: Final = """
INSERT INTO held_here SELECT i.spelling, i.version FROM identifiers i JOIN prefixes p ON p.id = i.prefix_id
WHERE p.prefix = $2 AND i.state = 'active'
AND NOT EXISTS (SELECT FROM report_rejections r WHERE r.stream_id = $1 AND r.key = i.spelling)"""
_FILL_STATE: Final = """
INSERT INTO held_here SELECT key, accepted_ver FROM report_rows w
WHERE stream_id = $1 AND digest IS NOT NULL AND accepted_ver > 0 AND $2::text IS NOT NULL
AND NOT EXISTS (SELECT FROM report_rejections r WHERE r.stream_id = $1 AND r.key = w.key)"""
# What changed behind the feed's position is not queued yet, so the collector cannot know it.
_AHEAD_T9: Final = """
SELECT i.spelling AS key FROM identifiers i JOIN prefixes p ON p.id = i.prefix_id, report_streams s
JOIN report_feeds f ON f.reporter = s.reporter AND f.table_id = 'T9'
WHERE s.stream_id = $1 AND p.prefix = s.scope AND i.spelling = ANY($2::text[])
AND i.xid::text::numeric > f.xid"""
_OPEN: Final = "SELECT key FROM report_rejections WHERE stream_id = $1 AND key = ANY($2::text[])"
_RANGE: Final = "($1::text IS NULL OR key >= $1) AND ($2::text IS NULL OR key < $2)"


class HeldHere:
    """The rows as they were when this was made."""

    def __init__(self, connection: Connection, wanted: Wanted) -> None:
        self._connection = connection
        self._wanted = wanted

    async def count(self) -> int:
        """Return how many rows there are in all."""
        return int(await self._connection.fetchval("SELECT count(*) FROM held_here"))

    async def rows(self, keys: KeyRange) -> list[Held]:
        """Return the rows of a range in order; only for a small one."""
        found = await self._connection.fetch(
            f"SELECT key, ver FROM held_here WHERE {_RANGE} ORDER BY key",  # noqa: S608 - a constant
            keys.lower,
            keys.upper,
        )
        return [Held(row["key"], row["ver"]) for row in found]

    async def digest(self, keys: KeyRange) -> tuple[int, str]:
        """Return count and digest of a range, read in pages."""
        made = Digest()
        async for page in self._pages(keys):
            made.add(page)
        return made.count, made.hexadecimal

    async def uncertain(self, keys: list[str]) -> set[str]:
        """Return which of these keys have changed since, or are open: they say nothing about the collector."""
        found = await self._connection.fetch(_OPEN, self._wanted.stream_id, keys)
        if self._wanted.table == "T9":
            found += await self._connection.fetch(_AHEAD_T9, self._wanted.stream_id, keys)
        return {row["key"] for row in found}

    async def _pages(self, keys: KeyRange) -> AsyncIterator[list[Held]]:
        after: str | None = None
        while True:
            found = await self._connection.fetch(
                f"SELECT key, ver FROM held_here WHERE {_RANGE} AND ($3::text IS NULL OR key > $3) "  # noqa: S608 - a constant
                "ORDER BY key LIMIT $4",
                keys.lower,
                keys.upper,
                after,
                _FETCHED_AT_ONCE,
            )
            if not found:
                return
            yield [Held(row["key"], row["ver"]) for row in found]
            after = found[-1]["key"]


@asynccontextmanager
async def held_here(dsn: str, wanted: Wanted) -> AsyncIterator[HeldHere]:
    """Take stock of a stream on a connection of its own; raises DatabaseAway."""
    with away():
        connection = await registry_database.connect(dsn)
        try:
            await connection.execute(_MAKE)
            await connection.execute(_FILL_T9 if wanted.table == "T9" else _FILL_STATE, wanted.stream_id, wanted.scope)
            await connection.execute("ANALYZE held_here")
            yield HeldHere(connection, wanted)
        finally:
            connection.terminate()
