"""The envelope: the first 20 octets of every packet (handle wire 2)."""

import struct
from typing import Final, NamedTuple

from identifiers.handle_wire.codes import COMPRESSED, ENCRYPTED, MESSAGE_OCTETS_MAX, TRUNCATED
from identifiers.handle_wire.versions import MAJOR_MAX, OURS, Version, answer_version
from identifiers.octets import WireError

ENVELOPE_OCTETS: Final = 20
_HEADER_OCTETS: Final = 24
_LAYOUT: Final = struct.Struct(">BBBBIIII")
_FLAG_BITS: Final = COMPRESSED | ENCRYPTED | TRUNCATED
_SUGGESTED_BITS: Final = 0x1F


class Envelope(NamedTuple):
    """``length`` is that of the whole message part, in octets, in every packet of it."""

    version: Version
    flags: int
    suggested: Version
    session_id: int
    request_id: int
    sequence: int
    length: int

    @property
    def is_encrypted(self) -> bool:
        """Whether the message part is ciphertext."""
        return bool(self.flags & ENCRYPTED)

    @property
    def is_truncated(self) -> bool:
        """Whether this is one of several packets."""
        return bool(self.flags & TRUNCATED)

    @property
    def answer_version(self) -> Version:
        """The version R of answers to this message."""
        if not 0 < self.version.major <= MAJOR_MAX:
            return OURS
        return answer_version(self.version, self.suggested)


def parse_envelope(octets: bytes | bytearray, offset: int = 0) -> Envelope:
    """Return the envelope at ``offset``; raise WireError only if there are not 20 octets. Nothing else is checked."""
    try:
        major, minor, mixed, suggested_minor, *rest = _LAYOUT.unpack_from(octets, offset)
    except struct.error:
        raise WireError(f"an envelope has 20 octets, {max(0, len(octets) - offset)} are left", offset) from None
    suggested = Version(mixed & _SUGGESTED_BITS, suggested_minor)
    return Envelope(Version(major, minor), mixed & _FLAG_BITS, suggested, *rest)


def encode_envelope(envelope: Envelope) -> bytes:
    """Return the 20 octets."""
    (major, minor), flags, (suggested_major, suggested_minor), *rest = envelope
    return _LAYOUT.pack(major, minor, flags | suggested_major, suggested_minor, *rest)


def check_length(envelope: Envelope) -> None:
    """Raise WireError if the message is longer than any may be: then the stream cannot be followed, and ends."""
    if envelope.length > MESSAGE_OCTETS_MAX:
        raise WireError(f"a message of {envelope.length} octets, at most {MESSAGE_OCTETS_MAX} are allowed", 16)


def check_envelope(envelope: Envelope) -> None:
    """Raise WireError for a message that is refused although its end is known: version, compression, length."""
    check_length(envelope)
    if not 0 < envelope.version.major <= MAJOR_MAX:
        raise WireError(f"protocol version {envelope.version.major} is not known here, 1 to 5 are", 0)
    if envelope.flags & COMPRESSED:
        raise WireError("compression is not defined", 2)
    if envelope.length < _HEADER_OCTETS:
        raise WireError(f"a message of {envelope.length} octets has no header", 16)
