"""The audit log's months of access entries: partitions made ahead, and dropped when nobody has to keep them.

Dropping a partition is the only way in which an entry leaves the log, and there is none for entries of changes.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from registry.database import Connection

MONTHS_AHEAD: Final = 2
LOCK_TIMEOUT_MS: Final = 2_000

_WITH_PARTITION = """
SELECT to_date(right(relname, 6), 'YYYYMM') AS month
FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
WHERE inhparent = 'audit_access'::regclass AND relname ~ '^audit_access_[0-9]{6}$'
ORDER BY month"""
_IN_DEFAULT = "SELECT EXISTS (SELECT FROM audit_access_default WHERE at >= $1 AND at < $2)"

_NEWEST_IN_DEFAULT = "SELECT max(at) FROM audit_access_default"


async def ensure_partitions(connection: Connection, now: datetime, *, months_ahead: int = MONTHS_AHEAD) -> list[date]:
    """Make the partitions of this month and the coming ones, and return the months that were missing.

    A month of which entries wait in the default partition already stays there.
    """
    present = {row["month"] for row in await connection.fetch(_WITH_PARTITION)}
    month = now.astimezone(UTC).date().replace(day=1)
    made = []
    for _ in range(months_ahead + 1):
        following = _next(month)
        waiting = await connection.fetchval(_IN_DEFAULT, _midnight(month), _midnight(following))
        if month not in present and not waiting:
            await _make(connection, month, following)
            made.append(month)
        month = following
    return made


async def drop_before(connection: Connection, day: date) -> list[date]:
    """Drop the months that ended before `day`, and return them; with them what no month's partition took."""
    dropped = []
    newest = await connection.fetchval(_NEWEST_IN_DEFAULT)
    if newest is not None and newest < _midnight(day):
        await _renew_default(connection)
    for row in await connection.fetch(_WITH_PARTITION):
        if _next(row["month"]) <= day:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
                await connection.execute(f"DROP TABLE {_partition(row['month'])}")
            dropped.append(row["month"])
    return dropped


async def _renew_default(connection: Connection) -> None:
    async with connection.transaction():
        await connection.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
        await connection.execute("DROP TABLE audit_access_default")
        await connection.execute("CREATE TABLE audit_access_default PARTITION OF audit_access DEFAULT")
        await _keep_all(connection, "audit_access_default")


async def _keep_all(connection: Connection, partition: str) -> None:
    # Unlike those for rows, triggers for statements are not taken over from the parent.
    await connection.execute(
        f"CREATE OR REPLACE TRIGGER {partition}_keeps_all BEFORE TRUNCATE ON {partition} "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_append_only()"
    )


async def _make(connection: Connection, month: date, following: date) -> None:
    name = _partition(month)
    async with connection.transaction():
        # Everyone queues behind a waiting exclusive lock, so giving up soon is kinder than insisting.
        await connection.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
        await connection.execute(
            f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF audit_access "
            f"FOR VALUES FROM ('{_midnight(month)}') TO ('{_midnight(following)}')"
        )
        await _keep_all(connection, name)


def _next(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)


def _partition(month: date) -> str:
    return f"audit_access_{month:%Y%m}"


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)
