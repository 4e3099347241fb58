"""Values that must be unique: one writer wins, the others are told who has the value, also under load."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.registry_api import Api, Client, Reply, running_api

ITEMS = [
    {"index": 2000, "name": "serial", "type": "serial", "unique": True},
    {"index": 2001, "name": "address", "type": "address", "unique": True},
]
IDENTIFIERS = "/api/v1/identifiers"


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path) as running:
        yield running


@pytest.fixture
async def owner(api: Api) -> Client:
    owner = await api.holder("enterprise_administrator", await api.prefix())
    for code in ("meter", "other"):
        made = await owner("POST", "/api/v1/templates", {"code": code, "name": code, "items": ITEMS, "publish": True})
        assert made.status == 201, made.body
    return owner


def values(**items: str) -> list[dict[str, Any]]:
    return [
        {"index": index, "type": type_, "data": items[type_]}
        for index, type_ in ((2000, "serial"), (2001, "address"))
        if type_ in items
    ]


async def register(client: Client, name: str, template: str = "meter", **items: str) -> Reply:
    body = {"template": template, "values": values(**items)}
    return await client("PUT", f"{IDENTIFIERS}/88.118.8/{name}", body)


async def held(api: Api) -> int:
    connection = await asyncpg.connect(api.dsn)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM unique_values"))
    finally:
        await connection.close()


async def test_a_value_another_record_has_is_refused_and_named(api: Api, owner: Client) -> None:
    assert (await register(owner, "M1", serial="S1", address="A1")).status == 202
    refused = await register(owner, "M2", serial="S2", address="A1")
    assert (refused.status, refused.json["code"]) == (409, "unique_value_taken")
    (fault,) = refused.json["errors"]
    assert fault == {"field": "values[1].data", "message": "the value must be unique, and 88.118.8/M1 has it"}
    assert (await owner("GET", f"{IDENTIFIERS}/88.118.8/M2")).status == 404
    assert await held(api) == 2


async def test_uniqueness_ends_at_the_item_and_the_template_and_empty_values_do_not_count(owner: Client) -> None:
    assert (await register(owner, "M1", serial="X")).status == 202
    assert (await register(owner, "M2", address="X")).status == 202
    assert (await register(owner, "M3", "other", serial="X")).status == 202
    assert (await register(owner, "M4", serial="", address="Y")).status == 202
    assert (await register(owner, "M5", serial="")).status == 202


async def test_a_value_is_free_again_when_its_record_gives_it_up(api: Api, owner: Client) -> None:
    await register(owner, "M1", serial="S1")
    await register(owner, "M1", serial="S2")
    assert (await register(owner, "M2", serial="S1")).status == 202
    await owner("DELETE", f"{IDENTIFIERS}/88.118.8/M2")
    assert (await register(owner, "M3", serial="S1")).status == 202
    await register(owner, "M3", "other", serial="S1")
    assert (await register(owner, "M4", serial="S1")).status == 202
    assert await held(api) == 3


async def test_the_same_registration_again_is_success(owner: Client) -> None:
    for status in (202, 200):
        reply = await register(owner, "M1", serial="S1")
        assert reply.status in (status, 202)
        assert reply.json["version"] == 1


async def test_of_many_writers_of_one_value_one_wins(api: Api, owner: Client) -> None:
    replies = await asyncio.gather(*(register(owner, f"M{number}", serial="S") for number in range(12)))
    assert Counter(reply.status for reply in replies) == {202: 1, 409: 11}
    assert {reply.json["code"] for reply in replies if reply.status == 409} == {"unique_value_taken"}
    assert await held(api) == 1


async def test_writers_of_crossing_values_all_end(api: Api, owner: Client) -> None:
    pairs = [("A", "B"), ("B", "A")] * 6
    replies = await asyncio.gather(
        *(register(owner, f"M{at}", serial=one, address=other) for at, (one, other) in enumerate(pairs))
    )
    assert {reply.status for reply in replies} <= {202, 409}
    assert 1 <= sum(reply.status == 202 for reply in replies) <= 2
    assert await held(api) % 2 == 0


async def test_a_batch_rejects_the_rows_whose_values_are_taken_and_stores_the_others(api: Api, owner: Client) -> None:
    await register(owner, "M0", serial="S0")
    rows = [
        {"identifier": f"88.118.8/M{number}", "values": values(serial=serial)}
        for number, serial in ((1, "S1"), (2, "S0"), (3, "S1"), (4, "S4"))
    ]
    *lines, _ = await owner.batch(rows, "?template=meter")
    assert [line["status"] for line in lines] == ["created", "rejected", "rejected", "created"]
    assert [line["code"] for line in lines if "code" in line] == ["unique_value_taken"] * 2
    assert "88.118.8/M0 has it" in lines[1]["message"]
    *again, _ = await owner.batch(rows, "?template=meter")
    assert [line["status"] for line in again] == ["unchanged", "rejected", "rejected", "unchanged"]
    assert await held(api) == 3


async def test_of_many_rows_of_one_batch_with_one_value_the_first_is_stored(owner: Client) -> None:
    rows = [{"identifier": f"88.118.8/M{number}", "values": values(serial="S")} for number in range(40)]
    *lines, _ = await owner.batch(rows, "?template=meter")
    assert [line["status"] for line in lines] == ["created", *["rejected"] * 39]
    assert {line.get("code") for line in lines[1:]} == {"unique_value_taken"}


async def test_a_batch_that_replaces_gives_values_up_and_takes_others(api: Api, owner: Client) -> None:
    await register(owner, "M1", serial="S1")
    await register(owner, "M2", serial="S2")
    rows = [
        {"identifier": "88.118.8/M1", "values": values(serial="S2")},
        {"identifier": "88.118.8/M2", "values": values(serial="S1")},
    ]
    *lines, _ = await owner.batch(rows, "?template=meter&on_conflict=replace")
    assert [line["status"] for line in lines] == ["replaced", "replaced"]
    assert (await register(owner, "M3", serial="S1")).json["errors"][0]["message"].endswith("88.118.8/M2 has it")
    assert await held(api) == 2


async def test_batches_and_single_writers_at_once_leave_each_value_with_one_record(api: Api, owner: Client) -> None:
    def rows(batch: int) -> list[dict[str, Any]]:
        return [
            {"identifier": f"88.118.8/B{batch}-{number}", "values": values(serial=f"S{number}")} for number in range(60)
        ]

    replies = await asyncio.gather(
        *(owner.batch(rows(batch), "?template=meter") for batch in range(3)),
        *(register(owner, f"P{number}", serial=f"S{number}") for number in range(0, 60, 5)),
    )
    created = sum(line.get("status") == "created" for lines in replies[:3] for line in lines)
    created += sum(reply.status == 202 for reply in replies[3:])
    assert (created, await held(api)) == (60, 60)
