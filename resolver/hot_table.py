"""The hot table's form on disk: a hash table beside LMDB with what the fast lane sends for small, active records.

    GEN/hot                 a symbolic link with the name of the current table, such as `hot-3`
    GEN/hot-3.slots         a header page, then the slots: u64 each, a power of two of them
    GEN/hot-3.data          64 zero octets, then the entries one behind the other
    GEN/hot-3.damaged       left by a reader that met broken octets; the follower fills another table

A slot is the offset of an entry in its low 48 bits and the top of the key's hash in its high 16; 0 is empty. A key is
looked for from the slot its hash names onwards, up to the first empty one. An entry:

    checksum u64 | key octets u2 | front octets u2 | behind octets u2 | wire octets u2 | key | front | behind
    | checksum u64 | number of public values u4 big-endian | public values in the Handle wire layout

`front` and `behind` are what an HTTP answer has before and behind the name as it was asked for, without the lines that
all answers of a second have in common. The number's top bit says that the record has other values too.

The first checksum covers what stands between it and the second; the second what is behind it, seeded with the hash of
the key. So either face reads, and checks, only what it sends.

LMDB stays the authority: whatever is not in the table, or looks odd in it, is answered from there. Measured over
1,000,000 records, a read here costs 1.5 µs less than one of LMDB, whose four levels are as many misses of the caches.
Numbers are in the machine's own order: a table is never trusted on another machine, nor after a boot.
"""

import struct
from contextlib import suppress
from enum import IntEnum
from mmap import MADV_HUGEPAGE, mmap
from pathlib import Path
from typing import Final
from uuid import UUID

from xxhash import xxh3_64_intdigest

from resolver.faces.handle_answer import GZIP_OCTETS_MIN, found_parts
from resolver.record import FLAG_RESTRICTED, FLAG_WITHDRAWN, JSON_AT, LANE_HEAD, counted_wire, public_wire

LINK: Final = "hot"
HEADER_OCTETS: Final = 4_096
SLOT_OCTETS: Final = 8
SLOTS_MIN: Final = 1 << 16
SLOTS_MAX: Final = 1 << 40
DATA_AT: Final = 64
"""Where the first entry begins."""
TOMBSTONE: Final = 16
"""What stands in the slot of a removed key. It points at zero octets, which are nobody's entry."""
OFFSET_MASK: Final = (1 << 48) - 1
TAG_MASK: Final = 0xFFFF << 48

ENTRY_HEAD: Final = struct.Struct("=QHHHH")
ENTRY_SIZES: Final = struct.Struct("=8xHHHH")
"""Of the head all but the checksum."""
KEY_AT: Final = 8
"""Where the key of an entry begins, counted from behind its checksum."""
CHECKSUM_OCTETS: Final = 8
_checked_head = struct.Struct("=HHHH").pack
_WIRE_OCTETS_MAX: Final = 0xFFFF
WORD: Final = struct.Struct("=Q")
RESTRICTED_BIT: Final = 0x80
"""In the first octet of counted wire values: the record has values that are not public."""
_NOTHING_OCTETS: Final = len(b"[]")
_SCHEME_OCTETS: Final = len(b"hdl:")

MAGIC: Final = int.from_bytes(b"hottable", "little")
FORMAT: Final = 3
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class Word(IntEnum):
    """The header's words of 8 octets. The inodes are the table's own: a copy of its files is not trusted."""

    MAGIC = 0
    FORMAT = 1
    BOOT_HIGH = 2
    BOOT_LOW = 3
    SLOTS = 4
    SLOTS_INODE = 5
    DATA_INODE = 6
    STATE = 7
    CURSOR_XID = 8
    CURSOR_SEQ = 9
    DATA_END = 10
    ENTRIES = 11
    USED = 12
    GARBAGE = 13


class TableState(IntEnum):
    """Whether readers may answer from a table. A retired one is never live again."""

    FILLING = 0
    LIVE = 1
    RETIRED = 2


class HotTableUnusable(Exception):  # noqa: N818 - a state of the world: lookups are answered from LMDB
    """A table's files are not what they should be, or not of this boot."""


def slots_path(generation: Path, name: str) -> Path:
    """Return where the header and the slots of a table are."""
    return generation / f"{name}.slots"


