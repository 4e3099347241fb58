"""Which identifiers and other names changed since a position of the journal."""

from collections.abc import AsyncIterator
from typing import Final, NamedTuple

from identifiers.changes import Cursor
from registry import journal
from sync.database import Connection

_CHANGED: Final = """
SELECT coalesce(p.id, 0) AS prefix_id, c.prefix, c.key, c.record, c.other_name
FROM (
    SELECT after::json ->> 'prefix' AS prefix, key, bool_or(kind = 'identifier') AS record,
           bool_or(kind = 'alias') AS other_name
    FROM journal WHERE (xid, seq) > ($1, $2) AND at >= $3 AND kind IN ('identifier', 'alias')
    GROUP BY 1, 2
) AS c LEFT JOIN prefixes AS p ON p.prefix = c.prefix
ORDER BY 1, 3"""
_AT_ONCE: Final = 1_000


class Changed(NamedTuple):
    """A key that changed, as a record or as another name of one, or as both in turn."""

    prefix_id: int
    prefix: str
    key: str
    record: bool
    other_name: bool


async def changed(connection: Connection, since: Cursor) -> AsyncIterator[Changed]:
    """Yield what changed behind `since`, each key once, by prefix; the transaction's snapshot bounds it.

    Changes that the deposit before holds already may come again: a row is complete, so this does no harm.
    """
    floor = await journal.floor(connection, since)
    async for row in connection.cursor(_CHANGED, since.xid, since.seq, floor, prefetch=_AT_ONCE):
        yield Changed(*row.values())
