"""Repairs differences: the rows that differ are reported once more, and rows that nobody has here as deletions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from identifiers.changes import KIND_IDENTIFIER, START, Change
from registry import states
from registry.tables import identifiers, prefixes
from registry.tables.identifiers import Record
from registry.tables.prefixes import Prefix
from sync.batch import Row
from sync.calendar_time import beijing_day, day_period, instant
from sync.context import Context
from sync.database import Connection
from sync.outbox import told_rows
from sync.outbox.comparisons import Difference, Wanted
from sync.outbox.enqueue import enqueue
from sync.queueing import Queue, Standings
from sync.tables import journal_table
from sync.tables.table import Operation, Standing
from sync.telling import period_of
from sync.templates import Templates

AT_ONCE: Final = 500

_KEYS: Final = "SELECT key FROM identifiers WHERE prefix_id = $1 AND spelling = ANY($2::text[]) AND state <> 'alias'"


def is_ahead(one: Difference) -> bool:
    """Whether the collector holds a later version than we do: no row of ours would be taken, a full set is needed."""
    return one.ver_here is not None and one.ver_there is not None and one.ver_there > one.ver_here


async def repair(
    context: Context, connection: Connection, queue: Queue, wanted: Wanted, found: Sequence[Difference]
) -> list[str]:
    """Queue what makes both sides alike, in the caller's transaction; return the keys of the rows that are queued."""
    repairable = [one for one in found if not is_ahead(one)]
    if wanted.table != "T9":
        return await _state_rows(context, connection, wanted, repairable)
    queued: list[str] = []
    prefix = await prefixes.by_prefix(connection, wanted.scope)
    for start in range(0, len(repairable), AT_ONCE):
        queued += await _identifiers(context, connection, queue, prefix, wanted, repairable[start : start + AT_ONCE])
    return queued


async def _state_rows(
    context: Context, connection: Connection, wanted: Wanted, found: Sequence[Difference]
) -> list[str]:
    here = [one.key for one in found if one.ver_here is not None]
    if here:
        await told_rows.tell_again(connection, context.reporter, [wanted.table], here)
    gone = [one for one in found if one.ver_here is None]
    now = context.now()
    rows = [_deletion(one, now) for one in gone]
    if rows:
        period = period_of(wanted.table, now)
        await enqueue(connection, context, wanted.table, wanted.scope, rows, period=period)
    return [one.key for one in found]


async def _identifiers(
    context: Context,
    connection: Connection,
    queue: Queue,
    prefix: Prefix | None,
    wanted: Wanted,
    found: Sequence[Difference],
) -> list[str]:
    """Report identifiers as they are now; those never registered here, and those withdrawn earlier, as deleted."""
    there = {one.key: one.ver_there or 0 for one in found}
    records = [] if prefix is None else await _records(connection, prefix.id, list(there))
    later = [one for one in records if one.version > there[one.spelling]]
    if prefix is not None and later:
        changes = [_change(one, prefix) for one in later]
        reported = await journal_table(context.tables).read(changes, Templates(), connection)
        await queue.add(connection, reported, known=lambda _stream, keys: _unsure(keys))
    told = {one.spelling for one in later}
    now = context.now()
    gone = [one for one in found if one.key not in told and one.ver_there is not None]
    rows = [_identifier_deletion(one, wanted.scope, now) for one in gone]
    if rows:
        await enqueue(connection, context, "T9", wanted.scope, rows, period=day_period(beijing_day(now)))
    return [*told, *(one.key for one in gone)]


async def _records(connection: Connection, prefix_id: int, names: list[str]) -> list[Record]:
    keys = [row["key"] for row in await connection.fetch(_KEYS, prefix_id, names)]
    return list((await identifiers.by_keys(connection, prefix_id, keys)).values())


def _change(record: Record, prefix: Prefix) -> Change:
    state = states.identifier_state(record, prefix.prefix)
    return Change(*START, record.updated_at, KIND_IDENTIFIER, record.key, "update", state)


def _unsure(keys: Sequence[str]) -> Standings:
    return dict.fromkeys(keys, Standing.UNSURE)


def _deletion(one: Difference, now: datetime) -> Row:
    return Row(n=0, key=one.key, op="delete", ver=(one.ver_there or 0) + 1, at=instant(now))


def _identifier_deletion(one: Difference, scope: str, now: datetime) -> Row:
    data = {"enterprise_prefix": scope, "identifier": one.key, "operation_type": int(Operation.DELETE)}
    row = _deletion(one, now)
    return msgspec.structs.replace(row, data=msgspec.Raw(msgspec.json.encode(data)))
