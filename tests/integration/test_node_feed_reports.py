"""The reports' tables in the change feed: the rows that the national node is told, for whom they may be shown."""

import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from node.feed_reports import FeedReports
from sync import service
from sync.state_feed import StateFeed
from sync.tables.fields import check_row
from tests.registered_node import ITEMS, REPORTER, SCOPE, register, template, whole_node
from tests.registry_api import Api, Client, running_api
from tests.support import eventually
from tests.sync_reporting import given_context

TABLES = "T1,T2,T4,T6,T7,T9,T11"


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    await service.prepare(registry_database)
    async with running_api(registry_database, tmp_path, national_link=False, reports=FeedReports(REPORTER)) as running:
        yield running


async def changes(client: Client, after: str = "oldest") -> tuple[str, list[dict[str, Any]]]:
    path = f"/api/v1/changes?after={after}&tables={TABLES}&limit=5000"
    reply = await client("GET", path, headers={"Accept-Encoding": "identity"})
    assert reply.status == 200, reply.body
    head, *rows = reply.lines
    return head["next"], rows


async def snapshot(client: Client) -> list[dict[str, Any]]:
    asked = await client("POST", "/feed/v1/snapshots", {"tables": TABLES.split(",")})
    path = f"/feed/v1/snapshots/{asked.json['snapshot_id']}"

    async def ready() -> bool:
        return bool((await client("GET", path)).json["status"] == "ready")

    await eventually(ready)
    parts = (await client("GET", path)).json["parts"]
    texts = [gzip.decompress((await client("GET", part["path"])).body) for part in parts]
    return [json.loads(line) for text in texts for line in text.splitlines()]


def latest(rows: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """Apply rows as a reader does who drops what is not newer."""
    held: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        before = held.get((row["table"], row["key"]))
        if before is None or before["ver"] <= row["ver"]:
            held[row["table"], row["key"]] = row
    return held


async def test_changes_and_snapshots_tell_the_rows_of_the_reports(api: Api, registry_database: str) -> None:
    await whole_node(api)
    await template(api, "own", None)
    of_enterprise = await template(api, "pump")
    await register(api, f"{SCOPE}/A", "pump")
    cursor, rows = await changes(api.admin)
    held = latest(rows)
    assert sorted(table for table, _ in held) == sorted(TABLES.split(","))
    assert held["T9", f"{SCOPE}/A"]["data"]["metadata_id"] == of_enterprise["handle"]
    assert [problem for row in held.values() for problem in check_row(row["table"], row["data"])] == []
    taken = latest(await snapshot(api.admin))
    assert {key: row["data"] for key, row in taken.items()} == {key: row["data"] for key, row in held.items()}

    async with given_context(registry_database) as context:
        while (await StateFeed(context).step()).read:
            pass
    await api.admin("POST", f"/api/v1/prefixes/{SCOPE}:withdraw", {"reason": "moved"})
    await api.admin("DELETE", f"/api/v1/identifiers/{SCOPE}/A")
    _, ended = await changes(api.admin, cursor)
    gone = {(row["table"], row["op"]) for row in latest(rows + ended).values() if row["op"] == "delete"}
    assert ("T7", "delete") in gone


async def test_enterprises_see_their_own_scope_and_nobody_elses_personal_data(api: Api) -> None:
    enterprise = await whole_node(api)
    await template(api, "own", None)
    await register(api, f"{SCOPE}/A", "own")
    _, whole = await changes(api.admin)
    assert {"legal_rep_name", "contact_mobile", "org_id_images"} <= latest(whole)["T1", REPORTER]["data"].keys()
    member = await api.holder("enterprise_user", enterprise)
    for rows in ((await changes(member))[1], await snapshot(member)):
        assert {row["scope"] for row in rows} == {SCOPE}
        (t6,) = (row["data"] for row in latest(rows).values() if row["table"] == "T6")
        assert t6["org_name"]
        assert not [name for name in t6 if name.startswith(("legal_rep_", "contact_")) or name.endswith("_id_images")]
    mirror = await api.holder("reader")
    assert {row["table"] for row in (await changes(mirror))[1]} == {"T2", "T4", "T7", "T9"}


async def test_a_mirror_is_not_told_what_only_the_owner_may_read(api: Api) -> None:
    await whole_node(api)
    items = [*ITEMS, {"index": 2001, "name": "产品型号", "type": "kind", "length_max": 50, "grade": 2}]
    await template(api, "own", None, items=items, master_data={"product_name": "name", "product_type": "kind"})
    values = [
        {"index": 2000, "type": "name", "data": "泵"},
        {"index": 2001, "type": "kind", "data": "secret", "permissions": "1100"},
    ]
    reply = await api.admin("PUT", f"/api/v1/identifiers/{SCOPE}/A", {"values": values, "template": "own"})
    assert reply.status < 300, reply.body
    for holder, seen in ((api.admin, True), (await api.holder("reader"), False)):
        row = latest((await changes(holder))[1])["T9", f"{SCOPE}/A"]
        assert row["data"]["product_name"] == "泵"
        assert ("product_type" in row["data"]) is seen
