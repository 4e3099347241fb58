"""Lists of identifiers: each entry has a result of its own, in order, and a repeated call changes nothing."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from identifiers.changes import START
from identifiers.values import Value
from registry import journal
from registry.authority import Principal
from registry.database import connected
from registry.errors import Conflict, Forbidden, Gone, InvalidFields, InvalidRequest, NotFound
from registry.service.identifier_list import CHUNK_ENTRIES_MAX, Entry, EntryResult, ListOp, cut, write_list
from registry.tables import templates
from registry.tables.templates import Template
from tests.registry_api import Api, Client, running_api

ITEMS = [
    {"index": 2000, "name": "name", "type": "name", "required": True, "length_max": 20},
    {"index": 2001, "name": "batch", "type": "batch", "searchable": True},
    {"index": 2002, "name": "secret", "type": "secret", "grade": 3},
]


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path) as running:
        yield running


@pytest.fixture
async def owner(api: Api) -> Client:
    owner = await api.holder("enterprise_administrator", await api.prefix())
    made = await owner("POST", "/api/v1/templates", {"code": "pump", "name": "Pumps", "items": ITEMS, "publish": True})
    assert made.status == 201, made.body
    return owner


def entry(number: int | str, template: str | None = "pump", **items: str) -> Entry:
    indexes = {item["type"]: item["index"] for item in ITEMS}
    values = [Value(indexes[type_], type_, text.encode()) for type_, text in {"name": "x", **items}.items()]  # type: ignore[arg-type] # an index, as all of them
    return Entry(f"88.118.8/SN{number}", template, tuple(values))


async def principal(client: Client) -> Principal:
    who = (await client("GET", "/api/v1/whoami")).json
    return Principal(who["account"], who["role"], who["enterprise"])


async def write(
    api: Api, client: Client, op: ListOp, entries: list[Entry], known: Mapping[str, Template] | None = None
) -> list[EntryResult]:
    async def chunks() -> AsyncIterator[Sequence[Entry]]:
        for chunk in cut(entries, alone=lambda: True):
            yield chunk

    who, now = await principal(client), api.context.clock()
    results, _ = await write_list(api.context, who, now, op, chunks(), known or {})
    return results


def told(results: list[EntryResult]) -> list[Any]:
    return [result.status if result.error is None else result.error.code for result in results]


async def test_results_come_in_order_whatever_becomes_of_each_entry(api: Api, owner: Client) -> None:
    await api.prefix("88.118.9", "Others")
    entries = [
        entry(1),
        Entry("88.118.8", "pump", ()),
        entry(2, name="much too long for this item"),
        entry(3, template="none"),
        Entry("88.118.9/SN1"),
        Entry("88.118.77/SN1"),
        Entry("88.118.8/SN4", None, (Value(1, "URL", b"x"), Value(1, "URL", b"y"))),
        entry(5),
    ]
    results = await write(api, owner, "create", entries)
    assert [result.identifier for result in results] == [one.identifier for one in entries]
    assert told(results) == [
        "created",
        "bad_suffix",
        "template_violated",
        "unknown_template",
        "not_yours",
        "unknown_prefix",
        "bad_values",
        "created",
    ]
    kinds = [InvalidRequest, InvalidFields, InvalidFields, Forbidden, NotFound, InvalidFields]
    assert [type(result.error) for result in results[1:7]] == kinds
    error = results[2].error
    assert error is not None
    assert error.errors[0].field == "values[0].data"


async def test_a_repeated_call_finds_everything_as_it_is(api: Api, owner: Client) -> None:
    entries = [entry(number, batch=f"B{number}", secret="s") for number in range(CHUNK_ENTRIES_MAX + 5)]
    assert set(told(await write(api, owner, "create", entries))) == {"created"}
    assert set(told(await write(api, owner, "create", entries))) == {"unchanged"}
    other = await write(api, owner, "create", [entry(1, batch="other"), entry("NEW")])
    assert told(other) == ["identifier_exists", "created"]
    assert isinstance(other[0].error, Conflict)


async def test_a_template_that_is_known_is_not_looked_up_and_has_to_be_usable_all_the_same(
    api: Api, owner: Client
) -> None:
    async with connected(api.context.pool) as connection:
        stored = await templates.by_code(connection, "pump")
    assert stored is not None
    for changes, expected in (
        ({"state": "draft"}, "template_not_published"),
        ({"state": "withdrawn"}, "template_withdrawn"),
        ({"enterprise": "of-others"}, "not_yours"),
        ({}, "created"),
    ):
        assert told(await write(api, owner, "create", [entry(1)], {"pump": replace(stored, **changes)})) == [expected]


async def test_a_second_mention_is_an_error_and_the_first_one_wins(api: Api, owner: Client) -> None:
    results = await write(api, owner, "create", [entry(1), entry(1), entry(2, name=""), entry(2)])
    assert told(results) == ["created", "identifier_exists", "template_violated", "created"]


async def test_updates_apply_in_order_and_keep_what_is_the_systems_own(api: Api, owner: Client) -> None:
    path = "/api/v1/identifiers/88.118.8/SN1"
    url = {"index": 1, "type": "URL", "data": "https://example.com/1"}
    name = {"index": 2000, "type": "name", "data": "x"}
    await owner("PUT", path, {"template": "pump", "values": [url, name, {**name, "index": 2001, "type": "batch"}]})
    results = await write(api, owner, "update", [entry(1, name="first"), entry(1, name="second"), entry(2)])
    assert told(results) == ["replaced", "replaced", "unknown_identifier"]
    assert isinstance(results[2].error, NotFound)
    record = (await owner("GET", path)).json
    assert [(value["index"], value["data"]["value"]) for value in record["values"]] == [
        (1, "https://example.com/1"),
        (2000, "second"),
    ]
    assert record["version"] == 3
    assert told(await write(api, owner, "update", [entry(1, name="second")])) == ["unchanged"]


async def test_an_update_keeps_values_that_its_writer_cannot_see(api: Api, owner: Client) -> None:
    await write(api, owner, "create", [entry(1, secret="never")])
    assert told(await write(api, owner, "update", [entry(1, batch="B1")])) == ["replaced"]
    assert (await owner("GET", "/api/v1/identifiers/88.118.8/SN1")).json["withheld"] == [2002]


async def test_what_is_deleted_may_be_created_again_and_its_versions_go_on(api: Api, owner: Client) -> None:
    await write(api, owner, "create", [entry(1, batch="B1")])
    deleted = await write(api, owner, "delete", [Entry("88.118.8/sn1"), Entry("88.118.8/SN1"), Entry("88.118.8/NONE")])
    assert told(deleted) == ["withdrawn", "identifier_withdrawn", "unknown_identifier"]
    assert isinstance(deleted[1].error, Gone)
    assert (await owner("GET", "/api/v1/identifiers/88.118.8/SN1")).status == 410
    assert told(await write(api, owner, "update", [entry(1)])) == ["identifier_withdrawn"]
    found = "/api/v1/identifiers:search?prefix=88.118.8&index=2001&value=B1"
    assert (await owner("GET", found)).json["items"] == []
    assert told(await write(api, owner, "create", [entry(1, batch="B1")])) == ["created"]
    assert (await owner("GET", "/api/v1/identifiers/88.118.8/SN1")).json["version"] == 3
    assert len((await owner("GET", found)).json["items"]) == 1
    history = await owner("GET", "/api/v1/identifiers:history?identifier=88.118.8/SN1")
    assert [one["op"] for one in history.json["items"]] == ["create", "withdraw", "create"]


async def test_through_the_rest_api_a_withdrawn_identifier_is_never_given_again(api: Api, owner: Client) -> None:
    await write(api, owner, "create", [entry(1)])
    await write(api, owner, "delete", [Entry("88.118.8/SN1")])
    path = "/api/v1/identifiers/88.118.8/SN1"
    refused = await owner("PUT", path, {"values": []})
    assert (refused.status, refused.json["code"]) == (409, "identifier_withdrawn")


async def test_what_was_withdrawn_in_favour_of_another_is_never_created_again(api: Api, owner: Client) -> None:
    await write(api, owner, "create", [entry(1), entry(2)])
    path = "/api/v1/identifiers/88.118.8/SN1"
    assert (await owner("DELETE", f"{path}?successor=88.118.8/SN2")).json["version"] == 2
    assert told(await write(api, owner, "create", [entry(1), entry(2)])) == ["identifier_withdrawn", "unchanged"]
    assert (await owner("GET", path)).json["remedy"] == "use 88.118.8/SN2"


async def test_every_change_of_a_list_is_in_the_journal(api: Api, owner: Client) -> None:
    await write(api, owner, "create", [entry(number) for number in range(3)])
    await write(api, owner, "update", [entry(1, name="y")])
    await write(api, owner, "delete", [Entry("88.118.8/SN2")])
    connection = await asyncpg.connect(api.dsn)
    try:
        changes = await journal.read_changes(connection, START, 100)
    finally:
        await connection.close()
    assert [(one.op, one.key[-3:]) for one in changes if one.kind == "identifier"] == [
        ("create", "SN0"),
        ("create", "SN1"),
        ("create", "SN2"),
        ("update", "SN1"),
        ("withdraw", "SN2"),
    ]


async def test_a_list_needs_the_right(api: Api) -> None:
    reader = await api.holder("auditor")
    with pytest.raises(Forbidden):
        await write(api, reader, "create", [entry(1)])
