"""The facts of a day against a recount: of a log of lookups by several workers, and of a real worker's requests."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Literal, NamedTuple

import aiohttp
import asyncpg
import pytest

from node.collector import Collector
from registry import day_figures
from registry.busiest_seconds import fold_seconds
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
    at_s: float
    us: int

    @property
    def received_s(self) -> int:
        return int(self.at_s)

    @property
    def answered_s(self) -> int:
        return int(self.at_s + self.us / 1_000_000)


def a_log(random: Random, count: int) -> list[Lookup]:
    """Return lookups by three workers around midnight, as they were answered, with many ties of durations."""
    return sorted(
        (
            Lookup(
                random.randrange(3),
                random.choice(PREFIXES),
                random.choice(("192.0.2.1", "192.0.2.2", "::ffff:192.0.2.2", "2001:db8::1")),
                random.choice(OUTCOMES),
                MIDNIGHT.timestamp() + random.randrange(-40_000, 20_000) / 1_000,
                random.choice((3, 7, 7, 1_000, 20_000, 1_300_000)),
            )
            for _ in range(count)
        ),
        key=lambda lookup: lookup.at_s + lookup.us / 1_000_000,
    )


async def count(log: Sequence[Lookup], directory: Path, clock: Any) -> None:
    """Count the log as three workers do that write their segments at moments of their own."""
    tallies = [Tallies() for _ in range(3)]
    spools = [Spool(directory, one, f"worker-{n}", clock=clock) for n, one in enumerate(tallies)]
    for at, lookup in enumerate(log):
        what = (lookup.prefix, lookup.address, lookup.outcome)
        tallies[lookup.worker].record(*what, "lookup", lookup.received_s, lookup.us, lookup.answered_s)
        if at % 37 == 0:
            await spools[at % 3].flush()
    for spool in spools:
        await spool.close()


def recounted(log: Sequence[Lookup], *prefixes: str) -> dict[str, Any]:
    """Return what T3 or T8 and M1 or M2 must say of the day, from the log alone."""
    mine = [one for one in log if one.prefix in prefixes and one.at_s < MIDNIGHT.timestamp()]
    sources = Counter(one.address.removeprefix("::ffff:") for one in mine)
    seconds = Counter(one.received_s for one in mine)
    busiest = max(seconds.values())
    return {
        "resolution_requests": len(mine),
        "resolution_successes": sum(one.outcome in ("found", "referral") for one in mine),
        "sources": [{"ip": ip, "count": n} for ip, n in sorted(sources.items())],
        "x_resolution_count": len(mine),
        **latency("resolution", [(one.us, one.answered_s) for one in mine]),
        "resolution_qps_max": busiest,
        "resolution_qps_max_at": moment(min(at for at, n in seconds.items() if n == busiest)),
    }


def latency(measure: str, samples: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """Return the figures of durations in microseconds with the seconds in which they ended."""
    longest, shortest = max(us for us, _ in samples), min(us for us, _ in samples)
    return {
        f"{measure}_latency_avg_ms": round(sum(us for us, _ in samples) / len(samples) / 1000, 3),
        f"{measure}_latency_max_ms": longest / 1000,
        f"{measure}_latency_max_at": moment(min(at for us, at in samples if us == longest)),
        f"{measure}_latency_min_ms": shortest / 1000,
        f"{measure}_latency_min_at": moment(min(at for us, at in samples if us == shortest)),
    }


def moment(at_s: int) -> str:
    """Return a second of the day; what ended after it counts as its last one."""
    return instant(datetime.fromtimestamp(min(at_s, int(MIDNIGHT.timestamp()) - 1), MIDNIGHT.tzinfo))


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


class Request(NamedTuple):
    """A line of the registry's access log: what was registered below which prefixes."""

    items: dict[str, int]
    received_s: float
    us: int

    @property
    def answered_s(self) -> float:
        return self.received_s + self.us / 1_000_000


