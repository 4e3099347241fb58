"""Full sets, months, open items, and what is sent first because the collector misses it."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from sync import body, making, open_items, service
from sync.batch import FullSet, Limits
from sync.body import decompress, rows_of
from sync.calendar_time import day_period
from sync.context import Context
from sync.database import transaction
from sync.dependencies import held_back
from sync.full_sets import NoFullSet, send_full
from sync.months import month_rows
from sync.outbox import batches, streams
from sync.outbox.enqueue import enqueue
from sync.state_feed import StateFeed
from sync.state_rows import told
from tests.registered_node import REPORTER, SCOPE, register, template, whole_node
from tests.registry_api import Api, running_api
from tests.sync_reporting import batcher_of, given_context


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    await service.prepare(registry_database)
    async with running_api(registry_database, tmp_path) as running:
        yield running


@pytest.fixture
async def context(registry_database: str, api: Api) -> AsyncIterator[Context]:
    async with given_context(registry_database) as given:
        yield given


async def queued(context: Context, table: str) -> list[dict[str, Any]]:
    """Return the batches of a table that were not sent yet, with their rows' keys and versions."""
    rows = await context.pool.fetch(
        "SELECT b.mode, b.full_part, b.full_last, b.row_lines, b.period FROM report_batches b "
        "JOIN report_streams s USING (stream_id) WHERE s.table_id = $1 ORDER BY b.first_row",
        table,
    )
    return [
        {
            "mode": row["mode"],
            "part": row["full_part"],
            "last": row["full_last"],
            "rows": [(one.key, one.op, one.ver) for one in rows_of(decompress(row["row_lines"]))],
        }
        for row in rows
    ]


async def test_full_sets_say_everything_of_a_stream_in_numbered_parts(api: Api, context: Context) -> None:
    await whole_node(api)
    pump = await template(api, "pump")
    for number in range(3):
        await register(api, f"{SCOPE}/{number}", "pump")
    await api.admin("DELETE", f"/api/v1/identifiers/{SCOPE}/1")
    await StateFeed(context).step()
    while (await batcher_of(context).step()).read:
        pass
    async with transaction(context.pool) as connection:
        assert await send_full(connection, context, "T11", SCOPE) == 1
        assert await send_full(connection, context, "T9", SCOPE) == 2
        assert await send_full(connection, context, "T5", REPORTER) == 0
        with pytest.raises(NoFullSet):
            await send_full(connection, context, "T3", REPORTER)
    full = {"mode": "full", "part": 1, "last": True}
    assert (await queued(context, "T11"))[1:] == [{**full, "rows": [(pump["handle"], "upsert", 2)]}]
    (of_t9,) = [one for one in await queued(context, "T9") if one["mode"] == "full"]
    assert of_t9 == {**full, "rows": [(f"{SCOPE}/0", "upsert", 1), (f"{SCOPE}/2", "upsert", 1)]}
    assert await queued(context, "T5") == [{**full, "rows": []}]
    # Nothing differs from what was told now, so the next change has the version behind it.
    await api.admin("PATCH", "/api/v1/templates/pump", {"name": "other", "description": "x"})
    await api.admin("DELETE", "/api/v1/templates/pump")
    await StateFeed(context).step()
    assert (await queued(context, "T11"))[-1]["rows"] == [(pump["handle"], "upsert", 3)]


async def test_a_month_tells_the_applications_active_in_it_as_they_were_at_its_end(api: Api, context: Context) -> None:
    await whole_node(api)
    described = {
        "app_name": "Pump passport",
        "app_type": 2,
        "app_intro": "Shows a pump.",
        "app_users": 7,
        "recursive_service": "192.0.2.53 port 2641",
        "app_developer": "示例研发",
    }
    ids = []
    for prefix in (None, SCOPE, SCOPE):
        body = described if prefix is None else {**described, "enterprise_prefix": prefix}
        reply = await api.admin("POST", "/api/v1/applications", body)
        assert reply.status == 201, reply.body
        ids.append(reply.json["id"])
    early, late = datetime(2031, 5, 6, tzinfo=UTC), datetime(2031, 6, 6, tzinfo=UTC)
    await context.pool.execute("UPDATE applications SET created_at = $1, updated_at = $1", early)
    await context.pool.execute("UPDATE journal SET at = $1 WHERE kind = 'application'", early)
    await context.pool.execute("UPDATE applications SET app_users = 8, updated_at = $2 WHERE id = $1", ids[0], late)
    await context.pool.execute("UPDATE applications SET ended_at = $2 WHERE id = $1", ids[2], early)
    async with transaction(context.pool) as connection:
        found = {month: await month_rows(connection, REPORTER, month) for month in ("2031-04", "2031-05", "2031-06")}
    assert found["2031-04"] == {}
    assert {place: len(rows) for place, rows in found["2031-05"].items()} == {
        ("T5", REPORTER): 1,
        ("T10", SCOPE): 2,
    }
    assert {place: len(rows) for place, rows in found["2031-06"].items()} == {
        ("T5", REPORTER): 1,
        ("T10", SCOPE): 1,
    }
    may, june = (json.loads(bytes(found[month]["T5", REPORTER][0].data)) for month in ("2031-05", "2031-06"))
    assert (may["month"], may["app_users"]) == ("2031-05", 7)
    assert (june["month"], june["app_users"]) == ("2031-06", 8)
    versions = [found[month]["T5", REPORTER][0].ver for month in ("2031-05", "2031-06")]
    assert versions == sorted(set(versions))


