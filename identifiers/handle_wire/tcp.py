"""Messages on a stream: where each begins and ends, whatever slices the octets come in (handle wire 19.2).

A state machine without sockets and without a clock: octets in, messages and refusals out.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from identifiers.handle_wire.codes import KEEP_CONNECTION, MESSAGE_OCTETS_MAX, TRUNCATED
from identifiers.handle_wire.envelope import (
    ENVELOPE_OCTETS,
    Envelope,
    check_envelope,
    check_length,
    encode_envelope,
    parse_envelope,
)
from identifiers.octets import WireError

_BEGUN_OCTETS_MIN: Final = 4
_PART_OCTETS_USUAL: Final = MESSAGE_OCTETS_MAX - ENVELOPE_OCTETS


class Framed(NamedTuple):
    """A complete message part, perhaps encrypted, and its envelope."""

    envelope: Envelope
    part: bytes


class Refused(NamedTuple):
    """A message that is answered with ``error.rc``; with ``closes`` nothing after it can be read."""

    envelope: Envelope
    error: WireError
    closes: bool


class StreamFramer:
    """Cuts a stream into messages. At most one message and what came behind it are kept.

    ``feed`` everything that arrives and take ``events`` until there are none; those not taken stay, so that a reader
    with enough in hand can stop. After a refusal that closes, everything is ignored.
    """

    __slots__ = ("_buffer", "_collecting", "_ended", "_offset")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._offset = 0
        self._ended = False
        self._collecting: _Collecting | None = None

    @property
    def pending(self) -> int:
        """Number of octets that are kept and have not become a message."""
        return len(self._buffer) - self._offset

    @property
    def is_within_message(self) -> bool:
        """Whether a message was begun and is not complete."""
        return self.pending > 0 or self._collecting is not None

    def feed(self, octets: bytes) -> None:
        """Add octets from the stream."""
        if not self._ended:
            self._buffer += octets

    def events(self) -> Iterator[Framed | Refused]:
        """Yield what is complete, in order."""
        try:
            while not self._ended and (event := self._next()) is not None:
                if isinstance(event, Refused) and event.closes:
                    self._end()
                yield event
        finally:
            del self._buffer[: self._offset]
            self._offset = 0

    def _end(self) -> None:
        self._ended = True
        self._buffer.clear()
        self._offset = 0
        self._collecting = None

    def _next(self) -> Framed | Refused | None:
        if self._collecting is not None:
            return self._collect(self._collecting)
        if self.pending < ENVELOPE_OCTETS:
            return None
        envelope = parse_envelope(self._buffer, self._offset)
        try:
            check_length(envelope)
        except WireError as error:
            return Refused(envelope, error, closes=True)
        if envelope.flags & TRUNCATED:
            if envelope.sequence:
                return Refused(envelope, WireError("the first packet of a message is missing", 12), closes=True)
            self._offset += ENVELOPE_OCTETS
            self._collecting = _Collecting(envelope)
            return self._collect(self._collecting)
        end = self._offset + ENVELOPE_OCTETS + envelope.length
        if end > len(self._buffer):
            return None
        part = bytes(self._buffer[self._offset + ENVELOPE_OCTETS : end])
        self._offset = end
        return _judged(envelope, part)

    def _collect(self, collecting: "_Collecting") -> Framed | Refused | None:
        try:
            self._offset, part = collecting.take(self._buffer, self._offset)
        except WireError as error:
            return Refused(collecting.envelope, error, closes=True)
        if part is None:
            return None
        self._collecting = None
        return _judged(collecting.envelope, part)


class _Collecting:
    """A message in several packets. Nothing says how long each is, so the next envelope is looked for.

    It is recognised by all its octets but the sequence number: version, ids and length are those of the first.
    """

    __slots__ = ("_next", "_parts", "_searched", "_sequence", "_wanted", "envelope")

    def __init__(self, first: Envelope) -> None:
        self.envelope = first
        self._wanted = first.length
        self._parts: list[bytes] = []
        self._sequence = 1
        self._searched = 0
        octets = encode_envelope(first)
        flags = b"[" + re.escape(octets[2:3]) + re.escape(bytes((octets[2] & ~TRUNCATED,))) + b"]"
        pattern = re.escape(octets[:2]) + flags + re.escape(octets[3:12]) + b"(.{4})" + re.escape(octets[16:])
        self._next = re.compile(pattern, re.DOTALL)

    def take(self, buffer: bytearray, start: int) -> tuple[int, bytes | None]:
        """Return up to where the buffer was taken, and the message part once it is complete; raise WireError."""
        search_from = start + self._searched
        while (found := self._next.search(buffer, search_from, start + self._wanted + ENVELOPE_OCTETS - 1)) is not None:
            if int.from_bytes(found[1], "big") != self._sequence:
                raise WireError(f"packet {self._sequence} of the message is missing", 12)
            self._keep(buffer, start, found.start())
            start = search_from = found.end()
            self._sequence += 1
        self._searched = max(0, len(buffer) - start - ENVELOPE_OCTETS + 1)
        if len(buffer) - start < self._wanted or self._may_begin(buffer, start):
            return start, None
        self._keep(buffer, start, start + self._wanted)
        return start + len(self._parts[-1]), b"".join(self._parts)

    def _keep(self, buffer: bytearray, start: int, end: int) -> None:
        self._parts.append(bytes(buffer[start:end]))
        self._wanted -= end - start

    def _may_begin(self, buffer: bytearray, start: int) -> bool:
        """Say whether the next envelope may have begun before the end of what is wanted, and not be complete.

        A few octets alike are chance, unless the part before them is as long as clients make it.
        """
        flagged = self.envelope._replace(sequence=self._sequence)
        plain = flagged._replace(flags=flagged.flags & ~TRUNCATED)
        either = encode_envelope(flagged), encode_envelope(plain)
        for at in range(max(start, len(buffer) - ENVELOPE_OCTETS + 1), start + self._wanted):
            begun = bytes(buffer[at:])
            is_likely = len(begun) >= _BEGUN_OCTETS_MIN or at - start == _PART_OCTETS_USUAL
            if is_likely and any(octets.startswith(begun) for octets in either):
                return True
        return False


def keeps_connection(envelope: Envelope, flags: int) -> bool:
    """Say whether the connection stays open after the answer: KEEP_CONNECTION, or a version is suggested."""
    return bool(flags & KEEP_CONNECTION or any(envelope.suggested))


def _judged(envelope: Envelope, part: bytes) -> Framed | Refused:
    try:
        check_envelope(envelope)
    except WireError as error:
        return Refused(envelope, error, closes=False)
    return Framed(envelope, part)
