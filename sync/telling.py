"""The one difference engine of the state tables: what a thing wants against what was told of it, made into rows.

Idempotent: telling the same things twice queues nothing the second time, so it may run again after any crash.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sync.batch import Limits, Period, Row
from sync.calendar_time import beijing_day, day_period, first_attempt, hour_period, instant_period
from sync.context import Context
from sync.database import Connection
from sync.outbox import batches, open_rows, streams, told_rows
from sync.outbox.enqueue import enqueue
from sync.outbox.open_rows import OpenRow
from sync.outbox.told_rows import ToldRow
from sync.registered_things import Things
from sync.state_rows import Wanted, data_octets, told
from sync.tables.table import Operation, Problem, Standing

ORDER: Final = ("T1", "T2", "T4", "T6", "T7", "T11")
"""The state tables, in the order in which their streams are locked."""
DATA_OCTETS_MAX: Final = Limits().max_line_bytes - 4_096
"""What fits into a line beside the row's other members."""
HOURLY: Final = ("T6", "T7")
DAILY: Final = ("T4",)


class _Change(NamedTuple):
    """A row to be queued, and how it is remembered; the stream's id is not known yet."""

    table: str
    scope: str
    row: Row
    thing: str
    digest: bytes | None
    covers: tuple[str, ...]


class _Unfit(NamedTuple):
    table: str
    scope: str
    key: str
    ver: int
    problem: Problem


class _Differences(NamedTuple):
    changes: list[_Change]
    unfit: list[_Unfit]
    unchanged: list[tuple[str, str, str]]
    """Table, scope and key of rows that were told already as they are: what was wrong with them is mended."""


async def tell(connection: Connection, context: Context, things: Sequence[str], at: datetime) -> int:
    """Queue what changed of these things, in the caller's transaction; return how many rows.

    `at` is the commit time of the change that they are told for.
    """
    await told_rows.hold(connection, context.reporter)
    before = await told_rows.of_things(connection, context.reporter, things)
    reader = Things(connection, context.reporter, context.now())
    found = _Differences([], [], [])
    for thing in things:
        known = before.get(thing, [])
        covered = {prefix for row in known for prefix in row.covers}
        _compare(thing, await reader.rows(thing, covered), known, at, found)
    await _withhold(connection, context, found)
    await _queue(connection, context, found.changes, at)
    return len(found.changes)


def _compare(thing: str, wanted: Sequence[Wanted], known: Sequence[ToldRow], at: datetime, found: _Differences) -> None:
    by_key = {(row.table, row.key): row for row in sorted(known, key=lambda row: row.digest is not None)}
    for one in wanted:
        before = by_key.get((one.table, one.key))
        ver = 1 if before is None else before.ver + 1
        # The stream a key was first told on stays its own: no other order could be kept.
        scope = one.scope if before is None else before.scope
        if problems := one.problems():
            found.unfit.append(_Unfit(one.table, scope, one.key, ver, problems[0]))
            continue
        data = data_octets(one.data)
        if len(data) > DATA_OCTETS_MAX:
            message = f"the row has {len(data):,} octets, at most {DATA_OCTETS_MAX:,} can be reported: shorten it"
            found.unfit.append(_Unfit(one.table, scope, one.key, ver, Problem("length", "", message)))
            continue
        digest = hashlib.sha256(data).digest()
        if before is not None and before.digest == digest and not before.again:
            found.unchanged.append((one.table, scope, one.key))
            continue
        # A prefix once told stays covered, so that what is told of its end can still go.
        covers = tuple(dict.fromkeys((*one.covers, *(() if before is None else before.covers))))
        found.changes.append(_Change(one.table, scope, told(one.key, ver, at, data), thing, digest, covers))
    standing = {(one.table, one.key) for one in wanted}
    for row in known:
        if row.digest is not None and (row.table, row.key) not in standing:
            gone = told(row.key, row.ver + 1, at, None)
            found.changes.append(_Change(row.table, row.scope, gone, thing, None, row.covers))


async def _withhold(connection: Connection, context: Context, found: _Differences) -> None:
    """Keep rows that are not fit as open items, and close those of rows that are fit again."""
    for table in ORDER:
        unfit = [one for one in found.unfit if one.table == table]
        mended = [(scope, key) for name, scope, key in found.unchanged if name == table]
        scopes = sorted({one.scope for one in unfit} | {scope for scope, _ in mended})
        if not scopes:
            continue
        locked = await streams.lock_scopes(connection, context.reporter, table, scopes)
        for scope in scopes:
            noted = [_open(one) for one in unfit if one.scope == scope]
            if noted:
                await open_rows.note(connection, locked[scope].stream_id, noted, context.now())
            keys = [key for place, key in mended if place == scope]
            await open_rows.dismiss_withheld(connection, locked[scope].stream_id, keys)
        if unfit:
            context.metrics.withheld(table, len(unfit))


def _open(one: _Unfit) -> OpenRow:
    return OpenRow(
        key=one.key,
        ver=one.ver,
        operation=Operation.MODIFY,
        code=one.problem.code,
        field=one.problem.field,
        message=one.problem.message,
        standing=Standing.PRESENT,
    )


async def _queue(connection: Connection, context: Context, changes: Sequence[_Change], at: datetime) -> None:
    for table in ORDER:
        by_scope: dict[str, list[_Change]] = {}
        for change in changes:
            if change.table == table:
                by_scope.setdefault(change.scope, []).append(change)
        locked = await streams.lock_scopes(connection, context.reporter, table, sorted(by_scope)) if by_scope else {}
        for scope, told_here in by_scope.items():
            await _queue_stream(connection, context, locked[scope].stream_id, told_here, at)


async def _queue_stream(
    connection: Connection, context: Context, stream_id: int, changes: Sequence[_Change], at: datetime
) -> None:
    table, scope = changes[0].table, changes[0].scope
    period = period_of(table, at)
    await open_rows.superseded(connection, stream_id, [change.row.key for change in changes])
    if table == "T1":
        # It has one row. What was never tried is replaced, for the documents it names may no longer be kept.
        await batches.drop_queued(connection, stream_id)
    await enqueue(
        connection,
        context,
        table,
        scope,
        [change.row for change in changes],
        period=period,
        not_before=first_attempt(period) if context.hold_periods else None,
    )
    told_now = [
        ToldRow(stream_id, table, scope, change.row.key, change.thing, change.row.ver, change.digest, change.covers)
        for change in changes
    ]
    await told_rows.store(connection, told_now)


def period_of(table: str, at: datetime) -> Period:
    """Return the period in which a change of a state table is told."""
    if table in HOURLY:
        return hour_period(at)
    return day_period(beijing_day(at)) if table in DAILY else instant_period(at, at)
