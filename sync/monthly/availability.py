"""Availability and running hours of a month, from the stretches without service (docking contract 6). Pure.

T: the seconds of the month since the node went live. U: those of them in which a service failed or nothing was probed,
planned stops included. Both figures are cut off, not rounded, so that they never say more than there was.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from registry.tables.node_events import Outage

_MICROSECONDS: Final = 1_000_000
_PERCENT_PARTS: Final = 100_000
"""Three decimals of a percentage."""


@dataclass(frozen=True, slots=True)
class Availability:
    """T and U of a month, in microseconds; `total_us` is over 0."""

    total_us: int
    failed_us: int

    @property
    def percent(self) -> float:
        """(T − U) / T in percent, three decimals, cut off."""
        return (self.total_us - self.failed_us) * _PERCENT_PARTS // self.total_us / 1000

    @property
    def hours(self) -> float:
        """T − U in hours, one decimal, cut off."""
        return (self.total_us - self.failed_us) * 10 // (3600 * _MICROSECONDS) / 10


def availability(
    start: datetime, end: datetime, live_since: datetime | None, outages: Iterable[Outage]
) -> Availability | None:
    """Return what is known of the time from `start` to `end`; None if the node was not live yet.

    An outage without an end lasts; where outages overlap, a second counts once.
    """
    if live_since is None or live_since >= end:
        return None
    begin = reached = max(start, live_since)
    failed_us = 0
    for outage in sorted(outages, key=lambda one: one.started_at):
        since, until = max(outage.started_at, reached), min(outage.ended_at or end, end)
        if until > since:
            failed_us += _us(since, until)
            reached = until
    return Availability(_us(begin, end), failed_us)


def mean_cut(values: Iterable[float], decimals: int) -> float:
    """Return the mean of values that have so many decimals, cut off to as many."""
    scale: int = 10**decimals
    whole = [round(value * scale) for value in values]
    return sum(whole) // len(whole) / scale


def _us(start: datetime, end: datetime) -> int:
    span = end - start
    return (span.days * 86_400 + span.seconds) * _MICROSECONDS + span.microseconds
