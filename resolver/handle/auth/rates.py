"""How often something may happen: proofs that failed, and proofs that are costly to check. Of one worker."""

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable

KEPT_MAX = 10_000
"""Of so many keys the events are remembered; those of the others are forgotten, oldest first."""


class Events:
    """Counts events of each key within the last `seconds`; `most` of them are allowed."""

    def __init__(self, most: int, seconds: float, clock: Callable[[], float]) -> None:
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._kept: OrderedDict[Hashable, deque[float]] = OrderedDict()

    def is_over(self, key: Hashable) -> bool:
        """Say whether as many events as are allowed lie behind."""
        times = self._kept.get(key)
        if times is None:
            return False
        since = self._clock() - self._seconds
        while times and times[0] <= since:
            times.popleft()
        if not times:
            del self._kept[key]
        return len(times) >= self._most

    def note(self, key: Hashable) -> None:
        """Count an event."""
        times = self._kept.setdefault(key, deque(maxlen=self._most))
        times.append(self._clock())
        self._kept.move_to_end(key)
        if len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
