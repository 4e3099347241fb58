"""Messages in datagrams: cutting, and putting together again (handle wire 19.3).

State machines without sockets; the clock's value comes in with each datagram.
"""

from collections.abc import Hashable
from typing import Final

import msgspec

from identifiers.handle_wire.codes import TRUNCATED, ResponseCode
from identifiers.handle_wire.envelope import (
    ENVELOPE_OCTETS,
    Envelope,
    check_envelope,
    encode_envelope,
    parse_envelope,
)
from identifiers.handle_wire.header import HEADER_OCTETS
from identifiers.handle_wire.tcp import Framed, Refused
from identifiers.octets import WireError

DATAGRAM_OCTETS_MAX: Final = 512
PART_OCTETS_MAX: Final = DATAGRAM_OCTETS_MAX - ENVELOPE_OCTETS
DATAGRAM_OCTETS_MIN: Final = ENVELOPE_OCTETS + HEADER_OCTETS

Key = tuple[Hashable, int, int]


class ReassemblyLimits(msgspec.Struct, frozen=True):
    """What may be kept of unfinished messages; the oldest are dropped first."""

    seconds: float = 5.0
    message_octets: int = 16_384
    per_address: int = 8
    messages: int = 1_024
    octets: int = 4 * 1_048_576


class _Unfinished:
    __slots__ = ("deadline", "envelope", "missing", "octets", "seen")

    def __init__(self, envelope: Envelope, deadline: float) -> None:
        self.envelope = envelope
        self.deadline = deadline
        self.octets = bytearray(envelope.length)
        self.seen: set[int] = set()
        self.missing = -(-envelope.length // PART_OCTETS_MAX)


class Reassembler:
    """Puts messages of several datagrams together, in any order; duplicates are ignored.

    ``answers`` True is the client's side: response codes are expected. On the server's side a message with a response
    code is dropped, because answering it could go on for ever.
    """

    __slots__ = ("_answers", "_kept_octets", "_limits", "_per_address", "_unfinished")

    def __init__(self, limits: ReassemblyLimits | None = None, *, answers: bool = False) -> None:
        self._limits = limits or ReassemblyLimits()
        self._answers = answers
        self._unfinished: dict[Key, _Unfinished] = {}  # in the order of their deadlines
        self._per_address: dict[Hashable, int] = {}
        self._kept_octets = 0

    def __len__(self) -> int:
        return len(self._unfinished)

    def feed(self, address: Hashable, datagram: bytes, now_s: float) -> Framed | Refused | None:
        """Return the message this datagram completes, a refusal to be answered, or None: wait, or drop.

        ``address`` is the peer's address with its port (and host alone as its first item, to count by); ``now_s`` the
        monotonic clock.
        """
        if self._unfinished:
            self._forget_late(now_s)
        try:
            envelope = parse_envelope(datagram)
        except WireError:
            return None
        part = datagram[ENVELOPE_OCTETS:]
        known = (address, envelope.request_id, envelope.session_id) in self._unfinished
        if len(datagram) < DATAGRAM_OCTETS_MIN and not known:
            return None
        if (refused := self._refusal(envelope, part)) is not None:
            return None if self._is_answer(envelope, part) else refused
        if not known and envelope.sequence == 0 and len(part) >= envelope.length:
            whole = Framed(envelope, part[: envelope.length])
            return None if self._is_answer(envelope, part) else whole
        return self._add(address, envelope, part, now_s)

    def _refusal(self, envelope: Envelope, part: bytes) -> Refused | None:
        try:
            check_envelope(envelope)
        except WireError as error:
            return Refused(envelope, error, closes=False) if envelope.sequence == 0 else None
        if envelope.length > self._limits.message_octets and envelope.length > len(part):
            too_long = WireError("the message is too long for UDP: use TCP", 16, ResponseCode.ERROR)
            return Refused(envelope, too_long, closes=False) if envelope.sequence == 0 else None
        return None

    def _is_answer(self, envelope: Envelope, part: bytes) -> bool:
        return not self._answers and not envelope.is_encrypted and envelope.sequence == 0 and any(part[4:8])

    def _add(self, address: Hashable, envelope: Envelope, part: bytes, now_s: float) -> Framed | None:
        start = PART_OCTETS_MAX * envelope.sequence
        size = min(PART_OCTETS_MAX, envelope.length - start)
        if envelope.length > self._limits.message_octets or size <= 0 or len(part) < size:
            return None
        key = (address, envelope.request_id, envelope.session_id)
        unfinished = self._unfinished.get(key)
        if unfinished is None:
            if self._is_answer(envelope, part):
                return None
            unfinished = self._begin(key, envelope, now_s)
        if unfinished.envelope.length != envelope.length or envelope.sequence in unfinished.seen:
            return None
        unfinished.octets[start : start + size] = part[:size]
        unfinished.seen.add(envelope.sequence)
        unfinished.missing -= 1
        if unfinished.missing:
            return None
        self._forget(key)
        whole = bytes(unfinished.octets)
        first = unfinished.envelope._replace(sequence=0, flags=unfinished.envelope.flags & ~TRUNCATED)
        return None if self._is_answer(first, whole) else Framed(first, whole)

    def _begin(self, key: Key, envelope: Envelope, now_s: float) -> _Unfinished:
        limits = self._limits
        host = _host(key[0])
        if self._per_address.get(host, 0) >= limits.per_address:
            self._forget(next(other for other in self._unfinished if _host(other[0]) == host))
        while self._unfinished and (
            len(self._unfinished) >= limits.messages or self._kept_octets + envelope.length > limits.octets
        ):
            self._forget(next(iter(self._unfinished)))
        unfinished = _Unfinished(envelope, now_s + limits.seconds)
        self._unfinished[key] = unfinished
        self._per_address[host] = self._per_address.get(host, 0) + 1
        self._kept_octets += envelope.length
        return unfinished

    def _forget_late(self, now_s: float) -> None:
        while self._unfinished:
            key, oldest = next(iter(self._unfinished.items()))
            if oldest.deadline > now_s:
                return
            self._forget(key)

    def _forget(self, key: Key) -> None:
        self._kept_octets -= self._unfinished.pop(key).envelope.length
        host = _host(key[0])
        if self._per_address[host] == 1:
            del self._per_address[host]
        else:
            self._per_address[host] -= 1


def packets(message: bytes) -> list[bytes]:
    """Cut a whole message, envelope first, into datagrams of at most 512 octets; several of them say so (TRUNCATED)."""
    if len(message) <= DATAGRAM_OCTETS_MAX:
        return [message]
    envelope = parse_envelope(message)
    envelope = envelope._replace(flags=envelope.flags | TRUNCATED)
    starts = range(ENVELOPE_OCTETS, len(message), PART_OCTETS_MAX)
    return [
        encode_envelope(envelope._replace(sequence=sequence)) + message[start : start + PART_OCTETS_MAX]
        for sequence, start in enumerate(starts)
    ]


def _host(address: Hashable) -> Hashable:
    return address[0] if isinstance(address, tuple) and address else address
