"""A journal in memory: a whole JournalSource of its own, with the faults a real one has."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from identifiers.changes import START, Change, Cursor, SourceUnavailable
from identifiers.values import Value
from tests.unit.replica_states import identifier_change, prefix_change

PREFIX = "88.118.8"


class MemorySnapshot:
    """Every state as of one moment, in batches of a few; breaks off after `break_after` of them if told to."""

    def __init__(self, rows: list[Change], epoch: str, break_after: int | None) -> None:
        self.cursor = rows[-1].cursor if rows else START
        self.epoch = epoch
        self._latest = {(row.kind, row.key): row for row in rows}
        self._break_after = break_after

    async def states(self) -> AsyncIterator[list[Change]]:
        order = {"prefix": 0, "credential": 1, "identifier": 2}
        rows = sorted(self._latest.values(), key=lambda row: order[row.kind])
        yield []  # a source may have nothing of one kind
        for at in range(0, len(rows), 3):
            if self._break_after is not None and at >= self._break_after:
                raise SourceUnavailable("the source broke off inside a snapshot")
            yield rows[at : at + 3]


class MemoryJournal:
    """Rows are appended with `add`; `away`, `drop_before` and `restore` make its faults."""

    def __init__(self, epoch: str = "journal-1") -> None:
        self.rows: list[Change] = []
        self.away = False
        self.break_snapshot_after: int | None = None
        self.snapshots = 0
        self.readings = 0
        self._epoch = epoch
        self._oldest = START
        self._seq = 0
        self.add_prefix(PREFIX)

    def add(self, suffix: str, *values: Value, state: str = "active") -> Cursor:
        self._seq += 1
        return self._append(identifier_change(self._seq, f"{PREFIX}/{suffix}", *values, state=state))

    def add_prefix(self, prefix: str, **more: str) -> Cursor:
        self._seq += 1
        return self._append(prefix_change(self._seq, prefix, **more))  # type: ignore[arg-type] # only texts are passed

    def append_raw(self, kind: str, key: str, after: bytes) -> Cursor:
        self._seq += 1
        row = self.rows[-1]
        return self._append(Change(self._seq, self._seq, row.at, kind, key, "update", after))

    def drop_before(self, cursor: Cursor) -> None:
        self.rows = [row for row in self.rows if row.cursor > cursor]
        self._oldest = cursor

    def restore(self, epoch: str, rows: list[Change]) -> None:
        """Become an older state of the journal under another identity, as a restored database does."""
        self._epoch = epoch
        self.rows = rows
        self._seq = rows[-1].seq if rows else 0

    def _append(self, row: Change) -> Cursor:
        self.rows.append(row)
        return row.cursor

    def _reach(self) -> None:
        if self.away:
            raise SourceUnavailable("the memory journal is away")

    async def changes(self, after: Cursor, limit: int) -> list[Change]:
        self._reach()
        self.readings += 1
        return [row for row in self.rows if row.cursor > after][:limit]

    async def epoch(self) -> str:
        self._reach()
        return self._epoch

    async def oldest(self) -> Cursor:
        self._reach()
        return self._oldest

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[MemorySnapshot]:
        self._reach()
        self.snapshots += 1
        yield MemorySnapshot(list(self.rows), self._epoch, self.break_snapshot_after)

    async def aclose(self) -> None:
        self.away = True
