"""The self-check, round by round at the test's time: events, stretches, the database away, and E1/E2 in the queue."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import orjson
from prometheus_client import CollectorRegistry

from node.monitor.database import Database
from node.monitor.event_spool import EventSpool
from node.monitor.metrics import MonitorMetrics
from node.monitor.prober import RouteProbed
from node.monitor.seen import Seen
from node.monitor.self_check import THRESHOLD, Rules, SelfCheck
from node.monitor.watch import Holds, Probed
from registry.service.prefix_routes import Address
from registry.tables import node_events
from sync.events import EventFeed
from sync.tables.fields import check_row
from tests.periods import node_at

START = datetime(2031, 5, 6, 1, 2, 3, tzinfo=UTC)
WELL, FAILED = Probed(is_well=True), Probed(is_well=False, cause="answers\n503")
AWAY = "postgresql://idnode@127.0.0.1:9/nowhere"


class Probes:
    """Probes that see what the test says."""

    def __init__(self) -> None:
        self.registers: Sequence[Probed] = [WELL, WELL, WELL]
        self.resolves: Mapping[str, Sequence[Probed]] = {"http://127.0.0.1:8080": [WELL, WELL, WELL]}
        self.of_routes: dict[tuple[str, str], RouteProbed] = {}

    async def registration(self, now: datetime) -> Sequence[Probed]:  # noqa: ARG002 - as the prober's
        return self.registers

    async def resolution(self) -> Mapping[str, Sequence[Probed]]:
        return self.resolves

    async def host(self) -> Mapping[str, Probed]:
        return {"disk": WELL}

    def lag_s(self) -> float | None:
        return 0.25

    async def routes(
        self,
        routes: Mapping[str, Sequence[Address]],  # noqa: ARG002 - as the prober's
    ) -> Mapping[tuple[str, str], RouteProbed]:
        return self.of_routes


class Run:
    """A self-check whose time passes when the test says so."""

    def __init__(self, directory: Path, dsn: str) -> None:
        self.directory = directory
        self.now = START
        self.probes = Probes()
        self.start(dsn)

    def start(self, dsn: str) -> None:
        """Start it."""
        holds = Holds(timedelta(seconds=30), timedelta(seconds=60))
        self.spool = EventSpool(self.directory / "events")
        self.database = Database(dsn)
        self.check = SelfCheck(
            Rules("88.118", "1.0", 10, 10, 51, holds),
            self.probes,
            self.spool,
            Seen(self.directory / "seen"),
            self.database,
            self.directory / "monitor.json",
            MonitorMetrics(CollectorRegistry()),
            lambda: self.now,
        )

    async def start_again(self, dsn: str) -> None:
        """Start it anew from what is on the disk, as after a kill."""
        await self.database.close()
        self.start(dsn)

    async def pass_(self, seconds: int) -> None:
        """Let rounds be made every ten seconds."""
        for _ in range(seconds // 10):
            await self.check.round()
            self.now += timedelta(seconds=10)

    def status(self) -> Any:
        return orjson.loads((self.directory / "monitor.json").read_bytes())


async def rows(dsn: str, query: str) -> list[Any]:
    connection = await asyncpg.connect(dsn)
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


EVENTS = "SELECT event_type, prefix, condition, related_event_no FROM node_events ORDER BY position"
OUTAGES = "SELECT service, started_at, ended_at FROM outages ORDER BY started_at, service"


async def test_a_failure_gives_one_pair_of_events_and_one_stretch(registry_database: str, tmp_path: Path) -> None:
    run = Run(tmp_path, registry_database)
    await run.pass_(20)
    assert run.status()["registration"] == "up"
    run.probes.registers = [WELL, FAILED, FAILED]
    await run.pass_(60)
    assert run.status()["registration"] == "down"
    assert run.status()["since"] == "2031-05-06T01:02:23Z"
    run.probes.registers = [WELL, WELL, FAILED]
    await run.pass_(120)
    found = await rows(registry_database, EVENTS)
    assert [row[:3] for row in found if row[2] == "registration"] == [
        ("abnormal", "88.118", "registration"),
        ("recovered", "88.118", "registration"),
    ]
    began, ended = START + timedelta(seconds=20), START + timedelta(seconds=80)
    assert await rows(registry_database, OUTAGES) == [("registration", began, ended)]
    assert await rows(registry_database, "SELECT live_since FROM service_life") == [(START,)]
    assert run.status() | {"since": ""} == {
        "registration": "up",
        "resolution": "up",
        "since": "",
        "prefixes": ["88.118"],
        "version": "1.0",
        "replica_lag_ms": 250,
        "checked_at": "2031-05-06T01:05:13Z",
        "takeover_threshold_since": None,
    }
    await run.database.close()


async def test_events_wait_for_the_database_and_keep_their_numbers(registry_database: str, tmp_path: Path) -> None:
    run = Run(tmp_path, AWAY)
    run.probes.resolves = {"http://a": [FAILED] * 3, "http://b": [WELL] * 3}
    await run.pass_(40)
    numbers = {item.event_no for item in run.spool.pending if isinstance(item, node_events.Event)}
    assert {event.condition for event in run.spool.open_events.values()} == {"database", "resolution http://a"}
    # As after a kill: a new process goes on with what the file says, and the database is back.
    await run.start_again(registry_database)
    run.probes.resolves = {"http://b": [WELL] * 3}
    await run.pass_(70)
    await run.pass_(10)
    assert not run.spool.pending
    found = await rows(registry_database, "SELECT event_no, event_type FROM node_events ORDER BY position")
    assert {number for number, kind in found if kind == "abnormal"} == numbers
    assert [kind for _, kind in found] == ["abnormal"] * 2 + ["recovered"] * 2
    await run.database.close()


async def test_events_are_entered_once_and_a_lost_file_is_made_up_for(registry_database: str, tmp_path: Path) -> None:
    run = Run(tmp_path, registry_database)
    run.probes.registers = [FAILED] * 3
    await run.pass_(40)
    (tmp_path / "events").unlink()
    await run.start_again(registry_database)
    await run.pass_(50)
    assert [row[2] for row in await rows(registry_database, EVENTS)] == ["registration"]
    run.probes.registers = [WELL] * 3
    await run.pass_(80)
    found = await rows(registry_database, EVENTS)
    assert [row[:3:2] for row in found] == [("abnormal", "registration"), ("recovered", "registration")]
    await run.database.close()


async def test_time_without_rounds_is_a_stretch_of_its_own(registry_database: str, tmp_path: Path) -> None:
    run = Run(tmp_path, registry_database)
    await run.pass_(30)
    run.now += timedelta(hours=1)
    await run.start_again(registry_database)
    await run.pass_(20)
    last, first = START + timedelta(seconds=20), START + timedelta(hours=1, seconds=30)
    assert await rows(registry_database, OUTAGES) == [("unmeasured", last, first)]
    await run.database.close()


async def test_below_eighty_percent_for_two_minutes_is_the_threshold_of_take_over(
    registry_database: str, tmp_path: Path
) -> None:
    run = Run(tmp_path, registry_database)
    run.probes.resolves = {"http://a": [WELL, WELL, FAILED]}
    run.probes.registers = [WELL, FAILED, WELL]
    await run.pass_(120)
    assert await rows(registry_database, EVENTS) == []
    await run.pass_(10)
    assert [row[2] for row in await rows(registry_database, EVENTS)] == [THRESHOLD]
    assert run.status()["takeover_threshold_since"] == "2031-05-06T01:02:03Z"
    await run.database.close()


async def test_an_unreachable_route_is_the_enterprises_event_until_the_route_is_gone(
    registry_database: str, tmp_path: Path
) -> None:
    run = Run(tmp_path, registry_database)
    unknown = Probed(is_well=None)
    run.probes.of_routes = {("88.118.9", "192.0.2.9"): RouteProbed(FAILED, unknown)}
    await run.pass_(50)
    [(kind, prefix, condition, _)] = await rows(registry_database, EVENTS)
    assert (kind, prefix, condition) == ("abnormal", "88.118.9", "route 192.0.2.9")
    assert await rows(registry_database, "SELECT abnormal_type FROM node_events") == [(1,)]
    run.probes.of_routes = {}
    await run.pass_(80)
    assert [row[0] for row in await rows(registry_database, EVENTS)] == ["abnormal", "recovered"]
    await run.database.close()


async def test_events_are_queued_once_each_before_the_one_that_ends_it(registry_database: str, tmp_path: Path) -> None:
    run = Run(tmp_path, registry_database)
    run.probes.registers = [FAILED] * 3
    run.probes.of_routes = {("88.118.9", "192.0.2.9"): RouteProbed(FAILED, Probed(is_well=None))}
    await run.pass_(40)
    run.probes.registers = [WELL] * 3
    await run.pass_(80)
    await run.database.close()
    async with node_at(registry_database, run.now) as node:
        feed = EventFeed(node.context)
        assert await feed.step() == 3
        assert await feed.step() == 0
        own, enterprise = await node.told("E1", "E2")
    assert (own.table, own.scope) == ("E1", "88.118")
    assert (enterprise.table, enterprise.scope) == ("E2", "88.118.9")
    abnormal, recovered = own.rows
    assert abnormal["cause"] == "answers 503"
    assert recovered["related_event_no"] == abnormal["event_no"]
    assert recovered["occurred_at"] == "2031-05-06T01:02:43Z"
    for told in (own, enterprise):
        for row in told.rows:
            assert check_row(told.table, msgspec.to_builtins(row)) == []
