"""How long a child process lives: until SIGTERM, or until the supervisor's end of its standard input is gone."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")

_CHUNK_OCTETS = 4096
ORPHAN_SECONDS_MAX = 15


class Lifetime:
    """Sets `stop` when this process has to end. Made on the running event loop, after the order was read."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self._input = sys.stdin.fileno()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stop.set)
        os.set_blocking(self._input, False)
        loop.add_reader(self._input, self._watch)

    def ready(self) -> None:
        """Tell the supervisor that this process does its work now."""
        sys.stdout.write("ready\n")
        sys.stdout.flush()

    async def unless_over(self, work: Awaitable[T]) -> T | None:
        """Wait for `work`, but no longer than this process lives: then the work is cancelled and None returned."""
        task = asyncio.ensure_future(work)
        over = asyncio.ensure_future(self.stop.wait())
        try:
            await asyncio.wait({task, over}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            return None
        finally:
            over.cancel()
            task.cancel()
            await asyncio.gather(task, over, return_exceptions=True)

    def _watch(self) -> None:
        try:
            if os.read(self._input, _CHUNK_OCTETS):
                return
        except BlockingIOError:
            return
        asyncio.get_running_loop().remove_reader(self._input)
        # Nobody is left to kill a process that does not end.
        signal.alarm(ORPHAN_SECONDS_MAX)
        self.stop.set()
