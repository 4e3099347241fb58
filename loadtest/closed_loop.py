"""Look-ups as fast as they are answered: each connection sends when its answer came. Measures capacity.

Its latencies are service times under full load; they say nothing about what users at a given rate would see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadtest.connection import Connection
    from loadtest.recorder import Recorder


class ClosedLoop:
    """Owner of connections: each has exactly one request outstanding until `stop`."""

    def __init__(self, recorder: Recorder, next_request: Callable[[], bytes], *, clock_ns: Callable[[], int]) -> None:
        self.recorder = recorder
        self._next_request = next_request
        self._clock_ns = clock_ns
        self._running = False
        self._ready: list[Connection] = []

    @property
    def waiting(self) -> int:
        """Nothing ever waits: there is no schedule to fall behind."""
        return 0

    def start(self) -> None:
        """Send the first request on every connection."""
        self._running = True
        ready, self._ready = self._ready, []
        for connection in ready:
            self._send(connection)

    def stop(self) -> None:
        """Send nothing more."""
        self._running = False

    def give_up(self, now_ns: int) -> None:
        """Nothing waits, so nothing is given up."""

    def opened(self, connection: Connection) -> None:
        """Use a new connection."""
        if self._running:
            self._send(connection)
        else:
            self._ready.append(connection)

    def answered(self, connection: Connection, status: int, intended_ns: int) -> None:
        """Record an answer and send the next request."""
        now_ns = self._clock_ns()
        self.recorder.answered(status, now_ns - intended_ns)
        if self._running:
            self.recorder.arrived += 1
            connection.send(self._next_request(), now_ns)

    def lost(self, connection: Connection, intended_ns: int, *, timed_out: bool) -> None:
        """Record a connection's end."""
        if connection in self._ready:
            self._ready.remove(connection)
        if timed_out:
            self.recorder.gave_up(self._clock_ns() - intended_ns)
        elif intended_ns:
            self.recorder.lost += 1

    def _send(self, connection: Connection) -> None:
        self.recorder.arrived += 1
        connection.send(self._next_request(), self._clock_ns())
