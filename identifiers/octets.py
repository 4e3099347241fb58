"""Reading the primitives of the Handle protocol (RFC 3652, section 2.1) from octets, every length checked first."""

import struct
from typing import Final

STRING_OCTETS_MAX: Final = 1_048_576
_LENGTH_MAX: Final = 2**31 - 1  # existing software reads lengths signed
_U4: Final = struct.Struct(">I")


class WireError(ValueError):
    """Octets that are no message part: what was expected, and the offset where it was not found.

    ``rc`` is the Handle response code that answers them, PROTOCOL_ERROR (4) unless a more exact one exists.
    """

    def __init__(self, message: str, offset: int = 0, rc: int = 4) -> None:
        super().__init__(f"{message} (at octet {offset})")
        self.message = message
        self.offset = offset
        self.rc = rc


class OctetReader:
    """A cursor over octets. Every method raises WireError if the octets left do not hold what is asked for."""

    __slots__ = ("all", "offset")

    def __init__(self, octets: bytes, offset: int = 0) -> None:
        self.all = octets
        self.offset = offset

    @property
    def left(self) -> int:
        """Number of octets not read yet."""
        return len(self.all) - self.offset

    def take(self, count: int) -> bytes:
        """Read ``count`` octets as they are."""
        start, end = self.offset, self.offset + count
        if end > len(self.all):
            raise WireError(f"{count} octets announced, {self.left} left", start)
        self.offset = end
        return self.all[start:end]

    def u1(self) -> int:
        """Read an unsigned integer of one octet."""
        return self.take(1)[0]

    def u2(self) -> int:
        """Read an unsigned integer of two octets."""
        return int.from_bytes(self.take(2), "big")

    def u4(self) -> int:
        """Read an unsigned integer of four octets."""
        return int.from_bytes(self.take(4), "big")

    def octets(self) -> bytes:
        """Read a length and that many octets."""
        at = self.offset
        length = self.u4()
        if length > STRING_OCTETS_MAX:
            raise WireError(f"a string of {length} octets, at most {STRING_OCTETS_MAX} are allowed", at)
        return self.take(length)

    def text(self) -> str:
        """Read a length and that many octets of UTF-8."""
        at = self.offset
        try:
            return self.octets().decode()
        except UnicodeDecodeError as error:
            raise WireError("a string is not UTF-8", at + 4 + error.start) from None

    def count(self, item_octets_min: int) -> int:
        """Read the number of items of a list whose items have at least ``item_octets_min`` octets."""
        at = self.offset
        count = self.u4()
        if count > _LENGTH_MAX or count * item_octets_min > self.left:
            raise WireError(f"a list of {count} items, {self.left} octets left", at)
        return count

    def end(self) -> None:
        """Refuse octets left over."""
        if self.left:
            raise WireError(f"{self.left} octets too many", self.offset)


def string(octets: bytes) -> bytes:
    """Return ``octets`` with their length before them."""
    return _U4.pack(len(octets)) + octets
