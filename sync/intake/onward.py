"""What an enterprise's rows lead to on their way to the national node (docking contract 9.12).

T8, M2    kept as facts of their day, and told when the day is over (`sync.self_run`)
T7, T11   told by the state tables, which read what is held here (`sync.intake.registered`)
T9, T10, E2    put into `intake_relayed`, from where `hand_on` queues them in the order in which they came
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

import msgspec

from identifiers.changes import KIND_REPORT, KIND_TEMPLATE
from sync.batch import Period, Row
from sync.calendar_time import beijing_day, day_period, month_period
from sync.collecting.collapsed import PAIRS
from sync.collecting.header import Handed
from sync.context import Context
from sync.database import Connection, DatabaseAway, connected, transaction
from sync.intake.held import HeldRows
from sync.outbox import feeds
from sync.outbox.enqueue import enqueue
from sync.self_run import TABLES as FACTS
from sync.self_run import accept
from sync.tables.table import Operation

RELAYED: Final = ("T9", "T10", "E2")
AT_ONCE: Final = 500
"""A row has at most 256 KiB."""
ROUNDS_MAX: Final = 100

_log = logging.getLogger(__name__)

_RELAY: Final = """
INSERT INTO intake_relayed (table_id, scope, period, row)
SELECT $1, $2, period::jsonb, row
FROM unnest($3::text[], $4::text[]) WITH ORDINALITY AS one (period, row, place) ORDER BY place"""
_NEXT: Final = """
SELECT number, scope, period::text AS period, row FROM intake_relayed
WHERE table_id = $1 ORDER BY number LIMIT $2 FOR UPDATE"""
_ANY: Final = "SELECT EXISTS (SELECT FROM intake_relayed)"
_TEMPLATES_UNREAD: Final = """
SELECT EXISTS (SELECT FROM journal WHERE (xid, seq) > ($1, $2)
    AND (kind = $3 OR (kind = $4 AND key = ANY($5::text[]))))"""
_DONE: Final = "DELETE FROM intake_relayed WHERE number = ANY($1::bigint[])"


async def keep_facts(
    connection: Connection, node: str, header: Handed, held: HeldRows, rows: Iterable[Mapping[str, Any]], now: datetime
) -> None:
    """Keep the facts of which all parts are here now."""
    if header.table not in FACTS:
        return
    for row in rows:
        data, kept = row["data"], held.get(row["key"])
        if kept is not None and (data.get("part") or 1) == (data.get("parts") or 1):
            day = date.fromisoformat(data["stat_date"])
            await accept(connection, node, header.table, header.scope, day, kept.parts, now)


async def relay(connection: Connection, header: Handed, rows: Sequence[Mapping[str, Any]]) -> None:
    """Put accepted rows on their way to the national node, as they are."""
    if header.table in RELAYED and rows:
        texts = [msgspec.json.encode({**row, "n": 0}).decode() for row in rows]
        periods = [msgspec.json.encode(_period(header, row)).decode() for row in rows]
        await connection.execute(_RELAY, header.table, header.scope, periods, texts)


def _period(header: Handed, row: Mapping[str, Any]) -> Period:
    """Return the period a row is told of: the batch's, but for a complete set, which goes on as single changes."""
    told = header.period
    day = beijing_day(datetime.fromisoformat(told.start))
    if header.table == "T9" and told.kind != "day":
        return day_period(day)
    if header.table == "T10" and told.kind != "month":
        return month_period((row.get("data") or {}).get("month", day.isoformat()[:7]))
    return Period(told.kind, told.start, told.end)


def dropped(header: Handed, key: str, ver: int, at: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row that tells of an end which a complete set told of by leaving the key out."""
    row: dict[str, Any] = {"n": 0, "key": key, "op": "delete", "ver": ver, "at": at}
    if header.table == "T9":
        context = {name: data[name] for name in ("enterprise_prefix", "identifier") if name in data}
        row["data"] = {**context, "operation_type": int(Operation.DELETE)}
    return row


async def run(context: Context, wake: Callable[[], None], poll_s: float) -> None:
    """Hand rows on until cancelled, as soon as they come; `wake` is called when something was queued."""
    while True:
        try:
            if await hand_on(context):
                wake()
        except DatabaseAway as error:
            context.metrics.failed("database")
            _log.debug("what enterprises told cannot be handed on now: %s", error)
        await asyncio.sleep(poll_s)


async def hand_on(context: Context) -> int:
    """Queue rows that wait, up to a number that leaves time for other things; return how many. Raises DatabaseAway."""
    async with connected(context.pool) as connection:
        if not await connection.fetchval(_ANY):
            return 0
    count = 0
    for table in RELAYED:
        for _ in range(ROUNDS_MAX):
            found = await _hand_on(context, table)
            count += found
            if found < AT_ONCE:
                break
    return count


async def _hand_on(context: Context, table: str) -> int:
    """Queue the next rows of a table, in a transaction of their own, so that streams are locked in order."""
    async with transaction(context.pool) as connection:
        found = await connection.fetch(_NEXT, table, AT_ONCE)
        by_stream: dict[str, list[tuple[str, list[Row]]]] = {}
        for one in found:
            told = by_stream.setdefault(one["scope"], [])
            if not told or told[-1][0] != one["period"]:
                told.append((one["period"], []))
            told[-1][1].append(msgspec.json.decode(one["row"], type=Row))
        if table == "T9" and found and await _templates_to_come(connection, context, sorted(by_stream)):
            return 0
        for scope in sorted(by_stream):
            for period, rows in by_stream[scope]:
                of = msgspec.json.decode(period, type=Period)
                for batch in _batches(rows) if table == "T9" else [rows]:
                    await enqueue(connection, context, table, scope, batch, period=of)
        await connection.execute(_DONE, [one["number"] for one in found])
    return len(found)


def _batches(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Cut rows of T9 where a key comes again: one batch has one row of it, or two that add and delete it (4.9).

    What the enterprise told in several batches is not made one here.
    """
    batch, operations = list[Row](), dict[str, tuple[int, ...]]()
    for row in rows:
        told = (*operations.get(row.key, ()), _operation(row))
        if len(told) > 1 and told not in PAIRS:
            yield batch
            batch, operations, told = [], {}, told[-1:]
        batch.append(row)
        operations[row.key] = told
    yield batch


def _operation(row: Row) -> int:
    assert isinstance(row.data, msgspec.Raw)  # noqa: S101 - rows of T9 have data, deletions too
    return int(msgspec.json.decode(row.data)["operation_type"])


async def _templates_to_come(connection: Connection, context: Context, scopes: Sequence[str]) -> bool:
    """Whether templates that rows of these prefixes may refer to are in the journal, but not queued yet (9.6).

    Asked behind the reading of the rows: a template was committed before the rows that follow it.
    """
    position = await feeds.position(connection, context.reporter, feeds.STATE)
    keys = [f"T11 {scope}" for scope in scopes]
    return bool(await connection.fetchval(_TEMPLATES_UNREAD, *position, KIND_TEMPLATE, KIND_REPORT, keys))
