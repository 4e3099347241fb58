"""The socket on which this host's workers ask for what Handle administrators want, and hand in plain registrations.

Frames of a four-octet length and MessagePack, both ways; many calls under way on one connection, answered in any order.
The socket is the node's own (mode 0600) and no port leads to it, so the registry believes whom a worker names.
"""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, cast

import msgspec

from identifiers.frames import FrameReader, FrameTooLong, frame
from identifiers.handle_requests import HandleAnswer, HandleRequest
from identifiers.plain_registration import PlainAnswer, PlainRegistration
from registry.api.plain_registrations import PlainRegistrations
from registry.handle_admin.execution import HandleAdministration

UNDER_WAY_MAX: Final = 1_024
"""Calls of one worker; beyond that its socket is not read."""
DRAIN_S: Final = 10.0

Request = HandleRequest | PlainRegistration
CarryOut = Callable[[Request], Awaitable[HandleAnswer | PlainAnswer]]

log = logging.getLogger(__name__)


@asynccontextmanager
async def serve_calls(
    administration: HandleAdministration, registrations: PlainRegistrations, bound: socket.socket
) -> AsyncIterator[None]:
    """Serve on a bound Unix socket while the block runs; then end the calls under way."""
    open_connections: set[_Connection] = set()

    async def carry_out(request: Request) -> HandleAnswer | PlainAnswer:
        if not isinstance(request, PlainRegistration):
            return await administration.execute(request)
        try:
            return PlainAnswer(request.number, await registrations.answer(request))
        except Exception:
            log.exception("a plain registration is left to the API by a defect")
            return PlainAnswer(request.number, None)

    server = await asyncio.get_running_loop().create_unix_server(
        lambda: _Connection(carry_out, open_connections), sock=bound
    )
    try:
        yield
    finally:
        server.close()
        await _drain(open_connections)


async def _drain(connections: "set[_Connection]") -> None:
    calls = [call for connection in connections for call in connection.calls]
    if calls:
        await asyncio.wait(calls, timeout=DRAIN_S)
    for connection in list(connections):
        connection.close()


class _Connection(asyncio.Protocol):
    """One worker's connection."""

    def __init__(self, carry_out: CarryOut, among: "set[_Connection]") -> None:
        self.calls: set[asyncio.Task[None]] = set()
        self._carry_out = carry_out
        self._among = among
        self._transport: asyncio.Transport | None = None
        self._paused = False
        self._frames = FrameReader()
        self._unsent: list[bytes] = []
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder[Request](Request).decode

    def close(self) -> None:
        """Send what is written, and close."""
        self._send()
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._among.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio.Protocol's signature
        """Go on with what is under way: its transaction may be about to commit."""
        self._transport = None
        self._among.discard(self)

    def data_received(self, data: bytes) -> None:
        """Begin the calls that are whole."""
        try:
            for body in self._frames.feed(data):
                call = asyncio.create_task(self._answer(self._decode(body)))
                self.calls.add(call)
                call.add_done_callback(self._ended)
        except (FrameTooLong, msgspec.MsgspecError) as error:
            self._refuse(str(error))
            return
        if len(self.calls) >= UNDER_WAY_MAX and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def _refuse(self, why: str) -> None:
        log.error("a worker's call cannot be read: %s", why)
        if self._transport is not None:
            self._transport.abort()

    async def _answer(self, request: Request) -> None:
        body = self._encode(await self._carry_out(request))
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._send)
        self._unsent += frame(body)

    def _ended(self, call: asyncio.Task[None]) -> None:
        self.calls.discard(call)
        if self._paused and len(self.calls) < UNDER_WAY_MAX and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def _send(self) -> None:
        unsent, self._unsent = b"".join(self._unsent), []
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(unsent)
