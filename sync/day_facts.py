"""Queueing the facts of a closed day: T3 and M1 of the node, T8 and M2 of a prefix (docking contract 4.3, 4.8, 5.1).

All in the caller's transaction. Told again, a fact has a higher version and the batch says `revision`.
"""

import hashlib
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from registry import day_figures
from sync.batch import Mode, Row
from sync.calendar_time import instant
from sync.context import Context
from sync.database import Connection
from sync.outbox import periods, revisions
from sync.outbox.enqueue import enqueue
from sync.schedule import Span
from sync.tables.m1 import performance_data
from sync.tables.t3 import parts_of, row_key, sources_per_part, statistics_data

FACTS: Final = ("T3", "T8", "M1", "M2")
STATISTICS: Final = ("T3", "T8")
OF_THE_NODE: Final = ("T3", "M1")
MEASURED_AT: Final = "M1"
"""The task with whose period it is kept how much of a day was measured."""
PARTS_AT_ONCE: Final = 16
"""Parts of a row queued together, each at most 256 KiB: what is held in memory."""


async def queue_day(
    connection: Connection, context: Context, table: str, prefix: str, span: Span, *, mode: Mode = "delta"
) -> None:
    """Queue one prefix's fact of a day."""
    key = row_key(prefix, span.day)
    ver = await revisions.next_version(connection, context.reporter, table, key) if mode == "revision" else 1
    if table in STATISTICS:
        told = _statistics(connection, table, prefix, span)
    else:
        told = _performance(connection, context.reporter, table, prefix, span)
    digest = hashlib.sha256()
    held: list[Row] = []
    async for data in told:
        digest.update(data)
        held.append(Row(n=0, key=key, op="upsert", ver=ver, at=instant(context.now()), data=data))
        if len(held) == PARTS_AT_ONCE:
            await enqueue(connection, context, table, prefix, held, period=span.period, mode=mode)
            held = []
    if held:
        await enqueue(connection, context, table, prefix, held, period=span.period, mode=mode)
    await revisions.note_told(connection, context.reporter, table, key, ver, digest.digest(), context.now())


async def requeue_if_changed(connection: Connection, context: Context, table: str, prefix: str, span: Span) -> bool:
    """Queue one prefix's fact of a day again if it differs from what was said of it last; returns whether it does."""
    place = (context.reporter, table, row_key(prefix, span.day))
    before = await revisions.digest_told(connection, *place)
    attempt = connection.transaction()
    await attempt.start()
    await queue_day(connection, context, table, prefix, span, mode="revision")
    if before is not None and await revisions.digest_told(connection, *place) == before:
        await attempt.rollback()
        return False
    await attempt.commit()
    return True


async def remeasure(connection: Connection, context: Context, span: Span) -> None:
    """Note how much of a day was measured by what is known now: hosts that were cut off tell later."""
    noted = await periods.measured(connection, context.reporter, MEASURED_AT, span) or 0
    known = await day_figures.seconds_measured(connection, span.day)
    await periods.note_measured(connection, context.reporter, MEASURED_AT, span, max(noted, known))


async def _statistics(connection: Connection, table: str, prefix: str, span: Span) -> AsyncIterator[msgspec.Raw]:
    is_node, day = table in OF_THE_NODE, span.day
    if is_node:
        registered = await day_figures.prefixes_registered(connection, day, prefix)
    else:
        registered = (await day_figures.registered(connection, day, [prefix]))[prefix]
    more = {} if is_node else {"x_measured_by": "node"}
    found = await day_figures.sources(connection, day, prefix, below=is_node)
    for part in range(1, parts_of(found.sums) + 1):
        sources = await found.take(sources_per_part(found.sums))
        yield statistics_data(prefix, day, registered, found.sums, sources, part=part, **more)


async def _performance(
    connection: Connection, reporter: str, table: str, prefix: str, span: Span
) -> AsyncIterator[msgspec.Raw]:
    is_node, day = table in OF_THE_NODE, span.day
    yield performance_data(
        prefix,
        day,
        resolution=await day_figures.lookup_latency(connection, day, day, prefix, below=is_node),
        peak=await day_figures.busiest_second(connection, day, prefix, below=is_node),
        registration=await day_figures.registration_latency(connection, day, day, prefix, below=is_node),
        measured_s=await _measured_s(connection, reporter, span),
    )


async def _measured_s(connection: Connection, reporter: str, span: Span) -> int:
    """Return how many seconds of a day were measured; noted the first time, because the stretches are not kept."""
    noted = await periods.measured(connection, reporter, MEASURED_AT, span)
    if noted is None:
        noted = await day_figures.seconds_measured(connection, span.day)
        await periods.note_measured(connection, reporter, MEASURED_AT, span, noted)
    return noted
