"""Counts of lookups as the national statistics need them: per prefix by source and outcome, latency, busiest second.

Counting is part of every lookup's cost, so what is counted per lookup is kept in plain attributes; sums that can be
made from them are made when they are drained. What is counted here is lost in a crash until it is drained to the
spool; the reporting contract allows ten seconds.

A day is a calendar day in Beijing, and no tally tells of two: what was counted before midnight is set aside at the
first lookup after it.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

Outcome = Literal["found", "referral", "absent", "gone", "denied", "malformed"]
Face = Literal["handle-json", "redirect", "lookup", "handle_tcp", "handle_udp", "handle_http"]

UNSERVED = ""
"""The tally of names below no prefix of ours: a local figure, kept without addresses."""

HISTOGRAM_BUCKETS = 24
"""Latency buckets by powers of two of a microsecond: bucket n holds latencies below 2^n µs; the last one the rest."""


_BUCKETED_US_MAX = (1 << (HISTOGRAM_BUCKETS - 1)) - 1
_DAY_S = 86_400
_BEIJING_S = 8 * 3_600
"""How far Beijing is ahead of UTC; there is no summer time."""


class Source:
    """How many lookups one address made under one prefix, on one face and with one outcome.

    `in_turn` is the holder's: those of this turn of the event loop, to be counted together at its end.
    """

    __slots__ = ("count", "in_turn", "tally")

    def __init__(self, tally: "Tally") -> None:
        self.tally = tally
        self.count = 0
        self.in_turn = 0


class Tally:
    """What was counted for one prefix since the last drain. Latencies in microseconds, moments in whole seconds."""

    __slots__ = ("max_at", "max_us", "min_at", "min_us", "second", "second_count", "seconds", "sources", "sum_us")

    def __init__(self) -> None:
        self.sources: dict[tuple[str, Face, Outcome], Source] = {}
        self._begin()

    def _begin(self) -> None:
        self.seconds: dict[int, int] = {}
        self.second = 0
        self.second_count = 0
        self.sum_us = 0
        self.min_us = 1 << 62
        self.min_at = 0
        self.max_us = -1
        self.max_at = 0

    def turn_second(self, at_s: int) -> None:
        """Begin to count another second. The clock may be set back: a second may come again."""
        if self.second_count:
            self.seconds[self.second] = self.seconds.get(self.second, 0) + self.second_count
        self.second = at_s
        self.second_count = 0

    def restart(self) -> None:
        """Count from nothing. The sources stay where their holders know them."""
        for source in self.sources.values():
            source.count = 0
        self._begin()

    def as_dict(self, prefix: str, day_at: int) -> dict[str, Any]:
        """Return the form written to the spool; `day_at` is the first second of the day it tells of."""
        self.turn_second(0)
        sources: Counter[tuple[str, Outcome]] = Counter()
        faces: Counter[Face] = Counter()
        for (address, face, outcome), source in self.sources.items():
            if source.count:
                sources[address, outcome] += source.count
                faces[face] += source.count
        return {
            "prefix": prefix,
            "day_at": day_at,
            "sources": [[address, outcome, n] for (address, outcome), n in sources.items() if prefix != UNSERVED],
            "latency": {
                "count": faces.total(),
                "sum_us": self.sum_us,
                "min_us": self.min_us,
                "min_at": self.min_at,
                "max_us": self.max_us,
                "max_at": self.max_at,
            },
            "seconds": [[second, n] for second, n in self.seconds.items()],
            "faces": dict(faces),
        }


class Tallies:
    """All tallies of one process. Not thread-safe: a process counts on its event loop only."""

    def __init__(self) -> None:
        self._by_prefix: dict[str, Tally] = {}
        self._of_earlier_days: list[dict[str, Any]] = []
        self._day_at = self._day_end = 0
        self._drained: Counter[tuple[Face, Outcome]] = Counter()
        self.keys = 0
        self.generation = 0
        self.histogram = [0] * HISTOGRAM_BUCKETS
        self._drained_us = 0

    def source(self, prefix: str, address: str, face: Face, outcome: Outcome) -> Source:
        """Where such lookups are counted, until `generation` changes. Callers on the hot path keep it that long."""
        tally = self._by_prefix.get(prefix)
        if tally is None:
            tally = self._by_prefix[prefix] = Tally()
        key = (address if prefix else "", face, outcome)
        source = tally.sources.get(key)
        if source is None:
            source = tally.sources[key] = Source(tally)
            self.keys += 1
        return source

    def count(self, source: Source, at_s: int, us: int, ended_s: int = 0, times: int = 1) -> None:
        """Count one lookup that was received at `at_s` (whole seconds since 1970) and took `us` microseconds.

        `ended_s` is the second in which it was answered, where that may be a later one; `times` lookups that were
        received and answered together are counted at once.
        """
        tally = source.tally
        if at_s != tally.second:
            if not self._day_at <= at_s < self._day_end:
                self._turn_day(at_s)
            tally.turn_second(at_s)
        source.count += times
        tally.second_count += times
        tally.sum_us += times * us
        if us > tally.max_us:
            tally.max_us = us
            tally.max_at = ended_s or at_s
        if us < tally.min_us:
            tally.min_us = us
            tally.min_at = ended_s or at_s
        self.histogram[us.bit_length() if us <= _BUCKETED_US_MAX else -1] += times

    def count_turn(self, sources: Sequence[Source], at_s: int, us: int) -> None:
        """Count what these sources say is `in_turn`, which was received and answered together; nothing then is."""
        for source in sources:
            times, source.in_turn = source.in_turn, 0
            self.count(source, at_s, us, times=times)

    def record(
        self, prefix: str, address: str, outcome: Outcome, face: Face, at_s: int, us: int, ended_s: int = 0
    ) -> None:
        """Count one lookup, wherever it belongs."""
        self.count(self.source(prefix, address, face, outcome), at_s, us, ended_s)

    def _turn_day(self, at_s: int) -> None:
        """Set aside what was counted for the day so far. The clock may be set back: a day may come again."""
        self._drained, self._drained_us = self.outcomes, self.sum_us
        self._of_earlier_days += self._counted()
        for tally in self._by_prefix.values():
            tally.restart()
        self._day_at = (at_s + _BEIJING_S) // _DAY_S * _DAY_S - _BEIJING_S
        self._day_end = self._day_at + _DAY_S

    def _counted(self) -> list[dict[str, Any]]:
        drained = [tally.as_dict(prefix, self._day_at) for prefix, tally in self._by_prefix.items()]
        return [entry for entry in drained if entry["latency"]["count"]]

    @property
    def outcomes(self) -> Counter[tuple[Face, Outcome]]:
        """Lookups since the start of the process, by face and outcome."""
        totals = Counter(self._drained)
        for tally in self._by_prefix.values():
            for (_, face, outcome), source in tally.sources.items():
                totals[face, outcome] += source.count
        return totals

    @property
    def sum_us(self) -> int:
        """Latency of all lookups since the start of the process, added up."""
        return self._drained_us + sum(tally.sum_us for tally in self._by_prefix.values())

    def drain(self) -> list[dict[str, Any]]:
        """Everything counted since the last drain, in the spool's form. Cumulative figures stay."""
        self._drained, self._drained_us = self.outcomes, self.sum_us
        drained = self._of_earlier_days + self._counted()
        self._by_prefix, self._of_earlier_days = {}, []
        self.keys = 0
        self.generation += 1
        return drained
