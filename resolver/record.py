"""The rendered record: what the replica stores for one identifier, made once at write time, cut up at read time.

Layout, little-endian; the public JSON comes first because it is what almost every lookup sends:

    format u1 | flags u1 | spelling octets u2 | ttl seconds u4 | expiry u4 | location octets u4 | JSON octets u4
    | entity tag 16 ASCII | public JSON | crc32 u4
    | location | spelling | template octets u2 | template | values u4 big-endian | wire values | crc32 u4

Each `crc32` covers what stands before it, the second one what stands behind the first. They are checked on every read:
LMDB keeps no checksums, and a wrong answer is worse than none. `expiry` is the earliest absolute TTL in seconds since
1970, 0 for none. `template` is the code of the record's template, of no octets without one: grants may name it.

A tombstone and an alias are records without values; their `location` is the path of the identifier to use instead. An
alias carries the flag of a tombstone too: whoever answers only from a record's own values leaves both alone.
"""

import struct
import zlib
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote, unquote

from identifiers.changes import AliasKind, AliasState, IdentifierState
from identifiers.entity_tags import entity_tag
from identifiers.predefined import format_of
from identifiers.value_json import decode_stored, values_to_json
from identifiers.values import Value, is_public
from identifiers.wire import decode_values as decode_wire
from identifiers.wire import encode_values as encode_wire
from resolver.location import location_of
from resolver.plain_shape import COUNT_OCTETS, Shapes

FORMAT = 3
FLAG_WITHDRAWN = 0x01
FLAG_RESTRICTED = 0x02
FLAG_ALIAS = 0x04
FLAG_FORMER = 0x08
TTL_MAX_S = 2 * 86_400
"""Nothing is promised to stay for longer than two days (Handle proxy rule for `Expires`)."""

HEAD = struct.Struct("<BBHIIII16s")
JSON_AT = HEAD.size
LANE_HEAD = struct.Struct("<xB14xI16s")
"""Of the head only flags, JSON octets and entity tag."""
CRC_OCTETS = 4
_crc = struct.Struct("<I").pack
_template_octets = struct.Struct("<H")
_PATH_SAFE = "!$&'()*+,;=:@/~-._"
CRC_RESIDUE = 0x2144DF1C
"""The CRC-32 of any octets followed by their own CRC-32, so that checking needs no copy."""


class RecordDamaged(Exception):  # noqa: N818 - names what was found
    """The stored octets are not what was written."""


class Record:
    """A view of rendered octets. Cheap to make; every part is cut out only when asked for."""

    __slots__ = (
        "_data",
        "_expires_at",
        "_flags",
        "_json_octets",
        "_location_octets",
        "_rest_at",
        "_spelling_octets",
        "_ttl_s",
        "etag",
    )

    def __init__(self, data: bytes) -> None:
        head = _checked_head(data)
        self._data = data
        self._rest_at: int = JSON_AT + head[6] + CRC_OCTETS
        self._flags: int = head[1]
        self._spelling_octets: int = head[2]
        self._ttl_s: int = head[3]
        self._expires_at: int = head[4]
        self._location_octets: int = head[5]
        self._json_octets: int = head[6]
        self.etag: bytes = head[7]

    def __repr__(self) -> str:
        state = "alias" if self.alias else "withdrawn" if self.withdrawn else "active"
        return f"Record({self.spelling!r}, {state}, etag={self.etag.decode()})"

    @property
    def withdrawn(self) -> bool:
        """Whether the identifier was withdrawn: it answers Gone and is never used again."""
        return self._flags & (FLAG_WITHDRAWN | FLAG_ALIAS) == FLAG_WITHDRAWN

    @property
    def alias(self) -> AliasKind | None:
        """What kind of alias the name is; None for the names of records themselves."""
        if not self._flags & FLAG_ALIAS:
            return None
        return "former" if self._flags & FLAG_FORMER else "same"

    @property
    def instead(self) -> str | None:
        """The identifier to use instead: of an alias where it leads, of a tombstone its successor if it has one."""
        if not self._flags & FLAG_WITHDRAWN or not self._location_octets:
            return None
        return unquote(self.location[1:])

    @property
    def restricted(self) -> bool:
        """Whether some value is not publicly readable."""
        return bool(self._flags & FLAG_RESTRICTED)

    @property
    def public_json(self) -> bytes:
        """The publicly readable values as a compact Handle JSON array, ascending by index."""
        return self._data[JSON_AT : JSON_AT + self._json_octets]

    @property
    def location(self) -> str:
        """Where a redirect goes, ready for a Location header; empty when the record has no usable URL.

        Of a tombstone or an alias the path of the identifier to use instead.
        """
        return self._data[self._rest_at : self._rest_at + self._location_octets].decode("ascii")

    @property
    def spelling(self) -> str:
        """The identifier as it was registered."""
        start = self._rest_at + self._location_octets
        return self._data[start : start + self._spelling_octets].decode()

    @property
    def wire(self) -> bytes:
        """Every value, restricted ones too, in the Handle wire layout: never sent without a check of permissions."""
        return self.counted_wire[COUNT_OCTETS:]

    @property
    def counted_wire(self) -> bytes:
        """The same behind their number, as message bodies carry them."""
        start, octets = self._template_place()
        return self._data[start + octets : -CRC_OCTETS]

    @property
    def public_wire(self) -> bytes:
        """The publicly readable values behind their number, as message bodies carry them, ascending by index."""
        return public_wire(self.counted_wire) if self.restricted else self.counted_wire

    @property
    def template(self) -> str | None:
        """The code of the template the record follows."""
        start, octets = self._template_place()
        return self._data[start : start + octets].decode() or None

    def _template_place(self) -> tuple[int, int]:
        length_at = self._rest_at + self._location_octets + self._spelling_octets
        return length_at + _template_octets.size, _template_octets.unpack_from(self._data, length_at)[0]

    def values(self) -> tuple[Value, ...]:
        """Every value, restricted ones too."""
        return decode_wire(self.wire)

    def max_age_s(self, now_s: int) -> int:
        """Seconds for which an answer may be kept: the smallest TTL of the public values, at most two days."""
        if not self._expires_at:
            return self._ttl_s
        return max(0, min(self._ttl_s, self._expires_at - now_s))


