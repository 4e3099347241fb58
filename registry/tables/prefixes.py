"""The table `prefixes`: what is served here, for whom, and where the rest is found."""

# ruff: noqa: S608 - what is put into the statements is the column list beside them

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
import orjson

from registry.database import Connection

_COLUMNS = "id, prefix, name, enterprise_id, state, hosting, exact_case, sites, created_at, updated_at"
_INSERT = f"""
INSERT INTO prefixes (prefix, name, enterprise_id, hosting, exact_case, sites, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
RETURNING {_COLUMNS}"""
_UPDATE = f"""
UPDATE prefixes SET name = $2, state = $3, hosting = $4, sites = $5, updated_at = $6
WHERE id = $1
RETURNING {_COLUMNS}"""
_BY_PREFIX = f"SELECT {_COLUMNS} FROM prefixes WHERE prefix = ANY($1::text[])"
_PAGE = f"""
SELECT {_COLUMNS} FROM prefixes
WHERE prefix > $1 AND ($2::text IS NULL OR enterprise_id = $2)
ORDER BY prefix LIMIT $3"""


@dataclass(frozen=True, slots=True)
class Prefix:
    """One prefix. `id` is the partitioning key of its identifiers and never leaves the registry."""

    id: int
    prefix: str
    name: str
    enterprise: str
    state: str
    hosting: str
    exact_case: bool
    sites: list[dict[str, Any]]
    created_at: datetime
    updated_at: datetime


async def insert(
    connection: Connection,
    *,
    prefix: str,
    name: str,
    enterprise: str,
    hosting: str,
    exact_case: bool,
    sites: list[dict[str, Any]],
    now: datetime,
) -> Prefix:
    """Add a prefix; it is unique."""
    row = await connection.fetchrow(
        _INSERT, prefix, name, enterprise, hosting, exact_case, orjson.dumps(sites).decode(), now
    )
    assert row is not None  # noqa: S101 - RETURNING gives a row or the statement has failed
    return _from_row(row)


async def update(
    connection: Connection,
    prefix_id: int,
    *,
    name: str,
    state: str,
    hosting: str,
    sites: list[dict[str, Any]],
    now: datetime,
) -> Prefix:
    """Change what may change of a prefix."""
    row = await connection.fetchrow(_UPDATE, prefix_id, name, state, hosting, orjson.dumps(sites).decode(), now)
    assert row is not None  # noqa: S101 - prefixes are never deleted
    return _from_row(row)


async def by_prefix(connection: Connection, prefix: str) -> Prefix | None:
    """Return one prefix."""
    return (await by_prefixes(connection, [prefix])).get(prefix)


async def by_prefixes(connection: Connection, prefixes: Sequence[str]) -> dict[str, Prefix]:
    """Return those of the prefixes that exist."""
    return {row["prefix"]: _from_row(row) for row in await connection.fetch(_BY_PREFIX, prefixes)}


async def page(connection: Connection, after: str, limit: int, enterprise: str | None = None) -> list[Prefix]:
    """Return the next prefixes in the order of their text, of one enterprise or of all."""
    return [_from_row(row) for row in await connection.fetch(_PAGE, after, enterprise, limit)]


def _from_row(row: asyncpg.Record) -> Prefix:
    values = dict(row)
    values["enterprise"] = values.pop("enterprise_id")
    values["sites"] = orjson.loads(values["sites"])
    return Prefix(**values)
