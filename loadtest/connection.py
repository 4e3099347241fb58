"""A connection as those who send load see it, whatever it carries: one outstanding request, no task for each."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from loadtest.target import Target


class Owner(Protocol):
    """Whoever decides what connections send: told about each opening, answer and loss."""

    def opened(self, connection: Connection) -> None:
        """Take a connection that can send."""

    def answered(self, connection: Connection, status: int, intended_ns: int) -> None:
        """Take the answer to the outstanding request; the connection can send again."""

    def lost(self, connection: Connection, intended_ns: int, *, timed_out: bool) -> None:
        """Part with a connection that ended; `intended_ns` is 0 when nothing was outstanding."""


class Connection(asyncio.Protocol):
    """One keep-alive connection; `intended_ns` is the outstanding request's intended send time, 0 when idle.

    A server may end it with an answer (`_ending`). Then the connection lives on: it is opened again at once, a request
    sent meanwhile goes out when it is open, and its owner sees nothing but the time that takes.
    """

    __slots__ = ("_ending", "_owner", "_timed_out", "_transport", "_unsent", "ended", "failure", "intended_ns")

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._timed_out = False
        self._ending = False
        self._unsent = b""
        self._transport: asyncio.Transport
        self.intended_ns = 0
        self.failure = ""
        # True: the server ended the connection with an answer; it can be opened again.
        self.ended: asyncio.Future[bool]

    async def connect(self, target: Target) -> None:
        """Open the connection; raise OSError."""
        await asyncio.get_running_loop().create_connection(lambda: self, target.address, target.port)

    def send(self, request: bytes, intended_ns: int) -> None:
        """Send one request now; its latency counts from `intended_ns`, which is not 0."""
        self.intended_ns = intended_ns
        if self._ending:
            self._unsent = request
        else:
            self._transport.write(request)

    def abort(self, *, timed_out: bool = False) -> None:
        """End the connection at once; an outstanding request is reported as lost, or as timed out."""
        self._timed_out = timed_out
        self._transport.abort()

    def give_up(self) -> None:
        """Report that the connection could not be opened again."""
        intended_ns, self.intended_ns = self.intended_ns, 0
        self._owner.lost(self, intended_ns, timed_out=self._timed_out)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102 - asyncio's contract
        self._transport = cast("asyncio.Transport", transport)
        self.ended = asyncio.get_running_loop().create_future()
        self._ending = False
        if self._unsent:
            unsent, self._unsent = self._unsent, b""
            self._transport.write(unsent)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102 - asyncio's contract
        if exc is not None:
            self.failure = self.failure or str(exc)
        if not self._ending:
            self.give_up()
        if not self.ended.done():
            self.ended.set_result(self._ending)
