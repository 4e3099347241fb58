"""Turns the journal into queued batches, one table at a time.

Pending: journal rows behind the feed's position. On an error: nothing was stored, the same rows are read again.
Cursor: `report_feeds`, advanced in the transaction that stores the batches, so a crash neither loses nor doubles a row.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from identifiers.changes import Change, Cursor
from registry import journal
from sync import whole_days
from sync.batch import Limits
from sync.context import Context
from sync.database import Connection, connected, transaction
from sync.outbox import feeds, open_rows
from sync.outbox.streams import Stream
from sync.queueing import Queue, Standings
from sync.registered import Registered, everything_registered
from sync.tables.table import JournalTable, Reported, Standing
from sync.templates import Templates

PAGE_ROWS: Final = 500
"""Journal rows held at once; what a table keeps of them is much smaller."""
PAGES_MAX: Final = 40
"""Pages read in one step; many where most rows are of other kinds or other reporters' prefixes."""
SCOPES_RESENT_AT_ONCE: Final = 100

_log = logging.getLogger(__name__)


class Progress(NamedTuple):
    """What a step came to: whether it read anything, and whether it ended for its size, so that there may be more."""

    read: bool
    full: bool


@dataclass(frozen=True, slots=True)
class _Gathered:
    """A stretch of the journal as a table tells of it; `expired` if the journal no longer holds all of it."""

    before: Cursor
    after: Cursor
    changes: Sequence[Reported]
    full: bool
    expired: bool


class Batcher:
    """Reads the journal for one table of one reporter and queues batches."""

    def __init__(self, context: Context, table: JournalTable, *, limits: Callable[[], Limits]) -> None:
        self._context = context
        self._table = table
        self._limits = limits
        self._queue = Queue(context, table, limits)
        self._templates = Templates()

    async def step(self) -> Progress:
        """Queue the next stretch of the journal. Raises DatabaseAway and FeedMoved; then it was not stored."""
        try:
            gathered = await self._gather()
            if gathered.expired:
                await self._catch_up(gathered.before)
            elif gathered.after != gathered.before:
                await self._store(gathered)
        except BaseException:
            self._templates = Templates()  # it may hold what the transaction did not store
            raise
        return Progress(read=gathered.expired or gathered.after != gathered.before, full=gathered.full)

    async def resend(self) -> bool:
        """Queue rows again whose rejection passes by itself; False if there were none."""
        pool, reporter, table = self._context.pool, self._context.reporter, self._table.name
        async with connected(pool) as connection:
            scopes = await open_rows.scopes_to_resend(connection, reporter, table, SCOPES_RESENT_AT_ONCE)
        for scope in scopes:
            async with transaction(pool) as connection:
                await self._queue.resend(connection, scope)
        return bool(scopes)

    async def _gather(self) -> _Gathered:
        rows_max = self._limits().max_rows
        async with connected(self._context.pool) as connection:
            before = await feeds.position(connection, self._context.reporter, self._table.name)
            after, told, full = before, list[Reported](), True
            for _ in range(PAGES_MAX):
                page = await self._page(connection, after, min(PAGE_ROWS, rows_max - len(told)))
                if not page:
                    full = False
                    break
                after = page[-1].cursor
                if self._context.hold_periods:
                    page = await whole_days.histories(connection, page)
                told += self._ours(await self._table.read(page, self._templates, connection))
                if len(told) >= rows_max:
                    break
            # Asked after reading: old rows may have been dropped before or meanwhile.
            expired = before < await journal.oldest(connection)
        return _Gathered(before, after, told, full, expired)

    async def _page(self, connection: Connection, after: Cursor, limit: int) -> list[Change]:
        """Return the next changes; those of the day that runs are left for later where periods are held."""
        if not self._context.hold_periods:
            return await journal.read_changes(connection, after, limit)
        return await whole_days.closed(connection, after, limit, self._context.now())

    def _ours(self, changes: Iterable[Reported]) -> list[Reported]:
        """Leave out what lies below other prefixes: it is not this reporter's to tell."""
        reporter, below = self._context.reporter, self._context.reporter + "."
        told = list(changes)
        ours = [change for change in told if change.scope == reporter or change.scope.startswith(below)]
        self._context.metrics.foreign(self._table.name, len(told) - len(ours))
        return ours

    async def _store(self, gathered: _Gathered) -> None:
        async with transaction(self._context.pool) as connection:
            await feeds.advance(
                connection,
                self._context.reporter,
                self._table.name,
                before=gathered.before,
                after=gathered.after,
                now=self._context.now(),
            )
            await self._queue.add(connection, gathered.changes)
            await self._templates.save(connection)
        self._templates.settle()

    async def _catch_up(self, before: Cursor) -> None:
        """Report everything registered, when the journal no longer tells how it came about; then follow it from there.

        Stored piece by piece and not atomic: after a crash it begins again, and the collector calls what it has
        already stale, which counts as accepted. So there is no state between to remember.
        """
        _log.warning("%s: the journal begins after %s, so everything registered is reported", self._table.name, before)
        fresh: dict[int, bool] = {}

        def known(stream: Stream, keys: Sequence[str]) -> Standings:
            # On a stream that never told anything, what is withdrawn by now needs no mention.
            is_fresh = fresh.setdefault(stream.stream_id, stream.next_row == 1)
            return dict.fromkeys(keys, Standing.ABSENT if is_fresh else Standing.UNSURE)

        async with everything_registered(self._context.dsn) as registered:
            await self._report(registered, known)
            async with transaction(self._context.pool) as connection:
                reporter, now = self._context.reporter, self._context.now()
                await feeds.advance(
                    connection, reporter, self._table.name, before=before, after=registered.cursor, now=now
                )

    async def _report(self, registered: Registered, known: Callable[[Stream, Sequence[str]], Standings]) -> None:
        async for states in registered.states():
            async with connected(self._context.pool) as connection:
                changes = self._ours(await self._table.read(states, self._templates, connection))
            async with transaction(self._context.pool) as connection:
                await self._queue.add(connection, changes, known=known)
                await self._templates.save(connection)
            self._templates.settle()
