"""Digests of what is held of an enterprise's rows, so that its node can compare (reconciliation by digests)."""

from typing import Any, Final

from sync.collecting.digests import Asked, RangeDigest
from sync.database import Pool, connected

ROWS_A_PAGE: Final = 5_000

_HELD: Final = (
    "FROM intake_rows WHERE table_id = $1 AND reporter = $2 AND NOT deleted "
    "AND ($3::text IS NULL OR key >= $3) AND ($4::text IS NULL OR key < $4)"
)
_COUNT: Final = f"SELECT count(*) {_HELD}"
_ROWS: Final = f"SELECT key, ver {_HELD} ORDER BY key"


async def digest(pool: Pool, reporter: str, table: str, asked: Asked) -> dict[str, Any]:
    """Return the digest of one range of keys, read page by page from one snapshot. Raises DatabaseAway."""
    where = (table, reporter, asked.lower, asked.upper)
    async with connected(pool) as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        made = RangeDigest(asked, await connection.fetchval(_COUNT, *where))
        async for row in connection.cursor(_ROWS, *where, prefetch=ROWS_A_PAGE):
            made.add(row["key"], row["ver"])
    return made.answer(table, reporter)
