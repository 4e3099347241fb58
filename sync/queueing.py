"""From changes to queued batches: decides what is told of them and stores it, in one transaction of the caller's."""

import asyncio
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sync import body
from sync.batch import Limits, Period, Row
from sync.calendar_time import first_attempt
from sync.context import Context
from sync.database import Connection
from sync.outbox import batches, open_rows, streams
from sync.outbox.batches import NewBatch
from sync.outbox.open_rows import OpenRow
from sync.outbox.streams import Stream
from sync.plan import Plan, Withheld, plan
from sync.tables.t9 import metadata_ids
from sync.tables.table import JournalTable, Reported, Standing

Standings = Mapping[str, Standing]


class _Piece(NamedTuple):
    """Rows of one stream that fit into one batch."""

    stream: Stream
    first_row: int
    period: Period
    rows: Sequence[Row]
    not_before: datetime | None = None


class Queue:
    """Fills the queues of one table's streams."""

    def __init__(self, context: Context, table: JournalTable, limits: Callable[[], Limits]) -> None:
        self._table = table
        self._reporter = context.reporter
        self._limits = limits
        self._now = context.now
        self._metrics = context.metrics
        self._hold_periods = context.hold_periods

    async def add(
        self,
        connection: Connection,
        changes: Iterable[Reported],
        *,
        known: Callable[[Stream, Sequence[str]], Standings] = lambda _stream, _keys: {},
    ) -> None:
        """Queue what is to be told of these changes, given in the order of the journal.

        `known` overrides what the journal and the open rows say of keys' standings. The streams stay locked until
        the transaction ends, so no receipt can change a standing between the decision and the commit.
        """
        by_scope: dict[str, list[Reported]] = {}
        for change in changes:
            by_scope.setdefault(change.scope, []).append(change)
        found = await streams.lock_scopes(connection, self._reporter, self._table.name, list(by_scope))
        pairs = {(found[scope].stream_id, change.key) for scope, told in by_scope.items() for change in told}
        stored = await open_rows.standings(connection, pairs)
        pieces: list[_Piece] = []
        for scope, told in by_scope.items():
            stream = found[scope]
            standings = {**stored.get(stream.stream_id, {}), **known(stream, [change.key for change in told])}
            planned = plan(self._table, told, standings)
            await self._note(connection, stream, planned)
            pieces += self._cut(stream, _rows(self._table, planned), hold=self._hold_periods)
        await self._store(connection, pieces)

    async def resend(self, connection: Connection, scope: str) -> None:
        """Queue this scope's rows again whose rejection passes by itself and whose time has come."""
        stream = (await streams.lock_scopes(connection, self._reporter, self._table.name, [scope]))[scope]
        rows = await open_rows.take_resends(connection, stream.stream_id, self._limits().max_rows)
        periods: dict[Period, list[Row]] = {}
        for row in rows:
            periods.setdefault(self._table.period(datetime.fromisoformat(row.at)), []).append(row)
        await self._store(connection, list(self._cut(stream, dict(sorted(periods.items(), key=_start)))))

    async def _note(self, connection: Connection, stream: Stream, planned: Plan) -> None:
        queued = [draft.change.key for drafts in planned.periods.values() for draft in drafts]
        if queued:
            await open_rows.superseded(connection, stream.stream_id, queued)
        if planned.withheld:
            await open_rows.note(connection, stream.stream_id, list(map(_open, planned.withheld)), self._now())
            self._metrics.withheld(self._table.name, len(planned.withheld))
        if planned.nothing_to_tell:
            await open_rows.dismiss(connection, stream.stream_id, planned.nothing_to_tell)

    def _cut(self, stream: Stream, periods: Mapping[Period, Sequence[Row]], *, hold: bool = False) -> Iterable[_Piece]:
        """Cut into batches; a batch never tells of two periods."""
        next_row = stream.next_row
        for period, rows in periods.items():
            not_before = first_attempt(period) if hold else None
            for part in body.cut(rows, self._limits()):
                yield _Piece(stream, next_row, period, part, not_before)
                next_row += len(part)

    async def _store(self, connection: Connection, pieces: Sequence[_Piece]) -> None:
        if not pieces:
            return
        # Encoding and compressing thousands of rows would hold up the other streams' answers.
        await batches.store(connection, await asyncio.to_thread(_new_batches, pieces), self._now())
        ends = {piece.stream.stream_id: piece.first_row + len(piece.rows) for piece in pieces}
        for stream_id, next_row in ends.items():
            await streams.advance_rows(connection, stream_id, next_row)


def _rows(table: JournalTable, planned: Plan) -> dict[Period, list[Row]]:
    return {period: [table.row(draft) for draft in drafts] for period, drafts in planned.periods.items()}


def _start(item: tuple[Period, object]) -> str:
    return item[0].start


def _new_batches(pieces: Iterable[_Piece]) -> list[NewBatch]:
    return [
        NewBatch(
            batch_id=uuid.uuid4(),
            stream_id=piece.stream.stream_id,
            first_row=piece.first_row,
            row_count=len(piece.rows),
            period=piece.period,
            row_lines=body.compress(b"".join(body.numbered(piece.rows))),
            not_before=piece.not_before,
            metadata_ids=metadata_ids(piece.rows),
        )
        for piece in pieces
    ]


def _open(withheld: Withheld) -> OpenRow:
    change, problem = withheld.draft.change, withheld.draft.change.problem
    assert problem is not None  # noqa: S101 - that is what withheld means
    return OpenRow(
        key=change.key,
        ver=change.ver,
        operation=withheld.draft.operation,
        code=problem.code,
        field=problem.field,
        message=problem.message,
        standing=withheld.standing,
    )
