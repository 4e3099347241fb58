"""Lets the database know of events that went to the collector past it, with the batches' sequences and receipts.

Cursor: the stream's acknowledged sequence, moved on in the transaction that stores batch, receipt and events. Doing it
twice changes nothing. What the database had in flight when it went away is finished first, or queued anew where the
collector gave its sequence to a batch of the outbox.
"""

import logging
import uuid
from typing import Final

from registry.tables import node_events
from sync import body, making, settlement
from sync.batch import Receipt
from sync.context import Context
from sync.courier import Courier
from sync.database import Connection, transaction
from sync.event_outbox import Sent
from sync.outbox import batches, facts, streams
from sync.outbox.batches import NewBatch, StoredBatch
from sync.outbox.streams import Stream

_IS_STORED: Final = "SELECT EXISTS (SELECT FROM report_batches WHERE batch_id = $1)"

_log = logging.getLogger(__name__)


async def adopt(context: Context, courier: Courier, entry: Sent, receipt: Receipt) -> bool:
    """Enter an acknowledged batch of the outbox; False if another has to go before. Raises DatabaseAway."""
    table, scope = entry.batch.table, entry.batch.scope
    async with transaction(context.pool) as connection:
        stream = (await streams.lock_scopes(connection, context.reporter, table, [scope]))[scope]
        in_flight = await _in_flight(connection, stream)
        if in_flight is None or in_flight.sequence == entry.batch.sequence:
            await _enter(connection, context, stream, in_flight, entry, receipt)
            return True
    return await courier.finish(stream) and await adopt(context, courier, entry, receipt)


async def _enter(
    connection: Connection,
    context: Context,
    stream: Stream,
    in_flight: StoredBatch | None,
    entry: Sent,
    receipt: Receipt,
) -> None:
    batch, now = entry.batch, context.now()
    if batch.sequence == stream.acknowledged_sequence + 1:
        if in_flight is not None:
            await batches.replace(connection, in_flight.batch_id, [_queued_anew(in_flight)], now)
        place = NewBatch(batch.batch_id, stream.stream_id, stream.next_row, batch.row_count, entry.period, b"")
        await batches.store(connection, [place], now)
        await streams.advance_rows(connection, stream.stream_id, stream.next_row + batch.row_count)
        await facts.announce(connection, stream, batch.row_count)
        await batches.fix(connection, batch, (), now)
        table = context.tables[batch.table]
        await settlement.settle(connection, table, stream.stream_id, batch, receipt, entry.rejections, now)
    elif not await connection.fetchval(_IS_STORED, batch.batch_id):
        # The database is older than the outbox: the comparison of sequences halts the stream and says so.
        text = "%s: sequence %d was told while PostgreSQL was away; it knows of %d"
        _log.error(text, stream.name, batch.sequence, stream.acknowledged_sequence)
    await _enter_events(connection, context, entry)


async def _enter_events(connection: Connection, context: Context, entry: Sent) -> None:
    for event in entry.events:
        # A database restored from a backup may lack the event that this one ends.
        ended = event.related_event_no
        if ended is None or await node_events.by_number(connection, ended) is not None:
            await node_events.insert(connection, event, context.now())
    await node_events.mark_queued(connection, [event.event_no for event in entry.events], context.now())


async def _in_flight(connection: Connection, stream: Stream) -> StoredBatch | None:
    stored = await batches.next_open(connection, stream.stream_id)
    return None if stored is None or stored.sequence is None else stored


def _queued_anew(stored: StoredBatch) -> NewBatch:
    """Return the same rows under another id: one that was sent is never used for another sequence (9.3)."""
    lines = b"".join(body.numbered(making.rows_of(stored)))
    return NewBatch(
        uuid.uuid4(),
        stored.stream_id,
        stored.first_row,
        stored.row_count,
        stored.period,
        body.compress(lines),
        mode=stored.mode,
    )
