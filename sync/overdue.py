"""What ought to be at the collector by now: batches without an answer, and periods that are not told. Reads only."""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sync.database import Connection
from sync.outbox import periods
from sync.outbox.periods import OpenPeriod

UNANSWERED_MAX: Final = timedelta(minutes=5)
"""From when on a batch under way is an alarm (docking contract 1, real time)."""
LISTED_MAX: Final = 100

_UNANSWERED: Final = """
SELECT s.table_id, s.scope, b.sequence, b.state, b.attempts, b.row_count, b.first_attempt_at, s.last_error
FROM report_batches b JOIN report_streams s USING (stream_id)
WHERE s.reporter = $1 AND b.state IN ('in_flight', 'processing') AND b.first_attempt_at < $2
  AND s.halted_reason IS NULL
ORDER BY b.first_attempt_at LIMIT $3"""
_COUNTED: Final = ("T3", "T8", "M1", "M2")
_SELF_RUN: Final = "self-run"


class Overdue(NamedTuple):
    """One thing that is late: since when, what exactly, and what helps."""

    what: str
    since: datetime
    detail: str
    remedy: str


async def find(connection: Connection, reporter: str, now: datetime) -> list[Overdue]:
    """Return what is late, the longest first; halted streams are told elsewhere."""
    rows = await connection.fetch(_UNANSWERED, reporter, now - UNANSWERED_MAX, LISTED_MAX)
    found = [
        Overdue(
            "not acknowledged",
            row["first_attempt_at"],
            f"{row['table_id']}/{row['scope']}: sequence {row['sequence']} ({row['row_count']} rows), "
            f"{row['attempts']} attempts, {_answer(row['state'], row['last_error'])}",
            "it is tried again by itself, at once with `idnode sync retry`; ask the collector why it does not take it",
        )
        for row in rows
    ]
    found += [_late(one) for one in await periods.all_open(connection, reporter) if now > one.span.alarm]
    return sorted(found, key=lambda one: one.since)


def _answer(state: str, last_error: str | None) -> str:
    if state == "processing":
        return "the collector holds it and has not judged it yet"
    return f"the last answer: {last_error or 'none yet'}"


def _late(late: OpenPeriod) -> Overdue:
    kind, began = late.span.kind, late.span.start.isoformat(timespec="minutes")
    task = "what self-run enterprises have not told" if late.task == _SELF_RUN else late.task
    remedy = "the node's log says what fails; what is missed is told by itself, in order"
    if late.task in _COUNTED:
        remedy = f"its counts are not all in the database: the registry process has to run (`idnode status`); {remedy}"
    return Overdue("late", late.span.due, f"{task}: the {kind} that began at {began} is not told", remedy)
