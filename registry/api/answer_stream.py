"""A response that goes out while the request still comes in, without ever making one wait for the other for good.

Many clients read nothing until they have sent everything. So answers are kept for them, up to a limit that a whole
batch rarely reaches; beyond it the sender has to read, and one that does not is cut off.
"""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from aiohttp import web

from registry.api.routing import NDJSON

PENDING_OCTETS_MAX: Final = 16 * 2**20
STALL_MAX_S: Final = 60.0
_SLICE_OCTETS: Final = 2**16


class AnswerStream:
    """Sends octets in the background. The first `send` begins the response: until then it can become another one."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self.response = web.StreamResponse(headers={"Content-Type": NDJSON, "Cache-Control": "no-store"})
        self._pending = bytearray()
        self._sent_octets = 0
        self._changed = asyncio.Condition()
        self._ended = False
        self._lost = False
        self._task: asyncio.Task[None] | None = None

    @property
    def started(self) -> bool:
        """Whether the status has been sent."""
        return self._task is not None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None and not self._task.done():
            # The response was begun and will not be whole: no other way is left to say so.
            self._cut_off()
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def send(self, octets: bytes) -> None:
        """Queue octets. Waits while too many are queued; for a client that has gone it does nothing."""
        if self._lost:
            return
        if self._task is None:
            self._task = asyncio.create_task(self._deliver(), name="batch-answers")
        async with self._changed:
            self._pending += octets
            self._changed.notify_all()
            try:
                async with asyncio.timeout(STALL_MAX_S):
                    await self._changed.wait_for(lambda: self._lost or len(self._pending) <= PENDING_OCTETS_MAX)
            except TimeoutError:
                self._cut_off()

    async def finish(self, octets: bytes) -> None:
        """Queue the last octets and wait until all are sent, or cannot be."""
        await self.send(octets)
        async with self._changed:
            self._ended = True
            self._changed.notify_all()
        while self._task is not None and not self._task.done():
            before = self._sent_octets
            await asyncio.wait({self._task}, timeout=STALL_MAX_S)
            if not self._task.done() and self._sent_octets == before:
                self._cut_off()

    def _cut_off(self) -> None:
        if self._request.transport is not None:
            self._request.transport.abort()

    async def _deliver(self) -> None:
        try:
            await self.response.prepare(self._request)
            while True:
                async with self._changed:
                    await self._changed.wait_for(lambda: bool(self._pending) or self._ended)
                    octets = bytes(self._pending[:_SLICE_OCTETS])
                    del self._pending[:_SLICE_OCTETS]
                    self._changed.notify_all()
                if not octets:
                    await self.response.write_eof()
                    return
                await self.response.write(octets)
                self._sent_octets += len(octets)
        except OSError:
            # The client has gone. What it sent is stored all the same, and sending it again says so.
            async with self._changed:
                self._lost = True
                self._pending.clear()
                self._changed.notify_all()
