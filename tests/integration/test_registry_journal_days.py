"""The journal's days: made ahead, sealed for good, dropped; and what a read touches of them."""

import json
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from typing import TypeAlias

import asyncpg
import pytest

from identifiers.changes import START, Cursor
from registry import journal
from registry.database import connect
from registry.journal_days import drop_before, ensure_partitions, seal_days
from registry.maintenance import maintain

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
DAY = timedelta(days=1)


@pytest.fixture
async def opened(registry_database: str) -> AsyncIterator[Connection]:
    connection = await connect(registry_database)
    yield connection
    await connection.close()


async def append(connection: Connection, key: str, days_ago: int = 0) -> Cursor:
    """Write a change; the past is written by hand, as no writer of ours can."""
    cursor = await journal.append(connection, actor="a", kind="template", key=key, op="create", after=b"{}")
    if days_ago:
        await connection.execute("UPDATE journal SET at = at - $1::interval WHERE seq = $2", days_ago * DAY, cursor.seq)
    return cursor


async def partition_of(connection: Connection, cursor: Cursor) -> str:
    return str(await connection.fetchval("SELECT tableoid::regclass::text FROM journal WHERE seq = $1", cursor.seq))


def partition(at: datetime) -> str:
    return f"journal_{at:%Y%m%d}"


async def partitions_read(connection: Connection, after: Cursor) -> list[str]:
    """Tell which partitions reading on from a position touches, by the plan that was carried out."""
    since = await journal.floor(connection, after)
    query = f"EXPLAIN (ANALYZE, FORMAT JSON) {journal._READ}"
    plan = json.loads(await connection.fetchval(query, after.xid, after.seq, 100, since, journal.OCTETS_MAX, None))
    found: list[str] = []

    def walk(node: dict[str, object]) -> None:
        if "Relation Name" in node:
            found.append(str(node["Relation Name"]))
        for child in node.get("Plans", []):  # type: ignore[attr-defined]
            walk(child)

    walk(plan[0]["Plan"])
    return sorted(found)


async def test_partitions_are_made_for_today_and_the_days_to_come_once(opened: Connection, today: datetime) -> None:
    made = await ensure_partitions(opened, today, days_ahead=3)
    assert made == [(today + ahead * DAY).date() for ahead in range(4)]
    assert await ensure_partitions(opened, today, days_ahead=3) == []
    assert await partition_of(opened, await append(opened, "k")) == partition(today)


async def test_a_day_whose_rows_came_too_early_stays_in_the_default_partition(
    opened: Connection, today: datetime
) -> None:
    cursor = await append(opened, "early")
    assert await partition_of(opened, cursor) == "journal_default"
    assert today.date() not in await ensure_partitions(opened, today)
    assert [change.key for change in await journal.read_changes(opened, START, 10)] == ["early"]


async def test_partitions_begin_at_midnight_utc_whatever_the_session_thinks(
    opened: Connection, today: datetime
) -> None:
    await opened.execute("SET timezone = 'Asia/Shanghai'")
    await ensure_partitions(opened, today, days_ahead=0)
    bounds = "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = $1"
    await opened.execute("SET timezone = 'UTC'")
    assert f"'{today:%Y-%m-%d} 00:00:00+00'" in await opened.fetchval(bounds, partition(today))


async def test_sealed_days_are_not_read_again(opened: Connection, today: datetime) -> None:
    for ago in (3, 2, 1, 0):
        await ensure_partitions(opened, today - ago * DAY, days_ahead=0)
    cursors = [await append(opened, f"{ago} days ago", ago) for ago in (3, 2, 1, 0)]
    assert await seal_days(opened, today) == (today - DAY).date()
    assert await seal_days(opened, today) is None
    everything = ["journal_default", *(partition(today - ago * DAY) for ago in (3, 2, 1, 0))]
    assert await partitions_read(opened, START) == sorted(everything)
    assert await partitions_read(opened, cursors[1]) == sorted(
        ["journal_default", partition(today - DAY), partition(today)]
    )
    assert await partitions_read(opened, cursors[-1]) == sorted(["journal_default", partition(today)])
    assert [change.key for change in await journal.read_changes(opened, cursors[0], 10)] == [
        "2 days ago",
        "1 days ago",
        "0 days ago",
    ]


