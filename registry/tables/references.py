"""The table `identifier_references`: which records name which identifiers, to be read both ways."""

# ruff: noqa: S608 - what is put into the statements is the column list beside them

from collections.abc import Sequence
from typing import Final, NamedTuple

from registry.database import Connection

ELSEWHERE_PREFIX_ID: Final = 0
"""The prefix of targets below prefixes that are not registered here."""

_COLUMNS = "prefix_id, key, index, permissions, target_prefix_id, target_key, target"
_ARRAYS = """
unnest($2::text[], $3::integer[], $4::smallint[], $5::bigint[], $6::text[], $7::text[])
    AS mine (key, index, permissions, target_prefix_id, target_key, target)"""
_PUT = f"""
INSERT INTO identifier_references ({_COLUMNS})
SELECT $1, key, index, permissions, target_prefix_id, target_key, target FROM {_ARRAYS}
ON CONFLICT (prefix_id, key, index) DO UPDATE
SET permissions = excluded.permissions, target_prefix_id = excluded.target_prefix_id,
    target_key = excluded.target_key, target = excluded.target"""
_REMOVE = """
DELETE FROM identifier_references AS old USING unnest($2::text[], $3::integer[]) AS mine (key, index)
WHERE old.prefix_id = $1 AND old.key = mine.key AND old.index = mine.index"""
_FROM = f"SELECT {_COLUMNS} FROM identifier_references"
_OF = f"{_FROM} WHERE prefix_id = $1 AND key = $2 AND index > $3 ORDER BY index LIMIT $4"
# What was registered before the target's prefix was is filed under ELSEWHERE_PREFIX_ID.
_TO = " UNION ALL ".join(
    f"""
({_FROM} WHERE target_prefix_id = {target_prefix} AND target_key = $2 AND (prefix_id, key, index) > ($3, $4, $5)
 ORDER BY prefix_id, key, index LIMIT $6)"""
    for target_prefix in ("$1", ELSEWHERE_PREFIX_ID)
)
_OF_MANY = f"""
{_FROM} WHERE (prefix_id, key) IN (SELECT * FROM unnest($1::bigint[], $2::text[]))
ORDER BY prefix_id, key, index LIMIT $3"""
_TO_MANY = f"""
{_FROM} WHERE (target_prefix_id, target_key) IN (SELECT * FROM unnest($1::bigint[], $2::text[]))
ORDER BY target_prefix_id, target_key, prefix_id, key, index LIMIT $3"""


class Place(NamedTuple):
    """A record's place: the id of its prefix, and its key."""

    prefix_id: int
    key: str


class ReferenceRow(NamedTuple):
    """A value that names an identifier: at `item_index` of the record `key`, with the permissions of that value."""

    prefix_id: int
    key: str
    item_index: int
    permissions: int
    target_prefix_id: int
    target_key: str
    target: str

    @property
    def source(self) -> Place:
        """The record that refers."""
        return Place(self.prefix_id, self.key)

    @property
    def to(self) -> Place:
        """The identifier referred to."""
        return Place(self.target_prefix_id, self.target_key)


async def put(connection: Connection, prefix_id: int, rows: Sequence[ReferenceRow]) -> None:
    """Store references of records of one prefix, in place of others at their indexes."""
    columns = [list(column) for column in zip(*(row[1:] for row in rows), strict=True)]
    await connection.execute(_PUT, prefix_id, *columns)


async def remove(connection: Connection, prefix_id: int, rows: Sequence[tuple[str, int]]) -> None:
    """Remove the references at (key, index) of records of one prefix."""
    await connection.execute(_REMOVE, prefix_id, [key for key, _ in rows], [index for _, index in rows])


async def of_record(connection: Connection, place: Place, after_index: int, limit: int) -> list[ReferenceRow]:
    """Return the next references of one record, in the order of their indexes."""
    return [ReferenceRow(*row.values()) for row in await connection.fetch(_OF, *place, after_index, limit)]


async def to_record(
    connection: Connection, place: Place, after: tuple[int, str, int], limit: int
) -> list[ReferenceRow]:
    """Return the next references to one identifier, in the order of prefix id, key and index."""
    rows = await connection.fetch(_TO, *place, *after, limit)
    return sorted(ReferenceRow(*row.values()) for row in rows)[:limit]


async def of_records(connection: Connection, places: Sequence[Place], limit: int) -> list[ReferenceRow]:
    """Return references of several records, at most `limit`."""
    return await _many(connection, _OF_MANY, places, limit)


async def to_records(connection: Connection, places: Sequence[Place], limit: int) -> list[ReferenceRow]:
    """Return references to several identifiers, at most `limit`."""
    elsewhere = [Place(ELSEWHERE_PREFIX_ID, place.key) for place in places]
    return await _many(connection, _TO_MANY, list({*places, *elsewhere}), limit)


async def _many(connection: Connection, query: str, places: Sequence[Place], limit: int) -> list[ReferenceRow]:
    ids, keys = [place.prefix_id for place in places], [place.key for place in places]
    return [ReferenceRow(*row.values()) for row in await connection.fetch(query, ids, keys, limit)]
