"""The node against itself: look-ups over many records and over few, in turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadtest.bench import settings
from loadtest.bench.dataset import loaded_node
from loadtest.bench.measures import GROWTH, ratio
from loadtest.bench.rounds import interleaved, lookup_plan, medians

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadtest.bench.measures import Measure, Outcome
    from loadtest.peers.served import Served
    from loadtest.plan import Plan


def measure_growth(bench: settings.Settings, _: set[Measure], say: Callable[[str], None]) -> list[Outcome]:
    """Compare throughput at `bench.large_records` with that at `bench.small_records`."""
    sizes = {"small": bench.small_records, "large": bench.large_records}
    with (
        loaded_node(bench.work, bench.small_records, "small") as small,
        loaded_node(bench.work, bench.large_records, "large") as large,
    ):

        def plan_for(served: Served) -> Plan:
            return lookup_plan(served.url, settings.keys_of(sizes[served.name]), bench)

        for node in (small, large):
            node.pin()
            node.warm(sizes[node.served.name])
        say(f"look-ups over {bench.large_records:,} and over {bench.small_records:,} records")
        samples = interleaved([large.served, small.served], plan_for, bench.rounds, say)
    figures = {
        name: value for size in sizes for name, value in medians(f"{sizes[size]:,} records", samples[size]).items()
    }
    large_rates, small_rates = ([one.rate for one in samples[size]] for size in ("large", "small"))
    return [ratio(GROWTH, large_rates, small_rates, figures)]
