"""Compares the rows of one stream after the other with the collector's, and repairs what an operator wants repaired.

Pending: streams an operator asked for; without any, streams not compared for a day. Only streams at rest are compared,
and the result counts only if they stayed so. On an error: the problem is noted, and the stream's turn comes again.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from sync import held_here, repairing
from sync.comparing import Comparison, TooDifferent
from sync.context import Context
from sync.database import DatabaseAway, connected, transaction
from sync.digests import DigestAnswer, KeyRange
from sync.outbox import comparisons
from sync.outbox.comparisons import Difference, Wanted
from sync.queueing import Queue
from sync.transport import TransportError

COMPARE_EVERY: Final = timedelta(days=1)

_log = logging.getLogger(__name__)


class Reconciler:
    """Compares until it is cancelled. `wake` is called when a repair has queued something."""

    def __init__(self, context: Context, queue: Queue, wake: Callable[[], None]) -> None:
        self._context = context
        self._queue = queue
        self._wake = wake

    async def run(self, poll_s: float) -> None:
        """Look for a stream to compare every `poll_s`, and at once after one that was compared."""
        while True:
            try:
                if await self.step():
                    continue
            except DatabaseAway:
                self._context.metrics.failed("database")
            await asyncio.sleep(poll_s)

    async def step(self) -> bool:
        """Compare one stream; False if there was none. Raises DatabaseAway."""
        context, now = self._context, self._context.now()
        async with connected(context.pool) as connection:
            wanted = await comparisons.next_wanted(connection, context.reporter, now=now, before=now - COMPARE_EVERY)
        if wanted is None:
            return False
        problem: str | None = None
        found: list[Difference] = []
        comparison: Comparison | None = None
        held = 0
        async with held_here.held_here(context.dsn, wanted) as here:
            held = await here.count()
            comparison = Comparison(here, _There(context, wanted))
            try:
                await comparison.make()
                unsure = await here.uncertain([one.key for one in comparison.found])
                found = [one for one in comparison.found if one.key not in unsure]
            except TooDifferent as error:
                problem = f"{error}; a full set makes both sides alike"
            except TransportError as error:
                problem = str(error)
        async with transaction(context.pool) as connection:
            if problem is None and not await comparisons.is_unchanged(connection, wanted):
                return True  # something was sent meanwhile: what was found may be over
            await comparisons.settle(
                connection,
                wanted,
                held_here=held,
                held_there=comparison.held_there,
                found=found,
                problem=problem,
                now=context.now(),
            )
            if wanted.repair and found:
                queued = await repairing.repair(context, connection, self._queue, wanted, found)
                await comparisons.queued(connection, wanted.stream_id, queued, context.now())
            counts = await comparisons.counts(connection, context.reporter)
        for table, count in counts.items():
            context.metrics.differences(table, count)
        self._tell(wanted, found, problem)
        return True

    def _tell(self, wanted: Wanted, found: list[Difference], problem: str | None) -> None:
        name = f"{wanted.table}/{wanted.scope}"
        if problem is not None:
            _log.warning("%s cannot be compared with the collector: %s", name, problem)
        elif found:
            text = "%s: %d rows differ from the collector's, the first: %s"
            _log.error(text, name, len(found), found[0].key)
            self._wake()


class _There:
    """The collector's side of one stream."""

    def __init__(self, context: Context, wanted: Wanted) -> None:
        self._transport = context.transport
        self._wanted = wanted

    async def digests(self, keys: KeyRange, *, depth: int, rows: bool) -> DigestAnswer:
        table, scope = self._wanted.table, self._wanted.scope
        return await self._transport.digests(table, scope, keys, depth=depth, rows=rows)
