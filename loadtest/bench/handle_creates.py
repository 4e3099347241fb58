"""Creates over the Handle protocol, in one session: each answer comes after its row of the journal is committed."""

from __future__ import annotations

import asyncio
import secrets
from statistics import median
from typing import TYPE_CHECKING, Final

from loadtest.bench import settings
from loadtest.bench.api import NodeApi
from loadtest.bench.dataset import loaded_node
from loadtest.bench.measures import HANDLE_CREATE, Outcome
from loadtest.bench.processes import cpu_s
from loadtest.launch import run_generator
from loadtest.peers.served import ServerFailed
from loadtest.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadtest.bench.measures import Measure
    from loadtest.bench.running_node import BenchNode

# Most of a create is waiting for a commit that others share; the counters of one session may lie 200 apart.
CONNECTIONS: Final = 128
USER: Final = (300, f"{settings.WRITE_PREFIX}/ADMIN")
_SECRET_OCTETS: Final = 24
_CREATES_AND_LISTS: Final = "111111111111"


def measure_handle_creates(bench: settings.Settings, _: set[Measure], say: Callable[[str], None]) -> list[Outcome]:
    """Create as fast as 128 connections are answered. PostgreSQL runs as the node runs it, with fsync."""
    secret = secrets.token_urlsafe(_SECRET_OCTETS)
    with loaded_node(bench.work, bench.records) as node:
        asyncio.run(_administrator(node, secret))
        plan = Plan(
            url=node.handle_url,
            keys=settings.keys_of(1),
            protocol="handle-tcp",
            scenario="register",
            loop="closed",
            write_prefix=settings.WRITE_PREFIX,
            user=f"{USER[0]}:{USER[1]}",
            token=secret,
            duration_s=bench.seconds,
            connections=CONNECTIONS,
        )
        say(f"creates over Handle in a session, from {CONNECTIONS} connections")
        rates, tails_ms, cpus_us = [], [], []
        for number in range(1, bench.rounds + 1):
            before_s = cpu_s(node.served.worker_pid)
            series = run_generator(plan, on_progress=lambda _: None).series[-1]
            if series.wrong or not series.answered:
                raise ServerFailed(f"{series.wrong:,} of {series.arrived:,} creates failed: {series.statuses}")
            rates.append(round(series.rate, 1))
            tails_ms.append(series.latency.at["99"] / 1000)
            cpus_us.append((cpu_s(node.served.worker_pid) - before_s) / series.answered * 1e6)
            say(f"  round {number}/{bench.rounds}  {rates[-1]:>9,.0f}/s  p99 {tails_ms[-1]:7.2f} ms")
    figures = {"p99 ms": round(median(tails_ms), 2), "worker CPU µs": round(median(cpus_us), 1)}
    return [Outcome(HANDLE_CREATE.name, median(rates), rates, figures)]


async def _administrator(node: BenchNode, secret: str) -> None:
    """Register who creates: a secret below the prefix, and the right on the record of the prefix."""
    index, handle = USER
    admin = {"handle": handle, "index": index, "permissions": _CREATES_AND_LISTS}
    right = {"index": 100, "type": "HS_ADMIN", "data": {"format": "admin", "value": admin}}
    key = {"index": index, "type": "HS_SECKEY", "permissions": "1100", "data": secret}
    async with NodeApi(node.served.url, node.token) as api:
        await api.ensure_prefix(settings.WRITE_PREFIX)
        await api.put(handle, [right, key])
        await api.put(f"0.NA/{settings.WRITE_PREFIX}", [right])
