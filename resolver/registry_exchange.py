"""Short requests to the registry: one write out, one answer in, over connections that are kept.

Single registrations are most of what goes to the registry, and a general HTTP client takes as long for one as the rest
of the worker's part. Bodies are held whole here, so only small ones go this way; see registry_proxy.py.
"""

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

import httptools

IDLE_S: Final = 15.0
"""The registry closes connections that idle for longer than a minute; they are not used for so long."""
ANSWER_OCTETS_MAX: Final = 2**20


class RegistryAway(Exception):  # noqa: N818 - a state of the world
    """The registry cannot be reached; nothing was sent."""


class RegistryInterrupted(Exception):  # noqa: N818 - a state of the world
    """The registry went away, or said nothing for too long, with a request in its hands."""


@dataclass(slots=True)
class Exchanged:
    """An answer, read whole. Headers as they came."""

    status: int = 0
    reason: str = ""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""


class RegistryExchange:
    """Connections to the registry's socket, each used for one request at a time."""

    def __init__(self, path: Path, *, connect_s: float, answer_s: float) -> None:
        self._path = str(path)
        self._connect_s = connect_s
        self._answer_s = answer_s
        self._idle: deque[_Connection] = deque()

    async def exchange(self, request: bytes) -> Exchanged:
        """Send a request, head and body, and return its answer. Raises RegistryAway or RegistryInterrupted."""
        connection = self._take() or await self._connect()
        try:
            return await connection.begin(request)
        except asyncio.CancelledError:
            connection.close()
            raise

    def begin(self, request: bytes) -> asyncio.Future[Exchanged]:
        """Do the same beside what goes on: without a task where a connection is there already."""
        connection = self._take()
        if connection is None:
            return asyncio.get_running_loop().create_task(self.exchange(request))
        return connection.begin(request)

    def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> "_Connection | None":
        """Return the connection used last; those idle for too long are closed."""
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable and time.monotonic() - connection.used_at < IDLE_S:
                return connection
            connection.close()
        return None

    async def _connect(self) -> "_Connection":
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_s):
                _, connection = await loop.create_unix_connection(self._connection, self._path)
        except OSError as error:  # includes the time-out
            raise RegistryAway(str(error)) from error
        return connection

    def _connection(self) -> "_Connection":
        return _Connection(self._answer_s, self._idle)


class _Connection(asyncio.Protocol):
    """One connection, and the answer that is being read from it."""

    def __init__(self, answer_s: float, idle: "deque[_Connection]") -> None:
        self._answer_s = answer_s
        self._idle = idle
        self._loop = asyncio.get_running_loop()
        self._silence: asyncio.TimerHandle | None = None
        self.reusable = False
        self.used_at = 0.0
        self._transport: asyncio.Transport | None = None
        self._answered: asyncio.Future[Exchanged] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer = Exchanged()
        self._pieces: list[bytes] = []
        self._octets = 0

    def begin(self, request: bytes) -> asyncio.Future[Exchanged]:
        """Send a request; the future has its answer, or RegistryInterrupted."""
        assert self._transport is not None  # noqa: S101 - connections are handed out connected
        self.reusable = False
        self._answer, self._pieces, self._octets = Exchanged(), [], 0
        self._answered = self._loop.create_future()
        self._silence = self._loop.call_later(self._answer_s, self._fail, "it did not answer in time")
        self._transport.write(request)
        return self._answered

    def close(self) -> None:
        """Close; an answer that is owed is not waited for any more."""
        self.reusable = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        """Read on."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"its answer cannot be read: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        self.reusable = False
        self._fail(str(exc) if exc else "the connection was closed")

    def on_status(self, reason: bytes) -> None:
        """As the parser's callback."""
        self._answer.reason += reason.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        """As the parser's callback."""
        self._answer.headers.append((name, value))

    def on_body(self, piece: bytes) -> None:
        """As the parser's callback."""
        self._octets += len(piece)
        if self._octets > ANSWER_OCTETS_MAX:
            self._fail("its answer is too long")
        else:
            self._pieces.append(piece)

    def on_message_complete(self) -> None:
        """As the parser's callback."""
        answer, answered = self._answer, self._answered
        answer.status = self._parser.get_status_code()
        answer.body = b"".join(self._pieces)
        self.used_at = time.monotonic()
        self._hear()
        if answered is not None and not answered.done():
            self.reusable = self._parser.should_keep_alive()
            answered.set_result(answer)
        if self.reusable:
            self._idle.append(self)
        else:
            self.close()

    def _hear(self) -> None:
        if self._silence is not None:
            self._silence.cancel()

    def _fail(self, reason: str) -> None:
        self._hear()
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(RegistryInterrupted(reason))
        if self._transport is not None:
            self._transport.abort()
