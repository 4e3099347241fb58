"""The calendar of the reports: hours, days and months of Beijing time, and when what they held is told. Pure.

A period is told once it has closed: first attempted, due at the collector and overdue at fixed times after its end
(docking contract 1).
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal, assert_never

from sync.batch import Period
from sync.calendar_time import BEIJING, beijing_day, day_period, first_attempt, hour_period, month_period

Kind = Literal["hour", "day", "month"]

SELF_RUN_WAITED_FOR: Final = timedelta(hours=5)
"""Self-run enterprises report their day until 05:00 of the next one (docking contract 4.8)."""

# After the end of the period: acknowledged by, alarm from. A month's are those of its tables, T5 and T10.
_DUE: Final = {"hour": timedelta(minutes=30), "day": timedelta(hours=6), "month": timedelta(hours=24)}
_ALARM: Final = {"hour": timedelta(minutes=60), "day": timedelta(hours=8), "month": timedelta(hours=32)}


@dataclass(frozen=True, slots=True)
class Span:
    """One period, half-open; the instants are aware and in UTC."""

    kind: Kind
    start: datetime
    end: datetime

    @property
    def period(self) -> Period:
        """The period as the header of a batch names it."""
        match self.kind:
            case "hour":
                return hour_period(self.start)
            case "day":
                return day_period(self.day)
            case "month":
                return month_period(self.month)
            case _:
                assert_never(self.kind)

    @property
    def day(self) -> date:
        """The Beijing day in which it begins."""
        return beijing_day(self.start)

    @property
    def month(self) -> str:
        """The Beijing month in which it begins, YYYY-MM."""
        return f"{self.day:%Y-%m}"

    @property
    def first_attempt(self) -> datetime:
        """When it is told for the first time."""
        return first_attempt(self.period)

    @property
    def due(self) -> datetime:
        """By when it has to be acknowledged."""
        return self.end + _DUE[self.kind]

    @property
    def alarm(self) -> datetime:
        """From when on its absence is an alarm."""
        return self.end + _ALARM[self.kind]


def span_at(kind: Kind, moment: datetime) -> Span:
    """Return the period that a moment lies in."""
    match kind:
        case "hour":
            start = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
            return Span(kind, start, start + timedelta(hours=1))
        case "day":
            day = beijing_day(moment)
            return Span(kind, _midnight(day), _midnight(day + timedelta(days=1)))
        case "month":
            first = beijing_day(moment).replace(day=1)
            return Span(kind, _midnight(first), _midnight((first + timedelta(days=31)).replace(day=1)))
        case _:
            assert_never(kind)


def following(span: Span) -> Span:
    """Return the period that begins where this one ends."""
    return span_at(span.kind, span.end)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), BEIJING).astimezone(UTC)
