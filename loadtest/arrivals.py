"""Arrivals meet connections: sends what is due on a free connection, keeps what cannot be sent, turns away the rest."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from loadtest.schedule import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadtest.connection import Connection
    from loadtest.recorder import Recorder
    from loadtest.schedule import Schedule

LATE_NS = 1_000_000
# Timers of the event loop count whole milliseconds; the last one before an arrival is spent looking at the clock.
SPIN_NS = 1_000_000


class Arrivals:
    """The open loop's accounting. Every arrival ends in exactly one of: begun, dropped, given up waiting.

    `begin(connection, intended_ns)` starts an arrival's exchange; whoever does it hands the connection back with
    `free`. `spin` looks at the clock without pause during the last millisecond before an arrival: exact times for one
    busy core; without it arrivals are up to 1 ms late, which is counted in their latency.
    """

    def __init__(
        self,
        schedule: Schedule,
        recorder: Recorder,
        begin: Callable[[Connection, int], None],
        *,
        waiting_max: int,
        timeout_ns: int,
        clock_ns: Callable[[], int],
        spin: bool,
    ) -> None:
        self.recorder = recorder
        self._schedule = schedule
        self._begin = begin
        self._waiting_max = waiting_max
        self._timeout_ns = timeout_ns
        self._clock_ns = clock_ns
        self._spin_ns = SPIN_NS if spin else 0
        self._pause_min_ns = 0 if spin else SPIN_NS
        self._idle: deque[Connection] = deque()
        self._waiting: deque[int] = deque()
        self._timer: asyncio.Handle | None = None

    @property
    def waiting(self) -> int:
        """The number of arrivals without a connection yet."""
        return len(self._waiting)

    def start(self) -> None:
        """Follow the schedule, which begins now, on the running loop."""
        self._schedule.begin(self._clock_ns())
        self._timer = asyncio.get_running_loop().call_soon(self._tick)

    def stop(self) -> None:
        """Let nothing more arrive; what has arrived is still sent."""
        if self._timer is not None:
            self._timer.cancel()

    def free(self, connection: Connection, now_ns: int) -> None:
        """Take back a connection that can send: the longest waiting arrival goes out, else it is idle."""
        waiting = self._waiting
        while waiting:
            intended_ns = waiting.popleft()
            if now_ns - intended_ns <= self._timeout_ns:
                self._begin(connection, intended_ns)
                return
            self.recorder.gave_up(now_ns - intended_ns)
        self._idle.append(connection)

    def forget(self, connection: Connection) -> None:
        """Send nothing more on a connection that has ended."""
        if connection in self._idle:
            self._idle.remove(connection)

    def give_up(self, now_ns: int) -> None:
        """Count the arrivals that have waited longer than the timeout as timed out."""
        while self._waiting and now_ns - self._waiting[0] > self._timeout_ns:
            self.recorder.gave_up(now_ns - self._waiting.popleft())

    def due(self, now_ns: int) -> None:
        """Take every arrival that is due."""
        schedule = self._schedule
        while schedule.next_ns <= now_ns:
            self._arrive(schedule.take(), now_ns)

    def _arrive(self, intended_ns: int, now_ns: int) -> None:
        recorder = self.recorder
        recorder.arrived += 1
        if now_ns - intended_ns > LATE_NS:
            recorder.late += 1
        if self._idle:
            self._begin(self._idle.popleft(), intended_ns)
        elif len(self._waiting) < self._waiting_max:
            recorder.waited += 1
            self._waiting.append(intended_ns)
        else:
            recorder.dropped += 1

    def _tick(self) -> None:
        now_ns = self._clock_ns()
        self.due(now_ns)
        # A timer of less than a millisecond fires at once: arrivals closer than that would keep the core busy as well.
        pause_s = max(self._pause_min_ns, self._schedule.next_ns - now_ns - self._spin_ns) / NS_PER_S
        self._timer = asyncio.get_running_loop().call_later(pause_s, self._tick)
