"""Full sets: everything a stream has to say, in numbered parts, after which the collector drops what was in none (9.8).

Asked for by the collector (`send_full`), by an operator after a halt, and where the collector does not know a stream.
"""

import hashlib
import uuid
from collections.abc import Sequence
from typing import Final

from identifiers.changes import KIND_IDENTIFIER, START, Change
from registry import states
from registry.tables import identifiers, prefixes
from registry.tables.identifiers import Record
from registry.tables.prefixes import Prefix
from sync.batch import FullSet, Row
from sync.calendar_time import beijing_day, day_period, month_period
from sync.context import Context
from sync.database import Connection
from sync.intake import reported_identifiers
from sync.months import last_closed_month, month_rows
from sync.outbox import open_rows, streams, told_rows
from sync.outbox.enqueue import enqueue
from sync.outbox.open_rows import OpenRow
from sync.outbox.told_rows import ToldRow
from sync.registered_things import Things
from sync.state_rows import Wanted, data_octets, told
from sync.tables import journal_table
from sync.tables.table import Draft, Operation, Reported, Standing
from sync.telling import ORDER, period_of
from sync.templates import Templates

IDENTIFIERS_AT_ONCE: Final = 2_000
MONTHLY: Final = ("T5", "T10")
"""Their full set is that of the last month that has closed."""


class NoFullSet(Exception):  # noqa: N818 - a refusal, not a defect
    """Facts and events are never told as a full set: nothing of them is dropped."""


async def send_full(connection: Connection, context: Context, table: str, scope: str) -> int:
    """Queue the full set of one stream, in the caller's transaction, and return how many rows it has.

    Raises NoFullSet for T3, T8, M1, M2, E1 and E2. What is queued already goes before it.
    """
    if table == "T9":
        return await _identifiers(connection, context, scope)
    if table in ORDER:
        return await _states(connection, context, table, scope)
    if table in MONTHLY:
        return await _months(connection, context, table, scope)
    raise NoFullSet(f"{table} is told by facts of closed periods, which no full set replaces: resend its periods")


async def _states(connection: Connection, context: Context, table: str, scope: str) -> int:
    """Tell every row of a state table's stream anew; each gets its next version."""
    now = context.now()
    await told_rows.hold(connection, context.reporter)
    stream = (await streams.lock_scopes(connection, context.reporter, table, [scope]))[scope]
    before = {row.key: row for row in await told_rows.of_stream(connection, context.reporter, table, scope)}
    reader = Things(connection, context.reporter, now)
    rows: list[Row] = []
    remembered: list[ToldRow] = []
    for thing in dict.fromkeys(row.thing for row in before.values() if row.digest is not None):
        covered = {prefix for row in before.values() if row.thing == thing for prefix in row.covers}
        for one in _here(await reader.rows(thing, covered), table, before):
            known, data = before[one.key], data_octets(one.data)
            rows.append(told(one.key, known.ver + 1, now, data))
            covers = tuple(dict.fromkeys((*one.covers, *known.covers)))
            digest = hashlib.sha256(data).digest()
            remembered.append(ToldRow(stream.stream_id, table, scope, one.key, thing, known.ver + 1, digest, covers))
    await open_rows.superseded(connection, stream.stream_id, [row.key for row in rows])
    full = FullSet(uuid.uuid4(), 1, last=True)
    await enqueue(connection, context, table, scope, rows, period=period_of(table, now), mode="full", full=full)
    await told_rows.store(connection, remembered)
    return len(rows)


def _here(wanted: Sequence[Wanted], table: str, before: dict[str, ToldRow]) -> list[Wanted]:
    """Leave out rows of other streams, and those not fit: what was told of these before is dropped with the rest."""
    return [one for one in wanted if one.table == table and one.key in before and not one.problems()]


async def _months(connection: Connection, context: Context, table: str, scope: str) -> int:
    month = last_closed_month(context.now())
    rows = (await month_rows(connection, context.reporter, month)).get((table, scope), [])
    full = FullSet(uuid.uuid4(), 1, last=True)
    await enqueue(connection, context, table, scope, rows, period=month_period(month), mode="full", full=full)
    return len(rows)


async def _identifiers(connection: Connection, context: Context, scope: str) -> int:
    """Tell every identifier below a prefix as an addition; memory holds one page of them."""
    if await reported_identifiers.any_of(connection, scope):
        return await _reported(connection, context, scope)
    found = await prefixes.by_prefix(connection, scope)
    full, period = uuid.uuid4(), day_period(beijing_day(context.now()))
    page = [] if found is None else await _page(connection, found, "")
    part, count = 1, 0
    while True:
        following = await _page(connection, found, page[-1].key) if found is not None and page else []
        rows = await _additions(connection, context, found, page)
        here = FullSet(full, part, last=not following)
        part += len(await enqueue(connection, context, "T9", scope, rows, period=period, mode="full", full=here))
        count += len(rows)
        if not following:
            return count
        page = following


async def _reported(connection: Connection, context: Context, scope: str) -> int:
    """Tell every identifier that an enterprise's own node has told of, as an addition."""
    full, period = uuid.uuid4(), day_period(beijing_day(context.now()))
    page = await reported_identifiers.page(connection, scope, "", IDENTIFIERS_AT_ONCE)
    part, count = 1, 0
    while True:
        following = (
            await reported_identifiers.page(connection, scope, page[-1].key, IDENTIFIERS_AT_ONCE) if page else []
        )
        here = FullSet(full, part, last=not following)
        part += len(await enqueue(connection, context, "T9", scope, page, period=period, mode="full", full=here))
        count += len(page)
        if not following:
            return count
        page = following


async def _page(connection: Connection, prefix: Prefix, after: str) -> list[Record]:
    return await identifiers.page(connection, prefix.id, after, IDENTIFIERS_AT_ONCE, "active")


async def _additions(
    connection: Connection, context: Context, prefix: Prefix | None, page: Sequence[Record]
) -> list[Row]:
    if prefix is None or not page:
        return []
    stream = (await streams.lock_scopes(connection, context.reporter, "T9", [prefix.prefix]))[prefix.prefix]
    table = journal_table(context.tables)
    changes = [
        Change(*START, one.updated_at, KIND_IDENTIFIER, one.key, "create", states.identifier_state(one, prefix.prefix))
        for one in page
    ]
    reported = await table.read(changes, Templates(), connection)
    fit = [change for change in reported if change.problem is None]
    await open_rows.superseded(connection, stream.stream_id, [change.key for change in fit])
    unfit = [_unfit(change) for change in reported if change.problem is not None]
    await open_rows.note(connection, stream.stream_id, unfit, context.now())
    return [table.row(Draft(Operation.ADD, change)) for change in fit]


def _unfit(change: Reported) -> OpenRow:
    assert change.problem is not None  # noqa: S101 - the caller asks for such changes only
    return OpenRow(
        key=change.key,
        ver=change.ver,
        operation=Operation.ADD,
        code=change.problem.code,
        field=change.problem.field,
        message=change.problem.message,
        standing=Standing.ABSENT,
    )
