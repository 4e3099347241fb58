"""Connections for load over the Handle protocol: TCP kept alive, and UDP, one outstanding request each.

An answer is looked at only as far as it takes to know that it is one: request id, response code, length, and the name
that was asked for.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, cast

from identifiers.handle_wire.codes import MESSAGE_OCTETS_MAX, ResponseCode
from identifiers.handle_wire.envelope import ENVELOPE_OCTETS
from identifiers.handle_wire.quick_asking import Asker, read_outcome
from identifiers.handle_wire.udp import PART_OCTETS_MAX
from loadtest.connection import Connection

if TYPE_CHECKING:
    from loadtest.connection import Owner
    from loadtest.target import Target

WRONG: Final = 0
"""The status of an answer to something else: no response code is 0."""
_SUCCESS: Final = int(ResponseCode.SUCCESS)
_ID: Final = slice(8, 12)
_NAME_AT: Final = 44
_HELLO: Final = Asker(now_s=0).ask(0, b"0")
_HELLO_PAUSE_S: Final = 0.5


class HandleStream(Connection):
    """One TCP connection."""

    __slots__ = ("_asked", "_held")

    def __init__(self, owner: Owner) -> None:
        super().__init__(owner)
        self._asked = b""
        self._held = b""

    def send(self, request: bytes, intended_ns: int) -> None:
        """Send one request now; see Connection."""
        self._asked = request
        super().send(request, intended_ns)

    def data_received(self, data: bytes) -> None:  # noqa: D102 - asyncio's contract
        octets = self._held + data if self._held else data
        outcome = read_outcome(octets)
        if outcome is None or outcome[3] > len(octets):
            self._held = octets
            if len(octets) > MESSAGE_OCTETS_MAX + ENVELOPE_OCTETS:
                self._fail("the server sent something that is no answer")
            return
        self._held = b""
        intended_ns, self.intended_ns = self.intended_ns, 0
        if not intended_ns or outcome[3] < len(octets):
            self.intended_ns = intended_ns
            self._fail("the server answered a request that was not sent")
            return
        self._owner.answered(self, status_of(self._asked, octets, outcome[1]), intended_ns)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102 - asyncio's contract
        self._held = b""
        super().connection_lost(exc)

    def _fail(self, reason: str) -> None:
        self.failure = reason
        self._transport.abort()


class HandleDatagrams(Connection, asyncio.DatagramProtocol):
    """One UDP socket. Nothing is sent again: a datagram that was lost is a request that times out."""

    __slots__ = ("_asked", "_hello", "_rc", "_seen")

    def __init__(self, owner: Owner) -> None:
        super().__init__(owner)
        self._asked = b""
        self._rc = 0
        self._seen: set[int] = set()
        self._hello: asyncio.Future[None] | None = None

    async def connect(self, target: Target) -> None:
        """Open a socket and see that somebody answers, whatever the answer: a port alone tells nothing."""
        loop = asyncio.get_running_loop()
        self._hello = loop.create_future()
        await loop.create_datagram_endpoint(lambda: self, remote_addr=(target.address, target.port))
        try:
            while not self._hello.done():
                self._datagrams.sendto(_HELLO)
                await asyncio.wait([self._hello], timeout=_HELLO_PAUSE_S)
        except BaseException:
            self._datagrams.abort()
            raise
        finally:
            hello, self._hello = self._hello, None
        hello.result()

    @property
    def _datagrams(self) -> asyncio.DatagramTransport:
        return cast("asyncio.DatagramTransport", self._transport)

    def send(self, request: bytes, intended_ns: int) -> None:
        """Send one request now; see Connection."""
        self.intended_ns = intended_ns
        self._asked = request
        self._datagrams.sendto(request)

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: D102, ARG002 - asyncio's contract
        outcome = read_outcome(data)
        if self._hello is not None:
            if not self._hello.done():
                self._hello.set_result(None)
            return
        if outcome is None or not self.intended_ns or data[_ID] != self._asked[_ID]:
            return  # an answer that came too late
        _, rc, sequence, end = outcome
        if end == len(data):
            self._done(status_of(self._asked, data, rc))
        else:
            self._part(data, rc, sequence, end)

    def error_received(self, exc: Exception) -> None:  # noqa: D102 - asyncio's contract
        if self._hello is not None:
            if not self._hello.done():
                self._hello.set_exception(exc)
        else:
            self.failure = str(exc)
            self._transport.abort()

    def _part(self, data: bytes, rc: int, sequence: int, end: int) -> None:
        """Count the datagrams of an answer in several; the first has the response code and the name."""
        if sequence == 0:
            self._rc = status_of(self._asked, data, rc)
        self._seen.add(sequence)
        if len(self._seen) == -(-(end - ENVELOPE_OCTETS) // PART_OCTETS_MAX):
            self._seen.clear()
            self._done(self._rc)

    def _done(self, status: int) -> None:
        intended_ns, self.intended_ns = self.intended_ns, 0
        self._owner.answered(self, status, intended_ns)


def status_of(asked: bytes, answer: bytes, rc: int) -> int:
    """Return the response code of an answer, WRONG if it answers another request or shows another record."""
    if answer[_ID] != asked[_ID]:
        return WRONG
    if rc == _SUCCESS:
        end = _NAME_AT + 4 + int.from_bytes(asked[_NAME_AT : _NAME_AT + 4], "big")
        if answer[_NAME_AT:end] != asked[_NAME_AT:end]:
            return WRONG
    return rc
