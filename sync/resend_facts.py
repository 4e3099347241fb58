"""Telling facts of closed days again, computed anew: mode `revision` (docking contract 9.3, 9.10)."""

from datetime import date, datetime
from typing import Final

from registry import day_figures
from registry.registration_counts import count_registrations
from sync import self_run
from sync.batch import Period
from sync.calendar_time import day_period, month_period
from sync.context import Context
from sync.database import Connection
from sync.day_facts import FACTS, OF_THE_NODE, queue_day, remeasure
from sync.outbox import enterprise_facts
from sync.schedule import Span, following, span_at

DAYS_MAX: Final = 62
"""Days told again for one request."""
DAY_CHARACTERS: Final = len("2031-05-06")


class CannotResend(ValueError):  # noqa: N818 - names what was asked for
    """What was asked for cannot be told again; the message says why, for whoever asked."""


async def resend_facts(context: Context, connection: Connection, table: str, scope: str, period: Period | str) -> int:
    """Queue the facts of every day of a period again, in the caller's transaction; return how many days.

    `period` may also be a day (YYYY-MM-DD) or a month (YYYY-MM) of Beijing time. Hosted prefixes are counted anew;
    what a self-run enterprise told is handed on as it told it. Raises CannotResend.
    """
    days = _days(context, table, scope, _bounds(period))
    await count_registrations(connection, context.now())
    for span in days:
        await _resend_day(context, connection, table, scope, span)
    return len(days)


async def _resend_day(context: Context, connection: Connection, table: str, scope: str, span: Span) -> None:
    if table not in OF_THE_NODE:
        told = await enterprise_facts.told(connection, context.reporter, table, scope, span.day)
        if told is not None:
            await self_run.queue(connection, context, told)
            return
        if not await day_figures.was_hosted(connection, span.day, scope):
            raise CannotResend(f"{scope} is not hosted here, and has told no {table} of {span.day}")
    await remeasure(connection, context, span)
    await queue_day(connection, context, table, scope, span, mode="revision")


def _bounds(period: Period | str) -> Period:
    if isinstance(period, Period):
        return period
    try:
        return day_period(date.fromisoformat(period)) if len(period) == DAY_CHARACTERS else month_period(period)
    except (ValueError, OverflowError) as error:
        raise CannotResend(f"{period[:32]!r} is neither a day nor a month") from error


def _days(context: Context, table: str, scope: str, period: Period) -> list[Span]:
    reporter = context.reporter
    if table not in FACTS:
        raise CannotResend(f"{table[:16]} tells of no closed days: facts are {', '.join(FACTS)}")
    if scope != reporter if table in OF_THE_NODE else not scope.startswith(f"{reporter}."):
        raise CannotResend(f"{scope[:128]} is no scope of {table}")
    try:
        start, end = datetime.fromisoformat(period.start), datetime.fromisoformat(period.end)
        span = span_at("day", start)
    except (ValueError, OverflowError) as error:
        raise CannotResend("the period's bounds are no instants") from error
    if start.tzinfo is None or end.tzinfo is None or span.start != start or not start < end <= context.now():
        raise CannotResend("the period must be whole Beijing days that are over")
    days = [span]
    while days[-1].end < end:
        if len(days) == DAYS_MAX:
            raise CannotResend(f"at most {DAYS_MAX} days are told again at a time")
        days.append(following(days[-1]))
    if days[-1].end != end:
        raise CannotResend("the period must be whole Beijing days that are over")
    return days
