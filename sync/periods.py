"""Closing the periods: what an hour, a day or a month held is queued once, in order, whenever it can be.

Pending: the open period of each task. Cursor: `report_periods`, moved on in the transaction that queues the batches,
so a period is told exactly once, however often the process dies and however long it was away. On an error nothing was
queued, and the same period is closed at the next step. Time comes from `Context.now` only. Facts that were told are
corrected by `sync.late_days`, and by `sync.resend_facts` when somebody asks.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from identifiers.changes import KIND_IDENTIFIER
from registry import day_figures
from registry.registration_counts import count_registrations, is_counted
from sync import late_days
from sync.context import Context
from sync.database import Connection, DatabaseAway, connected, transaction
from sync.day_facts import queue_day
from sync.intake import attachments, taking
from sync.months import month_rows
from sync.outbox import enterprise_facts, feeds, periods, revisions
from sync.outbox.enqueue import enqueue
from sync.outbox.periods import OpenPeriod
from sync.registered_things import KINDS as STATE_KINDS
from sync.schedule import SELF_RUN_WAITED_FOR, Kind, Span
from sync.self_run import TABLES as SELF_RUN_TABLES
from sync.self_run import hand_on

COUNTS_SETTLE: Final = timedelta(minutes=2)
"""A worker writes its counts within ten seconds; a period is told when they were collected so long after its end."""
LOOK_EVERY_S: Final = 10.0
PREFIXES_AT_ONCE: Final = 50
CLOSED_KEPT: Final = timedelta(days=400)
FACTS_REMEMBERED: Final = timedelta(days=70)
"""Longer than counts of a day may come late (`registry.statistics`)."""
RECEIPTS_FORGOTTEN_AT_ONCE: Final = 500
ATTACHMENTS_KEPT: Final = timedelta(days=35)
ATTACHMENTS_FORGOTTEN_AT_ONCE: Final = 20

_BEHIND: Final = """
SELECT EXISTS (SELECT FROM journal WHERE (xid, seq) > ($1, $2) AND at < $3 AND kind = ANY($4::text[]))"""
_TOLD_ALREADY: Final = """
SELECT EXISTS (
    SELECT FROM report_batches AS b JOIN report_streams AS s USING (stream_id)
    WHERE s.reporter = $1 AND s.table_id = $2 AND s.scope = $1
      AND b.period ->> 'kind' = $3 AND b.period ->> 'start' = $4)"""

_log = logging.getLogger(__name__)


class Closing(NamedTuple):
    """A period being closed, in a transaction."""

    connection: Connection
    context: Context
    span: Span
    done_until: str


Ready = Callable[[Connection, Context, Span], Awaitable[bool]]
Tell = Callable[[Closing], Awaitable[str | None]]
"""Queues a period, or a piece of it: then returns up to which scope it has come."""


class Task(NamedTuple):
    """What is told of each period of one kind. `wait` is the time after its end, if not that of the contract."""

    name: str
    kind: Kind
    ready: Ready
    tell: Tell
    wait: timedelta | None = None

    def begins_at(self, span: Span) -> datetime:
        """Return when a period of this task is closed, at the earliest."""
        return span.first_attempt if self.wait is None else span.end + self.wait


class Closer:
    """Closes the periods of one reporter."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._said: set[str] = set()

    async def run(self, wake: Callable[[], None]) -> None:
        """Close periods until cancelled; `wake` is called when something was queued."""
        while True:
            try:
                if await self.step():
                    wake()
            except DatabaseAway as error:
                self._context.metrics.failed("database")
                self._say(f"periods cannot be closed now, they are told later: {error}")
            await asyncio.sleep(LOOK_EVERY_S)

    async def step(self) -> int:
        """Close every period whose time has come and whose figures are whole; return how many. Raises DatabaseAway."""
        context, now = self._context, self._context.now()
        async with transaction(context.pool) as connection:
            for task in TASKS:
                await periods.begin(connection, context.reporter, task.name, task.kind, now)
            due = {one.task for one in await periods.all_open(connection, context.reporter) if _is_due(one, now)}
            await periods.forget(connection, now - CLOSED_KEPT)
            await revisions.forget(connection, now - FACTS_REMEMBERED)
            await taking.forget(connection, now - CLOSED_KEPT, RECEIPTS_FORGOTTEN_AT_ONCE)
            await attachments.forget(connection, now - ATTACHMENTS_KEPT, ATTACHMENTS_FORGOTTEN_AT_ONCE)
        if due:
            async with connected(context.pool) as connection:
                await count_registrations(connection, now)
        closed = 0
        for task in TASKS:
            while task.name in due and (is_whole := await self._close_next(task)) is not None:
                closed += is_whole
        await self._show_late()
        return closed + await late_days.revise(context) + await hand_on(context)

    async def _show_late(self) -> None:
        async with connected(self._context.pool) as connection:
            found = await periods.all_open(connection, self._context.reporter)
        for one in found:
            if one.task in _BY_NAME:
                late = self._context.now() - _BY_NAME[one.task].begins_at(one.span)
                self._context.metrics.period_late(one.task, max(0.0, late.total_seconds()))

    async def _close_next(self, task: Task) -> bool | None:
        """Tell the next period of a task or a piece of it: whether it is closed; None if it has to wait."""
        context = self._context
        async with transaction(context.pool) as connection:
            found = await periods.lock_open(connection, context.reporter, task.name)
            if found is None or not _is_due(found, context.now()):
                return None
            if not await task.ready(connection, context, found.span):
                self._late(found)
                return None
            done_until = await task.tell(Closing(connection, context, found.span, found.done_until))
            if done_until is None:
                await periods.close(connection, context.reporter, found, context.now())
            else:
                await periods.advance(connection, context.reporter, found, done_until)
            return done_until is None

    def _late(self, found: OpenPeriod) -> None:
        if self._context.now() >= found.span.alarm:
            start = found.span.period.start
            self._say(
                f"{found.task} of the {found.span.kind} from {start} waits for its figures: does the registry run?"
            )

    def _say(self, text: str) -> None:
        """Say once what does not go on by itself."""
        if text not in self._said:
            self._said.add(text)
            _log.warning("%s", text)


