"""Events as an operator enters them over the API, and the monitoring interface for the national node."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from registry.tables import node_events
from registry.tables.node_events import Event
from sync.service import prepare as service_prepare
from tests.registry_api import Api, running_api

NOW = datetime(2031, 5, 6, 1, 2, 3, tzinfo=UTC)


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path, clock=lambda: NOW) as api:
        await api.prefix("88.118.8")
        yield api


async def enter(api: Api, **body: object) -> tuple[int, str, str]:
    """Enter an event; returns the status, the code of a refusal and the number."""
    reply = await api.admin("POST", "/api/v1/events", {"prefix": "88.118.8", "abnormal_type": 4, **body})
    return reply.status, reply.json.get("code", ""), reply.json.get("event_no", "")


async def test_an_event_has_one_end_and_one_is_open_at_a_time(api: Api) -> None:
    status, _, number = await enter(api, cause="a cable was cut", occurred_at="2031-05-06T08:00:00+08:00")
    assert status == 201
    assert number.startswith("88.118.8-20310506000000-")
    assert (await enter(api))[:2] == (409, "event_open")
    path = f"/api/v1/events/{number}:recover"
    early = await api.admin("POST", path, {"occurred_at": "2031-05-05T23:59:59Z"})
    assert (early.status, early.json["code"]) == (422, "bad_event")
    recovered = await api.admin("POST", path, {})
    assert (recovered.status, recovered.json["related_event_no"]) == (201, number)
    again = await api.admin("POST", path, {})
    assert (again.status, again.json["code"]) == (409, "event_recovered")
    assert (await enter(api))[0] == 201
    found = (await api.admin("GET", "/monitor/v1/events?limit=2")).json
    assert [(one["event_type"], one["source"]) for one in found["items"]] == [
        ("abnormal", "operator"),
        ("recovered", "operator"),
    ]
    rest = (await api.admin("GET", f"/api/v1/monitor/events?after={found['next']}")).json
    assert [one["event_type"] for one in rest["items"]] == ["abnormal"]
    assert (await api.admin("GET", f"/monitor/v1/events?after={rest['next']}")).json == {
        "items": [],
        "next": rest["next"],
    }


async def test_what_the_self_check_found_it_ends_itself(api: Api) -> None:
    async with api.context.pool.acquire() as connection:
        event = Event("88.118.8", "route 192.0.2.1", "abnormal", "n-1", NOW, abnormal_type=1)
        assert await node_events.insert(connection, event, NOW)
        assert not await node_events.insert(connection, event, NOW)
    reply = await api.admin("POST", "/api/v1/events/n-1:recover", {})
    assert (reply.status, reply.json["code"]) == (409, "event_watched")
    unknown = await api.admin("POST", "/api/v1/events/n-2:recover", {})
    assert (unknown.status, unknown.json["code"]) == (404, "unknown_event")


async def test_events_of_nobody_here_and_of_tomorrow_are_refused(api: Api) -> None:
    assert (await enter(api, prefix="88.118.9"))[:2] == (422, "bad_event")
    assert (await enter(api, occurred_at="2031-05-06T02:00:00Z"))[:2] == (422, "bad_event")
    assert (await enter(api, occurred_at="yesterday"))[:2] == (422, "bad_instant")
    assert (await enter(api, abnormal_type=5))[0] == 422


async def test_a_days_performance_is_told_as_m1(api: Api) -> None:
    async with api.context.pool.acquire() as connection:
        await connection.execute(
            "INSERT INTO lookup_latency VALUES ('2031-05-06', '88.118.8', 4, 1000, 100, $1, 400, $1)", NOW
        )
    found = (await api.admin("GET", "/monitor/v1/metrics?date=2031-05-06&scope=88.118.8")).json
    assert found["resolution_latency_avg_ms"] == 0.25
    assert found["resolution_latency_max_at"] == "2031-05-06T01:02:03Z"
    assert found["registration_latency_avg_ms"] is None
    assert found["x_resolution_count"] == 4
    for query, code in (
        ("date=2031-05-06", "no_operator"),
        ("date=2031-05-06&scope=88.118.7", "unknown_prefix"),
        ("date=may&scope=88.118.8", "bad_date"),
    ):
        assert (await api.admin("GET", f"/monitor/v1/metrics?{query}")).json["code"] == code
    assert (await api.admin("GET", "/monitor/v1/events?after=x")).json["code"] == "bad_parameter"


async def test_of_an_enterprise_with_a_node_of_its_own_is_shown_what_that_told(api: Api) -> None:
    told = {"prefix": "88.118.8", "stat_date": "2031-05-05", "resolution_qps_max": 7, "x_resolution_count": 9}
    query = "/monitor/v1/metrics?scope=88.118.8&date="
    async with api.context.pool.acquire() as connection:
        await service_prepare(api.dsn)
        await connection.execute("UPDATE prefixes SET hosting = 'routed', hosting_state = 'not_hosted'")
        await connection.execute(
            "INSERT INTO lookup_latency VALUES ('2031-05-05', '88.118.8', 4, 1000, 100, $1, 400, $1)", NOW
        )
        await connection.execute(
            "INSERT INTO report_enterprise_facts VALUES ('88.118', 'M2', '88.118.8', '2031-05-05', $1, $2)",
            json.dumps([told]),
            NOW,
        )
    found = (await api.admin("GET", f"{query}2031-05-05")).json
    assert {name: value for name, value in found.items() if value is not None} == told
    assert found["resolution_latency_avg_ms"] is None, "what this node measured of referrals is not its performance"
    missing = await api.admin("GET", f"{query}2031-05-04")
    assert (missing.status, missing.json["code"]) == (404, "not_told")


async def test_a_day_whose_stretches_are_forgotten_holds_as_much_as_was_told(api: Api) -> None:
    await service_prepare(api.dsn)
    async with api.context.pool.acquire() as connection:
        await connection.execute(
            "INSERT INTO report_periods (reporter, task, kind, starts_at, state, measured_seconds, closed_at) "
            "VALUES ('88.118', 'M1', 'day', '2031-01-04T16:00:00Z', 'closed', 86000, $1)",
            NOW,
        )
    found = (await api.admin("GET", "/monitor/v1/metrics?date=2031-01-05&scope=88.118.8")).json
    assert found["x_measured_seconds"] == 86_000
