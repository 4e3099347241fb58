"""Counts of registrations by prefix and Beijing day, kept by reading the journal: writing pays nothing for them.

Pending: the journal behind `registration_cursor`. Cursor: that one, advanced in the transaction that adds the counts,
so a change is counted once. On an error nothing was added, and the same rows are read again. Where the journal no
longer holds what is pending, the tables are counted instead.
"""

# ruff: noqa: S608 - what is put into the statements are the constants beside them

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Final

import asyncpg
import msgspec

from identifiers.changes import KIND_IDENTIFIER, KIND_PREFIX, START, Cursor, PrefixState
from registry import journal
from registry.database import Connection
from registry.snapshot import open_snapshot
from registry.statistics import BEIJING, beijing_day

PAGE_ROWS: Final = 20_000
COUNT_TIMEOUT_S: Final = 600.0
DAYS_COUNTED_ANEW: Final = 35
"""When the tables are counted, days before these keep what was counted for them."""

_IN_FORCE: Final = ("active", "withdrawing", "suspended")

# A key is `hdl:prefix/suffix`; a prefix as an object, 0.NA/prefix, is counted for the prefix it names.
_PREFIX_OF_KEY: Final = (
    "split_part(substr(key, 5), '/', CASE WHEN upper(substr(key, 5, 5)) = '0.NA/' THEN 2 ELSE 1 END)"
)
_DAY_OF: Final = "({} AT TIME ZONE 'UTC' + interval '8 hours')::date"
_CURSOR = "SELECT xid, seq FROM registration_cursor FOR UPDATE"
_BEGIN = "INSERT INTO registration_cursor (xid, seq) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_UNCOUNTED = f"""
SELECT EXISTS (
    SELECT FROM journal WHERE at < $1 AND kind IN ('{KIND_IDENTIFIER}', '{KIND_PREFIX}')
      AND (xid, seq) > ((SELECT xid FROM registration_cursor), (SELECT seq FROM registration_cursor)))"""
_ADVANCE = "UPDATE registration_cursor SET xid = $1, seq = $2"
_COUNT = f"""
WITH unread AS MATERIALIZED (
    SELECT xid, seq, at, kind, key, op FROM journal
    WHERE (xid, seq) > ($1, $2) AND xid < pg_snapshot_xmin(pg_current_snapshot()) AND at >= $3
    ORDER BY xid, seq LIMIT $4
), counted AS (
    SELECT {_DAY_OF.format("at")} AS day, {_PREFIX_OF_KEY} AS prefix,
           count(*) FILTER (WHERE op = 'create') AS added, count(*) FILTER (WHERE op = 'withdraw') AS withdrawn
    FROM unread WHERE kind = '{KIND_IDENTIFIER}' AND op IN ('create', 'withdraw')
    GROUP BY 1, 2
), by_day AS (
    INSERT INTO registration_counts AS kept (day, prefix, added, withdrawn)
    SELECT day, prefix, added, withdrawn FROM counted
    ON CONFLICT (day, prefix) DO UPDATE
    SET added = kept.added + excluded.added, withdrawn = kept.withdrawn + excluded.withdrawn
), in_all AS (
    INSERT INTO registration_totals AS kept (prefix, total)
    SELECT prefix, sum(added - withdrawn) FROM counted GROUP BY prefix
    ON CONFLICT (prefix) DO UPDATE SET total = kept.total + excluded.total
)
SELECT xid, seq, (SELECT count(*) FROM unread) AS rows,
       (SELECT count(*) FROM unread WHERE kind = '{KIND_PREFIX}') AS prefixes
FROM unread ORDER BY unread.xid DESC, seq DESC LIMIT 1"""
_PREFIX_CHANGES = f"""
SELECT {_DAY_OF.format("at")} AS day, after FROM journal
WHERE (xid, seq) > ($1, $2) AND (xid, seq) <= ($3, $4) AND at >= $5 AND kind = '{KIND_PREFIX}'
ORDER BY xid, seq"""
_COMES = """
INSERT INTO prefix_days (prefix, since_day)
SELECT $1, $2 WHERE NOT EXISTS (SELECT FROM prefix_days WHERE prefix = $1 AND until_day IS NULL)
ON CONFLICT (prefix, since_day) DO UPDATE SET until_day = NULL"""
_GOES = "UPDATE prefix_days SET until_day = $2 WHERE prefix = $1 AND until_day IS NULL"
# The snapshot also sees changes that are behind its cursor and so will be read: they are taken off here.
_ANEW_TOTALS = f"""
INSERT INTO registration_totals (prefix, total)
SELECT prefix, sum(n) FROM (
    SELECT p.prefix, count(*) AS n FROM identifiers AS i JOIN prefixes AS p ON p.id = i.prefix_id
    WHERE i.state = 'active' GROUP BY p.prefix
    UNION ALL
    SELECT {_PREFIX_OF_KEY}, CASE op WHEN 'create' THEN -1 ELSE 1 END FROM journal
    WHERE (xid, seq) > ($1, $2) AND kind = '{KIND_IDENTIFIER}' AND op IN ('create', 'withdraw')
) AS counted GROUP BY prefix"""
_ANEW_DAYS = f"""
INSERT INTO registration_counts (day, prefix, added, withdrawn)
SELECT day, prefix, greatest(sum(added), 0), greatest(sum(withdrawn), 0) FROM (
    SELECT {_DAY_OF.format("i.created_at")} AS day, p.prefix, 1 AS added, 0 AS withdrawn
    FROM identifiers AS i JOIN prefixes AS p ON p.id = i.prefix_id WHERE i.created_at >= $3 AND i.state <> 'alias'
    UNION ALL
    SELECT {_DAY_OF.format("i.updated_at")}, p.prefix, 0, 1
    FROM identifiers AS i JOIN prefixes AS p ON p.id = i.prefix_id
    WHERE i.updated_at >= $3 AND i.state = 'withdrawn'
    UNION ALL
    SELECT {_DAY_OF.format("at")}, {_PREFIX_OF_KEY}, -(op = 'create')::int, -(op = 'withdraw')::int FROM journal
    WHERE (xid, seq) > ($1, $2) AND kind = '{KIND_IDENTIFIER}' AND op IN ('create', 'withdraw')
) AS counted GROUP BY day, prefix"""
_ANEW_PREFIXES = f"""
INSERT INTO prefix_days (prefix, since_day, until_day)
SELECT prefix, {_DAY_OF.format("created_at")},
       CASE WHEN state = 'withdrawn' THEN {_DAY_OF.format("updated_at")} END
