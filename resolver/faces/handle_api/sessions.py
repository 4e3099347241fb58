"""HTTP sessions: shared by the workers of a node, so that it does not matter which of them a client reaches next.

They stand in a small LMDB file below the run directory, named after the boot: nothing is synced to disk, so nothing is
believed after a crash of the machine. What is kept is the SHA-256 of an id, never the id. A session is bound to no
address; whoever knows the id has it (Handle over HTTP, 8).
"""

import hashlib
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import lmdb
import msgspec

from identifiers.values import Reference

ID_OCTETS: Final = 24
NONCE_OCTETS: Final = 16
TOUCH_S: Final = 5
"""A use within this time of the one before is not written down."""

_MAP_OCTETS: Final = 256 << 20
_READERS_MAX: Final = 512
_SWEPT_MAX: Final = 32
"""Expired sessions removed whenever one is made."""
_BARE, _ANONYMOUS, _AUTHENTICATED = b"\0", b"\1", b"\2"
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class SessionsUnavailable(Exception):  # noqa: N818 - a state of the world, answered with 503
    """The file cannot be read or written: the disk is full, perhaps."""


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How many sessions there may be, and how long they last without use, in seconds."""

    total: int = 20_000
    per_address: int = 200
    idle_s: int = 1_800
    bare_idle_s: int = 300
    """Of sessions that a bare 401 opened and nobody has used."""


class _State(msgspec.Struct, array_like=True):
    nonce: bytes
    address: str
    deadline: int
    bare: bool = False
    user: Reference | None = None
    proof: bytes = b""


@dataclass(frozen=True, slots=True)
class Session:
    """A session as one request sees it. `proof` is the digest of the authentication it was last given."""

    id: str = field(repr=False)
    nonce: bytes
    user: Reference | None = None
    proof: bytes = b""


class Sessions:
    """The sessions of a node. Instants are whole seconds since 1970. Blocking, for some tens of microseconds.

    Everything may raise SessionsUnavailable.
    """

    def __init__(self, directory: Path, limits: SessionLimits | None = None) -> None:
        """Open or make the file. Raises lmdb.Error and OSError."""
        self._limits = limits or SessionLimits()
        self._place = directory / _boot()
        self._environment = _open(self._place)
        self._states = self._environment.open_db(b"states")
        self._queue = self._environment.open_db(b"queue")
        self._addresses = self._environment.open_db(b"addresses", dupsort=True)

    def close(self) -> None:
        """Release the file."""
        _release(self._place)

    def __len__(self) -> int:
        with self._transaction() as transaction:
            count: int = transaction.stat(self._states)["entries"]
        return count

    def open(self, address: str, now_s: int, *, bare: bool = False) -> Session:
        """Make a session. `bare`: for a challenge that nobody may ever answer.

        Where there are too many, others go: of the same address or of all, unauthenticated ones first, and of these
        the one that would have expired first.
        """
        session = Session(secrets.token_urlsafe(ID_OCTETS), secrets.token_bytes(NONCE_OCTETS))
        life = self._limits.bare_idle_s if bare else self._limits.idle_s
        with self._transaction(write=True) as transaction:
            self._sweep(transaction, now_s)
            self._make_room(transaction, address)
            self._put(transaction, _key(session.id), _State(session.nonce, address, now_s + life, bare))
        return session

    def find(self, session_id: str, now_s: int) -> Session | None:
        """Return a session that has not expired, and note its use."""
        key = _key(session_id)
        with self._transaction() as transaction:
            state = self._get(transaction, key)
        if state is None or state.deadline <= now_s:
            return None
        if state.bare or state.deadline - now_s < self._limits.idle_s - TOUCH_S:
            self._change(key, now_s)
        return Session(session_id, state.nonce, state.user, state.proof)

    def authenticate(self, session_id: str, user: Reference, proof: bytes, now_s: int) -> None:
        """Let requests in a session be a user's from now on; one that has ended meanwhile stays ended."""
        self._change(_key(session_id), now_s, user=user, proof=proof)

    def end(self, session_id: str) -> None:
        """Forget a session."""
        key = _key(session_id)
        with self._transaction(write=True) as transaction:
            state = self._get(transaction, key)
            if state is not None:
                self._remove(transaction, key, state)

    @contextmanager
    def _transaction(self, *, write: bool = False) -> Iterator["lmdb.Transaction"]:
        try:
            with self._environment.begin(write=write) as transaction:
                yield transaction
        except lmdb.Error as error:
            raise SessionsUnavailable(f"sessions cannot be kept: {error}") from error

    def _change(self, key: bytes, now_s: int, *, user: Reference | None = None, proof: bytes = b"") -> None:
        with self._transaction(write=True) as transaction:
            state = self._get(transaction, key)
            if state is None:
                return
            self._remove(transaction, key, state)
            state.bare = False
            state.deadline = now_s + self._limits.idle_s
            if user is not None:
                state.user, state.proof = user, proof
            self._put(transaction, key, state)

    def _sweep(self, transaction: "lmdb.Transaction", now_s: int) -> None:
        for kind in (_BARE, _ANONYMOUS, _AUTHENTICATED):
            late: list[bytes] = []
            cursor = transaction.cursor(self._queue)
            if cursor.set_range(kind):
                for place in cursor.iternext(keys=True, values=False):
                    if place[:1] != kind or int.from_bytes(place[1:9], "big") > now_s or len(late) >= _SWEPT_MAX:
                        break
                    late.append(bytes(place[9:]))
            self._drop(transaction, late)

    def _make_room(self, transaction: "lmdb.Transaction", address: str) -> None:
        if transaction.stat(self._states)["entries"] >= self._limits.total:
            cursor = transaction.cursor(self._queue)
            if cursor.first():
                self._drop(transaction, [bytes(cursor.key()[9:])])
        own = list(self._of_address(transaction, address))
        if len(own) >= self._limits.per_address:
            self._drop(transaction, [min(own)[1]])

    def _of_address(self, transaction: "lmdb.Transaction", address: str) -> Iterator[tuple[bytes, bytes]]:
        """Yield the place in the queue and the key of each session that an address opened."""
        cursor = transaction.cursor(self._addresses)
        if cursor.set_key(address.encode()):
            for key in cursor.iternext_dup():
                state = self._get(transaction, bytes(key))
                if state is not None:
                    yield _place(state, bytes(key)), bytes(key)

    def _drop(self, transaction: "lmdb.Transaction", keys: list[bytes]) -> None:
        for key in keys:
            state = self._get(transaction, key)
            if state is not None:
                self._remove(transaction, key, state)

    def _get(self, transaction: "lmdb.Transaction", key: bytes) -> _State | None:
        found = transaction.get(key, None, self._states)
        return None if found is None else _decode(found)

    def _put(self, transaction: "lmdb.Transaction", key: bytes, state: _State) -> None:
        transaction.put(key, _encode(state), db=self._states)
        transaction.put(_place(state, key), b"", db=self._queue)
        transaction.put(state.address.encode(), key, db=self._addresses)

    def _remove(self, transaction: "lmdb.Transaction", key: bytes, state: _State) -> None:
        transaction.delete(key, db=self._states)
        transaction.delete(_place(state, key), db=self._queue)
        transaction.delete(state.address.encode(), key, db=self._addresses)


