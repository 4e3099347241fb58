"""What happened, counted while it happens: latencies, statuses, and everything that did not get an answer."""

from __future__ import annotations

from collections import defaultdict
from itertools import accumulate
from typing import TYPE_CHECKING

from hdrh.histogram import HdrHistogram

from loadtest.figures import CURVE_PERCENTILES, Latency, Second, Series, percentile_name
from loadtest.schedule import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Mapping

LATENCY_US_MAX = 3_600_000_000
SIGNIFICANT_DIGITS = 3
# HdrHistogram's own resolution at three digits: exact below 2,048, then eleven significant bits.
_EXACT_BITS = 11


class Recorder:
    """The figures of one series of requests; `expected` are the statuses that count as a right answer.

    The hot path is `answered`: two dictionary increments. Once a second `close_second` folds the second into
    the whole, at HdrHistogram's resolution, so memory does not grow with the number of requests.
    """

    def __init__(self, name: str, expected: frozenset[int], *, begin_ns: int) -> None:
        self.name = name
        self._expected = expected
        self.restart(begin_ns)

    def restart(self, begin_ns: int) -> None:
        """Forget everything so far: the recorded part of the run begins now."""
        self.arrived = self.late = self.waited = self.dropped = self.timed_out = self.lost = 0
        self._begin_ns = self._end_ns = begin_ns
        self._latency_us: defaultdict[int, int] = defaultdict(int)
        self._statuses: defaultdict[int, int] = defaultdict(int)
        self._whole_us: defaultdict[int, int] = defaultdict(int)
        self._wrong_before = 0
        self._rate = 0.0
        self._seconds: list[Second] = []

    def answered(self, status: int, latency_ns: int) -> None:
        """Count one answer."""
        self._latency_us[latency_ns // 1000] += 1
        self._statuses[status] += 1

    def gave_up(self, latency_ns: int) -> None:
        """Count a request that timed out; its latency so far is a lower bound and is recorded as such."""
        self.timed_out += 1
        self._latency_us[latency_ns // 1000] += 1

    @property
    def answers(self) -> int:
        """The number of answers so far."""
        return sum(self._statuses.values())

    def close_second(self, now_ns: int, *, outstanding: int) -> Second:
        """End the current second of the run; return its figures."""
        latency, wrong = sorted(self._fold().items()), self._wrong()
        second = Second(
            at_s=round((now_ns - self._begin_ns) / NS_PER_S, 3),
            span_s=round((now_ns - self._end_ns) / NS_PER_S, 6),
            answered=sum(count for _, count in latency),
            wrong=wrong - self._wrong_before,
            outstanding=outstanding,
            p50_us=_percentile(latency, 50),
            p99_us=_percentile(latency, 99),
            p999_us=_percentile(latency, 99.9),
            max_us=latency[-1][0] if latency else 0,
        )
        self._wrong_before, self._end_ns = wrong, now_ns
        self._rate = self.answers * NS_PER_S / max(now_ns - self._begin_ns, 1)
        self._seconds.append(second)
        return second

    def series(self) -> Series:
        """Return the figures: latencies of all answers so far, and the rate up to the last closed second.

        So answers that came after the run's time, while it drained, cannot raise its rate.
        """
        self._fold()
        return Series(
            name=self.name,
            arrived=self.arrived,
            answered=self.answers,
            rate=self._rate,
            statuses=dict(self._statuses),
            unexpected=self._unexpected(),
            late=self.late,
            waited=self.waited,
            dropped=self.dropped,
            timed_out=self.timed_out,
            lost=self.lost,
            latency=_latency(self._whole_us),
            seconds=self._seconds,
        )

    def _fold(self) -> dict[int, int]:
        recent_us, self._latency_us = self._latency_us, defaultdict(int)
        for microseconds, count in recent_us.items():
            self._whole_us[_rounded(microseconds)] += count
        return recent_us

    def _unexpected(self) -> int:
        return sum(count for status, count in self._statuses.items() if status not in self._expected)

    def _wrong(self) -> int:
        return self._unexpected() + self.dropped + self.timed_out + self.lost


def _rounded(microseconds: int) -> int:
    shift = max(0, microseconds.bit_length() - _EXACT_BITS)
    return microseconds >> shift << shift


def _percentile(latency: list[tuple[int, int]], percentile: float) -> int:
    counts = list(accumulate(count for _, count in latency))
    if not counts:
        return 0
    wanted = counts[-1] * percentile / 100
    return next(latency[place][0] for place, count in enumerate(counts) if count >= wanted)


def _latency(whole_us: Mapping[int, int]) -> Latency:
    histogram = HdrHistogram(1, LATENCY_US_MAX, SIGNIFICANT_DIGITS)
    for microseconds, count in whole_us.items():
        histogram.record_value(min(max(microseconds, 1), LATENCY_US_MAX), count)
    curve = histogram.get_percentile_to_value_dict(list(CURVE_PERCENTILES))
    return Latency(
        count=histogram.get_total_count(),
        min_us=int(histogram.get_min_value()) if whole_us else 0,
        mean_us=round(histogram.get_mean_value(), 1),
        max_us=int(histogram.get_max_value()),
        at={percentile_name(percentile): int(curve.get(percentile, 0)) for percentile in CURVE_PERCENTILES},
        hdr=histogram.encode().decode("ascii"),
    )
