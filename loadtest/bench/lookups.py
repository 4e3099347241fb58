"""Look-ups side by side: the node, nginx with a constant, aiohttp with a dict; and the worker's memory afterwards."""

from __future__ import annotations

import asyncio
import contextlib
from statistics import median
from typing import TYPE_CHECKING

from loadtest.bench import measures, settings
from loadtest.bench.api import NodeApi
from loadtest.bench.dataset import loaded_node
from loadtest.bench.measures import not_measured, ratio
from loadtest.bench.processes import pin, resident_mb
from loadtest.bench.rounds import Sample, interleaved, lookup_plan, medians
from loadtest.keys import open_keys
from loadtest.peers.aiohttp_dict import aiohttp_peer
from loadtest.peers.nginx import nginx_binary, nginx_peer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from loadtest.bench.measures import Measure, Outcome
    from loadtest.bench.running_node import BenchNode
    from loadtest.peers.served import Served

NO_NGINX = "nginx is not installed here (apt install nginx)"
CHECKED_RECORDS = 50
# More requests than this that leave late make the 99th percentile the generator's.
LATE_MAX = 0.01

Samples = dict[str, list[Sample]]


def measure_lookups(bench: settings.Settings, wanted: set[Measure], say: Callable[[str], None]) -> list[Outcome]:
    """Take the look-up measures that are wanted, over `bench.records` records."""
    keys = settings.keys_of(bench.records)
    with contextlib.ExitStack() as stack:
        node = stack.enter_context(loaded_node(bench.work, bench.records))
        answer = asyncio.run(_checked_answer(node, bench.records))
        node.pin()
        node.warm(bench.records)
        nginx = stack.enter_context(_nginx(bench, answer))
        outcomes = []
        if wanted & {measures.LOOKUP_THROUGHPUT, measures.LOOKUP_CPU, measures.AIOHTTP_THROUGHPUT, measures.TAIL}:
            with aiohttp_peer(keys, answer, open_keys(keys)[0].partition("/")[2]) as aiohttp:
                pin(aiohttp.worker_pid, settings.SERVER_CORE)
                servers = [*nginx, node.served, aiohttp]
                say(f"look-ups over {bench.records:,} records, {bench.connections} connections")
                samples = interleaved(servers, lambda served: lookup_plan(served.url, keys, bench), bench.rounds, say)
            outcomes += _throughput_outcomes(samples)
            if measures.TAIL in wanted:
                outcomes.append(_tail(bench, node, nginx, samples, say))
        if measures.MEMORY in wanted:
            outcomes.append(_memory(bench, node))
    return outcomes


def _throughput_outcomes(samples: Samples) -> list[Outcome]:
    ours, aiohttp, nginx = samples["idnode"], samples["aiohttp"], samples.get("nginx")
    rates = [one.rate for one in ours]
    figures = {name: value for server, taken in samples.items() for name, value in medians(server, taken).items()}
    outcomes = [ratio(measures.AIOHTTP_THROUGHPUT, rates, [one.rate for one in aiohttp], figures)]
    if nginx is None:
        return [*outcomes, *(not_measured(one, NO_NGINX) for one in (measures.LOOKUP_THROUGHPUT, measures.LOOKUP_CPU))]
    our_us, their_us = ([one.server_us for one in taken] for taken in (ours, nginx))
    return [
        ratio(measures.LOOKUP_THROUGHPUT, rates, [one.rate for one in nginx], figures),
        ratio(measures.LOOKUP_CPU, our_us, their_us, figures),
        *outcomes,
    ]


def _tail(
    bench: settings.Settings, node: BenchNode, nginx: list[Served], samples: Samples, say: Callable[[str], None]
) -> Outcome:
    if not nginx:
        return not_measured(measures.TAIL, NO_NGINX)
    rate = median(one.rate for one in samples["idnode"]) / 2
    keys = settings.keys_of(bench.records)
    say(f"latency at {rate:,.0f} look-ups a second, open loop")
    taken = interleaved(
        [*nginx, node.served], lambda served: lookup_plan(served.url, keys, bench, rate=rate), bench.rounds, say
    )
    figures = {"rate": round(rate)} | {
        name: value for server, tail in taken.items() for name, value in medians(server, tail).items()
    }
    ours, theirs = ([one.p99_us for one in taken[name]] for name in ("idnode", "nginx"))
    late = max(median(one.late for one in tail) for tail in taken.values())
    note = f"{late:.0%} of the requests left late: the generator's core was not its own" if late > LATE_MAX else ""
    return ratio(measures.TAIL, ours, theirs, figures, note)


def _memory(bench: settings.Settings, node: BenchNode) -> Outcome:
    used_mb = round(resident_mb(node.served.worker_pid, except_below=node.data_dir / settings.REPLICA_FOLDER), 1)
    note = f"after look-ups over {bench.records:,} records; shared libraries included"
    return measures.Outcome(measures.MEMORY.name, used_mb, [used_mb], note=note)


@contextlib.contextmanager
def _nginx(bench: settings.Settings, answer: bytes) -> Iterator[list[Served]]:
    binary = nginx_binary()
    if binary is None:
        yield []
        return
    with nginx_peer(binary, answer, bench.work / "nginx") as served:
        pin(served.worker_pid, settings.SERVER_CORE)
        yield [served]


async def _checked_answer(node: BenchNode, records: int) -> bytes:
    """Return the answer for the first record, after seeing that records all over the set resolve to themselves."""
    keys = open_keys(settings.keys_of(records))
    async with NodeApi(node.served.url, node.token) as api:
        for place in range(0, records, max(1, records // CHECKED_RECORDS)):
            await api.read(keys[place])
        return await api.read(keys[0])
