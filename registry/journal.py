"""The journal: one row per change, written in the transaction of the change, read in the order (xid, seq).

A sequence number is taken before the commit, so a reader that remembers the highest one it saw loses what commits
late. Readers here take only rows of transactions older than every transaction still running, so nothing can appear
behind a position already read.

The order is also the order of events for each key. For identifiers the row's own `xid` column sees to that (a
transaction with a smaller id does not change the row any more, it is repeated); for everything else `serialise`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg

from identifiers.changes import Change, Cursor, Op
from registry import origin
from registry.database import Connection

LAST_SEQ: Final = 2**63 - 1
"""A position with this sequence number stands behind every row of its transaction."""
OCTETS_MAX: Final = 16 * 2**20
"""A read ends after about this many octets of states, whatever its limit of rows."""

_BEHIND_EVERYTHING: Final = Cursor(2**63, 0)

_APPEND_ALONE = "INSERT INTO journal (actor, kind, key, op, after) VALUES ($1, $2, $3, $4, $5) RETURNING xid, seq"
_APPEND = (
    "WITH audited AS (INSERT INTO audit_log (kind, actor, address, action, object, result, request_id) "
    "VALUES ('change', $1, $6, $7, $2 || ' ' || $3, 'ok', $8)) " + _APPEND_ALONE
)
_SERIALISE = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
# The window stops at the limit and reads lengths only, so long states are not fetched to be thrown away.
_READ = """
SELECT xid, seq, at, kind, key, op, after
FROM (
    SELECT xid, seq, at, kind, key, op, after,
           sum(octet_length(after)) OVER (ORDER BY xid, seq ROWS UNBOUNDED PRECEDING) - octet_length(after) AS before
    FROM journal
    WHERE (xid, seq) > ($1, $2) AND xid < pg_snapshot_xmin(pg_current_snapshot()) AND at >= $4
      AND ($6::text[] IS NULL OR kind = ANY($6))
    ORDER BY xid, seq
    LIMIT $3
) AS unread
WHERE before < $5
ORDER BY xid, seq"""
# Newest first; as above, what is too long for the answer is not fetched.
_OF_KEY = """
SELECT xid, seq, at, kind, key, op, after, actor
FROM (
    SELECT xid, seq, at, kind, key, op, after, actor,
           sum(octet_length(after)) OVER (ORDER BY xid DESC, seq DESC ROWS UNBOUNDED PRECEDING)
               - octet_length(after) AS before
    FROM journal
    WHERE key = $1 AND kind = $2 AND (xid, seq) < ($3, $4)
    ORDER BY xid DESC, seq DESC
    LIMIT $5
) AS past
WHERE before < $6
ORDER BY xid DESC, seq DESC"""
_FLOOR = """
SELECT coalesce(
    (SELECT min(day) FROM journal_sealed_days WHERE (last_xid, last_seq) > ($1, $2)),
    (SELECT max(day) + 1 FROM journal_sealed_days),
    '0001-01-01')::timestamp AT TIME ZONE 'UTC'"""
_DEPTH = """
SELECT count(*) FROM (
    SELECT FROM journal WHERE (xid, seq) > ($1, $2) AND at >= $3 LIMIT $4
) AS unread"""
_END = """
SELECT xid, seq FROM (
    (SELECT xid, seq FROM journal WHERE at >= $1 ORDER BY xid DESC, seq DESC LIMIT 1)
    UNION ALL
    (SELECT last_xid, last_seq FROM journal_sealed_days
     WHERE last_xid IS NOT NULL ORDER BY last_xid DESC, last_seq DESC LIMIT 1)
    UNION ALL
    (SELECT dropped_xid, dropped_seq FROM journal_state)
) AS newest
ORDER BY xid DESC, seq DESC LIMIT 1"""
_HORIZON = "SELECT pg_snapshot_xmin(pg_current_snapshot())"
_OLDEST = "SELECT dropped_xid AS xid, dropped_seq AS seq FROM journal_state"
_STORED_EPOCH = "SELECT epoch::text FROM journal_state"
_EPOCH = """
SELECT concat_ws('.', epoch, system_identifier, substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8), oid)
FROM journal_state, pg_control_system(), pg_database
WHERE datname = current_database()"""


async def append(
    connection: Connection, *, actor: str, kind: str, key: str, op: Op, after: bytes, audited: bool = True
) -> Cursor:
    """Write one change, in the transaction that makes it, and return its position. `actor` is an account's id.

    With it goes its entry in the audit log, unless the caller writes another one for it (`audited`).
    """
    if audited:
        here = origin.current()
        here.recorded += 1
        row = await connection.fetchrow(
            _APPEND, actor, kind, key, op, after.decode(), here.address, here.action, here.request_id
        )
    else:
        row = await connection.fetchrow(_APPEND_ALONE, actor, kind, key, op, after.decode())
    assert row is not None  # noqa: S101 - RETURNING gives a row or the insert has failed
    return Cursor(row["xid"], row["seq"])


async def serialise(connection: Connection, kind: str, key: str) -> None:
    """Wait for other transactions that change this key, until the end of ours.

    Must come before the transaction's first write: its xid, and with it the place of its changes in the journal, is
    then later than that of the change before it. (An advisory lock takes no xid.)
    """
    await connection.execute(_SERIALISE, f"{kind}:{key}")


async def read_changes(
    connection: Connection,
    after: Cursor,
    limit: int,
    *,
    not_before: datetime | None = None,
    kinds: Sequence[str] | None = None,
) -> list[Change]:
    """Return at most `limit` changes behind `after`, in order; each committed change appears in exactly one read.

    Fewer than `limit` mean that there are no more for now, or about 16 MiB of states. `not_before` is `floor` of the
    same or an earlier position; without it, it is looked up. `kinds` leaves out changes of other kinds.
    """
    since = not_before if not_before is not None else await floor(connection, after)
    rows = await connection.fetch(_READ, after.xid, after.seq, limit, since, OCTETS_MAX, kinds)
    return [Change(xid, seq, at, kind, key, op, after.encode()) for xid, seq, at, kind, key, op, after in rows]


async def horizon(connection: Connection) -> Cursor:
    """Return the position up to which everything that will ever be read is committed by now.

    Asked before a read that finds no more changes, it is where that read has come to.
    """
    return Cursor(int(await connection.fetchval(_HORIZON)) - 1, LAST_SEQ)


async def any_behind(connection: Connection, after: Cursor) -> bool:
    """Whether there is any change behind a position."""
    return await depth(connection, after, 1) > 0


async def of_key(connection: Connection, kind: str, key: str, before: Cursor, limit: int) -> list[tuple[Change, str]]:
    """Return changes of one key before a position, newest first, each with the account that made it.

    As many as are kept, at most `limit`, and about 16 MiB of states.
    """
    rows = await connection.fetch(_OF_KEY, key, kind, before.xid, before.seq, limit, OCTETS_MAX)
    return [
        (
            Change(row["xid"], row["seq"], row["at"], row["kind"], row["key"], row["op"], row["after"].encode()),
            row["actor"],
        )
        for row in rows
    ]


async def floor(connection: Connection, after: Cursor) -> datetime:
    """Return the beginning of the first day that may hold rows behind `after`, so that reads touch no older partition.

    Holds for every later position too. Only sealed days are skipped, and no row is ever added to these.
    """
    since = await connection.fetchval(_FLOOR, after.xid, after.seq)
    assert isinstance(since, datetime)  # noqa: S101 - coalesce ends in a constant
    return since


async def depth(connection: Connection, after: Cursor, limit: int) -> int:
    """Count the changes behind `after`, at most `limit` of them."""
    return int(await connection.fetchval(_DEPTH, after.xid, after.seq, await floor(connection, after), limit))


async def end(connection: Connection) -> Cursor:
    """Return the position of the last committed change; who has come this far knows everything committed by now."""
    row = await connection.fetchrow(_END, await floor(connection, _BEHIND_EVERYTHING))
    assert row is not None  # noqa: S101 - the last of the three has a row
    return Cursor(row["xid"], row["seq"])


async def oldest(connection: Connection) -> Cursor:
    """Return the position behind which everything is still held; a follower before it needs a snapshot."""
    row = await connection.fetchrow(_OLDEST)
    assert row is not None  # noqa: S101 - the migration that makes the table puts its only row in
    return Cursor(row["xid"], row["seq"])


async def epoch(connection: Connection) -> str:
    """Return the identity of the journal.

    It changes with everything after which the same position may name other rows: a new database, a restored or
    copied one (another cluster or database) and a promoted standby (another timeline). Where a hosted PostgreSQL does
    not show these, only a new database is told apart.
    """
    try:
        async with connection.transaction():  # a savepoint, if the caller is in a transaction already
            return str(await connection.fetchval(_EPOCH))
    except asyncpg.InsufficientPrivilegeError:
        return str(await connection.fetchval(_STORED_EPOCH))
