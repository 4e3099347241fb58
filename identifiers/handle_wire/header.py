"""The header: the first 24 octets of every message part (handle wire 3)."""

import struct
from typing import Final, NamedTuple

from identifiers.handle_wire.codes import SERIAL_UNKNOWN
from identifiers.octets import WireError

HEADER_OCTETS: Final = 24
LAYOUT: Final = struct.Struct(">IIIHBxII")


class Header(NamedTuple):
    """``serial`` is the sender's idea of the site record; ``expiration`` counts seconds since 1970."""

    op: int
    rc: int
    flags: int
    serial: int = SERIAL_UNKNOWN
    recursion: int = 0
    expiration: int = 0
    body_length: int = 0


def parse_header(part: bytes) -> Header:
    """Return the header of a message part; raise WireError only if there are not 24 octets."""
    try:
        return Header(*LAYOUT.unpack_from(part))
    except struct.error:
        raise WireError(f"a header has 24 octets, not {len(part)}") from None


def encode_header(header: Header) -> bytes:
    """Return the 24 octets."""
    return LAYOUT.pack(*header)
