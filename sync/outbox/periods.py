"""report_periods: of each task the one open period, the next to be told, and those that were told."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sync.database import Connection
from sync.schedule import Kind, Span, following, span_at


class OpenPeriod(NamedTuple):
    """The next period of a task; `done_until` is the last scope of it that is queued, empty before the first."""

    task: str
    span: Span
    done_until: str


_OPEN = "SELECT task, kind, starts_at, done_until FROM report_periods WHERE reporter = $1 AND state = 'open'"


async def begin(connection: Connection, reporter: str, task: str, kind: Kind, now: datetime) -> None:
    """Open a task's first period, the present one, unless it has begun before: what was before is nobody's to tell."""
    await connection.execute(
        "INSERT INTO report_periods (reporter, task, kind, starts_at) SELECT $1, $2, $3, $4 "
        "WHERE NOT EXISTS (SELECT FROM report_periods WHERE reporter = $1 AND task = $2) ON CONFLICT DO NOTHING",
        reporter,
        task,
        kind,
        span_at(kind, now).start,
    )


async def all_open(connection: Connection, reporter: str) -> list[OpenPeriod]:
    """Return the open period of every task."""
    return [_open(*row.values()) for row in await connection.fetch(_OPEN, reporter)]


async def lock_open(connection: Connection, reporter: str, task: str) -> OpenPeriod | None:
    """Return a task's open period, locked until the transaction ends."""
    row = await connection.fetchrow(f"{_OPEN} AND task = $2 FOR UPDATE", reporter, task)
    return None if row is None else _open(*row.values())


async def advance(connection: Connection, reporter: str, open_period: OpenPeriod, done_until: str) -> None:
    """Note up to which scope a locked period is queued."""
    await connection.execute(
        "UPDATE report_periods SET done_until = $4 WHERE reporter = $1 AND task = $2 AND starts_at = $3",
        reporter,
        open_period.task,
        open_period.span.start,
        done_until,
    )


async def close(connection: Connection, reporter: str, open_period: OpenPeriod, now: datetime) -> None:
    """Close a locked period, and open the one after it."""
    await connection.execute(
        "UPDATE report_periods SET state = 'closed', closed_at = $4 "
        "WHERE reporter = $1 AND task = $2 AND starts_at = $3",
        reporter,
        open_period.task,
        open_period.span.start,
        now,
    )
    await connection.execute(
        "INSERT INTO report_periods (reporter, task, kind, starts_at) VALUES ($1, $2, $3, $4)",
        reporter,
        open_period.task,
        open_period.span.kind,
        following(open_period.span).start,
    )


async def note_measured(connection: Connection, reporter: str, task: str, span: Span, seconds: int) -> None:
    """Keep how many seconds of a period were measured."""
    await connection.execute(
        "UPDATE report_periods SET measured_seconds = $4 WHERE reporter = $1 AND task = $2 AND starts_at = $3",
        reporter,
        task,
        span.start,
        seconds,
    )


async def measured(connection: Connection, reporter: str, task: str, span: Span) -> int | None:
    """Return how many seconds of a period were measured, as noted when it was told."""
    seconds: int | None = await connection.fetchval(
        "SELECT measured_seconds FROM report_periods WHERE reporter = $1 AND task = $2 AND starts_at = $3",
        reporter,
        task,
        span.start,
    )
    return seconds


async def states(connection: Connection, reporter: str, tasks: Sequence[str], span: Span) -> set[str]:
    """Return in which states a period is with some tasks; a task that begins later than it counts as open."""
    rows = await connection.fetch(
        "SELECT DISTINCT state FROM report_periods WHERE reporter = $1 AND task = ANY($2::text[]) AND starts_at = $3",
        reporter,
        list(tasks),
        span.start,
    )
    return {row["state"] for row in rows}


async def forget(connection: Connection, closed_before: datetime) -> None:
    """Drop periods told long ago."""
    await connection.execute("DELETE FROM report_periods WHERE state = 'closed' AND closed_at < $1", closed_before)


def _open(task: str, kind: Kind, starts_at: datetime, done_until: str) -> OpenPeriod:
    return OpenPeriod(task, span_at(kind, starts_at), done_until)
