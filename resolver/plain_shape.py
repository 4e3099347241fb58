"""What records of plain texts have in common, learnt from one and known of the next.

Records that follow one template and were registered in the same second differ in their texts and in nothing else. What
stands between the texts is the record's shape; where a record has a known one, its texts are what the wire carries,
octet for octet, and no value is made only to be written again, which takes most of the time otherwise.
"""

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple, Self

from identifiers.predefined import format_of
from identifiers.values import Value, is_public
from identifiers.wire import encode_value
from resolver.location import redirects

SHAPES_MAX: Final = 1_024
MISSES_MAX: Final = 64
COUNT_OCTETS: Final = 4
_TEXT_BEGINS: Final = b'"value":"'
_REFERENCES: Final = bytes(4)
_u4: Final = struct.Struct(">I").pack


class _Place(NamedTuple):
    """Where a text stands: behind `json` in the stored JSON, and on the wire behind `wire` and its own length."""

    json: bytes
    json_octets: int
    wire: bytes


class Shape:
    """The JSON around the texts of a plain record, and the octets around them on the wire. `life` as the record's."""

    __slots__ = ("_end", "_places", "life")

    def __init__(self, places: Sequence[_Place], end: bytes, life: tuple[int, int]) -> None:
        self._places = tuple(places)
        self._end = end
        self.life = life

    @classmethod
    def of(cls, stored: bytes, values: Sequence[Value], life: tuple[int, int]) -> Self | None:
        """Learn the shape of a record from its canonical JSON and its values; None unless all are plain public text."""
        if not values or b"\\" in stored or not all(map(_is_plain, values)):
            return None
        places, at, wire = [], 0, len(values).to_bytes(COUNT_OCTETS, "big")
        for value in values:
            text_at = stored.index(_TEXT_BEGINS, at) + len(_TEXT_BEGINS)
            if not stored.startswith(value.data + b'"', text_at):  # octets that are no text stand there encoded
                return None
            octets = encode_value(value)
            wire += octets[: -len(value.data) - len(_u4(0)) - len(_REFERENCES)]
            places.append(_Place(stored[at:text_at], text_at - at, wire))
            at, wire = text_at + len(value.data), _REFERENCES
        return cls(places, stored[at:], life)

    def counted_wire(self, stored: bytes) -> bytes | None:
        """Return the values of a record of this shape, counted, as the wire has them; None for another shape's."""
        if b"\\" in stored:
            return None
        at = 0
        parts: list[bytes] = []
        for before, octets, wire in self._places:
            if not stored.startswith(before, at):
                return None
            begin = at + octets
            at = stored.find(b'"', begin)
            if at < 0:
                return None
            parts += (wire, _u4(at - begin), stored[begin:at])
        if stored[at:] != self._end:
            return None
        parts.append(_REFERENCES)
        return b"".join(parts)


class Shapes:
    """The shapes met last, one for each template. Where few records are alike, hardly any is learnt."""

    def __init__(self) -> None:
        self._known: dict[str | None, _Known] = {}

    def find(self, template: str | None, stored: bytes) -> tuple[bytes, tuple[int, int]] | None:
        """Return the counted wire values and the life of a record if its shape is known."""
        known = self._known.get(template)
        if known is None or known.shape is None or (wire := known.shape.counted_wire(stored)) is None:
            return None
        known.pause -= known.pause > 0
        return wire, known.shape.life

    def learn(self, template: str | None, stored: bytes, values: Sequence[Value], life: tuple[int, int]) -> None:
        """Learn from a record that was not found, unless that was in vain lately: learning takes as long as rendering.

        Each shape learnt doubles the number of records from which nothing is learnt then; each that is found lowers it.
        """
        known = self._known.get(template)
        if known is None:
            if len(self._known) >= SHAPES_MAX:
                self._known.clear()
            known = self._known[template] = _Known()
        if known.left:
            known.left -= 1
            return
        known.shape = Shape.of(stored, values, life)
        known.left = known.pause
        known.pause = min(2 * known.pause + 1, MISSES_MAX)


class _Known:
    """A template's shape; `left` records to go until the next is learnt, and `pause` behind that."""

    __slots__ = ("left", "pause", "shape")

    def __init__(self) -> None:
        self.shape: Shape | None = None
        self.left = self.pause = 0


def _is_plain(value: Value) -> bool:
    return (
        is_public(value)
        and format_of(value.type) is None
        and not redirects(value.type)
        and not value.references
        and value.ttl_type is None
    )
