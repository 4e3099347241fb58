"""Where several want the same at once: one gets it, and every other is told so."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from registry.service.batch import CHUNK_ROWS
from tests.enterprise_statements import application
from tests.registry_api import Api, Client, running_api

API = "/api/v1"
NAME = "88.118.8/SN1"
ITEMS = [
    {"index": 2000, "name": "序列号", "type": "serial", "unique": True},
    {"index": 2001, "name": "部件", "type": "part", "data_type": "reference"},
]


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path) as running:
        yield running


@pytest.fixture
async def owner(api: Api) -> Client:
    return await api.holder("enterprise_administrator", await api.prefix())


async def template(owner: Client) -> None:
    body = {"code": "t1", "name": "T", "items": ITEMS, "prefix": "88.118.8", "version": "A1", "publish": True}
    reply = await owner("POST", f"{API}/templates", body)
    assert reply.status == 201, reply.body


def row(number: int, serial: str, part: int | None = None) -> dict[str, Any]:
    values = [{"index": 2000, "type": "serial", "data": serial}]
    if part is not None:
        values.append({"index": 2001, "type": "part", "data": f"88.118.8/R{part}"})
    return {"identifier": f"88.118.8/R{number}", "values": values}


async def test_of_many_who_register_one_new_identifier_one_does(owner: Client) -> None:
    def register(number: int) -> Any:
        body = {"values": [{"index": 1, "type": "NOTE", "data": str(number)}]}
        return owner("PUT", f"{API}/identifiers/{NAME}", body, headers={"If-None-Match": "*"})

    replies = await asyncio.gather(*(register(number) for number in range(12)))
    assert Counter(reply.status for reply in replies) == {202: 1, 412: 11}
    won = next(at for at, reply in enumerate(replies) if reply.status == 202)
    stored = (await owner("GET", f"{API}/identifiers/{NAME}")).json
    assert (stored["version"], stored["values"][0]["data"]["value"]) == (1, str(won))


async def test_of_many_snms_registrations_of_one_identifier_one_succeeds(owner: Client) -> None:
    await template(owner)

    def register(number: int) -> Any:
        value = {"index": 2000, "type": "serial", "data": {"format": "string", "value": str(number)}}
        return owner("POST", "/identityv2/data", {"handle": NAME, "templateVersion": "A1", "value": [value]})

    replies = [reply.json for reply in await asyncio.gather(*(register(number) for number in range(12)))]
    assert Counter((reply["status"], reply["message"]) for reply in replies) == {
        (1, "success"): 1,
        (-2, "标识已存在"): 11,
    }


async def test_a_change_and_a_withdrawal_at_once_leave_one_of_both(owner: Client) -> None:
    await owner("PUT", f"{API}/identifiers/{NAME}", {"values": [{"index": 1, "type": "NOTE", "data": "x"}]})
    condition = {"If-Match": '"1"'}
    change = {"values": [{"index": 1, "type": "NOTE", "data": "y"}]}
    changed, withdrawn = await asyncio.gather(
        owner("PATCH", f"{API}/identifiers/{NAME}", change, headers=condition),
        owner("DELETE", f"{API}/identifiers/{NAME}", headers=condition),
    )
    assert (changed.status, withdrawn.status) in [(202, 412), (410, 202), (412, 202)]


async def test_the_first_row_of_a_batch_has_a_unique_value_however_far_the_second_is(owner: Client) -> None:
    await template(owner)
    rows = [row(number, f"S{number}") for number in range(CHUNK_ROWS)]
    *lines, last = await owner.batch([*rows, row(CHUNK_ROWS, "S0")], "?template=t1")
    assert (last["summary"]["created"], last["summary"]["rejected"]) == (CHUNK_ROWS, 1)
    assert (lines[-1]["status"], lines[-1]["code"]) == ("rejected", "unique_value_taken")


async def test_a_row_of_a_batch_may_refer_to_any_before_it(owner: Client) -> None:
    await template(owner)
    rows = [row(number, f"S{number}", number - 1 if number else None) for number in range(CHUNK_ROWS + 2)]
    last = (await owner.batch(rows, "?template=t1"))[-1]
    assert last["summary"]["created"] == CHUNK_ROWS + 2


async def test_an_approval_and_a_withdrawal_at_once_do_not_both_happen(api: Api) -> None:
    await api.admin("PUT", f"{API}/prefix-allocation", {"node_prefix": "88.118"})
    applicant = await api.holder("applicant")
    applied = (await applicant("POST", f"{API}/enterprises", await application(applicant))).json
    path = f"{API}/enterprises/{applied['id']}"
    approved, withdrawn = await asyncio.gather(
        api.admin("POST", f"{path}:approve"), applicant("POST", f"{path}:withdraw", {})
    )
    assert sorted((approved.status, withdrawn.status)) == [200, 409]
    state = (await api.admin("GET", path)).json
    prefix = "active" if approved.status == 200 else "rejected"
    assert (state["state"], state["prefixes"][0]["state"]) in [("active", prefix), ("withdrawn", prefix)]
