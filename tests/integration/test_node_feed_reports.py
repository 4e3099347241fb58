"""The reports' tables in the change feed: the rows that the national node is told, for whom they may be shown."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from node.feed_reports import FeedReports
from sync import service
from sync.state_feed import StateFeed
from sync.tables.fields import check_row
from tests.feed_reading import changes, latest, snapshot
from tests.registered_node import ITEMS, REPORTER, SCOPE, register, template, whole_node
from tests.registry_api import Api, running_api
from tests.sync_reporting import given_context

TABLES = ("T1", "T2", "T4", "T6", "T7", "T9", "T11")


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    await service.prepare(registry_database)
    async with running_api(registry_database, tmp_path, national_link=False, reports=FeedReports(REPORTER)) as running:
        yield running


async def test_changes_and_snapshots_tell_the_rows_of_the_reports(api: Api, registry_database: str) -> None:
    await whole_node(api)
    await template(api, "own", None)
    of_enterprise = await template(api, "pump")
    await register(api, f"{SCOPE}/A", "pump")
    cursor, rows = await changes(api.admin, TABLES)
    held = latest(rows)
    assert sorted(table for table, _ in held) == sorted(TABLES)
    assert held["T9", f"{SCOPE}/A"]["data"]["metadata_id"] == of_enterprise["handle"]
    assert [problem for row in held.values() for problem in check_row(row["table"], row["data"])] == []
    taken = latest(await snapshot(api.admin, TABLES))
    assert {key: row["data"] for key, row in taken.items()} == {key: row["data"] for key, row in held.items()}

    async with given_context(registry_database) as context:
        while (await StateFeed(context).step()).read:
            pass
    await api.admin("POST", f"/api/v1/prefixes/{SCOPE}:withdraw", {"reason": "moved"})
    await api.admin("DELETE", f"/api/v1/identifiers/{SCOPE}/A")
    _, ended = await changes(api.admin, TABLES, cursor)
    gone = {(row["table"], row["op"]) for row in latest(rows + ended).values() if row["op"] == "delete"}
    assert ("T7", "delete") in gone


async def test_enterprises_see_their_own_scope_and_nobody_elses_personal_data(api: Api) -> None:
    enterprise = await whole_node(api)
    await template(api, "own", None)
    await register(api, f"{SCOPE}/A", "own")
    _, whole = await changes(api.admin, TABLES)
    assert {"legal_rep_name", "contact_mobile", "org_id_images"} <= latest(whole)["T1", REPORTER]["data"].keys()
    member = await api.holder("enterprise_user", enterprise)
    for rows in ((await changes(member, TABLES))[1], await snapshot(member, TABLES)):
        assert {row["scope"] for row in rows} == {SCOPE}
        (t6,) = (row["data"] for row in latest(rows).values() if row["table"] == "T6")
        assert t6["org_name"]
        assert not [name for name in t6 if name.startswith(("legal_rep_", "contact_")) or name.endswith("_id_images")]
    mirror = await api.holder("reader")
    assert {row["table"] for row in (await changes(mirror, TABLES))[1]} == {"T2", "T4", "T7", "T9"}


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
        row = latest((await changes(holder, TABLES))[1])["T9", f"{SCOPE}/A"]
        assert row["data"]["product_name"] == "泵"
        assert ("product_type" in row["data"]) is seen