def _is_due(found: OpenPeriod, now: datetime) -> bool:
    task = _BY_NAME.get(found.task)
    return task is not None and now >= task.begins_at(found.span)


async def _counts_collected(connection: Connection, _context: Context, span: Span) -> bool:
    """Whether every count of the period is in the tables."""
    until = await day_figures.collected_until(connection)
    return until is not None and until >= span.end + COUNTS_SETTLE


async def _all_counted(connection: Connection, context: Context, span: Span) -> bool:
    """Whether every count of the period is in the tables, and every registration of it counted."""
    return await _counts_collected(connection, context, span) and await is_counted(connection, span.end)


async def _journal_read(connection: Connection, context: Context, span: Span) -> bool:
    """Whether every change of the period is in a batch, so that what has none is unchanged."""
    for feed, kinds in ((T9_FEED, (KIND_IDENTIFIER,)), (feeds.STATE, STATE_KINDS)):
        position = await feeds.position(connection, context.reporter, feed)
        if await connection.fetchval(_BEHIND, *position, span.end, list(kinds)):
            return False
    return True


async def _at_once(_connection: Connection, _context: Context, _span: Span) -> bool:
    return True


async def _cover(closing: Closing, table: str) -> None:
    """Say of every enterprise that has no batch of its own in the period that it is unchanged (9.4)."""
    connection, context, span, _ = closing
    await enqueue(connection, context, table, context.reporter, (), period=span.period, covers_unchanged=True)


def _covered(table: str) -> Tell:
    async def tell(closing: Closing) -> None:
        await _cover(closing, table)

    return tell


async def _node_templates(closing: Closing) -> None:
    """T4 goes as it comes; a day without any is told as empty."""
    connection, context, span, _ = closing
    period = span.period
    if not await connection.fetchval(_TOLD_ALREADY, context.reporter, "T4", period.kind, period.start):
        await enqueue(connection, context, "T4", context.reporter, (), period=period)


def _node_fact(table: str) -> Tell:
    async def tell(closing: Closing) -> None:
        connection, context, span, _ = closing
        await queue_day(connection, context, table, context.reporter, span)

    return tell


def _enterprise_facts(table: str) -> Tell:
    """Tell the fact of every hosted prefix that was in force; self-run enterprises tell theirs themselves."""

    async def tell(closing: Closing) -> str | None:
        connection, context, span, after = closing
        found = await day_figures.prefixes_in_force(connection, span.day, context.reporter, after, PREFIXES_AT_ONCE)
        for one in found:
            if one.is_hosted:
                await queue_day(connection, context, table, one.prefix, span)
        if not found and not after and table == "T8":
            await _cover(closing, table)  # there is no enterprise, and that is told
        return found[-1].prefix if len(found) == PREFIXES_AT_ONCE else None

    return tell


async def _node_applications(closing: Closing) -> None:
    connection, context, span, _ = closing
    rows = (await month_rows(connection, context.reporter, span.month)).get(("T5", context.reporter), [])
    await enqueue(connection, context, "T5", context.reporter, rows, period=span.period)


async def _enterprise_applications(closing: Closing) -> None:
    connection, context, span, _ = closing
    found = await month_rows(connection, context.reporter, span.month)
    for scope, rows in sorted((scope, rows) for (table, scope), rows in found.items() if table == "T10"):
        await enqueue(connection, context, "T10", scope, rows, period=span.period)
    await _cover(closing, "T10")


async def _self_run(closing: Closing) -> str | None:
    """Note which self-run enterprises have not told of their day in time."""
    connection, context, span, after = closing
    found = await day_figures.prefixes_in_force(connection, span.day, context.reporter, after, PREFIXES_AT_ONCE)
    own = [one.prefix for one in found if not one.is_hosted]
    await enterprise_facts.note_missing(connection, context.reporter, SELF_RUN_TABLES, own, span.day, context.now())
    return found[-1].prefix if len(found) == PREFIXES_AT_ONCE else None


T9_FEED: Final = "T9"
TASKS: Final = (
    Task("T6", "hour", _journal_read, _covered("T6")),
    Task("T7", "hour", _journal_read, _covered("T7")),
    Task("T3", "day", _all_counted, _node_fact("T3")),
    Task("M1", "day", _counts_collected, _node_fact("M1")),
    Task("T4", "day", _journal_read, _node_templates),
    Task("T8", "day", _all_counted, _enterprise_facts("T8")),
    Task("M2", "day", _counts_collected, _enterprise_facts("M2")),
    Task("T9", "day", _journal_read, _covered("T9")),
    Task("T5", "month", _at_once, _node_applications),
    Task("T10", "month", _at_once, _enterprise_applications),
    Task("self-run", "day", _at_once, _self_run, SELF_RUN_WAITED_FOR),
)
"""In the order in which periods that are due together are queued."""
_BY_NAME: Final = {task.name: task for task in TASKS}
