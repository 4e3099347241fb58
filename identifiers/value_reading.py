"""From JSON to values: every form existing clients send, checked member by member."""

import re
from collections.abc import Callable
from typing import Any, Final

from identifiers.hs_vlist import references_from_json
from identifiers.json_shape import (
    as_base64,
    as_hex,
    as_index,
    as_instant,
    as_list,
    as_number,
    as_object,
    as_text,
    member,
)
from identifiers.predefined import FORMATS, check_data
from identifiers.values import (
    INVALID_VALUE,
    PERMISSIONS_DEFAULT,
    TTL_DEFAULT_S,
    TTL_TYPE_MAX,
    VALUES_PER_RECORD_MAX,
    Reference,
    Value,
    ValuesError,
    check_values,
    type_octets,
)

_PERMISSIONS: Final = re.compile(r"[01]{0,4}")


def _plain(raw: Any, field: str) -> bytes:
    return as_text(raw, field).encode()


_READ: Final[dict[str, Callable[[Any, str], bytes]]] = {
    "string": _plain,
    "base64": as_base64,
    "hex": as_hex,
    **{name: found.read for name, found in FORMATS.items()},
}


def read_values(raw: Any, *, timestamps: bool = False, field: str = "values") -> tuple[Value, ...]:
    """Return the values of a decoded JSON array, checked by every storing rule, in ascending index order.

    Timestamps are checked for their form and dropped, because the server owns them; ``timestamps`` keeps them.
    Raises ValuesError: code 4 for wrong JSON, 201 for an index twice, 202 for a value that may not be stored.
    """
    items = as_list(raw, field)
    if len(items) > VALUES_PER_RECORD_MAX:
        raise ValuesError(f"{len(items)} values, at most {VALUES_PER_RECORD_MAX} fit one record", field, INVALID_VALUE)
    values = [read_value(item, f"{field}[{at}]", timestamps=timestamps) for at, item in enumerate(items)]
    for at, value in enumerate(values):
        check_data(value.type, value.data, f"{field}[{at}].data")
    check_values(values)
    return tuple(sorted(values, key=lambda value: value.index))


def read_value(raw: Any, field: str, *, timestamps: bool = False) -> Value:
    """Return one value, without the rules about its data and its neighbours."""
    found = as_object(raw, field)
    ttl, absolute = _read_ttl(found.get("ttl", TTL_DEFAULT_S), f"{field}.ttl")
    permissions = found.get("permissions", "")  # no digits: all four keep their default
    timestamp = as_instant(found["timestamp"], f"{field}.timestamp") if "timestamp" in found else 0
    return Value(
        as_index(member(found, "index", field), f"{field}.index"),
        _read_type(member(found, "type", field), f"{field}.type"),
        _read_data(member(found, "data", field), f"{field}.data"),
        _read_permissions(permissions, f"{field}.permissions"),
        ttl,
        absolute,
        timestamp if timestamps else 0,
        _read_references(found, field),
        as_number(found["ttlType"], f"{field}.ttlType", TTL_TYPE_MAX) if "ttlType" in found else None,
    )


def _read_type(raw: Any, field: str) -> str:
    text = as_text(raw, field)
    try:
        type_octets(text)
    except ValuesError as error:
        raise ValuesError(error.message, field, error.code) from None
    return text


def _read_data(raw: Any, field: str) -> bytes:
    if isinstance(raw, str):
        return _plain(raw, field)
    found = as_object(raw, field)
    name = as_text(member(found, "format", field), f"{field}.format").lower()
    if (reading := _READ.get(name)) is None:
        raise ValuesError(f"unknown format {name[:40]!r}: use one of {', '.join(_READ)}", f"{field}.format")
    return reading(member(found, "value", field), f"{field}.value")


def _read_permissions(raw: Any, field: str) -> int:
    """Read ``1110``: fewer digits leave the ones missing on the left at their default; ``*`` is all four."""
    if raw == "*":
        return 0b1111
    digits = as_text(raw, field)
    if not _PERMISSIONS.fullmatch(digits):
        raise ValuesError("permissions are up to four binary digits, like 1110", field)
    kept = PERMISSIONS_DEFAULT >> len(digits) << len(digits)
    return kept | int(digits or "0", 2)


def _read_ttl(raw: Any, field: str) -> tuple[int, bool]:
    if isinstance(raw, str):
        return as_instant(raw, field), True
    return as_number(raw, field), False


def _read_references(found: dict[str, Any], field: str) -> tuple[Reference, ...]:
    raw = found.get("references")
    return references_from_json(raw, f"{field}.references") if raw is not None else ()