async def test_registration_latencies_equal_a_recount_of_the_requests(registry_database: str, tmp_path: Path) -> None:
    random = Random(3)
    log = sorted(
        (
            Request(
                {prefix: random.randrange(1, 9) for prefix in random.sample(PREFIXES[:2], random.choice((1, 1, 2)))},
                MIDNIGHT.timestamp() + random.randrange(-40_000, 20_000) / 1_000,
                random.choice((900, 2_500, 2_500, 70_000, 1_500_000)),
            )
            for _ in range(400)
        ),
        key=lambda request: request.answered_s,
    )
    samples = RegistrationSamples()
    spool = Spool(tmp_path, samples, "registry", section="registrations", clock=lambda: MIDNIGHT.timestamp() + 30)
    for at, request in enumerate(log):
        samples.record(request.items, request.answered_s, request.us)
        if at % 37 == 0:
            await spool.flush()
    await spool.close()
    async with node_at(registry_database, beijing(2031, 5, 6, 23)) as node:
        for prefix in PREFIXES[:2]:
            await node.prefix(prefix)
        await node.skip_feeds()
        node.clock.now = MIDNIGHT + timedelta(seconds=30)
        await collect(node, tmp_path)
        node.clock.now = beijing(2031, 5, 6, 23)
        told = await close_day(node)
    for table, scope, prefixes in (("M1", REPORTER, PREFIXES), *(("M2", one, (one,)) for one in PREFIXES[:2])):
        mine = [
            one for one in log if one.received_s < MIDNIGHT.timestamp() and not one.items.keys().isdisjoint(prefixes)
        ]
        expected = {
            "x_registration_count": len(mine),
            "x_registration_items": sum(one.items.get(prefix, 0) for one in mine for prefix in prefixes),
            **latency("registration", [(one.us, int(one.answered_s)) for one in mine]),
        }
        assert {name: told[table, scope][name] for name in expected} == expected


async def test_counts_collected_after_the_day_was_told_are_told_once_as_a_revision(
    registry_database: str, tmp_path: Path
) -> None:
    log = a_log(Random(7), 1_500)
    cut_off = [one for one in log if one.worker == 2 and one.prefix == PREFIXES[0]]
    async with node_at(registry_database, beijing(2031, 5, 6, 23)) as node:
        for prefix in PREFIXES[:2]:
            await node.prefix(prefix)
        await node.skip_feeds()
        await count([one for one in log if one not in cut_off], tmp_path / "here", lambda: MIDNIGHT.timestamp() + 30)
        await count(cut_off, tmp_path / "there", lambda: MIDNIGHT.timestamp() + 30)
        node.clock.now = MIDNIGHT + timedelta(seconds=30)
        await collect(node, tmp_path / "here")
        node.clock.now = beijing(2031, 5, 6, 23)
        await close_day(node)
        async with connected(node.context.pool) as connection:
            await fold_seconds(connection, node.clock.now)
        closer = Closer(node.context)
        node.clock.pass_(hours=3)
        await collect(node, tmp_path / "there")
        before = len(await node.told("T3", "T8", "M1", "M2"))
        await closer.step()
        assert len(await node.told("T3", "T8", "M1", "M2")) == before, "more may come of the same host"
        node.clock.pass_(minutes=2)
        await node.collected()
        for _ in range(2):
            await closer.step()
        revised = [one for one in await node.told("T3", "T8", "M1", "M2") if one.mode == "revision"]
        assert await node.fetch("SELECT FROM late_days") == []
    assert [(one.table, one.scope, one.vers) for one in revised] == [
        ("T3", REPORTER, [2]),
        ("M1", REPORTER, [2]),
        ("T8", PREFIXES[0], [2]),
        ("M2", PREFIXES[0], [2]),
    ]
    assert {one.period for one in revised} == {day_period(DAY)}
    for statistics, performance, prefixes in (
        (revised[0], revised[1], PREFIXES),
        (revised[2], revised[3], PREFIXES[:1]),
    ):
        said = statistics.rows[0] | performance.rows[0]
        expected = recounted(log, *prefixes)
        assert {name: said[name] for name in expected} == expected


