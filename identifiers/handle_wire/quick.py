"""The fast path: a plain resolution in, its answer out, with nothing typed between (handle wire 16, 25.1).

A request is plain if it is whole, in the clear, outside sessions, and wants neither signature, encryption nor digest:
that is what existing clients send. Everything else takes the typed way, which gives the same answers; a property test
holds the two together. About 1.5 µs for both directions.
"""

import struct
from typing import Final

from identifiers.handle_wire.codes import (
    AUTHORITATIVE,
    CACHE_CERTIFY,
    CERTIFY,
    DO_NOT_REFER,
    ENCRYPT,
    EXPIRATION_SECONDS,
    KEEP_CONNECTION,
    MESSAGE_OCTETS_MAX,
    PUBLIC_ONLY,
    RECURSIVE,
    RETURN_DIGEST,
    Op,
    ResponseCode,
)
from identifiers.handle_wire.replies import Site
from identifiers.handle_wire.versions import MAJOR_MAX, OURS, Version, answer_version
from identifiers.values import HANDLE_OCTETS_MAX

Lists = tuple[tuple[int, ...], tuple[str, ...]]
Quick = tuple[str, bytes, tuple[int, ...], tuple[str, ...], int, int, int, bool, int]
"""Name; its octets with their length before them; indexes; types; flags; request id; version octets of the answer (one
number of four octets); whether a connection stays open; offset of the octet after the message."""

# Envelope (versions as one number, session, request, sequence, length), header, length of the name.
_REQUEST: Final = struct.Struct(">IIIIIIIIHBxIII").unpack_from
_ANSWER: Final = struct.Struct(">IIIIIIIIHxxII").pack
_U4: Final = struct.Struct(">I").unpack_from
_PART_AT: Final = 20
_BODY_AT: Final = 44
_NAME_AT: Final = 48
_NOT_QUICK: Final = CERTIFY | ENCRYPT | RETURN_DIGEST
_LISTED_MAX: Final = 32
_INDEXES: Final = tuple(struct.Struct(f">{count}I").unpack_from for count in range(_LISTED_MAX + 1))
_LISTS_OCTETS_MAX: Final = 96
_LISTS_MAX: Final = 4_096
_SUGGESTED_BITS: Final = 0x1F
_VERSIONS_MAX: Final = 4_096
_RESOLUTION: Final = int(Op.RESOLUTION)
_SUCCESS: Final = int(ResponseCode.SUCCESS)

# What clients repeat is read once. Lists as they stand in a body → indexes and types.
_listed: dict[bytes, Lists] = {}
# Version octets of requests → those of the answer, and whether a version is suggested.
_versions: dict[int, tuple[int, bool]] = {}


def quick_resolution(octets: bytes, offset: int = 0) -> Quick | None:
    """Return a plain resolution that begins at ``offset``, None for everything else, incomplete messages included.

    What it returns is valid: the name is UTF-8, printable and of allowed length. It does not raise.
    """
    try:
        versions, session, request_id, sequence, length, op, rc, flags, _, recursion, _, body, name_length = _REQUEST(
            octets, offset
        )
    except struct.error:
        return None
    if session or sequence or op != _RESOLUTION or rc or recursion or flags & _NOT_QUICK:
        return None
    answered = _versions.get(versions) or _learn(versions)
    if answered is None or length > MESSAGE_OCTETS_MAX or not 0 < name_length <= HANDLE_OCTETS_MAX:
        return None
    end, body_end, name_end = offset + _PART_AT + length, offset + _BODY_AT + body, offset + _NAME_AT + name_length
    if (
        end > len(octets)
        or name_end + 8 > body_end
        or (body_end != end and not _has_no_credential(octets, body_end, end))
    ):
        return None
    wanted = octets[name_end:body_end]
    try:
        name = octets[offset + _NAME_AT : name_end].decode()
        listed = _listed.get(wanted) or _learn_lists(wanted)
    except UnicodeDecodeError:
        return None
    if listed is None or not name.isprintable():
        return None
    return (
        name, octets[offset + _BODY_AT : name_end], listed[0], listed[1], flags, request_id, answered[0],
        answered[1] or flags & KEEP_CONNECTION != 0, end,
    )  # fmt: skip


def _learn(versions: int) -> tuple[int, bool] | None:
    """Return, and remember, how a request with these four octets is answered; None if that is not plain."""
    major, minor, mixed, suggested_minor = versions.to_bytes(4, "big")
    if not 0 < major <= MAJOR_MAX or mixed & ~_SUGGESTED_BITS:
        return None
    written, suggested = Version(major, minor), Version(mixed, suggested_minor)
    answered = int.from_bytes(bytes((*answer_version(written, suggested), *OURS)), "big"), any(suggested)
    if len(_versions) >= _VERSIONS_MAX:
        _versions.clear()
    _versions[versions] = answered
    return answered


def _has_no_credential(octets: bytes, body_end: int, end: int) -> bool:
    return body_end + 4 <= end and _U4(octets, body_end)[0] == 0


def _learn_lists(octets: bytes) -> Lists | None:
    """Return, and remember if they are short, the indexes and types listed; None if they are many or do not fit."""
    at, end = 4, len(octets)
    count = _U4(octets)[0]
    if count > _LISTED_MAX or 4 * count + 8 > end:
        return None
    indexes = _INDEXES[count](octets, at)
    at += 4 * count + 4
    types = []
    count = _U4(octets, at - 4)[0]
    if count > _LISTED_MAX:
        return None
    for _ in range(count):
        start = at + 4
        if start > end:
            return None
        at = start + _U4(octets, start - 4)[0]
        if at > end:
            return None
        types.append(octets[start:at].decode())
    lists = indexes, tuple(types)
    if end <= _LISTS_OCTETS_MAX:
        if len(_listed) >= _LISTS_MAX:
            _listed.clear()
        _listed[octets] = lists
    return lists


class QuickWriter:
    """Writes answers to plain resolutions on one transport; ``keeps`` for TCP, where KEEP_CONNECTION is answered."""

    __slots__ = ("_always", "_copied", "_serial")

    def __init__(self, site: Site, *, keeps: bool) -> None:
        self._serial = site.serial
        self._always = RECURSIVE | (AUTHORITATIVE if site.is_primary else 0)
        self._copied = CACHE_CERTIFY | PUBLIC_ONLY | DO_NOT_REFER | (KEEP_CONNECTION if keeps else 0)

    def found(self, quick: Quick, values: bytes, now_s: int) -> bytes:
        """Return the success answer; ``values`` is their number (4 octets) and they themselves, back to back."""
        name = quick[1]
        size = len(name) + len(values)
        flags = quick[4] & self._copied | self._always
        head = _ANSWER(
            quick[6], 0, quick[5], 0, size + 28, _RESOLUTION, _SUCCESS, flags, self._serial, now_s + EXPIRATION_SECONDS,
            size,
        )  # fmt: skip
        return b"%b%b%b\0\0\0\0" % (head, name, values)

    def failed(self, quick: Quick, rc: int, now_s: int, text: bytes = bytes(4)) -> bytes:
        """Return an answer with another code; ``text`` has its length before it."""
        size = len(text)
        flags = quick[4] & self._copied | self._always
        head = _ANSWER(
            quick[6], 0, quick[5], 0, size + 28, _RESOLUTION, rc, flags, self._serial, now_s + EXPIRATION_SECONDS, size
        )  # fmt: skip
        return b"%b%b\0\0\0\0" % (head, text)
