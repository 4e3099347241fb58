"""Look-ups beside the registry's work: the same look-ups at half of the capacity, alone and while others register.

On two cores the worker has one for itself, and the generator shares the other with everything else of the node. So the
times it sees beside the registry's work are its own waiting for that core, and only shown; what is judged is the
worker's CPU time per look-up, in which passing registrations on is counted too.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from statistics import median
from typing import TYPE_CHECKING

import msgspec

from loadtest.bench import settings
from loadtest.bench.api import ensure_prefix
from loadtest.bench.dataset import loaded_node
from loadtest.bench.measures import BESIDE, Outcome, ratio
from loadtest.bench.processes import cpu_s, descendants, lower_priority
from loadtest.bench.rounds import lookup_plan
from loadtest.bench.snms_batches import CALL_RECORDS, snms_rate
from loadtest.launch import run_generator
from loadtest.peers.served import ServerFailed
from loadtest.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from loadtest.bench.measures import Measure
    from loadtest.bench.running_node import BenchNode
    from loadtest.figures import Series

REGISTRATIONS_PER_S = 200.0
BATCH_PAUSE_S = 1.0
GIVES_WAY = 10
"""The niceness of what shares the generator's core."""
BUSY_EXTRA_S = 3.0
"""How much longer the registrations go on than the look-ups, which begin a moment later."""


def measure_beside(bench: settings.Settings, _: set[Measure], say: Callable[[str], None]) -> list[Outcome]:
    """Compare the worker's CPU time per look-up in turn; the times that the generator saw are shown beside it."""
    keys = settings.keys_of(bench.records)
    with loaded_node(bench.work, bench.records) as node:
        asyncio.run(ensure_prefix(node.served.url, node.token, settings.WRITE_PREFIX))
        node.pin()
        _give_way(node)
        node.warm()
        closed = lookup_plan(node.served.url, keys, bench)
        rate = _lookups(closed).rate / 2
        plan = msgspec.structs.replace(closed, loop="open", rate=rate, spin=False)
        say(f"look-ups at {rate:,.0f} a second, alone and beside registrations and batches")
        alone, beside, cpu_us = [], [], [list[float](), list[float]()]
        for number in range(1, bench.rounds + 1):
            alone.append(_timed(node, plan, cpu_us[0]))
            with _registry_busy(node, bench):
                beside.append(_timed(node, plan, cpu_us[1]))
            p50, p99 = ([_at(one[-1], of) for one in (alone, beside)] for of in ("50", "99"))
            say(
                f"  round {number}/{bench.rounds}  p50 {p50[0]:6.0f} µs alone, {p50[1]:6.0f} beside"
                f"  p99 {p99[0]:8,.0f} and {p99[1]:8,.0f} µs"
            )
    figures: dict[str, float] = {"lookups per second": round(rate)}
    for name, taken, used_us in (("alone", alone, cpu_us[0]), ("beside", beside, cpu_us[1])):
        figures |= {f"{name} p{at} µs": round(median(_at(one, at) for one in taken)) for at in ("50", "99")}
        figures[f"{name} worker CPU µs"] = round(median(used_us), 2)
    return [ratio(BESIDE, cpu_us[1], cpu_us[0], figures)]


def _timed(node: BenchNode, plan: Plan, cpu_us: list[float]) -> Series:
    before_s = cpu_s(node.served.worker_pid)
    series = _lookups(plan)
    cpu_us.append((cpu_s(node.served.worker_pid) - before_s) / series.answered * 1e6)
    return series


def _lookups(plan: Plan) -> Series:
    series = run_generator(plan, on_progress=lambda _: None, core=settings.CLIENT_CORE).series[-1]
    if series.wrong or not series.answered:
        raise ServerFailed(f"{series.wrong:,} of {series.arrived:,} answers were wrong: {series.statuses}")
    return series


def _at(series: Series, percentile: str) -> float:
    return series.latency.at[percentile]


@contextmanager
def _registry_busy(node: BenchNode, bench: settings.Settings) -> Iterator[None]:
    """Keep the registry busy: single registrations at a steady rate, and a list of 1,500 about once a second."""
    ended = threading.Event()
    failures: list[Exception] = []
    writers = [threading.Thread(target=_register, args=(node, bench.seconds + BUSY_EXTRA_S, failures))]
    writers.append(threading.Thread(target=_send_lists, args=(node, ended, failures)))
    for writer in writers:
        writer.start()
    try:
        yield
    finally:
        ended.set()
        for writer in writers:
            writer.join()
    if failures:
        raise ServerFailed(f"what kept the registry busy failed: {failures[0]}") from failures[0]


def _register(node: BenchNode, seconds: float, failures: list[Exception]) -> None:
    plan = Plan(
        url=node.served.url,
        keys=settings.keys_of(1),
        scenario="mixed",
        rate=REGISTRATIONS_PER_S,
        write_share=1.0,
        write_prefix=settings.WRITE_PREFIX,
        token=node.token,
        warmup_s=0.0,
        duration_s=seconds,
    )
    try:
        accepted = run_generator(plan, on_progress=lambda _: None, core=settings.CLIENT_CORE).series[0]
        if accepted.wrong or not accepted.answered:
            raise ServerFailed(f"{accepted.wrong:,} registrations failed: {accepted.statuses}")  # noqa: TRY301 - for the other thread
    except Exception as error:  # noqa: BLE001 - told to the measuring thread
        failures.append(error)


def _send_lists(node: BenchNode, ended: threading.Event, failures: list[Exception]) -> None:
    try:
        while not ended.is_set():
            asyncio.run(snms_rate(node, CALL_RECORDS))
            ended.wait(BATCH_PAUSE_S)
    except Exception as error:  # noqa: BLE001 - told to the measuring thread
        failures.append(error)


def _give_way(node: BenchNode) -> None:
    for pid in (node.pid, *descendants(node.pid)):
        if pid != node.served.worker_pid:
            lower_priority(pid, GIVES_WAY)
