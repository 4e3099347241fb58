"""`idnode sync check` names what each table needs and nobody entered, before it is due; nothing of it is sent empty."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from node.cli import app
from registry.statistics import note_drained
from sync import findings, service
from sync.body import decompress, rows_of
from sync.context import Context
from sync.database import connected, transaction
from sync.outbox import feeds, streams
from sync.periods import Closer
from sync.state_feed import StateFeed
from tests.registered_node import (
    ADDRESS,
    REPORTER,
    SCOPE,
    put_addresses,
    put_operator,
    register,
    template,
    whole_node,
)
from tests.registry_api import Api, running_api
from tests.sync_reporting import batcher_of, given_context

Make = Callable[[Api], Awaitable[Any]]
APPLICATION: dict[str, Any] = {
    "app_name": "示例应用",
    "app_type": 3,
    "app_intro": "演示",
    "app_users": 7,
    "recursive_service": "192.0.2.53:2641",
    "app_developer": "示例单位",
}


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    await service.prepare(registry_database)
    async with running_api(registry_database, tmp_path, national_link=False) as running:
        yield running


@pytest.fixture
async def context(registry_database: str, api: Api) -> AsyncIterator[Context]:
    async with given_context(registry_database) as given:
        yield given


async def test_what_each_table_needs_and_nobody_entered_is_listed_and_not_sent_empty(
    api: Api, context: Context
) -> None:
    await listed(context, "T1 node_prefix: the operator of the node is not entered", "T2 ip_address")
    await put_operator(api)
    await api.prefix(SCOPE)
    await listed(context, "T2 ip_address", "T6 service_build, service_operation, org_name, org_nature")
    await put_addresses(api, {**ADDRESS, "code_type": "GS1", "prefix_or_range": "0690000"})
    await listed(context, "T7 ip_address: names below 88.118.1", "T6 service_build")
    await template(api, "own", None, industry=None)
    await template(api, "bare", industry=None)
    await register(api, f"{SCOPE}/A", None)
    await listed(context, "T4 industry", "T11 industry", "T9 metadata_id", "T7 ip_address")
    told = await context.pool.fetch(
        "SELECT table_id, row_lines FROM report_batches JOIN report_streams USING (stream_id) ORDER BY table_id"
    )
    rows = [(one["table_id"], row.key) for one in told for row in rows_of(decompress(one["row_lines"]))]
    assert rows == [("T1", REPORTER), ("T2", "GS1|0690000|IPv4|192.0.2.17")]


async def listed(context: Context, *beginnings: str) -> None:
    """Follow what was entered, and assert that what is missing is listed with a way to enter it."""
    for feed in (StateFeed(context), batcher_of(context)):
        while (await feed.step()).read:
            pass
    found = await needed(context)
    for beginning in beginnings:
        assert [one for one in found if one.startswith(beginning)], (beginning, found)


async def needed(context: Context) -> list[str]:
    """Return the details of what `sync check` says is missing."""
    async with transaction(context.pool) as connection:
        found = await findings.find(connection, REPORTER, context.now())
    assert all(one.remedy for one in found)
    return [one.detail for one in found if one.what in ("data needed", "missing or wrong data")]


async def test_an_application_lacking_what_t5_or_t10_needs_cannot_be_entered(api: Api) -> None:
    await api.prefix(SCOPE)
    for missing in APPLICATION:
        for own in ({}, {"enterprise_prefix": SCOPE}):
            body = {name: value for name, value in APPLICATION.items() if name != missing} | own
            reply = await api.admin("POST", "/api/v1/applications", body)
            assert (reply.status, missing in reply.body.decode()) == (422, True), reply.body


async def test_a_day_that_an_enterprise_s_own_node_has_not_told_is_an_open_item_and_no_row(
    api: Api, context: Context
) -> None:
    await whole_node(api)
    route = {"addresses": [{"ip": "198.51.100.7", "tcp_port": 2641}]}
    assert (await api.admin("PUT", f"/api/v1/prefixes/{SCOPE}/route", route)).status < 300
    clock = [datetime.now(UTC)]
    later = replace(context, now=lambda: clock[0])
    for feed in (StateFeed(later), batcher_of(later)):
        while (await feed.step()).read:
            pass
    await Closer(later).step()
    clock[0] += timedelta(days=2, hours=6)
    async with connected(context.pool) as connection:
        await note_drained(connection, clock[0])
    await Closer(later).step()
    told = [one for one in await needed(later) if "own nodes have not told" in one]
    assert {one.partition(":")[0] for one in told} == {"T8", "M2"}
    facts = "SELECT row_lines FROM report_batches b JOIN report_streams s USING (stream_id) WHERE s.scope = $1"
    lines = await context.pool.fetch(f"{facts} AND s.table_id IN ('T8', 'M2')", SCOPE)
    assert [row for one in lines for row in rows_of(decompress(one["row_lines"]))] == []


async def test_a_period_that_is_not_told_in_time_is_listed_with_what_it_waits_for(context: Context) -> None:
    clock = [datetime(2031, 5, 6, 4, tzinfo=UTC)]
    later = replace(context, now=lambda: clock[0])
    await Closer(later).step()
    clock[0] += timedelta(days=2)
    await Closer(later).step()
    async with transaction(context.pool) as connection:
        late = [one for one in await findings.find(connection, REPORTER, clock[0]) if one.what == "late"]
    assert "T3: the day that began at 2031-05-05T16:00+00:00 is not told" in {one.detail for one in late}
    (counts,) = [one for one in late if one.detail.startswith("T3")]
    assert counts.since == datetime(2031, 5, 6, 22, tzinfo=UTC)
    assert "registry process" in counts.remedy


async def test_a_batch_that_is_not_answered_for_long_is_listed_with_the_last_answer(
    context: Context, registry_database: str
) -> None:
    async with transaction(context.pool) as connection:
        stream = (await streams.lock_scopes(connection, REPORTER, "T9", [SCOPE]))[SCOPE]
        await connection.execute(
            "INSERT INTO report_batches (batch_id, stream_id, first_row, row_count, period, created_at, state, "
            "sequence, rows_sha256, body, attempts, first_attempt_at) VALUES (gen_random_uuid(), $1, 1, 3, '{}', "
            "now(), 'in_flight', 1, '', '', 4, now() - interval '6 minutes')",
            stream.stream_id,
        )
        await streams.put_off(
            connection,
            stream.stream_id,
            until=context.now(),
            error="the collector answered 500",
            now=context.now(),
        )
        await feeds.position(connection, REPORTER, "T9")
    arguments = ["sync", "check", "--json", "--database", registry_database]
    shown = await asyncio.to_thread(CliRunner().invoke, app, arguments)
    assert shown.exit_code == 1, shown.output
    (late,) = [one for one in json.loads(shown.stdout) if one["what"] == "not acknowledged"]
    assert late["detail"] == (
        f"T9/{SCOPE}: sequence 1 (3 rows), 4 attempts, the last answer: the collector answered 500"
    )
