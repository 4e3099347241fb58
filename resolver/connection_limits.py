"""Bounds on slow, idle and greedy peers: how many connections an address may have, and how long each may take."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Octets, seconds and counts; none unlimited."""

    head_octets: int = 8_192
    head_s: float = 10.0
    idle_s: float = 30.0
    stall_s: float = 30.0
    per_address: int = 256
    total: int = 10_000


class Phase(Enum):
    """What a connection is waiting for."""

    IDLE = "idle"
    HEAD = "head"
    STALLED = "stalled"
    HANDED_OVER = "handed_over"
    PASSED_ON = "passed_on"


NEVER: Final = float("inf")


class Guard:
    """One admitted connection and its deadline.

    aiohttp keeps its own time for a connection handed over to it (keep-alive, request head and body); only the write
    stall is still watched here.
    """

    __slots__ = ("_connections", "_elsewhere", "address", "deadline", "phase", "touched", "transport")

    def __init__(self, connections: "Connections", address: str, transport: asyncio.Transport) -> None:
        self._connections = connections
        self._elsewhere: Phase | None = None
        self.address = address
        self.transport = transport
        self.phase = Phase.IDLE
        self.deadline = connections.deadline(connections.limits.idle_s)
        # Set by the protocol whenever a request was answered whole; read and cleared by the sweep.
        self.touched = False

    def take_notice(self, now: float) -> None:
        """Begin the wait for the next request, if one was answered since the last sweep."""
        if self.touched:
            self.touched = False
            if self.phase is Phase.IDLE:
                self.deadline = now + self._connections.limits.idle_s

    def reading_head(self) -> None:
        """Begin to wait for the rest of a head. Its deadline stands: dribbling does not extend it."""
        if self.phase is Phase.IDLE:
            self.phase = Phase.HEAD
            self.deadline = self._connections.deadline(self._connections.limits.head_s)

    def head_complete(self) -> None:
        """Note that the begun head is whole and answered."""
        if self.phase is Phase.HEAD:
            self.phase = Phase.IDLE
            self.deadline = self._connections.deadline(self._connections.limits.idle_s)

    def handed_over(self) -> None:
        """Record that aiohttp has the connection now."""
        self._wait_elsewhere(Phase.HANDED_OVER)

    def passed_on(self) -> None:
        """Record that a request is with the registry, whose time is watched there."""
        self._wait_elsewhere(Phase.PASSED_ON)

    def answered(self) -> None:
        """Note that the request that was passed on is answered; while the worker drains, it was the last one."""
        self._elsewhere = None
        if self._connections.draining:
            self.transport.close()
        elif self.phase is Phase.PASSED_ON:
            self.phase = Phase.IDLE
            self.deadline = self._connections.deadline(self._connections.limits.idle_s)

    def _wait_elsewhere(self, phase: Phase) -> None:
        self._elsewhere = self.phase = phase
        self.deadline = NEVER

    def stalled(self) -> None:
        """Octets wait for a peer that stopped reading."""
        self.phase = Phase.STALLED
        self.deadline = self._connections.deadline(self._connections.limits.stall_s)

    def flowing(self) -> None:
        """Note that the peer reads again."""
        if self._elsewhere is not None:
            self._wait_elsewhere(self._elsewhere)
        else:
            self.phase = Phase.IDLE
            self.deadline = self._connections.deadline(self._connections.limits.idle_s)


class Connections:
    """Every open connection of one worker. Call `sweep` about once a second: deadlines are that coarse."""

    def __init__(self, limits: ConnectionLimits, clock: Callable[[], float]) -> None:
        self.limits = limits
        self._clock = clock
        self._guards: set[Guard] = set()
        self._per_address: Counter[str] = Counter()
        self.draining = False
        self.refused = 0
        self.cut_off: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._guards)

    def deadline(self, wait_s: float) -> float:
        """Return the moment `wait_s` seconds from now."""
        return self._clock() + wait_s

    def admit(self, address: str, transport: asyncio.Transport) -> Guard | None:
        """Take a new connection in, or refuse it: its address or this worker has its full number."""
        if self._per_address[address] >= self.limits.per_address or len(self._guards) >= self.limits.total:
            self.refused += 1
            return None
        self._per_address[address] += 1
        guard = Guard(self, address, transport)
        self._guards.add(guard)
        return guard

    def gone(self, guard: Guard) -> None:
        """Forget a closed connection."""
        self._guards.discard(guard)
        self._per_address[guard.address] -= 1
        if self._per_address[guard.address] <= 0:
            del self._per_address[guard.address]

    def sweep(self) -> int:
        """Abort every connection past its deadline; how many there were."""
        now = self._clock()
        for guard in self._guards:
            guard.take_notice(now)
        late = [guard for guard in self._guards if guard.deadline < now]
        for guard in late:
            self.cut_off[guard.phase.value] += 1
            guard.transport.abort()
        return len(late)

    @property
    def passing_on(self) -> bool:
        """Whether a request is with the registry."""
        return any(guard.phase is Phase.PASSED_ON for guard in self._guards)

    def abort_all(self) -> None:
        """Cut every connection off. For the end of a drain."""
        for guard in list(self._guards):
            guard.transport.abort()

    def close_idle(self) -> None:
        """Begin a drain: close the connections that wait for a request, by which nothing is lost."""
        self.draining = True
        for guard in list(self._guards):
            if guard.phase is Phase.IDLE:
                guard.transport.close()
