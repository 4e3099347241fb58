"""Held periods: a whole Beijing day of T9 is told as one, and nothing goes before the period's first attempt."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import UnsetType

from sync import making
from sync.body import decompress, rows_of
from sync.context import Context
from sync.database import transaction
from tests.sync_reporting import Source, batcher_of, given_context

SCOPE = "88.118.8"
MORNING = datetime(2031, 5, 5, 23, 0, tzinfo=UTC)
"""07:00 of 6 May in Beijing, while UTC is on the day before."""
MIDNIGHT = datetime(2031, 5, 6, 16, 0, tzinfo=UTC)


async def told(context: Context) -> list[tuple[str, int, str | None]]:
    """Return key, operation and name of every queued row of T9, in order."""
    found = await context.pool.fetch("SELECT row_lines FROM report_batches ORDER BY stream_id, first_row")
    rows = [row for one in found for row in rows_of(decompress(one["row_lines"]))]
    data = [{} if isinstance(row.data, UnsetType) else msgspec.json.decode(row.data) for row in rows]
    return [
        (row.key.partition("/")[2], one["operation_type"], one.get("product_name"))
        for row, one in zip(rows, data, strict=True)
    ]


async def at(source: Source, moment: datetime, *changes: tuple[str, str, str]) -> None:
    """Write changes as of a moment."""
    for op, name, value in changes:
        await source.write((op, f"{SCOPE}/{name}", value))  # type: ignore[arg-type] # one of the three operations
    await source.fetch("UPDATE journal SET at = $1 WHERE at < now() + interval '1 hour'", moment)


async def drain(context: Context) -> None:
    reader = batcher_of(context, 3)
    while (await reader.step()).read:
        pass


async def test_a_day_is_told_when_it_is_over_with_each_identifiers_changes_as_one(registry_database: str) -> None:
    async with Source(registry_database) as source, given_context(registry_database) as given:
        clock = [MORNING]
        context = replace(given, hold_periods=True, now=lambda: clock[0])
        await source.template()
        yesterday = MORNING - timedelta(days=1)
        await at(source, yesterday, *(("create", name, "old") for name in ("changed", "gone", "back")))
        await drain(context)
        await context.pool.execute("DELETE FROM report_batches")
        await at(source, MORNING, ("create", "new", "1"), ("create", "brief", "1"), ("update", "changed", "1"))
        await at(source, MORNING, ("update", "gone", "1"), ("withdraw", "back", ""), ("update", "new", "2"))
        late = MIDNIGHT - timedelta(seconds=1)
        await at(source, late, ("update", "brief", "2"), ("withdraw", "brief", ""), ("withdraw", "gone", ""))
        await at(source, late, *(("update", "changed", str(n)) for n in range(2, 9)), ("create", "back", "2"))
        await at(source, MIDNIGHT, ("update", "new", "3"))
        clock[0] = MIDNIGHT - timedelta(seconds=1)
        await drain(context)
        assert await told(context) == []
        clock[0] = MIDNIGHT
        await drain(context)
        assert await told(context) == [
            ("new", 1, "2"),
            ("brief", 1, "2"),
            ("brief", 2, None),
            ("gone", 2, None),
            ("changed", 3, "8"),
            ("back", 2, None),
            ("back", 1, "2"),
        ]
        periods = await source.fetch("SELECT DISTINCT period ->> 'start' AS start, not_before FROM report_batches")
    assert periods == [{"start": "2031-05-05T16:00:00Z", "not_before": MIDNIGHT + timedelta(minutes=10)}]


async def test_nothing_is_handed_over_before_the_first_attempt_of_its_period(registry_database: str) -> None:
    async with Source(registry_database) as source, given_context(registry_database) as given:
        clock = [MIDNIGHT]
        context = replace(given, hold_periods=True, now=lambda: clock[0])
        await at(source, MORNING, ("withdraw", "gone", ""))
        await drain(context)
        (stream,) = await source.fetch("SELECT stream_id FROM report_streams")
        for moment, goes in ((MIDNIGHT + timedelta(minutes=9), False), (MIDNIGHT + timedelta(minutes=10), True)):
            clock[0] = moment
            async with transaction(context.pool) as connection:
                taken = await making.take(connection, context, stream["stream_id"])
            assert (taken is not None) is goes
