"""Templates over the API, and registrations checked by them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.registry_api import Api, running_api

TEMPLATES = "/api/v1/templates"
ONE = "/api/v1/identifiers/88.118.8/SN1"
ITEMS = [
    {"index": 2001, "name": "Name", "type": "name", "required": True, "length_max": 10},
    {"index": 2000, "name": "GTIN", "type": "gtin14", "format": "gtin", "required": True},
    {"index": 2002, "name": "Made on", "type": "made", "format": "date"},
]
GOOD = [
    {"index": 2000, "type": "gtin14", "data": "09521234567882"},
    {"index": 2001, "type": "name", "data": "Pump"},
    {"index": 1, "type": "URL", "data": "https://example.com"},
]


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path) as running:
        await running.prefix()
        yield running


def template(code: str = "product-1", **rest: Any) -> dict[str, Any]:
    return {"code": code, "name": "Products", "items": ITEMS, **rest}


async def test_a_template_is_created_read_listed_and_withdrawn(api: Api) -> None:
    made = await api.admin("POST", TEMPLATES, template())
    assert (made.status, made.headers["Location"]) == (201, f"{TEMPLATES}/product-1")
    assert [item["index"] for item in made.json["items"]] == [2000, 2001, 2002]
    assert (await api.admin("GET", f"{TEMPLATES}/product-1")).json == made.json
    assert (await api.admin("GET", TEMPLATES)).json == {"items": [made.json], "next": None}
    assert (await api.admin("POST", TEMPLATES, template())).json["code"] == "template_exists"
    assert (await api.admin("DELETE", f"{TEMPLATES}/product-1")).json["state"] == "withdrawn"
    assert (await api.admin("DELETE", f"{TEMPLATES}/product-1")).status == 200
    ops = await api.context.pool.fetch("SELECT op, key FROM journal WHERE kind = 'template' ORDER BY xid, seq")
    assert [tuple(row.values()) for row in ops] == [("create", "product-1"), ("withdraw", "product-1")]


async def test_every_bad_item_is_reported_at_once(api: Api) -> None:
    items = [
        {"index": 1999, "name": "a", "type": "a"},
        {"index": 2000, "name": "b", "type": "b.", "format": "regex"},
        {"index": 2000, "name": "c", "type": "c", "length_min": 5, "length_max": 4},
    ]
    refusal = await api.admin("POST", TEMPLATES, template(items=items))
    assert refusal.status == 422
    assert {fault["field"] for fault in refusal.json["errors"]} == {
        "items[0].index",
        "items[1].format",
        "items[1].type",
        "items[2].length_max",
        "items[2].index",
    }


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"items": []}, "items"),
        ({"code": "has blanks"}, "code"),
        ({"enterprise": "ent_none"}, "enterprise"),
        ({"items": [{"index": 2000, "name": "a"}]}, "items[0].type"),
    ],
)
async def test_a_bad_template_names_the_field(api: Api, change: Any, field: str) -> None:
    refusal = await api.admin("POST", TEMPLATES, template(**change))
    assert (refusal.status, refusal.json["errors"][0]["field"]) == (422, field)


async def test_a_registration_with_a_template_is_checked_and_lists_every_violation(api: Api) -> None:
    await api.admin("POST", TEMPLATES, template())
    bad = [
        {"index": 2000, "type": "gtin", "data": "09521234567881"},
        {"index": 2002, "type": "made", "data": "22.11.2025"},
        {"index": 2007, "type": "other", "data": "x"},
    ]
    refusal = await api.admin("PUT", ONE, {"values": bad, "template": "product-1"})
    assert (refusal.status, refusal.json["code"]) == (422, "template_violated")
    assert [fault["field"] for fault in refusal.json["errors"]] == [
        "values[0].type",
        "values[0].data",
        "values[1].data",
        "values[2].index",
        "values",
    ]
    assert (await api.admin("GET", ONE)).status == 404
    assert (await api.admin("PUT", ONE, {"values": GOOD, "template": "product-1"})).json["version"] == 1
    assert (await api.admin("GET", ONE)).json["template"] == "product-1"


async def test_a_record_keeps_following_its_template_when_patched(api: Api) -> None:
    await api.admin("POST", TEMPLATES, template())
    await api.admin("PUT", ONE, {"values": GOOD, "template": "product-1"})
    await api.admin("DELETE", f"{TEMPLATES}/product-1")
    assert (await api.admin("PATCH", ONE, {"remove": [2001]})).json["code"] == "template_violated"
    long = {"index": 2001, "type": "name", "data": "much too long"}
    assert (await api.admin("PATCH", ONE, {"values": [long]})).json["errors"][0]["field"].endswith(".data")
    assert (await api.admin("PATCH", ONE, {"values": [{**long, "data": "Valve"}]})).status == 202


async def test_templates_that_cannot_be_used_are_refused(api: Api) -> None:
    await api.admin("POST", TEMPLATES, template())
    await api.admin("DELETE", f"{TEMPLATES}/product-1")
    for code, problem in (("product-1", "template_withdrawn"), ("product-9", "unknown_template")):
        refusal = await api.admin("PUT", ONE, {"values": GOOD, "template": code})
        assert (refusal.status, refusal.json["code"]) == (422, problem)


async def test_enterprises_see_and_use_their_own_templates_and_the_node_s(api: Api) -> None:
    mine = (await api.admin("GET", "/api/v1/prefixes/88.118.8")).json["enterprise"]
    other = await api.prefix("88.118.9", "Valves")
    client = await api.holder("enterprise_administrator", mine)
    await api.admin("POST", TEMPLATES, template("node"))
    await api.admin("POST", TEMPLATES, template("theirs", enterprise=other))
    made = await client("POST", TEMPLATES, template("mine"))
    assert (made.status, made.json["enterprise"]) == (201, mine)
    assert (await client("POST", TEMPLATES, template("stolen", enterprise=other))).status == 403
    assert [item["code"] for item in (await client("GET", TEMPLATES)).json["items"]] == ["mine", "node"]
    assert (await client("GET", f"{TEMPLATES}/theirs")).status == 403
    assert (await client("DELETE", f"{TEMPLATES}/node")).status == 403
    assert (await client("PUT", ONE, {"values": GOOD, "template": "theirs"})).status == 403
    assert (await client("PUT", ONE, {"values": GOOD, "template": "node"})).status == 202
