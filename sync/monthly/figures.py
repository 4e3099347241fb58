"""What a monthly report says, gathered from the tables; months and days are those of Beijing."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

import msgspec

from registry import day_figures
from registry.tables import node_events, operator, service_notes
from registry.tables.service_notes import Note
from sync.calendar_time import instant, month_period
from sync.database import Connection
from sync.monthly.availability import availability, mean_cut

HISTORY_MONTHS: Final = 6
NOT_ENTERED: Final = "（未填写）"
"""Stands for the remedy of an emergency that nobody entered yet."""
_US_PER_MS: Final = 1_000
_US_PER_HOUR: Final = 3_600_000_000
_REQUESTS: Final = """
SELECT day, sum(count)::bigint AS count FROM lookup_counts
WHERE day BETWEEN $1 AND $2 AND (prefix = $3 OR starts_with(prefix, $3 || '.')) GROUP BY day"""


class CannotReport(Exception):  # noqa: N818 - says what is missing
    """There is no report of this month; the message says why and what to do."""


class MonthFigure(msgspec.Struct, frozen=True):
    """Availability in percent and running hours of a month."""

    month: str
    percent: float
    hours: float


class DayFigure(msgspec.Struct, frozen=True):
    """A day: round-trip times in milliseconds, None without samples, and look-ups asked for."""

    day: date
    resolution_ms: float | None
    registration_ms: float | None
    requests: int


class Figures(msgspec.Struct, frozen=True):
    """Everything a report is made of. `is_whole`: the month had ended when it was gathered."""

    month: str
    node_prefix: str
    operator_name: str
    months: list[MonthFigure]
    days: list[DayFigure]
    registration_rtt_ms: float | None
    resolution_rtt_ms: float | None
    effective_hours: float | None
    effective_p99_s: float | None
    maintenance: list[dict[str, Any]]
    emergencies: list[dict[str, Any]]
    is_whole: bool


def months_until(month: str, count: int = HISTORY_MONTHS) -> list[str]:
    """Return a month and those before it, oldest first."""
    found = [month]
    while len(found) < count:
        first = date.fromisoformat(f"{found[0]}-01")
        found.insert(0, f"{first - timedelta(days=1):%Y-%m}")
    return found


def bounds(month: str) -> tuple[datetime, datetime]:
    """Return the instants at which a month begins and ends."""
    period = month_period(month)
    return datetime.fromisoformat(period.start), datetime.fromisoformat(period.end)


async def gather(connection: Connection, reporter: str, month: str, now: datetime) -> Figures:
    """Gather the figures of a month that has begun; of one that runs, up to now. Raises CannotReport."""
    start, end = bounds(month)
    if start >= now:
        raise CannotReport(f"{month} has not begun")
    record = await operator.find(connection)
    if record is None:
        raise CannotReport("the operator's record is not entered: PUT /api/v1/operator")
    months = await _months(connection, month, now)
    if not months or months[-1].month != month:
        raise CannotReport(
            f"availability was not measured before or in {month}: the self-check has to run, "
            "see monitor.enabled and `/monitor/v1/status`"
        )
    days = await _days(connection, reporter, start, min(end, now))
    first, last = days[0].day, days[-1].day
    effective = await day_figures.effective(connection, first, last)
    notes = await service_notes.within(connection, start, end)
    return Figures(
        month=month,
        node_prefix=reporter,
        operator_name=str(record.details["org_name"]),
        months=months,
        days=days,
        registration_rtt_ms=_ms(await day_figures.registration_latency(connection, first, last, reporter, below=True)),
        resolution_rtt_ms=_ms(await day_figures.lookup_latency(connection, first, last, reporter, below=True)),
        effective_hours=round(effective.sum_us / effective.count / _US_PER_HOUR, 4) if effective.count else None,
        effective_p99_s=round(effective.p99_us / 1e6, 3) if effective.count else None,
        maintenance=[_stop(note) for note in notes if note.kind == "maintenance"],
        emergencies=[_emergency(note) for note in notes if note.kind == "emergency"],
        is_whole=now >= end,
    )


def report_of(figures: Figures, *, revision: int, now: datetime, documents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the report in the profile's form (docking contract 6)."""
    report: dict[str, Any] = {
        "month": figures.month,
        "node_prefix": figures.node_prefix,
        "operator_name": figures.operator_name,
        "sla_percent": figures.months[-1].percent,
        "sla_history": [{"month": one.month, "percent": one.percent} for one in figures.months],
        "sla_average": sla_average(figures),
        "registration_rtt_ms": figures.registration_rtt_ms,
        "resolution_rtt_ms": figures.resolution_rtt_ms,
        "registration_effective_hours": figures.effective_hours,
        "x_p99_seconds": figures.effective_p99_s,
        "running_hours_history": [{"month": one.month, "hours": one.hours} for one in figures.months],
        "running_hours_average": hours_average(figures),
        "maintenance": figures.maintenance,
        "emergencies": figures.emergencies,
        "generated_at": instant(now),
        "revision": revision,
        "documents": list(documents),
    }
    return {name: value for name, value in report.items() if value is not None}


def sla_average(figures: Figures) -> float:
    """Return the mean availability of the months shown, three decimals, cut off."""
    return mean_cut((one.percent for one in figures.months), 3)


def hours_average(figures: Figures) -> float:
    """Return the mean running hours of the months shown, one decimal, cut off."""
    return mean_cut((one.hours for one in figures.months), 1)


async def _months(connection: Connection, month: str, now: datetime) -> list[MonthFigure]:
    live_since = await node_events.live_since(connection)
    found: list[MonthFigure] = []
    for name in months_until(month):
        start, end = bounds(name)
        outages = await node_events.outages(connection, start, end)
        known = availability(start, min(end, now), live_since, outages)
        if known is not None:
            found.append(MonthFigure(name, known.percent, known.hours))
    return found


async def _days(connection: Connection, reporter: str, start: datetime, end: datetime) -> list[DayFigure]:
    first = date.fromisoformat(day_of(start))
    last = date.fromisoformat(day_of(end - timedelta(microseconds=1)))
    requests = {row["day"]: row["count"] for row in await connection.fetch(_REQUESTS, first, last, reporter)}
    days: list[DayFigure] = []
    day = first
    while day <= last:
        resolution = _ms(await day_figures.lookup_latency(connection, day, day, reporter, below=True))
        registration = _ms(await day_figures.registration_latency(connection, day, day, reporter, below=True))
        days.append(DayFigure(day, resolution, registration, requests.get(day, 0)))
        day += timedelta(days=1)
    return days


def day_of(moment: datetime) -> str:
    """Return the Beijing day of a moment."""
    return (moment + timedelta(hours=8)).date().isoformat()


def _ms(measured: day_figures.Measured | None) -> float | None:
    return None if measured is None else round(measured.sum_us / measured.count / _US_PER_MS, 3)


def _stop(note: Note) -> dict[str, Any]:
    told = {
        "started_at": instant(note.started_at),
        "ended_at": None if note.ended_at is None else instant(note.ended_at),
        "description": note.description,
    }
    return {name: value for name, value in told.items() if value is not None}


def _emergency(note: Note) -> dict[str, Any]:
    told = {
        "started_at": instant(note.started_at),
        "recovered_at": None if note.ended_at is None else instant(note.ended_at),
        "cause": note.description,
        "remedy": note.remedy or NOT_ENTERED,
    }
    return {name: value for name, value in told.items() if value is not None}
