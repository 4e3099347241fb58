"""Small clients of protocol 2.1 against a running node: one in JavaScript, one in Ruby, and the older C and Java ones.

None knows of suggested versions: octets 2 and 3 of what they send are zero. Each question has a connection of its own.
"""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from identifiers.values import Value as Stored
from resolver.handle.tcp import TcpConnection
from tests.handle_sockets import listening
from tests.handle_stack import PREFIX, admin_value
from tests.interop.classic_octets import (
    AUTHORITATIVE,
    CACHE_CERTIFY,
    CERTIFY,
    DIGEST,
    PUBLIC_ONLY,
    RECURSIVE,
    Answer,
    NotAccepted,
    Value,
    admin_data,
    digest_of,
    read_answer,
    read_site,
    resolution,
    text,
    u4,
    values_octets,
)
from tests.interop.classic_session import SecretUser
from tests.interop.classic_transports import TCP, UDP
from tests.interop.reachable_node import BY_SECRET, BY_SERVICE, KEEPER, Node, running_node

pytestmark = pytest.mark.asyncio(loop_scope="module")

URL = Value(1, "URL", "https://example.com/轴承".encode())
ADMIN_VALUE = Value(100, "HS_ADMIN", admin_data(BY_SECRET.handle, BY_SECRET.index))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(shared_registry_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Node]:
    async with running_node(shared_registry_database, tmp_path_factory.mktemp("stream")) as made:
        yield made


async def calling(call: Any, *arguments: Any, **named: Any) -> Any:
    """Call what blocks beside the node's event loop."""
    return await asyncio.to_thread(call, *arguments, **named)


def message(
    op: int, body: bytes, flags: int = 0, *, session_id: int = 0, sequence: int = 0, version: tuple[int, int] = (2, 1)
) -> bytes:
    """Write a request. It has no expiration, which is long ago."""
    content = u4(op) + u4(0) + u4(flags) + b"\xff\xff" + bytes(2) + u4(0) + u4(len(body)) + body + u4(0)
    return bytes((*version, 0, 0)) + u4(session_id) + u4(4_000_000_000) + u4(sequence) + u4(len(content)) + content


def to_end(node: Node, octets: bytes) -> Answer:
    """Ask as the JavaScript client does: it ends its side at once, and reads until the server ends its own."""
    with socket.create_connection(("127.0.0.1", node.handle_port), 10.0) as connection:
        connection.sendall(octets)
        connection.shutdown(socket.SHUT_WR)
        heard = b"".join(iter(lambda: connection.recv(4_096), b""))
    return cut(heard)


def until_closed(node: Node, octets: bytes) -> Answer:
    """Ask, and read until the server ends; this client never does."""
    with socket.create_connection(("127.0.0.1", node.handle_port), 10.0) as connection:
        connection.sendall(octets)
        heard = b"".join(iter(lambda: connection.recv(256), b""))
    return cut(heard)


def in_pieces(node: Node, octets: bytes) -> Answer:
    """Ask as the Ruby client does: it takes envelope, header and body, each in one piece, and leaves the rest."""
    with socket.create_connection(("127.0.0.1", node.handle_port), 10.0) as connection:
        connection.sendall(octets)
        head, header = connection.recv(20), connection.recv(24)
        if (len(head), len(header)) != (20, 24):
            raise NotAccepted("an answer in smaller pieces")
        body = connection.recv(int.from_bytes(header[20:24], "big"))
    return read_answer(head, header + body)


