"""Reading the change feed: the journal behind a cursor, as far as a reader may see it (docking contract 10.1).

Order and completeness are the journal's own: only transactions older than every one still running are read, so nothing
appears behind a cursor already handed out.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

import msgspec

from identifiers.changes import START, Change, Cursor
from identifiers.feed_cursor import FeedCursorError, epoch_digest, read_feed_cursor, write_feed_cursor
from registry import journal
from registry.authority import Principal
from registry.database import Connection, Pool, connected
from registry.errors import Conflict, CursorExpired, InvalidRequest, TooManyRequests
from registry.service.feed_rows import FeedRow, ReportRows, View, rows_of, view_of
from registry.states import to_second
from registry.tables import prefixes

LIMIT_DEFAULT: Final = 1_000
LIMIT_MAX: Final = 5_000
WAIT_MAX_S: Final = 30
POLL_S: Final = 0.25
PAGE_CHANGES: Final = 1_000
SCANNED_MAX: Final = 20_000
"""Changes looked at for one answer; a reader of few tables comes back for more sooner."""
OCTETS_MAX: Final = 8 * 2**20
READERS_MAX: Final = 4
"""Requests of one account at a time."""
WAITING_MAX: Final = 64
"""Requests of all accounts at a time."""
_PREFIXES_MAX: Final = 1_000

_HORIZON = """
SELECT least(now(), (SELECT min(xact_start) FROM pg_stat_activity WHERE backend_xid IS NOT NULL
                     AND datname = current_database()))"""
# What is running now is still to come, however late it commits.
_NOW = "SELECT pg_snapshot_xmin(pg_current_snapshot())"
_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for. `tables` empty: all that the reader may see; `scope`: prefixes, with all below them."""

    after: str
    limit: int = LIMIT_DEFAULT
    tables: frozenset[str] = frozenset()
    scopes: tuple[str, ...] = ()
    wait_s: int = 0

    def wants(self, row: FeedRow) -> bool:
        """Whether a row is asked for."""
        if self.tables and row.table not in self.tables:
            return False
        return not self.scopes or any(row.scope == one or row.scope.startswith(one + ".") for one in self.scopes)


