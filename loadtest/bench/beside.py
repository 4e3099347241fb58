"""Lookups at half of the capacity, alone and beside registrations: what the ones cost the others.

The registrations are few enough for the generators, PostgreSQL, registry and follower to share the client's core: with
more of them the generator of the lookups is late, and what is measured is its own waiting.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from statistics import median
from typing import TYPE_CHECKING

import msgspec

from loadtest.bench import measures, settings
from loadtest.bench.measures import ratio
from loadtest.bench.rounds import Sample, lookup_plan, medians, sample
from loadtest.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from loadtest.bench.measures import Outcome
    from loadtest.bench.running_node import BenchNode

WRITES_SHARE_OF_TIME_S = 3.0
"""How much longer than the lookups the registrations go on, so that no second of the measurement is without them."""


def measure_undisturbed(node: BenchNode, bench: settings.Settings, say: Callable[[str], None]) -> Outcome:
    """Interleave rounds without and with `bench.beside_rate` registrations a second; the worker has its own core."""
    node.pin()
    node.warm()
    keys = settings.keys_of(bench.records)
    capacity = sample(node.served, lookup_plan(node.served.url, keys, bench)).rate
    plan = lookup_plan(node.served.url, keys, bench, rate=capacity / 2)
    say(f"lookups at {capacity / 2:,.0f} a second, alone and beside {bench.beside_rate:g} registrations a second")
    alone: list[Sample] = []
    beside: list[Sample] = []
    for number in range(1, bench.rounds + 1):
        alone.append(sample(node.served, plan))
        with _registrations(node, bench):
            beside.append(sample(node.served, plan))
        say(
            f"  round {number}/{bench.rounds}  p50 {alone[-1].p50_us:7.0f} µs alone  {beside[-1].p50_us:7.0f} µs beside"
        )
    figures = {"rate": round(capacity / 2)} | medians("alone", alone) | medians("beside", beside)
    figures |= {f"{name} p50 µs": round(median(one.p50_us for one in taken)) for name, taken in _both(alone, beside)}
    return ratio(measures.UNDISTURBED, [one.p50_us for one in beside], [one.p50_us for one in alone], figures)


def _both(alone: list[Sample], beside: list[Sample]) -> tuple[tuple[str, list[Sample]], ...]:
    return ("alone", alone), ("beside", beside)


@contextmanager
def _registrations(node: BenchNode, bench: settings.Settings) -> Iterator[None]:
    """Register identifiers at a steady rate, in a process of its own, while the block runs."""
    plan = Plan(
        url=node.served.url,
        keys=settings.keys_of(1),
        scenario="mixed",
        rate=bench.beside_rate,
        write_share=1.0,
        write_prefix=settings.WRITE_PREFIX,
        token=node.token,
        duration_s=bench.seconds + WRITES_SHARE_OF_TIME_S,
        connections=16,
    )
    generator = subprocess.Popen(
        [sys.executable, "-m", "loadtest.generator"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with generator:
        assert generator.stdin is not None  # noqa: S101 - Popen opened it
        assert generator.stdout is not None  # noqa: S101 - as above
        generator.stdin.write(msgspec.json.encode(plan) + b"\n")
        generator.stdin.flush()
        generator.stdout.readline()  # its first second is over
        try:
            yield
        finally:
            generator.kill()
