"""Aliases over the API: who may set them, what they keep from being registered, and what is left when they go."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import msgspec
import pytest

from identifiers.changes import START, AliasState
from registry import journal
from registry.snapshot import open_snapshot
from tests.registry_api import VALUES, Api, Client, running_api

RECORD = "/api/v1/identifiers/88.118.8/SN1"
ALIAS = "/api/v1/aliases/88.118.8/OLD1"
TO_RECORD = {"identifier": "88.118.8/SN1"}


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path) as running:
        yield running


@pytest.fixture
async def owner(api: Api) -> Client:
    owner = await api.holder("enterprise_administrator", await api.prefix())
    assert (await owner("PUT", RECORD, {"values": VALUES})).status == 202
    return owner


async def test_an_alias_is_set_read_listed_changed_and_taken_away(owner: Client) -> None:
    made = await owner("PUT", ALIAS, TO_RECORD)
    assert (made.status, made.headers["Location"]) == (201, ALIAS)
    assert made.json["kind"] == "same"
    again = await owner("PUT", ALIAS, TO_RECORD)
    assert (again.status, again.json) == (200, made.json)
    changed = await owner("PUT", ALIAS, {**TO_RECORD, "kind": "former"})
    assert (changed.status, changed.json["kind"], changed.json["version"]) == (200, "former", 2)
    assert (await owner("GET", ALIAS)).json == changed.json
    assert (await owner("GET", "/api/v1/aliases?identifier=88.118.8/SN1")).json["items"] == [changed.json]
    assert (await owner("DELETE", ALIAS)).status == 200
    assert (await owner("GET", ALIAS)).json["code"] == "unknown_alias"
    assert (await owner("GET", "/api/v1/aliases?identifier=88.118.8/SN1")).json["items"] == []


async def test_the_record_is_read_under_its_alias_and_changed_under_its_own_name_only(owner: Client) -> None:
    await owner("PUT", ALIAS, TO_RECORD)
    read = await owner("GET", "/api/v1/identifiers/88.118.8/old1")
    assert (read.status, read.json["identifier"]) == (200, "88.118.8/SN1")
    for method, body in (("PUT", {"values": VALUES}), ("PATCH", {"remove": [1]}), ("DELETE", None)):
        refused = await owner(method, "/api/v1/identifiers/88.118.8/OLD1", body)
        assert (refused.status, refused.json["code"]) == (409, "identifier_is_alias"), method


async def test_nothing_is_registered_under_an_alias_not_even_in_a_batch(owner: Client) -> None:
    await owner("PUT", ALIAS, TO_RECORD)
    line, _ = await owner.batch([{"identifier": "88.118.8/OLD1", "values": VALUES}], "?on_conflict=replace")
    assert (line["status"], line["code"]) == ("rejected", "identifier_is_alias")
    listed = await owner("GET", "/api/v1/identifiers?prefix=88.118.8&state=all")
    assert [item["identifier"] for item in listed.json["items"]] == ["88.118.8/SN1"]


async def test_a_name_that_is_registered_becomes_no_alias_and_one_that_was_withdrawn_does(owner: Client) -> None:
    old = "/api/v1/identifiers/88.118.8/OLD1"
    await owner("PUT", old, {"values": VALUES})
    refused = await owner("PUT", ALIAS, TO_RECORD)
    assert (refused.status, refused.json["code"]) == (409, "identifier_exists")
    await owner("DELETE", old)
    made = await owner("PUT", ALIAS, {**TO_RECORD, "kind": "former"})
    assert (made.status, made.json["version"]) == (200, 3)
    assert (await owner("GET", old)).json["identifier"] == "88.118.8/SN1"


async def test_what_an_alias_led_to_is_named_when_it_is_gone_and_the_name_stays_taken(owner: Client) -> None:
    await owner("PUT", ALIAS, TO_RECORD)
    await owner("DELETE", ALIAS)
    gone = await owner("GET", "/api/v1/identifiers/88.118.8/OLD1")
    assert (gone.status, gone.json["remedy"]) == (410, "use 88.118.8/SN1")
    assert (await owner("PUT", "/api/v1/identifiers/88.118.8/OLD1", {"values": VALUES})).status == 409
    assert (await owner("PUT", ALIAS, TO_RECORD)).json["version"] == 3


async def test_an_alias_leads_to_no_other_alias(owner: Client) -> None:
    await owner("PUT", ALIAS, TO_RECORD)
    chained = await owner("PUT", "/api/v1/aliases/88.118.8/OLDER1", {"identifier": "88.118.8/OLD1"})
    assert (chained.status, chained.json["code"]) == (409, "identifier_is_alias")
    await owner("DELETE", RECORD)
    await owner("PUT", "/api/v1/identifiers/88.118.8/SN2", {"values": VALUES})
    kept = await owner("PUT", "/api/v1/aliases/88.118.8/SN1", {"identifier": "88.118.8/SN2"})
    assert (kept.status, kept.json["code"]) == (409, "alias_has_aliases")


async def test_a_target_must_be_registered_and_not_withdrawn(owner: Client) -> None:
    unknown = await owner("PUT", ALIAS, {"identifier": "88.118.8/NONE"})
    assert (unknown.status, unknown.json["code"]) == (404, "unknown_identifier")
    await owner("DELETE", RECORD)
    assert (await owner("PUT", ALIAS, TO_RECORD)).status == 410


async def test_other_enterprises_neither_set_aliases_below_ones_prefix_nor_point_theirs_at_ones_records(
    api: Api, owner: Client
) -> None:
    other = await api.holder("enterprise_user", await api.prefix("88.118.9", "Others"))
    for path in (ALIAS, "/api/v1/aliases/88.118.9/X"):
        refused = await other("PUT", path, TO_RECORD)
        assert (refused.status, refused.json["code"]) == (403, "not_yours")
    await owner("PUT", ALIAS, TO_RECORD)
    assert (await other("DELETE", ALIAS)).status == 403
    assert (await other("GET", ALIAS)).status == 200


async def test_codes_of_other_schemes_are_set_by_administrators(api: Api, owner: Client) -> None:
    refused = await owner("PUT", "/api/v1/aliases/09521234000006", TO_RECORD)
    assert (refused.status, refused.json["code"]) == (403, "foreign_code")
    made = await api.admin("PUT", "/api/v1/aliases/09521234000006", TO_RECORD)
    assert (made.status, made.json["alias"]) == (201, "09521234000006")
    assert (await owner("GET", "/api/v1/aliases/09521234000006")).json["identifier"] == "88.118.8/SN1"
    malformed = await api.admin("PUT", "/api/v1/aliases/09521234000007", TO_RECORD)
    assert (malformed.status, malformed.json["code"]) == (400, "bad_check_digit")


async def test_the_journal_and_a_snapshot_tell_of_aliases(api: Api, owner: Client) -> None:
    await owner("PUT", ALIAS, {**TO_RECORD, "kind": "former"})
    connection = await asyncpg.connect(api.dsn)
    try:
        changes = [change for change in await journal.read_changes(connection, START, 100) if change.kind == "alias"]
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            snapshot = await open_snapshot(connection)
            states = [state async for batch in snapshot.states() for state in batch]
    finally:
        await connection.close()
    (change,) = changes
    state = msgspec.json.decode(change.after, type=AliasState)
    assert (change.key, state.target, state.kind, state.state) == (
        "hdl:88.118.8/OLD1",
        "88.118.8/SN1",
        "former",
        "active",
    )
    assert [(one.key, one.after) for one in states if one.kind == "alias"] == [(change.key, change.after)]
    assert [one.key for one in states if one.kind == "identifier"] == ["hdl:88.118.8/SN1"]
