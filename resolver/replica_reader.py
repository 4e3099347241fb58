"""Reading the replica: short transactions, a small cache of the prefix table, and following the current generation."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, cast

import lmdb
import msgspec

from identifiers.changes import CredentialState, Cursor, GrantState, IdentityState, PrefixState
from resolver.environment import ReplicaDamaged, ReplicaMissing, close_environment, open_environment
from resolver.hot_table_reader import HotTableReader
from resolver.replica import (
    CREDENTIALS,
    CURSOR,
    DAMAGE_MARKER,
    GRANTS,
    IDENTITIES,
    META,
    PREFIXES,
    RECORDS,
    SCHEMA,
    current_generation,
    grant_storage_key,
)

PREFIX_CACHE_MAX = 100_000
PREFIX_OCTETS_MAX = 64
"""National prefixes are no longer, so that a key made of one and a plain suffix is never hashed."""
_MAP_OCTETS = 1 << 20

_prefix_state = msgspec.json.Decoder(PrefixState)
_credential_state = msgspec.json.Decoder(CredentialState)
_identity_state = msgspec.json.Decoder(IdentityState)
_grant_state = msgspec.json.Decoder(GrantState)
_DATABASES = (RECORDS, PREFIXES, CREDENTIALS, IDENTITIES, GRANTS, META)


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
            databases = [environment.open_db(name, create=False) for name in _DATABASES]
            with environment.begin() as transaction:
                schema = transaction.get(b"schema", b"", db=databases[-1])
        except lmdb.Error as error:
            close_environment(generation)
            raise ReplicaDamaged(f"{generation} cannot be read: {error}") from error
        if schema != SCHEMA:
            close_environment(generation)
            raise ReplicaDamaged(f"{generation} has another schema than this version reads")
        self._environment = environment
        self._generation = generation
        self._publication = publication
        self.hot_table = HotTableReader(generation)
        self.records, self._prefix_db, self._credential_db, self._identity_db, self._grant_db, self._meta = databases
        self._forget_prefixes()

    def _forget_prefixes(self) -> None:
        self._prefixes = {}
        self.hosted = {}
        self._prefix_version = b""
        self._seen_transaction = -1

    def refresh(self) -> bool:
        """Move to the current generation if another one has become current. Raises as opening does."""
        if _publication(self._directory) == self._publication:
            self.hot_table.look()
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
        """Return the prefix as registered here, from a cache that any change of the prefix table empties.

        One that is only applied for is none.
        """
        try:
            return self._prefixes[text]
        except KeyError:
            pass
        found = transaction.get(text.encode(), None, self._prefix_db)
        state = None if found is None else _prefix_state.decode(found)
        if state is not None and not state.exists:
            state = None
        if len(self._prefixes) >= PREFIX_CACHE_MAX:
            self._prefixes = {}
        self._prefixes[text] = state
        return state

    def find_hosted(self, transaction: "lmdb.Transaction", octets: bytes) -> Hosted | None:
        """Fill `hosted`, the lane's own small table by the prefix's octets, for prefixes that resolve and are here."""
        if not octets.isascii() or (state := self.prefix(transaction, octets.decode("ascii"))) is None:
            return None
        if not state.resolves or state.hosting != "here" or len(octets) > PREFIX_OCTETS_MAX:
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

    def identity(self, account: str) -> IdentityState | None:
        """Return the account with this id, or None."""
        transaction = self.begin()
        try:
            found = transaction.get(account.encode(), None, self._identity_db)
            return None if found is None else _identity_state.decode(found)
        finally:
            transaction.abort()

    def grants(self, subjects: Iterable[str], objects: Sequence[str]) -> list[GrantState]:
        """Return what is granted to any of the subjects (ids) on any of the objects (record keys, template codes)."""
        states: list[GrantState] = []
        transaction = self.begin()
        try:
            for subject in subjects:
                for object_ in objects:
                    found = transaction.get(grant_storage_key(subject, object_), None, self._grant_db)
                    if found is not None and (state := _grant_state.decode(found)).object == object_:
                        states.append(state)
        finally:
            transaction.abort()
        return states

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
        """Release the maps."""
        self.hot_table.close()
        close_environment(self._generation)


def _publication(directory: Path) -> tuple[int, int]:
    """Identify the link to the current generation: one rebuilt after all was deleted may have the old one's name."""
    try:
        link = (directory / "current").lstat()
    except OSError as error:
        raise ReplicaMissing(f"no replica in {directory}") from error
    return link.st_ino, link.st_mtime_ns
