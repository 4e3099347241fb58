"""Tells facts of closed days again, as revisions, when counts of them were collected late (docking contract 4.3, 9.3).

Pending: `late_days`, noted in the transaction that adds the counts. Cursor: its `done_until`, moved on in the
transaction that queues the revisions. A day is looked at when nothing more of it came for a while, so what a host
collects late in many pieces is told again once; only facts that have become others are.
"""

from datetime import date, datetime, time, timedelta
from typing import Final

from registry import day_figures
from registry.registration_counts import count_registrations
from registry.tables import late_days
from registry.tables.late_days import LateDay
from sync.calendar_time import BEIJING
from sync.context import Context
from sync.database import Connection, connected, transaction
from sync.day_facts import FACTS, OF_THE_NODE, remeasure, requeue_if_changed
from sync.outbox import periods
from sync.schedule import Span, span_at

QUIET: Final = timedelta(minutes=2)
PREFIXES_AT_ONCE: Final = 50
DAYS_AT_ONCE: Final = 62
OF_ENTERPRISES: Final = tuple(table for table in FACTS if table not in OF_THE_NODE)


async def revise(context: Context) -> int:
    """Queue what has become another, of every late day that can be looked at now; returns how many facts.

    Raises DatabaseAway.
    """
    async with connected(context.pool) as connection:
        days = await late_days.quiet(connection, context.now() - QUIET, DAYS_AT_ONCE)
        if days:
            await count_registrations(connection, context.now())
    revised = 0
    for day in days:
        while (found := await _next_piece(context, day)) is not None:
            revised += found
    return revised


async def _next_piece(context: Context, day: date) -> int | None:
    """Look at some of a day's facts: how many are told again; None if the day is done, or cannot be looked at now."""
    span = span_at("day", datetime.combine(day, time(), BEIJING))
    async with transaction(context.pool) as connection:
        late = await late_days.lock(connection, day)
        if late is None or not await _is_collected(connection, late):
            return None
        states = await periods.states(connection, context.reporter, FACTS, span)
        if not states or "open" in states:
            if not states:
                await late_days.drop(connection, day)  # it was nobody's to tell
            return None
        return await _piece(connection, context, late, span)


async def _piece(connection: Connection, context: Context, late: LateDay, span: Span) -> int:
    revised = 0
    if not late.done_until:
        await remeasure(connection, context, span)
        for table in OF_THE_NODE:
            revised += await requeue_if_changed(connection, context, table, context.reporter, span)
    found = await day_figures.prefixes_in_force(
        connection, late.day, context.reporter, late.done_until, PREFIXES_AT_ONCE
    )
    for one in found:
        for table in OF_ENTERPRISES if one.is_hosted else ():
            revised += await requeue_if_changed(connection, context, table, one.prefix, span)
    if len(found) == PREFIXES_AT_ONCE:
        await late_days.advance(connection, late.day, found[-1].prefix)
    else:
        await late_days.drop(connection, late.day)
    return revised


async def _is_collected(connection: Connection, late: LateDay) -> bool:
    until = await day_figures.collected_until(connection)
    return until is not None and until >= late.noted_at
