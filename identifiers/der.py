"""The few lines of DER a SubjectPublicKeyInfo needs (RFC 5280, section 4.1; X.690)."""

from typing import Final, NamedTuple

from identifiers.octets import OctetReader, WireError

INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
OCTET_STRING: Final = 0x04
OBJECT_IDENTIFIER: Final = 0x06
SEQUENCE: Final = 0x30

_LONG_FORM: Final = 0x80
_LENGTH_OCTETS_MAX: Final = 3  # 16 MiB, more than any message


class SubjectPublicKey(NamedTuple):
    """The algorithm (encoded object identifier, parameters as they stand) and the key's octets."""

    algorithm: bytes
    parameters: bytes
    key: bytes


def parse_subject_public_key(der: bytes) -> SubjectPublicKey:
    """Take a SubjectPublicKeyInfo apart; raise WireError if it is none."""
    outer = OctetReader(der)
    info = OctetReader(read(outer, SEQUENCE))
    outer.end()
    algorithm = OctetReader(read(info, SEQUENCE))
    identifier = read(algorithm, OBJECT_IDENTIFIER)
    bits = read(info, BIT_STRING)
    info.end()
    if not bits or bits[0] != 0:
        raise WireError("the key is not a whole number of octets", info.offset)
    return SubjectPublicKey(identifier, algorithm.take(algorithm.left), bits[1:])


def read(reader: OctetReader, tag: int) -> bytes:
    """Read the contents of one element with this tag."""
    at = reader.offset
    found = reader.u1()
    if found != tag:
        raise WireError(f"DER element {found:#04x} where {tag:#04x} belongs", at)
    return reader.take(_length(reader))


def _length(reader: OctetReader) -> int:
    at = reader.offset
    first = reader.u1()
    if first < _LONG_FORM:
        return first
    if not 1 <= first - _LONG_FORM <= _LENGTH_OCTETS_MAX:
        raise WireError("this length is not DER", at)
    return int.from_bytes(reader.take(first - _LONG_FORM), "big")
