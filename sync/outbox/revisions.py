"""report_revisions: facts that were told more than once, with the version they were told last."""

from typing import Final

from sync.database import Connection

_NEXT: Final = (
    "INSERT INTO report_revisions AS told (reporter, table_id, key, ver) VALUES ($1, $2, $3, 2) "
    "ON CONFLICT (reporter, table_id, key) DO UPDATE SET ver = told.ver + 1 RETURNING ver"
)

_FIRST_OR_NEXT: Final = _NEXT.replace("$3, 2)", "$3, 1)")


async def next_version(connection: Connection, reporter: str, table: str, key: str) -> int:
    """Return the version under which a fact is told again; it was version 1 the first time."""
    return int(await connection.fetchval(_NEXT, reporter, table, key))


async def first_or_next_version(connection: Connection, reporter: str, table: str, key: str) -> int:
    """Return the version under which a fact is told, of which it is not known whether it was told before."""
    return int(await connection.fetchval(_FIRST_OR_NEXT, reporter, table, key))
