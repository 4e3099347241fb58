"""Working days by the official Chinese calendar, make-up days included, from a file that the operator renews each year.

The file is JSON: `{"2031": {"holidays": ["2031-10-01"], "working_days": ["2031-09-27"]}}`. A year that it does not hold
has the days from Monday to Friday, and what follows from them is provisional (docking contract 2).
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import msgspec

SEND_ON: Final = 3
ALARM_ON: Final = 7
DUE_ON: Final = 10
"""The report is sent, is overdue, and has to be there on these working days after the month."""
OCTETS_MAX: Final = 1 << 20
_SATURDAY: Final = 5

_log = logging.getLogger(__name__)


class CalendarUnusable(Exception):  # noqa: N818 - says what is wrong with a file
    """The file cannot be read; the message says why and what to do."""


class Year(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What differs from Monday to Friday in a year."""

    holidays: frozenset[date]
    working_days: frozenset[date] = frozenset()


@dataclass(frozen=True, slots=True)
class WorkingDays:
    """The calendar."""

    years: Mapping[int, Year] = field(default_factory=dict)

    def is_working(self, day: date) -> bool:
        """Whether a day is a working day."""
        year = self.years.get(day.year)
        if year is None:
            return day.weekday() < _SATURDAY
        return day in year.working_days or (day.weekday() < _SATURDAY and day not in year.holidays)

    def after(self, month: str, number: int) -> date:
        """Return the n-th working day after a month (YYYY-MM)."""
        day = _last_day(month)
        while number:
            day += timedelta(days=1)
            number -= self.is_working(day)
        return day

    def is_provisional(self, month: str) -> bool:
        """Whether the days after a month are not from the official calendar."""
        return (_last_day(month) + timedelta(days=1)).year not in self.years


def read_calendar(path: Path | None) -> WorkingDays:
    """Read the file; without one every day is provisional. Raises CalendarUnusable."""
    if path is None:
        return WorkingDays()
    try:
        octets = path.read_bytes()
        if len(octets) > OCTETS_MAX:
            raise CalendarUnusable(f"{path} is longer than {OCTETS_MAX} octets: it is no calendar")
        years = msgspec.json.decode(octets, type=dict[int, Year], strict=False)
    except OSError as error:
        raise CalendarUnusable(f"{path} cannot be read: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise CalendarUnusable(f"{path} is no calendar: {error}") from error
    return WorkingDays(years)


def calendar_or_provisional(path: Path | None) -> WorkingDays:
    """Read the file; if it cannot be used, say why in the log and go on without."""
    try:
        return read_calendar(path)
    except CalendarUnusable as error:
        _log.error("working days are provisional, Monday to Friday: %s", error)
        return WorkingDays()


def _last_day(month: str) -> date:
    first = date.fromisoformat(f"{month}-01")
    return (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
