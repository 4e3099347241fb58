"""Exchanges with a Handle server over TCP (handle wire 19.2)."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from identifiers.handle_wire.client import Exchange, Received, Respond
from identifiers.handle_wire.tcp import Framed, Refused, StreamFramer
from node.client.errors import UnavailableError
from node.client.handle_address import HandleAddress
from node.client.handle_errors import UntrustedError

_READ_OCTETS: Final = 65_536


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a server is waited for, in seconds; ``repeats_s``: after which silence a datagram is sent again."""

    connect_s: float = 5.0
    answer_s: float = 15.0
    repeats_s: tuple[float, ...] = (0.5, 1.0, 1.5)


class _Ended(Exception):  # noqa: N818 - the state of a connection, not an error yet
    """The server closed the connection."""


class TcpAsker:
    """Asks one server. Look-ups share a connection; whatever may be done only once has its own, for each message.

    Existing servers close a connection after their answer, so a shared one that ends before an answer is no failure:
    the question goes out once more on a fresh one.
    """

    def __init__(self, address: HandleAddress, patience: Patience) -> None:
        self._address = address
        self._patience = patience
        self._kept: _Stream | None = None

    async def close(self) -> None:
        """End the shared connection."""
        kept, self._kept = self._kept, None
        if kept is not None:
            await kept.close()

    async def answers(self, exchange: Exchange, *, shared: bool = False) -> AsyncGenerator[Received]:
        """Yield the answers to a request, the last one last; raise UnavailableError, UntrustedError."""
        next_octets: bytes | None = exchange.message()
        while next_octets is not None:
            octets, next_octets = next_octets, None
            stream, is_whole = await self._stream(shared=shared), False
            try:
                answer, stream = await self._first(stream, octets, exchange, shared=shared)
                if isinstance(answer, Respond):
                    next_octets = answer.octets
                else:
                    yield answer
                    while not answer.is_last:
                        answer = await self._next(stream, exchange)
                        yield answer
                is_whole = True
            except _Ended:
                raise UnavailableError(f"the Handle server at {self._address} closed the connection") from None
            finally:
                if is_whole and shared:
                    self._kept = stream
                else:
                    await stream.close()

    async def _first(
        self, stream: "_Stream", octets: bytes, exchange: Exchange, *, shared: bool
    ) -> tuple[Received | Respond, "_Stream"]:
        try:
            stream.send(octets)
            return await self._message(stream, exchange), stream
        except _Ended:
            if not shared or not stream.was_used:
                raise
        await stream.close()
        fresh = await self._open()
        try:
            fresh.send(octets)
            return await self._message(fresh, exchange), fresh
        except BaseException:
            await fresh.close()
            raise

    async def _next(self, stream: "_Stream", exchange: Exchange) -> Received:
        answer = await self._message(stream, exchange)
        if isinstance(answer, Respond):
            raise UntrustedError(f"the Handle server at {self._address} wants a proof in the middle of its answer")
        return answer

    async def _message(self, stream: "_Stream", exchange: Exchange) -> Received | Respond:
        try:
            async with asyncio.timeout(self._patience.answer_s):
                while True:
                    answer = exchange.receive(await stream.framed())
                    if answer is not None:
                        stream.was_used = True
                        return answer
        except TimeoutError as error:
            raise UnavailableError(
                f"the Handle server at {self._address} gave no answer within {self._patience.answer_s:g} s"
            ) from error

    async def _stream(self, *, shared: bool) -> "_Stream":
        kept = self._kept if shared else None
        if kept is None:
            return await self._open()
        self._kept = None
        return kept

    async def _open(self) -> "_Stream":
        try:
            async with asyncio.timeout(self._patience.connect_s):
                streams = await asyncio.open_connection(self._address.host, self._address.port)
        except (OSError, TimeoutError) as error:
            reason = "no connection in time" if isinstance(error, TimeoutError) else _reason(error)
            raise UnavailableError(f"cannot reach the Handle server at {self._address}: {reason}") from error
        return _Stream(*streams)


def _reason(error: OSError) -> str:
    """Say shortly why there is no connection; the library repeats host and port."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or "the name is not known"


class _Stream:
    """One connection, cut into messages."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._framer = StreamFramer()
        self.was_used = False

    def send(self, octets: bytes) -> None:
        self._writer.write(octets)

    async def framed(self) -> Framed:
        """Return the next message part; raise _Ended, or WireError for what is none."""
        while True:
            for event in self._framer.events():
                if isinstance(event, Refused):
                    raise event.error
                return event
            try:
                octets = await self._reader.read(_READ_OCTETS)
            except OSError as error:
                raise _Ended from error
            if not octets:
                raise _Ended
            self._framer.feed(octets)

    async def close(self) -> None:
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()
