"""The replica on disk: generations of an LMDB environment, and which of them is current.

    DIR/gen-1/       an LMDB environment: records, prefixes, credentials, identities, grants, meta
    DIR/current      a symbolic link to the generation that answers lookups
    DIR/gen-1/hot*   the hot table, which can be made from the records at any time
    DIR/damaged      left by a reader that met broken octets; the follower rebuilds

A rebuild fills a new generation beside the old one and then moves the link, so lookups go on throughout.
"""

import shutil
import struct
from bisect import bisect_right
from collections.abc import Generator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path

import lmdb
import msgspec

from identifiers.changes import (
    KIND_ALIAS,
    KIND_CREDENTIAL,
    KIND_GRANT,
    KIND_IDENTIFIER,
    KIND_IDENTITY,
    KIND_PREFIX,
    AliasState,
    Change,
    Cursor,
    IdentifierState,
)
from identifiers.identifier import storage_key
from resolver.environment import (
    MapLimits,
    ReplicaDamaged,
    ReplicaMissing,
    check_size,
    close_environment,
    create_environment,
    open_environment,
    warm,
)
from resolver.hot_table_writer import HotTableWriter, remove_hot_tables
from resolver.record import render, render_alias

SCHEMA = b"5"
RECORDS, PREFIXES, CREDENTIALS, META = b"records", b"prefixes", b"credentials", b"meta"
IDENTITIES, GRANTS = b"identities", b"grants"
_DATABASES = (RECORDS, PREFIXES, CREDENTIALS, IDENTITIES, GRANTS, META)
CURSOR = struct.Struct("<QQ")
_BY_KEY = itemgetter(1)
_KEY = itemgetter(0)
DAMAGE_MARKER = "damaged"


def current_generation(directory: Path) -> Path:
    """Return the generation that answers lookups now. Raises ReplicaMissing."""
    try:
        name = str((directory / "current").readlink())
    except OSError as error:
        raise ReplicaMissing(f"no replica in {directory}") from error
    return directory / name


