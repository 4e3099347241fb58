"""Reading one line of a batch: the plain shape in one typed decode, everything else by the careful path.

The careful path alone takes about ten times as long; bulk import wants 30,000 lines of 6 values per second and core.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from identifiers.json_shape import as_object, as_text, instant_text, member
from identifiers.json_text import decode_json
from identifiers.predefined import format_of, is_parsed_on_write
from identifiers.value_reading import read_values
from identifiers.value_writing import values_to_json
from identifiers.values import (
    INDEX_MAX,
    PERMISSIONS_DEFAULT,
    RECORD_OCTETS_MAX,
    TTL_DEFAULT_S,
    U4_MAX,
    VALUES_PER_RECORD_MAX,
    PlainText,
    TextRule,
    Value,
    ValuesError,
    type_octets,
)


class _StringData(msgspec.Struct, frozen=True, gc=False):
    format: Literal["string"]
    value: str


class _PlainValue(msgspec.Struct, frozen=True, gc=False):
    index: Annotated[int, msgspec.Meta(ge=1, le=INDEX_MAX)]
    type: str
    data: str | _StringData
    permissions: str | UnsetType = UNSET
    ttl: Annotated[int, msgspec.Meta(ge=0, le=U4_MAX)] | UnsetType = UNSET


class _PlainLine(msgspec.Struct, frozen=True, gc=False):
    identifier: str
    values: Annotated[list[_PlainValue], msgspec.Meta(max_length=VALUES_PER_RECORD_MAX)]


class _PlainBody(msgspec.Struct, frozen=True, gc=False):
    values: Annotated[list[_PlainValue], msgspec.Meta(max_length=VALUES_PER_RECORD_MAX)]
    template: str | UnsetType | None = UNSET


_encode: Final = msgspec.json.Encoder().encode
_DECODE_BODY: Final = msgspec.json.Decoder(_PlainBody).decode
_DECODE: Final = msgspec.json.Decoder(_PlainLine).decode
_PERMISSIONS: Final = {format(bits, "04b"): bits for bits in range(16)}

_NO_RULES: Final[Mapping[int, TextRule]] = MappingProxyType({})
_LINE_MEMBERS: Final = ("identifier", "values")
_NO_TEMPLATE: Final = "one template holds for the whole batch: name it in the request, and remove it here"

# Quotation marks, without escaped ones: two around each member name and each string.
_LINE_QUOTES: Final = 2 * 2 + 2  # "identifier":"…","values":
_BODY_QUOTES: Final = 2  # "values":
_TEMPLATE_QUOTES: Final = 2 + 2  # "template":"…"
_VALUE_QUOTES: Final = 3 * 2 + 2 + 2  # "index":…,"type":"…","data":"…"
_OBJECT_QUOTES: Final = 2 * 2 + 2  # {"format":"string","value":"…"} in place of "…"
_PERMISSIONS_QUOTES: Final = 4
_TTL_QUOTES: Final = 2


def decode_row(line: bytes, *, timestamp: int = 0) -> tuple[str, tuple[Value, ...]]:
    """Decode ``{"identifier":…,"values":[…]}`` into the name and its checked values in ascending index order.

    ``timestamp`` (seconds since 1970) goes into every value; timestamps in the line are dropped. Raises ValuesError as
    ``read_values`` does, and for other members of the line; the name is not checked here.
    """
    # The count of quotation marks proves that no member occurs twice. A backslash written twice makes it unsure which
    # of them are escaped. A record has fewer octets on the wire than its line has.
    if len(line) <= RECORD_OCTETS_MAX and b"\\\\" not in line:
        try:
            plain = _DECODE(line)
            values = _plain_values(plain.values, timestamp, _quotes_of_values(line))
        except (msgspec.DecodeError, UnicodeDecodeError, ValuesError, KeyError):
            values = None
        if values is not None:
            return plain.identifier, values
    return _decode_carefully(line, timestamp)


def render_row(line: bytes, *, timestamp: int) -> tuple[str, bytes]:
    """Decode a line as ``decode_row`` does, and return the name and the canonical JSON of its values.

    The octets are those of ``values_to_json``; of a plain line no value is made only to be written again, which
    halves the time.
    """
    if timestamp and len(line) <= RECORD_OCTETS_MAX and b"\\\\" not in line:
        try:
            plain = _DECODE(line)
            rendered = _render_plain(plain.values, timestamp, _quotes_of_values(line))
        except (msgspec.DecodeError, UnicodeDecodeError, ValuesError, KeyError):
            rendered = None
        if rendered is not None:
            return plain.identifier, rendered
    name, values = decode_row(line, timestamp=timestamp)
    return name, values_to_json(values)


def render_texts(
    texts: Sequence[PlainText],
    *,
    timestamp: int,
    rules: Mapping[int, TextRule] = _NO_RULES,
    ruled_from: int = INDEX_MAX + 1,
) -> bytes | None:
    """Return the canonical JSON of values that are printable text, in ascending order of their indexes.

    The octets are those of ``values_to_json``, all defaults taken. None if these are not such values, if a type is
    none, or has a structure of its own; and if one breaks the rule for its index in ``rules``, or has none there and
    an index of ``ruled_from`` or above.
    """
    end = _usual_end(timestamp)
    parts: list[bytes] = []
    last = 0
    try:
        for index, type_, text in texts:
            if index <= last or not text.isprintable():
                return None
            last = index
            rule = rules.get(index)
            if rule is None:
                if index >= ruled_from:
                    return None
            elif type_ != rule[0] or not rule[1] <= len(text) <= rule[2]:
                return None
            parts.append(_plain_beginning(index, type_) + _encode(text) + end)
    except ValuesError:
        return None
    rendered = b"[" + b",".join(parts) + b"]"
    # A record has fewer octets on the wire than its JSON has.
    return (
        rendered
        if last <= INDEX_MAX and 0 < len(parts) <= VALUES_PER_RECORD_MAX and len(rendered) <= RECORD_OCTETS_MAX
        else None
    )


def decode_plain_body(body: bytes) -> tuple[tuple[Value, ...], str | None] | None:
    """Decode ``{"values":[…],"template":…}`` of the plain shape into its checked values, ascending, and the template.

    None for every other text, good or bad: the careful path, ten times as slow, reads it and says what is wrong.
    """
    if len(body) > RECORD_OCTETS_MAX or b"\\\\" in body:
        return None
    try:
        plain = _DECODE_BODY(body)
        quotes = _quotes_of_values(body) + _LINE_QUOTES - _BODY_QUOTES
        if plain.template is not UNSET:
            quotes -= 2 if plain.template is None else _TEMPLATE_QUOTES
        values = _plain_values(plain.values, 0, quotes)
    except (msgspec.DecodeError, UnicodeDecodeError, ValuesError, KeyError):
        return None
    if values is None:
        return None
    return values, plain.template if plain.template is not UNSET else None


def _quotes_of_values(line: bytes) -> int:
    escaped = line.count(b'\\"') if b"\\" in line else 0
    return line.count(b'"') - escaped - _LINE_QUOTES


def _plain_values(plain: list[_PlainValue], timestamp: int, quotes: int) -> tuple[Value, ...] | None:
    """Return the values, or None if their text holds more than the plain shape or they are out of order."""
    found: list[Value] = []
    last = 0
    quotes -= _VALUE_QUOTES * len(plain)
    for raw in plain:
        index, type_, data, bits, ttl = raw.index, raw.type, raw.data, PERMISSIONS_DEFAULT, raw.ttl
        if not isinstance(data, str):
            quotes -= _OBJECT_QUOTES
            data = data.value
        if raw.permissions is not UNSET:
            quotes -= _PERMISSIONS_QUOTES
            bits = _PERMISSIONS[raw.permissions]
        if ttl is UNSET:
            ttl = TTL_DEFAULT_S
        else:
            quotes -= _TTL_QUOTES
        if index <= last:
            return None
        last = index
        _check_plain_type(type_)
        found.append(Value(index, type_, data.encode(), bits, ttl, False, timestamp))  # noqa: FBT003 - hot path
    return tuple(found) if quotes == 0 else None


@lru_cache(maxsize=4_096)
def _check_plain_type(type_: str) -> None:
    """Raise ValuesError if this is no type, or if its data has a structure that must be parsed."""
    type_octets(type_)
    if is_parsed_on_write(type_):
        raise ValuesError("data of this type is parsed")


def _render_plain(plain: list[_PlainValue], timestamp: int, quotes: int) -> bytes | None:
    """Return the canonical JSON, or None as ``_plain_values`` or where the data is more than one line of plain text."""
    parts: list[bytes] = []
    last = 0
    quotes -= _VALUE_QUOTES * len(plain)
    usual_end = _usual_end(timestamp)
    for raw in plain:
        index, data, end = raw.index, raw.data, usual_end
        if not isinstance(data, str):
            quotes -= _OBJECT_QUOTES
            data = data.value
        if index <= last or not data.isprintable():
            return None
        last = index
        if raw.ttl is not UNSET:
            quotes -= _TTL_QUOTES
            end = _end(raw.ttl, timestamp)
        if raw.permissions is not UNSET:
            quotes -= _PERMISSIONS_QUOTES
            if _PERMISSIONS[raw.permissions] != PERMISSIONS_DEFAULT:
                end = b'},"permissions":"%b"' % raw.permissions.encode() + end[1:]
        parts.append(_plain_beginning(index, raw.type) + _encode(data) + end)
    return b"[" + b",".join(parts) + b"]" if quotes == 0 else None


@lru_cache(maxsize=16)
def _usual_end(timestamp: int) -> bytes:
    return _end(TTL_DEFAULT_S, timestamp)


def _end(ttl: int, timestamp: int) -> bytes:
    return b'},"ttl":%d,"timestamp":"%b"}' % (ttl, instant_text(timestamp).encode())


@lru_cache(maxsize=4_096)
def _plain_beginning(index: int, type_: str) -> bytes:
    """Return the JSON of a value up to its text. Raises ValuesError for what ``_check_plain_type`` refuses."""
    _check_plain_type(type_)
    if format_of(type_) is not None:
        raise ValuesError("data of this type is shown in a format of its own")
    return b'{"index":%d,"type":%b,"data":{"format":"string","value":' % (index, _encode(type_))


def _decode_carefully(line: bytes, timestamp: int) -> tuple[str, tuple[Value, ...]]:
    row: dict[str, Any] = as_object(decode_json(line), "")
    for other in row:
        if other not in _LINE_MEMBERS:
            raise ValuesError(_NO_TEMPLATE if other == "template" else "there is no such field: remove it", other[:64])
    name = as_text(member(row, "identifier", ""), "identifier")
    values = read_values(member(row, "values", ""))
    if timestamp:
        values = tuple(msgspec.structs.replace(value, timestamp=timestamp) for value in values)
    return name, values
