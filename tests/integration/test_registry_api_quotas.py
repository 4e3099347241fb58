"""Quotas over the API: what an enterprise may keep and ask, exactly, however many writers it has."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from registry.database import transaction
from registry.errors import Conflict, TooManyRequests
from registry.quota_memo import KEPT, MEMO
from registry.service import quotas
from registry.service.job_runner import JobRunner
from registry.tables import quotas as table
from tests.registry_api import VALUES, Api, Client, running_api
from tests.support import eventually

WAITING = """
SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted"""
IDENTIFIERS = "/api/v1/identifiers/88.118.8/"


@dataclass
class Setting:
    api: Api
    enterprise: str
    owner: Client

    async def limit(self, **limits: int) -> None:
        reply = await self.api.admin("PUT", f"/api/v1/quotas/{self.enterprise}", limits)
        assert reply.status == 200, reply.body

    async def used(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.owner("GET", f"/api/v1/quotas/{self.enterprise}")).json["used"]
        return found

    async def register(self, name: str, **rest: Any) -> Any:
        return await self.owner("PUT", IDENTIFIERS + name, {"values": VALUES}, **rest)


@pytest.fixture
async def setting(registry_database: str, tmp_path: Path) -> AsyncIterator[Setting]:
    MEMO.forget()
    async with running_api(registry_database, tmp_path) as api:
        enterprise = await api.prefix()
        yield Setting(api, enterprise, await api.holder("enterprise_administrator", enterprise))
    MEMO.forget()


def row(name: str, data: str = "x") -> dict[str, Any]:
    return {"identifier": f"88.118.8/{name}", "values": [{"index": 1, "type": "URL", "data": data}]}


async def test_a_quota_is_set_read_listed_and_lifted(setting: Setting) -> None:
    api, enterprise = setting.api, setting.enterprise
    without = (await setting.owner("GET", f"/api/v1/quotas/{enterprise}")).json
    assert (without["identifiers_max"], without["updated_at"], without["used"]) == (None, None, None)
    await setting.limit(identifiers_max=5, requests_per_s_max=1_000)
    read = (await setting.owner("GET", f"/api/v1/quotas/{enterprise}")).json
    assert (read["identifiers_max"], read["octets_max"], read["requests_per_s_max"]) == (5, None, 1_000)
    assert (read["used"]["identifiers"], read["used"]["counted_at"] is None) == (0, False)
    assert [item["enterprise"] for item in (await api.admin("GET", "/api/v1/quotas")).json["items"]] == [enterprise]
    await setting.limit()
    assert (await api.admin("GET", "/api/v1/quotas")).json["items"] == []
    assert (await setting.owner("GET", f"/api/v1/quotas/{enterprise}")).json["used"] is None
    states = await api.context.pool.fetch("SELECT key, op, after FROM journal WHERE kind = 'quota' ORDER BY seq")
    assert [(state["key"], state["op"]) for state in states] == [(enterprise, "create"), (enterprise, "update")]
    assert json.loads(states[0]["after"])["identifiers_max"] == 5


async def test_only_administrators_set_quotas_and_enterprises_read_their_own(setting: Setting) -> None:
    other = await setting.api.holder("enterprise_user", await setting.api.prefix("88.118.9", "Valves"))
    auditor = await setting.api.holder("auditor")
    path = f"/api/v1/quotas/{setting.enterprise}"
    assert [(await one("PUT", path, {})).status for one in (setting.owner, other, auditor)] == [403, 403, 403]
    await setting.limit(identifiers_max=1)
    assert [(await one("GET", path)).status for one in (setting.owner, other, auditor)] == [200, 403, 200]
    lists = [(await one("GET", "/api/v1/quotas")).json["items"] for one in (setting.owner, other, auditor)]
    assert [len(items) for items in lists] == [1, 0, 1]


@pytest.mark.parametrize(
    "body", [{"identifiers_max": -1}, {"requests_per_s_max": 0}, {"other": 1}, {"octets_max": "x"}]
)
async def test_bad_limits_are_refused(setting: Setting, body: dict[str, Any]) -> None:
    reply = await setting.api.admin("PUT", f"/api/v1/quotas/{setting.enterprise}", body)
    assert (reply.status, reply.json["code"]) == (422, "bad_fields")


async def test_an_unknown_enterprise_has_no_quota(setting: Setting) -> None:
    for method, body in (("PUT", {}), ("GET", None)):
        reply = await setting.api.admin(method, "/api/v1/quotas/ent_none", body)
        assert (reply.status, reply.json["code"]) == (404, "unknown_enterprise")


async def test_identifiers_are_refused_beyond_the_quota_and_possible_again_after_a_withdrawal(setting: Setting) -> None:
    assert (await setting.register("BEFORE")).status == 202
    await setting.limit(identifiers_max=3)
    assert [(await setting.register(name)).status for name in ("A", "B")] == [202, 202]
    refused = await setting.register("C")
    assert (refused.status, refused.json["code"]) == (409, "quota_exhausted")
    assert (await setting.register("A")).status == 202  # nothing more
    assert (await setting.owner("DELETE", IDENTIFIERS + "BEFORE")).status == 202
    assert (await setting.register("C")).status == 202
    assert (await setting.register("D")).status == 409
    assert (await setting.used())["identifiers"] == 3


async def test_octets_are_counted_as_records_grow_and_shrink(setting: Setting) -> None:
    await setting.limit(octets_max=600)

    async def put(length: int) -> int:
        values = [{"index": 1, "type": "URL", "data": "x" * length}]
        return int((await setting.owner("PUT", IDENTIFIERS + "A", {"values": values})).status)

    assert [await put(400), await put(700), await put(10), await put(420)] == [202, 409, 202, 202]
    stored = await setting.api.context.pool.fetchval("SELECT sum(octet_length(values)) FROM identifiers")
    assert (await setting.used())["octets"] == stored


async def test_a_day_has_its_own_quota_and_the_next_one_is_new(setting: Setting) -> None:
    await setting.limit(identifiers_per_day_max=2)
    assert [(await setting.register(name)).status for name in ("A", "B")] == [202, 202]
    assert (await setting.owner("DELETE", IDENTIFIERS + "A")).status == 202  # gives no second try today
    refused = await setting.register("C")
    assert (refused.status, refused.json["code"]) == (429, "daily_quota_exhausted")
    assert 0 < int(refused.headers["Retry-After"]) <= 86_400
    tomorrow = setting.api.context.clock() + timedelta(days=1)
    async with transaction(setting.api.context.pool) as connection:
        await quotas.take(connection, setting.enterprise, tomorrow, identifiers=2)
        with pytest.raises(TooManyRequests):
            await quotas.take(connection, setting.enterprise, tomorrow, identifiers=1)
    MEMO.forget()


@pytest.mark.parametrize(
    ("at", "seconds"),
    [
        (datetime(2025, 11, 22, 15, 59, 30, tzinfo=UTC), 30),  # 23:59:30 in Beijing
        (datetime(2025, 11, 22, 16, 0, tzinfo=UTC), 86_400),
    ],
)
async def test_a_day_ends_in_beijing(setting: Setting, at: datetime, seconds: int) -> None:
    await setting.limit(identifiers_per_day_max=0)
    MEMO.forget()
    async with transaction(setting.api.context.pool) as connection:
        with pytest.raises(TooManyRequests) as refused:
            await quotas.take(connection, setting.enterprise, at, identifiers=1)
    assert refused.value.retry_after_s == seconds
    MEMO.forget()


async def test_many_writers_together_get_exactly_what_there_is(setting: Setting) -> None:
    await setting.limit(identifiers_max=20)
    replies = await asyncio.gather(*(setting.register(f"SN{number}") for number in range(40)))
    assert Counter(reply.status for reply in replies) == {202: 20, 409: 20}
    assert await setting.api.context.pool.fetchval("SELECT count(*) FROM identifiers") == 20
    assert (await setting.used())["identifiers"] == 20


async def test_far_from_the_limit_writers_do_not_wait_for_each_other(setting: Setting) -> None:
    await setting.limit(identifiers_max=1_000_000)
    pool, now = setting.api.context.pool, setting.api.context.clock()
    async with transaction(pool) as first, transaction(pool) as second:
        await quotas.take(first, setting.enterprise, now, identifiers=1)
        async with asyncio.timeout(5):
            await quotas.take(second, setting.enterprise, now, identifiers=1)
    assert (await setting.used())["identifiers"] == 2


async def test_near_the_limit_a_writer_waits_for_the_other_one_s_commit(setting: Setting) -> None:
    await setting.limit(identifiers_max=1)
    pool, now = setting.api.context.pool, setting.api.context.clock()
    taken, release = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with transaction(pool) as connection:
            await quotas.take(connection, setting.enterprise, now, identifiers=1)
            taken.set()
            await release.wait()

    async def want() -> None:
        async with transaction(pool) as connection:
            await quotas.take(connection, setting.enterprise, now, identifiers=1)

    holding = asyncio.create_task(hold())
    await taken.wait()
    wanting = asyncio.create_task(want())
    await eventually(lambda: pool.fetchval(WAITING))
    release.set()
    await holding
    with pytest.raises(Conflict):
        await wanting


async def test_an_enterprise_without_limits_is_asked_about_once_for_all(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    take, all_limits = table.take, table.all_limits

    async def counted_take(*arguments: Any) -> str | None:
        asked.append("take")
        return await take(*arguments)

    async def counted_limits(*arguments: Any) -> Any:
        asked.append("limits")
        return await all_limits(*arguments)

    monkeypatch.setattr(table, "take", counted_take)
    monkeypatch.setattr(table, "all_limits", counted_limits)
    MEMO.forget()
    for number in range(5):
        assert (await setting.register(f"SN{number}")).status == 202
    assert asked == ["limits"]


async def test_limits_set_elsewhere_hold_a_few_seconds_later(setting: Setting) -> None:
    pool, now = setting.api.context.pool, setting.api.context.clock()
    async with pool.acquire() as connection:
        await MEMO.refresh(connection, now)
        await table.put(connection, setting.enterprise, table.Limits(identifiers_max=0), now)
        await quotas.take(connection, setting.enterprise, now, identifiers=1)
        with pytest.raises(Conflict):
            await quotas.take(connection, setting.enterprise, now + KEPT, identifiers=1)
    MEMO.forget()


async def test_a_recount_adds_what_was_missed_and_two_at_once_add_it_once(setting: Setting) -> None:
    await setting.limit(identifiers_max=100)
    await setting.register("COUNTED")
    pool, now = setting.api.context.pool, setting.api.context.clock()
    async with pool.acquire() as connection:
        await table.put(connection, setting.enterprise, table.Limits(), now)
        MEMO.forget()
        assert [(await setting.register(name)).status for name in ("A", "B")] == [202, 202]
        await setting.owner("DELETE", IDENTIFIERS + "A")
        await table.put(connection, setting.enterprise, table.Limits(identifiers_max=100), now)
        MEMO.forget()
    assert (await setting.used())["identifiers"] == 1

    async def recount() -> None:
        async with pool.acquire() as connection:
            await quotas.recount(connection, setting.enterprise, now + timedelta(hours=25))

    await asyncio.gather(recount(), recount(), recount())
    stored = await pool.fetchrow("SELECT count(*), sum(octet_length(values)) FROM identifiers WHERE state = 'active'")
    assert stored is not None
    used = await setting.used()
    assert (used["identifiers"], used["octets"]) == tuple(stored)


async def test_counts_are_compared_once_a_day_and_again_after_a_change_of_limits(setting: Setting) -> None:
    await setting.limit(identifiers_max=100)
    pool, now = setting.api.context.pool, setting.api.context.clock()

    async def due_at(at: datetime) -> bool:
        async with pool.acquire() as connection:
            await quotas.recount_due(connection, at)
            return bool(await connection.fetchval("SELECT counted_at = $1 FROM quotas", at))

    assert not await due_at(now + timedelta(seconds=1))  # just counted
    assert await due_at(now + 3 * KEPT)  # some writers did not know the limits yet when it was
    assert not await due_at(now + timedelta(hours=1))
    assert await due_at(now + timedelta(hours=25))


async def test_a_prefix_that_changes_hands_is_counted_with_its_new_enterprise(setting: Setting) -> None:
    taker = await setting.api.prefix("88.118.9", "Valves")
    for enterprise in (setting.enterprise, taker):
        assert (await setting.api.admin("PUT", f"/api/v1/quotas/{enterprise}", {"identifiers_max": 9})).status == 200
    await setting.register("A")
    handed = await setting.api.admin("POST", "/api/v1/prefixes/88.118.8:transfer", {"enterprise": taker})
    assert handed.status == 200, handed.body
    async with setting.api.context.pool.acquire() as connection:
        await quotas.recount_due(connection, setting.api.context.clock())
    counts = [
        (await setting.api.admin("GET", f"/api/v1/quotas/{enterprise}")).json["used"]["identifiers"]
        for enterprise in (setting.enterprise, taker)
    ]
    assert counts == [0, 1]


async def test_a_batch_takes_its_rows_together(setting: Setting) -> None:
    await setting.limit(identifiers_max=3)
    lines = await setting.owner.batch([row(f"SN{number}") for number in range(3)])
    assert [line["status"] for line in lines[:-1]] == ["created"] * 3
    lines = await setting.owner.batch([row("SN0"), row("SN9")])
    assert {line.get("code") for line in lines[:-1]} & {"quota_exhausted"}
    assert (await setting.used())["identifiers"] == 3


async def test_a_job_takes_its_first_rows_where_there_is_no_room_for_all(setting: Setting) -> None:
    await setting.limit(identifiers_max=37)
    data = b"".join(json.dumps(row(f"SN{number}")).encode() + b"\n" for number in range(50))
    headers = {"Content-Type": "application/x-ndjson"}
    job = (await setting.owner("POST", "/api/v1/jobs?kind=import", data=data, headers=headers)).json
    context = setting.api.context
    runner = JobRunner(context.pool, context.barrier, context.clock, context.jobs_waiting)
    while await runner.take_turn():
        pass
    lines = (await setting.owner("GET", f"/api/v1/jobs/{job['id']}/results")).lines
    assert [line["status"] for line in lines] == ["created"] * 37 + ["rejected"] * 13
    assert {line["code"] for line in lines[37:]} == {"quota_exhausted"}
    assert (await setting.used())["identifiers"] == 37


async def test_a_job_has_no_more_rows_than_the_quota_allows(setting: Setting) -> None:
    await setting.limit(job_rows_max=2)
    headers = {"Content-Type": "application/x-ndjson"}
    refused = await setting.owner("POST", "/api/v1/jobs?kind=import", data=b"{}\n{}\n{}\n", headers=headers)
    assert (refused.status, refused.json["code"]) == (413, "too_many_rows")
    assert (
        await setting.api.admin("POST", "/api/v1/jobs?kind=import", data=b"{}\n" * 3, headers=headers)
    ).status == 202


async def test_the_rate_of_an_enterprise_is_limited_and_that_of_the_node_is_not(setting: Setting) -> None:
    await setting.limit(requests_per_s_max=1, requests_burst_max=5)
    replies = [await setting.owner("GET", "/api/v1/whoami") for _ in range(40)]
    refused = [reply for reply in replies if reply.status != 200]
    assert [reply.status for reply in replies[:5]] == [200] * 5
    assert {(reply.status, reply.json["code"], reply.headers["Retry-After"]) for reply in refused} == {
        (429, "rate_limited", "1")
    }
    assert {(await setting.api.admin("GET", "/api/v1/whoami")).status for _ in range(40)} == {200}
