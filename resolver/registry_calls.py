"""Asking the registry to carry out what a Handle administrator wants, and to store plain registrations.

Over a Unix socket of its own, which no public port leads to: frames of a four-octet length and MessagePack, many calls
under way on one connection, answered in any order. A general HTTP client and server would cost each registration more
than the rest of its way to the journal.
"""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from identifiers.frames import FrameReader, FrameTooLong, frame
from identifiers.handle_requests import Face, Group, HandleAnswer, HandleRequest, Operation
from identifiers.plain_registration import PlainAnswer, PlainRegistration
from identifiers.values import Reference

OPEN_MAX: Final = 512
"""Calls under way from one worker."""
CONNECT_S: Final = 2.0
ANSWER_S: Final = 60.0
_SUCCESS: Final = 1
_ERROR: Final = 2
_BUSY: Final = 3
_READ_ONLY: Final = 7

GroupsFor = Callable[[Reference, Operation], Awaitable[tuple[Group, ...]]]
"""Returns the groups elsewhere that decide whether a user may do something."""

log = logging.getLogger(__name__)


class RegistryCalls:
    """The way to the registry for one worker. It connects when it is needed, and again after a loss."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._connection: _Connection | None = None
        self._connecting: asyncio.Task[_Connection] | None = None
        self._numbers = itertools.count(1)
        self._groups: GroupsFor | None = None

    def hand_over(self, groups: "GroupsFor") -> None:
        """Send with each operation of a user the groups elsewhere that decide about it."""
        self._groups = groups

    async def execute(
        self, operation: Operation, *, user: Reference | None, face: Face, address: str = "unknown"
    ) -> HandleAnswer:
        """Have one operation carried out, and return its answer. Raises nothing for what may happen.

        While the registry is away: code 7, nothing was done. When it goes away with the operation in its hands, or is
        silent for a minute: code 2, it may have been done or not. Too many operations under way: code 3.
        """
        number = next(self._numbers)
        try:
            connection = await self._connected()
        except OSError:
            return HandleAnswer(number, _READ_ONLY, "The registry does not answer; try again in a moment")
        if len(connection.waiting) >= OPEN_MAX:
            return HandleAnswer(number, _BUSY, "Too many operations wait for the registry")
        try:
            async with asyncio.timeout(ANSWER_S):
                groups = () if self._groups is None or user is None else await self._groups(user, operation)
                answered = connection.send(HandleRequest(number, operation, face, user, address, groups))
                return cast("HandleAnswer", await answered)
        except (ConnectionError, TimeoutError):
            return HandleAnswer(number, _ERROR, "The registry ended before it answered; read the record")
        finally:
            connection.waiting.pop(number, None)

    def register(self, target: str, token: str, address: str, body: bytes) -> asyncio.Future[PlainAnswer] | None:
        """Hand in a plain registration; None where there is no connection, or no room, to do so at once.

        The future has the answer, or an OSError where the registry went away with the registration in its hands.
        """
        connection = self._connection
        if connection is None or connection.lost:
            self._begin_to_connect()
            return None
        if len(connection.waiting) >= OPEN_MAX:
            return None
        answered = connection.send(PlainRegistration(next(self._numbers), target, token, address, body))
        silence = asyncio.get_running_loop().call_later(ANSWER_S, _give_up, answered)
        answered.add_done_callback(lambda _: silence.cancel())
        return answered

    def close(self) -> None:
        """Close the connection; who waits for an answer is told so."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._connection is not None:
            self._connection.close()

    async def _connected(self) -> "_Connection":
        if self._connection is not None and not self._connection.lost:
            return self._connection
        return await asyncio.shield(self._begin_to_connect())

    def _begin_to_connect(self) -> "asyncio.Task[_Connection]":
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.create_task(self._connect(), name="registry-calls")
            self._connecting.add_done_callback(_note)
        return self._connecting

    async def _connect(self) -> "_Connection":
        async with asyncio.timeout(CONNECT_S):
            _, connection = await asyncio.get_running_loop().create_unix_connection(_Connection, self._path)
        self._connection = connection
        return connection


def _note(connecting: "asyncio.Task[_Connection]") -> None:
    """Look at what came of it: nobody may be waiting for it."""
    if not connecting.cancelled():
        connecting.exception()


def _give_up(answered: asyncio.Future[PlainAnswer]) -> None:
    if not answered.done():
        answered.set_exception(ConnectionAbortedError("the registry did not answer in time"))


class _Connection(asyncio.Protocol):
    """One connection, and who waits on it for which answer."""

    def __init__(self) -> None:
        self.waiting: dict[int, asyncio.Future[Any]] = {}
        self.lost = False
        self._transport: asyncio.Transport | None = None
        self._frames = FrameReader()
        self._unsent: list[bytes] = []
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder[HandleAnswer | PlainAnswer](HandleAnswer | PlainAnswer).decode

    def send(self, request: HandleRequest | PlainRegistration) -> asyncio.Future[Any]:
        """Send a request; the future has its answer. Raises ConnectionError, or the future does."""
        if self.lost:
            raise ConnectionResetError("the registry has closed the connection")
        answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.waiting[request.number] = answered
        body = self._encode(request)
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._send)
        self._unsent += frame(body)
        return answered

    def close(self) -> None:
        """Close at once."""
        self.lost = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        """Read on."""
        try:
            for body in self._frames.feed(data):
                answer = self._decode(body)
                waits = self.waiting.pop(answer.number, None)
                if waits is not None and not waits.done():
                    waits.set_result(answer)
        except FrameTooLong:
            log.error("the registry's answer is too long")  # noqa: TRY400 - a traceback says no more
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        self.lost = True
        for waits in self.waiting.values():
            if not waits.done():
                waits.set_exception(exc or ConnectionResetError("the registry has closed the connection"))

    def _send(self) -> None:
        unsent, self._unsent = b"".join(self._unsent), []
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(unsent)