async def test_what_nobody_entered_is_listed_before_anything_is_due(api: Api, context: Context) -> None:
    async def items() -> set[tuple[str, str | None]]:
        async with transaction(context.pool) as connection:
            return {(one.table, one.field) for one in await open_items.check(connection, REPORTER)}

    await api.prefix(SCOPE)
    before = await items()
    assert {("T1", "node_prefix"), ("T2", "ip_address"), ("T6", "org_name")} <= before
    await context.pool.execute("DELETE FROM prefixes")
    await context.pool.execute("DELETE FROM enterprises WHERE id NOT IN (SELECT enterprise_id FROM accounts)")
    await whole_node(api)
    assert await items() == set()
    await template(api, "bare", industry=None)
    await register(api, f"{SCOPE}/A", None)
    await StateFeed(context).step()
    await batcher_of(context).step()
    assert await items() == {("T11", "industry"), ("T9", "metadata_id")}
    async with transaction(context.pool) as connection:
        (bare,) = [one for one in await open_items.check(connection, REPORTER) if one.table == "T11"]
    assert (bare.thing, bare.remedy) == ("template bare", "PATCH /api/v1/templates/bare")
    assert bare.since is not None


async def test_what_waits_for_something_else_says_for_what(api: Api, context: Context) -> None:
    await whole_node(api)
    await template(api, "pump")
    await register(api, f"{SCOPE}/A", "pump")
    await StateFeed(context).step()
    await batcher_of(context).step()
    async with transaction(context.pool) as connection:
        waiting = await held_back(connection, REPORTER, list(context.tables))
        assert await held_back(connection, REPORTER, ["T2", "T9"]) == []
    assert {one.table: one.waits_for for one in waiting} == {
        "T2": "the operator of the node (T1)",
        "T6": "the operator of the node (T1)",
        "T7": "their enterprises (T6)",
        "T11": "their enterprises (T6)",
        "T9": "their templates (T4, T11)",
    }


async def test_a_set_larger_than_a_batch_has_parts_that_stay_in_order_when_one_is_split(context: Context) -> None:
    rows = [told(f"k{number:04}", 1, datetime.now(UTC), b"{}") for number in range(4_500)]
    full = FullSet(uuid4(), 1, last=True)
    period = day_period(datetime(2031, 5, 6, tzinfo=UTC).date())
    async with transaction(context.pool) as connection:
        made = await enqueue(connection, context, "T4", REPORTER, rows, period=period, mode="full", full=full)
        (empty,) = await enqueue(connection, context, "T4", REPORTER, [], period=period)
        stream = (await streams.lock_scopes(connection, REPORTER, "T4", [REPORTER]))[REPORTER]
        first = await batches.next_open(connection, stream.stream_id)
        assert first is not None
        assert (len(made), first.batch_id, first.full) == (3, made[0], FullSet(full.id, 1, last=False))
        assert first.row_lines is not None
        header = b'{"profile":"idn-report/1","batch_id":"%b",%b}\n' % (str(first.batch_id).encode(), _HEADER)
        sent = replace(first, body=body.compress(header + body.decompress(first.row_lines)))
        await batches.replace(connection, first.batch_id, making.pieces(sent, "T4", 800, None), context.now())
    batches_now = await queued(context, "T4")
    assert [(one["part"], one["last"], len(one["rows"])) for one in batches_now] == [
        (1, False, 800),
        (2, False, 800),
        (3, False, 400),
        (4, False, 2_000),
        (5, True, 500),
        (None, None, 0),
    ]
    assert [row[0] for one in batches_now for row in one["rows"]] == [row.key for row in rows]
    assert empty != made[-1]


async def test_what_was_queued_for_more_than_the_collector_takes_is_cut_before_it_is_sent(context: Context) -> None:
    """The smaller of both sides' limits holds; rows of T9 keep the templates they require in every piece."""
    data = b'{"operation_type":1,"metadata_id":"88.118.1/TPL-1"}'
    rows = [told(f"{SCOPE}/{number:03}", 1, datetime.now(UTC), data) for number in range(120)]
    period = day_period(datetime(2031, 5, 6, tzinfo=UTC).date())
    async with transaction(context.pool) as connection:
        await enqueue(connection, context, "T9", SCOPE, rows, period=period)
        stream = (await streams.lock_scopes(connection, REPORTER, "T9", [SCOPE]))[SCOPE]
        taken = await making.take(connection, context, stream.stream_id, Limits(max_rows=50))
        assert taken is not None
        assert (taken[1].row_count, taken[1].sequence) == (50, 1)
    cut = "SELECT row_count, metadata_ids FROM report_batches WHERE sequence IS NULL ORDER BY first_row"
    assert [tuple(row) for row in await context.pool.fetch(cut)] == [
        (50, ["88.118.1/TPL-1"]),
        (20, ["88.118.1/TPL-1"]),
    ]
    small = Limits(max_bytes=body.HEADER_OCTETS_MAX + 2_000)
    async with transaction(context.pool) as connection:
        await connection.execute("UPDATE report_batches SET state = 'acknowledged' WHERE sequence = 1")
        await connection.execute("UPDATE report_streams SET acknowledged_sequence = 1")
        taken = await making.take(connection, context, stream.stream_id, small)
        assert taken is not None
        assert len(body.decompress(taken[1].body)) < small.max_bytes
        assert 1 < taken[1].row_count < 50


_HEADER = (
    b'"reporter":"88.118","table":"T4","schema":1,"scope":"88.118","sequence":1,"mode":"full",'
    b'"period":{"kind":"day","start":"2031-05-05T16:00:00Z","end":"2031-05-06T16:00:00Z"},"requires":[],'
    b'"row_count":2000,"rows_sha256":"","created_at":"2031-05-06T16:10:02Z"'
)
