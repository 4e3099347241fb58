"""report_feeds: how far the journal has been turned into batches, per table."""

from datetime import datetime
from typing import Final

from identifiers.changes import START, Cursor
from sync.database import Connection

STATE: Final = "STATE"
"""The name of the one feed that all state tables share; T9 has its own."""


class FeedMoved(Exception):  # noqa: N818 - not a defect: another process of this node reports too
    """Somebody else has advanced the feed; nothing of this round was stored."""


_POSITION = "SELECT xid, seq FROM report_feeds WHERE reporter = $1 AND table_id = $2"


async def position(connection: Connection, reporter: str, table: str) -> Cursor:
    """Return the position up to which this table's journal rows are in batches; a new feed begins at the start."""
    row = await connection.fetchrow(_POSITION, reporter, table)
    if row is None:
        await connection.execute(
            "INSERT INTO report_feeds (reporter, table_id) VALUES ($1, $2) ON CONFLICT DO NOTHING", reporter, table
        )
        return START
    return Cursor(row["xid"], row["seq"])


async def advance(
    connection: Connection, reporter: str, table: str, *, before: Cursor, after: Cursor, now: datetime
) -> None:
    """Move the feed, in the transaction that stores the batches; raises FeedMoved if it does not stand at `before`."""
    tag = await connection.execute(
        "UPDATE report_feeds SET xid = $5, seq = $6, read_at = $7 "
        "WHERE reporter = $1 AND table_id = $2 AND xid = $3 AND seq = $4",
        reporter,
        table,
        before.xid,
        before.seq,
        after.xid,
        after.seq,
        now,
    )
    if tag != "UPDATE 1":
        raise FeedMoved(f"the feed of {table} no longer stands at {before}")
