"""How long requests took that registered or changed identifiers, by prefix and day, for the national statistics.

A request is one sample for each prefix it wrote below, and one for the secondary prefix above them. What is held here
is lost in a crash until it is drained to the spool, as lookups are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any, Final

from registry.origin import OK, Origin

_DAY_S: Final = 86_400
_BEIJING_S: Final = 8 * 3_600


@dataclass(slots=True)
class _Sum:
    """Durations in microseconds; the extremes with the second since 1970 in which they were first reached."""

    items: int = 0
    count: int = 0
    sum_us: int = 0
    min_us: int = 1 << 62
    min_at: int = 0
    max_us: int = -1
    max_at: int = 0

    def add(self, items: int, at_s: int, us: int) -> None:
        self.items += items
        self.count += 1
        self.sum_us += us
        if us > self.max_us:
            self.max_us, self.max_at = us, at_s
        if us < self.min_us:
            self.min_us, self.min_at = us, at_s


class RegistrationSamples:
    """Samples of one process since the last drain. For one event loop."""

    def __init__(self) -> None:
        self._sums: dict[tuple[int, str, bool], _Sum] = {}

    @property
    def keys(self) -> int:
        """How many things are told apart now."""
        return len(self._sums)

    def take(self, request: Origin, at_s: float) -> None:
        """Add a request that was answered at `at_s` (since 1970), if it was not refused and wrote identifiers."""
        if request.registered and request.result == OK:
            self.record(request.registered, at_s, (perf_counter_ns() - request.received_ns) // 1_000)

    def record(self, items: Mapping[str, int], at_s: float, us: int) -> None:
        """Add a request that wrote `items` identifiers by prefix, answered at `at_s` (since 1970) in `us` microseconds.

        It belongs to the Beijing day in which it was received.
        """
        day_at = int(at_s - us / 1_000_000 + _BEIJING_S) // _DAY_S * _DAY_S - _BEIJING_S
        nodes: dict[str, int] = {}
        for prefix, count in items.items():
            self._sums.setdefault((day_at, prefix, False), _Sum()).add(count, int(at_s), us)
            node = ".".join(prefix.split(".")[:2])
            nodes[node] = nodes.get(node, 0) + count
        for node, count in nodes.items():
            self._sums.setdefault((day_at, node, True), _Sum()).add(count, int(at_s), us)

    def drain(self) -> list[dict[str, Any]]:
        """Give everything since the last time, in the spool's form."""
        sums, self._sums = self._sums, {}
        return [
            {
                "prefix": prefix,
                "is_node": is_node,
                "day_at": day_at,
                "items": one.items,
                "latency": {
                    "count": one.count,
                    "sum_us": one.sum_us,
                    "min_us": one.min_us,
                    "min_at": one.min_at,
                    "max_us": one.max_us,
                    "max_at": one.max_at,
                },
            }
            for (day_at, prefix, is_node), one in sums.items()
        ]
