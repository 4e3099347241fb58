"""Facts in the change feed: what is reported of days, months and events, for whom it may be shown."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import Raw

from identifiers.changes import FactState
from node.feed_reports import FeedReports
from registry.database import Connection
from registry.ids import new_id
from registry.tables import node_events, read_only
from registry.tables.node_events import Event
from sync import making
from sync.batch import Limits, Row
from sync.calendar_time import day_period, instant
from sync.database import transaction
from sync.events import EventFeed
from sync.outbox import facts
from sync.outbox.enqueue import enqueue
from sync.periods import Closer
from sync.resend_facts import resend_facts
from tests.feed_reading import changes, latest, snapshot
from tests.periods import Node, beijing, node_at
from tests.registry_api import Api, running_api
from tests.sync_reporting import REPORTER

HOSTED = "88.118.8"
NOON = beijing(2031, 12, 31, 12)


@dataclass(frozen=True)
class Both:
    """The registry's API and the reports of one database."""

    api: Api
    node: Node

    async def live_through_a_month_s_end(self) -> None:
        closer = Closer(self.node.context)
        await closer.step()
        self.node.clock.now = beijing(2032, 1, 1, 6)
        await self.node.collected()
        await closer.step()

    async def event(self, prefix: str, number: int) -> None:
        event = Event(
            prefix, f"disk {number}", "abnormal", f"{prefix}-{number:04d}", self.node.clock.now, abnormal_type=2
        )
        async with transaction(self.node.context.pool) as connection:
            await node_events.insert(connection, event, self.node.clock.now)


@pytest.fixture
async def both(registry_database: str, tmp_path: Path) -> AsyncIterator[Both]:
    async with (
        node_at(registry_database, NOON) as node,
        running_api(registry_database, tmp_path, national_link=False, reports=FeedReports(REPORTER)) as api,
    ):
        await node.prefix(HOSTED)
        await node.skip_feeds()
        for prefix in (None, HOSTED):
            await node.execute(
                "INSERT INTO applications (id, enterprise_prefix, app_name, app_type, app_intro, app_users, "
                "recursive_service, app_developer, created_at, updated_at) "
                "VALUES ($1, $2, 'app', 3, 'intro', 7, '192.0.2.1', 'developer', $3, $3)",
                new_id("app"),
                prefix,
                NOON,
            )
        yield Both(api, node)


async def rows_of(both: Both, table: str) -> list[dict[str, Any]]:
    return [row for told in await both.node.told(table) for row in told.rows]


async def test_whoever_sees_everything_reads_what_is_reported(both: Both) -> None:
    await both.event(REPORTER, 1)
    await both.event(HOSTED, 1)
    await EventFeed(both.node.context).step()
    await both.live_through_a_month_s_end()
    _, rows = await changes(both.api.admin, facts.TABLES)
    assert {row["table"] for row in rows} == set(facts.TABLES)
    for table in facts.TABLES:
        assert [row["data"] for row in rows if row["table"] == table] == await rows_of(both, table)
    assert {row["scope"] for row in rows if row["table"] in ("T3", "T5", "M1", "E1")} == {REPORTER}
    taken = await snapshot(both.api.admin, facts.TABLES)
    assert latest(taken) == latest([{name: row[name] for name in row if name != "c"} for row in rows])


async def test_an_enterprise_reads_its_own_and_a_mirror_none(both: Both) -> None:
    await both.node.prefix("88.118.9")
    await both.node.execute(
        "INSERT INTO enterprises (id, name, state, created_at, updated_at) VALUES ('f', 'f', 'active', $1, $1)", NOON
    )
    await both.node.execute("UPDATE prefixes SET enterprise_id = 'f' WHERE prefix = '88.118.9'")
    await both.node.skip_feeds()
    await both.event(HOSTED, 1)
    await EventFeed(both.node.context).step()
    await both.live_through_a_month_s_end()
    member, mirror = await both.api.holder("enterprise_user", "e"), await both.api.holder("reader")
    for rows in ((await changes(member, facts.TABLES))[1], await snapshot(member, facts.TABLES)):
        assert {(row["table"], row["scope"]) for row in rows} == {(one, HOSTED) for one in ("T8", "T10", "M2", "E2")}
    assert (await changes(mirror, facts.TABLES))[1] == await snapshot(mirror, facts.TABLES) == []