async def test_what_is_collected_late_but_before_the_day_is_told_makes_no_revision(
    registry_database: str, tmp_path: Path
) -> None:
    log = a_log(Random(8), 200)
    async with node_at(registry_database, beijing(2031, 5, 6, 23)) as node:
        await Closer(node.context).step()
        await count(log, tmp_path, lambda: MIDNIGHT.timestamp() + 30)
        node.clock.now = MIDNIGHT + timedelta(hours=2)
        await collect(node, tmp_path)
        assert [row["day"] for row in await node.fetch("SELECT day FROM late_days")] == [DAY]
        node.clock.pass_(minutes=5)
        await node.collected()
        for _ in range(2):
            await Closer(node.context).step()
        told = await node.told("T3", "M1")
        assert await node.fetch("SELECT FROM late_days") == []
    assert [(one.table, one.mode, one.rows[0]["prefix"]) for one in told] == [
        ("T3", "delta", REPORTER),
        ("M1", "delta", REPORTER),
    ]
    assert told[0].rows[0]["resolution_requests"] == recounted(log, *PREFIXES)["resolution_requests"]


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


async def test_registrations_of_several_days_equal_a_recount(registry_database: str) -> None:
    random, prefixes, live = Random(11), PREFIXES[:2], set[str]()
    added: Counter[tuple[int, str]] = Counter()
    totals: dict[tuple[int, str], int] = {}
    async with node_at(registry_database, beijing(2031, 5, 6, 1)) as node:
        for prefix in prefixes:
            await node.prefix(prefix)
        await Closer(node.context).step()
        for day in (6, 7, 8):
            node.clock.now = beijing(2031, 5, day, 1)
            for number in range(40):
                node.clock.now = beijing(2031, 5, day, 23, 59, 20) + timedelta(seconds=number)
                name = f"{random.choice(prefixes)}/{random.randrange(12)}"
                op = random.choice(("update", "withdraw")) if name in live else "create"
                await node.register(name, op=op)
                added[day, name.partition("/")[0]] += op == "create"
                live = live - {name} if op == "withdraw" else live | {name}
            totals |= {(day, prefix): sum(one.startswith(f"{prefix}/") for one in live) for prefix in prefixes}
        node.clock.now = beijing(2031, 5, 9, 1)
        await node.collected()
        await Closer(node.context).step()
        rows = [row for one in await node.told("T8") for row in one.rows]
    told = {
        (int(row["stat_date"][-2:]), row["prefix"]): (row["registrations_day"], row["registrations_total"])
        for row in rows
    }
    assert told == {key: (added[key], total) for key, total in totals.items()}


async def test_a_day_is_not_told_before_its_registrations_can_be_counted(registry_database: str) -> None:
    async with node_at(registry_database, beijing(2031, 5, 6, 23)) as node:
        await node.prefix("88.118.8")
        await Closer(node.context).step()
        other = await asyncpg.connect(registry_database)
        # Rows committed behind a transaction that still runs are not read yet, whatever that one does.
        running = other.transaction()
        await running.start()
        await other.execute("SELECT pg_current_xact_id()")
        await node.register("88.118.8/A")
        node.clock.now = MIDNIGHT + timedelta(minutes=10)
        await node.collected()
        await Closer(node.context).step()
        assert await node.told("T3", "T8") == []
        assert {one.table for one in await node.told("M1", "M2")} == {"M1", "M2"}
        await running.rollback()
        await other.close()
        await Closer(node.context).step()
        told = {one.table: one.rows[0] for one in await node.told("T3", "T8") if one.rows}
    assert (told["T3"]["registrations_day"], told["T8"]["registrations_day"]) == (1, 1)


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
