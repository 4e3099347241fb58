"""Entries by number that all workers of this host share, each with an end, and bounded in every way.

A client may answer a challenge, or go on in a session, on any connection, and so with any worker. What they share lies
in one LMDB environment in the node's run directory, of this user alone; nothing of it outlives the node. A write takes
some microseconds: it is not synchronised to the disk.
"""

import ipaddress
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import lmdb

MAP_OCTETS: Final = 2**28
SWEEP_MAX: Final = 64
"""Entries past their end that one write removes."""
_HEAD: Final = struct.Struct(">QQ16s")  # end and last use in milliseconds, address
_TIMED: Final = struct.Struct(">QI")
_PLACED: Final = struct.Struct(">16sQI")
_NUMBER: Final = struct.Struct(">I")
_OCTETS: Final = b"octets"
_ADDRESS_OCTETS: Final = 16
_TABLES_MAX: Final = 8
_DATABASES_EACH: Final = 5
_PROCESSES_MAX: Final = 512


class Full(Exception):  # noqa: N818 - a state of the world, answered with SERVER_TOO_BUSY
    """There is no room, and nothing that may be dropped."""


class SharedState:
    """The environment. One for each process; its path is opened once."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._environment = lmdb.open(
            str(directory),
            map_size=MAP_OCTETS,
            max_dbs=_TABLES_MAX * _DATABASES_EACH,
            max_readers=_PROCESSES_MAX,
            mode=0o600,
            sync=False,
            metasync=False,
        )
        self._environment.reader_check()  # of workers that were killed

    def table(self, name: str, limits: "TableLimits") -> "SharedTable":
        """Return a table of this environment."""
        return SharedTable(self._environment, name, limits)

    def close(self) -> None:
        """Release the map."""
        self._environment.close()


class TableLimits:
    """The most entries, octets of them, and entries of one address. `drops`: a full table drops what rested longest."""

    def __init__(
        self, entries: int, *, per_address: int | None = None, octets: int = 2**26, drops: bool = True
    ) -> None:
        self.entries = entries
        self.per_address = per_address
        self.octets = octets
        self.drops = drops


class SharedTable:
    """One table. Times are milliseconds since 1970, handed in."""

    def __init__(self, environment: "lmdb.Environment", name: str, limits: TableLimits) -> None:
        self._environment = environment
        self._limits = limits
        key = name.encode()
        self._entries = environment.open_db(key)
        self._ends = environment.open_db(key + b".ends")
        self._uses = environment.open_db(key + b".uses")
        self._places = environment.open_db(key + b".places")
        self._sums = environment.open_db(key + b".sums")

    def get(self, number: int, now_ms: int) -> bytes | None:
        """Return an entry that has not ended."""
        with self._environment.begin() as transaction:
            found = transaction.get(_NUMBER.pack(number), db=self._entries)
        if found is None or _HEAD.unpack_from(found)[0] <= now_ms:
            return None
        return bytes(found[_HEAD.size :])

    def put(self, number: int, octets: bytes, *, address: str, now_ms: int, until_ms: int) -> None:
        """Put an entry, in the place of one with the same number. Raises Full."""
        with self._writing() as transaction:
            self._sweep(transaction, now_ms)
            self._remove(transaction, number)
            place = packed_address(address)
            self._make_room(transaction, place, len(octets))
            self._add(transaction, number, octets, (until_ms, now_ms, place))

    def add(self, number: int, octets: bytes, *, address: str, now_ms: int, until_ms: int) -> bool:
        """Put an entry unless there is one with the number; say whether it was put. Raises Full."""
        if self.get(number, now_ms) is not None:
            return False
        self.put(number, octets, address=address, now_ms=now_ms, until_ms=until_ms)
        return True

    @contextmanager
    def changing(self, number: int, now_ms: int) -> Iterator["Changing | None"]:
        """Give an entry to be changed before anyone else sees it; None if there is none, or it has ended."""
        with self._writing() as transaction:
            found = transaction.get(_NUMBER.pack(number), db=self._entries)
            if found is None or _HEAD.unpack_from(found)[0] <= now_ms:
                yield None
                return
            until_ms, used_ms, place = _HEAD.unpack_from(found)
            entry = Changing(bytes(found[_HEAD.size :]))
            yield entry
            if entry.octets is None:
                self._remove(transaction, number)
            elif entry.is_used or entry.until_ms is not None or len(entry.octets) != len(found) - _HEAD.size:
                self._remove(transaction, number)
                head = (entry.until_ms or until_ms, now_ms if entry.is_used else used_ms, place)
                self._add(transaction, number, entry.octets, head)
            else:
                transaction.put(_NUMBER.pack(number), bytes(found[: _HEAD.size]) + entry.octets, db=self._entries)

    def take(self, number: int, now_ms: int) -> bytes | None:
        """Remove an entry and return it; of those who ask at the same time, one gets it."""
        with self.changing(number, now_ms) as entry:
            if entry is None:
                return None
            octets, entry.octets = entry.octets, None
        return octets

    def remove(self, number: int) -> None:
        """Remove an entry, if it is there."""
        with self._writing() as transaction:
            self._remove(transaction, number)

    def __len__(self) -> int:
        with self._environment.begin() as transaction:
            return int(transaction.stat(self._entries)["entries"])

    @contextmanager
    def _writing(self) -> Iterator["lmdb.Transaction"]:
        try:
            with self._environment.begin(write=True) as transaction:
                yield transaction
        except lmdb.MapFullError as error:
            raise Full("the workers' shared state is full") from error

    def _add(self, transaction: "lmdb.Transaction", number: int, octets: bytes, head: tuple[int, int, bytes]) -> None:
        until_ms, used_ms, place = head
        transaction.put(_NUMBER.pack(number), _HEAD.pack(*head) + octets, db=self._entries)
        transaction.put(_TIMED.pack(until_ms, number), b"", db=self._ends)
        transaction.put(_TIMED.pack(used_ms, number), b"", db=self._uses)
        transaction.put(_PLACED.pack(place, used_ms, number), b"", db=self._places)
        self._count(transaction, len(octets))

    def _remove(self, transaction: "lmdb.Transaction", number: int) -> None:
        found = transaction.get(_NUMBER.pack(number), db=self._entries)
        if found is None:
            return
        until_ms, used_ms, place = _HEAD.unpack_from(found)
        transaction.delete(_NUMBER.pack(number), db=self._entries)
        transaction.delete(_TIMED.pack(until_ms, number), db=self._ends)
        transaction.delete(_TIMED.pack(used_ms, number), db=self._uses)
        transaction.delete(_PLACED.pack(place, used_ms, number), db=self._places)
        self._count(transaction, _HEAD.size - len(found))

    def _sweep(self, transaction: "lmdb.Transaction", now_ms: int) -> None:
        for _ in range(SWEEP_MAX):
            first = self._first(transaction, self._ends)
            if first is None or first[0] > now_ms:
                return
            self._remove(transaction, first[1])

    def _make_room(self, transaction: "lmdb.Transaction", place: bytes, octets: int) -> None:
        limits = self._limits
        if limits.per_address is not None:
            for number in self._of_place(transaction, place)[: -limits.per_address + 1 or None]:
                self._remove(transaction, number)
        while self._is_full(transaction, octets):
            first = self._first(transaction, self._uses)
            if first is None or not limits.drops:
                raise Full("too many entries")
            self._remove(transaction, first[1])

    def _is_full(self, transaction: "lmdb.Transaction", octets: int) -> bool:
        entries = transaction.stat(self._entries)["entries"]
        return bool(entries >= self._limits.entries or self._sum(transaction) + octets > self._limits.octets)

    def _of_place(self, transaction: "lmdb.Transaction", place: bytes) -> list[int]:
        """Return the numbers of an address's entries, that used longest ago first."""
        numbers = []
        with transaction.cursor(db=self._places) as cursor:
            found = cursor.set_range(place)
            while found and bytes(cursor.key()).startswith(place):
                numbers.append(_PLACED.unpack(cursor.key())[2])
                found = cursor.next()
        return numbers

    def _first(self, transaction: "lmdb.Transaction", database: Any) -> tuple[int, int] | None:
        with transaction.cursor(db=database) as cursor:
            return _TIMED.unpack(cursor.key()) if cursor.first() else None

    def _sum(self, transaction: "lmdb.Transaction") -> int:
        return int.from_bytes(transaction.get(_OCTETS, b"", db=self._sums), "big")

    def _count(self, transaction: "lmdb.Transaction", octets: int) -> None:
        total = max(0, self._sum(transaction) + octets)
        transaction.put(_OCTETS, total.to_bytes(8, "big"), db=self._sums)


class Changing:
    """An entry's octets while it is changed; None removes it. `is_used` moves it back in the order of dropping."""

    def __init__(self, octets: bytes) -> None:
        self.octets: bytes | None = octets
        self.is_used = False
        self.until_ms: int | None = None


def packed_address(address: str) -> bytes:
    """Return an address in 16 octets; something else for what is none."""
    try:
        return ipaddress.ip_address(address).packed.rjust(_ADDRESS_OCTETS, b"\0")
    except ValueError:
        return blake2b(address.encode(), digest_size=_ADDRESS_OCTETS).digest()
