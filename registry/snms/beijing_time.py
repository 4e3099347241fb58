"""Dates and times as this API writes them: Beijing time (UTC+08:00, no daylight saving), without a zone."""

import re
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Final

BEIJING: Final = timezone(timedelta(hours=8), "UTC+08:00")
_DATETIME: Final = "%Y-%m-%d %H:%M:%S"
_DATE_FORM: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATETIME_FORM: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")


def written(instant: datetime) -> str:
    """Write an instant as `yyyy-MM-dd HH:mm:ss`."""
    return instant.astimezone(BEIJING).strftime(_DATETIME)


def read_datetime(text: str) -> datetime | None:
    """Read `yyyy-MM-dd HH:mm:ss` as an instant in UTC; None if it is none, or lies before the year 1 there."""
    if _DATETIME_FORM.fullmatch(text) is None:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=BEIJING).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def read_date(text: str) -> date | None:
    """Read `yyyy-MM-dd`; None if it is no date."""
    if _DATE_FORM.fullmatch(text) is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
