"""The figures a resolver shows to Prometheus, each name defined once, and the files processes share them through."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from resolver.connection_limits import Connections
from resolver.counting import HISTOGRAM_BUCKETS, Tallies
from resolver.hot_table_writer import HOT_TABLE_STATES

_BATCH_BUCKETS: Final = (1, 2, 5, 10, 50, 100, 500, 1_000, 2_000, 5_000)
_US_PER_S: Final = 1_000_000

log = logging.getLogger(__name__)

disable_created_metrics()  # type: ignore[no-untyped-call] # untyped there; a second series for every counter, that nobody asks for


class FollowerMetrics:
    """What the follower shows."""

    def __init__(self, registry: CollectorRegistry, states: tuple[str, ...], lag_s: Callable[[], float]) -> None:
        self._states = states
        lag = Gauge(
            "idnode_replica_lag_seconds",
            "Age of the oldest journal change that lookups do not see yet; 0 when caught up",
            registry=registry,
        )
        lag.set_function(lag_s)
        self.changes = Counter("idnode_replica_changes", "Journal changes applied to the replica", registry=registry)
        self.skipped = Counter(
            "idnode_replica_changes_skipped", "Journal changes that could not be rendered", registry=registry
        )
        self.batch = Histogram(
            "idnode_replica_batch_changes", "Changes applied per transaction", buckets=_BATCH_BUCKETS, registry=registry
        )
        self.rebuilds = Counter(
            "idnode_replica_rebuilds", "Rebuilds of the replica from a snapshot", ["reason"], registry=registry
        )
        self.failures = Counter(
            "idnode_follower_failures", "Failed steps of the follower, by what failed", ["what"], registry=registry
        )
        self.records = Gauge("idnode_replica_records", "Records in the replica, withdrawn ones too", registry=registry)
        self._hot_entries = Gauge("idnode_hot_table_entries", "Records in the hot table", registry=registry)
        self._hot_octets = Gauge("idnode_hot_table_octets", "Octets of the hot table's entries", registry=registry)
        self._hot_garbage = Gauge(
            "idnode_hot_table_garbage_octets", "Of these, octets of replaced and removed entries", registry=registry
        )
        self._hot_state = Gauge(
            "idnode_hot_table_state", "1 for the hot table's present state", ["state"], registry=registry
        )
        self.has_hot_table("off", 0, 0, 0)
        self._state = Gauge("idnode_follower_state", "1 for the follower's present state", ["state"], registry=registry)

    def entered(self, state: str) -> None:
        """Show the follower's present state."""
        for name in self._states:
            self._state.labels(name).set(name == state)

    def has_hot_table(self, state: str, entries: int, octets: int, garbage_octets: int) -> None:
        """Show how the hot table is."""
        for name in HOT_TABLE_STATES:
            self._hot_state.labels(name).set(name == state)
        self._hot_entries.set(entries)
        self._hot_octets.set(octets)
        self._hot_garbage.set(garbage_octets)


class SpoolMetrics:
    """What a spool shows."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.segments = Counter("idnode_spool_segments", "Segments of lookup counts written", registry=registry)
        self.dropped = Counter(
            "idnode_spool_segments_dropped", "Segments dropped uncollected: the spool was full", registry=registry
        )
        self.failures = Counter("idnode_spool_failures", "Segments that could not be written yet", registry=registry)
        self.octets = Gauge("idnode_spool_octets", "Octets of segments waiting to be collected", registry=registry)


class ProxyMetrics:
    """What the way to the registry shows."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "idnode_registry_requests",
            "Requests passed on to the registry, by their end",
            ["outcome"],
            registry=registry,
        )
        self.open = Gauge("idnode_registry_requests_open", "Requests being passed on now", registry=registry)


class LookupCollector(Collector):
    """Shows a process's tallies: lookups by face and outcome, and the histogram of their latency."""

    def __init__(self, tallies: Tallies) -> None:
        self._tallies = tallies

    def collect(self) -> Iterator[Metric]:
        """Yield the families; called by the registry for each scrape."""
        lookups = CounterMetricFamily("idnode_lookups", "Lookups answered", labels=["face", "outcome"])
        for (face, outcome), count in self._tallies.outcomes.items():
            lookups.add_metric([face, outcome], count)
        yield lookups
        latency = HistogramMetricFamily("idnode_lookup_seconds", "Time from a read request to its written answer")
        latency.add_metric([], self._buckets(), self._tallies.sum_us / _US_PER_S)
        yield latency

    def _buckets(self) -> list[tuple[str, float]]:
        """Cumulative buckets: number i of the tallies holds what took less than 2^i microseconds."""
        total = 0
        buckets: list[tuple[str, float]] = []
        for power, count in enumerate(self._tallies.histogram[: HISTOGRAM_BUCKETS - 1]):
            total += count
            buckets.append((repr((1 << power) / _US_PER_S), total))
        return [*buckets, ("+Inf", total + self._tallies.histogram[-1])]


class ConnectionCollector(Collector):
    """Shows a worker's connections: how many are open, and how many were refused or cut off."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def collect(self) -> Iterator[Metric]:
        """Yield the families; called by the registry for each scrape."""
        yield GaugeMetricFamily("idnode_connections", "Open connections of clients", len(self._connections))
        yield CounterMetricFamily(
            "idnode_connections_refused", "Connections refused: too many", self._connections.refused
        )
        cut_off = CounterMetricFamily(
            "idnode_connections_cut_off", "Connections cut off, by what they were slow in", labels=["phase"]
        )
        for phase, count in self._connections.cut_off.items():
            cut_off.add_metric([phase], count)
        yield cut_off


@dataclass(frozen=True, slots=True)
class Figures:
    """All figures of one process: `ours`, counted on the event loop, and those the system keeps `of_process`."""

    ours: CollectorRegistry
    of_process: CollectorRegistry = field(default_factory=CollectorRegistry)

    async def exposition(self) -> bytes:
        """Return them in the Prometheus text form."""
        ours = generate_latest(self.ours)  # on the loop: the tallies belong to it
        # On a thread: counting the open files of 10,000 connections takes 11 ms.
        return ours + await asyncio.to_thread(generate_latest, self.of_process)


class MetricsFile:
    """DIR/<process>.prom: where a process leaves its figures for whichever worker is asked for /metrics."""

    def __init__(self, figures: Figures, directory: Path, process: str) -> None:
        self._figures = figures
        self._path = directory / f"{process}.prom"
        # Not the loop: a rename waits when the disk is busy with others' commits.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="metrics")
        self._failing = False

    async def write(self) -> None:
        """Replace the file in one step; call about once a second. Failures are logged: no reason to stop."""
        octets = await self._figures.exposition()
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._replace, octets)
        except OSError as error:
            if not self._failing:
                log.warning("figures cannot be written to %s: %s; trying again every second", self._path, error)
            self._failing = True
        else:
            self._failing = False

    async def close(self) -> None:
        """Remove the file when the process ends, after any writing that was cancelled while it went on."""
        with suppress(OSError):
            await asyncio.get_running_loop().run_in_executor(self._thread, partial(self._path.unlink, missing_ok=True))
        self._thread.shutdown()

    def _replace(self, octets: bytes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._path.with_suffix(".tmp")
        unfinished.write_bytes(octets)
        unfinished.replace(self._path)
