"""The figures of a run as they are stored and handed on; times in microseconds unless the name says otherwise."""

from __future__ import annotations

import msgspec

from loadtest.machine import Machine  # noqa: TC001 - msgspec reads the annotation at run time
from loadtest.plan import Plan  # noqa: TC001 - as above

# The percentiles of the curve: what the run can resolve is decided by its number of requests, not here.
CURVE_PERCENTILES = (
    *(0.0, 10.0, 25.0, 50.0, 75.0, 80.0, 90.0, 92.5, 95.0, 97.5, 98.0, 99.0, 99.25, 99.5, 99.75, 99.8),
    *(99.9, 99.925, 99.95, 99.975, 99.98, 99.99, 99.995, 99.998, 99.999, 100.0),
)


class Second(msgspec.Struct, frozen=True):
    """One second of a series: `at_s` is its end, counted from the beginning of the recorded part."""

    at_s: float
    span_s: float
    answered: int
    wrong: int
    outstanding: int
    p50_us: int
    p99_us: int
    p999_us: int
    max_us: int


class Latency(msgspec.Struct, frozen=True):
    """A distribution: `at` maps percentiles ("99.9") to microseconds, `hdr` is HdrHistogram's own coding of it."""

    count: int
    min_us: int
    mean_us: float
    max_us: int
    at: dict[str, int]
    hdr: str


class Series(msgspec.Struct, frozen=True):
    """One kind of request in a run.

    `arrived` = due by the schedule; of these `late` left the generator over 1 ms after their time, `waited` found no
    free connection, `dropped` were turned away because too many were outstanding. `timed_out` ones are in the latencies
    with the time they were given; `dropped` and `lost` (connection ended) are not, since they have none.
    `rate` = answers per second.
    """

    name: str
    arrived: int
    answered: int
    rate: float
    statuses: dict[int, int]
    unexpected: int
    late: int
    waited: int
    dropped: int
    timed_out: int
    lost: int
    latency: Latency
    seconds: list[Second]

    @property
    def wrong(self) -> int:
        """The number of requests that did not get the answer they should have."""
        return self.unexpected + self.dropped + self.timed_out + self.lost


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """What a running generator says once a second: the last second of every series, by name."""

    elapsed_s: float
    seconds: dict[str, Second]


class Figures(msgspec.Struct, frozen=True, tag="figures"):
    """The outcome of one run: what was asked (without the token), where it ran, and what came of it.

    `client_us` is the generator's own CPU time per answer; `client_busy` its share of one core: near 1.0 the generator
    may be the limit.
    """

    plan: Plan
    machine: Machine
    began_at: str
    elapsed_s: float
    client_us: float
    client_busy: float
    reopened: int
    failures: dict[str, int]
    series: list[Series]


class Failure(msgspec.Struct, frozen=True, tag="failure"):
    """Why a run has no figures."""

    message: str


def percentile_name(percentile: float) -> str:
    """Return the key of a percentile in `Latency.at`: 99.0 → "99", 99.9 → "99.9"."""
    return f"{percentile:g}"
