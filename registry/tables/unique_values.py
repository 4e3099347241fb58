"""The table `unique_values`: which record has which value of an item that is unique in its template and prefix."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from registry.database import Connection

DIGEST_OCTETS: Final = 16

_ARRAYS = "unnest($2::bigint[], $3::integer[], $4::bytea[], $5::text[]) AS mine (template_id, index, digest, key)"
# In one order for all writers, so that two of them wait for each other rather than deadlock.
_CLAIM = f"""
INSERT INTO unique_values (prefix_id, template_id, index, digest, key)
SELECT $1, template_id, index, digest, key FROM {_ARRAYS} ORDER BY template_id, index, digest
ON CONFLICT DO NOTHING"""  # noqa: S608 - the arrays' text beside it
_HELD = f"""
SELECT mine.template_id, mine.index, mine.digest, mine.key, held.key AS holder
FROM {_ARRAYS} JOIN unique_values AS held
    ON held.prefix_id = $1 AND held.template_id = mine.template_id AND held.index = mine.index
    AND held.digest = mine.digest"""  # noqa: S608 - as above
_RELEASE = f"""
DELETE FROM unique_values AS held USING {_ARRAYS}
WHERE held.prefix_id = $1 AND held.template_id = mine.template_id AND held.index = mine.index
  AND held.digest = mine.digest AND held.key = mine.key"""  # noqa: S608 - as above


class Claim(NamedTuple):
    """A record's claim to a value."""

    template_id: int
    item_index: int
    digest: bytes
    key: str


async def claim(connection: Connection, prefix_id: int, claims: Sequence[Claim]) -> bool:
    """Store claims, waiting for others who are claiming the same; False if some were stored before, by whomever."""
    done = await connection.execute(_CLAIM, prefix_id, *_columns(claims))
    return done == f"INSERT 0 {len(claims)}"


async def holders(connection: Connection, prefix_id: int, claims: Sequence[Claim]) -> dict[Claim, str]:
    """Return whose record holds each of the values that is held."""
    rows = await connection.fetch(_HELD, prefix_id, *_columns(claims))
    return {Claim(*values): holder for *values, holder in (tuple(row.values()) for row in rows)}


async def release(connection: Connection, prefix_id: int, claims: Sequence[Claim]) -> None:
    """Give up values; those that another record holds stay."""
    await connection.execute(_RELEASE, prefix_id, *_columns(claims))


def _columns(claims: Sequence[Claim]) -> list[list[object]]:
    return [list(column) for column in zip(*claims, strict=True)]
