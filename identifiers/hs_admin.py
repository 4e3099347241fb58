"""HS_ADMIN: who may change a record, and what of it (RFC 3651, section 3.2.1)."""

import re
from typing import Any, Final

import msgspec

from identifiers.json_shape import as_list, as_number, as_object, as_text, as_u4, member
from identifiers.octets import OctetReader, WireError, string
from identifiers.values import ValuesError

ADD_HANDLE: Final = 0x0001
DELETE_HANDLE: Final = 0x0002
ADD_PREFIX: Final = 0x0004
DELETE_PREFIX: Final = 0x0008
MODIFY_VALUE: Final = 0x0010
REMOVE_VALUE: Final = 0x0020
ADD_VALUE: Final = 0x0040
MODIFY_ADMIN: Final = 0x0080
REMOVE_ADMIN: Final = 0x0100
ADD_ADMIN: Final = 0x0200
AUTHORIZED_READ: Final = 0x0400
LIST_HANDLES: Final = 0x0800
LIST_PREFIXES: Final = 0x1000
ALL_PERMISSIONS: Final = 0x0FFF
"""What existing software calls full rights; it leaves LIST_PREFIXES out."""

_LEGACY_OCTETS: Final = 2
_DIGITS: Final = re.compile(r"[01]{1,13}")
_BITS: Final = 13


class Admin(msgspec.Struct, frozen=True, gc=False):
    """An administrator: the value holding the key (index 0 = any of the record), and the rights."""

    handle: str
    index: int
    permissions: int
    legacy: bool = False
    """The data has the two octets more that old writers append."""


def parse_admin(octets: bytes) -> Admin:
    """Parse the data of an HS_ADMIN value; raise WireError if it is none."""
    reader = OctetReader(octets)
    permissions, handle, index = reader.u2(), reader.text(), reader.u4()
    if reader.left not in (0, _LEGACY_OCTETS):
        raise WireError(f"{reader.left} octets follow the administrator", reader.offset)
    return Admin(handle, index, permissions, legacy=reader.left != 0)


def encode_admin(admin: Admin) -> bytes:
    """Return the data of an HS_ADMIN value."""
    octets = admin.permissions.to_bytes(2, "big") + string(admin.handle.encode()) + admin.index.to_bytes(4, "big")
    return octets + bytes(_LEGACY_OCTETS) if admin.legacy else octets


def admin_to_json(octets: bytes) -> dict[str, Any]:
    """Return what the JSON format ``admin`` shows; raise WireError if the octets are no HS_ADMIN data."""
    admin = parse_admin(octets)
    digits = _BITS if admin.permissions & LIST_PREFIXES else _BITS - 1
    permissions = format(admin.permissions & (2**digits - 1), f"0{digits}b")
    shown: dict[str, Any] = {"handle": admin.handle, "index": admin.index, "permissions": permissions}
    return {**shown, "legacyByteLength": True} if admin.legacy else shown


def admin_from_json(raw: Any, field: str) -> bytes:
    """Return the data for a value of the JSON format ``admin``; raise ValuesError naming the member at fault."""
    found = as_object(raw, field)
    admin = Admin(
        as_text(member(found, "handle", field), f"{field}.handle"),
        as_u4(member(found, "index", field), f"{field}.index"),
        _permissions(found.get("permissions"), f"{field}.permissions"),
        legacy=found.get("legacyByteLength") is True,
    )
    return encode_admin(admin)


def _permissions(raw: Any, field: str) -> int:
    """Read the permissions in every form clients send: binary digits, a number, true or ``*``, bit by bit."""
    if raw is None or raw is False or raw == "false":
        return 0
    if raw is True or raw in ("*", "true"):
        return ALL_PERMISSIONS
    if isinstance(raw, list):
        bits = as_list(raw, field)[: _BITS + 1]
        if len(bits) > _BITS:
            raise ValuesError(f"at most {_BITS} permissions are known", field)
        return sum(1 << bit for bit, granted in enumerate(bits) if granted)
    if isinstance(raw, str):
        if not _DIGITS.fullmatch(raw):
            raise ValuesError("permissions are 1 to 13 binary digits, like 011111111111", field)
        return int(raw, 2)
    return as_number(raw, field, 2**_BITS - 1)
