"""What all Handle connections of one worker share: the turns in which they are answered, and their end."""

import asyncio
import logging
from collections.abc import Callable
from time import monotonic, perf_counter, time
from typing import TYPE_CHECKING

from resolver.faces.desk import Desk
from resolver.handle.connections import Connections
from resolver.handle.dispatch import Dispatch
from resolver.handle.exchange import Peer
from resolver.handle.lane import Lane
from resolver.handle.limits import CLOSING_S
from resolver.handle.writing import Writing

if TYPE_CHECKING:
    from resolver.counting import Source
    from resolver.handle.tcp import TcpConnection

log = logging.getLogger(__name__)


class TcpFace:
    """What all connections of one worker share. `clock`: seconds since 1970; `ticks`: of a clock never set."""

    def __init__(
        self,
        desk: Desk,
        dispatch: Dispatch,
        writing: Writing,
        connections: Connections,
        left: Callable[[Peer], None],
        clock: Callable[[], float] = time,
        ticks: Callable[[], float] = monotonic,
    ) -> None:
        self.lane = Lane(desk, writing.site, keeps=True)
        self.dispatch = dispatch
        self.tallies = desk.tallies
        self.connections = connections
        self.left = left
        self.clock = clock
        self.ticks = ticks
        self.open: set[TcpConnection] = set()
        self.draining = False
        self.waiting: list[tuple[TcpConnection, bytes]] = []
        """Input kept for the end of this turn of the event loop; whoever puts the first there calls `run` soon."""
        self._loop = asyncio.get_running_loop()
        self.call_soon = self._loop.call_soon

    def run(self) -> None:
        """Answer what arrived in this turn, in one loop; answers leave at its end, so all have taken its time."""
        waiting, self.waiting = self.waiting, []
        if not waiting:
            return
        now_s = int(self.clock())
        started = perf_counter()
        lane, tallies = self.lane, self.tallies
        lane.begin(now_s)
        answer = lane.answer
        sources: list[Source] = []
        try:
            for connection, data in waiting:
                try:
                    write = connection.write
                    if write is not None and (octets := answer(data)) is not None:
                        write(octets)
                        connection.watch.touched = True
                        counted = connection.counted
                        if counted.habit is not lane.habit:
                            counted.adopt(tallies, lane.habit)
                        source = counted.source
                        if not source.in_turn:
                            sources.append(source)
                        source.in_turn += 1
                    else:
                        connection.take(data, now_s)
                except Exception:
                    # The event loop would do the same for one connection; the others of this turn must not suffer.
                    log.exception("a Handle connection was ended by a defect")
                    connection.abort()
        finally:
            lane.end()
        tallies.count_turn(sources, now_s, int((perf_counter() - started) * 1e6))

    async def drain(self, drain_s: float) -> None:
        """Answer what has been read, then close; after `drain_s` what is still worked on is answered with an error."""
        self.draining = True
        self.run()
        for connection in list(self.open):
            connection.finish_soon()
        deadline = self._loop.time() + drain_s
        while self.open and self._loop.time() < deadline:
            left_s = max(0.0, deadline - self._loop.time())
            await asyncio.wait([connection.closed for connection in self.open], timeout=left_s)
        for connection in list(self.open):
            connection.give_up()
        if self.open:
            await asyncio.wait([connection.closed for connection in self.open], timeout=CLOSING_S)
        self.connections.abort_all()
