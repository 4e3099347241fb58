"""Values and JSON: the one door to reading requests and stored records, and to writing them."""

from functools import lru_cache
from typing import Any, Final, Literal

import msgspec
import orjson

from identifiers.batch_line import decode_plain_body, decode_row, render_row, render_texts
from identifiers.json_shape import as_instant, as_list
from identifiers.json_text import JSON_DEPTH_MAX, decode_json
from identifiers.value_reading import read_value, read_values
from identifiers.value_writing import value_to_json, values_to_json
from identifiers.values import PERMISSIONS_DEFAULT, TTL_DEFAULT_S, Reference, Value

__all__ = [
    "JSON_DEPTH_MAX",
    "decode_json",
    "decode_plain_body",
    "decode_row",
    "decode_stored",
    "decode_values",
    "render_row",
    "render_texts",
    "value_to_json",
    "values_to_json",
]


class _StoredString(msgspec.Struct, frozen=True, gc=False):
    format: Literal["string"]
    value: str


class _StoredValue(msgspec.Struct, frozen=True, gc=False):
    index: int
    type: str
    data: _StoredString
    permissions: str = "1110"
    ttl: int | str = TTL_DEFAULT_S
    timestamp: str = ""
    references: tuple[Reference, ...] = ()
    ttl_type: int | None = msgspec.field(default=None, name="ttlType")


@lru_cache(maxsize=1_024)
def _stored_instant(text: str) -> int:
    return as_instant(text, "an instant")


_DECODE_STORED: Final = msgspec.json.Decoder(list[_StoredValue]).decode


def decode_values(raw: Any, *, timestamps: bool = False) -> tuple[Value, ...]:
    """Return the checked values of a request's decoded JSON array; see ``read_values``."""
    return read_values(raw, timestamps=timestamps)


def decode_stored(stored: bytes) -> tuple[Value, ...]:
    """Return the values of an array that ``values_to_json`` wrote, timestamps included, without checking them again."""
    try:
        return tuple([_from_stored(value) for value in _DECODE_STORED(stored)])
    except msgspec.DecodeError:
        items = as_list(orjson.loads(stored), "values")
        return tuple(read_value(item, f"values[{at}]", timestamps=True) for at, item in enumerate(items))


def _from_stored(stored: _StoredValue) -> Value:
    ttl = stored.ttl
    absolute = isinstance(ttl, str)
    return Value(
        stored.index,
        stored.type,
        stored.data.value.encode(),
        PERMISSIONS_DEFAULT if stored.permissions == "1110" else int(stored.permissions, 2),
        _stored_instant(ttl) if isinstance(ttl, str) else ttl,
        absolute,
        _stored_instant(stored.timestamp) if stored.timestamp else 0,
        stored.references,
        stored.ttl_type,
    )
