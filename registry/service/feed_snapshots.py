"""Snapshots of the change feed: everything as of one instant in files, and the cursor from which to follow on.

    DIR/<id>/snapshot.json    what it is, and its parts; written last
    DIR/<id>/part-0001        gzip, one row a line

All rows come from one REPEATABLE READ transaction (docking contract 10.2). Pending: a directory without its
`snapshot.json` is being built; after a restart it is removed, and asked for again. Snapshots are kept for a day.
"""

import asyncio
import gzip
import hashlib
import logging
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Literal

import asyncpg
import msgspec

from identifiers.changes import KIND_IDENTIFIER
from identifiers.feed_cursor import epoch_digest, write_feed_cursor
from registry import journal, snapshot
from registry.authority import Principal
from registry.database import Connection, Pool, connected
from registry.errors import NotFound, TooManyRequests
from registry.ids import new_id
from registry.service.feed import Feed, view_for
from registry.service.feed_rows import OWN_TABLES, FeedRow, View, rows_of
from registry.states import to_second

KEPT: Final = timedelta(hours=24)
REUSED: Final = timedelta(hours=1)
BUILDING_MAX: Final = 2
STORED_MAX: Final = 32
PART_OCTETS_MAX: Final = 256 * 2**20
_PART_ENDS_AT: Final = PART_OCTETS_MAX - 8 * 2**20
"""A part ends behind the batch that passes this."""
_RETRY_S: Final = 30
_GZIP_LEVEL: Final = 5
_FILE: Final = "snapshot.json"

Status = Literal["building", "ready", "failed"]

log = logging.getLogger(__name__)


class SnapshotPart(msgspec.Struct, frozen=True):
    """One file of a snapshot: rows of one table. `path` is below the node's address."""

    n: int
    table: str
    rows: int
    bytes: int
    sha256: str
    path: str


class FeedSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot of the journal `x_epoch`. While it is built it has neither cursor nor parts."""

    snapshot_id: str
    status: Status
    tables: tuple[str, ...]
    scope: str | None
    view: str
    asked_at: str
    expires_at: str
    cursor: str | None = None
    taken_at: str | None = None
    x_epoch: str
    parts: tuple[SnapshotPart, ...] = ()

    @property
    def shown(self) -> dict[str, object]:
        """What its reader is told."""
        return {name: value for name, value in msgspec.to_builtins(self).items() if name != "view"}


class FeedSnapshots:
    """The snapshots of one registry process, in a directory that is its alone."""

    def __init__(self, pool: Pool, feed: Feed, directory: Path) -> None:
        self._pool = pool
        self._feed = feed
        self._directory = directory
        self._known: dict[str, FeedSnapshot] | None = None
        self._building: dict[str, asyncio.Task[None]] = {}

    async def ask(
        self, principal: Principal, now: datetime, tables: Sequence[str], scope: str | None
    ) -> tuple[FeedSnapshot, bool]:
        """Begin a snapshot, or return a younger one of the same; and whether it was there already.

        Raises `TooManyRequests` when as many as there may be are being built or kept.
        """
        self._forget(now)
        async with connected(self._pool) as connection:
            view = await view_for(connection, principal)
            digest = epoch_digest(await journal.epoch(connection))
        wanted = tuple(sorted(set(tables) or set(OWN_TABLES)))
        for found in self._stored.values():
            asked = (found.view, found.tables, found.scope, found.x_epoch)
            if asked == (view.name, wanted, scope, digest) and _young(found, now):
                return found, True
        if len(self._building) >= BUILDING_MAX or len(self._stored) >= STORED_MAX:
            raise TooManyRequests(
                "too_many_snapshots",
                f"at most {BUILDING_MAX} snapshots are built at a time, and {STORED_MAX} kept",
                remedy="use one that is there, delete one, or ask again later",
                retry_after_s=_RETRY_S,
            )
        begun = FeedSnapshot(
            snapshot_id=new_id("snp"),
            status="building",
            tables=wanted,
            scope=scope,
            view=view.name,
            x_epoch=digest,
            asked_at=to_second(now),
            expires_at=to_second(now + KEPT),
        )
        self._stored[begun.snapshot_id] = begun
        task = asyncio.create_task(self._build(begun, view), name=f"snapshot {begun.snapshot_id}")
        self._building[begun.snapshot_id] = task
        task.add_done_callback(lambda _: self._building.pop(begun.snapshot_id, None))
        return begun, False

    async def get(self, principal: Principal, now: datetime, snapshot_id: str) -> FeedSnapshot:
        """Return a snapshot that a reader who sees the same asked for. Raises `NotFound`."""
        self._forget(now)
        async with connected(self._pool) as connection:
            view = await view_for(connection, principal)
        found = self._stored.get(snapshot_id)
        if found is None or found.view != view.name:
            raise NotFound("unknown_snapshot", "there is no such snapshot", remedy="ask for a new one")
        return found

    async def part(self, principal: Principal, now: datetime, snapshot_id: str, number: str) -> tuple[Path, str]:
        """Return the file of a part and its SHA-256 (hexadecimal). Raises `NotFound`."""
        found = await self.get(principal, now, snapshot_id)
        for part in found.parts:
            if str(part.n) == number:
                return self._path(snapshot_id) / _part_name(part.n), part.sha256
        raise NotFound("unknown_snapshot", "the snapshot has no such part", remedy="take numbers from its `parts`")

    async def delete(self, principal: Principal, now: datetime, snapshot_id: str) -> None:
        """Remove a snapshot. Raises `NotFound`."""
        await self.get(principal, now, snapshot_id)
        self._remove(snapshot_id)

    async def close(self) -> None:
        """Give up what is being built."""
        tasks = list(self._building.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def _stored(self) -> dict[str, FeedSnapshot]:
        if self._known is None:
            self._known = {}
            for path in self._directory.glob("snp_*"):
                try:
                    found = msgspec.json.decode((path / _FILE).read_bytes(), type=FeedSnapshot)
                except (OSError, msgspec.DecodeError):
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    self._known[found.snapshot_id] = found
        return self._known

    def _forget(self, now: datetime) -> None:
        for found in list(self._stored.values()):
            if datetime.fromisoformat(found.expires_at) <= now:
                self._remove(found.snapshot_id)

    def _remove(self, snapshot_id: str) -> None:
        self._stored.pop(snapshot_id, None)
        if (task := self._building.get(snapshot_id)) is not None:
            task.cancel()
        shutil.rmtree(self._path(snapshot_id), ignore_errors=True)

    def _path(self, snapshot_id: str) -> Path:
        return self._directory / snapshot_id

    async def _build(self, begun: FeedSnapshot, view: View) -> None:
        path = self._path(begun.snapshot_id)
        try:
            path.mkdir(parents=True)
            ready = await self._write(begun, view, path)
            (path / _FILE).write_bytes(msgspec.json.encode(ready))
        except asyncio.CancelledError:
            shutil.rmtree(path, ignore_errors=True)
            raise
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            log.exception("the snapshot %s of the change feed was not built", begun.snapshot_id)
            shutil.rmtree(path, ignore_errors=True)
            self._stored[begun.snapshot_id] = msgspec.structs.replace(begun, status="failed")
        else:
            self._stored[begun.snapshot_id] = ready

    async def _write(self, begun: FeedSnapshot, view: View, path: Path) -> FeedSnapshot:
        async with (
            connected(self._pool) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            opened = await snapshot.open_snapshot(connection)
            parts = _Parts(path, begun.snapshot_id)
            try:
                async for rows in self._rows(connection, opened, begun, view):
                    await asyncio.to_thread(parts.add, rows)
                taken = await asyncio.to_thread(parts.finish)
            finally:
                parts.close()
        digest = epoch_digest(opened.epoch)
        cursor = write_feed_cursor(digest, opened.cursor)
        taken_at = to_second(opened.taken_at)
        return msgspec.structs.replace(
            begun, status="ready", cursor=cursor, taken_at=taken_at, x_epoch=digest, parts=taken
        )

    async def _rows(
        self, connection: Connection, opened: snapshot.Snapshot, begun: FeedSnapshot, view: View
    ) -> AsyncIterator[list[FeedRow]]:
        reports = self._feed.reports
        wanted = frozenset(begun.tables)
        reported = reports is not None and not wanted.isdisjoint(reports.tables)
        async for changes in opened.states():
            rows = [row for change in changes if (row := rows_of(change, view)) is not None]
            if reports is not None and reported:
                records = [change for change in changes if change.kind == KIND_IDENTIFIER]
                for more in (await reports.rows(connection, records, view, wanted)).values():
                    rows += more
            yield _wanted(rows, begun, view)
        if reports is not None and reported:
            async for page in reports.everything(connection, opened.taken_at, view, wanted):
                yield _wanted(page, begun, view)


class _Parts:
    """Writes rows into files, one table a file; for one thread at a time."""

    def __init__(self, path: Path, snapshot_id: str) -> None:
        self._path = path
        self._id = snapshot_id
        self._open: dict[str, _Part] = {}
        self._done: list[SnapshotPart] = []
        self._number = 0

    def add(self, rows: Sequence[FeedRow]) -> None:
        for row in rows:
            part = self._open.get(row.table)
            if part is None:
                self._number += 1
                part = self._open[row.table] = _Part(self._path / _part_name(self._number), self._number, row.table)
            part.add(row)
        for table, part in list(self._open.items()):
            if part.octets > _PART_ENDS_AT:
                self._end(self._open.pop(table))

    def finish(self) -> tuple[SnapshotPart, ...]:
        while self._open:
            self._end(self._open.popitem()[1])
        return tuple(sorted(self._done, key=lambda part: part.n))

    def close(self) -> None:
        for part in self._open.values():
            with suppress(OSError):
                part.end()

    def _end(self, part: "_Part") -> None:
        octets, digest = part.end()
        path = f"/feed/v1/snapshots/{self._id}/parts/{part.number}"
        self._done.append(SnapshotPart(part.number, part.table, part.rows, octets, digest, path))


class _Part:
    def __init__(self, path: Path, number: int, table: str) -> None:
        self.number, self.table, self.rows = number, table, 0
        self._path = path
        self._raw = path.open("wb")
        self._file = gzip.GzipFile(filename="", fileobj=self._raw, mode="wb", compresslevel=_GZIP_LEVEL, mtime=0)

    @property
    def octets(self) -> int:
        return self._raw.tell()

    def add(self, row: FeedRow) -> None:
        self._file.write(_encode(row) + b"\n")
        self.rows += 1

    def end(self) -> tuple[int, str]:
        self._file.close()
        self._raw.close()
        with self._path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return self._path.stat().st_size, digest


_encode: Final = msgspec.json.Encoder().encode


def _part_name(number: int) -> str:
    return f"part-{number:04d}"


def _young(found: FeedSnapshot, now: datetime) -> bool:
    return found.status != "failed" and now - datetime.fromisoformat(found.asked_at) < REUSED


def _below(row: FeedRow, scope: str | None) -> bool:
    return scope is None or row.scope == scope or row.scope.startswith(scope + ".")


def _wanted(rows: Sequence[FeedRow], begun: FeedSnapshot, view: View) -> list[FeedRow]:
    return [
        view.shown(row)
        for row in rows
        if row.table in begun.tables and _below(row, begun.scope) and view.admits(row.table, row.scope)
    ]