class ReplicaWriter:
    """The one writer of a host's replica. `apply` is one transaction: all of the changes and the cursor, or nothing."""

    def __init__(self, environment: "lmdb.Environment", generation: Path, limits: MapLimits) -> None:
        self._environment = environment
        self._generation = generation
        self._limits = limits
        self._inode = (generation / "data.mdb").stat().st_ino
        self.hot_table: HotTableWriter | None = None
        self._databases = {name: environment.open_db(name) for name in _DATABASES}
        with environment.begin() as transaction:
            meta = self._databases[META]
            self.epoch = bytes(transaction.get(b"epoch", b"", db=meta)).decode()
            self.cursor = Cursor(*CURSOR.unpack(transaction.get(b"cursor", bytes(CURSOR.size), db=meta)))
            self._prefix_version = int(transaction.get(b"prefixes", b"0", db=meta))
            self._schema = bytes(transaction.get(b"schema", b"", db=meta))

    @classmethod
    def open_current(cls, directory: Path, limits: MapLimits | None = None) -> "ReplicaWriter":
        """Go on with the current generation. Raises ReplicaMissing or ReplicaDamaged."""
        limits = limits or MapLimits()
        generation = current_generation(directory)
        if (directory / DAMAGE_MARKER).exists():
            raise ReplicaDamaged((directory / DAMAGE_MARKER).read_text(errors="replace").strip())
        size = max(limits.initial_octets, (generation / "data.mdb").stat().st_size if generation.exists() else 0)
        environment = open_environment(generation, size, readonly=False)
        warm(generation)
        try:
            writer = cls(environment, generation, limits)
        except (lmdb.Error, struct.error, ValueError, OSError) as error:
            close_environment(generation)
            raise ReplicaDamaged(f"{generation} cannot be read: {error}") from error
        if writer._schema != SCHEMA:
            writer.close()
            raise ReplicaDamaged(f"{generation} has another schema than this version writes")
        return writer

    @classmethod
    def create_next(cls, directory: Path, epoch: str, limits: MapLimits | None = None) -> "ReplicaWriter":
        """Make an empty generation beside the current one. Half-built ones of an earlier attempt are removed."""
        limits = limits or MapLimits()
        directory.mkdir(parents=True, exist_ok=True)
        keep = _current_name(directory)
        numbers = [0]
        for path in directory.glob("gen-*"):
            numbers.append(int(path.name[4:]) if path.name[4:].isdigit() else 0)
            if path.name != keep:
                shutil.rmtree(path, ignore_errors=True)
        generation = directory / f"gen-{max(numbers) + 1}"
        generation.mkdir()
        environment = create_environment(generation, limits.initial_octets)
        meta = environment.open_db(META)
        with environment.begin(write=True) as transaction:
            transaction.put(b"schema", SCHEMA, db=meta)
            transaction.put(b"epoch", epoch.encode(), db=meta)
        return cls(environment, generation, limits)

    def publish(self) -> None:
        """Make this generation the current one and remove the others. Readers that have one open keep its pages."""
        directory = self._generation.parent
        self._environment.sync(True)  # noqa: FBT003 - the library's own positional flag
        link = directory / "current.new"
        link.unlink(missing_ok=True)
        link.symlink_to(self._generation.name)
        link.replace(directory / "current")
        (directory / DAMAGE_MARKER).unlink(missing_ok=True)
        for path in directory.glob("gen-*"):
            if path != self._generation:
                shutil.rmtree(path, ignore_errors=True)

    def apply(self, changes: Sequence[Change], cursor: Cursor | None = None) -> None:
        """Apply changes in order. `cursor` defaults to the last change's. Raises lmdb.Error with nothing applied.

        A full map is doubled up to its limit and the batch tried again.
        """
        # In the order of keys, changes of one key still in theirs: neighbours share pages.
        rendered = sorted([_rendered(change) for change in changes], key=_BY_KEY)
        records = {key: octets for name, key, octets in rendered if name == RECORDS}
        others = [one for one in rendered if one[0] and one[0] != RECORDS]
        reached = cursor or (changes[-1].cursor if changes else self.cursor)
        prefix_version = self._prefix_version + any(name == PREFIXES for name, _, _ in others)
        while True:
            try:
                self._write(records, others, reached, prefix_version)
            except lmdb.MapFullError:
                self._grow()
            else:
                self.cursor = reached
                self._prefix_version = prefix_version
                break
        if self.hot_table is not None:
            self.hot_table.applied(reached)

    def keep_hot_table(self, *, wanted: bool) -> None:
        """Keep a hot table beside a published generation from now on, or see that there is none.

        Call before anybody is told of `cursor`. Raises OSError when a table that readers may have mapped and that is
        not equal to this replica cannot be retired.
        """
        self._leave_hot_table()
        if wanted:
            self.hot_table = HotTableWriter.open(self._generation, self, self.cursor)
        else:
            remove_hot_tables(self._generation)

    def records_after(self, key: bytes) -> Generator[tuple[bytes, bytes], None, None]:
        """Yield key and octets of every record behind `key`, as of one moment. Close it when done."""
        with self._environment.begin() as transaction, transaction.cursor(db=self._databases[RECORDS]) as cursor:
            if cursor.set_range(key) if key else cursor.first():
                yield from (item for item in cursor.iternext() if item[0] != key)

    def _write(
        self, records: Mapping[bytes, bytes], others: list[tuple[bytes, bytes, bytes]], cursor: Cursor, prefixes: int
    ) -> None:
        databases = self._databases
        with self._environment.begin(write=True) as transaction:
            self._put_records(transaction, list(records.items()))
            for name, key, octets in others:
                if octets:
                    transaction.put(key, octets, db=databases[name])
                else:
                    transaction.delete(key, db=databases[name])
            transaction.put(b"cursor", CURSOR.pack(*cursor), db=databases[META])
            transaction.put(b"prefixes", b"%d" % prefixes, db=databases[META])
            if self.hot_table is not None:
                self.hot_table.prepare(records.items())  # while the commit waits for the disk

    def _put_records(self, transaction: lmdb.Transaction, ordered: list[tuple[bytes, bytes]]) -> None:
        with transaction.cursor(db=self._databases[RECORDS]) as cursor:
            last = bytes(cursor.key()) if cursor.last() else b""
            behind = bisect_right(ordered, last, key=_KEY)
            cursor.putmulti(ordered[:behind])
            # Appending fills pages to the brim, where ordinary insertion in order leaves them half empty.
            cursor.putmulti(ordered[behind:], append=True)

    def _grow(self) -> None:
        size = self._environment.info()["map_size"]
        if size >= self._limits.maximum_octets:
            limit = self._limits.maximum_octets
            raise ReplicaFull(f"the replica has reached its limit of {limit} octets: raise replica.map_max_octets")
        self._environment.set_mapsize(min(size * 2, self._limits.maximum_octets))

    def check_on_disk(self) -> None:
        """Raise when the files were removed, replaced or cut behind our back, or a reader reported damage."""
        directory = self._generation.parent
        if _current_name(directory) != self._generation.name:
            raise ReplicaMissing(f"{directory / 'current'} no longer points at this replica")
        try:
            inode = (self._generation / "data.mdb").stat().st_ino
        except OSError as error:
            raise ReplicaMissing(f"{self._generation} was removed") from error
        if inode != self._inode:
            raise ReplicaDamaged(f"{self._generation} was replaced by another file")
        check_size(self._environment, self._generation)
        marker = directory / DAMAGE_MARKER
        if marker.exists():
            raise ReplicaDamaged(marker.read_text(errors="replace").strip())

    def record_count(self) -> int:
        """How many records there are, withdrawn ones too."""
        with self._environment.begin() as transaction:
            count: int = transaction.stat(self._databases[RECORDS])["entries"]
            return count

    def close(self) -> None:
        """Release the maps."""
        self._leave_hot_table()
        close_environment(self._generation)

    def _leave_hot_table(self) -> None:
        if self.hot_table is not None:
            self.hot_table.close()
            self.hot_table = None


