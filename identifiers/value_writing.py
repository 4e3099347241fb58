"""From values to JSON: compact, members in the order probes rely on, values by index."""

import base64
import re
from collections.abc import Iterable
from operator import attrgetter
from typing import Any, Final

import orjson

from identifiers.hs_vlist import references_to_json
from identifiers.json_shape import instant_text
from identifiers.octets import WireError
from identifiers.predefined import Format, format_of
from identifiers.values import PERMISSIONS_DEFAULT, Value, ValuesError

_BY_INDEX: Final = attrgetter("index")
# Octets 0x09 to 0x13 count as text: that is the rule of the software clients were written against.
_BINARY: Final = re.compile("[\x00-\x08\x14-\x1f\x7f-\x9f]")


def values_to_json(values: Iterable[Value], *, exact: bool = True) -> bytes:
    """Return the canonical JSON array of values, in UTF-8.

    Every octet can be read back from it. With ``exact=False`` keys and sites in other encodings than our own (PEM
    text, say) are also shown as ``key`` and ``site``, which is kinder to readers and forgets the encoding.
    """
    return orjson.dumps([_show(value, exact) for value in sorted(values, key=_BY_INDEX)])


def value_to_json(value: Value, *, exact: bool = True) -> bytes:
    """Return the canonical JSON object of one value, in UTF-8."""
    return orjson.dumps(_show(value, exact))


def _show(value: Value, exact: bool) -> dict[str, Any]:  # noqa: FBT001 - positional, this is the hot path
    structured = format_of(value.type)
    data = None if structured is None else _show_structured(structured, value.data, exact=exact)
    if data is None:
        try:
            text = value.data.decode()
            if text.isprintable() or _BINARY.search(text) is None:
                data = {"format": "string", "value": text}
        except UnicodeDecodeError:
            pass
    shown = {"index": value.index, "type": value.type, "data": data or _show_base64(value.data)}
    if value.permissions != PERMISSIONS_DEFAULT:
        shown["permissions"] = format(value.permissions, "04b")
    shown["ttl"] = instant_text(value.ttl) if value.ttl_absolute else value.ttl
    if value.ttl_type is not None:
        shown["ttlType"] = value.ttl_type
    if value.timestamp:
        shown["timestamp"] = instant_text(value.timestamp)
    if value.references:
        shown["references"] = references_to_json(value.references)
    return shown


def _show_base64(data: bytes) -> dict[str, Any]:
    return {"format": "base64", "value": base64.b64encode(data).decode()}


def _show_structured(structured: Format, data: bytes, *, exact: bool) -> dict[str, Any] | None:
    """Return the structure in the data, None if there is none or its JSON would not lead back to the same octets."""
    try:
        shown = structured.show(data)
        if exact and structured.read(shown, "data") != data:
            return None
    except (WireError, ValuesError):
        return None
    return {"format": structured.name, "value": shown}
