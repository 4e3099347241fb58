"""Reading the hot table: one map for a process, left as soon as the follower retires it."""

import logging
import mmap
import os
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Final

from xxhash import xxh3_64_intdigest

from resolver.hot_table import (
    CHECKSUM_OCTETS,
    ENTRY_HEAD,
    ENTRY_SIZES,
    HEADER_OCTETS,
    KEY_AT,
    OFFSET_MASK,
    SLOT_OCTETS,
    TAG_MASK,
    WORD,
    HotTableUnusable,
    TableState,
    Word,
    check_header,
    current_name,
    damage_path,
    data_path,
    slots_path,
    want_huge_pages,
    words_of,
)

RETRY_S: Final = 0.1
"""How long to leave it when there is no table to be had."""
PROBES_MAX: Final = 1_024
"""Slots looked at for one key. At the loads a writer allows a few dozen are the most; damage must hold no turn up."""

log = logging.getLogger(__name__)

FindParts = Callable[[bytes], tuple[bytes, bytes] | None]
"""From a key to what an HTTP answer has before and behind the name."""
FindWire = Callable[[bytes], bytes | None]
"""From a key to the counted public values."""


def find_nothing(_key: bytes) -> None:
    """Stand in for a search where there is no table."""


class HotTable:
    """A table, mapped. Searches return None for what is not there, or looks odd: then LMDB has the answer.

    `find` is for HTTP, `find_wire` for the Handle protocol.
    """

    def __init__(self, generation: Path, name: str) -> None:
        """Map a table. Raises OSError, ValueError or HotTableUnusable."""
        self.name = name
        with slots_path(generation, name).open("rb") as slots_file, data_path(generation, name).open("rb") as data_file:
            self.slots_inode = os.fstat(slots_file.fileno()).st_ino
            data_inode = os.fstat(data_file.fileno()).st_ino
            mapped = mmap.mmap(slots_file.fileno(), 0, mmap.MAP_SHARED, mmap.PROT_READ)
            self._data = mmap.mmap(data_file.fileno(), 0, mmap.MAP_SHARED, mmap.PROT_READ)
        # Not the slots: a store into one would make all of its page dirty, to be written out again and again.
        want_huge_pages(self._data)
        self._words = words_of(mapped)
        self._count = check_header(self._words, self.slots_inode, data_inode)
        if not self.live:
            raise HotTableUnusable("it is not live")
        self.oddities = Oddities()
        self.find = self._finder(self.oddities)
        self.find_wire = self._wire_finder(self.oddities)

    @property
    def live(self) -> bool:
        """Whether the follower keeps this table equal to the replica."""
        return bool(self._words[Word.STATE] == TableState.LIVE)

    @property
    def data_octets(self) -> int:
        """How much of the entries is mapped."""
        return len(self._data)

    def _finder(self, oddities: "Oddities") -> FindParts:
        """Return the search with all it needs bound to it: it is the largest part of a hot lookup."""
        slots = self._words[HEADER_OCTETS // SLOT_OCTETS :]
        data, mask = self._data, self._count - 1
        probes_max = min(PROBES_MAX, mask)
        checksum_octets, offset_mask, tag_mask = CHECKSUM_OCTETS, OFFSET_MASK, TAG_MASK
        unpack_head, digest, key_at = ENTRY_HEAD.unpack_from, xxh3_64_intdigest, KEY_AT

        def find(key: bytes) -> tuple[bytes, bytes] | None:
            hashed = digest(key)
            tag = hashed & tag_mask
            first = at = hashed & mask
            while slot := slots[at]:
                offset = slot ^ tag
                if offset <= offset_mask:
                    try:
                        checksum, key_octets, front_octets, behind_octets, _ = unpack_head(data, offset)
                    except struct.error:
                        oddities.outgrown = True
                        return None
                    key_end = key_at + key_octets
                    front_end = key_end + front_octets
                    start = offset + checksum_octets
                    end = start + front_end + behind_octets
                    entry = data[start:end]
                    of_key = entry[key_at:key_end] == key
                    if of_key and digest(entry) == checksum:
                        return entry[key_end:front_end], entry[front_end:]
                    if end > len(data):
                        oddities.outgrown = True
                        return None
                    if of_key:
                        oddities.damaged = True
                        return None
                at = (at + 1) & mask
                if (at - first) & mask == probes_max:
                    return None
            return None

        return find

    def _wire_finder(self, oddities: "Oddities") -> FindWire:
        """Return the search of the Handle protocol, which touches nothing of an entry that it does not send."""
        slots = self._words[HEADER_OCTETS // SLOT_OCTETS :]
        data, mask = self._data, self._count - 1
        probes_max = min(PROBES_MAX, mask)
        head_octets, word_octets, offset_mask, tag_mask = ENTRY_HEAD.size, WORD.size, OFFSET_MASK, TAG_MASK
        unpack_sizes, unpack_word, digest = ENTRY_SIZES.unpack_from, WORD.unpack_from, xxh3_64_intdigest

        def find_wire(key: bytes) -> bytes | None:
            hashed = digest(key)
            tag = hashed & tag_mask
            first = at = hashed & mask
            while slot := slots[at]:
                offset = slot ^ tag
                if offset <= offset_mask:
                    try:
                        key_octets, front_octets, behind_octets, wire_octets = unpack_sizes(data, offset)
                        key_at = offset + head_octets
                        if data[key_at : key_at + key_octets] == key:
                            wire_at = key_at + key_octets + front_octets + behind_octets + word_octets
                            wire = data[wire_at : wire_at + wire_octets]
                            if digest(wire, hashed) == unpack_word(data, wire_at - word_octets)[0]:
                                return wire
                            if wire_at + wire_octets <= len(data):
                                oddities.damaged = True
                            else:
                                oddities.outgrown = True
                            return None
                        if key_at + key_octets > len(data):
                            oddities.outgrown = True
                            return None
                    except struct.error:
                        oddities.outgrown = True
                        return None
                at = (at + 1) & mask
                if (at - first) & mask == probes_max:
                    return None
            return None

        return find_wire


class Oddities:
    """What a search met: an entry behind the map, which grows with the file, or one that is not what was written."""

    __slots__ = ("damaged", "outgrown")

    def __init__(self) -> None:
        self.outgrown = False
        self.damaged = False

    def __bool__(self) -> bool:
        return self.outgrown or self.damaged


class HotTableReader:
    """Follows the current table of one generation. For one event loop: call `turn` before the first read of a turn."""

    def __init__(self, generation: Path, clock: Callable[[], float] = monotonic) -> None:
        self._generation = generation
        self._clock = clock
        self._table: HotTable | None = None
        self._try_at = float("-inf")
        self._distrusted = ""

    def turn(self) -> FindParts | None:
        """Return the search for this turn of the event loop, or None while no table can be trusted."""
        table = self._trusted()
        return None if table is None else table.find

    def wire_turn(self) -> FindWire | None:
        """Return the same for the Handle protocol."""
        table = self._trusted()
        return None if table is None else table.find_wire

    def _trusted(self) -> HotTable | None:
        table = self._table
        return table if table is not None and table.live and not table.oddities else self._follow()

    def look(self) -> None:
        """Leave a table whose files were removed or replaced; call about once a second."""
        if self._table is None:
            return
        try:
            inode = slots_path(self._generation, self._table.name).stat().st_ino
        except OSError:
            inode = -1
        if inode != self._table.slots_inode or current_name(self._generation) != self._table.name:
            self.close()

    def close(self) -> None:
        """Leave the table."""
        self._table = None

    def _follow(self) -> HotTable | None:
        """Open the table anew: another one is current, or this one has grown."""
        left, self._table = self._table, None
        now = self._clock()
        if left is None and now < self._try_at:
            return None
        self._try_at = now + RETRY_S
        if left is not None and left.oddities.damaged:
            self._distrust(left.name, "an entry does not match its checksum")
            return None
        table = self._open()
        if table is None:
            return None
        if left is not None and left.oddities and (table.name, table.data_octets) == (left.name, left.data_octets):
            self._distrust(table.name, "a slot points behind the entries")
            return None
        self._table = table
        return table

    def _open(self) -> HotTable | None:
        name = current_name(self._generation)
        if name is None or name == self._distrusted:
            return None
        try:
            return HotTable(self._generation, name)
        except (OSError, ValueError, HotTableUnusable) as error:
            log.debug("the hot table %s is not used: %s", name, error)
            return None

    def _distrust(self, name: str, reason: str) -> None:
        """Use a damaged table no more, and leave the marker that makes the follower fill another one."""
        self._distrusted = name
        log.warning("the hot table %s is damaged: %s; lookups go on, another one will be filled", name, reason)
        with suppress(OSError):  # a full disk: this process has left the table all the same
            damage_path(self._generation, name).write_text(reason)
