"""The facts of a day against a recount: of a log of lookups by several workers, and of a real worker's requests."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Literal, NamedTuple

import aiohttp
import pytest

from node.collector import Collector
from registry import day_figures
from registry.registration_samples import RegistrationSamples
from resolver.counting import Tallies
from resolver.spool import Spool
from sync.batch import Period
from sync.calendar_time import beijing_day, day_period, instant
from sync.database import connected, transaction
from sync.periods import Closer
from sync.resend_facts import CannotResend, resend_facts
from sync.self_run import accept
from sync.tables import t3
from sync.tables.fields import check_row
from tests.integration.running_worker import PREFIX, examples, fill, running
from tests.periods import Node, beijing, node_at
from tests.sync_reporting import REPORTER

DAY = date(2031, 5, 6)
MIDNIGHT = beijing(2031, 5, 7)
PREFIXES = ("88.118.8", "88.118.9", REPORTER)
OUTCOMES = ("found", "referral", "absent", "gone", "denied", "malformed")


class Lookup(NamedTuple):
    """A line of an access log."""

    worker: int
    prefix: str
    address: str
    outcome: Literal["found", "referral", "absent", "gone", "denied", "malformed"]
    at_s: int
    us: int


def a_log(random: Random, count: int) -> list[Lookup]:
    """Return lookups by three workers around midnight, in the order of time, with many ties of durations."""
    midnight = int(MIDNIGHT.timestamp())
    return sorted(
        (
            Lookup(
                random.randrange(3),
                random.choice(PREFIXES),
                random.choice(("192.0.2.1", "192.0.2.2", "::ffff:192.0.2.2", "2001:db8::1")),
                random.choice(OUTCOMES),
                midnight + random.randrange(-40, 20),
                random.choice((3, 7, 7, 1_000, 20_000)),
            )
            for _ in range(count)
        ),
        key=lambda lookup: lookup.at_s,
    )


async def count(log: Sequence[Lookup], directory: Path, clock: Any) -> None:
    """Count the log as three workers do that write their segments at moments of their own."""
    tallies = [Tallies() for _ in range(3)]
    spools = [Spool(directory, one, f"worker-{n}", clock=clock) for n, one in enumerate(tallies)]
    for at, lookup in enumerate(log):
        tallies[lookup.worker].record(lookup.prefix, lookup.address, lookup.outcome, "lookup", lookup.at_s, lookup.us)
        if at % 37 == 0:
            await spools[at % 3].flush()
    for spool in spools:
        await spool.close()


def recounted(log: Sequence[Lookup], *prefixes: str) -> dict[str, Any]:
    """Return what T3 or T8 and M1 or M2 must say of the day, from the log alone."""
    mine = [one for one in log if one.prefix in prefixes and one.at_s < MIDNIGHT.timestamp()]
    sources = Counter(one.address.removeprefix("::ffff:") for one in mine)
    seconds = Counter(one.at_s for one in mine)
    busiest = max(seconds.values())
    longest, shortest = max(one.us for one in mine), min(one.us for one in mine)

    def first(us: int) -> str:
        return instant(datetime.fromtimestamp(min(one.at_s for one in mine if one.us == us), MIDNIGHT.tzinfo))

    return {
        "resolution_requests": len(mine),
        "resolution_successes": sum(one.outcome in ("found", "referral") for one in mine),
        "sources": [{"ip": ip, "count": n} for ip, n in sorted(sources.items())],
        "x_resolution_count": len(mine),
        "resolution_latency_avg_ms": round(sum(one.us for one in mine) / len(mine) / 1000, 3),
        "resolution_latency_max_ms": longest / 1000,
        "resolution_latency_max_at": first(longest),
        "resolution_latency_min_ms": shortest / 1000,
        "resolution_latency_min_at": first(shortest),
        "resolution_qps_max": busiest,
        "resolution_qps_max_at": instant(
            datetime.fromtimestamp(min(at for at, n in seconds.items() if n == busiest), MIDNIGHT.tzinfo)
        ),
    }


async def collect(node: Node, directory: Path) -> None:
    await Collector(directory, node.context.pool, clock=lambda: node.clock.now).collect()


async def close_day(node: Node) -> dict[tuple[str, str], dict[str, Any]]:
    """Let the day of the node's clock pass, and return the only row of each batch, by table and scope."""
    await Closer(node.context).step()
    node.clock.now = MIDNIGHT + timedelta(minutes=10)
    await node.collected()
    await Closer(node.context).step()
    told = [one for one in await node.told("T3", "T8", "M1", "M2") if one.rows]
    for one in told:
        assert [check_row(one.table, row) for row in one.rows] == [[]]
        assert one.period == day_period(DAY)
        assert one.vers == [1]
    return {(one.table, one.scope): one.rows[0] for one in told}


