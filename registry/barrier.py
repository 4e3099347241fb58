"""Waiting until this host's replica can answer what was just written: the client of the follower's progress socket.

Lines over a Unix stream socket: `wake` to the follower after a commit, a hint that saves it waiting for its next poll;
`<xid> <seq>` from the follower after each commit of the replica, and on connect. Without a follower every wait ends in
False, and lookups on other hosts are none of its business.
"""

import asyncio
import heapq
import itertools
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from identifiers.changes import Cursor

LINE_OCTETS_MAX: Final = 64
RECONNECT_S: Final = 0.2


class ReplicaBarrier:
    """Knows how far the replica has come. Connects, and connects again, while its block is entered."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position: Cursor | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._waiting: list[tuple[Cursor, int, asyncio.Future[bool]]] = []
        self._number = itertools.count()
        self._wake_is_due = False
        self._task: asyncio.Task[None] | None = None

    @property
    def position(self) -> Cursor | None:
        """How far the replica has come; None while the follower cannot be reached."""
        return self._position

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._stay_connected(), name="replica-barrier")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def wake(self) -> None:
        """Tell the follower that something was committed. Calls in the same turn of the loop send one line."""
        if not self._wake_is_due and self._writer is not None:
            self._wake_is_due = True
            asyncio.get_running_loop().call_soon(self._send_wake)

    async def wait(self, cursor: Cursor, timeout_s: float) -> bool:
        """Wait until the replica holds everything up to `cursor`; False if it does not within `timeout_s`."""
        if self._position is not None and self._position >= cursor:
            return True
        loop = asyncio.get_running_loop()
        reached: asyncio.Future[bool] = loop.create_future()
        heapq.heappush(self._waiting, (cursor, next(self._number), reached))
        patience = loop.call_later(timeout_s, _give_up, reached)
        try:
            return await reached
        finally:
            patience.cancel()
            self._drop_ended()

    def _drop_ended(self) -> None:
        # While no follower answers, waits end by time-out in about their order, so the heap does not grow.
        while self._waiting and self._waiting[0][2].done():
            heapq.heappop(self._waiting)

    def _send_wake(self) -> None:
        self._wake_is_due = False
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(b"wake\n")

    async def _stay_connected(self) -> None:
        while True:
            with suppress(OSError, ValueError):
                await self._follow_progress()
            await asyncio.sleep(RECONNECT_S)

    async def _follow_progress(self) -> None:
        """Read positions until the follower goes away. Raises ValueError for a line that is none."""
        reader, writer = await asyncio.open_unix_connection(self._path, limit=LINE_OCTETS_MAX)
        self._writer = writer
        # What was committed while nobody listened deserves a look too.
        self.wake()
        try:
            while line := await reader.readline():
                xid, seq = line.split()
                self._reached(Cursor(int(xid), int(seq)))
        finally:
            # The replica may be rebuilt before the follower speaks again, so its last word does not count any more.
            self._writer = self._position = None
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def _reached(self, position: Cursor) -> None:
        self._position = position
        while self._waiting and self._waiting[0][0] <= position:
            _, _, reached = heapq.heappop(self._waiting)
            if not reached.done():
                reached.set_result(True)


def _give_up(waiting: asyncio.Future[bool]) -> None:
    if not waiting.done():
        waiting.set_result(False)