async def test_an_idle_follower_reads_few_of_hundreds_of_partitions(opened: Connection, today: datetime) -> None:
    for ago in range(200):
        day = (today - ago * DAY).date()
        await opened.execute(
            f"CREATE TABLE journal_{day:%Y%m%d} PARTITION OF journal FOR VALUES FROM ('{day}Z') TO ('{day + DAY}Z')"
        )
    last = await append(opened, "long ago", 150)
    await maintain(opened, today, journal_kept_days=1000)
    assert len(await partitions_read(opened, last)) <= 10


async def test_no_row_enters_a_sealed_day_even_if_the_clock_goes_back(
    opened: Connection, today: datetime, registry_database: str
) -> None:
    await ensure_partitions(opened, today, days_ahead=3)
    begun_before = await connect(registry_database)
    try:
        async with begun_before.transaction():
            await begun_before.fetchval("SELECT now()")
            # Two days later by the clock of whoever seals: for the database the clock is two days behind.
            await seal_days(opened, today + 2 * DAY)
            old, new = await append(begun_before, "begun before"), await append(opened, "after")
        assert await partition_of(opened, old) == await partition_of(opened, new) == partition(today + 2 * DAY)
        assert {change.key for change in await journal.read_changes(opened, START, 10)} == {"begun before", "after"}
    finally:
        await begun_before.close()


async def test_sealing_gives_up_soon_while_a_writer_is_at_work(
    opened: Connection, today: datetime, registry_database: str
) -> None:
    await ensure_partitions(opened, today, days_ahead=0)
    writer = await connect(registry_database)
    try:
        async with writer.transaction():
            await append(writer, "unfinished")
            with pytest.raises(asyncpg.LockNotAvailableError):
                await seal_days(opened, today + DAY)
        assert await seal_days(opened, today + DAY) == today.date()
    finally:
        await writer.close()


async def test_dropped_days_are_told_by_the_oldest_position(opened: Connection, today: datetime) -> None:
    for ago in (3, 2, 1, 0):
        await ensure_partitions(opened, today - ago * DAY, days_ahead=0)
    cursors = [await append(opened, f"{ago} days ago", ago) for ago in (3, 2, 1, 0)]
    assert await journal.oldest(opened) == START
    assert await drop_before(opened, today.date()) == [], "nothing is sealed yet"
    await seal_days(opened, today)
    dropped = await drop_before(opened, (today - DAY).date())
    assert dropped == [(today - 3 * DAY).date(), (today - 2 * DAY).date()]
    assert await journal.oldest(opened) == cursors[1], "who has read this row has missed nothing"
    kept = await journal.read_changes(opened, cursors[1], 10)
    assert [change.cursor for change in kept] == cursors[2:]
    assert await drop_before(opened, (today - DAY).date()) == []
    assert await journal.oldest(opened) == cursors[1]


async def test_the_end_is_known_whether_its_day_is_open_sealed_or_dropped(opened: Connection, today: datetime) -> None:
    assert await journal.end(opened) == START
    for ago in (3, 2):
        await ensure_partitions(opened, today - ago * DAY, days_ahead=0)
    last = [await append(opened, f"{ago} days ago", ago) for ago in (3, 2)][-1]
    assert await journal.end(opened) == last
    await seal_days(opened, today)
    assert await journal.end(opened) == last
    await drop_before(opened, (today - DAY).date())
    assert await journal.end(opened) == last
    newer = await append(opened, "today")
    assert await journal.end(opened) == newer


async def test_rows_in_the_default_partition_are_dropped_with_their_day(opened: Connection, today: datetime) -> None:
    old = await append(opened, "old", 5)
    new = await append(opened, "new")
    await seal_days(opened, today)
    await drop_before(opened, today.date())
    assert await journal.oldest(opened) == old
    assert [change.cursor for change in await journal.read_changes(opened, START, 10)] == [new]


async def test_maintenance_makes_seals_and_drops_and_may_be_repeated(opened: Connection, today: datetime) -> None:
    await ensure_partitions(opened, today - 40 * DAY, days_ahead=0)
    await append(opened, "old", 40)
    for _ in range(2):
        await maintain(opened, today)
        assert await journal.read_changes(opened, START, 10) == []
        assert await opened.fetchval("SELECT to_regclass($1)", partition(today + DAY)) is not None
        assert await opened.fetchval("SELECT to_regclass($1)", partition(today - 40 * DAY)) is None
    assert await opened.fetchval("SELECT count(*) FROM journal_sealed_days") == 1
    assert isinstance(await opened.fetchval("SELECT max(day) FROM journal_sealed_days"), date)
