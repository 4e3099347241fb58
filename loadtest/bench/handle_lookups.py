"""Look-ups over the Handle protocol beside the same look-ups over HTTP: one worker, one set of records, in turn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec

from loadtest.bench import measures, settings
from loadtest.bench.dataset import loaded_node
from loadtest.bench.measures import ratio
from loadtest.bench.rounds import interleaved, lookup_plan, medians
from loadtest.peers.served import Served

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadtest.bench.measures import Measure, Outcome
    from loadtest.plan import Plan

    Protocol = Literal["http", "handle-udp", "handle-tcp"]

PROTOCOLS: Final[tuple[Protocol, ...]] = ("http", "handle-udp", "handle-tcp")


def measure_handle_lookups(bench: settings.Settings, _: set[Measure], say: Callable[[str], None]) -> list[Outcome]:
    """Compare the worker's CPU time per request over UDP, and the requests a second over TCP, with the HTTP lane's."""
    keys = settings.keys_of(bench.records)
    with loaded_node(bench.work, bench.records) as node:
        node.pin()
        node.warm(bench.records)
        urls = {name: node.served.url if name == "http" else node.handle_url for name in PROTOCOLS}
        servers = [Served(name, urls[name], node.served.worker_pid) for name in PROTOCOLS]
        plans: dict[str, Plan] = {
            name: msgspec.structs.replace(lookup_plan(urls[name], keys, bench), protocol=name) for name in PROTOCOLS
        }
        say(f"look-ups over {bench.records:,} records by HTTP and Handle, {bench.connections} connections")
        samples = interleaved(servers, lambda served: plans[served.name], bench.rounds, say)
    figures = {name: value for server, taken in samples.items() for name, value in medians(server, taken).items()}
    http, udp, tcp = (samples[name] for name in PROTOCOLS)
    cpu = ratio(measures.HANDLE_UDP_CPU, [one.server_us for one in udp], [one.server_us for one in http], figures)
    rate = ratio(measures.HANDLE_TCP, [one.rate for one in tcp], [one.rate for one in http], figures)
    return [cpu, rate]
