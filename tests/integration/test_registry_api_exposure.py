"""The report on what is exposed at which grade."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.registry_api import Api, running_api

EXPOSURE = "/api/v1/exposure"
TEMPLATES = "/api/v1/templates"
ITEMS = [
    {"index": 2000, "name": "名称", "type": "name"},
    {"index": 2001, "name": "单价", "type": "price", "grade": 2, "domain": "management"},
    {"index": 2002, "name": "配方", "type": "recipe", "grade": 3, "domain": "rnd"},
    {"index": 2003, "name": "旧配方", "type": "old", "grade": 3, "domain": "rnd", "state": "disabled"},
]


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path) as running:
        yield running


async def make(api: Api, code: str, **members: Any) -> None:
    body = {"code": code, "name": code, "items": ITEMS, "publish": True, **members}
    assert (await api.admin("POST", TEMPLATES, body)).status == 201


async def register(api: Api, *names: str, template: str) -> None:
    for name in names:
        body = {"values": [{"index": 2000, "type": "name", "data": "x"}], "template": template}
        assert (await api.admin("PUT", f"/api/v1/identifiers/{name}", body)).status == 202


async def grant(api: Api, template: str, subject: str, **members: Any) -> str:
    body = {
        "subject": {"kind": "enterprise", "id": subject},
        "object": {"kind": "template", "name": template},
        "right": "read",
        **members,
    }
    reply = await api.admin("POST", "/api/v1/grants", body)
    assert reply.status == 201, reply.json
    return str(reply.json["id"])


async def test_items_identifiers_and_grants_are_told_grade_by_grade(api: Api) -> None:
    mine, other = await api.prefix(), await api.prefix("88.118.9", "Valves")
    await make(api, "pump", prefix="88.118.8")
    await make(api, "draft", prefix="88.118.8", version="2", publish=False)
    await register(api, "88.118.8/A", "88.118.8/B", "88.118.8/C", template="pump")
    await api.admin("DELETE", "/api/v1/identifiers/88.118.8/C")
    some = await grant(api, "pump", other, indexes=[2002])
    everything = await grant(api, "pump", other, right="write")
    revoked = await grant(api, "pump", other, indexes=[2001])
    await api.admin("DELETE", f"/api/v1/grants/{revoked}")
    (report,) = (await api.admin("GET", EXPOSURE)).json["items"]
    assert (report["template"], report["enterprise"], report["identifiers"]) == ("pump", mine, 2)
    found = {
        grade["grade"]: (
            grade["read_by"],
            [(item["index"], item["domain"], item["state"]) for item in grade["items"]],
            {one["grant"] for one in grade["grants"]},
        )
        for grade in report["grades"]
    }
    assert found == {
        1: ("everyone", [(2000, "external", "enabled")], {everything}),
        2: ("owner and administrators", [(2001, "management", "enabled")], {everything}),
        3: ("nobody", [(2002, "rnd", "enabled"), (2003, "rnd", "disabled")], {some, everything}),
    }
    (told,) = [one for one in report["grades"][2]["grants"] if one["grant"] == some]
    assert (told["subject_kind"], told["subject"], told["right"], told["indexes"]) == (
        "enterprise",
        other,
        "read",
        [2002],
    )


async def test_an_enterprise_sees_its_own_templates_and_its_own_part_of_the_nodes(api: Api) -> None:
    mine, other = await api.prefix(), await api.prefix("88.118.9", "Valves")
    await make(api, "node")
    await make(api, "mine", prefix="88.118.8")
    await make(api, "theirs", prefix="88.118.9", shared=True)
    await register(api, "88.118.8/A", template="node")
    await register(api, "88.118.9/A", "88.118.9/B", template="node")
    given = await grant(api, "node", other, enterprise=mine)
    await grant(api, "node", mine, enterprise=other)
    client = await api.holder("enterprise_administrator", mine)
    reports = {report["template"]: report for report in (await client("GET", EXPOSURE)).json["items"]}
    assert {code: report["identifiers"] for code, report in reports.items()} == {"mine": 0, "node": 1}
    assert {one["grant"] for grade in reports["node"]["grades"] for one in grade["grants"]} == {given}
    everything = (await api.admin("GET", EXPOSURE)).json["items"]
    assert {report["template"]: report["identifiers"] for report in everything} == {"mine": 0, "node": 3, "theirs": 0}


async def test_the_report_comes_in_pages_to_those_who_answer_for_the_data(api: Api) -> None:
    mine = await api.prefix()
    for code in ("a", "b", "c"):
        await make(api, code)
    first = (await api.admin("GET", f"{EXPOSURE}?limit=2")).json
    second = (await api.admin("GET", f"{EXPOSURE}?limit=2&cursor={first['next']}")).json
    assert [one["template"] for one in first["items"] + second["items"]] == ["a", "b", "c"]
    for role, enterprise, status in (
        ("auditor", None, 200),
        ("enterprise_administrator", mine, 200),
        ("enterprise_user", mine, 403),
        ("reviewer", None, 403),
        ("reader", mine, 403),
    ):
        assert (await (await api.holder(role, enterprise))("GET", EXPOSURE)).status == status, role
    assert (await api.client(None)("GET", EXPOSURE)).status == 401
