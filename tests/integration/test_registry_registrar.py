"""Registrations that arrive at the same time share a statement, and nobody notices but the database."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from identifiers.changes import START
from registry import journal
from registry.errors import Unavailable
from registry.service.registrar import Registrar
from registry.tables import identifiers
from tests.registry_api import VALUES, Api, Client, Reply, running_api

IDENTIFIERS = "/api/v1/identifiers/88.118.8"
ITEMS = [
    {"index": 2000, "name": "name", "type": "name", "required": True},
    {"index": 2001, "name": "cost", "type": "cost", "grade": 3},
]


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path) as running:
        yield running


@pytest.fixture
async def owner(api: Api) -> Client:
    return await api.holder("enterprise_administrator", await api.prefix())


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return how many registrations each statement stored, as they happen."""
    sizes: list[int] = []
    register = identifiers.register

    async def counted(connection: Any, registrations: Any) -> Any:
        sizes.append(len(registrations))
        return await register(connection, registrations)

    monkeypatch.setattr(identifiers, "register", counted)
    return sizes


async def register(client: Client, name: str, values: Any = VALUES, **rest: Any) -> Reply:
    return await client("PUT", f"{IDENTIFIERS}/{name}", {"values": values, **rest})


async def changes(api: Api) -> Counter[tuple[str, str]]:
    connection = await asyncpg.connect(api.dsn)
    try:
        found = await journal.read_changes(connection, START, 1_000)
    finally:
        await connection.close()
    return Counter((change.op, change.key) for change in found if change.kind == "identifier")


async def test_many_at_once_are_stored_in_groups_each_on_record(api: Api, owner: Client, groups: list[int]) -> None:
    replies = await asyncio.gather(*(register(owner, f"SN{number}") for number in range(40)))
    assert {(reply.status, reply.json["version"]) for reply in replies} == {(202, 1)}
    assert {reply.headers["Location"] for reply in replies} == {f"{IDENTIFIERS}/SN{number}" for number in range(40)}
    assert sum(groups) == 40
    assert len(groups) < 40
    assert await changes(api) == {("create", f"hdl:88.118.8/SN{number}"): 1 for number in range(40)}
    me = (await owner("GET", "/api/v1/whoami")).json["account"]
    audit = await api.admin("GET", f"/api/v1/audit?actor={me}&kind=change&limit=1000")
    registered = [one for one in audit.json["items"] if one["object"].startswith("identifier ")]
    assert len(registered) == 40
    assert {(one["action"], one["result"]) for one in registered} == {("PUT /api/v1/identifiers/{identifier}", "ok")}
    assert len({one["request_id"] for one in registered}) == 40


async def test_of_many_writers_of_one_identifier_one_creates_it(api: Api, owner: Client) -> None:
    bodies = [[{"index": 1, "type": "URL", "data": f"https://example.com/{number}"}] for number in range(8)]
    replies = await asyncio.gather(
        *(owner("PUT", f"{IDENTIFIERS}/SN1", {"values": body}, headers={"If-None-Match": "*"}) for body in bodies)
    )
    assert Counter(reply.status for reply in replies) == {202: 1, 412: 7}
    assert await changes(api) == {("create", "hdl:88.118.8/SN1"): 1}


async def test_what_is_refused_by_itself_is_refused_in_a_group_and_the_others_go_in(api: Api, owner: Client) -> None:
    made = await owner("POST", "/api/v1/templates", {"code": "t", "name": "T", "items": ITEMS, "publish": True})
    assert made.status == 201, made.body
    await register(owner, "TAKEN")
    await api.prefix("88.118.9", "Others")
    named = [{"index": 2000, "type": "name", "data": "x"}, {"index": 2001, "type": "cost", "data": "5"}]
    replies = await asyncio.gather(
        register(owner, "SN1"),
        register(owner, "SN2", template="t"),
        register(owner, "SN3", template="none"),
        register(owner, "SN4", named, template="t"),
        register(owner, "TAKEN"),
        register(owner, "TAKEN", [{"index": 1, "type": "URL", "data": "https://example.com/other"}]),
        owner("PUT", "/api/v1/identifiers/88.118.9/SN1", {"values": VALUES}),
        owner("PUT", "/api/v1/identifiers/88.118.77/SN1", {"values": VALUES}),
        register(owner, "SN5", [{"index": 1, "type": "URL", "data": 5}]),
        owner("PUT", f"{IDENTIFIERS}/SN6", {"values": VALUES}, headers={"Idempotency-Key": "k"}),
    )
    assert [reply.status for reply in replies] == [202, 422, 422, 202, 202, 202, 403, 404, 422, 202]
    assert (await owner("GET", f"{IDENTIFIERS}/SN4")).json["withheld"] == [2001]
    assert (await owner("GET", f"{IDENTIFIERS}/TAKEN")).json["version"] in {2, 3}


async def test_a_prefix_that_takes_nothing_takes_nothing_from_a_group_either(api: Api, owner: Client) -> None:
    assert (await register(owner, "BEFORE")).status == 202
    assert (await api.admin("PATCH", "/api/v1/prefixes/88.118.8", {"state": "suspended"})).status == 200
    replies = await asyncio.gather(*(register(owner, f"SN{number}") for number in range(5)))
    assert {(reply.status, reply.json["code"]) for reply in replies} == {(409, "prefix_suspended")}
    assert await changes(api) == {("create", "hdl:88.118.8/BEFORE"): 1}
    assert (await api.admin("PATCH", "/api/v1/prefixes/88.118.8", {"state": "active"})).status == 200
    assert (await register(owner, "AFTER")).status == 202


@pytest.mark.parametrize("failure", [Unavailable("database_away", "away"), RuntimeError("a defect")])
async def test_whatever_happens_to_a_group_its_registrations_are_not_lost(
    owner: Client, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    async def fails(*_: object) -> None:
        raise failure

    monkeypatch.setattr(Registrar, "_store", fails)
    replies = await asyncio.gather(*(register(owner, f"SN{number}") for number in range(5)))
    assert {reply.status for reply in replies} == {202}
