"""The octets of the classic Java client: how it writes requests, and how it takes answers apart.

Written from the protocol alone, apart from this project's codec, so that a mistake made twice shows.
"""

import hashlib
import struct
from dataclasses import dataclass

CERTIFY, ENCRYPT, RECURSIVE, CACHE_CERTIFY = 0x40000000, 0x20000000, 0x10000000, 0x08000000
CONTINUES, KEEP_ALIVE, PUBLIC_ONLY, DIGEST = 0x04000000, 0x02000000, 0x01000000, 0x00800000
AUTHORITATIVE, OVERWRITE, MINT = 0x80000000, 0x00400000, 0x00200000
USUAL = RECURSIVE | CACHE_CERTIFY | PUBLIC_ONLY
ERRORS = frozenset(
    (*range(2, 8), *range(100, 103), *range(200, 203), 300, 301, 400, 401, *range(403, 407), *range(500, 506))
)
PLAIN_SUCCESSES = (101, 102, 103, 104, 300, 301, 401)
_DIGESTS = {1: hashlib.md5, 2: hashlib.sha1, 3: hashlib.sha256}


class NotAccepted(Exception):  # noqa: N818 - names what happened to an answer
    """What the client throws where an answer is not as it must be."""


def u4(number: int) -> bytes:
    return struct.pack(">I", number & 0xFFFFFFFF)


def text(octets: bytes | str) -> bytes:
    octets = octets.encode() if isinstance(octets, str) else octets
    return u4(len(octets)) + octets


@dataclass(frozen=True)
class Value:
    index: int
    type: str
    data: bytes
    permissions: int = 0b1110
    ttl: int = 86_400

    def octets(self) -> bytes:
        head = u4(self.index) + u4(1_700_000_000) + b"\0" + u4(self.ttl) + bytes((self.permissions,))
        return head + text(self.type) + text(self.data) + u4(0)


def values_octets(name: str, *values: Value) -> bytes:
    return text(name) + u4(len(values)) + b"".join(value.octets() for value in values)


def resolution(name: str, indexes: tuple[int, ...] = (), types: tuple[str, ...] = ()) -> bytes:
    return text(name) + u4(len(indexes)) + b"".join(map(u4, indexes)) + u4(len(types)) + b"".join(map(text, types))


def admin_data(name: str, index: int, permissions: int = 0x0FFF) -> bytes:
    return struct.pack(">H", permissions) + text(name) + u4(index)


