"""The self-check, round by round at the test's time: events, stretches, the database away, and E1/E2 in the queue."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import orjson

from node.monitor.prober import RouteProbed
from node.monitor.self_check import THRESHOLD
from node.monitor.watch import ATTACK, NETWORK, SYSTEM, Probed
from registry.tables import node_events
from sync.events import EventFeed
from sync.tables.fields import check_row
from tests.periods import node_at
from tests.told_events import FAILED, START, WELL
from tests.told_events import Run as ScriptedRun

AWAY = "postgresql://idnode@127.0.0.1:9/nowhere"


class Run(ScriptedRun):
    """The same, with what it shows, and the events that it wrote down."""

    @property
    def told(self) -> list[node_events.Event]:
        lines = (self.directory / "events").read_bytes().splitlines()
        written = [msgspec.json.decode(line).get("event") for line in lines]
        return [msgspec.convert(one, node_events.Event) for one in written if one is not None]

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


HTTP, UNREACHABLE = "http://id.example", FAILED._replace(is_unreachable=True)
PLACE = "192.0.2.9 UDP 2641"
ALL_WELL = {"disk": WELL, "replica lag": WELL, "clock": WELL}


CAUSES: tuple[tuple[dict[str, Any], str, str, int], ...] = (
    ({"registers": [FAILED] * 3}, "88.118", "registration", SYSTEM),
    ({"resolves": {HTTP: [FAILED] * 3}}, "88.118", f"resolution {HTTP}", SYSTEM),
    ({"resolves": {HTTP: [UNREACHABLE] * 3}}, "88.118", f"resolution {HTTP}", NETWORK),
    ({"resolves": {HTTP: [UNREACHABLE] * 3}, "here": FAILED}, "88.118", f"resolution {HTTP}", SYSTEM),
    ({"resolves": {HTTP: [UNREACHABLE, FAILED, FAILED]}}, "88.118", f"resolution {HTTP}", SYSTEM),
    ({"conditions": ALL_WELL | {"disk": FAILED}}, "88.118", "disk", SYSTEM),
    ({"conditions": ALL_WELL | {"replica lag": FAILED}}, "88.118", "replica lag", SYSTEM),
    ({"conditions": ALL_WELL | {"clock": FAILED}}, "88.118", "clock", SYSTEM),
    ({"turned_away": FAILED}, "88.118", "rate limiter", ATTACK),
    ({"of_routes": {("88.118.9", PLACE): RouteProbed(FAILED, WELL)}}, "88.118.9", f"route {PLACE}", NETWORK),
    (
        {"of_routes": {("88.118.9", PLACE): RouteProbed(WELL, FAILED)}},
        "88.118.9",
        f"probe identifier at {PLACE}",
        SYSTEM,
    ),
)


async def test_each_cause_has_its_type_and_recovers(registry_database: str, tmp_path: Path) -> None:
    run, began = Run(tmp_path, registry_database), []
    for fault, *_ in CAUSES:
        run.probes.heal()
        await run.pass_(100)
        began.append(run.now)
        for name, seen in fault.items():
            setattr(run.probes, name, seen)
        await run.pass_(80)
    run.probes.heal()
    await run.pass_(100)
    abnormal = [event for event in run.told if event.event_type == "abnormal"]
    assert [(one.prefix, one.condition, one.abnormal_type) for one in abnormal] == [tuple(told) for _, *told in CAUSES]
    for event, at in zip(abnormal, began, strict=True):
        assert abs(event.occurred_at - at) <= timedelta(seconds=10), event.condition
    recovered = [event.related_event_no for event in run.told if event.event_type == "recovered"]
    assert recovered == [event.event_no for event in abnormal]
    await run.database.close()


async def test_what_limits_turn_away_is_an_attack_after_a_minute(registry_database: str, tmp_path: Path) -> None:
    run = Run(tmp_path, registry_database)
    run.probes.turned_away = FAILED
    await run.pass_(60)
    assert await rows(registry_database, EVENTS) == []
    await run.pass_(10)
    assert [row[2] for row in await rows(registry_database, EVENTS)] == ["rate limiter"]
    await run.database.close()


async def test_probes_of_routes_that_take_long_hold_no_round_up(registry_database: str, tmp_path: Path) -> None:
    run = Run(tmp_path, registry_database)
    answered = run.probes.answered = asyncio.Event()
    answered.clear()
    run.probes.of_routes = {("88.118.9", PLACE): RouteProbed(FAILED, WELL)}
    await run.pass_(50)
    assert await rows(registry_database, EVENTS) == []
    assert run.status()["checked_at"] == "2031-05-06T01:02:43Z"
    answered.set()
    await run.pass_(50)
    assert [row[1] for row in await rows(registry_database, EVENTS)] == ["88.118.9"]
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
