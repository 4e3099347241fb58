"""Chooses whose turn it is: up to 16 streams side by side, each with at most one batch in flight.

Pending: batches not acknowledged. On an error: the stream rests (full jitter) and the very same batch goes again.
Cursor: `report_streams.acknowledged_sequence`. Idempotency: the collector knows a batch by its id; killed anywhere,
this begins again with what is stored.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import timedelta
from typing import Final

from sync import setbacks
from sync.body import BodyError
from sync.context import Context
from sync.courier import Courier
from sync.database import DatabaseAway, connected
from sync.event_rows import EVENT_TABLES
from sync.link import Link
from sync.outbox import pauses, streams
from sync.outbox.pauses import ALL
from sync.outbox.streams import Due

COMPARE_EVERY: Final = timedelta(days=1)

_log = logging.getLogger(__name__)


class Delivery:
    """Delivers all streams of its context until it is cancelled."""

    def __init__(self, context: Context, link: Link, *, poll_s: float) -> None:
        self._context = context
        self._link = link
        self._poll_s = poll_s
        self._courier = Courier(context, link)
        self._busy: dict[int, str] = {}
        self._paused: set[str] = set()
        self._wake = asyncio.Event()
        self._started_at = context.now()
        self._elsewhere: Callable[[], bool] = lambda: False

    def wake(self) -> None:
        """Look for work now; a hint, for it is looked for every `poll_s` anyway."""
        self._wake.set()

    def leave_events_to(self, elsewhere: Callable[[], bool]) -> None:
        """Hand no events over while `elsewhere` says that these go another way."""
        self._elsewhere = elsewhere

    def is_under_way(self, tables: Collection[str]) -> bool:
        """Whether a stream of one of the tables has its turn now."""
        return not set(tables).isdisjoint(self._busy.values())

    def is_paused(self, table: str) -> bool:
        """Whether a table was paused when that was last looked at."""
        return not self._paused.isdisjoint((table, ALL))

    async def run(self) -> None:
        """Deliver until cancelled. What is under way then has an unknown end and goes again next time."""
        async with asyncio.TaskGroup() as turns:
            while True:
                self._wake.clear()
                for due in await self._due():
                    if due.stream.table in EVENT_TABLES and self._elsewhere():
                        continue
                    self._busy[due.stream.stream_id] = due.stream.table
                    turns.create_task(self._turn(due))
                # Not wait_for: before Python 3.12 it loses a cancellation that comes together with the event.
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._poll_s):
                        await self._wake.wait()

    async def _due(self) -> list[Due]:
        try:
            free = self._link.limits.max_parallel - len(self._busy) if await self._link.is_up() else 0
            return await self._next_due(free) if free > 0 else []
        except DatabaseAway as error:
            # The table's feed, which reads the same database, tells of it once.
            self._context.metrics.failed("database")
            _log.debug("reports wait: %s", error)
            await asyncio.sleep(self._poll_s)
            return []

    async def _next_due(self, limit: int) -> list[Due]:
        context, now = self._context, self._context.now()
        async with connected(context.pool) as connection:
            taken = [name for name in context.tables if context.transport.supports(name)]
            paused = self._paused = {pause.table for pause in await pauses.find(connection, context.reporter)}
            return await streams.due(
                connection,
                context.reporter,
                now=now,
                # Compared at the start and daily (9.8).
                compared_before=max(self._started_at, now - COMPARE_EVERY),
                busy=tuple(self._busy),
                tables=[name for name in taken if not paused & {name, ALL}],
                taken=taken,
                limit=limit,
            )

    async def _turn(self, due: Due) -> None:
        try:
            await self._deliver(due)
        except DatabaseAway as error:
            # Whatever the collector answered meanwhile it answers again when the same batch is handed over again.
            self._context.metrics.failed("database")
            _log.warning("%s waits: %s", due.stream.name, error)
        finally:
            del self._busy[due.stream.stream_id]
            self._wake.set()

    async def _deliver(self, due: Due) -> None:
        try:
            await self._courier.deliver(due.stream, compare_first=due.compare_first)
        except BodyError as error:
            await setbacks.halt(self._context, due.stream, f"a stored batch is damaged: {error}")
