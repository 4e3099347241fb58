"""The table of days of which counts came late: noted with the counts, taken away when the day was told again."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final, NamedTuple

from registry.database import Connection

_NOTE: Final = """
INSERT INTO late_days AS kept (day, noted_at) SELECT day, $2 FROM unnest($1::date[]) AS late (day) ORDER BY day
ON CONFLICT (day) DO UPDATE SET noted_at = greatest(kept.noted_at, excluded.noted_at), done_until = ''"""
_QUIET: Final = "SELECT day FROM late_days WHERE noted_at <= $1 ORDER BY day LIMIT $2"
_LOCK: Final = "SELECT day, noted_at, done_until FROM late_days WHERE day = $1 FOR UPDATE SKIP LOCKED"
_ADVANCE: Final = "UPDATE late_days SET done_until = $2 WHERE day = $1"
_DROP: Final = "DELETE FROM late_days WHERE day = $1"
_FORGET: Final = "DELETE FROM late_days WHERE day < $1"


class LateDay(NamedTuple):
    """A day, when something of it was collected last, and up to which prefix it was looked at since."""

    day: date
    noted_at: datetime
    done_until: str


async def note(connection: Connection, days: Sequence[date], now: datetime) -> None:
    """Note that something of these days was collected now."""
    await connection.execute(_NOTE, days, now)


async def quiet(connection: Connection, noted_until: datetime, limit: int) -> list[date]:
    """Return days of which nothing was collected since a moment, the oldest first."""
    return [row["day"] for row in await connection.fetch(_QUIET, noted_until, limit)]


async def lock(connection: Connection, day: date) -> LateDay | None:
    """Return a day, locked until the transaction ends; None if it is done, or another process is at it."""
    row = await connection.fetchrow(_LOCK, day)
    return None if row is None else LateDay(*row.values())


async def advance(connection: Connection, day: date, done_until: str) -> None:
    """Note up to which prefix a locked day was looked at."""
    await connection.execute(_ADVANCE, day, done_until)


async def drop(connection: Connection, day: date) -> None:
    """Take a locked day away."""
    await connection.execute(_DROP, day)


async def forget(connection: Connection, before: date) -> None:
    """Take old days away, of a node that reports to nobody."""
    await connection.execute(_FORGET, before)
