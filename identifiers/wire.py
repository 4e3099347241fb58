"""Values as octets: the layout of the Handle protocol (RFC 3652, section 2; RFC 3651, section 3.1)."""

import struct
from collections.abc import Iterable
from typing import Final

from identifiers.hs_vlist import encode_references, read_references
from identifiers.octets import OctetReader, WireError
from identifiers.values import INVALID_VALUE, PERMISSIONS_MAX, VALUE_OCTETS_MIN, VALUES_PER_RECORD_MAX, Value

__all__ = ["WireError", "decode_values", "encode_value", "encode_values", "read_value", "read_values"]

_HEAD: Final = struct.Struct(">IIBIBI")  # index, timestamp, TTL type, TTL, permissions, length of the type
_U4: Final = struct.Struct(">I")
_ABSOLUTE: Final = 1
_NO_REFERENCES: Final = bytes(4)


def encode_value(value: Value) -> bytes:
    """Return one value in the layout of the wire."""
    type_ = value.type.encode()
    data = value.data
    ttl_type = value.ttl_absolute if value.ttl_type is None else value.ttl_type
    head = _HEAD.pack(value.index, value.timestamp, ttl_type, value.ttl, value.permissions, len(type_))
    references = encode_references(value.references) if value.references else _NO_REFERENCES
    return b"%b%b%b%b%b" % (head, type_, _U4.pack(len(data)), data, references)


def encode_values(values: Iterable[Value]) -> bytes:
    """Return values back to back, without any count or length around them."""
    return b"".join([encode_value(value) for value in values])


def decode_values(octets: bytes) -> tuple[Value, ...]:
    """Decode values standing back to back; raise WireError unless the octets are exactly that."""
    reader = OctetReader(octets)
    values: list[Value] = []
    while reader.left:
        if len(values) == VALUES_PER_RECORD_MAX:
            raise WireError(f"more than {VALUES_PER_RECORD_MAX} values", reader.offset)
        values.append(read_value(reader))
    return tuple(values)


def read_values(reader: OctetReader) -> tuple[Value, ...]:
    """Read a count and that many values, as message bodies carry them."""
    at = reader.offset
    count = reader.count(VALUE_OCTETS_MIN)
    if count > VALUES_PER_RECORD_MAX:
        raise WireError(f"{count} values, at most {VALUES_PER_RECORD_MAX} are allowed", at, INVALID_VALUE)
    return tuple(read_value(reader) for _ in range(count))


def read_value(reader: OctetReader) -> Value:
    """Read one value. Whether it may be stored (index, type, structure of its data) is not decided here."""
    octets, at = reader.all, reader.offset
    try:
        # Slices may fall short, but each is followed by a field that must begin where it ends.
        index, timestamp, ttl_type, ttl, permissions, length = _HEAD.unpack_from(octets, at)
        type_end = at + _HEAD.size + length
        data_start = type_end + 4
        data_end = data_start + _U4.unpack_from(octets, type_end)[0]
        has_references = _U4.unpack_from(octets, data_end)[0] != 0
        type_ = octets[at + _HEAD.size : type_end].decode()
    except struct.error:
        raise WireError(f"a value does not fit the {reader.left} octets left", at) from None
    except UnicodeDecodeError:
        raise WireError("the type of a value is not UTF-8", at + _HEAD.size, INVALID_VALUE) from None
    reader.offset = data_end if has_references else data_end + 4
    references = read_references(reader) if has_references else ()
    # The execute bits of RFC 3651 above the four are dropped, as all software does.
    bits = permissions & PERMISSIONS_MAX
    data = octets[data_start:data_end]
    if ttl_type > _ABSOLUTE:  # kept as it is
        return Value(index, type_, data, bits, ttl, False, timestamp, references, ttl_type)  # noqa: FBT003 - hot path
    return Value(index, type_, data, bits, ttl, ttl_type == _ABSOLUTE, timestamp, references)