def by_datagram(node: Node, octets: bytes) -> Answer:
    """Ask as the C client does, with one datagram of at most 512 octets each way."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.settimeout(10.0)
        connection.connect(("127.0.0.1", node.handle_port))
        connection.send(octets)
        heard = connection.recv(512)
    if heard[2] & 0x20:
        raise NotAccepted("cut off")
    return cut(heard)


def cut(octets: bytes) -> Answer:
    """Take an answer apart; after the body stands the length of a credential, and then nothing that is not one."""
    if int.from_bytes(octets[16:20], "big") != len(octets) - 20:
        raise NotAccepted("more or less than one message")
    answer = read_answer(octets[:20], octets[20:])
    if len(octets) != 20 + len(answer.content) + 4 + len(answer.credential):
        raise NotAccepted("octets after the credential")
    return answer


@pytest.mark.parametrize("ask", [to_end, until_closed, in_pieces, by_datagram])
async def test_a_name_and_its_prefix_are_looked_up_at_2_1(node: Node, ask: Callable[[Node, bytes], Answer]) -> None:
    name = f"{PREFIX}/small"
    await node.face.stack.record(name, Stored(1, "URL", URL.data), admin_value(100, KEEPER))

    def looked_up() -> None:
        (value,) = ask(node, message(1, resolution(f"0.NA/{PREFIX}", types=("HS_SITE",)))).values
        ports = {protocol: port for _, protocol, port in read_site(value.data).servers[0].interfaces}
        assert ports[TCP] == ports[UDP] == node.handle_port
        for flags in (0, PUBLIC_ONLY | AUTHORITATIVE | CACHE_CERTIFY | RECURSIVE):
            heard = ask(node, message(1, resolution(name), flags, sequence=0 if ask is by_datagram else 1))
            assert (heard.rc, heard.digest, heard.values[0].data) == (1, None, URL.data)
        heard = ask(node, message(1, resolution(f"{PREFIX}/not-there")))
        assert (heard.rc, heard.body[4:]) == (100, heard.message.encode())

    await calling(looked_up)


def administered(node: Node, op: int, body: bytes, user: SecretUser, flags: int) -> Answer:
    """Do as the Ruby client does: both messages of a challenge on connections of their own, proved with SHA-1."""
    challenge = in_pieces(node, message(op, body, flags))
    if challenge.rc != 402 or challenge.digest is None:
        raise NotAccepted(f"no challenge, but {challenge.rc}")
    kind, digest = challenge.digest
    assert digest == digest_of(2, message(op, body, flags)[20:-4])
    proof = b"\x02" + digest_of(2, user.secret + challenge.nonce + digest + user.secret)
    answer = text("HS_SECKEY") + text(user.handle) + u4(user.index) + text(proof)
    heard = in_pieces(node, message(200, answer, CACHE_CERTIFY | RECURSIVE, session_id=challenge.session_id))
    assert (kind, challenge.envelope[:2], heard.envelope[:2]) == (2, b"\x02\x01", b"\x02\x01")
    return heard


async def test_a_record_lives_its_life_by_challenges_across_connections(node: Node) -> None:
    name, flags = f"{PREFIX}/ruby", AUTHORITATIVE | CERTIFY | DIGEST
    maintainer = Value(101, "HS_ADMIN", admin_data(KEEPER.handle, KEEPER.index, 0x0070))
    hidden = Value(300, "HS_SECKEY", b"another secret", permissions=0)

    def life() -> list[int]:
        steps = [
            (100, values_octets(name, ADMIN_VALUE, URL), flags),
            (102, values_octets(name, maintainer), flags),
            (102, values_octets(name, hidden), flags),
            (104, values_octets(name, Value(1, "URL", b"https://example.com/2")), flags),
            (103, text(name) + u4(1) + u4(1), flags),
        ]
        return [administered(node, *step[:2], BY_SECRET, step[2]).rc for step in steps]

    assert await calling(life) == [1, 1, 1, 1, 1]


class Reset(asyncio.Transport):
    """What is left of a connection whose peer closed it with octets unread."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.aborted = b"", asyncio.Event()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 40_000) if name == "peername" else default

    def write(self, data: bytes) -> None:  # type: ignore[override] # the server writes octets
        self.written += data

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")

    def is_closing(self) -> bool:
        return self.aborted.is_set()

    def resume_reading(self) -> None:
        pass

    def abort(self) -> None:
        self.aborted.set()


async def test_who_leaves_before_reading_everything_leaves_no_error_behind(node: Node) -> None:
    """The Ruby client never reads the credential, so its system resets the connection instead of ending it."""
    async with listening(node.face.stack) as server:
        asked = message(1, resolution(f"{PREFIX}/not-there")), message(101, text(f"{PREFIX}/not-there"))
        for octets, rc in zip(asked, (100, 402), strict=True):  # answered at once, and later
            reset, connection = Reset(), TcpConnection(server.server._tcp)
            connection.connection_made(reset)
            connection.data_received(octets)
            await asyncio.wait_for(reset.aborted.wait(), 10.0)
            assert cut(reset.written).rc == rc
            connection.connection_lost(None)


async def test_a_wrong_secret_and_a_missing_record_are_told(node: Node) -> None:
    def told() -> list[int]:
        wrong = SecretUser(BY_SERVICE.handle, BY_SERVICE.index, b"wrong")
        heard = [
            administered(node, 101, text(f"{PREFIX}/none"), wrong, 0),
            administered(node, 101, text(f"{PREFIX}/none"), BY_SERVICE, 0),
        ]
        return [answer.rc for answer in heard]

    assert await calling(told) == [403, 100]
