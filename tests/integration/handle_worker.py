"""A worker that speaks the Handle protocol, and a small client that sends octets as they are."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self

from identifiers.handle_wire.answers import DecodedAnswer, decode_answer
from identifiers.handle_wire.codes import REQUEST_FLAGS
from identifiers.handle_wire.envelope import Envelope
from identifiers.handle_wire.header import Header
from identifiers.handle_wire.message import Message, decode_message, encode_message, make_message
from identifiers.handle_wire.requests import Request, encode_request
from identifiers.handle_wire.udp import Reassembler, packets
from identifiers.handle_wire.versions import OURS, Version
from resolver.handle.limits import HandleLimits, HandleSettings
from resolver.handle.site import own_site
from tests.integration.running_worker import Worker, running

SITE = own_site([ip_address("192.0.2.7")], 2641, serial=1, description="test site")
ENVELOPE = 20
GENEROUS = HandleLimits(answers_per_source=1_000_000, octets_per_source=1_000_000_000)


def request(
    asked: Request,
    *,
    request_id: int = 7,
    flags: int = REQUEST_FLAGS,
    version: Version = OURS,
    suggested: Version = OURS,
    session_id: int = 0,
) -> bytes:
    """Return the octets of a request."""
    envelope = Envelope(version, 0, suggested, session_id, request_id, 0, 0)
    made = make_message(envelope, Header(int(asked.op), 0, flags, 0xFFFF, 0, 1), encode_request(asked))
    octets = encode_message(made)
    return octets[:16] + (len(octets) - ENVELOPE).to_bytes(4, "big") + octets[ENVELOPE:]


def decoded(octets: bytes) -> tuple[Message, DecodedAnswer]:
    """Return an answer, taken apart."""
    message = decode_message(octets)
    return message, decode_answer(message.header, message.body)


@asynccontextmanager
async def handle_worker(directory: Path, limits: HandleLimits = GENEROUS, **settings: Any) -> AsyncIterator[Worker]:
    """Run a worker over `directory`/replica that speaks Handle on a free port."""
    made = HandleSettings("127.0.0.1", 0, SITE, limits=limits)
    key_file = settings.pop("key_file", None)
    async with running(directory, handle=replace(made, key_file=key_file), **settings) as worker:
        yield worker


class Stream:
    """One TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, port: int, **options: Any) -> "Stream":
        return cls(*await asyncio.open_connection("127.0.0.1", port, **options))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.transport.abort()
        with suppress(ConnectionError):
            await self.writer.wait_closed()

    def send(self, *octets: bytes) -> None:
        self.writer.write(b"".join(octets))

    async def message(self) -> bytes:
        """Return the next message as it came."""
        envelope = await asyncio.wait_for(self.reader.readexactly(ENVELOPE), 10.0)
        return envelope + await self.reader.readexactly(struct.unpack(">I", envelope[16:])[0])

    async def ask(self, octets: bytes) -> bytes:
        self.send(octets)
        return await self.message()

    async def rest(self) -> bytes:
        """Return everything until the peer ends its side."""
        return await asyncio.wait_for(self.reader.read(), 10.0)


class Datagrams:
    """A UDP socket of ours, connected to a worker."""

    def __init__(self, port: int, source_port: int = 0) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", source_port))
        self.socket.connect(("127.0.0.1", port))
        self.socket.setblocking(False)  # noqa: FBT003 - the library's own positional flag

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *datagrams: bytes) -> None:
        for datagram in datagrams:
            self.socket.send(datagram)

    async def packet(self) -> bytes:
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.socket, 4_096), 10.0)

    async def message(self) -> bytes:
        """Return the next message, put together."""
        return (await self.message_and_packets())[0]

    async def message_and_packets(self) -> tuple[bytes, list[bytes]]:
        """Return the next message with the packets it came in."""
        packets_seen: list[bytes] = []
        reassembler = Reassembler(answers=True)
        while True:
            packets_seen.append(await self.packet())
            whole = reassembler.feed(("127.0.0.1", 1), packets_seen[-1], 0.0)
            if whole is not None:
                first = packets_seen[0]
                return first[:2] + bytes((first[2] & 0x1F,)) + first[3:ENVELOPE] + whole.part, packets_seen  # type: ignore[union-attr] # a refusal would fail the test

    async def ask(self, octets: bytes) -> bytes:
        self.send(*packets(octets))
        return await self.message()


async def both_ways(worker: Worker, octets: bytes) -> Sequence[bytes]:
    """Ask over TCP and over UDP."""
    async with await Stream.open(worker.handle_port) as stream:
        over_tcp = await stream.ask(octets)
    with Datagrams(worker.handle_port) as datagrams:
        return over_tcp, await datagrams.ask(octets)
