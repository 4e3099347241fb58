"""What an operator does about the reports over the API does what `idnode sync` does."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from node.reporting import ReportingDesk
from sync import service
from sync.outbox import feeds, streams
from tests.registry_api import Api, Reply, running_api
from tests.sync_reporting import REPORTER

SCOPE = "88.118.8"
STREAM = {"table": "T9", "scope": SCOPE}


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    await service.prepare(registry_database)
    async with running_api(registry_database, tmp_path, reporting=ReportingDesk(REPORTER)) as running:
        yield running


async def order(api: Api, path: str, body: Any = None) -> Reply:
    return await api.admin("POST", f"/api/v1/sync{path}", body)


async def findings(api: Api) -> dict[str, str]:
    return {one["what"]: one["remedy"] for one in (await api.admin("GET", "/api/v1/sync/findings")).json["items"]}


async def test_what_is_wrong_is_listed_and_what_is_ordered_is_done(api: Api) -> None:
    async with api.context.pool.acquire() as connection, connection.transaction():
        await feeds.position(connection, REPORTER, "T9")
        stream = (await streams.lock_scopes(connection, REPORTER, "T9", [SCOPE]))[SCOPE]
        await connection.execute("UPDATE report_streams SET halted_reason = 'for a test'")
        await connection.execute(
            "INSERT INTO report_rejections (stream_id, key, ver, operation, code, message, noted_at, standing) "
            "SELECT $1, key, 1, 1, 'format', 'x', now(), 'unsure' FROM unnest('{A,B}'::text[]) AS key",
            stream.stream_id,
        )
    assert {"process", "halted stream", "missing or wrong data", "data needed"} <= (await findings(api)).keys()
    assert (await order(api, "/streams:resume", STREAM)).status == 200
    assert "halted stream" not in await findings(api)
    again = await order(api, "/streams:resume", STREAM)
    assert (again.status, again.json["code"]) == (404, "unknown_stream")
    resent = await order(api, "/open-rows:resend", STREAM)
    assert resent.json == {"queued": [], "not_stored": [], "never_sent": ["A", "B"]}
    assert (await order(api, "/open-rows:resend", {**STREAM, "scope": "88.118.9"})).status == 404
    assert (await order(api, "/open-rows:dismiss", {**STREAM, "keys": ["A", "C"]})).json == {"closed": 1}
    ordered = await order(api, "/streams:send-full", STREAM)
    assert ordered.status == 202
    (directive,) = (await api.admin("GET", "/api/v1/sync/directives")).json["items"]
    assert (directive["directive_id"], directive["kind"]) == (ordered.json["directive_id"], "send_full")
    assert (await order(api, ":retry")).status == 202


async def test_tables_are_paused_by_name_and_go_on(api: Api) -> None:
    assert (await order(api, ":pause", {"tables": ["T9"], "reason": "maintenance"})).status == 200
    (pause,) = (await api.admin("GET", "/api/v1/sync/status")).json["pauses"]
    assert (pause["table"], pause["reason"]) == ("T9", "maintenance")
    assert pause["ordered_by"].startswith("acc_")
    assert (await order(api, ":unpause", {})).status == 200
    assert (await order(api, ":unpause", {})).json["code"] == "not_paused"
    for path, field in ((":pause", "tables"), ("/streams:send-full", "table")):
        body = {"tables": ["T99"]} if field == "tables" else {**STREAM, "table": "T99"}
        refused = await order(api, path, body)
        assert (refused.status, refused.json["code"]) == (422, "unknown_table")
        assert refused.json["errors"][0]["field"] == field


async def test_a_node_that_reports_to_nobody_says_so(registry_database: str, tmp_path: Path) -> None:
    async with running_api(registry_database, tmp_path) as api:
        assert (await api.admin("GET", "/api/v1/sync/findings")).json == {"items": []}
        refused = await order(api, ":retry")
        assert (refused.status, refused.json["code"]) == (409, "not_reporting")
