"""The server of tests.handle_stack on real sockets, and a client's connections to it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from identifiers.handle_wire import codes
from identifiers.handle_wire.envelope import ENVELOPE_OCTETS, parse_envelope
from identifiers.handle_wire.header import parse_header
from resolver.handle.auth.authentication import HandleAuthentication
from resolver.handle.auth.handling import add_handlers
from resolver.handle.auth.keys import Elsewhere
from resolver.handle.connections import Watch
from resolver.handle.exchange import Peer
from resolver.handle.limits import CLOSING_S, HandleLimits, HandleSettings
from resolver.handle.server import HandleServer
from resolver.handle.site import own_site
from resolver.registry_calls import RegistryCalls
from tests.handle_stack import CALLS_SOCKET, Client, Stack

SITE = own_site([ip_address("127.0.0.1")], 2641, serial=1)
GENEROUS = HandleLimits(answers_per_source=1_000_000, octets_per_source=1_000_000_000)


@dataclass
class Listening:
    """A server that listens, and what it asks about users."""

    server: HandleServer
    authentication: HandleAuthentication
    drained: bool = False
    opened: list["Connections"] = field(default_factory=list)

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def watches(self) -> Collection[Watch]:
        """The open connections, as their bounds see them."""
        return tuple(self.server.connections._watches)

    async def drain(self, seconds: float) -> None:
        """End as at a shutdown; what is in hand has `seconds` to be answered."""
        self.drained = True
        await self.server.drain(seconds + CLOSING_S)

    def client(self, *, one: bool = True) -> Client:
        """Return a client with one connection, closed at the latest with the server, or a new one for each message."""
        connections = Connections(f"127.0.0.1:{self.port}", one=one)
        self.opened.append(connections)
        return Client(connections)  # type: ignore[arg-type] # all a client wants of a worker is answers


@asynccontextmanager
async def listening(
    stack: Stack,
    limits: HandleLimits = GENEROUS,
    *,
    key_file: Path | None = None,
    calls_socket: Path | None = None,
    elsewhere: Elsewhere | None = None,
    ticks: Callable[[], float] | None = None,
) -> AsyncIterator[Listening]:
    """Serve a stack's records, users and registry on a free port of TCP and UDP."""
    clock = stack.clock
    authentication = HandleAuthentication(
        stack.desk, stack.state, stack.settings, elsewhere=elsewhere, clock=clock, ticks=clock
    )
    calls = RegistryCalls(calls_socket or stack.directory / CALLS_SOCKET)
    settings = HandleSettings("127.0.0.1", 0, SITE, key_file, limits)
    server = HandleServer(settings, stack.desk, authentication, ticks or clock)
    add_handlers(authentication, calls, server.resolution.answer_as)
    server.listen()
    await server.start()
    made = Listening(server, authentication)
    try:
        yield made
    finally:
        for connections in made.opened:
            await connections.close()
        if not made.drained:
            await made.drain(0.0)
        calls.close()
        authentication.proofs.close()


class Connections:
    """Stands where tests in one process have a worker: each message goes over a new connection, or all over one."""

    def __init__(self, address: str, *, one: bool = False) -> None:
        self.host, _, self.port = address.rpartition(":")
        self.one = one
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def answers(self, _peer: Peer, octets: bytes) -> list[bytes]:
        if self.streams is None or not self.one:
            self.streams = await asyncio.open_connection(self.host, int(self.port))
        reader, writer = self.streams
        writer.write(octets)
        answers = [await next_message(reader)]
        while _continues(answers[-1]):
            answers.append(await next_message(reader))
        if not self.one:
            await self.close()
        return answers

    async def close(self) -> None:
        if self.streams is not None:
            self.streams[1].close()
            with suppress(ConnectionError):
                await self.streams[1].wait_closed()


async def close(client: Client) -> None:
    """Close a client's connection."""
    connections = client.worker
    assert isinstance(connections, Connections)
    await connections.close()


async def next_message(reader: asyncio.StreamReader) -> bytes:
    """Return the next message of a stream as it came."""
    head = await asyncio.wait_for(reader.readexactly(ENVELOPE_OCTETS), 10)
    return head + await asyncio.wait_for(reader.readexactly(parse_envelope(head).length), 10)


def _continues(octets: bytes) -> bool:
    if parse_envelope(octets).is_encrypted:
        return False
    return bool(parse_header(octets[ENVELOPE_OCTETS:]).flags & codes.CONTINUES)
