"""The reports' tables in the change feed: what sync tells the national node, as rows for whoever reads the feed.

Rows of T9 are the journal's own changes. Facts (statistics and figures of days, applications of months, events) are
the rows that are reported, for 35 days. Rows of the other tables say what is registered when they are read: a change
of the journal only names which things it touched. So a row may be newer than the change it comes with, and is never
older; `ver` is the number of that change's transaction, which grows from one change of a row to the next.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from identifiers.changes import (
    KIND_FACT,
    KIND_IDENTIFIER,
    KIND_REPORT,
    KIND_TEMPLATE,
    START,
    Change,
    FactState,
    IdentifierState,
    ReportState,
)
from identifiers.value_json import decode_stored, values_to_json
from identifiers.visibility import readable
from registry.database import Connection
from registry.service.feed_rows import FeedRow, View
from registry.service.records import may_be_restricted
from registry.states import template_state, to_second
from registry.tables import templates
from sync import registered_things
from sync.batch import Row
from sync.intake import reported_identifiers
from sync.outbox import facts, told_rows
from sync.outbox.facts import FactStream
from sync.registered_things import Things
from sync.state_rows import data_octets
from sync.tables.t9 import T9
from sync.tables.table import Draft, Operation
from sync.telling import ORDER
from sync.templates import Templates

IDENTIFIERS: Final = "T9"
PAGE: Final = 1_000
OLDEST_VERSION: Final = 1
"""The version of a row in a snapshot: whatever follows is newer."""

_OF_NO_VALUE: Final = ("enterprise_prefix", "identifier", "created_on", "metadata_id", "operation_type")
"""Columns of T9 that are not taken from an identifier's values (docking contract 4.9, context and 1 to 4)."""
_OPERATIONS: Final = {"create": Operation.ADD, "update": Operation.MODIFY, "withdraw": Operation.DELETE}
_decoder: Final = msgspec.json.Decoder(IdentifierState)
_fact_decoder: Final = msgspec.json.Decoder(FactState)
_report_decoder: Final = msgspec.json.Decoder(ReportState)


class FeedReports:
    """Makes the rows of one reporter. Needs the tables of `sync`."""

    def __init__(self, reporter: str, default_template: str | None = None) -> None:
        self._reporter = reporter
        self._t9 = T9(reporter, default_template)

    @property
    def tables(self) -> Sequence[str]:
        """The tables there are."""
        return (*ORDER, IDENTIFIERS, *facts.TABLES)

    async def rows(
        self, connection: Connection, changes: Sequence[Change], view: View, wanted: frozenset[str]
    ) -> Mapping[int, list[FeedRow]]:
        """Return the rows of each change by its place in `changes`; a thing touched again is told with the last."""
        found: dict[int, list[FeedRow]] = {}
        if IDENTIFIERS in wanted:
            await self._identifiers(connection, changes, view, found)
            await self._reported(connection, changes, view, found)
        await _facts(connection, changes, view, wanted, found)
        touched: dict[str, int] = {}
        for at, change in enumerate(changes if not wanted.isdisjoint(ORDER) else ()):
            if change.kind in registered_things.KINDS:
                async for things in registered_things.touched(connection, change):
                    touched |= dict.fromkeys(things, at)
        by_place: dict[int, list[str]] = {}
        for thing, at in touched.items():
            by_place.setdefault(at, []).append(thing)
        reader = Things(connection, self._reporter, datetime.now(UTC))
        for at, things in by_place.items():
            change = changes[at]
            rows = await self._states(connection, reader, things, to_second(change.at), change.xid)
            found.setdefault(at, []).extend(rows)
        return found

    async def everything(
        self, connection: Connection, taken_at: datetime, view: View, wanted: frozenset[str]
    ) -> AsyncIterator[list[FeedRow]]:
        """Yield the rows as they are now, but those of T9 that are made of the journal, a page of things at a time."""
        if not wanted.isdisjoint(ORDER):
            reader = Things(connection, self._reporter, taken_at)
            async for things in registered_things.everything(connection):
                rows = await self._states(connection, reader, things, to_second(taken_at), OLDEST_VERSION)
                yield [row for row in rows if row.op == "upsert"]
        for reporter in await reported_identifiers.reporters(connection) if IDENTIFIERS in wanted else ():
            after = ""
            while page := await reported_identifiers.page(connection, reporter, after, PAGE):
                after = page[-1].key
                yield [_as_told(row, reporter, view) for row in page]
        async for stream in _fact_streams(connection, self._reporter, view, wanted):
            async for told in facts.held(connection, stream.stream_id):
                yield [_as_feed_row(row, stream.table, stream.scope) for row in told]

    async def _states(
        self, connection: Connection, reader: Things, things: Sequence[str], at: str, ver: int
    ) -> list[FeedRow]:
        told = await told_rows.of_things(connection, self._reporter, things)
        rows: list[FeedRow] = []
        for thing in things:
            before = told.get(thing, [])
            covered = {prefix for row in before for prefix in row.covers}
            wanted = [one for one in await reader.rows(thing, covered) if not one.problems()]
            standing = {(one.table, one.key) for one in wanted}
            rows += [
                FeedRow(at=at, table=row.table, scope=row.scope, key=row.key, op="delete", ver=ver)
                for row in before
                if (row.table, row.key) not in standing
            ]
            rows += [
                FeedRow(
                    at=at,
                    table=one.table,
                    scope=one.scope,
                    key=one.key,
                    op="upsert",
                    ver=ver,
                    data=msgspec.Raw(data_octets(one.data)),
                )
                for one in wanted
            ]
        return rows

    async def _reported(
        self, connection: Connection, changes: Sequence[Change], view: View, found: dict[int, list[FeedRow]]
    ) -> None:
        """Add the identifiers that enterprises' own nodes have told of."""
        for at, change in enumerate(changes):
            if change.kind == KIND_REPORT:
                report = _report_decoder.decode(change.after)
                rows = await reported_identifiers.of_batch(connection, report.batch_id)
                found.setdefault(at, []).extend(_as_told(row, report.scope, view) for row in rows)

    async def _identifiers(
        self, connection: Connection, changes: Sequence[Change], view: View, found: dict[int, list[FeedRow]]
    ) -> None:
        known = Templates()
        codes: set[str] = set()
        for at, change in enumerate(changes):
            if change.kind != KIND_IDENTIFIER:
                continue
            seen = _as_seen(change, view)
            code = _decoder.decode(seen.after).template
            if code is not None and code not in codes:
                codes.add(code)
                await _learn(connection, known, code)
            for reported in await self._t9.read([seen], known, connection):
                if reported.problem is None:
                    row = self._t9.row(Draft(_OPERATIONS[reported.op], reported))
                    found.setdefault(at, []).append(_as_feed_row(row, IDENTIFIERS, reported.scope))


