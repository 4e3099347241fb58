"""Beijing calendar days and the forms of time in reports (docking contract 3.1 and 1)."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import lru_cache
from typing import Final

from sync.batch import Period

BEIJING: Final = timezone(timedelta(hours=8), "UTC+08:00")
"""No daylight saving since 1991, so a fixed offset needs no zone data."""


def instant(moment: datetime) -> str:
    """Write a moment as the contract's `instant`: RFC 3339 in UTC, whole seconds, fractions dropped."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def beijing_day(moment: datetime) -> date:
    """Return the calendar day in Beijing."""
    return moment.astimezone(BEIJING).date()


@lru_cache(maxsize=64)
def day_period(day: date) -> Period:
    """Return the day from one Beijing midnight to the next, written in UTC."""
    start = datetime.combine(day, time(), BEIJING)
    return Period(kind="day", start=instant(start), end=instant(start + timedelta(days=1)))
