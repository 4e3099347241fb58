"""Follows the journal for all state tables at once, and sends again what the collector refused for the moment.

Pending: journal rows behind the feed's position, read by kind. On an error: the same rows are read again, and what was
told already is no difference any more (`sync.telling`). Cursor: the feed STATE, moved behind what was told.
"""

import logging
from collections.abc import AsyncIterator, Iterable
from datetime import date, datetime
from typing import Final

from identifiers.changes import START, Change, Cursor
from registry import journal
from sync import registered_things
from sync.batcher import Progress
from sync.calendar_time import beijing_day
from sync.context import Context
from sync.database import Connection, connected, transaction
from sync.outbox import feeds, plain_resends, told_rows
from sync.telling import tell

PAGE_ROWS: Final = 200
AGAIN_AT_ONCE: Final = 200

_LEARNED_BEHIND: Final = "SELECT EXISTS (SELECT FROM report_templates WHERE (xid, seq) > ($1::bigint, $2::bigint))"
_ENDED: Final = """
SELECT id FROM enterprises
WHERE state <> 'withdrawn' AND verification::json ->> 'status' = 'verified'
  AND verification::json ->> 'expires_on' < $1"""

_log = logging.getLogger(__name__)


class StateFeed:
    """Reads the journal for T1, T2, T4, T6, T7 and T11 of one reporter and queues what differs from what was told."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._looked_at: date | None = None

    async def step(self) -> Progress:
        """Queue the next stretch of the journal. Raises DatabaseAway and FeedMoved; then it is done again."""
        context = self._context
        async with connected(context.pool) as connection:
            before = await feeds.position(connection, context.reporter, feeds.STATE)
            horizon = await journal.horizon(connection)
            changes = await journal.read_changes(connection, before, PAGE_ROWS, kinds=registered_things.KINDS)
            expired = before < await journal.oldest(connection)
            if expired or before == START:
                # A state says what there is, however it came about: nothing of the past has to be read.
                await self._tell_pages(connection, registered_things.everything(connection), context.now())
                after = horizon
            elif changes:
                await self._tell_changes(connection, changes)
                after = changes[-1].cursor
            elif await self._anything_behind(connection, before):
                after = max(before, horizon)
            else:
                after = before
        await self._move(before, after)
        return Progress(read=bool(changes) or before == START or expired, full=len(changes) == PAGE_ROWS)

    async def resend(self) -> bool:
        """Queue again what the collector misses or refused for the moment, and verifications that ended."""
        context = self._context
        async with transaction(context.pool) as connection:
            again = await told_rows.things_to_tell_again(connection, context.reporter, AGAIN_AT_ONCE)
            queued = await tell(connection, context, again, context.now()) if again else 0
        resent = await plain_resends.queue(context)
        await self._look_at_verifications()
        return bool(queued) or resent

    async def _tell_changes(self, connection: Connection, changes: Iterable[Change]) -> None:
        """Tell each thing once, as of the last of these changes that touched it."""
        latest: dict[str, datetime] = {}
        for change in changes:
            async for things in registered_things.touched(connection, change):
                if len(things) < registered_things.PAGE:
                    for thing in things:
                        latest.pop(thing, None)
                        latest[thing] = change.at
                else:
                    await self._tell(connection, things, change.at)
        by_time: dict[datetime, list[str]] = {}
        for thing, at in latest.items():
            by_time.setdefault(at, []).append(thing)
        for at, things in by_time.items():
            await self._tell(connection, things, at)

    async def _tell_pages(self, connection: Connection, pages: AsyncIterator[list[str]], at: datetime) -> None:
        async for things in pages:
            await self._tell(connection, things, at)

    async def _tell(self, connection: Connection, things: list[str], at: datetime) -> None:
        async with connection.transaction():
            await tell(connection, self._context, things, at)

    async def _anything_behind(self, connection: Connection, position: Cursor) -> bool:
        """Whether the position has to move though nothing was read: others look at it, the journal's upkeep too."""
        if await journal.any_behind(connection, position):
            return True
        return bool(await connection.fetchval(_LEARNED_BEHIND, *position))

    async def _move(self, before: Cursor, after: Cursor) -> None:
        if after == before:
            return
        async with transaction(self._context.pool) as connection:
            await feeds.advance(
                connection, self._context.reporter, feeds.STATE, before=before, after=after, now=self._context.now()
            )

    async def _look_at_verifications(self) -> None:
        """Tell enterprises whose verification has ended by itself, once a day: no change of the journal says so."""
        context, today = self._context, beijing_day(self._context.now())
        if self._looked_at == today:
            return
        async with connected(context.pool) as connection:
            rows = await connection.fetch(_ENDED, today.isoformat())
            for row in rows:
                await self._tell(connection, [registered_things.enterprise(row["id"])], context.now())
        self._looked_at = today