class FeedHead(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of an answer. `x_epoch` names the journal; it changes when a backup was restored."""

    feed: str = "idn-feed/1"
    from_: str = msgspec.field(name="from")
    next: str
    count: int
    caught_up: bool
    oldest: str
    horizon: str
    x_epoch: str


@dataclass(slots=True)
class _Found:
    lines: list[bytes] = field(default_factory=list)
    octets: int = 0
    reached: Cursor = START
    caught_up: bool = False
    last_at: datetime | None = None

    @property
    def body(self) -> bytes:
        return b"".join(self.lines)


class Feed:
    """The feed of one registry process."""

    def __init__(self, pool: Pool, reports: ReportRows | None = None) -> None:
        self._pool = pool
        self._reports = reports
        self._readers: Counter[str] = Counter()

    @property
    def reports(self) -> ReportRows | None:
        """What makes the rows of the reports' tables, where the node reports."""
        return self._reports

    @property
    def reading(self) -> int:
        """How many requests are being answered, those that wait included."""
        return self._readers.total()

    async def read(self, principal: Principal, question: Question) -> bytes:
        """Return the lines of an answer: the head, then the changes.

        Waits at most `wait_s` for the first change. Raises `InvalidRequest` for what is no cursor, `Conflict` for one
        of another journal, `CursorExpired` for one whose changes are no longer held, `TooManyRequests`.
        """
        with self._admitted(principal.account):
            loop = asyncio.get_running_loop()
            until = loop.time() + question.wait_s
            while True:
                body, empty = await self._read_once(principal, question)
                remaining_s = until - loop.time()
                if not empty or remaining_s <= 0:
                    return body
                await asyncio.sleep(min(POLL_S, remaining_s))

    async def _read_once(self, principal: Principal, question: Question) -> tuple[bytes, bool]:
        async with connected(self._pool) as connection:
            view = await view_for(connection, principal)
            digest = epoch_digest(await journal.epoch(connection))
            oldest = await journal.oldest(connection)
            after = await _position(connection, question.after, digest, oldest)
            horizon = await connection.fetchval(_HORIZON)
            found = await self._gather(connection, view, question, after, digest)
        if not found.caught_up and found.last_at is not None:
            horizon = found.last_at
        head = FeedHead(
            from_=write_feed_cursor(digest, after),
            next=write_feed_cursor(digest, found.reached),
            count=len(found.lines),
            caught_up=found.caught_up,
            oldest=write_feed_cursor(digest, oldest),
            horizon=to_second(horizon),
            x_epoch=digest,
        )
        return _encode(head) + b"\n" + found.body, not found.lines and found.caught_up

    async def _gather(
        self, connection: Connection, view: View, question: Question, after: Cursor, digest: str
    ) -> _Found:
        found = _Found(reached=after)
        scanned = 0
        while not found.caught_up and scanned < SCANNED_MAX:
            changes = await journal.read_changes(connection, found.reached, PAGE_CHANGES)
            scanned += len(changes)
            found.caught_up = not changes
            for at, rows in self._rows(await self._reported(connection, changes, question, view), changes, view):
                if len(found.lines) >= question.limit or found.octets >= OCTETS_MAX:
                    return found
                change = changes[at]
                cursor = write_feed_cursor(digest, change.cursor)
                for row in rows:
                    if question.wants(row):
                        line = _encode(msgspec.structs.replace(row, c=cursor)) + b"\n"
                        found.lines.append(line)
                        found.octets += len(line)
                found.reached, found.last_at = change.cursor, change.at
        return found

    async def _reported(
        self, connection: Connection, changes: Sequence[Change], question: Question, view: View
    ) -> dict[int, Sequence[FeedRow]]:
        """Return the rows of the reports' tables, unless none of them is asked for."""
        reports = self._reports
        if reports is None or not changes:
            return {}
        wanted = question.tables or frozenset(reports.tables)
        if wanted.isdisjoint(reports.tables):
            return {}
        return dict(await reports.rows(connection, changes, view, wanted))

    def _rows(
        self, reported: dict[int, Sequence[FeedRow]], changes: Sequence[Change], view: View
    ) -> Iterator[tuple[int, list[FeedRow]]]:
        for at, change in enumerate(changes):
            own = rows_of(change, view)
            rows = [own] if own is not None else []
            rows += reported.get(at, ())
            yield at, [view.shown(row) for row in rows if view.admits(row.table, row.scope)]

    @contextmanager
    def _admitted(self, account: str) -> Iterator[None]:
        if self._readers[account] >= READERS_MAX or self.reading >= WAITING_MAX:
            raise TooManyRequests(
                "too_many_readers",
                f"an account reads the feed with at most {READERS_MAX} requests at a time",
                remedy="read with one request after the other",
                retry_after_s=1,
            )
        self._readers[account] += 1
        try:
            yield
        finally:
            self._readers[account] -= 1
            self._readers += Counter()  # forgets who no longer reads


async def view_for(connection: Connection, principal: Principal) -> View:
    """Return what a principal may see of the feed, its enterprise's prefixes as they are now."""
    view = view_of(principal, frozenset())
    if view.enterprise is None:
        return view
    own: list[str] = []
    while page := await prefixes.page(connection, own[-1] if own else "", _PREFIXES_MAX, view.enterprise):
        own += [prefix.prefix for prefix in page]
    return replace(view, own=frozenset(own))


async def _position(connection: Connection, after: str, digest: str, oldest: Cursor) -> Cursor:
    if after == "oldest":
        return oldest
    if after == "now":
        return max(Cursor(await connection.fetchval(_NOW) - 1, journal.LAST_SEQ), oldest)
    try:
        cursor = read_feed_cursor(after)
    except FeedCursorError as error:
        raise InvalidRequest(
            "bad_cursor", str(error), remedy="send `next` of the answer before, or oldest, or now"
        ) from error
    if cursor.epoch != digest:
        raise Conflict(
            "epoch_changed", "this cursor is of another journal: a backup was restored", remedy="take a snapshot"
        )
    if cursor.position < oldest:
        raise CursorExpired(
            "cursor_expired",
            "the changes behind this cursor are no longer held",
            remedy="take a snapshot",
            oldest=write_feed_cursor(digest, oldest),
        )
    return cursor.position
