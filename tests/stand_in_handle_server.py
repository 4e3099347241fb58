"""A small stand-in for a Handle server, over TCP and UDP on one port, with faults to order."""

import asyncio
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from identifiers.handle import fold
from identifiers.handle_wire import proofs, replies
from identifiers.handle_wire.answers import Answer, Done, Failure, Names, Referral, Resolved
from identifiers.handle_wire.codes import NOT_OVER_UDP, Op, ResponseCode
from identifiers.handle_wire.message import Message, encode_message, parse_message
from identifiers.handle_wire.requests import ChallengeResponse, ListHandles, Resolution, decode_request
from identifiers.handle_wire.tcp import Framed, StreamFramer
from identifiers.handle_wire.udp import Reassembler, packets
from identifiers.hs_site import ADMINISTRATION, QUERY, Interface, Server, Site, encode_site

if TYPE_CHECKING:
    from collections.abc import Callable

    from identifiers.handle_wire.keys import UsablePublicKey
    from identifiers.values import Value

NOW_S = 1_800_000_000
NONCE = bytes(16)
SESSION = 77
PART_NAMES = 2
_SITE = replies.Site()


def site_of(*ports: int) -> bytes:
    """Return the data of an HS_SITE value for servers on the loopback, both transports on each port."""
    kinds = (ADMINISTRATION | QUERY, 1), (QUERY, 0)
    servers = [
        Server(number, bytes(12) + bytes((127, 0, 0, 1)), b"", tuple(Interface(kind, way, port) for kind, way in kinds))
        for number, port in enumerate(ports, 1)
    ]
    return encode_site(Site(1, 0x80, tuple(servers)))


