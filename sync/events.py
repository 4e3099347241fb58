"""Queues events as rows of E1 and E2: those of the self-check and those that the operator entered (contract 5.2).

Pending: events without `queued_at`. Cursor: that mark, set in the transaction that queues the row, so each event is
told once, an abnormal one before the one that ends it. On an error nothing was queued, and it is done again. While
PostgreSQL is away, `sync.direct_events` sends them; what it sent is entered before anything else is queued.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Final

from registry.tables import node_events
from registry.tables.node_events import Recorded
from sync.calendar_time import instant_period
from sync.context import Context
from sync.database import Connection, DatabaseAway, connected, transaction
from sync.direct_events import DirectEvents
from sync.event_rows import event_row, table_of
from sync.outbox.enqueue import enqueue

LOOK_EVERY_S: Final = 2.0
"""Events are due within five seconds (docking contract 1)."""
EVENTS_AT_ONCE: Final = 200
_ANY: Final = "SELECT EXISTS (SELECT FROM node_events WHERE queued_at IS NULL)"

_log = logging.getLogger(__name__)


class EventFeed:
    """Queues the events of one reporter; `direct` sends them while the database is away."""

    def __init__(self, context: Context, direct: DirectEvents | None = None) -> None:
        self._context = context
        self._direct = direct

    async def run(self, wake: Callable[[], None]) -> None:
        """Queue events until cancelled; `wake` is called when something was queued."""
        while True:
            try:
                if await self.step():
                    wake()
            except DatabaseAway as error:
                self._context.metrics.failed("database")
                _log.debug("events cannot be queued: %s", error)
                if self._direct is not None:
                    await self._direct.send()
            await asyncio.sleep(LOOK_EVERY_S)

    async def step(self) -> int:
        """Queue what is not queued yet; returns how many events. Raises DatabaseAway."""
        context, queued = self._context, 0
        if self._direct is not None:
            await self._direct.settle()
            if self._direct.holds:
                return 0
        async with connected(context.pool) as connection:
            if not await connection.fetchval(_ANY):
                return 0
        while True:
            async with transaction(context.pool) as connection:
                found = await node_events.lock_unqueued(connection, EVENTS_AT_ONCE)
                await self._queue(connection, found)
            queued += len(found)
            if len(found) < EVENTS_AT_ONCE:
                return queued

    async def _queue(self, connection: Connection, found: Sequence[Recorded]) -> None:
        context = self._context
        # Streams are locked in one order, whoever else queues.
        by_prefix = sorted(found, key=lambda one: (table_of(one.event.prefix, context.reporter), one.event.prefix))
        for prefix, events in groupby(by_prefix, key=lambda one: one.event.prefix):
            told = sorted(events, key=lambda one: one.position)
            first, last = told[0].recorded_at, told[-1].recorded_at
            await enqueue(
                connection,
                context,
                table_of(prefix, context.reporter),
                prefix,
                [event_row(one) for one in told],
                period=instant_period(min(first, last), max(first, last)),
            )
        await node_events.mark_queued(connection, [one.event.event_no for one in found], context.now())