@pytest.mark.parametrize("seed", range(2))
async def test_a_day_s_facts_equal_a_recount_of_the_log(registry_database: str, tmp_path: Path, seed: int) -> None:
    log = a_log(Random(seed), 1_500)
    async with node_at(registry_database, beijing(2031, 5, 6, 23)) as node:
        for prefix in PREFIXES[:2]:
            await node.prefix(prefix)
        await node.skip_feeds()
        await count(log, tmp_path, lambda: MIDNIGHT.timestamp() + 30)
        node.clock.now = MIDNIGHT + timedelta(seconds=30)
        await collect(node, tmp_path)
        node.clock.now = beijing(2031, 5, 6, 23)
        told = await close_day(node)
    for scope, prefixes in ((REPORTER, PREFIXES), (PREFIXES[0], PREFIXES[:1]), (PREFIXES[1], PREFIXES[1:2])):
        tables = ("T3", "M1") if scope == REPORTER else ("T8", "M2")
        said = told[tables[0], scope] | told[tables[1], scope]
        expected = recounted(log, *prefixes)
        assert {name: said[name] for name in expected} == expected


async def test_registrations_are_counted_from_the_journal_by_beijing_day(registry_database: str) -> None:
    async with node_at(registry_database, beijing(2031, 5, 5, 12)) as node:
        await node.prefix("88.118.8")
        await node.register("88.118.8/A", "88.118.8/B")
        node.clock.now = MIDNIGHT - timedelta(seconds=1)
        await node.prefix("88.118.9")
        await node.register("88.118.8/C", "88.118.8/D", "0.NA/88.118.8")
        await node.register("88.118.8/A", op="withdraw")
        node.clock.now = MIDNIGHT
        await node.register("88.118.8/E", "88.118.9/F")
        await node.prefix("88.118.10")
        node.clock.now = beijing(2031, 5, 6, 23)
        await node.skip_feeds()
        told = await close_day(node)
    figures = {
        key: (row["registrations_day"], row["registrations_total"])
        for key, row in told.items()
        if key[0] in ("T3", "T8")
    }
    assert figures == {("T3", REPORTER): (1, 2), ("T8", "88.118.8"): (3, 4), ("T8", "88.118.9"): (0, 0)}


async def test_a_day_without_samples_has_no_figures_and_a_measured_one_says_what_it_lacks(
    registry_database: str, tmp_path: Path
) -> None:
    async with node_at(registry_database, beijing(2031, 5, 6, 23)) as node:
        clock = [MIDNIGHT.timestamp() - 7_200]
        worker = Spool(tmp_path, Tallies(), "worker-0", clock=lambda: clock[0])
        samples = RegistrationSamples()
        registry = Spool(tmp_path, samples, "registry", section="registrations", clock=lambda: clock[0])
        samples.record({"88.118.8": 30, "88.118.9": 10}, clock[0] + 5, 2_500)
        samples.record({"88.118.8": 1}, clock[0] + 7, 1_500)
        clock[0] += 3_600
        await worker.close()
        await registry.close()
        clock[0] += 600  # both were down for ten minutes
        late = [
            Spool(tmp_path, RegistrationSamples(), name, section="registrations", clock=lambda: clock[0])
            for name in ("worker-0", "registry")
        ]
        clock[0] += 3_600
        for spool in late:
            await spool.close()
        node.clock.now = MIDNIGHT - timedelta(seconds=1)
        await collect(node, tmp_path)
        said = (await close_day(node))["M1", REPORTER]
    assert said["x_measured_seconds"] == 7_200 - 600
    assert {said[name] for name in said if name.startswith("resolution_")} == {None}
    assert said["x_resolution_count"] == 0
    assert (said["x_registration_count"], said["x_registration_items"]) == (2, 41)
    assert said["registration_latency_avg_ms"] == 2.0
    assert said["registration_latency_max_ms"] == 2.5
    assert said["registration_latency_max_at"] == instant(MIDNIGHT - timedelta(seconds=7_195))


