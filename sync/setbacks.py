"""What is done about a batch that was not acknowledged: rest, halt, smaller batches, a second body."""

import asyncio
import logging

from sync import making, missing, settlement
from sync.batch import Batch
from sync.context import Context
from sync.database import transaction
from sync.directives import store
from sync.outbox import batches, streams
from sync.outbox.batches import StoredBatch
from sync.outbox.streams import Stream
from sync.reconcile import STARTS_OVER
from sync.transport import TransportError

_log = logging.getLogger(__name__)


async def put_off(context: Context, stream: Stream, error: TransportError) -> None:
    """Let the stream rest, longer after each failure in a row."""
    async with transaction(context.pool) as connection:
        failures = (await streams.lock(connection, stream.stream_id)).failures + 1
        until = context.rest_until(failures, error.retry_after_s)
        await streams.put_off(connection, stream.stream_id, until=until, error=str(error), now=context.now())
    if failures == 1:
        _log.warning("%s waits: %s", stream.name, error)


async def send_missing(context: Context, stream: Stream, stored: StoredBatch, error: TransportError) -> None:
    """Compare the streams that the collector misses, which sends again what it lost; meanwhile this one rests."""
    async with transaction(context.pool) as connection:
        await missing.streams_named(connection, context.reporter, error.missing or stored.requires)
    await put_off(context, stream, error)


async def halt(context: Context, stream: Stream, reason: str) -> None:
    """Stop this stream until an operator resumes it."""
    context.metrics.failed("halted")
    _log.error("%s is halted until an operator resumes it: %s", stream.name, reason)
    async with transaction(context.pool) as connection:
        await streams.halt(connection, stream.stream_id, reason, context.now())


async def start_over(context: Context, stream: Stream, reason: str) -> None:
    """Stop a stream of which the collector lost what is not stored here any more until it has started over (9.8)."""
    order = {"table": stream.table, "scope": stream.scope}
    async with transaction(context.pool) as connection:
        await store.order(connection, context.reporter, "start_over", order, context.now())
    await halt(context, stream, f"{reason}, which are not stored here any more; {STARTS_OVER}")


async def split(context: Context, stream: Stream, batch: Batch, error: TransportError) -> None:
    """Put smaller batches in this one's place; a row too large on its own stays open instead."""
    now = context.now()
    async with transaction(context.pool) as connection:
        await streams.lock(connection, stream.stream_id)
        stored = await batches.next_open(connection, stream.stream_id)
        if stored is None or stored.batch_id != batch.batch_id:
            return
        if stored.row_count == 1:
            await settlement.give_up_row(connection, context.tables[stream.table], stream.stream_id, batch, now)
            return
        made = await asyncio.to_thread(making.pieces, stored, stream.table, error.max_rows, error.max_bytes)
        await batches.replace(connection, stored.batch_id, made, now)


async def rebuild(context: Context, stream: Stream, batch: Batch) -> None:
    """Make the batch's body anew; the stream goes on at once."""
    async with transaction(context.pool) as connection:
        await streams.lock(connection, stream.stream_id)
        stored = await batches.next_open(connection, stream.stream_id)
        if stored is not None and stored.batch_id == batch.batch_id:
            await making.rebuild(connection, context, stream, stored)
