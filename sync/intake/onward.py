"""What an enterprise's rows lead to on their way to the national node (docking contract 9.12).

T8, M2    kept as facts of their day, and told when the day is over (`sync.self_run`)
T7, T11   told by the state tables, which read what is held here (`sync.intake.registered`)
T9, T10, E2    put into `intake_relayed`, from where `hand_on` queues them in the order in which they came
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

import msgspec

from sync.batch import Period, Row
from sync.collecting.header import Handed
from sync.context import Context
from sync.database import Connection, transaction
from sync.intake.held import HeldRows
from sync.outbox.enqueue import enqueue
from sync.self_run import TABLES as FACTS
from sync.self_run import accept
from sync.tables.table import Operation

RELAYED: Final = ("T9", "T10", "E2")
AT_ONCE: Final = 2_000

_RELAY: Final = """
INSERT INTO intake_relayed (table_id, scope, period, row)
SELECT $1, $2, $3, row FROM unnest($4::text[]) WITH ORDINALITY AS one (row, place) ORDER BY place"""
_NEXT: Final = """
SELECT number, scope, period::text AS period, row FROM intake_relayed
WHERE table_id = $1 ORDER BY number LIMIT $2 FOR UPDATE"""
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
        period = msgspec.json.encode(header.period).decode()
        await connection.execute(_RELAY, header.table, header.scope, period, texts)


def dropped(header: Handed, key: str, ver: int, at: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row that tells of an end which a complete set told of by leaving the key out."""
    row: dict[str, Any] = {"n": 0, "key": key, "op": "delete", "ver": ver, "at": at}
    if header.table == "T9":
        context = {name: data[name] for name in ("enterprise_prefix", "identifier") if name in data}
        row["data"] = {**context, "operation_type": int(Operation.DELETE)}
    return row


async def hand_on(context: Context) -> int:
    """Queue rows that wait; return how many. Each table in a transaction of its own, so that streams lock in order."""
    count = 0
    for table in RELAYED:
        async with transaction(context.pool) as connection:
            found = await connection.fetch(_NEXT, table, AT_ONCE)
            by_stream: dict[str, dict[str, list[Row]]] = {}
            for one in found:
                rows = by_stream.setdefault(one["scope"], {}).setdefault(one["period"], [])
                rows.append(msgspec.json.decode(one["row"], type=Row))
            for scope in sorted(by_stream):
                for period, rows in by_stream[scope].items():
                    told = msgspec.json.decode(period, type=Period)
                    await enqueue(connection, context, table, scope, rows, period=told)
            await connection.execute(_DONE, [one["number"] for one in found])
            count += len(found)
    return count
