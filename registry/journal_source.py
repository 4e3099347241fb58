"""The journal as a follower beside this database reads it: changes, identity and snapshots straight from PostgreSQL.

It keeps one connection for reading and opens another for each snapshot. Whatever the driver raises becomes
`SourceUnavailable`, and the next call connects anew.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import asyncpg

from identifiers.changes import START, Change, Cursor, SourceUnavailable
from registry import journal
from registry.database import AWAY, connect
from registry.snapshot import Snapshot, open_snapshot

if TYPE_CHECKING:
    from datetime import datetime

FLOOR_REFRESH_S: Final = 600.0
"""An old floor costs a read a few empty partitions, never its correctness."""

_FAILURES = (*AWAY, asyncpg.PostgresError)


class PostgresJournalSource:
    """A journal source (see resolver/source.py) that reads the registry's own database. One reader at a time."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._floor: datetime | None = None
        self._floor_of = START
        self._floor_at = 0.0

    async def changes(self, after: Cursor, limit: int) -> list[Change]:
        """Return at most `limit` committed changes behind a position, in order.

        Fewer come at the journal's end, or when their states reach `journal.OCTETS_MAX`.
        """
        async with self._reading() as connection:
            floor = self._floor
            if floor is None or after < self._floor_of or time.monotonic() - self._floor_at > FLOOR_REFRESH_S:
                floor = self._floor = await journal.floor(connection, after)
                self._floor_of, self._floor_at = after, time.monotonic()
            return await journal.read_changes(connection, after, limit, not_before=floor)

    async def epoch(self) -> str:
        """Return the identity of the journal."""
        async with self._reading() as connection:
            return await journal.epoch(connection)

    async def oldest(self) -> Cursor:
        """Return the position behind which everything is still held."""
        async with self._reading() as connection:
            return await journal.oldest(connection)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Snapshot]:
        """Open a consistent view of the whole registry, on a connection of its own."""
        connection: asyncpg.Connection[asyncpg.Record] | None = None
        try:
            connection = await connect(self._dsn)
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                yield await open_snapshot(connection)
        except _FAILURES as error:
            raise SourceUnavailable(f"the registry's database: {error or type(error).__name__}") from error
        finally:
            if connection is not None:
                connection.terminate()

    async def aclose(self) -> None:
        """Close the connection; a later call would open another."""
        connection, self._connection, self._floor = self._connection, None, None
        if connection is not None:
            connection.terminate()

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        try:
            if self._connection is None or self._connection.is_closed():
                # Another server may answer now, or the same one restored: nothing known of it is kept.
                await self.aclose()
                # Left to itself, PostgreSQL plans each reading anew: three times the time of carrying it out.
                self._connection = await connect(self._dsn, plan_cache_mode="force_generic_plan")
            yield self._connection
        except _FAILURES as error:
            await self.aclose()
            raise SourceUnavailable(f"the registry's database: {error or type(error).__name__}") from error
        except BaseException:
            # Cancelled in the middle of a statement: what the connection would answer next is not known.
            await self.aclose()
            raise