FROM prefixes WHERE state IN ('active', 'withdrawing', 'suspended', 'withdrawn')
    AND NOT EXISTS (SELECT FROM prefix_days AS known WHERE known.prefix = prefixes.prefix)"""

_ANEW_ENDS = f"""
UPDATE prefix_days AS d SET until_day = {_DAY_OF.format("p.updated_at")}
FROM prefixes AS p WHERE p.prefix = d.prefix AND d.until_day IS NULL AND p.state NOT IN {_IN_FORCE}"""


class _Expired(Exception):  # noqa: N818 - the journal no longer holds what is pending
    """The journal begins behind the cursor."""


async def count_registrations(connection: Connection, now: datetime) -> None:
    """Count everything the journal tells by now. Safe beside others who do the same."""
    more = True
    while more:
        try:
            more = await _count_page(connection)
        except _Expired:
            await _count_anew(connection, now)


async def is_counted(connection: Connection, until: datetime) -> bool:
    """Whether every registration that the journal tells of the time before an instant is counted.

    What is committed behind a transaction that still runs, in whichever database of the server, is not.
    """
    return not await connection.fetchval(_UNCOUNTED, until)


async def _count_page(connection: Connection) -> bool:
    """Count a stretch of the journal; True if there may be more. Raises _Expired, and then nothing was counted."""
    async with connection.transaction():
        await connection.execute(_BEGIN, *START)
        row = await connection.fetchrow(_CURSOR)
        assert row is not None  # noqa: S101 - the statement before has put it there
        before = Cursor(row["xid"], row["seq"])
        floor = await journal.floor(connection, before)
        page = await connection.fetchrow(_COUNT, *before, floor, PAGE_ROWS)
        if page is not None:
            after = Cursor(page["xid"], page["seq"])
            if page["prefixes"]:
                await _follow_prefixes(connection, await connection.fetch(_PREFIX_CHANGES, *before, *after, floor))
            await connection.execute(_ADVANCE, *after)
        # Asked after reading: rows may have been dropped before or meanwhile.
        if before < await journal.oldest(connection):
            raise _Expired
        return page is not None and bool(page["rows"] == PAGE_ROWS)


async def _follow_prefixes(connection: Connection, changes: Sequence[asyncpg.Record]) -> None:
    for change in changes:
        state = _prefix_state.decode(change["after"])
        statement = _COMES if state.state in _IN_FORCE else _GOES
        await connection.execute(statement, state.prefix, change["day"])


async def _count_anew(connection: Connection, now: datetime) -> None:
    """Count what the tables hold, and go on with the journal from there. Takes seconds for 10 million records."""
    today = beijing_day(int(now.timestamp()))
    since = datetime.combine(today - timedelta(days=DAYS_COUNTED_ANEW), time(), UTC) - BEIJING
    async with connection.transaction(isolation="repeatable_read"):
        await connection.execute(f"SET LOCAL statement_timeout = {COUNT_TIMEOUT_S * 1000:.0f}")
        cursor = (await open_snapshot(connection)).cursor
        await connection.execute(_BEGIN, *START)
        await connection.execute(_ADVANCE, *cursor)
        await connection.execute("DELETE FROM registration_totals")
        await connection.execute(_ANEW_TOTALS, *cursor, timeout=COUNT_TIMEOUT_S)
        await connection.execute("DELETE FROM registration_counts WHERE day >= $1", beijing_day(int(since.timestamp())))
        await connection.execute(_ANEW_DAYS, *cursor, since, timeout=COUNT_TIMEOUT_S)
        await connection.execute(_ANEW_PREFIXES)
        await connection.execute(_ANEW_ENDS)


_prefix_state = msgspec.json.Decoder(PrefixState)