def _checked_head(data: bytes) -> tuple[int, int, int, int, int, int, int, bytes]:
    if len(data) < JSON_AT or data[0] != FORMAT:
        raise RecordDamaged("a stored record does not begin as one")
    head = HEAD.unpack_from(data)
    rest_at = JSON_AT + head[6] + CRC_OCTETS
    if zlib.crc32(data[:rest_at]) != CRC_RESIDUE or zlib.crc32(data[rest_at:]) != CRC_RESIDUE:
        raise RecordDamaged("a stored record does not match its checksums")
    return head


def render(state: IdentifierState) -> bytes:
    """Return the octets stored for a state, whose values the registry has checked."""
    stored_json = bytes(state.values)
    withdrawn = state.state == "withdrawn"
    if not withdrawn and (found := _shapes.find(state.template, stored_json)) is not None:
        wire, life = found
        return _pack(0, stored_json, life, "", state.identifier, _with_template(state.template, wire))
    values = decode_stored(stored_json)
    public = [value for value in values if is_public(value)]
    restricted = len(public) < len(values)
    # The stored text is already canonical, so it is the answer unless something must be left out or shown otherwise:
    # it keeps foreign encodings of keys and sites, which readers want to see as what they are.
    structured = any(format_of(value.type) is not None for value in public)
    public_json = values_to_json(public, exact=False) if restricted or structured else stored_json
    location = path_of(state.successor) if withdrawn else location_of(public)
    flags = (FLAG_WITHDRAWN if withdrawn else 0) | (FLAG_RESTRICTED if restricted else 0)
    life = _life(public)
    if not withdrawn:
        _shapes.learn(state.template, stored_json, values, life)
    wire = _with_template(state.template, counted(values))
    return _pack(flags, public_json, life, location, state.identifier, wire)


def render_alias(state: AliasState) -> bytes:
    """Return the octets stored for an alias; for a withdrawn one, those of a tombstone."""
    flags = FLAG_WITHDRAWN
    if state.state == "active":
        flags |= FLAG_ALIAS | (FLAG_FORMER if state.kind == "former" else 0)
    return _pack(flags, b"[]", _life([]), path_of(state.target), state.alias, _with_template(None, counted(())))


_shapes: Final = Shapes()


def counted(values: Sequence[Value]) -> bytes:
    """Return values behind their number, as message bodies of the Handle protocol carry them."""
    return len(values).to_bytes(COUNT_OCTETS, "big") + encode_wire(values)


def counted_wire(data: bytes) -> bytes:
    """Return the counted values of an intact record: what its view gives, without the checks."""
    head = HEAD.unpack_from(data)
    length_at = JSON_AT + head[6] + CRC_OCTETS + head[5] + head[2]
    return data[length_at + _template_octets.size + _template_octets.unpack_from(data, length_at)[0] : -CRC_OCTETS]


def public_wire(counted_wire: bytes) -> bytes:
    """Return the publicly readable of counted values, counted."""
    values = decode_wire(counted_wire[COUNT_OCTETS:])
    return counted([value for value in values if is_public(value)])


def path_of(name: str | None) -> str:
    """Return the path under which the node opens an identifier, ready for a header; empty for None."""
    return "" if name is None else "/" + quote(name, safe=_PATH_SAFE)


def _with_template(template: str | None, wire: bytes) -> bytes:
    code = b"" if template is None else template.encode()
    return _template_octets.pack(len(code)) + code + wire


def _pack(flags: int, public_json: bytes, life: tuple[int, int], location: str, spelling: str, wire: bytes) -> bytes:
    named, where = spelling.encode(), location.encode("ascii")
    etag = entity_tag(public_json).encode("ascii")
    public_part = HEAD.pack(FORMAT, flags, len(named), *life, len(where), len(public_json), etag) + public_json
    rest = b"".join((where, named, wire))
    return b"".join((public_part, _crc(zlib.crc32(public_part)), rest, _crc(zlib.crc32(rest))))


def _life(values: list[Value]) -> tuple[int, int]:
    """Return the smallest relative TTL and the earliest absolute one."""
    # Without a public value there is nothing to keep, and there may be one a moment later.
    relative, absolute = TTL_MAX_S if values else 0, 0
    for value in values:
        if value.ttl_absolute:
            absolute = min(absolute, value.ttl) if absolute else value.ttl
        elif value.ttl < relative:
            relative = value.ttl
    return relative, absolute