@dataclass
class Reader:
    octets: bytes
    at: int = 0

    def take(self, count: int) -> bytes:
        if count < 0 or self.at + count > len(self.octets):
            raise NotAccepted("the answer is too short")
        self.at += count
        return self.octets[self.at - count : self.at]

    def u1(self) -> int:
        return self.take(1)[0]

    def u2(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def u4(self) -> int:
        return int.from_bytes(self.take(4), "big", signed=True)

    def text(self) -> bytes:
        return self.take(self.u4())

    def texts(self) -> list[str]:
        return [self.text().decode() for _ in range(self.u4())]

    def values(self) -> list[Value]:
        return [self.value() for _ in range(self.u4())]

    def value(self) -> Value:
        index, _timestamp, _kind, ttl, permissions = self.u4(), self.u4(), self.u1(), self.u4(), self.u1()
        type_, data = self.text().decode(), self.text()
        for _ in range(self.u4()):
            self.text(), self.u4()
        return Value(index, type_, data, permissions, ttl)


@dataclass(frozen=True)
class Server:
    id: int
    address: bytes
    key: bytes
    interfaces: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class Site:
    version: tuple[int, int]
    serial: int
    is_primary: bool
    attributes: tuple[tuple[str, str], ...]
    servers: tuple[Server, ...]

    def alternatives(self) -> list[str]:
        """Return the further addresses; the client gives up all of them where one names a server that is not there."""
        servers = {server.id for server in self.servers}
        found = []
        for name, place in self.attributes:
            if name.startswith("alt_addr."):
                if int(name.partition(".")[2]) not in servers:
                    raise NotAccepted(f"{name} names no server")
                found.append(place)
        return found


def read_site(octets: bytes) -> Site:
    reader = Reader(octets)
    if reader.u2() != 1:
        raise NotAccepted("another format of site records")
    version, serial, mask, _hashing = (reader.u1(), reader.u1()), reader.u2(), reader.u1(), reader.u1()
    reader.text()
    attributes = tuple((reader.text().decode(), reader.text().decode()) for _ in range(reader.u4()))
    servers = tuple(
        Server(
            reader.u4(),
            reader.take(16),
            reader.text(),
            tuple((reader.u1(), reader.u1(), reader.u4()) for _ in range(reader.u4())),
        )
        for _ in range(reader.u4())
    )
    if reader.at < len(octets):
        raise NotAccepted("octets after the site record")
    return Site(version, serial, bool(mask & 0x80), attributes, servers)


@dataclass
class Answer:
    """One answer. `body` is what follows the digest; `content` is header and body as they came."""

    envelope: bytes
    content: bytes
    body: bytes = b""
    digest: tuple[int, bytes] | None = None
    credential: bytes = b""

    @property
    def session_id(self) -> int:
        return int.from_bytes(self.envelope[4:8], "big", signed=True)

    @property
    def request_id(self) -> int:
        return int.from_bytes(self.envelope[8:12], "big")

    @property
    def op(self) -> int:
        return int.from_bytes(self.content[:4], "big")

    @property
    def rc(self) -> int:
        return int.from_bytes(self.content[4:8], "big")

    @property
    def flags(self) -> int:
        return int.from_bytes(self.content[8:12], "big")

    @property
    def expires(self) -> int:
        return int.from_bytes(self.content[16:20], "big", signed=True)

    @property
    def message(self) -> str:
        return Reader(self.body).text().decode() if self.rc in ERRORS else ""

    @property
    def values(self) -> list[Value]:
        reader = Reader(self.body)
        reader.text()
        return reader.values()

    @property
    def names(self) -> list[str]:
        return Reader(self.body).texts()

    @property
    def nonce(self) -> bytes:
        return Reader(self.body).text()


def read_answer(envelope: bytes, part: bytes) -> Answer:
    """Take an answer apart as the client does; what it cannot read makes it throw."""
    if envelope[2] & 0xE0:
        raise NotAccepted("compressed, still encrypted, or truncated")
    body_octets = int.from_bytes(part[20:24], "big")
    answer = Answer(envelope, part[: 24 + body_octets])
    reader = Reader(answer.content, 24)
    if answer.flags & DIGEST:
        kind = reader.u1()
        if kind not in _DIGESTS:
            raise NotAccepted(f"unknown digest {kind}")
        answer.digest = kind, reader.take(_DIGESTS[kind]().digest_size)
    answer.body = answer.content[reader.at :]
    _check_body(answer)
    if len(part) >= 24 + body_octets + 4:
        answer.credential = Reader(part, 24 + body_octets).text()
    return answer


def _check_body(answer: Answer) -> None:
    if answer.rc in ERRORS:
        Reader(answer.body).text()
    elif answer.rc == 402:
        _ = answer.nonce
    elif answer.rc == 302:
        Reader(answer.body).text()
    elif answer.rc != 1:
        raise NotAccepted(f"unknown response code {answer.rc}")
    elif answer.op == 1:
        _ = answer.values
    elif answer.op in (105, 302):
        _ = answer.names
    elif answer.op == 2:
        read_site(answer.body)
    elif answer.op not in (*PLAIN_SUCCESSES, 100, 201, 400):
        raise NotAccepted(f"success of operation {answer.op}")


def digest_of(kind: int, octets: bytes) -> bytes:
    return _DIGESTS[kind](octets).digest()
