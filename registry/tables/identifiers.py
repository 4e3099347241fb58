"""The table `identifiers`: the registered records. Every query names the prefix."""

# ruff: noqa: S608 - what is put into the statements is the column list beside them

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from registry.database import Connection

PAGE_OCTETS_MAX = 16 * 2**20
"""A page ends after about this many octets of values, whatever its limit of rows."""

_COLUMNS = """
i.prefix_id, i.key, i.spelling, i.state, i.template_id, t.code, i.successor, i.values, i.version,
i.created_at, i.updated_at"""
_BY_KEYS = f"""
SELECT {_COLUMNS} FROM identifiers AS i LEFT JOIN templates AS t ON t.id = i.template_id
WHERE i.prefix_id = $1 AND i.key = ANY($2::text[])"""
_INSERT = """
INSERT INTO identifiers (prefix_id, key, spelling, template_id, values, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $6)
ON CONFLICT (prefix_id, key) DO NOTHING
RETURNING xid"""
# A transaction older than the row's last change may not change it: see the column xid.
_UPDATE = """
UPDATE identifiers
SET state = $4, template_id = $5, successor = $6, values = $7, version = version + 1,
    xid = pg_current_xact_id(), updated_at = $8
WHERE prefix_id = $1 AND key = $2 AND version = $3 AND xid <= pg_current_xact_id()
RETURNING xid"""
_UPDATE_MANY = """
UPDATE identifiers AS i
SET template_id = $5, values = new.values, version = i.version + 1, xid = pg_current_xact_id(), updated_at = $6
FROM unnest($2::text[], $3::integer[], $4::text[]) AS new (key, version, values)
WHERE i.prefix_id = $1 AND i.key = new.key AND i.version = new.version AND i.xid <= pg_current_xact_id()"""
_PAGE = f"""
SELECT {_COLUMNS}
FROM (
    SELECT *, sum(octet_length(values)) OVER (ORDER BY key ROWS UNBOUNDED PRECEDING) - octet_length(values) AS before
    FROM identifiers
    WHERE prefix_id = $1 AND key > $2 AND ($4::text IS NULL OR state = $4)
    ORDER BY key
    LIMIT $3
) AS i LEFT JOIN templates AS t ON t.id = i.template_id
WHERE i.before < $5
ORDER BY i.key"""


@dataclass(frozen=True, slots=True)
class Record:
    """One registered identifier. `values` is the canonical JSON array; `template` the code for `template_id`."""

    prefix_id: int
    key: str
    spelling: str
    state: str
    template_id: int | None
    template: str | None
    successor: str | None
    values: bytes
    version: int
    created_at: datetime
    updated_at: datetime


async def by_key(connection: Connection, prefix_id: int, key: str) -> Record | None:
    """Return one record."""
    return (await by_keys(connection, prefix_id, [key])).get(key)


async def by_keys(connection: Connection, prefix_id: int, keys: Sequence[str]) -> dict[str, Record]:
    """Return those of the records that exist."""
    return {row["key"]: _from_row(row) for row in await connection.fetch(_BY_KEYS, prefix_id, keys)}


async def insert(connection: Connection, record: Record) -> bool:
    """Add a record of version 1; False if another transaction has added the key."""
    row = await connection.fetchrow(
        _INSERT,
        record.prefix_id,
        record.key,
        record.spelling,
        record.template_id,
        record.values.decode(),
        record.created_at,
    )
    return row is not None


async def update(connection: Connection, record: Record) -> bool:
    """Store `record` over its own previous version; False if that is not what is stored, or not ours to change."""
    row = await connection.fetchrow(
        _UPDATE,
        record.prefix_id,
        record.key,
        record.version - 1,
        record.state,
        record.template_id,
        record.successor,
        record.values.decode(),
        record.updated_at,
    )
    return row is not None


async def update_many(connection: Connection, records: Sequence[Record]) -> bool:
    """Do as `update` for the values of active records of one prefix, template and instant; False unless all went."""
    first = records[0]
    done = await connection.execute(
        _UPDATE_MANY,
        first.prefix_id,
        [record.key for record in records],
        [record.version - 1 for record in records],
        [record.values.decode() for record in records],
        first.template_id,
        first.updated_at,
    )
    return done == f"UPDATE {len(records)}"


async def page(
    connection: Connection, prefix_id: int, after: str, limit: int, state: str | None = None
) -> list[Record]:
    """Return the next records of a prefix in the order of their keys; fewer than `limit` also for their length.

    At least one comes as long as there is one.
    """
    rows = await connection.fetch(_PAGE, prefix_id, after, limit, state, PAGE_OCTETS_MAX)
    return [_from_row(row) for row in rows]


def _from_row(row: asyncpg.Record) -> Record:
    (prefix_id, key, spelling, state, template_id, template, successor, values, version, created_at, updated_at) = row
    return Record(
        prefix_id,
        key,
        spelling,
        state,
        template_id,
        template,
        successor,
        values.encode(),
        version,
        created_at,
        updated_at,
    )
