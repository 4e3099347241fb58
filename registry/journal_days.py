"""The journal's days: partitions made ahead, sealed when their day is over, dropped when nobody needs them.

Sealing makes a promise readers build on: no row enters the day any more. A transaction that began before midnight
may still be running, and clocks go back. So sealing waits for every transaction that has written to the journal
(it locks the table for a moment), and raises the default of `at`, which no writer gives itself, to the new day.
"""

from datetime import UTC, date, datetime, time, timedelta

from registry.database import Connection

DAYS_AHEAD = 1
"""Each partition makes every reading of the journal cost more; for a day that has none there is the default one."""
LOCK_TIMEOUT_MS = 2_000

_DAY = timedelta(days=1)
_DAYS_WITH_PARTITION = """
SELECT to_date(right(relname, 8), 'YYYYMMDD') AS day
FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
WHERE inhparent = 'journal'::regclass AND relname ~ '^journal_[0-9]{8}$'
ORDER BY day"""
_DAYS_IN_DEFAULT = "SELECT DISTINCT (at AT TIME ZONE 'UTC')::date AS day FROM journal_default"
_SEALED_UNTIL = "SELECT max(day) FROM journal_sealed_days"
_SEAL_DAY = """
INSERT INTO journal_sealed_days (day, last_xid, last_seq)
SELECT $1, last.xid, last.seq
FROM (VALUES (1)) AS one LEFT JOIN LATERAL (
    SELECT xid, seq FROM journal WHERE at >= $2 AND at < $3 ORDER BY xid DESC, seq DESC LIMIT 1
) AS last ON true"""
_REMEMBER_DROPPED = """
UPDATE journal_state SET (dropped_xid, dropped_seq) = (last_xid, last_seq)
FROM (
    SELECT last_xid, last_seq FROM journal_sealed_days
    WHERE day < $1 AND last_xid IS NOT NULL
    ORDER BY last_xid DESC, last_seq DESC LIMIT 1
) AS dropped
WHERE (last_xid, last_seq) > (dropped_xid, dropped_seq)"""
_FORGET_DAYS = "DELETE FROM journal_sealed_days WHERE day < $1"
_EMPTY_DEFAULT = "DELETE FROM journal_default WHERE at < $1"


async def ensure_partitions(connection: Connection, now: datetime, *, days_ahead: int = DAYS_AHEAD) -> list[date]:
    """Make the partitions of today and the coming days, and return the days that were missing.

    A day for which rows already wait in the default partition stays there: reading them costs the same.
    """
    today = _day_of(now)
    present = await _days(connection, _DAYS_WITH_PARTITION) | await _days(connection, _DAYS_IN_DEFAULT)
    wanted = [today + timedelta(days=ahead) for ahead in range(days_ahead + 1)]
    missing = [day for day in wanted if day not in present]
    for day in missing:
        async with connection.transaction():
            await _wait_briefly(connection)
            await connection.execute(
                f"CREATE TABLE IF NOT EXISTS {_partition(day)} PARTITION OF journal "
                f"FOR VALUES FROM ('{_midnight(day)}') TO ('{_midnight(day + _DAY)}')"
            )
    return missing


async def seal_days(connection: Connection, now: datetime) -> date | None:
    """Seal every day before today's (UTC) and return the last of them, None if they were sealed already.

    Writers wait meanwhile: for the transactions that are writing to the journal, at most `LOCK_TIMEOUT_MS`.
    """
    today = _day_of(now)
    last = today - _DAY
    sealed_until: date = await connection.fetchval(_SEALED_UNTIL) or date.min
    if sealed_until >= last:
        return None
    async with connection.transaction():
        await _wait_briefly(connection)
        await connection.execute("LOCK TABLE ONLY journal IN ACCESS EXCLUSIVE MODE")
        await connection.execute(
            f"ALTER TABLE ONLY journal ALTER COLUMN at SET DEFAULT greatest(now(), '{_midnight(today)}')"
        )
        with_rows = await _days(connection, _DAYS_WITH_PARTITION) | await _days(connection, _DAYS_IN_DEFAULT)
        for day in sorted(day for day in with_rows | {last} if sealed_until < day <= last):
            await connection.execute(_SEAL_DAY, day, _midnight(day), _midnight(day + _DAY))
    return last


async def drop_before(connection: Connection, day: date) -> list[date]:
    """Drop the journal before `day` and return the days that had a partition. Only sealed days are dropped.

    A follower that had not read them finds its position before `journal.oldest` and takes a snapshot.
    """
    sealed_until: date | None = await connection.fetchval(_SEALED_UNTIL)
    if sealed_until is None:
        return []
    day = min(day, sealed_until)  # the newest sealed day stays: it says from where readers begin
    async with connection.transaction():
        await _wait_briefly(connection)
        dropped = sorted(found for found in await _days(connection, _DAYS_WITH_PARTITION) if found < day)
        await connection.execute(_REMEMBER_DROPPED, day)
        for found in dropped:
            await connection.execute(f"DROP TABLE {_partition(found)}")
        await connection.execute(_EMPTY_DEFAULT, _midnight(day))
        await connection.execute(_FORGET_DAYS, day)
    return dropped


async def _days(connection: Connection, query: str) -> set[date]:
    return {row["day"] for row in await connection.fetch(query)}


async def _wait_briefly(connection: Connection) -> None:
    # Everyone queues behind a waiting exclusive lock, so giving up soon is kinder than insisting.
    await connection.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")


def _day_of(now: datetime) -> date:
    return now.astimezone(UTC).date()


def _partition(day: date) -> str:
    return f"journal_{day:%Y%m%d}"


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)
