"""Names in messages: which are refused, and which prefix a name means (handle wire 8)."""

import re
from typing import Final

from identifiers.handle_wire.codes import ResponseCode
from identifiers.octets import OctetReader, WireError
from identifiers.values import HANDLE_OCTETS_MAX

PREFIX_RECORDS: Final = "0.NA/"
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f]")


def read_name(reader: OctetReader) -> str:
    """Read the name of a record; raise WireError with INVALID_HANDLE if the octets are there but are no name."""
    at = reader.offset
    name = read_any_name(reader)
    if not name or _CONTROLS.search(name):
        raise WireError("a name is empty or holds a control character", at + 4, ResponseCode.INVALID_HANDLE)
    return name


def read_any_name(reader: OctetReader) -> str:
    """Read a name that may be empty or "/", where none is meant or a key is named."""
    at = reader.offset
    octets = reader.octets()
    if len(octets) > HANDLE_OCTETS_MAX:
        message = f"a name of {len(octets)} octets, at most {HANDLE_OCTETS_MAX} are allowed"
        raise WireError(message, at, ResponseCode.INVALID_HANDLE)
    try:
        return octets.decode()
    except UnicodeDecodeError as error:
        raise WireError("a name is not UTF-8", at + 4 + error.start, ResponseCode.INVALID_HANDLE) from None


def prefix_named(name: str) -> str | None:
    """Return the bare prefix that ``20.500`` or ``0.NA/20.500`` names; None if the name is none of a prefix."""
    bare = name[len(PREFIX_RECORDS) :] if name[: len(PREFIX_RECORDS)].upper() == PREFIX_RECORDS else name
    return bare if bare and "/" not in bare else None


def record_named(name: str) -> str:
    """Return the full name of a record: a name without a slash is that of a prefix record."""
    return name if "/" in name else PREFIX_RECORDS + name
