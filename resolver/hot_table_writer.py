"""Keeping the hot table: filled beside the following, changed with every commit, made anew when it outgrows itself.

Pending: what is in LMDB and not in the table; it is answered from LMDB. On error: the table is retired, and filled
anew a minute later. Cursor: the replica's, in the table's header. A follower killed between its commit and the table
finds another cursor there than the replica's, and begins a new table before it says how far the replica is.
By hand: delete `hot*` in the generation's directory, or set `replica.hot_table` to false.
"""

import logging
from collections.abc import Callable, Collection, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from secrets import token_hex
from time import monotonic
from typing import Final, NamedTuple, Protocol, Self

import lmdb

from identifiers.changes import Cursor
from resolver.hot_table import LINK, SLOTS_MIN, HotTableUnusable, current_name, damage_path, entry_of
from resolver.hot_table_file import HotTableFile, Written, remove_files, retire_files
from resolver.record import Record, RecordDamaged

SLICE_RECORDS: Final = 5_000
SLICE_S: Final = 0.006
"""How much of a filling is done at a time: reading so long, and about as long again for writing."""
BESIDE_MIN: Final = 50
"""Entries of so many records are made while the disk is waited for; fewer take less time than asking for that."""
LOOK_S: Final = 1.0
RETRY_S: Final = 60.0
GROW_AT: Final = 0.6
SLOTS_PER_RECORD: Final = 2
"""At least. Over 1,000,000 records a lookup takes 0.1 µs longer with four: more of the slots are out of the caches."""
GARBAGE_OCTETS_MIN: Final = 64 << 20
"""A table is made anew when more than this, and more than half of its entries, is of replaced and removed records."""

log = logging.getLogger(__name__)


class Records(Protocol):
    """The records of a generation, in the order of their keys."""

    def records_after(self, key: bytes) -> Generator[tuple[bytes, bytes], None, None]:
        """Yield key and octets of every record behind `key`, as of one moment. Close it when done."""

    def record_count(self) -> int:
        """How many records there are."""


HOT_TABLE_STATES: Final = ("live", "growing", "filling", "off")


class HotTableFigures(NamedTuple):
    """What a follower shows of its hot table; `state` is one of HOT_TABLE_STATES."""

    state: str
    entries: int
    octets: int
    garbage_octets: int


