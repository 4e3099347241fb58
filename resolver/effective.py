"""How soon registrations could be looked up: from their transaction to their being visible in this host's replica.

Changes met when the replica is rebuilt from a snapshot are not among them: a snapshot does not tell when they came.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from math import log2
from typing import Any, Final

from identifiers.changes import KIND_IDENTIFIER, Change

BUCKETS_PER_OCTAVE: Final = 8
"""Bucket n begins at 2^(n/8) microseconds, so that a quantile is known to within 9 %."""
_US_MAX: Final = 1 << 62
_DAY_S: Final = 86_400
_BEIJING_S: Final = 8 * 3_600
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


class EffectiveTimes:
    """Times of one follower since the last drain, by the Beijing day of the registration. For one event loop."""

    def __init__(self) -> None:
        self._by_day: dict[int, Counter[int]] = {}
        self._sums: dict[int, tuple[int, int]] = {}

    @property
    def keys(self) -> int:
        """How many things are told apart now."""
        return sum(map(len, self._by_day.values()))

    def seen(self, changes: Sequence[Change], now_s: float) -> None:
        """Take changes that became visible at `now_s` (seconds since 1970), at least 1 µs after they came."""
        times, at = 0, _NEVER
        for change in changes:
            if change.op != "create" or change.kind != KIND_IDENTIFIER:
                continue
            if change.at != at:  # what one statement has written came at one moment
                self._add(times, at, now_s)
                times, at = 0, change.at
            times += 1
        self._add(times, at, now_s)

    def _add(self, times: int, at: datetime, now_s: float) -> None:
        if not times:
            return
        at_s = at.timestamp()
        us = min(max(1, int((now_s - at_s) * 1_000_000)), _US_MAX)
        day_at = int(at_s + _BEIJING_S) // _DAY_S * _DAY_S - _BEIJING_S
        self._by_day.setdefault(day_at, Counter())[int(log2(us) * BUCKETS_PER_OCTAVE)] += times
        total, longest = self._sums.get(day_at, (0, 0))
        self._sums[day_at] = total + times * us, max(longest, us)

    def drain(self) -> list[dict[str, Any]]:
        """Give everything since the last time, in the spool's form."""
        by_day, sums = self._by_day, self._sums
        self._by_day, self._sums = {}, {}
        return [
            {
                "day_at": day_at,
                "count": buckets.total(),
                "sum_us": sums[day_at][0],
                "max_us": sums[day_at][1],
                "buckets": sorted(buckets.items()),
            }
            for day_at, buckets in by_day.items()
        ]
