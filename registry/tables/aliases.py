"""The table `identifier_aliases`: other names of records. The names themselves are also rows of `identifiers`."""

# ruff: noqa: S608 - what is put into the statements is the column list beside them

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from identifiers.changes import AliasKind
from registry.database import Connection

FOREIGN_PREFIX_ID: Final = 0
"""Under which names of other schemes than Handle are kept; no prefix has this id."""

_COLUMNS = """
a.prefix_id, a.key, i.spelling, a.kind, a.target_prefix_id, a.target_key, i.successor, i.version, i.created_at,
i.updated_at"""
_PUT = """
INSERT INTO identifier_aliases (prefix_id, key, kind, target_prefix_id, target_key) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (prefix_id, key) DO UPDATE
SET kind = excluded.kind, target_prefix_id = excluded.target_prefix_id, target_key = excluded.target_key"""
_DELETE = "DELETE FROM identifier_aliases WHERE prefix_id = $1 AND key = $2"
_FROM = f"""
SELECT {_COLUMNS} FROM identifier_aliases AS a JOIN identifiers AS i ON i.prefix_id = a.prefix_id AND i.key = a.key"""
_BY_KEYS = f"{_FROM} WHERE a.prefix_id = $1 AND a.key = ANY($2::text[])"
_OF_TARGET = f"{_FROM} WHERE a.target_prefix_id = $1 AND a.target_key = $2 AND a.key > $3 ORDER BY a.key LIMIT $4"
_PAGE = f"""
SELECT {_COLUMNS}, coalesce(p.prefix, '')
FROM identifier_aliases AS a JOIN identifiers AS i ON i.prefix_id = a.prefix_id AND i.key = a.key
    LEFT JOIN prefixes AS p ON p.id = a.prefix_id
WHERE (a.prefix_id, a.key) > ($1, $2) ORDER BY a.prefix_id, a.key LIMIT $3"""
_COUNT = """
SELECT count(*) FROM (
    SELECT FROM identifier_aliases WHERE target_prefix_id = $1 AND target_key = $2 LIMIT $3
) AS found"""


@dataclass(frozen=True, slots=True)
class Alias:
    """Another name of a record. `same`: a further code of the thing; `former`: the code was corrected since."""

    prefix_id: int
    key: str
    spelling: str
    kind: AliasKind
    target_prefix_id: int
    target_key: str
    target: str
    version: int
    created_at: datetime
    updated_at: datetime


async def put(connection: Connection, alias: Alias) -> None:
    """Store where an alias leads."""
    await connection.execute(_PUT, alias.prefix_id, alias.key, alias.kind, alias.target_prefix_id, alias.target_key)


async def delete(connection: Connection, prefix_id: int, key: str) -> None:
    """Let a name lead nowhere."""
    await connection.execute(_DELETE, prefix_id, key)


async def by_key(connection: Connection, prefix_id: int, key: str) -> Alias | None:
    """Return one alias."""
    return (await by_keys(connection, prefix_id, [key])).get(key)


async def by_keys(connection: Connection, prefix_id: int, keys: Sequence[str]) -> dict[str, Alias]:
    """Return those of the aliases that exist."""
    return {row["key"]: _from_row(row) for row in await connection.fetch(_BY_KEYS, prefix_id, keys)}


async def of_target(connection: Connection, prefix_id: int, key: str, after: str, limit: int) -> list[Alias]:
    """Return the next aliases of a record in the order of their keys."""
    return [_from_row(row) for row in await connection.fetch(_OF_TARGET, prefix_id, key, after, limit)]


async def page(connection: Connection, after: tuple[int, str], limit: int) -> list[tuple[Alias, str]]:
    """Return the next aliases of all, each with its prefix, in the order of prefix id and key."""
    rows = [tuple(row.values()) for row in await connection.fetch(_PAGE, *after, limit)]
    return [(Alias(*row[:-1]), row[-1]) for row in rows]


async def count(connection: Connection, prefix_id: int, key: str, limit: int) -> int:
    """Count the aliases of a record, at most `limit` of them."""
    return int(await connection.fetchval(_COUNT, prefix_id, key, limit))


def _from_row(row: asyncpg.Record) -> Alias:
    return Alias(*row.values())
