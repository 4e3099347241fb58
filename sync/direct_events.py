"""Sends events to the collector while PostgreSQL is away: events are due in real time (docking contract 5.2).

Pending: what the self-check has written down and the database has not, as `unentered` tells. Cursor: the outbox,
written before each attempt. On an error the same batch goes again. Idempotency: the collector knows a batch by its id
and an event by its number. While the outbox holds something, streams of events are handed over from nowhere else.
"""

import asyncio
import logging
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Final

from registry.tables.node_events import Event, Recorded
from sync import body, making, settlement
from sync.batch import Batch, Receipt, StreamState, Unknown
from sync.calendar_time import instant_period
from sync.context import Context
from sync.courier import Courier, all_rejections
from sync.delivery import Delivery
from sync.event_adoption import adopt
from sync.event_outbox import EventOutbox, Sent
from sync.event_rows import EVENT_TABLES, event_row, table_of
from sync.link import Link
from sync.outbox.batches import StoredBatch
from sync.outbox.streams import Stream
from sync.transport import TransportError

EVENTS_AT_ONCE: Final = 200

_log = logging.getLogger(__name__)


class DirectEvents:
    """The way of one reporter's events past the database. `unentered` reads what the database lacks."""

    def __init__(
        self,
        context: Context,
        link: Link,
        delivery: Delivery,
        unentered: Callable[[], Sequence[Event]],
        outbox: EventOutbox,
    ) -> None:
        self._context = context
        self._link = link
        self._delivery = delivery
        self._courier = Courier(context, link)
        self._unentered = unentered
        self._outbox = outbox
        self._told: set[str] = set()
        self._under_way = self._is_known = False
        self._failures = 0
        self._rest_until = datetime.min.replace(tzinfo=UTC)

    @property
    def holds(self) -> bool:
        """Whether streams of events must not be handed over by others now."""
        return self._under_way or bool(self._outbox.entries)

    async def send(self) -> int:
        """Send what the database lacks; for when it is away. Returns how many events the collector has now.

        What cannot be sent now, or not at all, goes when the database is back.
        """
        self._under_way = True
        try:
            return await self._send() if await self._may_send() else 0
        except OSError as error:
            self._cannot_write(error)
            return 0
        finally:
            self._under_way = False

    async def settle(self) -> None:
        """Have the outbox's batches acknowledged and entered into the database, which answers. Raises DatabaseAway."""
        try:
            for entry in self._outbox.entries:
                if not await self._settled(entry):
                    return
        except OSError as error:
            self._cannot_write(error)

    async def _settled(self, entry: Sent) -> bool:
        answered: Sent | None = entry
        if entry.receipt is None:
            answered = await self._deliver(entry) if await self._may_send() else None
        receipt = None if answered is None else answered.proved_receipt
        if answered is None or receipt is None:
            return False
        if not await adopt(self._context, self._courier, answered, receipt):
            return False
        self._outbox.drop(answered.batch.batch_id)
        return True

    async def _may_send(self) -> bool:
        rests = self._context.now() < self._rest_until
        return not rests and not self._delivery.is_under_way(EVENT_TABLES) and await self._link.is_up()

    def _cannot_write(self, error: OSError) -> None:
        _log.error("events wait for PostgreSQL: the outbox cannot be written: %s", error)

    async def _send(self) -> int:
        sent = 0
        for entry in self._outbox.entries:
            if entry.receipt is None:
                if await self._deliver(entry) is None:
                    return sent
                sent += len(entry.events)
        for scope, events in self._fresh(await asyncio.to_thread(self._unentered)):
            made = await self._made(table_of(scope, self._context.reporter), scope, events)
            if made is None:
                continue
            self._outbox.put(made)
            if await self._deliver(made) is None:
                return sent
            sent += len(events)
        return sent

    def _fresh(self, unentered: Sequence[Event]) -> Iterator[tuple[str, list[Event]]]:
        self._told &= {event.event_no for event in unentered}
        fresh = [one for one in unentered if one.event_no not in self._told and not self._outbox.holds(one.event_no)]
        for scope, events in groupby(
            sorted(fresh[:EVENTS_AT_ONCE], key=lambda one: one.prefix), lambda one: one.prefix
        ):
            yield scope, list(events)

    async def _made(self, table: str, scope: str, events: list[Event]) -> Sent | None:
        """Return a batch behind the last one that the collector has; None if this way does not take such ones now."""
        context, now = self._context, self._context.now()
        if not context.transport.supports(table) or self._delivery.is_paused(table):
            return None
        try:
            if not await self._is_node_known():
                return None
            remote = await context.transport.last_sequence(table, scope)
        except TransportError as error:
            self._rest(error)
            return None
        if not isinstance(remote, StreamState | Unknown):
            return None  # it does not tell how far its streams are, so only the database knows
        behind = remote.last_sequence if isinstance(remote, StreamState) else 0
        period = instant_period(now, now)
        stream = Stream(0, table, scope, 0, behind, 0)
        stored = StoredBatch(
            batch_id=uuid.uuid4(),
            stream_id=0,
            first_row=0,
            row_count=len(events),
            period=period,
            state="queued",
            row_lines=None,
            sequence=None,
            rows_sha256=None,
            body=None,
            rebuilt=False,
        )
        lines = b"".join(body.numbered([event_row(Recorded(0, now, None, event)) for event in events]))
        return Sent(batch=making.make(context, stream, stored, behind + 1, lines), period=period, events=events)

    async def _is_node_known(self) -> bool:
        """Whether the collector knows the node (9.6); of an enterprise its answer to the event says so."""
        context = self._context
        if not self._is_known and "T1" in context.tables and context.transport.supports("T1"):
            told = await context.transport.last_sequence("T1", context.reporter)
            self._is_known = isinstance(told, StreamState) and told.last_sequence > 0
            return self._is_known
        return True

    async def _deliver(self, entry: Sent) -> Sent | None:
        """Hand a batch over; the entry with its receipt, or None if there is none yet."""
        batch = entry.batch
        try:
            answer = await self._context.transport.submit(batch)
            if not isinstance(answer, Receipt):
                self._rest_until = self._context.rest_until(1, answer.retry_after_s)
                return None
            rejections = await all_rejections(self._context.transport, batch, answer)
        except TransportError as error:
            await self._react(batch, entry, error)
            return None
        problem = settlement.contradiction(batch, answer, rejections)
        if problem is not None:
            self._give_up(entry, problem)
            return None
        answered = entry.answered(answer, rejections)
        self._outbox.put(answered)
        self._failures = 0
        self._told |= {event.event_no for event in entry.events}
        self._context.metrics.acknowledged(
            batch.table, answer.status, accepted=answer.rows_accepted, rejected=answer.rows_rejected
        )
        _log.warning("%d events of %s were told past PostgreSQL", len(entry.events), batch.scope)
        return answered

    async def _react(self, batch: Batch, entry: Sent, error: TransportError) -> None:
        self._context.metrics.failed(error.kind)
        if error.kind == "reconcile":
            # The id is unknown to the collector and another batch has the sequence: it is made anew behind that.
            self._outbox.drop(batch.batch_id)
        elif error.kind in ("halt_stream", "split", "rebuild"):
            self._give_up(entry, str(error))
        else:
            if error.kind == "pause_link":
                self._link.pause(str(error))
            self._rest(error)

    def _give_up(self, entry: Sent, reason: str) -> None:
        """Leave a batch that was not taken to the database's way, which halts the stream if it has to."""
        _log.error("events of %s wait for PostgreSQL: %s", entry.batch.scope, reason)
        self._outbox.drop(entry.batch.batch_id)
        self._told |= {event.event_no for event in entry.events}

    def _rest(self, error: TransportError) -> None:
        self._failures += 1
        self._rest_until = self._context.rest_until(self._failures, error.retry_after_s)
        if self._failures == 1:
            _log.warning("events wait: %s", error)
