"""The fast path of those who ask: plain resolutions by the thousand, and the outcome of each answer.

For load generators: about 1 µs for both. Clients that want to know what an answer says take ``client``.
"""

import struct
from typing import Final

from identifiers.handle_wire.codes import EXPIRATION_SECONDS, KEEP_CONNECTION, REQUEST_FLAGS, SERIAL_UNKNOWN, Op
from identifiers.handle_wire.versions import OURS
from identifiers.octets import string

_REQUEST: Final = struct.Struct(">IIIIIIIIHxxIII").pack
_ANSWER: Final = struct.Struct(">4xIIIIII").unpack_from
_VERSIONS: Final = int.from_bytes(bytes((*OURS, *OURS)), "big")
_RESOLUTION: Final = int(Op.RESOLUTION)
_HEADER_OCTETS: Final = 24
_CREDENTIAL_OCTETS: Final = 4
_PART_AT: Final = 20


class Asker:
    """Writes plain resolutions that differ in name and request id only."""

    __slots__ = ("_expiration", "_flags", "_rest")

    def __init__(self, *, now_s: int, types: tuple[str, ...] = (), keeps: bool = False) -> None:
        self._expiration = now_s + EXPIRATION_SECONDS
        self._flags = REQUEST_FLAGS | (KEEP_CONNECTION if keeps else 0)
        listed = b"".join([string(type_.encode()) for type_ in types])
        self._rest = bytes(4) + len(types).to_bytes(4, "big") + listed + bytes(_CREDENTIAL_OCTETS)

    def ask(self, request_id: int, name: bytes) -> bytes:
        """Return a whole message; over UDP it is one datagram while the name has at most some 450 octets."""
        rest = self._rest
        count = len(name)
        body = count + len(rest)  # length and name, then lists and credential: the two lengths of 4 octets cancel out
        return (
            _REQUEST(
                _VERSIONS, 0, request_id, 0, body + _HEADER_OCTETS + _CREDENTIAL_OCTETS, _RESOLUTION, 0, self._flags,
                SERIAL_UNKNOWN, self._expiration, body, count,
            )
            + name
            + rest
        )  # fmt: skip


def read_outcome(octets: bytes, offset: int = 0) -> tuple[int, int, int, int] | None:
    """Return request id, response code, sequence number and end of the message that begins at ``offset``.

    None if not even its header is there. ``end`` lies beyond the octets if the message does; of an answer in several
    datagrams only the first, with sequence number 0, has a response code.
    """
    try:
        _, request_id, sequence, length, _, rc = _ANSWER(octets, offset)
    except struct.error:
        return None
    return request_id, rc, sequence, offset + _PART_AT + length
