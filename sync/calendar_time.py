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


def hour_period(moment: datetime) -> Period:
    """Return the full hour a moment lies in; Beijing's hours are UTC's."""
    start = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return Period(kind="hour", start=instant(start), end=instant(start + timedelta(hours=1)))


def month_period(month: str) -> Period:
    """Return a month (YYYY-MM) from one Beijing midnight to another, written in UTC."""
    first = date.fromisoformat(f"{month}-01")
    following = (first + timedelta(days=31)).replace(day=1)
    start, end = (datetime.combine(day, time(), BEIJING) for day in (first, following))
    return Period(kind="month", start=instant(start), end=instant(end))


def instant_period(first: datetime, last: datetime) -> Period:
    """Return the period of changes told in real time, from the first to the last of them, both included."""
    return Period(kind="instant", start=instant(first), end=instant(last + timedelta(seconds=1)))


_FIRST_ATTEMPTS: Final = {
    "instant": timedelta(),
    "hour": timedelta(minutes=2),
    "day": timedelta(minutes=10),
    "month": timedelta(hours=1),
}


def first_attempt(period: Period) -> datetime:
    """Return when what is held until its period has closed goes for the first time (docking contract 1)."""
    return datetime.fromisoformat(period.end) + _FIRST_ATTEMPTS[period.kind]
