"""The table `search_values`: the beginnings of searchable values, to find records by them."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from registry.database import Connection

VALUE_CHARACTERS_MAX: Final = 128
"""Longer values are found by their beginning and compared in full behind that."""
_LAST: Final = "\U0010ffff"

_ARRAYS = "unnest($2::integer[], $3::text[], $4::text[]) AS mine (index, value, key)"
_ADD = f"""
INSERT INTO search_values (prefix_id, index, value, key) SELECT $1, index, value, key FROM {_ARRAYS}
ON CONFLICT DO NOTHING"""  # noqa: S608 - the arrays' text beside it
_REMOVE = f"""
DELETE FROM search_values AS old USING {_ARRAYS}
WHERE old.prefix_id = $1 AND old.index = mine.index AND old.value = mine.value AND old.key = mine.key"""  # noqa: S608 - as above
_FIND = """
SELECT value, key FROM search_values
WHERE prefix_id = $1 AND index = $2 AND value <= $3 AND (value, key) > ($4, $5)
ORDER BY value, key LIMIT $6"""


class SearchRow(NamedTuple):
    """The beginning of one value of a record."""

    item_index: int
    value: str
    key: str


class Hit(NamedTuple):
    """A value found, and the key of its record: also the position behind which a search goes on."""

    value: str
    key: str


async def add(connection: Connection, prefix_id: int, rows: Sequence[SearchRow]) -> None:
    """Add rows; those that are there stay."""
    await connection.execute(_ADD, prefix_id, *_columns(rows))


async def remove(connection: Connection, prefix_id: int, rows: Sequence[SearchRow]) -> None:
    """Remove rows, as far as they are there."""
    await connection.execute(_REMOVE, prefix_id, *_columns(rows))


async def find(
    connection: Connection, prefix_id: int, index: int, value: str, *, beginning: bool, after: Hit, limit: int
) -> list[Hit]:
    """Return the next rows whose value is `value`, or begins with it, in the order of value and key."""
    last = value + _LAST if beginning else value
    # One lower bound: of two, PostgreSQL may begin at the lower one, and read millions of rows up to the other.
    first = max(after, Hit(value, ""))
    rows = await connection.fetch(_FIND, prefix_id, index, last, first.value, first.key, limit)
    return [Hit(row["value"], row["key"]) for row in rows]


def _columns(rows: Sequence[SearchRow]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]
