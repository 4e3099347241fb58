"""report_revisions: the version under which each fact was told last, and what was said."""

from datetime import datetime
from typing import Final

from sync.database import Connection

_NEXT: Final = (
    "INSERT INTO report_revisions AS told (reporter, table_id, key, ver) VALUES ($1, $2, $3, 2) "
    "ON CONFLICT (reporter, table_id, key) DO UPDATE SET ver = told.ver + 1 RETURNING ver"
)

_FIRST_OR_NEXT: Final = _NEXT.replace("$3, 2)", "$3, 1)")

_NOTE: Final = """
INSERT INTO report_revisions AS told (reporter, table_id, key, ver, digest, told_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (reporter, table_id, key) DO UPDATE SET
    ver = greatest(told.ver, excluded.ver), digest = excluded.digest, told_at = excluded.told_at"""
_DIGEST: Final = "SELECT digest FROM report_revisions WHERE reporter = $1 AND table_id = $2 AND key = $3"
_FORGET: Final = "DELETE FROM report_revisions WHERE ver = 1 AND told_at < $1"
"""Without a row a fact counts as told once."""


async def next_version(connection: Connection, reporter: str, table: str, key: str) -> int:
    """Return the version under which a fact is told again; it was version 1 the first time."""
    return int(await connection.fetchval(_NEXT, reporter, table, key))


async def first_or_next_version(connection: Connection, reporter: str, table: str, key: str) -> int:
    """Return the version under which a fact is told, of which it is not known whether it was told before."""
    return int(await connection.fetchval(_FIRST_OR_NEXT, reporter, table, key))


async def note_told(
    connection: Connection, reporter: str, table: str, key: str, ver: int, digest: bytes, now: datetime
) -> None:
    """Keep what was said of a fact, as a SHA-256."""
    await connection.execute(_NOTE, reporter, table, key, ver, digest, now)


async def digest_told(connection: Connection, reporter: str, table: str, key: str) -> bytes | None:
    """Return the SHA-256 of what was said of a fact the last time; None if that is not known."""
    digest: bytes | None = await connection.fetchval(_DIGEST, reporter, table, key)
    return digest


async def forget(connection: Connection, told_before: datetime) -> None:
    """Forget what was said long ago of facts that were told once."""
    await connection.execute(_FORGET, told_before)
