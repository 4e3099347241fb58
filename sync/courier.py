"""Carries one stream's batches to the collector, in order and one at a time, and brings the receipts home."""

import logging
import time
from typing import Final

from sync import attachments, making, setbacks, settlement
from sync.batch import Batch, Pending, Receipt, Rejection, Unknown, Untold
from sync.context import Context
from sync.database import connected, transaction
from sync.link import Link
from sync.outbox import batches, streams
from sync.outbox.batches import StoredBatch
from sync.outbox.streams import Stream
from sync.reconcile import Comparison, compare
from sync.transport import Transport, TransportError

BATCHES_PER_TURN: Final = 16
"""Then the other streams get their turn, so a long queue does not starve the rest."""

_log = logging.getLogger(__name__)


class Courier:
    """Serves any stream of its context; one call at a time for each stream."""

    def __init__(self, context: Context, link: Link) -> None:
        self._context = context
        self._link = link

    async def deliver(self, stream: Stream, *, compare_first: bool) -> None:
        """Hand over what is queued, until the queue is empty, the turn is over, or the stream has to wait."""
        if compare_first and not await self._compare(stream):
            return
        for _ in range(BATCHES_PER_TURN):
            async with transaction(self._context.pool) as connection:
                taken = await making.take(connection, self._context, stream.stream_id, self._link.limits)
            if taken is None or not await self._hand_over(stream, *taken):
                return

    async def finish(self, stream: Stream) -> bool:
        """Hand over the batch in flight and no other; True if it is acknowledged now, or there is none."""
        async with transaction(self._context.pool) as connection:
            stored = await batches.next_open(connection, stream.stream_id)
            if stored is None or stored.sequence is None:
                return True
            taken = await making.take(connection, self._context, stream.stream_id, self._link.limits)
        return taken is not None and await self._hand_over(stream, *taken)

    async def _hand_over(self, stream: Stream, stored: StoredBatch, batch: Batch) -> bool:
        """One attempt, or one question about a batch under judgement; True if it is acknowledged now."""
        try:
            answer = await self._attempt(stored, batch)
            if isinstance(answer, Receipt):
                return await self._accept(stream, batch, answer)
        except TransportError as error:
            await self._react(stream, stored, batch, error)
            return False
        await self._later(stream, batch, answer)
        return False

    async def _later(self, stream: Stream, batch: Batch, answer: Pending | Unknown) -> None:
        """Ask for the receipt later, or hand the batch over again if the collector does not hold it after all."""
        async with transaction(self._context.pool) as connection:
            if isinstance(answer, Unknown):
                await batches.in_flight_again(connection, batch.batch_id)
            else:
                await batches.processing(connection, batch.batch_id)
                until = self._context.rest_until(1, answer.retry_after_s)
                await streams.put_off(connection, stream.stream_id, until=until, error=None, now=self._context.now())

    async def _attempt(self, stored: StoredBatch, batch: Batch) -> Receipt | Pending | Unknown:
        if stored.state == "processing":
            return await self._context.transport.receipt(batch.batch_id)
        await attachments.hand_over(self._context, batch)
        async with connected(self._context.pool) as connection:
            await batches.attempted(connection, batch.batch_id)
        began = time.perf_counter()
        answer = await self._context.transport.submit(batch)
        self._context.metrics.answer.observe(time.perf_counter() - began)
        return answer

    async def _react(self, stream: Stream, stored: StoredBatch, batch: Batch, error: TransportError) -> None:
        """Do what the contract's table of answers asks for; `sync.answers` chose the kind."""
        context = self._context
        context.metrics.failed(error.kind)
        if error.kind == "halt_stream" or (error.kind == "rebuild" and stored.rebuilt):
            await setbacks.halt(context, stream, str(error))
        elif error.kind == "rebuild":
            await setbacks.rebuild(context, stream, batch)
        elif error.kind == "split":
            await self._split(stream, batch, error)
        elif error.kind == "dependency":
            await setbacks.send_missing(context, stream, stored, error)
        elif error.kind == "reconcile" and not await self._compare(stream):
            return  # the comparison has said what follows
        else:
            await self._wait(stream, error)

    async def _split(self, stream: Stream, batch: Batch, error: TransportError) -> None:
        """Cut a batch that is too large, unless the collector stored it before: then only the answer was lost.

        Cut all the same, its rows would be told twice, under other ids.
        """
        self._link.limits_changed()
        try:
            found = await self._context.transport.receipt(batch.batch_id)
            if isinstance(found, Receipt):
                await self._accept(stream, batch, found)
            elif isinstance(found, Pending):
                await self._later(stream, batch, found)
            else:
                await setbacks.split(self._context, stream, batch, error)
        except TransportError as lost:
            await self._wait(stream, lost)

    async def _wait(self, stream: Stream, error: TransportError) -> None:
        if error.kind == "pause_link":
            self._link.pause(str(error))
        await setbacks.put_off(self._context, stream, error)

    async def _accept(self, stream: Stream, batch: Batch, receipt: Receipt) -> bool:
        """Store a receipt with all its rejections; False if it cannot be one for this batch."""
        rejections = await all_rejections(self._context.transport, batch, receipt)
        problem = settlement.contradiction(batch, receipt, rejections)
        if problem is not None:
            await setbacks.halt(self._context, stream, problem)
            return False
        table = self._context.tables[stream.table]
        async with transaction(self._context.pool) as connection:
            await settlement.settle(
                connection, table, stream.stream_id, batch, receipt, rejections, self._context.now()
            )
        self._context.metrics.acknowledged(
            stream.table, receipt.status, accepted=receipt.rows_accepted, rejected=receipt.rows_rejected
        )
        for first in rejections[:1]:
            text = "%s: %d rows of sequence %d rejected, the first: %s %s"
            _log.warning(text, stream.name, len(rejections), batch.sequence, first.code, first.message)
        return True

    async def _compare(self, stream: Stream) -> bool:
        """Reconcile both sides' sequences; True if the stream may go on."""
        try:
            return await self._reconcile(stream)
        except TransportError as error:
            self._context.metrics.failed("reconcile")
            if error.kind == "halt_stream":
                await setbacks.halt(self._context, stream, str(error))
            else:
                await self._wait(stream, error)
            return False

    async def _reconcile(self, stream: Stream) -> bool:
        remote = await self._context.transport.last_sequence(stream.table, stream.scope)
        if isinstance(remote, Untold):
            async with connected(self._context.pool) as connection:
                await streams.compared(connection, stream.stream_id, self._context.now())
            return True
        async with transaction(self._context.pool) as connection:
            acknowledged = (await streams.lock(connection, stream.stream_id)).acknowledged_sequence
            open_batch = await batches.next_open(connection, stream.stream_id)
        in_flight = None if open_batch is None or open_batch.sequence is None else open_batch.batch_id
        comparison = compare(acknowledged, in_flight, remote)
        if comparison.verdict == "fetch_receipt":
            # Handing it over again gives the receipt too, and keeps one way to accept it.
            comparison = Comparison("go_on")
        if comparison.verdict == "halt":
            await setbacks.halt(self._context, stream, comparison.reason)
            return False
        if not await self._send_again(stream, acknowledged, comparison):
            await setbacks.start_over(self._context, stream, comparison.reason)
            return False
        async with connected(self._context.pool) as connection:
            await streams.compared(connection, stream.stream_id, self._context.now())
        return True

    async def _send_again(self, stream: Stream, acknowledged: int, comparison: Comparison) -> bool:
        """Hand the lost sequences over again, if that is the verdict; False if their bodies are no longer stored."""
        if comparison.verdict != "send_again":
            return True
        _log.error("%s: %s; they are sent again", stream.name, comparison.reason)
        async with transaction(self._context.pool) as connection:
            await streams.lock(connection, stream.stream_id)
            lost = range(comparison.from_sequence, acknowledged + 1)
            if not await batches.reopen(connection, stream.stream_id, lost):
                return False
            await streams.rewind(connection, stream.stream_id, comparison.from_sequence - 1)
        return True


async def all_rejections(transport: Transport, batch: Batch, receipt: Receipt) -> list[Rejection]:
    """Return a receipt's rejections with the pages that follow it. Raises TransportError."""
    rejections = list(receipt.rejections)
    while receipt.rejections_more and len(rejections) < receipt.rows_rejected:
        page = await transport.rejections(batch.batch_id, rejections[-1].n if rejections else 0)
        if not page:
            break
        rejections += page
    return rejections
