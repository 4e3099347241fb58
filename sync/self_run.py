"""Facts that enterprises with nodes of their own tell of themselves (T8, M2), and those they do not tell in time.

Nothing is made up for them: a day they did not tell is an open item, not a row of zeros (docking contract 4.8, 5.1).
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

import msgspec

from sync.batch import Row
from sync.calendar_time import beijing_day, instant
from sync.context import Context
from sync.database import Connection, transaction
from sync.outbox import enterprise_facts, revisions
from sync.outbox.enqueue import enqueue
from sync.outbox.enterprise_facts import EnterpriseFact
from sync.schedule import span_at
from sync.tables.t3 import row_key

TABLES: Final = ("T8", "M2")
AT_ONCE: Final = 50


async def accept(
    connection: Connection,
    reporter: str,
    table: str,
    prefix: str,
    day: date,
    rows: Sequence[Mapping[str, Any]],
    now: datetime,
) -> None:
    """Keep the rows (T8: all parts) that an enterprise told of a day, to be handed on when the day is over.

    They were checked against the fields of the table. Told otherwise again, they are handed on as a revision.
    """
    await enterprise_facts.store(
        connection, reporter, EnterpriseFact(table, prefix, day, msgspec.json.encode(rows)), now
    )


async def hand_on(context: Context) -> int:
    """Queue what enterprises have told of days that are over; return how many facts."""
    async with transaction(context.pool) as connection:
        today = beijing_day(context.now())
        facts = await enterprise_facts.take_new(connection, context.reporter, today, AT_ONCE)
        for fact in facts:
            await queue(connection, context, fact)
        if facts:
            await enterprise_facts.queued(connection, context.reporter, facts, context.now())
        return len(facts)


async def queue(connection: Connection, context: Context, fact: EnterpriseFact) -> None:
    """Queue what an enterprise told of a day, as a revision if it was told before."""
    key = row_key(fact.prefix, fact.stat_date)
    ver = await revisions.first_or_next_version(connection, context.reporter, fact.table, key)
    more = {"x_measured_by": "enterprise"} if fact.table == "T8" else {}
    rows = [
        Row(
            n=0,
            key=key,
            op="upsert",
            ver=ver,
            at=instant(context.now()),
            data=msgspec.Raw(msgspec.json.encode({**data, **more})),
        )
        for data in msgspec.json.decode(fact.rows, type=list[dict[str, Any]])
    ]
    period = span_at("day", datetime.fromisoformat(f"{fact.stat_date}T00:00:00+08:00")).period
    await enqueue(
        connection,
        context,
        fact.table,
        fact.prefix,
        rows,
        period=period,
        mode="delta" if ver == 1 else "revision",
    )
