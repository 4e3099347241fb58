"""Narrowing decoded JSON to what a field must be; every refusal names the field."""

import base64
import binascii
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from identifiers.values import HANDLE_OCTETS_MAX, INDEX_MAX, INVALID_VALUE, U4_MAX, Reference, ValuesError

_DIGITS: Final = re.compile(r"[0-9]{1,10}")
_INSTANT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
_INSTANT_CHARACTERS_MAX: Final = 35
_BASE64: Final = re.compile(r"([0-9A-Za-z+/]*)={0,2}")
_TO_STANDARD: Final = str.maketrans("-_", "+/", "\r\n")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def as_object(raw: Any, field: str) -> dict[str, Any]:
    """Return ``raw`` if it is a JSON object."""
    if not isinstance(raw, dict):
        raise ValuesError("an object is expected here", field)
    return raw


def as_list(raw: Any, field: str) -> list[Any]:
    """Return ``raw`` if it is a JSON array."""
    if not isinstance(raw, list):
        raise ValuesError("an array is expected here", field)
    return raw


def member(raw: dict[str, Any], name: str, field: str) -> Any:
    """Return a member that has to be there."""
    if name not in raw:
        raise ValuesError(f"the member {name!r} is missing", field)
    return raw[name]


def as_text(raw: Any, field: str) -> str:
    """Return ``raw`` if it is a string that has a UTF-8 form."""
    if not isinstance(raw, str):
        raise ValuesError("a string is expected here", field)
    text_octets(raw, field)
    return raw


def text_octets(text: str, field: str) -> bytes:
    """Return the UTF-8 form of ``text``."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ValuesError(f"unpaired surrogate at character {error.start}", field) from None


def as_number(raw: Any, field: str, largest: int = U4_MAX) -> int:
    """Return ``raw`` if it is a whole number from 0 to ``largest``."""
    if type(raw) is not int or not 0 <= raw <= largest:
        raise ValuesError(f"a whole number from 0 to {largest} is expected here", field)
    return raw


def as_u4(raw: Any, field: str) -> int:
    """Return a 32-bit number, given as number or as text of digits: clients send ``"200"`` too."""
    if isinstance(raw, str) and _DIGITS.fullmatch(raw):
        raw = int(raw)
    return as_number(raw, field)


def as_index(raw: Any, field: str) -> int:
    """Return the index of a value; a number that is none has the code 202."""
    if isinstance(raw, str) and raw.isascii() and raw.isdigit():
        raw = INDEX_MAX + 1 if len(raw) > len(str(INDEX_MAX)) else int(raw)
    if isinstance(raw, bool) or not isinstance(raw, int | float) or (isinstance(raw, float) and abs(raw) <= INDEX_MAX):
        raise ValuesError(f"an index is a whole number from 1 to {INDEX_MAX}", field)
    if not 1 <= raw <= INDEX_MAX:
        raise ValuesError(f"an index is a whole number from 1 to {INDEX_MAX}, not {raw}", field, INVALID_VALUE)
    return int(raw)


def as_reference(raw: Any, field: str) -> Reference:
    """Return ``{"handle":…,"index":…}`` as a Reference."""
    found = as_object(raw, field)
    handle = as_text(member(found, "handle", field), f"{field}.handle")
    if len(handle.encode()) > HANDLE_OCTETS_MAX:
        raise ValuesError("a name has at most 2,048 octets", f"{field}.handle")
    return Reference(handle, as_u4(member(found, "index", field), f"{field}.index"))


def as_base64(raw: Any, field: str) -> bytes:
    """Return the octets of Base64 text: standard or URL alphabet, with or without padding, line breaks ignored."""
    match = _BASE64.fullmatch(as_text(raw, field).translate(_TO_STANDARD))
    if match is None or len(match[1]) % 4 == 1:
        raise ValuesError("this is not Base64", field)
    return base64.b64decode(match[1] + "=" * (-len(match[1]) % 4))


def as_hex(raw: Any, field: str) -> bytes:
    """Return the octets of hexadecimal text."""
    try:
        return binascii.unhexlify(as_text(raw, field))
    except (binascii.Error, ValueError):
        raise ValuesError("this is not an even number of hexadecimal digits", field) from None


def as_instant(raw: Any, field: str) -> int:
    """Return the seconds since 1970 of an ISO 8601 instant such as ``2024-01-01T00:00:00Z``; fractions are cut off."""
    text = as_text(raw, field)
    seconds = _seconds(text)
    if seconds is None or not 0 <= seconds <= U4_MAX:
        raise ValuesError("an instant from 1970 to 2106 like 2024-01-01T00:00:00Z is expected here", field)
    return seconds


@lru_cache(maxsize=1_024)
def instant_text(seconds: int) -> str:
    """Return ``2024-01-01T00:00:00Z`` for seconds since 1970; one import repeats few instants, hence the cache."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@lru_cache(maxsize=1_024)
def _seconds(text: str) -> int | None:
    if len(text) > _INSTANT_CHARACTERS_MAX or _INSTANT.fullmatch(text) is None:
        return None
    try:
        return int((datetime.fromisoformat(text) - _EPOCH).total_seconds() // 1)
    except (ValueError, OverflowError):
        return None