class StandInHandleServer:
    """Serves in a thread of its own, so that a test may call commands as a user would.

    `records` maps folded names to values, `referrals` folded prefixes to answers, `refused` folded names to response
    codes. `asked` has every request that was read, `flags` its flags; `connections` counts those by TCP. `deaf`
    datagrams are lost, and those that name `deaf_to`; `over_udp` False sends everybody to TCP; `mangle` may change any
    answer. Whatever changes something is challenged where there is a `secret` or a `key` to prove it.
    """

    def __init__(self) -> None:
        self.records: dict[str, tuple[Value, ...]] = {}
        self.referrals: dict[str, Referral] = {}
        self.refused: dict[str, int] = {}
        self.asked: list[tuple[str, Any]] = []
        self.flags: list[int] = []
        self.connections = 0
        self.deaf = 0
        self.deaf_to: bytes | None = None
        self.over_udp = True
        self.closes_at_once = False
        self.closes_after_answer = False
        self.mangle: Callable[[Message], Message] = lambda message: message
        self.secret: bytes | None = None
        self.key: UsablePublicKey | None = None
        self.port = 0
        self._challenged: Message | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="stand-in Handle server")

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def site(self) -> bytes:
        return site_of(self.port)

    def names_asked(self) -> list[str]:
        return [request.name for _, request in self.asked if isinstance(request, Resolution)]

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        made: Any = await self._loop.create_datagram_endpoint(
            lambda: _Datagrams(self), local_addr=("127.0.0.1", self.port)
        )
        self._datagrams = made[0]

    async def _stop(self) -> None:
        self._datagrams.close()
        self._server.close()
        for writer in self._writers:
            writer.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        framer = StreamFramer()
        while not self.closes_at_once and (octets := await reader.read(65_536)):
            framer.feed(octets)
            for event in framer.events():
                assert isinstance(event, Framed)
                writer.write(b"".join(self.answers("tcp", event)))
            if self.closes_after_answer and not framer.pending:
                break
        writer.close()

    def answers(self, way: str, framed: Framed) -> list[bytes]:
        """Return the octets of the answers to a request."""
        message = parse_message(framed.envelope, framed.part)
        request = decode_request(message.header.op, message.body)
        self.asked.append((way, request))
        self.flags.append(message.header.flags)
        to = replies.replying_to(message)
        if way == "udp" and (not self.over_udp or message.header.op in NOT_OVER_UDP):
            return [self._octets(replies.use_tcp(to, now_s=NOW_S, site=_SITE))]
        if isinstance(request, ChallengeResponse):
            return [self._octets(self._proven(message, request))]
        if (self.secret or self.key) and message.header.op not in (Op.RESOLUTION, Op.GET_SITE_INFO):
            self._challenged = message
            return [self._octets(replies.challenge(to, NONCE, SESSION, now_s=NOW_S, site=_SITE))]
        if isinstance(request, ListHandles):
            return self._list(to, request)
        body, rc = self._answer(request)
        return [self._octets(replies.reply(to, body, rc, now_s=NOW_S, site=_SITE))]

    def _answer(self, request: Any) -> tuple[Answer, int]:
        name = getattr(request, "name", "")
        prefix = fold(name).partition("/")[0]
        if (rc := self.refused.get(fold(name))) is not None:
            return Failure("no"), rc
        if not isinstance(request, Resolution):
            return Done(), ResponseCode.SUCCESS
        for known in (fold(name), prefix):
            if known in self.referrals:
                return self.referrals[known], ResponseCode.SERVICE_REFERRAL
        values = self.records.get(fold(name))
        if values is None:
            return Failure(), ResponseCode.HANDLE_NOT_FOUND
        wanted = {fold(kind) for kind in request.types}
        found = tuple(
            value
            for value in values
            if not (wanted or request.indexes) or fold(value.type) in wanted or value.index in request.indexes
        )
        return (Resolved(name, found), ResponseCode.SUCCESS) if found else (Failure(), ResponseCode.VALUES_NOT_FOUND)

    def _proven(self, message: Message, response: ChallengeResponse) -> Message:
        assert self._challenged is not None
        to = replies.replying_through(message, self._challenged)
        challenge = replies.challenge_to(replies.replying_to(self._challenged), NONCE)
        if self.secret is not None:
            is_right = proofs.is_right_secret(proofs.parse_secret_proof(response.proof), self.secret, challenge)
        else:
            assert self.key is not None
            is_right = proofs.is_right_key(proofs.parse_key_proof(response.proof), self.key, challenge, response.user)
        if not is_right:
            return replies.refuse(to, ResponseCode.AUTHENTICATION_FAILED, now_s=NOW_S, site=_SITE)
        body, rc = self._answer(decode_request(self._challenged.header.op, self._challenged.body))
        return replies.reply(to, body, rc, now_s=NOW_S, site=_SITE)

    def _list(self, to: replies.Replying, request: ListHandles) -> list[bytes]:
        names = [name for name in self.records if name.startswith(f"{request.prefix}/")]
        parts = [tuple(names[at : at + PART_NAMES]) for at in range(0, len(names), PART_NAMES)] or [()]
        return [
            self._octets(replies.reply(to, Names(part), 1, now_s=NOW_S, site=_SITE, more=at < len(parts) - 1))
            for at, part in enumerate(parts)
        ]

    def _octets(self, message: Message) -> bytes:
        return encode_message(self.mangle(message))


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: StandInHandleServer) -> None:
        self.server = server
        self.reassembler = Reassembler()
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        whole = self.reassembler.feed(addr, data, 0.0)
        if not isinstance(whole, Framed):
            return
        if self.server.deaf_to is not None and self.server.deaf_to in whole.part:
            return
        if self.server.deaf > 0:
            self.server.deaf -= 1
            return
        for octets in self.server.answers("udp", whole):
            for datagram in reversed(packets(octets)):
                self.transport.sendto(datagram, addr)


def with_request_id(message: Message, request_id: int) -> Message:
    """Return a message that answers another request."""
    return Message(message.envelope._replace(request_id=request_id), message.header, message.content)
