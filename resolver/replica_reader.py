"""Reading the replica: short transactions, a small cache of the prefix table, and following the current generation."""

from pathlib import Path
from typing import NamedTuple, cast

import lmdb
import msgspec

from identifiers.changes import CredentialState, Cursor, PrefixState
from resolver.environment import ReplicaDamaged, ReplicaMissing, close_environment, open_environment
from resolver.replica import (
    CREDENTIALS,
    CURSOR,
    DAMAGE_MARKER,
    META,
    PREFIXES,
    RECORDS,
    SCHEMA,
    current_generation,
)

PREFIX_CACHE_MAX = 100_000
PREFIX_OCTETS_MAX = 64
"""National prefixes are no longer, so that a key made of one and a plain suffix is never hashed."""
_MAP_OCTETS = 1 << 20

_prefix_state = msgspec.json.Decoder(PrefixState)
_credential_state = msgspec.json.Decoder(CredentialState)


class Hosted(NamedTuple):
    """What the fast lane needs of a prefix hosted here."""

    prefix: str
    key_head: bytes
    fold: bool


class ReplicaReader:
    """One process's view of the replica. For use on one thread; a transaction is open only while one answer is made."""

    def __init__(self, directory: Path) -> None:
        """Open the current generation. Raises ReplicaMissing or ReplicaDamaged."""
        self._directory = directory
        self._prefixes: dict[str, PrefixState | None] = {}
        self.hosted: dict[bytes, Hosted] = {}
        self._prefix_version: object = b""
        self._seen_transaction = -1
        self._open()

    def _open(self) -> None:
        publication = _publication(self._directory)
        generation = current_generation(self._directory)
        environment = open_environment(generation, _MAP_OCTETS, readonly=True)
        try:
            databases = [environment.open_db(name, create=False) for name in (RECORDS, PREFIXES, CREDENTIALS, META)]
            with environment.begin() as transaction:
                schema = transaction.get(b"schema", b"", db=databases[3])
        except lmdb.Error as error:
            close_environment(generation)
            raise ReplicaDamaged(f"{generation} cannot be read: {error}") from error
        if schema != SCHEMA:
            close_environment(generation)
            raise ReplicaDamaged(f"{generation} has another schema than this version reads")
        self._environment = environment
        self._generation = generation
        self._publication = publication
        self.records, self._prefix_db, self._credential_db, self._meta = databases
        self._forget_prefixes()

    def _forget_prefixes(self) -> None:
        self._prefixes = {}
        self.hosted = {}
        self._prefix_version = b""
        self._seen_transaction = -1

    def refresh(self) -> bool:
        """Move to the current generation if another one has become current. Raises as opening does."""
        if _publication(self._directory) == self._publication:
            return False
        old = self._generation
        if current_generation(self._directory) == old:
            close_environment(old)  # the name again, another file: both may not be open at once
            self._open()
        else:
            self._open()
            close_environment(old)
        return True

    def _begin(self) -> "lmdb.Transaction":
        try:
            return self._environment.begin()
        except lmdb.MapResizedError:
            self._environment.set_mapsize(0)  # the writer grew the map: take its size over
            return self._environment.begin()

    def begin(self) -> "lmdb.Transaction":
        """Begin a read transaction; also notices a changed prefix table. End it with `abort()`."""
        transaction = self._begin()
        number = transaction.id()
        if number != self._seen_transaction:
            self._notice_prefix_table(transaction, number)
        return transaction

    def _notice_prefix_table(self, transaction: "lmdb.Transaction", number: int) -> None:
        version = transaction.get(b"prefixes", b"", db=self._meta)
        if version != self._prefix_version:
            self._forget_prefixes()
            self._prefix_version = version
        self._seen_transaction = number

    def record(self, transaction: "lmdb.Transaction", key: bytes) -> bytes | None:
        """Return the octets stored under a storage key."""
        return cast("bytes | None", transaction.get(key, None, self.records))  # not a view: buffers are off

    def prefix(self, transaction: "lmdb.Transaction", text: str) -> PrefixState | None:
        """Return the prefix as registered here, from a cache that any change of the prefix table empties."""
        try:
            return self._prefixes[text]
        except KeyError:
            pass
        found = transaction.get(text.encode(), None, self._prefix_db)
        state = None if found is None else _prefix_state.decode(found)
        if len(self._prefixes) >= PREFIX_CACHE_MAX:
            self._prefixes = {}
        self._prefixes[text] = state
        return state

    def find_hosted(self, transaction: "lmdb.Transaction", octets: bytes) -> Hosted | None:
        """Fill `hosted`, the lane's own small table by the prefix's octets, for prefixes that are hosted here."""
        if not octets.isascii() or (state := self.prefix(transaction, octets.decode("ascii"))) is None:
            return None
        if state.hosting != "here" or len(octets) > PREFIX_OCTETS_MAX:
            return None
        if len(self.hosted) >= PREFIX_CACHE_MAX:
            self.hosted = {}
        hosted = self.hosted[octets] = Hosted(state.prefix, b"hdl:" + octets + b"/", not state.exact_case)
        return hosted

    def credential(self, token_sha256: str) -> CredentialState | None:
        """Return the credential with this token digest (hex), or None."""
        transaction = self.begin()
        try:
            found = transaction.get(token_sha256.encode(), None, self._credential_db)
            return None if found is None else _credential_state.decode(found)
        finally:
            transaction.abort()

    def _meta_value(self, name: bytes) -> bytes:
        transaction = self._begin()
        try:
            return bytes(transaction.get(name, b"", db=self._meta))
        finally:
            transaction.abort()

    def cursor(self) -> Cursor:
        """Return the journal position this replica has reached."""
        octets = self._meta_value(b"cursor")
        return Cursor(*CURSOR.unpack(octets)) if octets else Cursor(0, 0)

    def record_count(self) -> int:
        """How many records there are, withdrawn ones too."""
        transaction = self._begin()
        try:
            count: int = transaction.stat(self.records)["entries"]
            return count
        finally:
            transaction.abort()

    def report_damage(self, reason: str) -> None:
        """Leave the marker that makes the follower rebuild the replica."""
        (self._directory / DAMAGE_MARKER).write_text(reason[:500])

    def close(self) -> None:
        """Release the map."""
        close_environment(self._generation)


def _publication(directory: Path) -> tuple[int, int]:
    """Identify the link to the current generation: one rebuilt after all was deleted may have the old one's name."""
    try:
        link = (directory / "current").lstat()
    except OSError as error:
        raise ReplicaMissing(f"no replica in {directory}") from error
    return link.st_ino, link.st_mtime_ns