def data_path(generation: Path, name: str) -> Path:
    """Return where the entries of a table are."""
    return generation / f"{name}.data"


def damage_path(generation: Path, name: str) -> Path:
    """Return the marker that says that a reader met damage in a table."""
    return generation / f"{name}.damaged"


def current_name(generation: Path) -> str | None:
    """Return the name of the current table, or None."""
    try:
        return (generation / LINK).readlink().name
    except OSError:
        return None


def boot_words() -> tuple[int, int]:
    """Identify this boot of the machine: what was mapped may not have reached the disk before the last one ended.

    Raises OSError where the kernel does not say, ValueError where it says something else.
    """
    number = UUID(BOOT_ID.read_text("ascii").strip()).int
    return number >> 64, number & 0xFFFF_FFFF_FFFF_FFFF


def want_huge_pages(mapped: mmap) -> None:
    """Ask that what is read in for a map comes in huge pages. Kernels without such pages for files change nothing."""
    with suppress(OSError):
        mapped.madvise(MADV_HUGEPAGE)


def words_of(mapped: mmap) -> memoryview:
    """View a map of the slots' file as words. Raises HotTableUnusable when it has no whole header."""
    if len(mapped) < HEADER_OCTETS or len(mapped) % SLOT_OCTETS:
        raise HotTableUnusable("it is cut short")
    return memoryview(mapped).cast("Q")


def check_header(words: memoryview, slots_inode: int, data_inode: int) -> int:
    """Return the number of slots of a table that is what its header says, of this boot. Raises HotTableUnusable."""
    if (words[Word.MAGIC], words[Word.FORMAT]) != (MAGIC, FORMAT):
        raise HotTableUnusable("it is not a hot table of this version")
    if (words[Word.BOOT_HIGH], words[Word.BOOT_LOW]) != boot_words():
        raise HotTableUnusable("it was written before the machine was started")
    if (words[Word.SLOTS_INODE], words[Word.DATA_INODE]) != (slots_inode, data_inode):
        raise HotTableUnusable("its files are copies")
    count: int = words[Word.SLOTS]
    if not 0 < count <= SLOTS_MAX or count & (count - 1) or words.nbytes != HEADER_OCTETS + count * SLOT_OCTETS:
        raise HotTableUnusable("it is not as long as it says")
    return count


def entry_of(key: bytes, record: bytes) -> bytes | None:
    """Return the entry for an intact rendered record, or None for one that is looked at more closely: not in the table.

    In the table are active records with public values, short enough never to be compressed.
    """
    flags, json_octets, etag = LANE_HEAD.unpack_from(record)
    if flags & FLAG_WITHDRAWN or not _NOTHING_OCTETS < json_octets <= GZIP_OCTETS_MIN:
        return None
    wire = counted_wire(record)
    if flags & FLAG_RESTRICTED:
        wire = public_wire(wire)
        wire = bytes((wire[0] | RESTRICTED_BIT,)) + wire[1:]
    if len(wire) > _WIRE_OCTETS_MAX:
        return None
    # What is folded in a name that the lane takes is ASCII: the name asked for is as long as the key is.
    front, behind = found_parts(len(key) - _SCHEME_OCTETS, etag, record[JSON_AT : JSON_AT + json_octets])
    checked = b"".join((_checked_head(len(key), len(front), len(behind), len(wire)), key, front, behind))
    checksum, wire_checksum = xxh3_64_intdigest(checked), xxh3_64_intdigest(wire, xxh3_64_intdigest(key))
    return b"".join((WORD.pack(checksum), checked, WORD.pack(wire_checksum), wire))


def without_mark(wire: bytes) -> bytes:
    """Return counted wire values as they are sent, without the mark of a record that has others."""
    return bytes((wire[0] & ~RESTRICTED_BIT,)) + wire[1:]


def entry_octets(head: bytes) -> tuple[int, int]:
    """Return the octets of a whole entry and of its key, from its head."""
    _, key_octets, front_octets, behind_octets, wire_octets = ENTRY_HEAD.unpack_from(head)
    return ENTRY_HEAD.size + key_octets + front_octets + behind_octets + WORD.size + wire_octets, key_octets
