"""Sessions: their keys, whose they are, and which counters were seen, shared by all workers (handle wire 14)."""

import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec

from identifiers.handle_rights import folded_name
from identifiers.handle_wire.credential import MAC, Credential
from identifiers.handle_wire.message import Message
from identifiers.handle_wire.sessions import AESCipher, take_counter
from identifiers.handle_wire.signing import authenticated, is_authenticated
from identifiers.values import Reference
from resolver.handle.auth.limits import SESSION_ID_MAX, AuthLimits
from resolver.handle.auth.shared_table import Full, SharedState, SharedTable, TableLimits
from resolver.handle.exchange import Refused

_TRIES: Final = 8
_USED_EVERY_MS: Final = 60_000


class Session(msgspec.Struct, array_like=True):
    """One session. `identity` is the user it was set up for; `user` who has proved to be that one since.

    `highest` and `seen` are the counters taken: bit n of `seen` is the counter n below the highest. `sent` is our own.
    """

    key: bytes
    address: str
    ends_ms: int
    used_ms: int
    identity: Reference | None = None
    user: Reference | None = None
    highest: int = -1
    seen: bytes = b""
    sent: int = 0

    def __repr__(self) -> str:
        return f"Session({self.identity!r}, {self.user!r})"

    def takes(self, counter: int, window: int) -> bool:
        """Note a counter of the peer; False for one that was seen, or lies more than the window below the highest."""
        taken = take_counter(self.highest, int.from_bytes(self.seen, "big"), counter, window)
        if taken is None:
            return False
        self.highest, seen = taken
        self.seen = seen.to_bytes((window + 8) // 8, "big")
        return True


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Session).decode


class Sessions:
    """The sessions of this host. `clock` counts seconds since 1970.

    Those whose user has proved who it is lie in a table of their own, so that strangers who begin many push out only
    each other's.
    """

    def __init__(self, state: SharedState, clock: Callable[[], float], limits: AuthLimits | None = None) -> None:
        self._limits = limits or AuthLimits()
        half = TableLimits((self._limits.sessions + 1) // 2, per_address=self._limits.sessions_per_address)
        self._begun = state.table("sessions begun", half)
        self._proved = state.table("sessions", half)
        self._clock = clock

    def begin(self, key: bytes, *, identity: Reference | None, timeout_s: int, address: str) -> int:
        """Begin a session with the key agreed on, and return its id, which nobody can guess. Raises Refused (3)."""
        now_ms = self._now_ms()
        ends_ms = now_ms + 1_000 * (min(timeout_s, self._limits.session_s) or self._limits.session_s)
        octets = _encode(Session(key, address, ends_ms, now_ms, identity))
        until_ms = self._rests_until(ends_ms, now_ms)
        try:
            for _ in range(_TRIES):
                number = new_session_id()
                if self._proved.get(number, now_ms) is not None:
                    continue
                if self._begun.add(number, octets, address=address, now_ms=now_ms, until_ms=until_ms):
                    return number
        except Full:
            pass
        raise Refused(3, "Too many sessions")

    def get(self, number: int) -> Session | None:
        """Return a session that has neither ended nor rested for too long."""
        if not 0 < number <= SESSION_ID_MAX:
            return None
        now_ms = self._now_ms()
        found = self._proved.get(number, now_ms) or self._begun.get(number, now_ms)
        return None if found is None else _decode(found)

    def check(self, message: Message) -> None:
        """Check the MAC of a message, and take its counter. Raises Refused (500, 502, 505)."""
        credential, number = message.credential, message.envelope.session_id
        session = self.get(number)
        if session is None:
            raise Refused(500, "This session is unknown or has ended")
        if credential is None or credential.type != MAC or not is_authenticated(message, session.key):
            raise Refused(502, "The message does not belong to the session")
        now_ms = self._now_ms()
        with self._table_of(session).changing(number, now_ms) as entry:
            session = None if entry is None else _decode(entry.octets or b"")
            if entry is None or session is None:
                raise Refused(500, "This session has ended")
            if not session.takes(credential.counter, self._limits.session_window):
                raise Refused(505, "A message with this counter has come before")
            if now_ms - session.used_ms >= _USED_EVERY_MS:
                session.used_ms = now_ms
                entry.is_used, entry.until_ms = True, self._rests_until(session.ends_ms, now_ms)
            entry.octets = _encode(session)

    def authenticate(self, number: int, user: Reference, claimed: Reference) -> None:
        """Let a session be that user's from now on, if it was set up for it; else it stays nobody's.

        `claimed` is the user as the proof named it, whose index may be 0 where `user` has that of the key.
        """
        session = self.get(number)
        if session is None or session.identity is None or session.user is not None:
            return
        if not any(_is_same(session.identity, one) for one in (user, claimed)):
            return
        now_ms = self._now_ms()
        taken = self._begun.take(number, now_ms)  # with every counter that was noted until now
        if taken is not None:
            session = _decode(taken)
            session.user = user
            until_ms = self._rests_until(session.ends_ms, now_ms)
            with suppress(Full):
                octets = _encode(session)
                self._proved.put(number, octets, address=session.address, now_ms=now_ms, until_ms=until_ms)

    def mac(self, number: int, message: Message) -> Credential | None:
        """Return the credential of an answer, with our next counter; None if there is no such session."""
        found = self.get(number)
        if found is None:
            return None
        with self._table_of(found).changing(number, self._now_ms()) as entry:
            if entry is None:
                return None
            session = _decode(entry.octets or b"")
            session.sent += 1
            entry.octets = _encode(session)
        return authenticated(message, session.key, session.sent)

    def cipher(self, number: int) -> AESCipher | None:
        """Return what the session's messages are encrypted with; None if there is no such session."""
        session = self.get(number)
        return None if session is None else AESCipher(session.key, secrets.token_bytes)

    def end(self, number: int) -> None:
        """Forget a session and its key."""
        self._begun.remove(number)
        self._proved.remove(number)

    def _rests_until(self, ends_ms: int, now_ms: int) -> int:
        return min(ends_ms, now_ms + 1_000 * self._limits.session_idle_s)

    def _table_of(self, session: Session) -> SharedTable:
        return self._begun if session.user is None else self._proved

    def _now_ms(self) -> int:
        return int(self._clock() * 1_000)


def new_session_id() -> int:
    """Return a random id of the range that is ours to give (handle wire 14.1)."""
    return secrets.randbelow(SESSION_ID_MAX) + 1


def _is_same(one: Reference, other: Reference) -> bool:
    return one.index == other.index and folded_name(one.handle) == folded_name(other.handle)
