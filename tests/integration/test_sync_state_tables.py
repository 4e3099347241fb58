"""T1, T2, T4, T6, T7 and T11 from what is registered: what is told of each change, once, and what is not sent."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from msgspec import UnsetType

from sync import service
from sync.body import decompress, rows_of
from sync.context import Context
from sync.state_feed import StateFeed
from sync.tables.fields import check_row
from tests.registered_node import (
    ADDRESS,
    INDUSTRY,
    REPORTER,
    SCOPE,
    enterprise,
    put_addresses,
    put_operator,
    template,
    whole_node,
)
from tests.registry_api import Api, running_api
from tests.sync_reporting import given_context


class Told(NamedTuple):
    """A queued row."""

    table: str
    scope: str
    key: str
    op: str
    ver: int
    data: dict[str, Any]


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    await service.prepare(registry_database)
    async with running_api(registry_database, tmp_path, national_link=False) as running:
        yield running


@pytest.fixture
async def context(registry_database: str, api: Api) -> AsyncIterator[Context]:
    async with given_context(registry_database) as given:
        yield given


async def follow(context: Context) -> list[Told]:
    """Let the feed catch up, and return what it queued, which is then out of the way."""
    feed = StateFeed(context)
    while (await feed.step()).read:
        pass
    await feed.resend()
    rows = await context.pool.fetch(
        "SELECT s.table_id, s.scope, b.row_lines FROM report_batches b JOIN report_streams s USING (stream_id) "
        "WHERE b.row_lines IS NOT NULL ORDER BY s.table_id, s.scope, b.first_row"
    )
    await context.pool.execute("UPDATE report_batches SET row_lines = NULL")
    told = []
    for table, scope, lines in rows:
        for row in rows_of(decompress(lines)):
            data = {} if isinstance(row.data, UnsetType) else msgspec.json.decode(row.data)
            told.append(Told(table, scope, row.key, row.op, row.ver, data))
    return told


async def withheld(context: Context) -> dict[str, tuple[str, str]]:
    rows = await context.pool.fetch("SELECT key, code, field FROM report_rejections")
    return {row["key"]: (row["code"], row["field"]) for row in rows}


async def test_a_node_entered_completely_is_told_completely_and_once(api: Api, context: Context) -> None:
    enterprise_id = await whole_node(api)
    await template(api, "own", None)
    of_enterprise = await template(api, "pump")
    told = await follow(context)
    assert [(one.table, one.scope, one.op, one.ver) for one in told] == [
        ("T1", REPORTER, "upsert", 1),
        ("T11", SCOPE, "upsert", 1),
        ("T2", REPORTER, "upsert", 1),
        ("T4", REPORTER, "upsert", 1),
        ("T6", SCOPE, "upsert", 1),
        ("T7", SCOPE, "upsert", 1),
    ]
    assert {one.table: check_row(one.table, one.data) for one in told} == {one.table: [] for one in told}
    by_table = {one.table: one for one in told}
    assert by_table["T1"].data["org_id_images"][0].keys() == {"sha256", "media_type", "bytes", "name"}
    assert by_table["T2"].key == "Handle|88.118|IPv4|192.0.2.17"
    assert by_table["T4"].key == "88.118/TPL-own"
    assert by_table["T6"].key == enterprise_id
    assert by_table["T6"].data["enterprise_prefixes"] == [{"prefix": SCOPE, "state": 1}]
    assert by_table["T6"].data["x_verification"] == {"status": "pending", "verifier": "node"}
    assert by_table["T6"].data["site_registration_data"] == by_table["T1"].data["site_registration_data"]
    assert by_table["T7"].data["x_hosted"] is True
    assert by_table["T7"].data["endpoints"] == by_table["T2"].data["endpoints"]
    assert by_table["T11"].key == of_enterprise["handle"]
    assert by_table["T11"].data["elements"][0]["name"] == "name"
    assert await follow(context) == []


async def test_a_change_is_told_with_the_next_version_and_an_end_as_a_deletion(api: Api, context: Context) -> None:
    await whole_node(api)
    await follow(context)
    other = {**ADDRESS, "ip_address": "2001:db8::17"}
    await put_addresses(api, other)
    assert [(one.table, one.key, one.op, one.ver) for one in await follow(context)] == [
        ("T2", "Handle|88.118|IPv6|2001:db8::17", "upsert", 1),
        ("T2", "Handle|88.118|IPv4|192.0.2.17", "delete", 2),
        ("T7", "Handle|88.118.1|IPv6|2001:db8::17", "upsert", 1),
        ("T7", "Handle|88.118.1|IPv4|192.0.2.17", "delete", 2),
    ]
    await put_addresses(api, ADDRESS)
    again = {(one.table, one.op): one.ver for one in await follow(context)}
    assert again == {("T2", "upsert"): 3, ("T2", "delete"): 2, ("T7", "upsert"): 3, ("T7", "delete"): 2}


async def test_an_enterprise_is_told_once_the_administrator_approved_it(registry_database: str, tmp_path: Path) -> None:
    await service.prepare(registry_database)
    async with (
        running_api(registry_database, tmp_path, national_link=True) as api,
        given_context(registry_database) as it,
    ):
        await put_operator(api)
        waiting = await enterprise(api, approved=False)
        assert [one.table for one in await follow(it)] == ["T1"]
        await api.admin("POST", f"/api/v1/enterprises/{waiting}:approve")
        (row,) = await follow(it)
        assert (row.table, row.data["enterprise_prefixes"]) == ("T6", [{"prefix": SCOPE, "state": 5}])


async def test_a_verification_and_the_end_of_one_are_told(api: Api, context: Context) -> None:
    enterprise_id = await whole_node(api)
    await follow(context)
    body = {"status": "verified", "method": "portal", "expires_on": "2025-01-01"}
    reply = await api.admin("POST", f"/api/v1/enterprises/{enterprise_id}:verify", body)
    assert reply.status == 200, reply.body
    (row,) = await follow(context)
    assert row.data["x_verification"]["status"] == "expired"
    assert row.ver == 2


async def test_what_is_not_fit_is_an_open_item_until_it_is_mended(api: Api, context: Context) -> None:
    await whole_node(api)
    await follow(context)
    await template(api, "bare", industry=None)
    assert await follow(context) == []
    ((key, fault),) = (await withheld(context)).items()
    assert fault == ("required", "industry")
    reply = await api.admin("PATCH", "/api/v1/templates/bare", {"industry": INDUSTRY})
    assert reply.status == 200, reply.body
    assert [(one.table, one.key, one.ver) for one in await follow(context)] == [("T11", key, 1)]


async def test_a_routed_prefix_is_told_at_the_enterprises_own_addresses(api: Api, context: Context) -> None:
    await whole_node(api)
    await follow(context)
    body = {"addresses": [{"ip": "198.51.100.7", "tcp_port": 2641, "udp_port": 2641}]}
    reply = await api.admin("PUT", f"/api/v1/prefixes/{SCOPE}/route", body)
    assert reply.status < 300, reply.body
    told = {(one.key, one.op): one.data for one in await follow(context) if one.table == "T7"}
    assert set(told) == {("Handle|88.118.1|IPv4|192.0.2.17", "delete"), ("Handle|88.118.1|IPv4|198.51.100.7", "upsert")}
    data = told["Handle|88.118.1|IPv4|198.51.100.7", "upsert"]
    assert data["x_hosted"] is False
    assert data["endpoints"] == [{"protocol": "TCP", "port": 2641}, {"protocol": "UDP", "port": 2641}]


async def test_a_template_that_is_withdrawn_stays_known_as_disabled(api: Api, context: Context) -> None:
    await whole_node(api)
    await template(api, "pump")
    await follow(context)
    reply = await api.admin("DELETE", "/api/v1/templates/pump")
    assert reply.status < 300, reply.body
    (row,) = await follow(context)
    assert (row.table, row.op, row.ver, row.data["x_state"]) == ("T11", "upsert", 2, 0)


async def test_a_feed_whose_journal_is_gone_tells_what_differs_from_what_was_told(api: Api, context: Context) -> None:
    await whole_node(api)
    await follow(context)
    await template(api, "pump")
    await api.context.pool.execute("DELETE FROM journal")
    await api.context.pool.execute("UPDATE journal_state SET dropped_xid = pg_current_xact_id()")
    assert [one.table for one in await follow(context)] == ["T11"]
