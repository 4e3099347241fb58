"""The values of a Handle record: their shape, limits and storing rules (RFC 3651, section 3.1)."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, TypeAlias

import msgspec

INDEX_MAX: Final = 2**31 - 1
U4_MAX: Final = 2**32 - 1
TYPE_OCTETS_MAX: Final = 255
VALUES_PER_RECORD_MAX: Final = 2_048
RECORD_OCTETS_MAX: Final = 262_000
"""Most octets of one record's encoded values: existing clients read no longer message."""
VALUE_OCTETS_MIN: Final = 26
"""Index, timestamp, TTL type, TTL, permissions, lengths of type and data, number of references."""
HANDLE_OCTETS_MAX: Final = 2_048
"""Longest name any Handle software reads, in octets of UTF-8."""
TTL_DEFAULT_S: Final = 86_400
TTL_TYPE_OTHER_MIN: Final = 2
TTL_TYPE_MAX: Final = 255

ADMIN_READ: Final = 0b1000
ADMIN_WRITE: Final = 0b0100
PUBLIC_READ: Final = 0b0010
PUBLIC_WRITE: Final = 0b0001
PERMISSIONS_MAX: Final = 0b1111
PERMISSIONS_DEFAULT: Final = ADMIN_READ | ADMIN_WRITE | PUBLIC_READ
SECRET_TYPE: Final = "HS_SECKEY"  # noqa: S105 - the name of a type
"""Values of this type are nobody's but administrators', whatever their permissions say (handle wire 22)."""

PROTOCOL_ERROR: Final = 4
VALUE_ALREADY_EXISTS: Final = 201
INVALID_VALUE: Final = 202

_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f]")


class ValuesError(ValueError):
    """Values that cannot be stored. ``field`` says where (``values[3].type``), ``code`` is the Handle response code."""

    def __init__(self, message: str, field: str = "", code: int = PROTOCOL_ERROR) -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.message = message
        self.field = field
        self.code = code


class Reference(msgspec.Struct, frozen=True, gc=False):
    """A value elsewhere: the name of its record and its index; index 0 means the whole record."""

    handle: str
    index: int


PlainText: TypeAlias = tuple[int, str, str]
"""A value that is text and takes every default: its index, its type and its text."""

TextRule: TypeAlias = tuple[str, int, int]
"""What a text has to be: its type, and how many characters it has at least and at most."""


class Value(msgspec.Struct, frozen=True, gc=False):
    """One value of a record.

    ``ttl`` is in seconds, or seconds since 1970 if ``ttl_absolute``; ``timestamp`` in seconds since 1970, 0 = none;
    ``permissions`` are the four bits admin read, admin write, public read, public write. ``ttl_type`` is the octet on
    the wire that says what the TTL means, if it is neither relative (0) nor absolute (1); it is only kept.
    """

    index: int
    type: str
    data: bytes
    permissions: int = PERMISSIONS_DEFAULT
    ttl: int = TTL_DEFAULT_S
    ttl_absolute: bool = False
    timestamp: int = 0
    references: tuple[Reference, ...] = ()
    ttl_type: int | None = None


def is_public(value: Value) -> bool:
    """Say whether anyone may read a value: its permissions say so, and it is no secret."""
    return bool(value.permissions & PUBLIC_READ) and value.type.upper() != SECRET_TYPE


def check_values(values: Sequence[Value]) -> None:
    """Raise ValuesError unless ``values`` may be stored together as one record."""
    if len(values) > VALUES_PER_RECORD_MAX:
        raise ValuesError(
            f"{len(values)} values, at most {VALUES_PER_RECORD_MAX:,} fit one record", "values", INVALID_VALUE
        )
    octets = 0
    seen: set[int] = set()
    for at, value in enumerate(values):
        if value.index in seen:
            raise ValuesError(
                f"index {value.index} occurs twice: give each value its own",
                f"values[{at}].index",
                VALUE_ALREADY_EXISTS,
            )
        seen.add(value.index)
        octets += _check_value(value, f"values[{at}]")
    if octets > RECORD_OCTETS_MAX:
        raise ValuesError(
            f"the record has {octets:,} octets, at most {RECORD_OCTETS_MAX:,} can be read by clients: shorten its data",
            "values",
            INVALID_VALUE,
        )


def stamped(values: Sequence[Value], previous: Sequence[Value], at: int) -> tuple[Value, ...]:
    """Return ``values`` with the timestamps the server owns: ``at`` for new and changed values, else the old one.

    ``at`` is in seconds since 1970.
    """
    before = {value.index: value for value in previous}
    return tuple(_stamped(value, before.get(value.index), at) for value in values)


@lru_cache(maxsize=4_096)
def type_octets(type_: str) -> bytes:
    """Return the octets of a value type, or raise ValuesError (code 202) with no field if it is none.

    Types repeat without end in bulk imports, hence the cache; refused types do not enter it.
    """
    octets = type_.encode(errors="replace")
    if not octets or len(octets) > TYPE_OCTETS_MAX:
        raise ValuesError(f"a type has 1 to {TYPE_OCTETS_MAX} octets of UTF-8, not {len(octets)}", "", INVALID_VALUE)
    if _CONTROLS.search(type_) or octets != type_.encode(errors="surrogatepass"):
        raise ValuesError(
            "a type holds no control characters and no unpaired surrogates: remove them", "", INVALID_VALUE
        )
    if type_.endswith("."):
        raise ValuesError("a type does not end in a dot: remove it", "", INVALID_VALUE)
    return octets


def _stamped(value: Value, before: Value | None, at: int) -> Value:
    if before is not None and msgspec.structs.replace(value, timestamp=before.timestamp) == before:
        return before
    return msgspec.structs.replace(value, timestamp=at)


def _check_value(value: Value, field: str) -> int:
    """Return the number of octets the value has on the wire (section 9.1 of the Handle wire layout)."""
    if not 1 <= value.index <= INDEX_MAX:
        raise ValuesError(f"{value.index} is no index: 1 to {INDEX_MAX} are", f"{field}.index", INVALID_VALUE)
    try:
        octets = VALUE_OCTETS_MIN + len(type_octets(value.type)) + len(value.data)
    except ValuesError as error:
        raise ValuesError(error.message, f"{field}.type", error.code) from None
    if not (0 <= value.ttl <= U4_MAX and 0 <= value.timestamp <= U4_MAX and 0 <= value.permissions <= PERMISSIONS_MAX):
        raise ValuesError("TTL, timestamp and permissions have 32, 32 and 4 bits", field)
    if value.ttl_type is not None and not TTL_TYPE_OTHER_MIN <= value.ttl_type <= TTL_TYPE_MAX:
        raise ValuesError("a TTL type other than relative and absolute is a number from 2 to 255", f"{field}.ttlType")
    return octets + sum(_check_reference(reference, field) for reference in value.references)


def _check_reference(reference: Reference, field: str) -> int:
    octets = len(reference.handle.encode(errors="replace"))
    if octets > HANDLE_OCTETS_MAX or not 0 <= reference.index <= U4_MAX:
        raise ValuesError("a reference has a name of at most 2,048 octets and a 32-bit index", f"{field}.references")
    return 8 + octets
