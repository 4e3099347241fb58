"""Exchanges with a Handle server over UDP: repeated with growing pauses, given up for TCP (handle wire 19.3)."""

import asyncio
from typing import Final, cast

from identifiers.handle_wire.client import Exchange, Received, Respond
from identifiers.handle_wire.codes import ResponseCode
from identifiers.handle_wire.tcp import Framed
from identifiers.handle_wire.udp import Reassembler, packets
from identifiers.octets import WireError
from node.client.handle_address import HandleAddress
from node.client.handle_tcp import Patience

_WAITING_MAX: Final = 256
"""Datagrams kept until they are read: the longest answer over UDP has nine."""


class UdpAsker:
    """Asks one server, one question after the other, over one socket."""

    def __init__(self, address: HandleAddress, patience: Patience) -> None:
        self._address = address
        self._patience = patience
        self._socket: _Socket | None = None

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.transport.close()
            self._socket = None

    async def answer(self, exchange: Exchange) -> Received | None:
        """Return the answer; None if there is none, or the server wants TCP. Raises WireError, UntrustedAnswer."""
        try:
            socket = self._socket = self._socket or await self._open()
        except OSError:
            return None
        reassembler = Reassembler(answers=True)
        answer: Received | Respond | None = Respond(b"")
        while isinstance(answer, Respond):
            answer = await self._answered(socket, reassembler, exchange)
        return None if answer is None or answer.header.rc == ResponseCode.ERROR else answer

    async def _answered(
        self, socket: "_Socket", reassembler: Reassembler, exchange: Exchange
    ) -> Received | Respond | None:
        for pause_s in self._patience.repeats_s:
            socket.send(packets(exchange.message()))
            try:
                async with asyncio.timeout(pause_s):
                    return await self._received(socket, reassembler, exchange)
            except TimeoutError:
                continue
        return None

    async def _received(
        self, socket: "_Socket", reassembler: Reassembler, exchange: Exchange
    ) -> Received | Respond | None:
        while True:
            datagram = await socket.waiting.get()
            if datagram is None:
                return None
            whole = reassembler.feed(self._address, datagram, asyncio.get_running_loop().time())
            try:
                answer = exchange.receive(whole) if isinstance(whole, Framed) else None
            except WireError:
                continue  # anybody can send us octets: a better answer may follow
            if answer is not None:
                return answer

    async def _open(self) -> "_Socket":
        loop = asyncio.get_running_loop()
        address = (self._address.host, self._address.port)
        _, protocol = await loop.create_datagram_endpoint(_Socket, remote_addr=address)
        return protocol


class _Socket(asyncio.DatagramProtocol):
    """A socket that hears one address only; datagrams nobody reads in time are dropped, as the network does."""

    def __init__(self) -> None:
        self.waiting: asyncio.Queue[bytes | None] = asyncio.Queue(_WAITING_MAX)
        self.transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 - asyncio's contract
        if not self.waiting.full():
            self.waiting.put_nowait(data)

    def error_received(self, exc: Exception) -> None:  # noqa: ARG002 - asyncio's contract
        """Give up: nobody listens at that port."""
        if not self.waiting.full():
            self.waiting.put_nowait(None)

    def send(self, datagrams: list[bytes]) -> None:
        for datagram in datagrams:
            self.transport.sendto(datagram)
