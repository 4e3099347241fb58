"""Templates over the API, and registrations checked by them."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from registry.migrate import MIGRATIONS, read_migrations
from registry.tables import templates
from registry.tables.templates import Item
from tests.registry_api import Api, running_api

TEMPLATES = "/api/v1/templates"
ONE = "/api/v1/identifiers/88.118.8/SN1"
ITEMS = [
    {"index": 2001, "name": "Name", "type": "name", "required": True, "length_max": 10},
    {"index": 2000, "name": "GTIN", "type": "gtin14", "format": "gtin", "required": True},
    {"index": 2002, "name": "Made on", "type": "made", "format": "date"},
]
STATES = ("draft", "published", "withdrawn")
MADE = {"index": 2002, "type": "made", "data": "2025-11-22"}
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


def template(code: str | None = "product-1", **rest: Any) -> dict[str, Any]:
    return {"code": code, "name": "Products", "items": ITEMS, "publish": True, **rest}


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


async def test_a_template_is_a_draft_until_it_is_published_and_gone_for_good_once_withdrawn(api: Api) -> None:
    made = await api.admin("POST", TEMPLATES, template(publish=False))
    assert made.json["state"] == "draft"
    refusal = await api.admin("PUT", ONE, {"values": GOOD, "template": "product-1"})
    assert (refusal.status, refusal.json["code"]) == (422, "template_not_published")
    for _ in range(2):
        published = await api.admin("POST", f"{TEMPLATES}/product-1:publish")
        assert (published.status, published.json["state"]) == (200, "published")
    assert (await api.admin("PUT", ONE, {"values": GOOD, "template": "product-1"})).status == 202
    await api.admin("DELETE", f"{TEMPLATES}/product-1")
    for method, path, body in (
        ("POST", f"{TEMPLATES}/product-1:publish", None),
        ("PATCH", f"{TEMPLATES}/product-1", {"name": "x"}),
    ):
        refusal = await api.admin(method, path, body)
        assert (refusal.status, refusal.json["code"]) == (409, "template_withdrawn")
    ops = await api.context.pool.fetch("SELECT op FROM journal WHERE kind = 'template' ORDER BY xid, seq")
    assert [row["op"] for row in ops] == ["create", "update", "withdraw"]


async def test_every_member_of_a_template_is_kept(api: Api) -> None:
    items = [
        {"index": 2000, "name": "编号", "type": "no", "unique": True, "searchable": True, "domain": "production"},
        {
            "name": "重量",
            "type": "weight",
            "data_type": "number",
            "number_min": "0.5",
            "number_max": "99999999999999999999999999999999999.5",
            "digits": 38,
            "decimals": 3,
            "grade": 3,
            "domain": "rnd",
        },
        {"name": "日期", "type": "made", "data_type": "date", "date_format": "YYYYMMDD", "required": True},
        {"name": "部件", "type": "part", "data_type": "reference", "reference_template": "product-1"},
        {"name": "图", "type": "pic", "data_type": "image", "files_max": 3, "file_suffixes": ["png"], "grade": 2},
        {"name": "旧", "type": "old", "state": "disabled", "length_min": 1, "length_max": 2, "format": "url"},
    ]
    industry = {"category": "C", "specific": "34", "trade": "344", "subclass": "3441"}
    about = {
        "name": "泵",
        "name_en": "Pump",
        "prefix": "88.118.8",
        "version": "A10 轴向",
        "industry": industry,
        "object_type": 2,
        "description": "轴向柱塞泵",
        "standard": "JB/T 7043",
        "shared": True,
    }
    made = await api.admin(
        "POST", TEMPLATES, {**about, "code": "product-1", "items": items, "master_data": {"product_name": "编号"}}
    )
    assert made.status == 201, made.json
    assert {name: made.json[name] for name in about} == about
    assert made.json["master_data"] == {"product_name": "no"}
    assert made.json["enterprise"] == (await api.admin("GET", "/api/v1/prefixes/88.118.8")).json["enterprise"]
    assert made.json["handle"].startswith("88.118.8/TPL-")
    assert len(made.json["handle"]) == len("88.118.8/TPL-") + 26
    assert [item["index"] for item in made.json["items"]] == list(range(2000, 2006))
    for sent, kept in zip(items, made.json["items"], strict=True):
        assert {name: kept[name] for name in sent} == sent
    assert (await api.admin("GET", f"{TEMPLATES}/product-1")).json == made.json
    after = json.loads(await api.context.pool.fetchval("SELECT after FROM journal WHERE kind = 'template'"))
    assert after["handle"] == made.json["handle"]
    assert after["items"][1]["number_max"] == items[1]["number_max"]
    assert set(after["items"][0]) == set(made.json["items"][0])
    assert after["master_data"] == {"product_name": "no"}


async def test_a_version_is_unique_below_its_prefix_until_it_is_withdrawn(api: Api) -> None:
    await api.prefix("88.118.9", "Valves")
    first = (await api.admin("POST", TEMPLATES, template(None, prefix="88.118.8", version="A10"))).json
    assert first["code"].startswith("TPL-")
    again = await api.admin("POST", TEMPLATES, template("b", prefix="88.118.8", version="A10"))
    assert (again.status, again.json["code"]) == (409, "template_version_exists")
    assert (await api.admin("POST", TEMPLATES, template("c", prefix="88.118.9", version="A10"))).status == 201
    assert (await api.admin("GET", f"{TEMPLATES}?prefix=88.118.8")).json["items"] == [first]
    await api.admin("DELETE", f"{TEMPLATES}/{first['code']}")
    assert (await api.admin("POST", TEMPLATES, template("b", prefix="88.118.8", version="A10"))).status == 201
    states = {state: (await api.admin("GET", f"{TEMPLATES}?state={state}")).json["items"] for state in STATES}
    assert {state: len(items) for state, items in states.items()} == {"draft": 0, "published": 2, "withdrawn": 1}
    assert (await api.admin("GET", f"{TEMPLATES}?state=new")).json["code"] == "bad_state"


async def test_of_two_templates_of_one_version_made_at_once_one_wins(api: Api) -> None:
    bodies = [template(f"t{at}", prefix="88.118.8", version="A10") for at in range(4)]
    replies = await asyncio.gather(*(api.admin("POST", TEMPLATES, body) for body in bodies))
    assert sorted(reply.status for reply in replies) == [201, 409, 409, 409]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"prefix": "88.118.7"}, 422, "unknown_prefix"),
        ({"prefix": "88.118.8", "enterprise": "ent_other"}, 422, "bad_prefix"),
        ({"version": " "}, 422, "bad_version"),
        ({"industry": {"category": "C", "specific": "35", "trade": "344", "subclass": "3441"}}, 422, "bad_template"),
        ({"industry": {"category": "C", "specific": "34", "trade": "34", "subclass": "3441"}}, 422, "bad_template"),
        ({"master_data": {"product_name": "absent"}}, 422, "bad_template"),
        ({"object_type": 3}, 422, "bad_fields"),
        ({"object_type": 1}, 422, "master_data_unmapped"),
        (
            {"items": [{"name": "n", "type": "t", "data_type": "reference", "reference_template": "no"}]},
            422,
            "bad_items",
        ),
        ({"items": [{"name": "n", "type": "t", "data_type": "number", "number_min": "1e3"}]}, 422, "bad_items"),
        ({"description": "x" * 1025}, 422, "bad_fields"),
    ],
)
async def test_a_template_that_breaks_a_rule_is_refused(api: Api, change: Any, status: int, code: str) -> None:
    refusal = await api.admin("POST", TEMPLATES, template(**change))
    assert (refusal.status, refusal.json["code"]) == (status, code)
    assert (await api.admin("GET", TEMPLATES)).json["items"] == []


async def test_an_active_identifier_carrier_is_published_once_its_columns_are_filled(api: Api) -> None:
    await api.admin("POST", TEMPLATES, template(object_type=1, publish=False))
    refusal = await api.admin("POST", f"{TEMPLATES}/product-1:publish")
    assert (refusal.status, refusal.json["code"], len(refusal.json["errors"])) == (422, "master_data_unmapped", 4)
    columns = ("terminal_type", "owner", "purpose", "serial_or_imei")
    mapped = {"master_data": dict.fromkeys(columns, "Name")}
    assert (await api.admin("PATCH", f"{TEMPLATES}/product-1", mapped)).status == 200
    assert (await api.admin("POST", f"{TEMPLATES}/product-1:publish")).json["state"] == "published"
    undone = await api.admin("PATCH", f"{TEMPLATES}/product-1", {"master_data": {}})
    assert undone.json["code"] == "master_data_unmapped"


async def test_a_published_template_is_changed_item_by_item(api: Api) -> None:
    await api.admin("POST", TEMPLATES, template())
    await api.admin("PUT", ONE, {"values": [*GOOD, MADE], "template": "product-1"})
    changes = [{"index": 2002, "state": "disabled"}, {"name": "品牌", "type": "brand", "required": True}]
    changed = await api.admin("PATCH", f"{TEMPLATES}/product-1", {"name": "Goods", "items": changes})
    assert (changed.status, changed.json["name"]) == (200, "Goods")
    assert [(item["index"], item["state"]) for item in changed.json["items"]] == [
        (2000, "enabled"),
        (2001, "enabled"),
        (2002, "disabled"),
        (2003, "enabled"),
    ]
    refusal = await api.admin("PUT", ONE, {"values": [*GOOD, {**MADE, "data": "2025-11-23"}], "template": "product-1"})
    assert [fault["field"] for fault in refusal.json["errors"]] == ["values[3].index", "values"]
    brand = {"index": 2003, "type": "brand", "data": "Example"}
    kept = await api.admin("PUT", ONE, {"values": [*GOOD, MADE, brand], "template": "product-1"})
    assert kept.json["version"] == 2, "the stored value of a disabled item may be repeated"
    for change in ({"remove": [2003]}, {"items": [{"index": 2001, "type": "other"}]}):
        assert (await api.admin("PATCH", f"{TEMPLATES}/product-1", change)).json["code"] == "bad_items"
    same = await api.admin("PATCH", f"{TEMPLATES}/product-1", {"name": "Goods"})
    assert same.json == changed.json, "no change, not even of the instant"


async def test_what_others_have_and_what_is_not_there_is_told_with_the_rest_as_it_was_sent(api: Api) -> None:
    items = [
        {"index": 2000, "name": "serial", "type": "serial", "unique": True},
        {"index": 2001, "name": "part", "type": "part", "data_type": "reference"},
        {"index": 2002, "name": "Made on", "type": "made", "data_type": "date"},
        {"index": 2003, "name": "secret", "type": "secret", "grade": 3},
    ]
    await api.admin("POST", TEMPLATES, template(items=items))
    serial = {"index": 2000, "type": "serial", "data": "S1"}
    hidden = {"index": 2003, "type": "secret", "data": "x"}
    await api.admin("PUT", ONE, {"values": [serial, hidden], "template": "product-1"})
    part = {"index": 2001, "type": "part", "data": "88.118.8/NONE"}
    bad = {**MADE, "data": "22 November"}

    async def fields(method: str, name: str, *values: dict[str, Any], **rest: Any) -> tuple[str, list[str]]:
        reply = await api.admin(method, f"/api/v1/identifiers/88.118.8/{name}", {"values": values, **rest})
        assert reply.status in (409, 422), reply.body
        return reply.json["code"], [fault["field"] for fault in reply.json["errors"]]

    follows = {"template": "product-1"}
    assert await fields("PUT", "SN2", bad, part, serial, **follows) == (
        "template_violated",
        ["values[0].data", "values[1].data", "values[2].data"],
    )
    assert await fields("PUT", "SN2", part, serial, **follows) == (
        "bad_reference",
        ["values[0].data", "values[1].data"],
    )
    assert await fields("PUT", "SN2", {"index": 1, "type": "URL", "data": ""}, serial, **follows) == (
        "unique_value_taken",
        ["values[1].data"],
    )
    await api.admin("PUT", "/api/v1/identifiers/88.118.8/SN2", {"values": [], **follows})
    assert await fields("PUT", "SN2", part, serial, bad, **follows) == (
        "template_violated",
        ["values[2].data", "values[0].data", "values[1].data"],
    )
    assert await fields("PATCH", "SN1", part) == ("bad_reference", ["values[0].data"])
    await api.admin(
        "PATCH", f"{TEMPLATES}/product-1", {"items": [{"name": "brand", "type": "brand", "required": True}]}
    )
    await api.admin("PATCH", f"{TEMPLATES}/product-1", {"items": [{"index": 2000, "length_max": 1}]})
    assert await fields("PATCH", "SN1", bad) == ("template_violated", ["values", "values[0].data", "values"])


async def test_a_shared_template_of_others_is_read_and_copied_once_it_is_published(api: Api) -> None:
    mine = (await api.admin("GET", "/api/v1/prefixes/88.118.8")).json["enterprise"]
    other = await api.prefix("88.118.9", "Valves")
    client = await api.holder("enterprise_administrator", mine)
    old = {"name": "Old", "type": "old", "state": "disabled"}
    theirs = template("theirs", enterprise=other, shared=True, publish=False, items=[*ITEMS, old])
    await api.admin("POST", TEMPLATES, theirs | {"master_data": {"product_name": "Name"}})
    copying = {"code": "mine", "prefix": "88.118.8", "version": "1"}
    for method, path, body in (("GET", "", None), ("POST", ":copy", copying)):
        assert (await client(method, f"{TEMPLATES}/theirs{path}", body)).status == 403
    await api.admin("POST", f"{TEMPLATES}/theirs:publish")
    assert [one["code"] for one in (await client("GET", TEMPLATES)).json["items"]] == ["theirs"]
    assert (await client("PUT", ONE, {"values": GOOD, "template": "theirs"})).status == 403, "not to be used"
    made = await client("POST", f"{TEMPLATES}/theirs:copy", copying)
    assert made.status == 201, made.json
    assert (made.json["state"], made.json["shared"], made.json["copied_from"]) == ("draft", False, "theirs")
    assert made.json["master_data"] == {"product_name": "name"}
    assert [item["index"] for item in made.json["items"]] == [2000, 2001, 2002], "without the disabled one"
    assert (await client("POST", f"{TEMPLATES}/mine:publish")).status == 200
    assert (await client("PUT", ONE, {"values": GOOD, "template": "mine"})).status == 202
    for method, path, body in (
        ("PATCH", "", {"name": "x"}),
        ("POST", ":publish", None),
        ("DELETE", "", None),
        ("POST", "/items/2000:regrade", {"grade": 2}),
    ):
        assert (await client(method, f"{TEMPLATES}/theirs{path}", body)).status == 403


async def test_an_item_is_given_another_grade_by_a_job(api: Api) -> None:
    await api.admin("POST", TEMPLATES, template())
    await api.admin("POST", TEMPLATES, template("draft-1", publish=False))
    path = "/items/2001:regrade"
    drafted = await api.admin("POST", f"{TEMPLATES}/draft-1{path}", {"grade": 3})
    assert (drafted.json["template"]["items"][1]["grade"], drafted.json["job"]) == (3, None)
    published = await api.admin("POST", f"{TEMPLATES}/product-1{path}", {"grade": 3})
    assert (published.json["template"]["items"][1]["grade"], published.status) == (3, 200)
    job = await api.context.pool.fetchrow("SELECT id, kind, options FROM jobs")
    assert (published.json["job"], job["kind"]) == (job["id"], "regrade")
    assert json.loads(job["options"]) == {"template": "product-1", "index": 2001, "before": 1, "after": 3}
    assert (await api.admin("POST", f"{TEMPLATES}/product-1{path}", {"grade": 3})).json["job"] is None
    for index, body, status in (
        ("2009", {"grade": 3}, 404),
        ("x", {"grade": 3}, 400),
        ("2001", {"grade": 4}, 422),
    ):
        assert (await api.admin("POST", f"{TEMPLATES}/product-1/items/{index}:regrade", body)).status == status


async def test_templates_of_the_release_before_are_published_ones_of_one_version(database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        for migration in read_migrations(MIGRATIONS):
            if migration.version == 14:
                await connection.execute(
                    "INSERT INTO templates (code, name, state, created_at, updated_at) "
                    "VALUES ('old', 'Old', 'active', now(), now()), ('gone', 'Gone', 'withdrawn', now(), now())"
                )
                await connection.execute(
                    "INSERT INTO template_items (template_id, index, name, type, format, required) "
                    "SELECT id, 2000, 'n', 't', 'gtin', true FROM templates"
                )
            await connection.execute(migration.sql)
        old = await templates.by_code(connection, "old")
        assert old is not None
        assert (old.state, old.version, old.prefix, old.object_type) == ("published", "old", None, 2)
        assert old.items == (Item(2000, "n", "t", "gtin", required=True),)
        gone = await templates.by_code(connection, "gone")
        assert gone is not None
        assert gone.state == "withdrawn"
    finally:
        await connection.close()


async def test_a_grade_narrows_what_is_written_on_every_way(api: Api) -> None:
    items = [{**item, "grade": 1 + at} for at, item in enumerate(ITEMS)]
    await api.admin("POST", TEMPLATES, template(items=items))
    sent = [{**value, "permissions": "1111"} for value in [*GOOD, MADE]]
    assert (await api.admin("PUT", ONE, {"values": sent, "template": "product-1"})).status == 202
    row = {"identifier": "88.118.8/SN2", "values": sent}
    assert (await api.admin.batch([row], "?template=product-1"))[0]["status"] == "created"
    for values in await api.context.pool.fetch("SELECT values FROM identifiers"):
        kept = {value["index"]: value.get("permissions") for value in json.loads(values["values"])}
        assert kept == {1: "1111", 2000: "1100", 2001: "1111", 2002: "0100"}


async def test_the_templates_of_a_prefix_pass_on_with_it(api: Api) -> None:
    taker = await api.prefix("88.118.9", "Valves")
    await api.admin("POST", TEMPLATES, template(prefix="88.118.8"))
    await api.admin("POST", TEMPLATES, template("other", prefix="88.118.9"))
    passed = await api.admin("POST", "/api/v1/prefixes/88.118.8:transfer", {"enterprise": taker})
    assert passed.status == 200, passed.json
    client = await api.holder("enterprise_administrator", taker)
    assert (await client("PATCH", f"{TEMPLATES}/product-1", {"name": "Ours"})).json["enterprise"] == taker
    rows = await api.context.pool.fetch("SELECT after FROM journal WHERE key = 'product-1' ORDER BY xid, seq")
    assert [json.loads(row["after"])["enterprise"] == taker for row in rows] == [False, True, True]


@pytest.mark.parametrize("member", ["name", "name_en", "description", "version", "code", "prefix", "enterprise"])
async def test_text_that_is_none_is_refused(api: Api, member: str) -> None:
    for text in ("\x00", "\ud800"):
        body = json.dumps(template(**{member: text})).encode()
        refusal = await api.admin("POST", TEMPLATES, data=body, headers={"Content-Type": "application/json"})
        assert refusal.status in (400, 422), refusal.body
