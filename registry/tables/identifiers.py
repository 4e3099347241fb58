"""The table `identifiers`: the registered records. Every query names the prefix."""

# ruff: noqa: S608 - what is put into the statements is the column list beside them

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import asyncpg

from identifiers.changes import Cursor
from registry.database import Connection
from registry.origin import Origin

PAGE_OCTETS_MAX = 16 * 2**20
"""A page ends after about this many octets of values, whatever its limit of rows."""

_COLUMNS = """
i.prefix_id, i.key, i.spelling, i.state, i.template_id, t.code, i.successor, i.values, i.version,
i.created_at, i.updated_at, i.for_good"""
_BY_KEYS = f"""
SELECT {_COLUMNS} FROM identifiers AS i LEFT JOIN templates AS t ON t.id = i.template_id
WHERE i.prefix_id = $1 AND i.key = ANY($2::text[])"""
_INSERT = """
INSERT INTO identifiers (prefix_id, key, spelling, template_id, values, created_at, updated_at, state, successor)
VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8)
ON CONFLICT (prefix_id, key) DO NOTHING
RETURNING xid"""
# One round trip for the row, its journal entry and that of the audit log. In the order of keys, so that writers of
# the same ones wait for each other rather than deadlock.
_REGISTER = """
WITH wanted AS (
    SELECT * FROM unnest(
        $1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::timestamptz[], $7::text[], $8::text[],
        $9::text[], $10::text[], $11::text[], $12::xid8[]
    ) AS wanted (
        prefix_id, key, spelling, template_id, values, at, actor, after, address, action, request_id, prefix_xid)
    WHERE prefix_xid IS NULL
        OR EXISTS (SELECT FROM prefixes AS p WHERE p.id = wanted.prefix_id AND p.xid = wanted.prefix_xid)
    ORDER BY key
), new AS (
    INSERT INTO identifiers (prefix_id, key, spelling, template_id, values, created_at, updated_at)
    SELECT prefix_id, key, spelling, template_id, values, at, at FROM wanted
    ON CONFLICT (prefix_id, key) DO NOTHING
    RETURNING prefix_id, key
), audited AS (
    INSERT INTO audit_log (kind, actor, address, action, object, result, request_id)
    SELECT 'change', actor, address, action, 'identifier ' || key, 'ok', request_id
    FROM wanted JOIN new USING (prefix_id, key)
)
INSERT INTO journal (actor, kind, key, op, after)
SELECT wanted.actor, 'identifier', wanted.key, 'create', wanted.after FROM wanted JOIN new USING (prefix_id, key)
RETURNING key, xid, seq"""
# A transaction older than the row's last change may not change it: see the column xid.
_UPDATE = """
UPDATE identifiers
SET state = $4, template_id = $5, successor = $6, values = $7, version = version + 1,
    xid = pg_current_xact_id(), updated_at = $8, for_good = $9
WHERE prefix_id = $1 AND key = $2 AND version = $3 AND xid <= pg_current_xact_id()
RETURNING xid"""
_UPDATE_MANY = """
UPDATE identifiers AS i
SET template_id = new.template_id, values = new.values, state = new.state, successor = NULL, for_good = false,
    version = i.version + 1, xid = pg_current_xact_id(), updated_at = $7
FROM unnest($2::text[], $3::integer[], $4::text[], $5::text[], $6::bigint[])
    AS new (key, version, values, state, template_id)
WHERE i.prefix_id = $1 AND i.key = new.key AND i.version = new.version AND i.xid <= pg_current_xact_id()"""
_PAGE = f"""
SELECT {_COLUMNS}
FROM (
    SELECT *, sum(octet_length(values)) OVER (ORDER BY key ROWS UNBOUNDED PRECEDING) - octet_length(values) AS before
    FROM identifiers
    WHERE prefix_id = $1 AND key > $2 AND ($4::text IS NULL OR state = $4) AND state <> 'alias'
    ORDER BY key
    LIMIT $3
) AS i LEFT JOIN templates AS t ON t.id = i.template_id
WHERE i.before < $5
ORDER BY i.key"""
_IN_ORDER = f"""
SELECT {_COLUMNS}
FROM (
    SELECT stored.*, wanted.place,
           sum(octet_length(values)) OVER (ORDER BY wanted.place ROWS UNBOUNDED PRECEDING)
               - octet_length(values) AS before
    FROM unnest($2::text[]) WITH ORDINALITY AS wanted (key, place)
    JOIN identifiers AS stored ON stored.prefix_id = $1 AND stored.key = wanted.key
) AS i LEFT JOIN templates AS t ON t.id = i.template_id
WHERE i.before < $3
ORDER BY i.place"""
_OF_TEMPLATE = """
SELECT key FROM identifiers
WHERE template_id = $1 AND prefix_id = $2 AND key > $3 AND state = 'active'
ORDER BY key LIMIT $4"""
_HEADS = """
SELECT i.prefix_id, i.key, i.spelling, i.state, t.code
FROM unnest($1::bigint[], $2::text[]) AS wanted (prefix_id, key)
JOIN identifiers AS i ON i.prefix_id = wanted.prefix_id AND i.key = wanted.key
LEFT JOIN templates AS t ON t.id = i.template_id"""


