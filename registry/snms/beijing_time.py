"""Dates and times as this API writes them: Beijing time (UTC+08:00, no daylight saving), without a zone."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Final

BEIJING: Final = timezone(timedelta(hours=8), "UTC+08:00")
_DATETIME: Final = "%Y-%m-%d %H:%M:%S"
_DATE_CHARACTERS: Final = len("2031-05-06")
_DATETIME_CHARACTERS: Final = len("2031-05-06 01:02:03")


def written(instant: datetime) -> str:
    """Write an instant as `yyyy-MM-dd HH:mm:ss`."""
    return instant.astimezone(BEIJING).strftime(_DATETIME)


def read_datetime(text: str) -> datetime | None:
    """Read `yyyy-MM-dd HH:mm:ss` as an instant in UTC; None if it is none."""
    if len(text) != _DATETIME_CHARACTERS:
        return None
    try:
        return datetime.strptime(text, _DATETIME).replace(tzinfo=BEIJING).astimezone(UTC)
    except ValueError:
        return None


def read_date(text: str) -> date | None:
    """Read `yyyy-MM-dd`; None if it is no date."""
    if len(text) != _DATE_CHARACTERS:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