class ReplicaFull(Exception):  # noqa: N818 - a limit of the configuration
    """The map may not grow further."""


def _current_name(directory: Path) -> str | None:
    try:
        return str((directory / "current").readlink())
    except OSError:
        return None


def grant_storage_key(subject: str, object_: str) -> bytes:
    """Return the key that the grants between two ids are filed under; those on long names have to be compared."""
    return subject.encode() + b" " + storage_key(object_)


_identifier_state = msgspec.json.Decoder(IdentifierState)
_alias_state = msgspec.json.Decoder(AliasState)


def _rendered(change: Change) -> tuple[bytes, bytes, bytes]:
    """Database, key and octets of one change, none to delete; an empty database name for kinds no lookup needs."""
    if change.kind == KIND_IDENTIFIER:
        return RECORDS, storage_key(change.key), render(_identifier_state.decode(change.after))
    if change.kind == KIND_ALIAS:
        return RECORDS, storage_key(change.key), render_alias(_alias_state.decode(change.after))
    if change.kind == KIND_PREFIX:
        return PREFIXES, change.key.encode(), change.after
    if change.kind == KIND_CREDENTIAL:
        # One that ended is as good as unknown, and sessions are many.
        return CREDENTIALS, change.key.encode(), b"" if change.op == "withdraw" else change.after
    if change.kind == KIND_IDENTITY:
        return IDENTITIES, change.key.encode(), change.after
    if change.kind == KIND_GRANT:
        subject, _, object_ = change.key.partition(" ")
        return GRANTS, grant_storage_key(subject, object_), change.after
    return b"", b"", b""
