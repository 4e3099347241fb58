"""The table `prefixes`: what is served here, for whom, and where the rest is found."""

# ruff: noqa: S608 - what is put into the statements is the column list beside them

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
import orjson

from identifiers.changes import Hosting, HostingState, PrefixStateName
from registry.database import Connection

_COLUMNS = """
id, prefix, name, enterprise_id, state, hosting, exact_case, sites, created_at, updated_at,
hosting_state, reason, route_serial"""
_INSERT = f"""
INSERT INTO prefixes
    (prefix, name, enterprise_id, state, hosting, hosting_state, exact_case, sites, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
RETURNING {_COLUMNS}"""
# A transaction older than the row's last change may not change it: see the column xid.
_UPDATE = f"""
UPDATE prefixes
SET name = $2, enterprise_id = $3, state = $4, reason = $5, hosting = $6, hosting_state = $7, sites = $8,
    route_serial = $9, updated_at = $10, xid = pg_current_xact_id()
WHERE id = $1 AND xid <= pg_current_xact_id()
RETURNING {_COLUMNS}"""
_BY_IDS = f"SELECT {_COLUMNS} FROM prefixes WHERE id = ANY($1::bigint[])"
_BY_PREFIX = f"SELECT {_COLUMNS} FROM prefixes WHERE prefix = ANY($1::text[])"
_VERSIONED = f"SELECT {_COLUMNS}, xid FROM prefixes WHERE prefix = ANY($1::text[])"
_PAGE = f"""
SELECT {_COLUMNS} FROM prefixes
WHERE prefix > $1 AND ($2::text IS NULL OR enterprise_id = $2) AND ($4::text IS NULL OR state = $4)
ORDER BY prefix LIMIT $3"""
_FOUND = """
FROM prefixes AS p JOIN enterprises AS e ON e.id = p.enterprise_id
WHERE ($1::text IS NULL OR p.enterprise_id = $1) AND strpos(lower(e.name), lower($2)) > 0
    AND starts_with(p.prefix, $3)
    AND ($4::timestamptz IS NULL OR p.created_at >= $4) AND ($5::timestamptz IS NULL OR p.created_at <= $5)"""
_COUNT_FOUND = f"SELECT count(*) {_FOUND}"
_NUMBERED_PAGE = f"""
SELECT {", ".join(f"p.{column.strip()}" for column in _COLUMNS.split(","))} {_FOUND}
ORDER BY p.id DESC LIMIT $6 OFFSET $7"""
_COUNT_OF_ENTERPRISE = """
SELECT count(*) FROM prefixes WHERE enterprise_id = $1 AND state NOT IN ('rejected', 'withdrawn')"""


@dataclass(frozen=True, slots=True)
class Prefix:
    """One prefix. `id` is the partitioning key of its identifiers; `route_serial` counts the changes of its route."""

    id: int
    prefix: str
    name: str
    enterprise: str
    state: PrefixStateName
    hosting: Hosting
    exact_case: bool
    sites: list[dict[str, Any]]
    created_at: datetime
    updated_at: datetime
    hosting_state: HostingState = "hosted"
    reason: str = ""
    route_serial: int = 1


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which prefixes a numbered page is of; empty texts and None leave a side open.

    `enterprise` is an id, `enterprise_name` a part of a name, `beginning` that of the prefix; the instants bound its
    creation, inclusive.
    """

    enterprise: str | None = None
    enterprise_name: str = ""
    beginning: str = ""
    since: datetime | None = None
    until: datetime | None = None


async def insert(
    connection: Connection,
    *,
    prefix: str,
    name: str,
    enterprise: str,
    state: PrefixStateName = "active",
    hosting: Hosting,
    hosting_state: HostingState,
    exact_case: bool = False,
    sites: list[dict[str, Any]],
    now: datetime,
) -> Prefix:
    """Add a prefix; it is unique."""
    row = await connection.fetchrow(
        _INSERT,
        prefix,
        name,
        enterprise,
        state,
        hosting,
        hosting_state,
        exact_case,
        orjson.dumps(sites).decode(),
        now,
    )
    assert row is not None  # noqa: S101 - RETURNING gives a row or the statement has failed
    return _from_row(row)


async def update(connection: Connection, prefix: Prefix) -> Prefix | None:
    """Store what may change of a prefix. None: a later transaction has changed it, so this one must be repeated."""
    row = await connection.fetchrow(
        _UPDATE,
        prefix.id,
        prefix.name,
        prefix.enterprise,
        prefix.state,
        prefix.reason,
        prefix.hosting,
        prefix.hosting_state,
        orjson.dumps(prefix.sites).decode(),
        prefix.route_serial,
        prefix.updated_at,
    )
    return _from_row(row) if row else None


async def by_prefix(connection: Connection, prefix: str) -> Prefix | None:
    """Return one prefix."""
    return (await by_prefixes(connection, [prefix])).get(prefix)


async def by_prefixes(connection: Connection, prefixes: Sequence[str]) -> dict[str, Prefix]:
    """Return those of the prefixes that exist."""
    return {row["prefix"]: _from_row(row) for row in await connection.fetch(_BY_PREFIX, prefixes)}


async def versioned(connection: Connection, prefixes: Sequence[str]) -> dict[str, tuple[Prefix, int]]:
    """Return those of the prefixes that exist, each with the id of the transaction that changed it last."""
    rows = [dict(row) for row in await connection.fetch(_VERSIONED, prefixes)]
    return {row["prefix"]: (_from_columns(row), xid) for row in rows for xid in [row.pop("xid")]}


async def by_ids(connection: Connection, ids: Sequence[int]) -> dict[int, Prefix]:
    """Return prefixes by their ids."""
    return {row["id"]: _from_row(row) for row in await connection.fetch(_BY_IDS, ids)}


async def page(
    connection: Connection, after: str, limit: int, enterprise: str | None = None, state: str | None = None
) -> list[Prefix]:
    """Return the next prefixes in the order of their text, of one enterprise or of all, in one state or in any."""
    return [_from_row(row) for row in await connection.fetch(_PAGE, after, enterprise, limit, state)]


async def numbered_page(connection: Connection, wanted: Wanted, offset: int, limit: int) -> tuple[list[Prefix], int]:
    """Return prefixes from a position on, newest first, and how many there are in all."""
    where = (wanted.enterprise, wanted.enterprise_name, wanted.beginning, wanted.since, wanted.until)
    rows = await connection.fetch(_NUMBERED_PAGE, *where, limit, offset)
    return [_from_row(row) for row in rows], await connection.fetchval(_COUNT_FOUND, *where)


async def count_of_enterprise(connection: Connection, enterprise: str) -> int:
    """Count the prefixes of an enterprise that are applied for or in force."""
    return int(await connection.fetchval(_COUNT_OF_ENTERPRISE, enterprise))


def _from_row(row: asyncpg.Record) -> Prefix:
    return _from_columns(dict(row))


def _from_columns(values: dict[str, Any]) -> Prefix:
    values["enterprise"] = values.pop("enterprise_id")
    values["sites"] = orjson.loads(values["sites"])
    return Prefix(**values)
