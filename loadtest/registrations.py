"""Register → resolvable at a fixed rate: PUT a new identifier, then look it up until it is found.

Both latencies count from the time the PUT should have been sent. A look-up that is answered "not found" is repeated
on the same connection after a millisecond; those answers are part of the wait, not errors.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadtest.arrivals import Arrivals
from loadtest.scenarios import ABSENT, ACCEPTED

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadtest.connection import Connection
    from loadtest.recorder import Recorder
    from loadtest.scenarios import Registration
    from loadtest.schedule import Schedule

LOOK_AGAIN_S = 0.001


@dataclass(slots=True)
class _Exchange:
    registration: Registration
    accepted: bool = False


class Registrations:
    """Owner of connections: each carries one registration at a time, from its PUT to the look-up that finds it.

    `accepted` records the PUTs, `resolvable` the whole; the arrivals are those of `resolvable`.
    """

    def __init__(
        self,
        schedule: Schedule,
        accepted: Recorder,
        resolvable: Recorder,
        next_registration: Callable[[], Registration],
        *,
        waiting_max: int,
        timeout_ns: int,
        clock_ns: Callable[[], int],
    ) -> None:
        self._accepted = accepted
        self._resolvable = resolvable
        self._next_registration = next_registration
        self._timeout_ns = timeout_ns
        self._clock_ns = clock_ns
        self._carried: dict[Connection, _Exchange] = {}
        self.arrivals = Arrivals(
            schedule,
            resolvable,
            self._begin,
            waiting_max=waiting_max,
            timeout_ns=timeout_ns,
            clock_ns=clock_ns,
            spin=False,
        )

    def opened(self, connection: Connection) -> None:
        """Use a new connection."""
        self.arrivals.free(connection, self._clock_ns())

    def answered(self, connection: Connection, status: int, intended_ns: int) -> None:
        """Go on with the registration that the connection carries.

        1. PUT accepted → look it up. 2. Not found yet, and still time → look again.
        3. PUT refused, found, or any other answer → it is over.
        """
        latency_ns = self._clock_ns() - intended_ns
        exchange = self._carried[connection]
        if not exchange.accepted:
            self._accepted.answered(status, latency_ns)
        if not exchange.accepted and status in ACCEPTED:
            exchange.accepted = True
            connection.send(exchange.registration.get, intended_ns)
        elif exchange.accepted and status in ABSENT and latency_ns < self._timeout_ns:
            asyncio.get_running_loop().call_later(LOOK_AGAIN_S, self._look_again, connection, intended_ns)
        else:
            del self._carried[connection]
            self._resolvable.answered(status, latency_ns)
            self.arrivals.free(connection, intended_ns + latency_ns)

    def lost(self, connection: Connection, intended_ns: int, *, timed_out: bool) -> None:
        """Record a connection's end, and that of the registration it carried."""
        self.arrivals.forget(connection)
        exchange = self._carried.pop(connection, None)
        if exchange is None:
            return
        for recorder in (self._resolvable,) if exchange.accepted else (self._accepted, self._resolvable):
            if timed_out:
                recorder.gave_up(self._clock_ns() - intended_ns)
            else:
                recorder.lost += 1

    def _begin(self, connection: Connection, intended_ns: int) -> None:
        exchange = self._carried[connection] = _Exchange(self._next_registration())
        self._accepted.arrived += 1
        connection.send(exchange.registration.put, intended_ns)

    def _look_again(self, connection: Connection, intended_ns: int) -> None:
        if (exchange := self._carried.get(connection)) is not None:
            connection.send(exchange.registration.get, intended_ns)
