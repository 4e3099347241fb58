"""Monthly operation reports (docking contract 6 and 9.9): checked, kept with all their revisions."""

import json
import math
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final

from sync.calendar_time import beijing_day, instant
from sync.collecting.problems import Problem
from sync.tables.composites import FILE
from sync.tables.field_kinds import Field, Kind, Many, Moment, Record, Text, Whole, number
from sync.tables.fields import MONTH, PREFIX
from sync.tables.table import Problem as Fault
from sync.top_node.book import Book

HISTORY_MONTHS: Final = 6
WORKING_DAYS: Final = 10
"""The report is due within ten working days after the month's end."""
ROUNDING: Final = 0.0015
"""Averages are written with three decimals, truncated."""
PERCENT_MAX: Final = 100
DOCUMENTS_MAX: Final = 8

_INSTANT: Final = Moment(instant=True)
_SATURDAY: Final = 5


def _hours(value: Any, path: str, found: list[Fault]) -> None:
    """Check hours, which have four decimals."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or value < 0 or round(value, 4) != value:
        found.append(Fault("format", path, "must be a number of hours with at most 4 decimals"))


def _required(**kinds: Kind) -> tuple[Field, ...]:
    return tuple(Field(name, kind, required=True) for name, kind in kinds.items())


_STOP: Final = Record((*_required(started_at=_INSTANT, description=Text(1024)), Field("ended_at", _INSTANT)))
_EMERGENCY: Final = Record(
    (
        *_required(started_at=_INSTANT, cause=Text(1024), remedy=Text(1024)),
        Field("recovered_at", _INSTANT),
    )
)
_REPORT: Final = Record(
    (
        *_required(
            month=MONTH,
            node_prefix=PREFIX,
            operator_name=Text(255),
            sla_percent=number,
            sla_history=Many(Record(_required(month=MONTH, percent=number)), 1, HISTORY_MONTHS),
            sla_average=number,
            running_hours_history=Many(Record(_required(month=MONTH, hours=number)), 1, HISTORY_MONTHS),
            running_hours_average=number,
            maintenance=Many(_STOP),
            emergencies=Many(_EMERGENCY),
            generated_at=_INSTANT,
            revision=Whole(),
            documents=Many(FILE, 0, DOCUMENTS_MAX),
        ),
        # A month without a single registration or look-up has no such figure.
        Field("registration_rtt_ms", number),
        Field("resolution_rtt_ms", number),
        Field("registration_effective_hours", _hours),
    )
)


class MonthlyReports:
    """The reports of every reporter."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def put(self, reporter: str, month: str, report: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        """Keep a report; the same one again gets the same answer. Raises Problem."""
        check_report(report, reporter, month)
        text = json.dumps(report, ensure_ascii=False, sort_keys=True)
        with self._book.transaction():
            held = self._newest(reporter, month)
            if held is not None and held["revision"] >= report["revision"]:
                if held["revision"] == report["revision"] and held["report"] == text:
                    return _receipt(held)
                raise Problem(409, "stale", f"revision {held['revision']} is held already")
            self._book.db.execute(
                "INSERT INTO monthly_reports VALUES (?, ?, ?, ?, ?, ?)",
                (reporter, month, report["revision"], instant(now), is_in_time(month, now), text),
            )
            stored = self._newest(reporter, month)
        assert stored is not None  # noqa: S101 - just stored
        return _receipt(stored)

    def get(self, reporter: str, month: str) -> dict[str, Any]:
        """Return the newest revision's report and receipt; raises Problem if there is none."""
        held = self._newest(reporter, month)
        if held is None:
            raise Problem(404, "unknown_month", f"no report of {month} came")
        return {**_receipt(held), "report": json.loads(held["report"])}

    def newest(self, limit: int) -> list[dict[str, Any]]:
        """Return the newest reports, for people."""
        rows = self._book.all(
            "SELECT reporter, month, revision, received_at, in_time, report FROM monthly_reports "
            "ORDER BY month DESC, revision DESC LIMIT ?",
            limit,
        )
        return [{**dict(row), "report": json.loads(row["report"])} for row in rows]

    def _newest(self, reporter: str, month: str) -> Mapping[str, Any] | None:
        row = self._book.one(
            "SELECT month, revision, received_at, in_time, report FROM monthly_reports "
            "WHERE reporter = ? AND month = ? ORDER BY revision DESC",
            reporter,
            month,
        )
        return None if row is None else dict(row)


def check_report(report: Mapping[str, Any], reporter: str, month: str) -> None:
    """Raise Problem for a report that is not what section 6 describes."""
    found: list[Fault] = []
    _REPORT.check(report, "", found)
    if not found:
        found = _inconsistent(report, reporter, month)
    if found:
        more = {"errors": [one._asdict() for one in found[:20]]}
        detail = f"{found[0].field}: {found[0].message}"
        raise Problem(400, "malformed", detail, more=more)


def is_in_time(month: str, now: datetime) -> bool:
    """Whether a report that comes now is in time; working days are Monday to Friday here, without holidays."""
    return beijing_day(now) <= due_day(month)


def due_day(month: str) -> date:
    """Return the tenth working day after the month."""
    year, of_year = int(month[:4]), int(month[5:])
    day = date(year + of_year // 12, of_year % 12 + 1, 1) - timedelta(days=1)
    left = WORKING_DAYS
    while left:
        day += timedelta(days=1)
        left -= day.weekday() < _SATURDAY
    return day


def _inconsistent(report: Mapping[str, Any], reporter: str, month: str) -> list[Fault]:
    found = []
    if report["month"] != month or report["node_prefix"] != reporter:
        found.append(Fault("format", "month", f"the report is for {month} of {reporter}"))
    for name in ("sla_history", "running_hours_history"):
        history = report[name]
        months = [one["month"] for one in history]
        if months[-1] != month or months != sorted(set(months)):
            found.append(Fault("format", name, f"must go up to {month}, each month once"))
    percents = [one["percent"] for one in report["sla_history"]]
    if max(*percents, report["sla_percent"], report["sla_average"]) > PERCENT_MAX:
        found.append(Fault("format", "sla_percent", "is more than 100"))
    if percents[-1] != report["sla_percent"]:
        found.append(Fault("format", "sla_percent", "is not the history's last"))
    if abs(sum(percents) / len(percents) - report["sla_average"]) > ROUNDING:
        found.append(Fault("format", "sla_average", "is not the average of the history"))
    return found


def _receipt(held: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "month": held["month"],
        "revision": held["revision"],
        "received_at": held["received_at"],
        "in_time": bool(held["in_time"]),
    }
