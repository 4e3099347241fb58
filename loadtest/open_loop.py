"""Look-ups at a fixed rate: latency counts from when a request should have been sent, so a stall cannot hide.

A generator that waits for an answer before it sends the next request stops asking while the server is stalled,
and reports one slow request where a thousand users waited ("coordinated omission", G. Tene).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadtest.arrivals import Arrivals

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadtest.connection import Connection
    from loadtest.recorder import Recorder
    from loadtest.schedule import Schedule


class OpenLoop:
    """Owner of connections: sends `next_request()` for every arrival."""

    def __init__(
        self,
        schedule: Schedule,
        recorder: Recorder,
        next_request: Callable[[], bytes],
        *,
        waiting_max: int,
        timeout_ns: int,
        clock_ns: Callable[[], int],
        spin: bool = True,
    ) -> None:
        self.recorder = recorder
        self._next_request = next_request
        self._clock_ns = clock_ns
        self.arrivals = Arrivals(
            schedule,
            recorder,
            self._begin,
            waiting_max=waiting_max,
            timeout_ns=timeout_ns,
            clock_ns=clock_ns,
            spin=spin,
        )

    def opened(self, connection: Connection) -> None:
        """Use a new connection."""
        self.arrivals.free(connection, self._clock_ns())

    def answered(self, connection: Connection, status: int, intended_ns: int) -> None:
        """Record an answer."""
        now_ns = self._clock_ns()
        self.recorder.answered(status, now_ns - intended_ns)
        self.arrivals.free(connection, now_ns)

    def lost(self, connection: Connection, intended_ns: int, *, timed_out: bool) -> None:
        """Record a connection's end."""
        self.arrivals.forget(connection)
        if timed_out:
            self.recorder.gave_up(self._clock_ns() - intended_ns)
        elif intended_ns:
            self.recorder.lost += 1

    def _begin(self, connection: Connection, intended_ns: int) -> None:
        connection.send(self._next_request(), intended_ns)