async def _facts(
    connection: Connection,
    changes: Sequence[Change],
    view: View,
    wanted: frozenset[str],
    found: dict[int, list[FeedRow]],
) -> None:
    for at, change in enumerate(changes):
        if change.kind != KIND_FACT:
            continue
        state = _fact_decoder.decode(change.after)
        if state.table in wanted and view.admits(state.table, state.scope):
            async for told in facts.announced(connection, state):
                found.setdefault(at, []).extend(_as_feed_row(row, state.table, state.scope) for row in told)


async def _fact_streams(
    connection: Connection, reporter: str, view: View, wanted: frozenset[str]
) -> AsyncIterator[FactStream]:
    """Yield the streams of wanted facts that the reader may see."""
    after = 0
    while page := await facts.streams(connection, reporter, after, PAGE):
        after = page[-1].stream_id
        for stream in page:
            if stream.table in wanted and view.admits(stream.table, stream.scope):
                yield stream


def _as_feed_row(row: Row, table: str, scope: str) -> FeedRow:
    return FeedRow(at=row.at, table=table, scope=scope, key=row.key, op=row.op, ver=row.ver, data=row.data)


def _as_told(row: Row, scope: str, view: View) -> FeedRow:
    """Return a row of an enterprise's own node; a mirror is told that the identifier is there, and none of its values.

    Such a node says nothing of who may read what, so only itself and readers of everything see the columns that are
    made of values.
    """
    shown = _as_feed_row(row, IDENTIFIERS, scope)
    if view.everything or view.enterprise is not None or shown.data is msgspec.UNSET:
        return shown
    data: dict[str, Any] = msgspec.json.decode(shown.data)
    public = {name: value for name, value in data.items() if name in _OF_NO_VALUE}
    return msgspec.structs.replace(shown, data=msgspec.Raw(msgspec.json.encode(public)))


async def _learn(connection: Connection, known: Templates, code: str) -> None:
    """Read a template from the registry: the reports' own memory of it may be behind."""
    found = await templates.by_code(connection, code)
    if found is not None:
        known.learn(Change(*START, found.updated_at, KIND_TEMPLATE, code, "update", template_state(found)))


def _as_seen(change: Change, view: View) -> Change:
    """Return a change without the values that the reader may not see."""
    state = _decoder.decode(change.after)
    if not may_be_restricted(bytes(state.values)):
        return change
    owner = view.enterprise is not None and state.prefix in view.own
    values: Any = values_to_json(readable(decode_stored(bytes(state.values)), admin=view.admin, owner=owner))
    after = msgspec.json.encode(msgspec.structs.replace(state, values=msgspec.Raw(values)))
    return change._replace(after=after)
