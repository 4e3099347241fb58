"""Closing of periods: each hour, day and month is told once and in order, whatever happened meanwhile."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime, timedelta
from itertools import cycle
from typing import Any

import pytest
from msgspec import Raw

from sync import periods
from sync.batch import Row
from sync.calendar_time import instant
from sync.database import DatabaseAway, connected, transaction
from sync.open_items import check
from sync.outbox.enqueue import enqueue
from sync.outbox.enterprise_facts import missing
from sync.periods import Closer
from sync.schedule import Kind, following, span_at
from sync.self_run import accept
from tests.periods import Node, beijing, node_at
from tests.sync_reporting import REPORTER

HOURLY, DAILY, MONTHLY = ("T6", "T7"), ("T3", "M1", "T4", "T9"), ("T5", "T10")


def spans(kind: Kind, first: datetime, until: datetime) -> Iterator[str]:
    """Yield the beginnings of all periods from the one of `first` that are over by `until`."""
    span = span_at(kind, first)
    while span.first_attempt <= until:
        yield span.period.start
        span = following(span)


async def assert_told_once(node: Node, first: datetime) -> None:
    """Assert that every period that is over since `first` was told once and in order."""
    kinds: tuple[tuple[tuple[str, ...], Kind], ...] = ((HOURLY, "hour"), (DAILY, "day"), (MONTHLY, "month"))
    for tables, kind in kinds:
        expected = list(spans(kind, first, node.clock.now))
        for table in tables:
            told = await node.told(table)
            assert [one.period.start for one in told] == expected, table
            assert {one.scope for one in told} <= {REPORTER}
            assert {one.period.kind for one in told} <= {kind}


async def live_through(node: Node, until: datetime, every: timedelta, *, closer: Closer) -> None:
    await closer.step()
    while node.clock.now < until:
        node.clock.now += every
        await node.collected()
        await closer.step()


async def test_two_days_across_a_month_s_end_and_a_restart(registry_database: str) -> None:
    first = beijing(2032, 2, 28, 21, 17)
    async with node_at(registry_database, first) as node:
        await live_through(node, beijing(2032, 2, 29, 4), timedelta(minutes=23), closer=Closer(node.context))
        node.clock.now = beijing(2032, 3, 1, 1, 30)  # nobody was there for a day
        await live_through(node, beijing(2032, 3, 1, 3), timedelta(minutes=31), closer=Closer(node.context))
        await assert_told_once(node, first)


async def test_several_processes_and_a_database_that_fails_at_any_moment_tell_each_period_once(
    registry_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = beijing(2031, 12, 31, 22, 30)
    queue, fails = periods.enqueue, cycle([False, True, False, False, True])

    async def enqueue(*values: Any, **more: Any) -> Any:
        made = await queue(*values, **more)
        if next(fails):
            raise DatabaseAway("gone within the transaction")
        return made

    async def keep_trying(closer: Closer) -> None:
        for _ in range(12):
            with suppress(DatabaseAway):
                await closer.step()

    async with node_at(registry_database, first) as node:
        await Closer(node.context).step()
        monkeypatch.setattr(periods, "enqueue", enqueue)
        for _ in range(5):
            node.clock.pass_(hours=1)
            await node.collected()
            await asyncio.gather(*(keep_trying(Closer(node.context)) for _ in range(3)))
        await assert_told_once(node, first)


async def test_a_month_tells_the_applications_that_were_active_in_it(registry_database: str) -> None:
    async with node_at(registry_database, beijing(2031, 12, 31, 12)) as node:
        await node.prefix("88.118.8")
        await node.skip_feeds()
        for name, prefix in (("NODE", None), ("PUMPS", "88.118.8")):
            await node.execute(
                "INSERT INTO applications (id, enterprise_prefix, app_name, app_type, app_intro, app_users, "
                "recursive_service, app_developer, created_at, updated_at) "
                "VALUES ($1, $2, $1, 3, 'intro', 7, '192.0.2.1', 'developer', $3, $3)",
                name,
                prefix,
                node.clock.now,
            )
        closer = Closer(node.context)
        await closer.step()
        node.clock.now = beijing(2032, 1, 1, 0, 59)
        await closer.step()
        assert await node.told("T5", "T10") == []
        node.clock.now = beijing(2032, 1, 1, 1)
        await closer.step()
        told = {(one.table, one.scope): one for one in await node.told("T5", "T10")}
    assert {one.period.start for one in told.values()} == {"2031-11-30T16:00:00Z"}
    assert [row["app_id"] for row in told["T5", REPORTER].rows] == ["NODE"]
    assert [row["month"] for row in told["T10", "88.118.8"].rows] == ["2031-12"]
    assert told["T10", REPORTER].covers


async def test_a_day_waits_until_its_counts_are_collected(registry_database: str) -> None:
    async with node_at(registry_database, beijing(2031, 5, 6, 12)) as node:
        closer = Closer(node.context)
        await closer.step()
        node.clock.now = beijing(2031, 5, 7, 0, 1)
        await node.collected()
        node.clock.now = beijing(2031, 5, 7, 9)
        await closer.step()
        assert await node.told("T3", "M1", "T8", "M2") == []
        await node.collected()
        await closer.step()
        assert [one.rows[0]["stat_date"] for one in await node.told("T3", "M1")] == ["2031-05-06", "2031-05-06"]


async def test_what_the_feeds_have_not_read_is_not_told_as_unchanged(registry_database: str) -> None:
    async with node_at(registry_database, beijing(2031, 5, 6, 12, 30)) as node:
        closer = Closer(node.context)
        await closer.step()
        await node.execute("UPDATE report_feeds SET xid = 0, seq = 0 WHERE table_id = 'STATE'")
        await node.prefix("88.118.8")
        node.clock.pass_(hours=1)
        await closer.step()
        assert await node.told(*HOURLY) == []
        await node.execute("UPDATE report_feeds SET xid = 1::bigint << 60 WHERE table_id = 'STATE'")
        await closer.step()
        told = await node.told(*HOURLY)
    assert [(one.table, one.scope, one.covers, list(one.rows)) for one in told] == [
        ("T6", REPORTER, True, []),
        ("T7", REPORTER, True, []),
    ]


async def test_a_day_on_which_the_node_s_templates_were_told_has_no_empty_batch(registry_database: str) -> None:
    async with node_at(registry_database, beijing(2031, 5, 6, 12, 30)) as node:
        closer = Closer(node.context)
        await closer.step()
        row = Row(n=0, key="88.118/TPL-1", op="upsert", ver=1, at=instant(node.clock.now), data=Raw(b"{}"))
        async with transaction(node.context.pool) as connection:
            period = span_at("day", node.clock.now).period
            await enqueue(connection, node.context, "T4", REPORTER, [row], period=period)
        await live_through(node, beijing(2031, 5, 8, 12), timedelta(hours=6), closer=closer)
        told = await node.told("T4")
    assert [(one.period.start[:10], len(one.vers)) for one in told] == [("2031-05-05", 1), ("2031-05-06", 0)]


async def test_self_run_enterprises_that_do_not_tell_their_day_are_open_items_until_they_do(
    registry_database: str,
) -> None:
    async with node_at(registry_database, beijing(2031, 5, 6, 12)) as node:
        closer = Closer(node.context)
        for prefix in ("88.118.1", "88.118.2"):
            await node.prefix(prefix, hosting="routed")
        await node.prefix("88.118.3")
        await node.execute("UPDATE report_feeds SET xid = 1::bigint << 60")
        fact = {"stat_date": "2031-05-06", "prefix": "88.118.1", "registrations_day": 1, "registrations_total": 2}
        fact |= {"resolution_requests": 0, "resolution_successes": 0, "sources": []}
        await closer.step()

        async def tell(prefix: str, **more: Any) -> None:
            async with transaction(node.context.pool) as connection:
                rows = [{**fact, "prefix": prefix, **more}]
                await accept(connection, REPORTER, "T8", prefix, date(2031, 5, 6), rows, node.clock.now)

        async def open_items() -> list[tuple[str, str]]:
            async with connected(node.context.pool) as connection:
                return [one[:2] for one in await missing(connection, REPORTER, 10)]

        await tell("88.118.1")
        node.clock.now = beijing(2031, 5, 7, 4, 59)
        await node.collected()
        await closer.step()
        assert await open_items() == []
        node.clock.now = beijing(2031, 5, 7, 5)
        await closer.step()
        assert await open_items() == [("M2", "88.118.1"), ("M2", "88.118.2"), ("T8", "88.118.2")]
        async with connected(node.context.pool) as connection:
            listed = await check(connection, REPORTER, node.clock.now)
        assert ("T8", "88.118.2|2031-05-06") in {(one.table, one.key) for one in listed}
        await tell("88.118.2")
        await tell("88.118.1", registrations_day=2)
        await closer.step()
        assert await open_items() == [("M2", "88.118.1"), ("M2", "88.118.2")]
        told = {(one.scope, one.mode): one for one in await node.told("T8")}
    assert set(told) == {
        ("88.118.1", "delta"),
        ("88.118.1", "revision"),
        ("88.118.2", "delta"),
        ("88.118.3", "delta"),
    }
    assert told["88.118.1", "revision"].vers == [2]
    assert told["88.118.2", "delta"].rows[0]["x_measured_by"] == "enterprise"
    assert told["88.118.3", "delta"].rows[0]["x_measured_by"] == "node"


@pytest.mark.slow
async def test_two_months_with_a_week_of_absence_are_told_once(registry_database: str) -> None:
    first = beijing(2032, 1, 31, 23, 40)
    async with node_at(registry_database, first) as node:
        await node.prefix("88.118.8")
        await live_through(node, beijing(2032, 2, 27, 12), timedelta(minutes=47), closer=Closer(node.context))
        node.clock.now = beijing(2032, 3, 5, 12, 1)
        await live_through(node, beijing(2032, 4, 2), timedelta(hours=3, minutes=7), closer=Closer(node.context))
        await assert_told_once(node, first)
        for table in ("T8", "M2"):
            assert [one.period.start for one in await node.told(table)] == list(spans("day", first, node.clock.now))
