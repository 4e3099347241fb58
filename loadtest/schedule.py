"""When requests are due: a fixed rate from a fixed beginning, whatever the server does."""

from __future__ import annotations

NS_PER_S = 1_000_000_000


class Schedule:
    """Arrival i is due at `begin + i / rate`: computed from i, so that rounding never adds up.

    Nothing here waits or reads a clock: `begin` sets the first arrival's time, `next_ns` says when the next is due,
    `take` takes it.
    """

    __slots__ = ("_begin_ns", "_interval_ns", "_taken", "next_ns")

    def __init__(self, rate: float) -> None:
        if rate <= 0:
            raise ValueError(f"the rate must be above 0 requests per second, not {rate}")
        self._interval_ns = NS_PER_S / rate
        self.begin(0)

    def begin(self, begin_ns: int) -> None:
        """Let the first arrival be due at `begin_ns`."""
        self._begin_ns = self.next_ns = begin_ns
        self._taken = 0

    def take(self) -> int:
        """Return the intended time of the next arrival, and move on to the one after it."""
        intended_ns = self.next_ns
        self._taken += 1
        self.next_ns = self._begin_ns + int(self._taken * self._interval_ns)
        return intended_ns