@contextmanager
def opened(directory: Path, limits: SessionLimits | None = None) -> Iterator[Sessions]:
    """Open the sessions for a block."""
    sessions = Sessions(directory, limits)
    try:
        yield sessions
    finally:
        sessions.close()


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_State).decode
# LMDB's locks belong to the process, so one file must not be opened twice in it.
_environments: dict[Path, tuple["lmdb.Environment", int]] = {}


def _open(place: Path) -> "lmdb.Environment":
    environment, users = _environments.get(place, (None, 0))
    if environment is None:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        for other in place.parent.iterdir():
            if other != place:
                shutil.rmtree(other, ignore_errors=True)
        environment = lmdb.open(
            str(place),
            map_size=_MAP_OCTETS,
            max_dbs=3,
            max_readers=_READERS_MAX,
            sync=False,
            metasync=False,
            mode=0o600,
        )
    _environments[place] = (environment, users + 1)
    return environment


def _release(place: Path) -> None:
    environment, users = _environments[place]
    if users > 1:
        _environments[place] = (environment, users - 1)
    else:
        del _environments[place]
        environment.close()


def _boot() -> str:
    """Name this boot of the machine; where the kernel does not tell, all boots are one."""
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:
        return "boot"


def _key(session_id: str) -> bytes:
    return hashlib.sha256(session_id.encode("utf-8", "surrogateescape")).digest()


def _place(state: _State, key: bytes) -> bytes:
    """Return where a session stands in the queue of those to drop: anonymous before authenticated, oldest first."""
    kind = _AUTHENTICATED if state.user is not None else _BARE if state.bare else _ANONYMOUS
    return kind + state.deadline.to_bytes(8, "big") + key
