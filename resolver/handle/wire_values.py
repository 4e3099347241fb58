"""Choosing among a record's values as octets, without decoding what is only passed on (handle wire 9.1, 16.1)."""

import struct
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from identifiers.values import ADMIN_READ, PUBLIC_READ, SECRET_TYPE

_HEAD: Final = struct.Struct(">I9xBI")  # index, permissions, octets of the type
_U4: Final = struct.Struct(">I")
_SECRET: Final = SECRET_TYPE.encode()
COUNT_OCTETS: Final = 4
NOTHING: Final = bytes(COUNT_OCTETS)


class WireValue(msgspec.Struct, frozen=True, gc=False):
    """One value: what decides about it, its type in upper case, and its octets."""

    index: int
    permissions: int
    type: bytes
    octets: bytes

    @property
    def is_public(self) -> bool:
        """Whether anyone may read it."""
        return bool(self.permissions & PUBLIC_READ) and self.type != _SECRET

    @property
    def is_private(self) -> bool:
        """Whether only administrators may read it; values with neither bit are read by nobody."""
        return bool(self.permissions & (PUBLIC_READ | ADMIN_READ)) and not self.is_public


class Selection(NamedTuple):
    """Which values a request asks for. `types` are in upper case; all values if both are empty."""

    indexes: frozenset[int] = frozenset()
    types: tuple[bytes, ...] = ()

    def takes(self, value: WireValue) -> bool:
        """Say whether a value is asked for: a type ending in a dot takes everything below it as well."""
        return value.index in self.indexes or any(
            value.type == type_ or (type_[-1:] == b"." and (value.type + b".").startswith(type_))
            for type_ in self.types
        )


EVERYTHING: Final = Selection()


def cut(counted: bytes) -> list[WireValue]:
    """Cut counted values of the replica, which are known to be whole, into their octets."""
    values: list[WireValue] = []
    at, end = COUNT_OCTETS, len(counted)
    while at < end:
        index, permissions, type_octets = _HEAD.unpack_from(counted, at)
        type_at = at + _HEAD.size
        type_end = type_at + type_octets
        references_at = type_end + COUNT_OCTETS + _U4.unpack_from(counted, type_end)[0]
        after = references_at + COUNT_OCTETS
        for _ in range(_U4.unpack_from(counted, references_at)[0]):
            after += 8 + _U4.unpack_from(counted, after)[0]
        values.append(WireValue(index, permissions, counted[type_at:type_end].upper(), counted[at:after]))
        at = after
    return values


def select(values: Iterable[WireValue], selection: Selection) -> list[WireValue]:
    """Return the values asked for, each once, in their order."""
    return list(values) if selection == EVERYTHING else [value for value in values if selection.takes(value)]


def joined(values: list[WireValue]) -> bytes:
    """Return values behind their number."""
    return b"".join([_U4.pack(len(values)), *[value.octets for value in values]])
