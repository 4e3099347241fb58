"""Queues events as rows of E1 and E2: those of the self-check and those that the operator entered (contract 5.2).

Pending: events without `queued_at`. Cursor: that mark, set in the transaction that queues the row, so each event is
told once, an abnormal one before the one that ends it. On an error nothing was queued, and it is done again.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, Final

import msgspec

from registry.tables import node_events
from registry.tables.node_events import Event, Recorded
from sync.batch import Row
from sync.calendar_time import instant, instant_period
from sync.context import Context
from sync.database import Connection, DatabaseAway, connected, transaction
from sync.outbox.enqueue import enqueue

LOOK_EVERY_S: Final = 2.0
"""Events are due within five seconds (docking contract 1)."""
EVENTS_AT_ONCE: Final = 200
_CAUSE_CHARACTERS_MAX: Final = 1024
_ANY: Final = "SELECT EXISTS (SELECT FROM node_events WHERE queued_at IS NULL)"

_log = logging.getLogger(__name__)


def event_data(event: Event) -> dict[str, Any]:
    """Return the data of a row of E1 or E2."""
    told = {
        "prefix": event.prefix,
        "event_type": event.event_type,
        "event_no": event.event_no,
        "related_event_no": event.related_event_no,
        "occurred_at": instant(event.occurred_at),
        "cause": _text(event.cause),
        "abnormal_type": event.abnormal_type,
    }
    return {name: value for name, value in told.items() if value is not None}


def event_row(recorded: Recorded) -> Row:
    """Return an event as a row."""
    return Row(
        n=0,
        key=recorded.event.event_no,
        op="upsert",
        ver=1,
        at=instant(recorded.recorded_at),
        data=msgspec.Raw(msgspec.json.encode(event_data(recorded.event))),
    )


def table_of(prefix: str, reporter: str) -> str:
    """Return which table tells of a prefix's events: E1 of the node's own, E2 of an enterprise's."""
    return "E1" if prefix == reporter else "E2"


class EventFeed:
    """Queues the events of one reporter."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def run(self, wake: Callable[[], None]) -> None:
        """Queue events until cancelled; `wake` is called when something was queued."""
        while True:
            try:
                if await self.step():
                    wake()
            except DatabaseAway as error:
                self._context.metrics.failed("database")
                _log.debug("events wait: %s", error)
            await asyncio.sleep(LOOK_EVERY_S)

    async def step(self) -> int:
        """Queue what is not queued yet; returns how many events. Raises DatabaseAway."""
        context, queued = self._context, 0
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


def _text(cause: str | None) -> str | None:
    """Return a cause as the contract's text: without control characters, bounded, and None rather than empty."""
    if cause is None:
        return None
    clean = " ".join("".join(one if one.isprintable() else " " for one in cause).split())
    return clean[:_CAUSE_CHARACTERS_MAX] or None
