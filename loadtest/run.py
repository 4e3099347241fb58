"""One run from plan to figures: connections, warm-up, the recorded seconds, and what is left at the end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from loadtest.figures import Figures, Progress
from loadtest.machine import this_machine
from loadtest.plan import check_plan, without_token
from loadtest.schedule import NS_PER_S
from loadtest.streams import clock_ns, make_streams
from loadtest.target import parse_target

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadtest.plan import Plan
    from loadtest.streams import Stream

SWEEP_S = 0.1


async def run(plan: Plan, *, report: Callable[[Progress], None], stopping: asyncio.Event) -> Figures:
    """Run the plan, report each second, and return the figures; `stopping` ends it early.

    Raises PlanError, KeysError, TargetError or Unreachable when nothing could be measured.
    """
    check_plan(plan)
    target = parse_target(plan.url, allow_remote=plan.allow_remote, scheme=plan.scheme)
    streams = make_streams(plan, target)
    # The prepared requests never become garbage: keep the collector from looking at them during the run.
    gc.collect()
    gc.freeze()
    async with contextlib.AsyncExitStack() as fleets:
        for stream in streams:
            await fleets.enter_async_context(stream.fleet)
        for stream in streams:
            stream.control.start()
        await _until(clock_ns() + int(plan.warmup_s * NS_PER_S), streams, plan, stopping)
        return await _record(plan, streams, report, stopping)


async def _record(
    plan: Plan, streams: list[Stream], report: Callable[[Progress], None], stopping: asyncio.Event
) -> Figures:
    began_at, began_ns, cpu_s = datetime.now(UTC), clock_ns(), time.process_time()
    recorders = [recorder for stream in streams for recorder in stream.recorders]
    for recorder in recorders:
        recorder.restart(began_ns)
    end_ns, second_ns = began_ns + int(plan.duration_s * NS_PER_S), began_ns
    while second_ns < end_ns and not stopping.is_set():
        second_ns = min(second_ns + NS_PER_S, end_ns)
        await _until(second_ns, streams, plan, stopping)
        _close_second(streams, began_ns, report)
    recorded_s, cpu_s = (clock_ns() - began_ns) / NS_PER_S, time.process_time() - cpu_s
    in_time = sum(recorder.answers for recorder in recorders)
    await _drain(streams, plan)
    return Figures(
        plan=without_token(plan),
        machine=this_machine(),
        began_at=began_at.isoformat(timespec="seconds"),
        elapsed_s=recorded_s,
        client_us=cpu_s / max(in_time, 1) * 1e6,
        client_busy=cpu_s / recorded_s,
        reopened=sum(stream.fleet.reopened for stream in streams),
        failures={text: n for stream in streams for text, n in stream.fleet.failures.items()},
        series=[recorder.series() for recorder in recorders],
    )


async def _until(due_ns: int, streams: list[Stream], plan: Plan, stopping: asyncio.Event) -> None:
    """Let the run go on until `due_ns`, timing out overdue requests meanwhile."""
    while (left_s := (due_ns - clock_ns()) / NS_PER_S) > 0 and not stopping.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(left_s, SWEEP_S)):
                await stopping.wait()
        for stream in streams:
            stream.sweep(int(plan.timeout_s * NS_PER_S))


async def _drain(streams: list[Stream], plan: Plan) -> None:
    """Let nothing more arrive, and wait until every request that arrived has its answer or its timeout."""
    for stream in streams:
        stream.control.stop()
    deadline_ns = clock_ns() + int((plan.timeout_s + 1) * NS_PER_S)
    while any(stream.outstanding for stream in streams) and clock_ns() < deadline_ns:
        await asyncio.sleep(SWEEP_S / 10)
        for stream in streams:
            stream.sweep(int(plan.timeout_s * NS_PER_S))


def _close_second(streams: list[Stream], began_ns: int, report: Callable[[Progress], None]) -> None:
    now_ns = clock_ns()
    seconds = {
        recorder.name: recorder.close_second(now_ns, outstanding=stream.outstanding)
        for stream in streams
        for recorder in stream.recorders
    }
    report(Progress(elapsed_s=(now_ns - began_ns) / NS_PER_S, seconds=seconds))
