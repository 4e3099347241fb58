"""The registry under its own load: single registrations, lists of them, and searches."""

from __future__ import annotations

import asyncio
from statistics import median
from typing import TYPE_CHECKING

from loadtest.bench import measures, settings
from loadtest.bench.api import ensure_prefix
from loadtest.bench.dataset import loaded_node
from loadtest.bench.measures import Outcome
from loadtest.bench.searches import measure_searches
from loadtest.bench.snms_batches import snms_rate
from loadtest.launch import run_generator
from loadtest.peers.served import ServerFailed
from loadtest.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadtest.bench.measures import Measure
    from loadtest.bench.running_node import BenchNode

    Say = Callable[[str], None]

SINGLES_CONNECTIONS = 16
SNMS_CALLERS = 4


def measure_registry_load(bench: settings.Settings, wanted: set[Measure], say: Say) -> list[Outcome]:
    """Take the measures that are wanted, on the node that holds `bench.records` records."""
    outcomes = []
    with loaded_node(bench.work, bench.records) as node:
        node.warm(bench.records)
        asyncio.run(ensure_prefix(node.served.url, node.token, settings.WRITE_PREFIX))
        if measures.SINGLES in wanted:
            outcomes.append(_singles(node, bench, say))
        if measures.SNMS_BATCH in wanted:
            node.warm(bench.records)
            outcomes.append(_snms(node, bench, say))
    if measures.SEARCH in wanted:
        outcomes.append(measure_searches(bench, say))
    return outcomes


def _singles(node: BenchNode, bench: settings.Settings, say: Say) -> Outcome:
    """Register as fast as 16 connections are answered. PostgreSQL runs as the node runs it, with fsync."""
    plan = Plan(
        url=node.served.url,
        keys=settings.keys_of(1),
        scenario="register",
        loop="closed",
        write_prefix=settings.WRITE_PREFIX,
        token=node.token,
        duration_s=bench.seconds,
        connections=SINGLES_CONNECTIONS,
    )
    say(f"single registrations from {SINGLES_CONNECTIONS} connections")
    rates, tails_ms = [], []
    for number in range(1, bench.rounds + 1):
        series = run_generator(plan, on_progress=lambda _: None).series[-1]
        if series.wrong or not series.answered:
            raise ServerFailed(f"{series.wrong:,} of {series.arrived:,} registrations failed: {series.statuses}")
        rates.append(round(series.rate, 1))
        tails_ms.append(series.latency.at["99"] / 1000)
        say(f"  round {number}/{bench.rounds}  {rates[-1]:>9,.0f}/s  p99 {tails_ms[-1]:7.2f} ms")
    return Outcome(measures.SINGLES.name, median(rates), rates, {"p99 ms": round(median(tails_ms), 2)})


def _snms(node: BenchNode, bench: settings.Settings, say: Say) -> Outcome:
    """Register lists from several enterprises at once, as a node has them, and in turn from one that is alone."""
    say(f"SNMS batchCreate, {bench.snms_records:,} records a round, {SNMS_CALLERS} callers and one alone in turn")
    rates, alone = [], []
    for number in range(1, bench.rounds + 1):
        rates.append(round(asyncio.run(snms_rate(node, bench.snms_records, SNMS_CALLERS)), 1))
        alone.append(round(asyncio.run(snms_rate(node, bench.snms_records)), 1))
        say(f"  round {number}/{bench.rounds}  {rates[-1]:>9,.0f} records/s; alone {alone[-1]:>9,.0f}")
    figures = {"records a round": float(bench.snms_records), "records/s, one caller alone": median(alone)}
    return Outcome(measures.SNMS_BATCH.name, median(rates), rates, figures)
