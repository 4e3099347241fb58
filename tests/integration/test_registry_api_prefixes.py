"""Prefixes over the API, and the enterprises they belong to."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.registry_api import Api, running_api

PREFIXES = "/api/v1/prefixes"
SITE = {
    "version": 1,
    "servers": [
        {
            "serverId": 1,
            "address": "192.0.2.17",
            "interfaces": [{"query": True, "admin": False, "protocol": "TCP", "port": 2641}],
        }
    ],
}


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path) as running:
        yield running


async def journal_rows(api: Api) -> list[tuple[str, str, str, Any]]:
    rows = await api.context.pool.fetch("SELECT kind, key, op, after FROM journal ORDER BY xid, seq")
    return [(row["kind"], row["key"], row["op"], json.loads(row["after"])) for row in rows]


async def test_a_prefix_is_created_with_its_enterprise_and_both_are_in_the_journal(api: Api) -> None:
    made = await api.admin("POST", PREFIXES, {"prefix": "88.118.8", "name": "Pumps"})
    assert (made.status, made.headers["Location"]) == (201, "/api/v1/prefixes/88.118.8")
    assert (await api.admin("GET", made.headers["Location"])).json == made.json
    assert (made.json["state"], made.json["hosting"], made.json["exact_case"]) == ("active", "here", False)
    enterprise, prefix = (await journal_rows(api))[-2:]
    assert enterprise[:3] == ("enterprise", made.json["enterprise"], "create")
    assert enterprise[3]["name"] == "Pumps"
    assert prefix == (
        "prefix",
        "88.118.8",
        "create",
        {
            "prefix": "88.118.8",
            "name": "Pumps",
            "state": "active",
            "hosting": "here",
            "enterprise": made.json["enterprise"],
            "exact_case": False,
            "sites": [],
            "hosting_state": "hosted",
            "reason": "",
        },
    )


async def test_prefixes_of_one_name_belong_to_one_enterprise_unless_another_is_given(api: Api) -> None:
    first, second = await api.prefix("88.118.8", "Pumps"), await api.prefix("88.118.9", "Pumps")
    other = await api.prefix("88.118.10", "Valves")
    assert first == second != other
    assert await api.prefix("88.118.11", "Anything", enterprise=other) == other


async def test_a_prefix_changes_state_hosting_name_and_sites(api: Api) -> None:
    await api.prefix()
    path = f"{PREFIXES}/88.118.8"
    assert (await api.admin("PATCH", path, {"state": "suspended", "name": "P"})).json["state"] == "suspended"
    routed = await api.admin("PATCH", path, {"state": "active", "hosting": "routed", "sites": [SITE]})
    assert (routed.json["hosting"], routed.json["sites"], routed.json["name"]) == ("routed", [SITE], "P")
    assert (await journal_rows(api))[-1][2:] == (
        "update",
        {
            "prefix": "88.118.8",
            "name": "P",
            "state": "active",
            "hosting": "routed",
            "enterprise": routed.json["enterprise"],
            "exact_case": False,
            "sites": [SITE],
            "hosting_state": "not_hosted",
            "reason": "",
        },
    )
    assert (await api.admin("PATCH", path, {"state": "withdrawn"})).status == 200
    assert (await journal_rows(api))[-1][2] == "withdraw"
    final = await api.admin("PATCH", path, {"state": "active"})
    assert (final.status, final.json["code"]) == (409, "prefix_withdrawn")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"prefix": "88.118.8"}, "name"),
        ({"prefix": "88.118.8", "name": ""}, "name"),
        ({"prefix": "88.118.8", "name": " "}, "name"),
        ({"prefix": "88.118.8", "name": "x "}, "name"),
        ({"prefix": "88.118.8", "name": "a\nb"}, "name"),
        ({"prefix": "88.1", "name": "x"}, "prefix"),
        ({"prefix": "20.500", "name": "x"}, "prefix"),
        ({"prefix": 88, "name": "x"}, "prefix"),
        ({"prefix": "88.118.8", "name": "x", "hosting": "there"}, "hosting"),
        ({"prefix": "88.118.8", "name": "x", "hosting": "routed"}, "sites"),
        ({"prefix": "88.118.8", "name": "x", "sites": [SITE] * 17}, "sites"),
        (
            {"prefix": "88.118.8", "name": "x", "sites": [SITE, {"servers": [{"serverId": 1, "address": "nowhere"}]}]},
            "sites[1].servers[0].address",
        ),
        ({"prefix": "88.118.8", "name": "x", "enterprise": "ent_none"}, "enterprise"),
        ({"prefix": "88.118.8", "name": "x", "exact_case": "yes"}, "exact_case"),
        ({"prefix": "88.118.8", "name": "x", "colour": "red"}, "colour"),
    ],
)
async def test_a_bad_prefix_names_the_field(api: Api, body: Any, field: str) -> None:
    refusal = await api.admin("POST", PREFIXES, body)
    assert (refusal.status, [fault["field"] for fault in refusal.json["errors"]]) == (422, [field]), refusal.json
    assert (await api.admin("GET", PREFIXES)).json["items"] == []


async def test_a_prefix_exists_once(api: Api) -> None:
    await api.prefix()
    again = await api.admin("POST", PREFIXES, {"prefix": "88.118.8", "name": "Others"})
    assert (again.status, again.json["code"]) == (409, "prefix_exists")


async def test_unknown_prefixes_are_not_found(api: Api) -> None:
    for method, body in (("GET", None), ("PATCH", {"state": "active"})):
        assert (await api.admin(method, f"{PREFIXES}/88.118.8", body)).json["code"] == "unknown_prefix"


async def test_lists_are_paged_and_show_an_enterprise_its_own(api: Api) -> None:
    mine = await api.prefix("88.118.8", "Pumps")
    await api.prefix("88.118.9", "Pumps")
    await api.prefix("88.118.10", "Valves")
    first = (await api.admin("GET", f"{PREFIXES}?limit=2")).json
    second = (await api.admin("GET", f"{PREFIXES}?limit=2&cursor={first['next']}")).json
    listed = [item["prefix"] for item in first["items"] + second["items"]]
    assert (listed, second["next"]) == (["88.118.10", "88.118.8", "88.118.9"], None)
    for client in (await api.holder("enterprise_administrator", mine), await api.holder("reader", mine)):
        shown = (await client("GET", PREFIXES)).json["items"]
        assert [item["prefix"] for item in shown] == ["88.118.8", "88.118.9"]
    assert (await (await api.holder("reader"))("GET", PREFIXES)).json["items"] == []