class HotTableWriter:
    """Keeps the hot table of one generation. For one thread, the one that writes the replica.

    The larger table that is to replace a live one is filled while that one goes on answering and being changed.
    """

    def __init__(
        self,
        generation: Path,
        records: Records,
        cursor: Cursor,
        clock: Callable[[], float] = monotonic,
        slots_min: int = SLOTS_MIN,
    ) -> None:
        self._generation = generation
        self._records = records
        self._cursor = cursor
        self._clock = clock
        self._slots_min = slots_min
        self._live: HotTableFile | None = None
        self._filling: HotTableFile | None = None
        self._position = b""
        self._prepared: Callable[[], list[Written]] | None = None
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="hot-table")
        self._look_at = self._retry_at = float("-inf")
        self._failing = False

    @classmethod
    def open(cls, generation: Path, records: Records, cursor: Cursor) -> Self:
        """Go on with the current table if it is equal to the replica at `cursor`; retire and remove every other one.

        Raises OSError when one that readers may have mapped cannot be retired: the replica must not go on then.
        """
        writer = cls(generation, records, cursor)
        name = current_name(generation)
        if name is not None:
            try:
                writer._live = HotTableFile.reopen(generation, name, cursor)
            except (OSError, HotTableUnusable) as error:
                log.info("the hot table %s is left: %s; another one will be filled", name, error)
        try:
            remove_hot_tables(generation, keep=writer._live)
        except BaseException:
            writer.close()
            raise
        return writer

    @property
    def figures(self) -> HotTableFigures:
        """How the table is."""
        table = self._live or self._filling
        if table is None:
            return HotTableFigures("off", 0, 0, 0)
        state = "filling" if self._live is None else "live" if self._filling is None else "growing"
        return HotTableFigures(state, table.entries, table.octets, table.garbage_octets)

    def prepare(self, records: Collection[tuple[bytes, bytes]]) -> None:
        """Make entries of records that LMDB is about to commit, many of them beside the caller.

        Nothing is changed before `applied`. What was prepared earlier, for a commit that failed, is forgotten.
        """
        if self._live is None and self._filling is None:
            self._prepared = None
        elif len(records) >= BESIDE_MIN:
            self._prepared = self._beside.submit(_entries_of, records).result
        else:
            self._prepared = partial(_entries_of, records)

    def applied(self, cursor: Cursor) -> None:
        """Take over the records prepared, which LMDB has just committed; call before anybody is told of `cursor`."""
        self._cursor = cursor
        prepared, self._prepared = self._prepared, None
        if prepared is None:
            return
        try:
            changes = prepared()
            self._change_live(changes)
            # What is behind the walk will be met by it.
            self._change_filling([change for change in changes if change[0] <= self._position])
        except BaseException:
            self._drop_filling()
            self._drop_live()  # whatever it was: the table may be behind the replica now
            raise

    def due(self) -> bool:
        """Whether there is something for `tend` to do."""
        return self._filling is not None or self._clock() >= self._look_at

    def tend(self) -> bool:
        """Do a slice of what there is to do, at most some 10 ms; return whether a filling goes on."""
        now = self._clock()
        if now >= self._look_at:
            self._look_at = now + LOOK_S
            self._look(now)
        if self._filling is not None:
            try:
                self._fill(self._filling)
            except (OSError, HotTableUnusable, lmdb.Error) as error:
                self._complain(error)
                self._drop_filling()
        return self._filling is not None

    def close(self) -> None:
        """Leave a live table for the next start; give up one that is being filled."""
        self._beside.shutdown()
        self._drop_filling()
        if self._live is not None:
            self._live.close()
            self._live = None

    def _look(self, now: float) -> None:
        """Leave a table that is gone or damaged, and begin another one where one is wanted."""
        live = self._live
        if live is not None and (not live.in_place() or current_name(self._generation) != live.name):
            log.warning("the hot table %s was removed; another one will be filled", live.name)
            self._drop_live()
        elif live is not None and damage_path(self._generation, live.name).exists():
            log.warning("the hot table %s is damaged; another one will be filled", live.name)
            self._drop_live()
        if self._filling is None and now >= self._retry_at and (self._live is None or _outgrown(self._live)):
            self._begin()

    def _begin(self) -> None:
        name = f"{LINK}-{token_hex(8)}"
        try:
            wanted = max(self._slots_min, SLOTS_PER_RECORD * self._records.record_count())
            self._filling = HotTableFile.create(self._generation, name, 1 << (wanted - 1).bit_length())
        except (OSError, ValueError, HotTableUnusable, lmdb.Error) as error:
            self._complain(error)
            with suppress(OSError):  # nobody has it open; the next start removes it
                remove_files(self._generation, name)
        self._position = b""

    def _fill(self, table: HotTableFile) -> None:
        """Take in the next records of the walk; make the table current at its end."""
        until = self._clock() + SLICE_S
        entries: list[Written] = []
        complete = True
        with closing(self._records.records_after(self._position)) as walk:
            for number, (key, record) in enumerate(walk, 1):
                self._position = key
                if (entry := _entry_if_intact(key, record)) is not None:
                    entries.append((key, entry))
                if number >= SLICE_RECORDS or self._clock() >= until:
                    complete = False
                    break
        table.gather(entries)
        if complete:
            self._publish(table)

    def _publish(self, table: HotTableFile) -> None:
        table.go_live(self._cursor)
        link = self._generation / f"{LINK}.new"
        link.unlink(missing_ok=True)
        link.symlink_to(table.name)
        link.replace(self._generation / LINK)
        before, self._live, self._filling = self._live, table, None
        if before is not None:
            _discard(before)
        self._failing = False
        log.info("the hot table %s is live: %d records", table.name, table.entries)

    def _change_live(self, changes: list[Written]) -> None:
        if self._live is None:
            return
        try:
            self._live.write(changes)
        except (OSError, HotTableUnusable) as error:
            self._complain(error)
            self._drop_live()
        else:
            self._live.settle(self._cursor)

    def _change_filling(self, changes: list[Written]) -> None:
        if self._filling is None:
            return
        try:
            self._filling.gather(changes)
        except (OSError, HotTableUnusable) as error:
            self._complain(error)
            self._drop_filling()

    def _complain(self, error: Exception) -> None:
        """Say once what to do, and try again in a minute."""
        if not self._failing:
            log.warning(
                "the hot table in %s cannot be written: %s; lookups go on without it, a little slower; "
                "see that the disk has room; trying again every %.0f s",
                self._generation,
                error,
                RETRY_S,
            )
        self._failing = True
        self._retry_at = self._clock() + RETRY_S

    def _drop_live(self) -> None:
        table, self._live = self._live, None
        if table is not None:
            _discard(table)

    def _drop_filling(self) -> None:
        table, self._filling = self._filling, None
        if table is not None:
            _discard(table)


def remove_hot_tables(generation: Path, keep: HotTableFile | None = None) -> None:
    """Retire and remove every hot table of a generation but `keep`. Raises OSError when one cannot be retired."""
    for path in generation.glob(f"{LINK}-*"):
        if keep is None or path.stem != keep.name:
            retire_files(generation, path.stem)
    if keep is None:
        (generation / LINK).unlink(missing_ok=True)


def _discard(table: HotTableFile) -> None:
    """Retire a table, then remove its files; where that fails, the next start does."""
    table.retire()
    table.close()
    with suppress(OSError):
        remove_files(table.generation, table.name)


def _outgrown(table: HotTableFile) -> bool:
    garbage = table.garbage_octets
    return table.load > GROW_AT or (garbage > GARBAGE_OCTETS_MIN and 2 * garbage > table.octets)


def _entries_of(records: Collection[tuple[bytes, bytes]]) -> list[Written]:
    return [(key, entry_of(key, record)) for key, record in records]


def _entry_if_intact(key: bytes, record: bytes) -> bytes | None:
    """Return the entry of a stored record; none for a damaged one, whose lookups LMDB's reader reports."""
    try:
        Record(record)
    except RecordDamaged:
        return None
    return entry_of(key, record)