async def test_many_sources_are_told_in_parts_with_the_same_sums(
    registry_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(t3, "SOURCES_PER_PART", 4)
    async with node_at(registry_database, beijing(2031, 5, 6, 23)) as node:
        await node.execute(
            "INSERT INTO lookup_counts (day, prefix, address, outcome, count) "
            "SELECT $1, '88.118.8', '192.0.2.' || n, 'found', n FROM generate_series(1, 10) AS n",
            DAY,
        )
        await Closer(node.context).step()
        node.clock.now = MIDNIGHT + timedelta(hours=1)
        await node.collected()
        await Closer(node.context).step()
        (told,) = await node.told("T3")
    assert [(row["part"], row["parts"], len(row["sources"])) for row in told.rows] == [(1, 3, 4), (2, 3, 4), (3, 3, 2)]
    assert {row["resolution_requests"] for row in told.rows} == {55}
    assert sum(source["count"] for row in told.rows for source in row["sources"]) == 55
    assert told.vers == [1, 1, 1]


async def test_facts_are_told_again_as_a_revision_from_what_is_counted_by_then(registry_database: str) -> None:
    async with node_at(registry_database, beijing(2031, 5, 6, 23)) as node:
        await close_day(node)
        await node.execute(
            "INSERT INTO lookup_counts (day, prefix, address, outcome, count) "
            "VALUES ($1, '88.118.8', '192.0.2.1', 'found', 5)",
            DAY,
        )
        for expected, period in ((1, day_period(DAY)), (1, "2031-05-06")):
            async with transaction(node.context.pool) as connection:
                assert await resend_facts(node.context, connection, "T3", REPORTER, period) == expected
        told = await node.told("T3")
        refused = (
            ("T9", REPORTER, day_period(DAY)),
            ("T3", "88.118.8", day_period(DAY)),
            ("T8", "88.118.8", day_period(DAY)),
            ("T3", REPORTER, day_period(beijing_day(node.clock.now))),
            ("T3", REPORTER, Period("day", "2031-05-05T17:00:00Z", "2031-05-06T17:00:00Z")),
            ("T3", REPORTER, "2031"),
        )
        for table, scope, asked in refused:
            async with connected(node.context.pool) as connection:
                with pytest.raises(CannotResend):
                    await resend_facts(node.context, connection, table, scope, asked)
    assert [(one.mode, one.vers, one.rows[0]["resolution_requests"]) for one in told] == [
        ("delta", [1], 0),
        ("revision", [2], 5),
        ("revision", [3], 5),
    ]


async def test_what_a_self_run_enterprise_told_is_told_again_as_it_told_it(registry_database: str) -> None:
    async with node_at(registry_database, beijing(2031, 5, 7, 9)) as node:
        await node.prefix("88.118.7", hosting="routed")
        rows = [{"prefix": "88.118.7", "stat_date": "2031-05-06", "x_resolution_count": 0, "x_registration_count": 0}]
        async with transaction(node.context.pool) as connection:
            await accept(connection, REPORTER, "M2", "88.118.7", DAY, rows, node.clock.now)
        await Closer(node.context).step()
        async with transaction(node.context.pool) as connection:
            await resend_facts(node.context, connection, "M2", "88.118.7", "2031-05-06")
            with pytest.raises(CannotResend):
                await resend_facts(node.context, connection, "T8", "88.118.7", "2031-05-06")
        told = await node.told("M2")
    assert [(one.mode, one.vers, list(one.rows)) for one in told] == [("delta", [1], rows), ("revision", [2], rows)]


async def test_real_workers_count_what_was_asked_of_them_and_not_what_the_node_asks_itself(
    registry_database: str, tmp_path: Path
) -> None:
    secret, asked = "d" * 64, Counter[str]()
    found, absent = f"/api/handles/{PREFIX}/SN1", f"/api/handles/{PREFIX}/NONE"
    elsewhere, nobodys = "/api/handles/88.118.10/X", "/api/handles/88.118.77777/X"
    fill(tmp_path / "replica", examples())
    more = {"node_prefix": REPORTER, "probe_secret": secret}
    async with (
        running(tmp_path, process="worker-0", **more) as one,
        running(tmp_path, process="worker-1", **more) as two,
    ):
        for number in range(60):
            worker, address = (one, two)[number % 2], f"127.0.0.{1 + number % 3}"
            path = (found, absent, elsewhere, nobodys, found)[number % 5]
            connector = aiohttp.TCPConnector(local_addr=(address, 0))
            async with aiohttp.ClientSession(connector=connector) as session, session.get(worker.url(path)) as answer:
                await answer.read()
            asked[address] += 1
            if number % 10 == 0:
                await worker.ask(found, headers={"Idn-Probe": secret})
                await worker.ask(found, headers={"Idn-Probe": "somebody else's"})
                asked["127.0.0.1"] += 1
        status, _, _ = await one.ask(f"{found}?index=nonsense")
        assert status == 400
        asked["127.0.0.1"] += 1
    async with node_at(registry_database, beijing(2031, 5, 6, 23)) as node:
        await collect(node, tmp_path / "spool")
        async with transaction(node.context.pool) as connection:
            (today,) = {row["day"] for row in await connection.fetch("SELECT DISTINCT day FROM lookup_counts")}
            of_node = await day_figures.sources(connection, today, REPORTER, below=True)
            counted = dict(await of_node.take(10))
            of_prefix = await day_figures.sources(connection, today, PREFIX, below=False)
            latency = await day_figures.lookup_latency(connection, today, today, REPORTER, below=True)
    assert counted == dict(asked)
    assert (of_node.sums.requests, of_node.sums.successes) == (67, 24 + 12 + 6)
    assert (of_prefix.sums.requests, of_prefix.sums.successes) == (43, 30)
    assert latency is not None
    assert latency.count == 67
