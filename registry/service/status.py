"""How the registry is: the database's version, the journal's ends, and how much is registered."""

from typing import Any

from identifiers.changes import START, Cursor
from registry import journal
from registry.database import Connection

DEPTH_MAX = 100_000
"""Changes not yet in the replica are counted up to here."""

_VERSION = "SHOW server_version"
_COUNTS = """
SELECT (SELECT count(*) FROM enterprises) AS enterprises,
       (SELECT count(*) FROM prefixes) AS prefixes,
       (SELECT count(*) FROM templates) AS templates,
       (SELECT count(*) FROM api_tokens WHERE revoked_at IS NULL) AS tokens,
       (SELECT coalesce(sum(greatest(reltuples, 0)), 0)::bigint FROM pg_inherits
        JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = 'identifiers'::regclass) AS identifiers_estimate"""


async def database(connection: Connection) -> dict[str, Any]:
    """Return the version of PostgreSQL."""
    return {"version": await connection.fetchval(_VERSION)}


async def counts(connection: Connection) -> dict[str, Any]:
    """Return how much is registered; counting identifiers one by one would take too long."""
    row = await connection.fetchrow(_COUNTS)
    return dict(row) if row else {}


async def journal_figures(connection: Connection, replica: Cursor | None) -> dict[str, Any]:
    """Return the journal's ends, and how many changes behind the replica they are (None: the replica is not known)."""
    unread = None
    if replica is not None and replica >= START:
        unread = await journal.depth(connection, replica, DEPTH_MAX)
    return {
        "epoch": await journal.epoch(connection),
        "oldest": shown(await journal.oldest(connection)),
        "end": shown(await journal.end(connection)),
        "changes_behind_replica": unread,
        "changes_counted_max": DEPTH_MAX,
    }


def shown(cursor: Cursor) -> str:
    """Write a journal position for people."""
    return f"{cursor.xid}/{cursor.seq}"
