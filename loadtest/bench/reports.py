"""Reports: the whole journal told to the simulator of the national node, both on this machine."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg

from loadtest.bench import settings
from loadtest.bench.dataset import loaded_node
from loadtest.bench.measures import REPORTS, Outcome
from loadtest.bench.processes import cpu_s, resident_mb
from loadtest.bench.running_node import bench_node
from loadtest.peers.served import ServerFailed, free_port, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from loadtest.bench.measures import Measure
    from loadtest.bench.running_node import BenchNode

    Connection = asyncpg.Connection[Any]

REPORTER = "88.118"
TEMPLATE = "GENERAL"
SYNC = "sync"
LOOK_S = 0.5
STALL_S = 60.0
_FORGET = (
    "TRUNCATE report_feeds, report_streams, report_batches, report_rejections, report_rows, report_periods CASCADE"
)
_TOLD = "SELECT coalesce(sum(row_count), 0) FROM report_batches WHERE state = 'acknowledged'"


def measure_reports(bench: settings.Settings, _: set[Measure], say: Callable[[str], None]) -> list[Outcome]:
    """Measure from the first acknowledged batch to the last, with the memory of the reporting process on the way."""
    say(f"{bench.records:,} identifiers reported to the simulator of the national node")
    with reporting_node(bench) as (node, _top_node):
        return [asyncio.run(_told(node, bench.records, say))]


@contextmanager
def reporting_node(bench: settings.Settings) -> Iterator[tuple[BenchNode, int]]:
    """Run a node that reports its whole journal to the simulator, whose process id comes with it."""
    with loaded_node(bench.work, bench.records) as node:
        asyncio.run(_forget(node.database_dsn))  # a journal that was told before is told anew
        data_dir = node.data_dir
    folder = bench.work / "top-node"
    shutil.rmtree(folder, ignore_errors=True)
    port = free_port()
    command = [str(Path(sys.executable).parent / "idnode"), "top-node"]
    command += ["--data-dir", str(folder), "--listen", f"127.0.0.1:{port}"]
    reporting = {
        "IDNODE_SYNC_UPSTREAM_URL": f"http://127.0.0.1:{port}",
        "IDNODE_SYNC_REPORTER_PREFIX": REPORTER,
        "IDNODE_SYNC_DEFAULT_TEMPLATE": TEMPLATE,
    }
    log = bench.work / "top-node.log"
    with running(command, log=log) as top_node, bench_node(data_dir, settings_too=reporting) as node:
        yield node, top_node.pid
    shutil.rmtree(folder, ignore_errors=True)


async def told_so_far(dsn: str, *, wait: bool = False) -> int:
    """Return how many identifiers are acknowledged; with `wait` not before some are. Raises ServerFailed."""
    connection = await asyncpg.connect(dsn)
    try:
        return (await _first(connection))[0] if wait else int(await connection.fetchval(_TOLD))
    finally:
        await connection.close()


async def _told(node: BenchNode, records: int, say: Callable[[str], None]) -> Outcome:
    sync = node.processes[SYNC]
    connection = await asyncpg.connect(node.database_dsn)
    try:
        first, began = await _first(connection)
        memory_mb, told, moved = [_memory(node, sync)], first, began
        while told < records:
            await asyncio.sleep(LOOK_S)
            now, before = time.perf_counter(), told
            told = await connection.fetchval(_TOLD)
            moved = now if told > before else moved
            if now - moved > STALL_S:
                raise ServerFailed(f"reporting stopped after {told:,} of {records:,} identifiers")
            memory_mb.append(_memory(node, sync))
        took_s = time.perf_counter() - began
    finally:
        await connection.close()
    rate = round((told - first) / took_s, 1)
    half = len(memory_mb) // 2
    figures = {
        "identifiers": float(told),
        "sync CPU µs": round(cpu_s(sync) / told * 1e6, 1),
        "memory at half MB": round(memory_mb[half], 1),
        "memory at the end MB": round(memory_mb[-1], 1),
    }
    say(
        f"  {rate:>9,.0f}/s  {figures['memory at half MB']} MB at half, {figures['memory at the end MB']} MB at the end"
    )
    return Outcome(REPORTS.name, rate, [rate], figures)


async def _first(connection: Connection) -> tuple[int, float]:
    """Wait for the first batch that is acknowledged: what came before is the node's start."""
    until = time.perf_counter() + STALL_S
    while not (told := await connection.fetchval(_TOLD)):
        if time.perf_counter() > until:
            raise ServerFailed("nothing is reported; the node's log says why")
        await asyncio.sleep(LOOK_S / 10)
    return told, time.perf_counter()


def _memory(node: BenchNode, pid: int) -> float:
    return resident_mb(pid, except_below=node.data_dir / settings.REPLICA_FOLDER)


async def _forget(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(_FORGET)
    finally:
        await connection.close()
