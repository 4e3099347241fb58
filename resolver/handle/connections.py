"""Bounds on Handle connections: how many, how long each may wait for what, and which must go for others (19.2)."""

from collections import Counter
from collections.abc import Callable
from enum import Enum
from typing import Final, Protocol

from resolver.handle.limits import OCTETS_PER_S_MIN, HandleLimits

SLOW_GRACE_S: Final = 5.0
"""From then on the octets of a begun message are counted against the clock."""
NEVER: Final = float("inf")


class Phase(Enum):
    """What a connection is waiting for. BUSY: for us."""

    FIRST = "first_message"
    IDLE = "idle"
    MESSAGE = "message"
    BUSY = "busy"
    STALLED = "stalled"
    CLOSING = "closing"


class Transport(Protocol):
    """What is needed of a connection's transport."""

    def abort(self) -> None:
        """As asyncio.WriteTransport."""

    def close(self) -> None:
        """As asyncio.BaseTransport."""

    def get_write_buffer_size(self) -> int:
        """As asyncio.WriteTransport."""


class Watch:
    """One connection and its deadline. `since` is when its phase began, by the loop's clock."""

    __slots__ = ("address", "deadline", "octets", "phase", "since", "touched", "transport", "unsent")

    def __init__(self, address: str, transport: Transport, now: float, limits: HandleLimits) -> None:
        self.address = address
        self.transport = transport
        self.phase = Phase.FIRST
        self.since = now
        self.deadline = now + limits.first_message_s
        self.octets = 0
        self.unsent = 0
        # Set whenever a message was answered on the fast path; read and cleared by the sweep.
        self.touched = False

    @property
    def rests(self) -> bool:
        """Whether nothing is lost when the connection is closed now."""
        return self.phase in (Phase.FIRST, Phase.IDLE)


class Connections:
    """Every open Handle connection of one worker. Call `sweep` about once a second: deadlines are that coarse."""

    def __init__(self, limits: HandleLimits, clock: Callable[[], float]) -> None:
        self.limits = limits
        self._clock = clock
        self._watches: set[Watch] = set()
        self._per_address: Counter[str] = Counter()
        self.refused = 0
        self.cut_off: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._watches)

    def admit(self, address: str, transport: Transport) -> Watch | None:
        """Take a new connection in; where there is no room the longest idle one goes, else the new one (None)."""
        crowded = address if self._per_address[address] >= self.limits.per_address else None
        if crowded is None and len(self._watches) >= self.limits.connections:
            crowded = self._per_address.most_common(1)[0][0]
        if crowded is not None and not self._make_room(crowded):
            self.refused += 1
            return None
        watch = Watch(address, transport, self._clock(), self.limits)
        self._watches.add(watch)
        self._per_address[address] += 1
        return watch

    def gone(self, watch: Watch) -> None:
        """Forget a closed connection."""
        if watch not in self._watches:
            return
        self._watches.discard(watch)
        self._per_address[watch.address] -= 1
        if self._per_address[watch.address] <= 0:
            del self._per_address[watch.address]

    def enter(self, watch: Watch, phase: Phase) -> None:
        """Begin to wait for something else; a begun message and a stall keep the time they began."""
        if phase is watch.phase:
            return
        limits = self.limits
        waits = {
            Phase.FIRST: limits.first_message_s,
            Phase.IDLE: limits.idle_s,
            Phase.MESSAGE: limits.message_s,
            Phase.STALLED: limits.stall_s,
            Phase.CLOSING: limits.stall_s,
        }
        is_first = watch.phase is Phase.FIRST and phase is Phase.MESSAGE and not watch.touched
        watch.phase, watch.since = phase, self._clock()
        if not is_first:  # which has the rest of its own time
            watch.deadline = watch.since + waits[phase] if phase in waits else NEVER
        watch.octets = 0
        watch.unsent = watch.transport.get_write_buffer_size() if phase is Phase.STALLED else 0

    def sweep(self) -> int:
        """Abort every connection past its deadline; how many there were."""
        now = self._clock()
        late = [watch for watch in self._watches if self._is_late(watch, now)]
        for watch in late:
            self.cut_off[watch.phase.value] += 1
            watch.transport.abort()
        return len(late)

    def _is_late(self, watch: Watch, now: float) -> bool:
        if watch.touched:
            watch.touched = False
            if watch.phase in (Phase.FIRST, Phase.IDLE):
                watch.phase, watch.since = Phase.IDLE, now
                watch.deadline = now + self.limits.idle_s
        if watch.phase is Phase.STALLED and (unsent := watch.transport.get_write_buffer_size()) < watch.unsent:
            watch.unsent, watch.deadline = unsent, now + self.limits.stall_s
        if watch.phase is Phase.MESSAGE:
            waited = now - watch.since
            return watch.deadline < now or (waited > SLOW_GRACE_S and watch.octets < OCTETS_PER_S_MIN * waited)
        return watch.deadline < now

    def _make_room(self, address: str) -> bool:
        """Close the longest idle connection of an address."""
        resting = [watch for watch in self._watches if watch.address == address and watch.rests]
        if not resting:
            return False
        longest = min(resting, key=lambda watch: (watch.touched, watch.since))
        self.cut_off["displaced"] += 1
        longest.transport.close()
        self.gone(longest)
        return True

    def abort_all(self) -> None:
        """Cut every connection off. For the end of a drain."""
        for watch in list(self._watches):
            watch.transport.abort()