@dataclass(frozen=True, slots=True)
class Record:
    """One registered name. `values` is the canonical JSON array; `template` the code for `template_id`.

    `state` is active, withdrawn or alias; the successor of an alias is the record it leads to. A tombstone is
    `for_good` if the name is never given again by any protocol.
    """

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
    for_good: bool = False


class Registration(NamedTuple):
    """A new record, who registers it and from where, and its state as the journal carries it.

    With `prefix_xid` it is added only while its prefix is as that transaction left it.
    """

    record: Record
    actor: str
    after: bytes
    origin: Origin
    prefix_xid: int | None = None


class Head(NamedTuple):
    """A registered name without its values."""

    prefix_id: int
    key: str
    spelling: str
    state: str
    template: str | None


async def by_key(connection: Connection, prefix_id: int, key: str) -> Record | None:
    """Return one record."""
    return (await by_keys(connection, prefix_id, [key])).get(key)


async def by_keys(connection: Connection, prefix_id: int, keys: Sequence[str]) -> dict[str, Record]:
    """Return those of the records that exist."""
    return {row["key"]: _from_row(row) for row in await connection.fetch(_BY_KEYS, prefix_id, keys)}


async def register(connection: Connection, registrations: Sequence[Registration]) -> dict[str, Cursor]:
    """Add records of version 1, on record in journal and audit log; return the positions of those whose key was free.

    They are by key. The keys must differ. Waits for other transactions that are adding the same ones.
    """
    records = [registration.record for registration in registrations]
    rows = await connection.fetch(
        _REGISTER,
        [record.prefix_id for record in records],
        [record.key for record in records],
        [record.spelling for record in records],
        [record.template_id for record in records],
        [record.values.decode() for record in records],
        [record.created_at for record in records],
        [registration.actor for registration in registrations],
        [registration.after.decode() for registration in registrations],
        [registration.origin.address for registration in registrations],
        [registration.origin.action for registration in registrations],
        [registration.origin.request_id for registration in registrations],
        [registration.prefix_xid for registration in registrations],
    )
    return {row["key"]: Cursor(row["xid"], row["seq"]) for row in rows}


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
        record.state,
        record.successor,
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
        record.for_good,
    )
    return row is not None


async def update_many(connection: Connection, records: Sequence[Record]) -> bool:
    """Do as `update` for records of one prefix and instant; False unless all went.

    They have no successor then, and none is a tombstone for good.
    """
    first = records[0]
    done = await connection.execute(
        _UPDATE_MANY,
        first.prefix_id,
        [record.key for record in records],
        [record.version - 1 for record in records],
        [record.values.decode() for record in records],
        [record.state for record in records],
        [record.template_id for record in records],
        first.updated_at,
    )
    return done == f"UPDATE {len(records)}"


async def page(
    connection: Connection, prefix_id: int, after: str, limit: int, state: str | None = None
) -> list[Record]:
    """Return the next records of a prefix in the order of their keys; fewer than `limit` also for their length.

    At least one comes as long as there is one. Aliases are no records.
    """
    rows = await connection.fetch(_PAGE, prefix_id, after, limit, state, PAGE_OCTETS_MAX)
    return [_from_row(row) for row in rows]


async def in_order(connection: Connection, prefix_id: int, keys: Sequence[str]) -> list[Record]:
    """Return records in the order of `keys`, as many as fit into about `PAGE_OCTETS_MAX` octets of values."""
    return [_from_row(row) for row in await connection.fetch(_IN_ORDER, prefix_id, keys, PAGE_OCTETS_MAX)]


async def of_template(connection: Connection, template_id: int, prefix_id: int, after: str, limit: int) -> list[str]:
    """Return the keys of the next active records of a prefix that follow a template."""
    return [row["key"] for row in await connection.fetch(_OF_TEMPLATE, template_id, prefix_id, after, limit)]


async def heads(connection: Connection, places: Sequence[tuple[int, str]]) -> list[Head]:
    """Return what is registered at some places (prefix id, key), without values."""
    rows = await connection.fetch(_HEADS, [place[0] for place in places], [place[1] for place in places])
    return [Head(*row.values()) for row in rows]


def _from_row(row: asyncpg.Record) -> Record:
    (prefix_id, key, spelling, state, template_id, template, successor, values, *rest) = row
    return Record(prefix_id, key, spelling, state, template_id, template, successor, values.encode(), *rest)
