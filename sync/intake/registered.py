"""Rows of T7 and T11 that enterprises' own nodes tell of, as things registered (`sync.registered_things`)."""

from collections.abc import AsyncIterator
from typing import Final

import msgspec

from sync.database import Connection
from sync.state_rows import Wanted

REPORTED: Final = "reported"
"""How the name of such a thing begins: `reported T11 P KEY`."""

_ROUTES: Final = (
    "SELECT key, data FROM intake_rows WHERE table_id = 'T7' AND reporter = $1 AND NOT deleted ORDER BY key"
)
_ONE: Final = "SELECT data FROM intake_rows WHERE table_id = 'T11' AND reporter = $1 AND key = $2 AND NOT deleted"
_OF_BATCH: Final = "SELECT key FROM intake_rows WHERE batch_id = $1 AND table_id = 'T11' ORDER BY key"
_PAGE: Final = """
SELECT reporter, key FROM intake_rows WHERE table_id = 'T11' AND NOT deleted AND (reporter, key) > ($1, $2)
ORDER BY reporter, key LIMIT $3"""


async def routes(connection: Connection, prefix: str) -> list[Wanted]:
    """Return the routes that the enterprise's own node has told of; none: the registry's count."""
    rows = await connection.fetch(_ROUTES, prefix)
    return [Wanted("T7", prefix, row["key"], msgspec.json.decode(row["data"])[0]) for row in rows]


async def template(connection: Connection, rest: str) -> list[Wanted]:
    """Return the row of a template; `rest` is the thing's name behind its beginning."""
    _, prefix, key = rest.split(" ", 2)
    data = await connection.fetchval(_ONE, prefix, key)
    return [] if data is None else [Wanted("T11", prefix, key, msgspec.json.decode(data)[0])]


async def of_batch(connection: Connection, table: str, scope: str, batch_id: str) -> list[str]:
    """Return the things that an accepted batch has changed."""
    if table == "T7":
        return [f"prefix {scope}"]
    if table != "T11":
        return []
    return [_name(scope, row["key"]) for row in await connection.fetch(_OF_BATCH, batch_id)]


async def all_templates(connection: Connection, at_once: int) -> AsyncIterator[list[str]]:
    """Yield every template told of."""
    after = ("", "")
    while found := await connection.fetch(_PAGE, *after, at_once):
        after = (found[-1]["reporter"], found[-1]["key"])
        yield [_name(row["reporter"], row["key"]) for row in found]


def _name(prefix: str, key: str) -> str:
    return f"{REPORTED} T11 {prefix} {key}"
