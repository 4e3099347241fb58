"""The table `escrow_rows`: what the last deposit said of each row but identifiers."""

from collections.abc import AsyncIterator, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from sync.database import Connection

_PUT: Final = """
INSERT INTO escrow_rows (prefix, table_id, key, thing, ver, digest)
SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::bytea[])
ON CONFLICT (prefix, table_id, key) DO UPDATE
SET thing = excluded.thing, ver = excluded.ver, digest = excluded.digest"""
_OF_THINGS: Final = """
SELECT key, thing, ver, digest FROM escrow_rows WHERE prefix = $1 AND table_id = $2 AND thing = ANY($3::text[])"""
_OF_TABLE: Final = """
SELECT key, thing, ver, digest FROM escrow_rows WHERE prefix = $1 AND table_id = $2 ORDER BY key"""
_ROWS_AT_ONCE: Final = 1_000


class Told(NamedTuple):
    """What was said of a key; without a digest, that it is gone."""

    key: str
    thing: str
    ver: int
    digest: bytes | None


class Memory:
    """Writes what a deposit says, on a connection of its own in short transactions.

    The snapshot's transaction writes nothing: a writing transaction holds back every reader of the journal. If the
    deposit fails, what was written is wrong, and the next one is FULL, which needs nothing but the versions.
    """

    def __init__(self, connection: Connection, prefix: str) -> None:
        self._connection = connection
        self._prefix = prefix
        self._waiting: list[tuple[str, Told]] = []

    async def note(self, table: str, told: Told) -> None:
        """Keep what is said of a row now."""
        self._waiting.append((table, told))
        if len(self._waiting) >= _ROWS_AT_ONCE:
            await self.flush()

    async def flush(self) -> None:
        """Write what has gathered."""
        waiting, self._waiting = self._waiting, []
        columns = zip(*((table, *told) for table, told in waiting), strict=True)
        if waiting:
            await self._connection.execute(_PUT, self._prefix, *map(list, columns))


async def of_things(connection: Connection, prefix: str, table: str, things: Sequence[str]) -> dict[str, Told]:
    """Return what was said of the rows of some things, by key."""
    rows = await connection.fetch(_OF_THINGS, prefix, table, things)
    return {row["key"]: Told(*row.values()) for row in rows}


async def of_table(connection: Connection, prefix: str, table: str) -> AsyncIterator[Told]:
    """Yield what was said of a table, in the order of the keys."""
    async for row in connection.cursor(_OF_TABLE, prefix, table, prefetch=_ROWS_AT_ONCE):
        yield Told(*row.values())


def digest_of(data: bytes) -> bytes:
    """Return what is remembered of a row's data."""
    return sha256(data).digest()
