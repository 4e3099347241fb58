"""One hot table as its writer has it: created, written to, made live, retired."""

import errno
import mmap
import os
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, Self

from xxhash import xxh3_64_intdigest

from identifiers.changes import Cursor
from resolver.hot_table import (
    DATA_AT,
    ENTRY_HEAD,
    FORMAT,
    HEADER_OCTETS,
    MAGIC,
    OFFSET_MASK,
    SLOT_OCTETS,
    TAG_MASK,
    TOMBSTONE,
    HotTableUnusable,
    TableState,
    Word,
    boot_words,
    check_header,
    damage_path,
    data_path,
    entry_octets,
    slots_path,
    words_of,
)

DATA_STEP_OCTETS: Final = 16 << 20
HUGE_PAGE_OCTETS: Final = 2 << 20
FULL_AT: Final = 0.8
"""The share of slots in use at which no further key is taken in: being absent, it is answered from LMDB."""
_UNSETTLED: Final = Cursor((1 << 64) - 1, 0)
_header = struct.Struct(f"={len(Word)}Q")
_word = struct.Struct("=Q").pack

Written = tuple[bytes, bytes | None]
"""A key and its entry, or None where the table must not have one."""


class HotTableFile:
    """One table, open for writing; there is one writer.

    Room is taken from the disk before it is used, so that a full disk is an OSError here and never a signal at a store
    into the map. While something is being written the header's cursor is no replica's, so that a table that a killed
    follower left half-written is not taken for a whole one.
    """

    def __init__(self, generation: Path, name: str) -> None:
        """Open a table's files. Raises OSError, ValueError or HotTableUnusable."""
        self.generation = generation
        self.name = name
        self._data = data_path(generation, name).open("r+b", buffering=0)
        try:
            with slots_path(generation, name).open("r+b", buffering=0) as slots_file:
                self._map = mmap.mmap(slots_file.fileno(), 0)
                slots_inode = os.fstat(slots_file.fileno()).st_ino
            about = os.fstat(self._data.fileno())
            self._words = words_of(self._map)
            self.slots = check_header(self._words, slots_inode, about.st_ino)
        except BaseException:
            self._data.close()
            raise
        self._slots = self._words[HEADER_OCTETS // SLOT_OCTETS :]
        self._mask = self.slots - 1
        self._room = about.st_size
        self._end: int = self._words[Word.DATA_END]
        self.entries: int = self._words[Word.ENTRIES]
        self.used: int = self._words[Word.USED]
        self.garbage_octets: int = self._words[Word.GARBAGE]
        self._gathered: dict[bytes, bytes | None] = {}
        self._gathered_octets = 0

    @classmethod
    def create(cls, generation: Path, name: str, slots: int) -> Self:
        """Make an empty table with this many slots, a power of two. Raises OSError; what was begun is left there."""
        about = dict.fromkeys(Word, 0)
        about |= {Word.MAGIC: MAGIC, Word.FORMAT: FORMAT, Word.SLOTS: slots, Word.DATA_END: DATA_AT}
        about[Word.BOOT_HIGH], about[Word.BOOT_LOW] = boot_words()
        with data_path(generation, name).open("xb", buffering=0) as file:
            os.posix_fallocate(file.fileno(), 0, DATA_STEP_OCTETS)
            about[Word.DATA_INODE] = os.fstat(file.fileno()).st_ino
        with slots_path(generation, name).open("xb", buffering=0) as file:
            os.posix_fallocate(file.fileno(), 0, HEADER_OCTETS + slots * SLOT_OCTETS)
            about[Word.SLOTS_INODE] = os.fstat(file.fileno()).st_ino
            os.pwrite(file.fileno(), _header.pack(*(about[word] for word in Word)), 0)
        return cls(generation, name)

    @classmethod
    def reopen(cls, generation: Path, name: str, cursor: Cursor) -> Self:
        """Go on with a live table that is equal to the replica at `cursor`. Raises OSError or HotTableUnusable."""
        try:
            table = cls(generation, name)
        except ValueError as error:
            raise HotTableUnusable(str(error)) from error
        reached = Cursor(table._words[Word.CURSOR_XID], table._words[Word.CURSOR_SEQ])
        reason = ""
        if table._words[Word.STATE] != TableState.LIVE:
            reason = "it is not live"
        elif reached != cursor:
            reason = f"it is at {reached}, the replica at {cursor}"
        elif not DATA_AT <= table._end <= table._room or not table.entries <= table.used <= table.slots:
            reason = "its figures contradict each other"
        elif damage_path(generation, name).exists():
            reason = "a reader met damage in it"
        if reason:
            table.close()
            raise HotTableUnusable(reason)
        return table

    @property
    def octets(self) -> int:
        """What the entries take, garbage too."""
        return self._end

    @property
    def load(self) -> float:
        """The share of slots in use, by removed keys too."""
        return self.used / self.slots

    def write(self, changes: Sequence[Written], octets_min: int = 0) -> None:
        """Take changes in, in their order; then `settle` a live table.

        Entries are followed by as many zero octets as make `octets_min`, which later ones overwrite.
        Raises OSError or HotTableUnusable, with some of the changes taken in: retire the table then.
        """
        self._words[Word.CURSOR_XID], self._words[Word.CURSOR_SEQ] = _UNSETTLED
        if self.load >= FULL_AT:
            changes = [change for change in changes if change[1] is None or self._place(change[0])[2]]
        at = self._append(b"".join([entry for _, entry in changes if entry is not None]), octets_min)
        for key, entry in changes:
            if entry is None:
                self._remove(key)
            else:
                self._point(key, at, len(entry))
                at += len(entry)

    def gather(self, changes: Iterable[Written]) -> None:
        """Take changes in for a table that is not live yet, in their order; `go_live` writes the last of them.

        They are written by whole huge pages, because a file's page is as large as the write that first touches it,
        where the kernel has such pages for files: a random read out of 2 GB then takes 0.43 µs instead of 0.59.
        Raises OSError or HotTableUnusable as `write` does.
        """
        for key, entry in changes:
            octets = 0 if entry is None else len(entry)
            if self._gathered_octets + octets > HUGE_PAGE_OCTETS:
                self._write_gathered()
            self._gathered_octets += octets - len(self._gathered.pop(key, None) or b"")
            self._gathered[key] = entry

    def _write_gathered(self) -> None:
        if not self._gathered:
            return
        self._end = -(-self._end // HUGE_PAGE_OCTETS) * HUGE_PAGE_OCTETS if self.entries else self._end
        self.write(list(self._gathered.items()), HUGE_PAGE_OCTETS)
        self._gathered, self._gathered_octets = {}, 0

    def settle(self, cursor: Cursor) -> None:
        """Record that the table is equal to the replica at `cursor`."""
        words = self._words
        words[Word.DATA_END], words[Word.ENTRIES] = self._end, self.entries
        words[Word.USED], words[Word.GARBAGE] = self.used, self.garbage_octets
        words[Word.CURSOR_XID], words[Word.CURSOR_SEQ] = cursor

    def go_live(self, cursor: Cursor) -> None:
        """Let readers answer from the table. Raises OSError or HotTableUnusable as `write` does."""
        self._write_gathered()
        self.settle(cursor)
        self._words[Word.STATE] = TableState.LIVE

    def retire(self) -> None:
        """Stop readers, wherever they have the table mapped, from the next turn of their event loops on."""
        self._words[Word.STATE] = TableState.RETIRED

    def in_place(self) -> bool:
        """Whether the files under the table's name are still these."""
        try:
            slots_inode = slots_path(self.generation, self.name).stat().st_ino
            data_inode = data_path(self.generation, self.name).stat().st_ino
        except OSError:
            return False
        return (slots_inode, data_inode) == (self._words[Word.SLOTS_INODE], self._words[Word.DATA_INODE])

    def close(self) -> None:
        """Release map and files."""
        self._slots.release()
        self._words.release()
        self._map.close()
        self._data.close()

    def _append(self, octets: bytes, octets_min: int) -> int:
        """Write entries behind the others and return where they begin."""
        begin, end = self._end, self._end + len(octets)
        octets = octets.ljust(octets_min, b"\0")
        self._make_room(begin + len(octets))
        if os.pwrite(self._data.fileno(), octets, begin) != len(octets):
            raise OSError(errno.EIO, "entries were not written whole", self._data.name)
        self._end = end
        return begin

    def _make_room(self, end: int) -> None:
        if end > self._room:
            room = end + max(DATA_STEP_OCTETS, self._room // 4)
            os.posix_fallocate(self._data.fileno(), self._room, room - self._room)
            self._room = room

    def _point(self, key: bytes, offset: int, octets: int) -> None:
        """Let the key's slot point at its new entry."""
        at, hashed, before_octets = self._place(key)
        if not before_octets:
            if not self._slots[at]:
                if self.load >= FULL_AT:
                    self.garbage_octets += octets
                    return
                self.used += 1
            self.entries += 1
        self.garbage_octets += before_octets
        self._slots[at] = hashed & TAG_MASK | offset  # one store of 8 octets: readers see the old entry or the new one

    def _remove(self, key: bytes) -> None:
        at, _, octets = self._place(key)
        if octets:
            self._slots[at] = TOMBSTONE
            self.entries -= 1
            self.garbage_octets += octets

    def _place(self, key: bytes) -> tuple[int, int, int]:
        """Return a key's slot, its hash, and the octets of its entry; 0 when it has none, and a free slot then."""
        hashed = xxh3_64_intdigest(key)
        slots, mask, tag = self._slots, self._mask, hashed & TAG_MASK
        at, free = hashed & mask, -1
        for _ in range(self.slots):
            slot = slots[at]
            if not slot:
                return (at if free < 0 else free), hashed, 0
            if slot == TOMBSTONE:
                free = at if free < 0 else free
            elif (offset := slot ^ tag) <= OFFSET_MASK and (octets := self._octets_if_of(key, offset)):
                return at, hashed, octets
            at = (at + 1) & mask
        raise HotTableUnusable("no slot is empty")

    def _octets_if_of(self, key: bytes, offset: int) -> int:
        """Return the octets of the entry at `offset`, or 0 if it is another key's."""
        head = os.pread(self._data.fileno(), ENTRY_HEAD.size + len(key), offset)
        if len(head) < ENTRY_HEAD.size:
            raise HotTableUnusable("a slot points behind the entries")
        octets, key_octets = entry_octets(head)
        return octets if key_octets == len(key) and head.endswith(key) else 0


def retire_files(generation: Path, name: str) -> None:
    """Retire a table that is not open, for whoever has it mapped, and remove it. Raises OSError when that fails."""
    try:
        descriptor = os.open(slots_path(generation, name), os.O_WRONLY)
    except FileNotFoundError:
        pass
    else:
        try:
            os.pwrite(descriptor, _word(TableState.RETIRED), Word.STATE * SLOT_OCTETS)
        finally:
            os.close(descriptor)
    remove_files(generation, name)


def remove_files(generation: Path, name: str) -> None:
    """Remove a table's files. Raises OSError when they cannot be."""
    for path in (slots_path(generation, name), data_path(generation, name), damage_path(generation, name)):
        path.unlink(missing_ok=True)
