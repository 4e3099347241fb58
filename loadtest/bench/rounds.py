"""One measurement of one server, and rounds of them in turn, so that a noisy minute hits all servers alike."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

import msgspec

from loadtest.bench import settings
from loadtest.bench.processes import cpu_s
from loadtest.launch import run_generator
from loadtest.peers.served import ServerFailed
from loadtest.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from loadtest.keys import KeyPattern
    from loadtest.peers.served import Served

WARMUP_S = 1.0


class Sample(msgspec.Struct, frozen=True):
    """One run against one server.

    `client_busy` is the share of the client's core that the generator used; `late` the share of the arrivals that it
    sent over 1 ms after their time (open loop): where that is not small, latencies are the generator's own.
    """

    rate: float
    server_us: float
    p99_us: float
    client_busy: float
    late: float


def lookup_plan(url: str, keys: KeyPattern, bench: settings.Settings, *, rate: float | None = None) -> Plan:
    """Return the plan of one measurement: as fast as answered, or at a fixed `rate`."""
    return Plan(
        url=url,
        keys=keys,
        loop="closed" if rate is None else "open",
        rate=rate or 1.0,
        duration_s=bench.seconds,
        warmup_s=0.0,
        connections=bench.connections,
    )


def sample(served: Served, plan: Plan) -> Sample:
    """Run the plan on the client's core; raise ServerFailed when an answer was wrong."""
    before_s = cpu_s(served.worker_pid)
    figures = run_generator(plan, on_progress=lambda _: None, core=settings.CLIENT_CORE)
    used_s = cpu_s(served.worker_pid) - before_s
    series = figures.series[-1]
    if series.wrong or not series.answered:
        raise ServerFailed(
            f"{served.name}: {series.wrong:,} of {series.arrived:,} answers were wrong {series.statuses}"
        )
    return Sample(
        series.rate,
        used_s / series.answered * 1e6,
        series.latency.at["99"],
        figures.client_busy,
        series.late / series.arrived,
    )


def interleaved(
    servers: Sequence[Served], plan_for: Callable[[Served], Plan], rounds: int, say: Callable[[str], None]
) -> dict[str, list[Sample]]:
    """Return `rounds` samples of each server by name, taken in turn: A B C A B C …, after a short warm-up of each."""
    for served in servers:
        sample(served, msgspec.structs.replace(plan_for(served), duration_s=WARMUP_S))
    samples: dict[str, list[Sample]] = {served.name: [] for served in servers}
    for number in range(1, rounds + 1):
        for served in servers:
            taken = sample(served, plan_for(served))
            samples[served.name].append(taken)
            say(
                f"  round {number}/{rounds}  {served.name:<8} {taken.rate:>9,.0f}/s  server {taken.server_us:6.2f} µs"
                f"  p99 {taken.p99_us:8,.0f} µs  client {taken.client_busy:4.0%} busy, {taken.late:.1%} late"
            )
    return samples


def medians(name: str, samples: list[Sample]) -> dict[str, float]:
    """Return the medians of a server's samples, named for the table of figures."""
    return {
        f"{name} per second": round(median(one.rate for one in samples)),
        f"{name} server CPU µs": round(median(one.server_us for one in samples), 2),
        f"{name} p99 µs": round(median(one.p99_us for one in samples)),
        f"{name} client busy": round(median(one.client_busy for one in samples), 2),
        f"{name} client late": round(median(one.late for one in samples), 4),
    }
