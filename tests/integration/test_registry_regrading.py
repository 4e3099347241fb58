"""Regrading: what is stored gets the permissions that the new grade of its item allows, and is told like any change."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from identifiers.changes import START, IdentifierState
from identifiers.value_json import decode_stored
from registry import journal
from registry.service import regrading
from registry.service.job_runner import JobRunner
from registry.tables import jobs as job_table
from tests.registry_api import Api, running_api
from tests.support import eventually

PUBLIC, NAMED, GRANTED = 0b1110, 0b1100, 0b0100
SECRET, OTHER = 2000, 2001
ITEMS = [
    {"index": SECRET, "name": "配方", "type": "recipe"},
    {"index": OTHER, "name": "名称", "type": "name"},
    {"index": 2002, "name": "部件", "type": "part", "data_type": "reference"},
]


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path) as running:
        await running.prefix()
        body = {"code": "t1", "name": "T", "items": ITEMS, "publish": True}
        assert (await running.admin("POST", "/api/v1/templates", body)).status == 201
        yield running


async def register(api: Api, name: str, *values: dict[str, Any], template: str | None = "t1") -> None:
    body = {"values": list(values), "template": template}
    reply = await api.admin("PUT", f"/api/v1/identifiers/{name}", body)
    assert reply.status in (200, 201, 202), reply.body


def value(data: str, index: int = SECRET, **rest: Any) -> dict[str, Any]:
    types = {item["index"]: item["type"] for item in ITEMS}
    return {"index": index, "type": types[index], "data": data, **rest}


async def age(api: Api) -> None:
    """Make what is stored look older than the change of a grade."""
    await api.context.pool.execute(
        "UPDATE identifiers SET values = regexp_replace(values, '20..-..-..T..:..:..Z', '2001-01-01T00:00:00Z', 'g')"
    )


async def regrade(api: Api, grade: int, index: int = SECRET) -> str:
    reply = await api.admin("POST", f"/api/v1/templates/t1/items/{index}:regrade", {"grade": grade})
    assert reply.status == 200, reply.body
    return str(reply.json["job"])


async def finish(api: Api) -> None:
    context = api.context
    runner = JobRunner(context.pool, context.barrier, context.clock, context.jobs_waiting)
    while await runner.take_turn():
        pass


async def job(api: Api, job_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await api.admin("GET", f"/api/v1/jobs/{job_id}")).json
    return found


async def permissions(api: Api, key: str, index: int = SECRET) -> int:
    values = await api.context.pool.fetchval("SELECT values FROM identifiers WHERE key = $1", f"hdl:{key}")
    return next(one.permissions for one in decode_stored(values.encode()) if one.index == index)


async def test_a_higher_grade_narrows_what_is_stored_and_nothing_else(api: Api) -> None:
    await api.prefix("88.118.9", "Valves")
    await register(api, "88.118.8/A", value("x"), value("n", OTHER))
    await register(api, "88.118.9/B", value("x", permissions="1010"))
    await register(api, "88.118.8/NONE", {"index": SECRET, "type": "recipe", "data": "x"}, template=None)
    job_id = await regrade(api, 3)
    assert (await job(api, job_id))["kind"] == "regrade"
    await finish(api)
    assert [await permissions(api, key) for key in ("88.118.8/A", "88.118.9/B")] == [GRANTED, 0]
    assert await permissions(api, "88.118.8/A", OTHER) == PUBLIC
    assert await permissions(api, "88.118.8/NONE") == PUBLIC
    ended = await job(api, job_id)
    assert (ended["state"], ended["counts"]["replaced"], ended["counts"]["unchanged"]) == ("done", 2, 2)


async def test_the_journal_tells_of_each_record_with_its_next_version(api: Api) -> None:
    await register(api, "88.118.8/A", value("x"))
    await regrade(api, 2)
    await finish(api)
    async with api.context.pool.acquire() as connection:
        changes = await journal.read_changes(connection, START, 1_000)
    states = [
        (change.op, msgspec.json.decode(change.after, type=IdentifierState))
        for change in changes
        if change.kind == "identifier"
    ]
    assert [(op, state.version) for op, state in states] == [("create", 1), ("update", 2)]
    assert [one.permissions for one in decode_stored(bytes(states[1][1].values))] == [NAMED]


async def test_a_lower_grade_opens_what_was_as_open_as_it_could_be(api: Api) -> None:
    await regrade(api, 3)
    await finish(api)
    await register(api, "88.118.8/A", value("x"))
    await register(api, "88.118.8/B", value("x", permissions="0000"))
    await age(api)
    await regrade(api, 1)
    await finish(api)
    assert [await permissions(api, key) for key in ("88.118.8/A", "88.118.8/B")] == [PUBLIC, 0]


async def test_what_is_written_after_a_lower_grade_keeps_what_its_writer_chose(api: Api) -> None:
    await regrade(api, 3)
    await finish(api)
    await regrade(api, 1)
    await register(api, "88.118.8/A", value("x", permissions="0100"))
    await finish(api)
    assert await permissions(api, "88.118.8/A") == GRANTED


async def test_records_are_gone_through_in_steps_and_a_late_one_is_found_in_the_second_pass(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(regrading, "ROWS_AT_ONCE", 2)
    for number in range(5):
        await register(api, f"88.118.8/SN{number}", value("x"))
    job_id = await regrade(api, 2)
    context = api.context
    runner = JobRunner(context.pool, context.barrier, context.clock, context.jobs_waiting)
    for _ in range(4):
        assert await runner.take_turn()
    # As a writer would who had read the template before its item was regraded.
    await register(api, "88.118.8/SN0A", value("x"))
    await api.context.pool.execute(
        "UPDATE identifiers SET values = replace(values, '\"permissions\":\"1100\",', '') WHERE key LIKE '%SN0A'"
    )
    await finish(api)
    names = [f"88.118.8/SN{number}" for number in ("0", "0A", "1", "2", "3", "4")]
    assert [await permissions(api, name) for name in names] == [NAMED] * 6
    assert (await job(api, job_id))["counts"]["replaced"] == 6


async def test_it_begins_when_the_transactions_before_it_are_over(api: Api) -> None:
    await register(api, "88.118.8/A", value("x"))
    async with api.context.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("SELECT pg_current_xact_id()")
        job_id = await regrade(api, 2)
        await finish(api)
        assert (await job(api, job_id))["state"] == "queued"
        await transaction.rollback()
    # Other databases of the server do not count, but its autovacuum may hold the horizon for a moment.
    await eventually(lambda: _ended(api, job_id))


async def _ended(api: Api, job_id: str) -> bool:
    await finish(api)
    return bool((await job(api, job_id))["state"] == "done")


async def test_two_regrades_of_a_template_are_done_one_after_the_other(api: Api) -> None:
    await register(api, "88.118.8/A", value("x"))
    await age(api)
    first, second = await regrade(api, 3), await regrade(api, 2)
    async with api.context.pool.acquire() as connection:
        assert await job_table.candidates(connection, 10) == [first]
    await finish(api)
    assert await permissions(api, "88.118.8/A") == NAMED
    assert {(await job(api, one))["state"] for one in (first, second)} == {"done"}


async def test_the_permissions_of_references_follow(api: Api) -> None:
    await register(api, "88.118.8/PART", template=None)
    await register(api, "88.118.8/A", value("88.118.8/PART", 2002))
    await regrade(api, 3, 2002)
    await finish(api)
    assert await api.context.pool.fetchval("SELECT permissions FROM identifier_references") == GRANTED


async def test_it_cannot_be_cancelled(api: Api) -> None:
    job_id = await regrade(api, 2)
    reply = await api.admin("POST", f"/api/v1/jobs/{job_id}:cancel")
    assert (reply.status, reply.json["code"]) == (409, "job_not_cancellable")


async def test_it_goes_on_though_the_account_that_asked_for_it_is_disabled(api: Api) -> None:
    await register(api, "88.118.8/A", value("x"))
    job_id = await regrade(api, 2)
    await api.context.pool.execute("UPDATE accounts SET state = 'disabled'")
    await finish(api)
    await api.context.pool.execute("UPDATE accounts SET state = 'active'")
    api.context.tokens.forget()
    assert (await job(api, job_id))["state"] == "done"
    assert await permissions(api, "88.118.8/A") == NAMED
