"""Facts in the journal: rows about what is over (a day, a month, an event), for whoever follows the change feed.

The journal tells where a stream's rows are, in the transaction that queues them; the rows are read from the batches,
however these were cut since, and stay there until 35 days after the receipt.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final, NamedTuple

import msgspec

from identifiers.changes import KIND_FACT, FactState
from registry import journal
from registry.tables import takeovers
from sync import body
from sync.batch import Row
from sync.database import Connection
from sync.outbox.streams import Stream

TABLES: Final = ("T3", "T5", "T8", "T10", "M1", "M2", "E1", "E2")
ACTOR: Final = "sync"

_HELD: Final = """
SELECT first_row, row_lines, body FROM report_batches
WHERE stream_id = $1 AND first_row >= $2 AND first_row < $3 AND row_count > 0 AND coalesce(row_lines, body) IS NOT NULL
ORDER BY first_row LIMIT 1"""
_STREAMS: Final = """
SELECT stream_id, table_id, scope FROM report_streams
WHERE reporter = $1 AND table_id = ANY($2::text[]) AND stream_id > $3 ORDER BY stream_id LIMIT $4"""
_ENDLESS: Final = 2**62


class FactStream(NamedTuple):
    """A stream of facts."""

    stream_id: int
    table: str
    scope: str


async def announce(connection: Connection, stream: Stream, rows: int) -> None:
    """Write to the journal that the next rows of a stream were queued, in the transaction that queues them."""
    # Facts register nothing: they are told during a take-over too.
    await takeovers.admit_import(connection)
    await journal.append(
        connection,
        actor=ACTOR,
        kind=KIND_FACT,
        key=f"{stream.table} {stream.scope}",
        op="create",
        after=msgspec.json.encode(FactState(stream.table, stream.scope, stream.stream_id, stream.next_row, rows)),
        audited=False,
    )


async def announced(connection: Connection, state: FactState) -> AsyncIterator[list[Row]]:
    """Yield the rows of an announcement, a batch at a time; none that are no longer held."""
    async for rows in _rows(connection, state.stream, state.first_row, state.first_row + state.rows):
        yield rows


async def streams(connection: Connection, reporter: str, after: int, limit: int) -> list[FactStream]:
    """Return streams of facts in the order of their ids."""
    return [FactStream(*row) for row in await connection.fetch(_STREAMS, reporter, list(TABLES), after, limit)]


async def held(connection: Connection, stream_id: int) -> AsyncIterator[list[Row]]:
    """Yield the rows of a stream that are held, a batch at a time; of each key those of the newest version only."""
    newest: dict[str, int] = {}
    async for rows in _rows(connection, stream_id, 0, _ENDLESS):
        for row in rows:
            newest[row.key] = max(row.ver, newest.get(row.key, 0))
    async for rows in _rows(connection, stream_id, 0, _ENDLESS):
        yield [row for row in rows if row.ver == newest.get(row.key)]


async def _rows(connection: Connection, stream_id: int, first: int, end: int) -> AsyncIterator[list[Row]]:
    while (batch := await connection.fetchrow(_HELD, stream_id, first, end)) is not None:
        first = batch["first_row"] + 1
        yield await asyncio.to_thread(_read, batch["row_lines"], batch["body"])


def _read(row_lines: bytes | None, content: bytes) -> list[Row]:
    lines = body.take_apart(body.decompress(content))[1] if row_lines is None else body.decompress(row_lines)
    return list(body.rows_of(lines))
