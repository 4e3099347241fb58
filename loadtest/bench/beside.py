"""Look-ups beside the node's other work: at half of the capacity, while others register, and while all is reported.

On two cores the worker has one for itself, and the generator shares the other with everything else of the node. So the
times it sees beside other work are its own waiting for that core, and only shown; what is judged is the worker's CPU
time per look-up, in which passing registrations on is counted too. Cores share caches, and often more: any work on the
other one makes each look-up dearer. So the peer is the worker beside a process that only computes.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager, nullcontext
from statistics import median
from typing import TYPE_CHECKING

import msgspec

from loadtest.bench import settings
from loadtest.bench.api import ensure_prefix
from loadtest.bench.dataset import loaded_node
from loadtest.bench.measures import BESIDE, BESIDE_REPORTS, Outcome, ratio
from loadtest.bench.processes import cpu_s, descendants, lower_priority, pin
from loadtest.bench.reports import SYNC, reporting_node, told_so_far
from loadtest.bench.rounds import lookup_plan
from loadtest.bench.snms_batches import CALL_RECORDS, snms_rate
from loadtest.launch import run_generator
from loadtest.peers.served import ServerFailed
from loadtest.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from loadtest.bench.measures import Measure
    from loadtest.bench.running_node import BenchNode
    from loadtest.figures import Series

REGISTRATIONS_PER_S = 200.0
BATCH_PAUSE_S = 1.0
GIVES_WAY = 10
"""The niceness of what shares the generator's core."""
BUSY_EXTRA_S = 3.0
"""How much longer the registrations go on than the look-ups, which begin a moment later."""
ALONE, COMPUTING = "alone", "beside a computing process"


def measure_beside(bench: settings.Settings, _: set[Measure], say: Callable[[str], None]) -> list[Outcome]:
    """Compare look-ups beside registrations and batches with the same look-ups beside a computing process."""
    with loaded_node(bench.work, bench.records) as node:
        asyncio.run(ensure_prefix(node.served.url, node.token, settings.WRITE_PREFIX))
        return [_compared(BESIDE, node, bench, lambda: _registry_busy(node, bench), say)]


def measure_beside_reports(bench: settings.Settings, _: set[Measure], say: Callable[[str], None]) -> list[Outcome]:
    """Compare the same beside the reports of the whole journal, which rest in between."""
    with ExitStack() as stack:
        node, top_node = stack.enter_context(reporting_node(bench))
        pids = (node.processes[SYNC], top_node)
        asyncio.run(told_so_far(node.database_dsn, wait=True))
        stack.enter_context(_signalled(pids, signal.SIGSTOP, signal.SIGCONT))

        @contextmanager
        def reporting() -> Iterator[None]:
            before = asyncio.run(told_so_far(node.database_dsn))
            with _signalled(pids, signal.SIGCONT, signal.SIGSTOP):
                yield
            if asyncio.run(told_so_far(node.database_dsn)) <= before:
                raise ServerFailed("nothing was reported beside the look-ups: give the bench more --records")

        return [_compared(BESIDE_REPORTS, node, bench, reporting, say)]


def _compared(
    measure: Measure,
    node: BenchNode,
    bench: settings.Settings,
    busy: Callable[[], AbstractContextManager[None]],
    say: Callable[[str], None],
) -> Outcome:
    """Take look-ups alone, beside a computing process and beside what is measured, in turn."""
    node.pin()
    _give_way(node)
    node.warm(bench.records)
    closed = lookup_plan(node.served.url, settings.keys_of(bench.records), bench)
    rate = _lookups(closed).rate / 2
    plan = msgspec.structs.replace(closed, loop="open", rate=rate, spin=False)
    say(f"look-ups at {rate:,.0f} a second; {measure.name}")
    conditions: dict[str, Callable[[], AbstractContextManager[None]]] = {
        ALONE: nullcontext,
        COMPUTING: _computing,
        "beside": busy,
    }
    taken: dict[str, list[Series]] = {name: [] for name in conditions}
    cpu_us: dict[str, list[float]] = {name: [] for name in conditions}
    for number in range(1, bench.rounds + 1):
        for name, condition in conditions.items():
            with condition():
                taken[name].append(_timed(node, plan, cpu_us[name]))
        told = "  ".join(f"{name} {of[-1]:.2f} µs, p50 {_at(taken[name][-1], '50'):.0f}" for name, of in cpu_us.items())
        say(f"  round {number}/{bench.rounds}  {told}")
    figures: dict[str, float] = {"lookups per second": round(rate)}
    for name, series in taken.items():
        figures |= {f"{name}: p{at} µs": round(median(_at(one, at) for one in series)) for at in ("50", "99")}
        figures[f"{name}: worker CPU µs"] = round(median(cpu_us[name]), 2)
    return ratio(measure, cpu_us["beside"], cpu_us[COMPUTING], figures)


def _timed(node: BenchNode, plan: Plan, cpu_us: list[float]) -> Series:
    before_s = cpu_s(node.served.worker_pid)
    series = _lookups(plan)
    cpu_us.append((cpu_s(node.served.worker_pid) - before_s) / series.answered * 1e6)
    return series


def _lookups(plan: Plan) -> Series:
    series = run_generator(plan, on_progress=lambda _: None, core=settings.CLIENT_CORE, preempts=True).series[-1]
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


@contextmanager
def _computing() -> Iterator[None]:
    """Keep the core of everything else busy with what needs nothing but the core."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        try:
            pin(process.pid, settings.CLIENT_CORE)
            lower_priority(process.pid, GIVES_WAY)
            yield
        finally:
            process.kill()


@contextmanager
def _signalled(pids: tuple[int, ...], before: signal.Signals, after: signal.Signals) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, before)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, after)


def _give_way(node: BenchNode) -> None:
    for pid in (node.pid, *descendants(node.pid)):
        if pid != node.served.worker_pid:
            lower_priority(pid, GIVES_WAY)
