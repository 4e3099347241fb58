"""Register → resolvable: new identifiers at a steady rate, each looked up until it is found."""

from __future__ import annotations

import asyncio
from statistics import median
from typing import TYPE_CHECKING

from loadtest.bench import settings
from loadtest.bench.api import ensure_prefix
from loadtest.bench.dataset import loaded_node
from loadtest.bench.measures import REGISTER, Outcome
from loadtest.launch import run_generator
from loadtest.peers.served import ServerFailed
from loadtest.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadtest.bench.measures import Measure
    from loadtest.bench.running_node import BenchNode

CONNECTIONS = 64


def measure_register(bench: settings.Settings, _: set[Measure], say: Callable[[str], None]) -> list[Outcome]:
    """Measure p99 at `bench.write_rate` registrations a second; the node's processes run where the kernel puts them."""
    with loaded_node(bench.work, bench.records) as node:
        asyncio.run(ensure_prefix(node.served.url, node.token, settings.WRITE_PREFIX))
        say(f"register → resolvable at {bench.write_rate:g} writes a second")
        rounds_ms, accepted_ms = [], []
        for number in range(1, bench.rounds + 1):
            accepted, resolvable = _round(node, bench)
            rounds_ms.append(resolvable)
            accepted_ms.append(accepted)
            say(
                f"  round {number}/{bench.rounds}  accepted p99 {accepted:8.2f} ms  resolvable p99 {resolvable:8.2f} ms"
            )
    figures = {"writes per second": bench.write_rate, "accepted p99 ms": median(accepted_ms)}
    return [Outcome(REGISTER.name, median(rounds_ms), rounds_ms, figures)]


def _round(node: BenchNode, bench: settings.Settings) -> tuple[float, float]:
    plan = Plan(
        url=node.served.url,
        keys=settings.keys_of(1),
        scenario="mixed",
        rate=bench.write_rate,
        write_share=1.0,
        write_prefix=settings.WRITE_PREFIX,
        token=node.token,
        duration_s=max(bench.seconds, 2.0),
        connections=CONNECTIONS,
    )
    figures = run_generator(plan, on_progress=lambda _: None, core=settings.CLIENT_CORE)
    accepted, resolvable = figures.series
    if accepted.wrong or resolvable.wrong:
        raise ServerFailed(f"{resolvable.wrong:,} registrations failed: {accepted.statuses}, {figures.failures}")
    return accepted.latency.at["99"] / 1000, resolvable.latency.at["99"] / 1000