async def test_of_tables_nobody_asks_for_no_row_is_read(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    await both.event(HOSTED, 1)
    await EventFeed(both.node.context).step()
    await both.live_through_a_month_s_end()
    states: list[str] = []
    read: list[int] = []
    announced, held = facts.announced, facts.held

    def noted(connection: Connection, state: FactState) -> AsyncIterator[list[Row]]:
        states.append(state.table)
        return announced(connection, state)

    def counted(connection: Connection, stream: int) -> AsyncIterator[list[Row]]:
        read.append(stream)
        return held(connection, stream)

    monkeypatch.setattr(facts, "announced", noted)
    monkeypatch.setattr(facts, "held", counted)
    for tables, streams in ((("T9",), 0), (("T7", "E2"), 1)):
        await changes(both.api.admin, tables)
        await snapshot(both.api.admin, tables)
        assert set(states) == set(tables) & set(facts.TABLES)
        assert len(set(read)) == streams


async def test_what_is_told_again_comes_again_with_a_later_version_and_once_in_a_snapshot(both: Both) -> None:
    await both.live_through_a_month_s_end()
    cursor, _ = await changes(both.api.admin, ["T8"])
    async with transaction(both.node.context.pool) as connection:
        await resend_facts(both.node.context, connection, "T8", HOSTED, "2031-12-31")
    _, again = await changes(both.api.admin, ["T8"], cursor)
    key = f"{HOSTED}|2031-12-31"
    assert [(row["key"], row["ver"]) for row in again] == [(key, 2)]
    taken = await snapshot(both.api.admin, ["T8"])
    assert [row["ver"] for row in taken if row["key"] == key] == [2]


async def test_rows_are_found_however_their_batches_were_cut_until_their_bodies_are_dropped(both: Both) -> None:
    for number in range(5):
        await both.event(REPORTER, number)
    await EventFeed(both.node.context).step()
    names = [f"{REPORTER}-{number:04d}" for number in range(5)]
    context = replace(both.node.context, tables={"E1": both.node.context.tables["E1"]})
    async with transaction(context.pool) as connection:
        stream = await connection.fetchval("SELECT stream_id FROM report_streams WHERE table_id = 'E1'")
        taken = await making.take(connection, context, stream, Limits(max_rows=2))
        assert taken is not None
        assert taken[1].row_count == 2
    _, rows = await changes(both.api.admin, ["E1"])
    assert [row["key"] for row in rows] == [row["key"] for row in await snapshot(both.api.admin, ["E1"])] == names
    await both.node.execute("UPDATE report_batches SET body = NULL WHERE body IS NOT NULL")
    _, rows = await changes(both.api.admin, ["E1"])
    assert [row["key"] for row in rows] == names[2:]


async def test_rows_that_are_only_sent_again_are_not_told_twice(both: Both) -> None:
    row = Row(n=0, key="k", op="upsert", ver=1, at=instant(NOON), data=Raw(b"{}"))
    period = day_period((NOON - timedelta(days=1)).date())
    async with transaction(both.node.context.pool) as connection:
        for repeated in (False, True):
            await enqueue(connection, both.node.context, "M1", REPORTER, [row], period=period, repeated=repeated)
    _, rows = await changes(both.api.admin, ["M1"])
    assert [one["key"] for one in rows] == ["k"]


async def test_facts_are_told_while_another_body_serves_for_the_node(both: Both) -> None:
    async with transaction(both.node.context.pool) as connection:
        await read_only.begin(connection, NOON, reason="take-over", ordered_by="operator")
    await both.live_through_a_month_s_end()
    _, rows = await changes(both.api.admin, ["T3"])
    assert [row["key"] for row in rows] == [f"{REPORTER}|2031-12-31"]
