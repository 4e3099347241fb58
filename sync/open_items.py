"""What reports still need from people: fields nobody entered, rows not fit or refused, before and after they are due.

Nothing incomplete is ever sent, so whatever stands here is what the national node does not know yet.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import asyncpg

from identifiers.changes import KIND_PREFIX
from registry.tables import applications, operator, prefixes
from sync import registered_things
from sync.calendar_time import beijing_day, month_period
from sync.database import Connection
from sync.months import place_of
from sync.outbox import enterprise_facts
from sync.outbox.enterprise_facts import MissingFact
from sync.registered_things import OPERATOR, Things
from sync.tables.fields import check_row
from sync.tables.t3 import row_key
from sync.tables.t5 import application_data
from sync.tables.t7 import RESOLVING
from sync.tables.table import Problem

PAGE: Final = 500
REFUSED_MAX: Final = 10_000
"""As many refused rows are listed; operators find all of them in the list of open rows."""

_REFUSED: Final = """
SELECT s.table_id, s.scope, r.key, r.code, r.field, r.message, r.noted_at
FROM report_rejections r JOIN report_streams s USING (stream_id)
WHERE s.reporter = $1 AND (r.batch_id IS NOT NULL OR s.table_id <> ALL($2::text[]))
ORDER BY r.noted_at, s.table_id, s.scope, r.key LIMIT $3"""
_NOTED: Final = """
SELECT s.table_id, s.scope, r.key, r.noted_at
FROM report_rejections r JOIN report_streams s USING (stream_id)
WHERE s.reporter = $1 AND r.batch_id IS NULL AND s.table_id = ANY($2::text[])"""
MADE_ANEW: Final = ("T1", "T2", "T4", "T6", "T7", "T11")
"""Tables whose rows are made and checked here, so that what is wrong now is told, not what was wrong once."""

_REMEDIES: Final = {
    "T1": "PUT /api/v1/operator",
    "T2": "PUT /api/v1/operator/resolution",
    "T4": "PATCH /api/v1/templates/{code}",
    "T5": "PUT /api/v1/applications/{key}",
    "T6": "POST /api/v1/enterprises/{key}:request-change",
    "T7": "PUT /api/v1/prefixes/{scope}/route",
    "T8": "let the enterprise's node report its day",
    "M2": "let the enterprise's node report its day",
    "T9": "correct the identifier's values, or its template",
    "T10": "PUT /api/v1/applications/{key}",
    "T11": "PATCH /api/v1/templates/{code}",
}


@dataclass(frozen=True, slots=True)
class OpenItem:
    """One thing to do. `thing` is what has to be corrected, `remedy` says how.

    `since` is when the row was withheld or refused; None for what was never tried. `due` is when it has to be at the
    collector: None for tables told in real time, which are due at once.
    """

    table: str
    scope: str
    key: str
    thing: str
    code: str
    field: str | None
    message: str
    remedy: str
    since: datetime | None = None
    due: datetime | None = None


async def check(connection: Connection, reporter: str, now: datetime | None = None) -> list[OpenItem]:
    """Return everything that is open for a reporter: what is missing, what is not fit, and what was refused.

    `now` is the present unless given. Makes and checks the rows of everything registered but identifiers, whose open
    rows are known already.
    """
    items = await needed(connection, reporter, now or datetime.now(UTC))
    items += [_untold(fact) for fact in await enterprise_facts.missing(connection, reporter, REFUSED_MAX)]
    items += [_refused(row) for row in await connection.fetch(_REFUSED, reporter, list(MADE_ANEW), REFUSED_MAX)]
    return items


async def needed(connection: Connection, reporter: str, now: datetime) -> list[OpenItem]:
    """Return what tables need and nobody entered, and what is wrong with what was: everything of each row."""
    since = {
        (row["table_id"], row["scope"], row["key"]): row["noted_at"]
        for row in await connection.fetch(_NOTED, reporter, list(MADE_ANEW))
    }
    items = await _missing(connection, reporter)
    items += [item async for item in _states(connection, reporter, now, since)]
    return items + [item async for item in _applications(connection, reporter, now)]


async def _missing(connection: Connection, reporter: str) -> list[OpenItem]:
    """Return tables that have no row at all and need one."""
    items = []
    found = await operator.find(connection)
    if found is None:
        message = "the operator of the node is not entered; everything that depends on it waits"
        items.append(_item("T1", reporter, reporter, OPERATOR, Problem("required", "node_prefix", message)))
    elif found.node_prefix != reporter:
        message = f"the operator's record is for {found.node_prefix}, reports go in the name of {reporter}"
        items.append(_item("T1", reporter, reporter, OPERATOR, Problem("format", "node_prefix", message)))
    if not await operator.addresses(connection):
        message = "no address is entered at which the node resolves"
        items.append(
            _item("T2", reporter, reporter, registered_things.RESOLUTION, Problem("required", "ip_address", message))
        )
    return items


async def _states(
    connection: Connection, reporter: str, now: datetime, since: dict[tuple[str, str, str], datetime]
) -> AsyncIterator[OpenItem]:
    reader = Things(connection, reporter, now)
    async for things in registered_things.everything(connection):
        for thing in things:
            rows = await reader.rows(thing, ())
            for row in rows:
                noted = since.get((row.table, row.scope, row.key))
                for problem in row.problems():
                    yield _item(row.table, row.scope, row.key, thing, problem, since=noted)
            if not rows and (item := await _unanswered(connection, reporter, thing)) is not None:
                yield item


async def _unanswered(connection: Connection, reporter: str, thing: str) -> OpenItem | None:
    """Return what is missing for T7 if a thing is a prefix that resolves here, and the node has no address for it."""
    kind, _, name = thing.partition(" ")
    found = await prefixes.by_prefix(connection, name) if kind == KIND_PREFIX else None
    if found is None or found.state not in RESOLVING or not name.startswith(f"{reporter}."):
        return None
    if not await operator.addresses(connection):
        return None  # which is told once, as what T2 needs
    message = f"names below {name} are answered by this node, which has no address of the code type Handle for them"
    return _item("T7", name, name, thing, Problem("required", "ip_address", message), remedy=_REMEDIES["T2"])


async def _applications(connection: Connection, reporter: str, now: datetime) -> AsyncIterator[OpenItem]:
    """Yield what is wrong with applications before the month closes for which they are told."""
    month = f"{beijing_day(now):%Y-%m}"
    start, due = (datetime.fromisoformat(bound) for bound in (month_period(month).start, month_period(month).end))
    after = ""
    while page := await applications.page(connection, after, PAGE):
        after = page[-1].id
        for one in page:
            if one.ended_at is None or one.ended_at >= start:
                table, scope = place_of(reporter, one)
                for problem in check_row(table, application_data(one, month)):
                    yield _item(table, scope, one.id, f"application {one.id}", problem, due=due)


def _untold(fact: MissingFact) -> OpenItem:
    message = f"the enterprise's own node has not told of {fact.stat_date}: nothing is made up for it"
    key = row_key(fact.prefix, fact.stat_date)
    problem = Problem("required", "stat_date", message)
    return _item(fact.table, fact.prefix, key, f"prefix {fact.prefix}", problem, since=fact.noted_at)


def _refused(row: asyncpg.Record) -> OpenItem:
    table, scope, key, code, field, message, noted_at = row
    return _item(table, scope, key, f"row {key}", Problem(code, field or "", message), since=noted_at)


def _item(
    table: str,
    scope: str,
    key: str,
    thing: str,
    problem: Problem,
    *,
    since: datetime | None = None,
    due: datetime | None = None,
    remedy: str | None = None,
) -> OpenItem:
    if remedy is None:
        remedy = _REMEDIES.get(table, "look at the row's reason").format(
            key=key, scope=scope, code=thing.partition(" ")[2] or key
        )
    return OpenItem(
        table, scope, key, thing, problem.code, problem.field or None, problem.message, remedy, since=since, due=due
    )
