"""Searches and lists of references tell nobody of values that the records themselves withhold."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from registry.service.job_runner import JobRunner
from tests.registry_api import Api, Client, running_api

SEARCH = "/api/v1/identifiers:search?prefix=88.118.8&index=2000"
REFERRERS = "/api/v1/identifiers:referrers?identifier=88.118.8/PART"
SECRET, REFERENCE = 2000, 2001


class Parties:
    """An enterprise with records of one template; and its owner, an auditor and a stranger to ask for them."""

    def __init__(self, api: Api, owner: Client, auditor: Client, stranger: Client) -> None:
        self.api = api
        self.owner, self.auditor, self.stranger = owner, auditor, stranger

    async def template(self, grade: int) -> None:
        items = [
            {"index": SECRET, "name": "Recipe", "type": "recipe", "searchable": True, "grade": grade},
            {"index": REFERENCE, "name": "Part", "type": "part", "data_type": "reference", "grade": grade},
        ]
        body = {"code": "t1", "name": "T", "items": items, "publish": True}
        assert (await self.owner("POST", "/api/v1/templates", body)).status == 201

    async def register(self, name: str, *values: dict[str, Any]) -> None:
        body = {"values": list(values), "template": "t1"}
        reply = await self.owner("PUT", f"/api/v1/identifiers/88.118.8/{name}", body)
        assert reply.status == 202, reply.body

    async def regrade(self, grade: int) -> None:
        reply = await self.owner("POST", f"/api/v1/templates/t1/items/{SECRET}:regrade", {"grade": grade})
        assert reply.status == 200, reply.body
        context = self.api.context
        runner = JobRunner(context.pool, context.barrier, context.clock, context.jobs_waiting)
        while await runner.take_turn():
            pass


@pytest.fixture
async def parties(registry_database: str, tmp_path: Path) -> AsyncIterator[Parties]:
    async with running_api(registry_database, tmp_path) as api:
        owner = await api.holder("enterprise_administrator", await api.prefix())
        stranger = await api.holder("enterprise_user", await api.prefix("88.118.9", "Valves"))
        yield Parties(api, owner, await api.holder("auditor"), stranger)


def recipe(data: str) -> dict[str, Any]:
    return {"index": SECRET, "type": "recipe", "data": data}


def refers_to(name: str) -> dict[str, Any]:
    return {"index": REFERENCE, "type": "part", "data": f"88.118.8/{name}"}


async def found(client: Client, query: str) -> tuple[int, bool]:
    """Return how many records a search shows, and whether it says that there are more."""
    page = (await client("GET", f"{SEARCH}&{query}&limit=1")).json
    return len(page["items"]), page["next"] is not None


async def test_nobody_finds_records_by_a_value_that_only_a_grant_opens(parties: Parties) -> None:
    await parties.template(3)
    await parties.register("A", recipe("water"))
    await parties.register("B", recipe("waterproof"))
    for client in (parties.owner, parties.api.admin):
        for query in ("value=water", "begins=w", "begins=wine"):
            assert await found(client, query) == (0, False)


async def test_only_those_who_may_read_them_search_by_values_that_are_not_public(parties: Parties) -> None:
    await parties.template(2)
    await parties.register("A", recipe("water"))
    await parties.register("B", recipe("waterproof"))
    for client in (parties.owner, parties.api.admin):
        assert await found(client, "value=water") == (1, True)
        assert await found(client, "begins=wine") == (0, False)
    for query in ("value=water", "begins=w"):
        refused = await parties.auditor("GET", f"{SEARCH}&{query}")
        assert (refused.status, refused.json["code"]) == (403, "role_not_allowed")
    by_template = await parties.auditor("GET", "/api/v1/identifiers:search?prefix=88.118.8&template=t1")
    assert len(by_template.json["items"]) == 2
    assert b"water" not in by_template.body


async def test_what_is_found_follows_the_grade_of_the_item(parties: Parties) -> None:
    await parties.template(1)
    await parties.register("A", recipe("water"))
    await parties.api.context.pool.execute(
        "UPDATE identifiers SET values = regexp_replace(values, '20..-..-..T..:..:..Z', '2001-01-01T00:00:00Z', 'g')"
    )
    seen = []
    for grade in (3, 2, 3, 1):
        await parties.regrade(grade)
        seen.append(await found(parties.owner, "begins=w"))
    assert seen == [(0, False), (1, True), (0, False), (1, True)]


@pytest.mark.parametrize(("grade", "owners"), [(1, ["A", "B"]), (2, ["A", "B"]), (3, [])])
async def test_a_reference_is_shown_to_those_who_may_read_it_and_named_to_no_others(
    parties: Parties, grade: int, owners: list[str]
) -> None:
    await parties.template(grade)
    await parties.register("PART")
    for name in ("A", "B"):
        await parties.register(name, refers_to("PART"))
    expected = {parties.owner: owners, parties.stranger: ["A", "B"] if grade == 1 else []}
    for client, names in expected.items():
        shown: list[str] = []
        cursor = ""
        while True:
            page = (await client("GET", f"{REFERRERS}&limit=1{cursor}")).json
            shown += [edge["source"].removeprefix("88.118.8/") for edge in page["items"]]
            if page["next"] is None:
                break
            octets = base64.urlsafe_b64decode(page["next"] + "==")
            assert b"hdl:" not in octets
            assert b"hdl:" not in bytes.fromhex(octets[8:].decode())
            cursor = f"&cursor={page['next']}"
        assert shown == names


async def test_a_cursor_of_another_list_is_refused(parties: Parties) -> None:
    await parties.template(1)
    await parties.register("PART")
    for name in ("A", "B"):
        await parties.register(name, refers_to("PART"))
    page = (await parties.owner("GET", f"{REFERRERS}&limit=1")).json
    other = REFERRERS.replace("PART", "A")
    for path, cursor in ((other, page["next"]), (REFERRERS, page["next"][:-4] + "AAAA")):
        assert (await parties.owner("GET", f"{path}&cursor={cursor}")).json["code"] == "bad_cursor"
