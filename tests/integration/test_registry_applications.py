"""Applications that use identifiers: of the node, and of enterprises through their prefixes."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.registry_api import Api, running_api

APPLICATIONS = "/api/v1/applications"
DESCRIBED = {
    "app_name": "Pump passport",
    "app_type": 2,
    "app_intro": "Shows what was done to a pump.",
    "app_users": 1200,
    "recursive_service": "192.0.2.53 port 2641",
    "app_developer": "Example Pumps",
}
OF_PUMPS = DESCRIBED | {"enterprise_prefix": "88.118.8"}


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path) as running:
        yield running


async def test_an_application_is_added_changed_and_ended_and_each_is_in_the_journal(api: Api) -> None:
    owner = await api.prefix()
    client = await api.holder("enterprise_administrator", owner)
    made = await client("POST", APPLICATIONS, OF_PUMPS)
    assert made.status == 201, made.body
    assert made.json == OF_PUMPS | {
        "id": made.json["id"],
        "enterprise": owner,
        "created_at": made.json["created_at"],
        "updated_at": made.json["created_at"],
        "ended_at": None,
    }
    path = made.headers["Location"]
    assert (await client("GET", path)).json == made.json
    changed = await client("PUT", path, OF_PUMPS | {"app_users": 1300})
    assert (changed.status, changed.json["app_users"]) == (200, 1300)
    ended = await client("DELETE", path)
    assert (ended.status, ended.json["ended_at"]) == (200, ended.json["updated_at"])
    for method, body in (("PUT", OF_PUMPS), ("DELETE", None)):
        assert (await client(method, path, body)).json["code"] == "application_ended"
    rows = await api.context.pool.fetch(
        "SELECT op, after FROM journal WHERE kind = 'application' AND key = $1 ORDER BY xid, seq", made.json["id"]
    )
    assert [row["op"] for row in rows] == ["create", "update", "withdraw"]
    last = json.loads(rows[-1]["after"])
    assert (last["app_id"], last["enterprise_prefix"], last["ended_at"]) == (
        made.json["id"],
        "88.118.8",
        ended.json["ended_at"],
    )


async def test_without_a_prefix_an_application_is_the_nodes_own(api: Api) -> None:
    owner = await api.prefix()
    made = await api.admin("POST", APPLICATIONS, DESCRIBED)
    assert (made.status, made.json["enterprise"], made.json["enterprise_prefix"]) == (201, None, None)
    client = await api.holder("enterprise_administrator", owner)
    assert (await client("POST", APPLICATIONS, DESCRIBED)).status == 403
    assert (await client("GET", made.headers["Location"])).status == 403
    turned = await api.admin("PUT", made.headers["Location"], OF_PUMPS)
    assert (turned.status, turned.json["code"]) == (422, "other_owner")


async def test_enterprises_see_and_change_their_own_applications_only(api: Api) -> None:
    mine, other = await api.prefix(), await api.prefix("88.118.9", "Valves")
    made = await api.admin("POST", APPLICATIONS, OF_PUMPS)
    await api.admin("POST", APPLICATIONS, DESCRIBED | {"enterprise_prefix": "88.118.9"})
    path = made.headers["Location"]
    owner = await api.holder("enterprise_administrator", mine)
    user = await api.holder("enterprise_user", mine)
    stranger = await api.holder("enterprise_administrator", other)
    for client, seen in ((owner, 1), (user, 1), (stranger, 1), (api.admin, 2), (await api.holder("auditor"), 2)):
        assert len((await client("GET", APPLICATIONS)).json["items"]) == seen
    assert [(await client("GET", path)).status for client in (owner, user, stranger)] == [200, 200, 403]
    for method, where, body in (("POST", APPLICATIONS, OF_PUMPS), ("PUT", path, OF_PUMPS), ("DELETE", path, None)):
        assert [(await client(method, where, body)).status for client in (user, stranger)] == [403, 403]
    assert (await owner("PUT", path, DESCRIBED | {"enterprise_prefix": "88.118.9"})).status == 403


async def test_applications_go_with_a_prefix_that_is_transferred(api: Api) -> None:
    await api.prefix()
    taker = await api.prefix("88.118.9", "Valves")
    made = await api.admin("POST", APPLICATIONS, OF_PUMPS)
    await api.admin("POST", "/api/v1/prefixes/88.118.8:transfer", {"enterprise": taker})
    assert (await api.admin("GET", made.headers["Location"])).json["enterprise"] == taker


async def test_applications_are_listed_page_by_page(api: Api) -> None:
    made = {(await api.admin("POST", APPLICATIONS, DESCRIBED)).json["id"] for _ in range(3)}
    first = (await api.admin("GET", f"{APPLICATIONS}?limit=2")).json
    second = (await api.admin("GET", f"{APPLICATIONS}?limit=2&cursor={first['next']}")).json
    assert {item["id"] for item in first["items"] + second["items"]} == made
    assert second["next"] is None


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"app_name": ""}, "app_name"),
        ({"app_type": 6}, "app_type"),
        ({"app_intro": "x" * 1025}, "app_intro"),
        ({"app_intro": "a\nb"}, "app_intro"),
        ({"app_users": -1}, "app_users"),
        ({"app_users": 2**63}, "app_users"),
        ({"recursive_service": "x" * 256}, "recursive_service"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_a_bad_application_names_the_field(api: Api, changed: Any, field: str) -> None:
    refused = await api.admin("POST", APPLICATIONS, DESCRIBED | changed)
    assert (refused.status, [fault["field"] for fault in refused.json["errors"]]) == (422, [field]), refused.json


async def test_an_application_needs_a_prefix_in_force(api: Api) -> None:
    assert (await api.admin("POST", APPLICATIONS, OF_PUMPS)).json["code"] == "unknown_prefix"
    await api.prefix()
    await api.context.pool.execute("UPDATE prefixes SET state = 'applied'")
    refused = await api.admin("POST", APPLICATIONS, OF_PUMPS)
    assert (refused.status, refused.json["code"]) == (422, "prefix_not_in_force")
    assert (await api.admin("GET", f"{APPLICATIONS}/app_none")).json["code"] == "unknown_application"


async def test_active_applications_are_bounded(api: Api) -> None:
    await api.context.pool.execute(
        "INSERT INTO applications (id, app_name, app_type, app_intro, app_users, recursive_service, app_developer, "
        "created_at, updated_at) SELECT 'app_' || n, 'x', 1, 'x', 0, 'x', 'x', now(), now() "
        "FROM generate_series(1, 1000) AS n"
    )
    refused = await api.admin("POST", APPLICATIONS, DESCRIBED)
    assert (refused.status, refused.json["code"]) == (409, "too_many_applications")
    await api.admin("DELETE", f"{APPLICATIONS}/app_1")
    assert (await api.admin("POST", APPLICATIONS, DESCRIBED)).status == 201
