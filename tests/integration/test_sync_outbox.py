"""The outbox in PostgreSQL: journal to queue exactly once, templates remembered, bodies kept and dropped."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sync import batcher as batcher_module
from sync.batch import Limits
from sync.batcher import Batcher
from sync.body import decompress, rows_of
from sync.database import DatabaseAway, connected
from sync.outbox import batches, streams
from sync.outbox.feeds import FeedMoved
from tests.support import eventually
from tests.sync_reporting import (
    TEMPLATE,
    Collector,
    Source,
    batcher_of,
    differences,
    given_context,
    reporting,
    reporting_settings,
    shown,
    top_node,
)

SCOPE = "88.118.8"


async def queued(source: Source) -> list[str]:
    """Return the keys of all queued rows, in the order in which they will be sent."""
    found = await source.fetch("SELECT row_lines FROM report_batches ORDER BY stream_id, first_row")
    return [row.key for one in found for row in rows_of(decompress(one["row_lines"]))]


async def test_each_journal_row_is_queued_once_however_many_read_the_journal(registry_database: str) -> None:
    async with Source(registry_database) as source, given_context(registry_database) as context:
        await source.template()
        names = [f"{SCOPE}/{n:03}" for n in range(300)]
        for at in range(0, 300, 30):
            await source.write(*(("create", name, "") for name in names[at : at + 30]))

        async def drain(reader: Batcher) -> None:
            read = True
            while read:
                try:
                    read, _ = await reader.step()
                except FeedMoved:
                    collisions.append(reader)

        collisions: list[Batcher] = []
        await asyncio.gather(*(drain(batcher_of(context, 20)) for _ in range(3)))
        assert collisions
        assert await queued(source) == names
        first_rows = await source.fetch("SELECT first_row, row_count FROM report_batches ORDER BY first_row")
    ends = [row["first_row"] + row["row_count"] for row in first_rows]
    assert [row["first_row"] for row in first_rows] == [1, *ends[:-1]]


async def test_a_batcher_that_starts_anew_knows_the_templates_learned_before(registry_database: str) -> None:
    async with Source(registry_database) as source, given_context(registry_database) as context:
        await source.template()
        await batcher_of(context).step()
        await source.write(("create", f"{SCOPE}/A", "泵"))
        await batcher_of(context).step()
        (row,) = await source.fetch("SELECT row_lines FROM report_batches")
    assert '"product_name":"泵"'.encode() in decompress(row["row_lines"])


async def test_a_long_stretch_of_foreign_rows_is_passed_over_step_by_step(
    registry_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batcher_module, "PAGES_MAX", 2)
    async with Source(registry_database) as source, given_context(registry_database) as context:
        await source.write(*(("create", f"10.5555/{n}", "") for n in range(25)), ("create", f"{SCOPE}/A", ""))
        reader = batcher_of(context, 5)
        progress = [await reader.step() for _ in range(4)]
        assert await source.all_queued()
    assert [one.full for one in progress] == [True, True, True, False]
    assert [one.read for one in progress] == [True, True, True, False]


async def register(source: Source, names: Iterable[str], state: str = "active") -> None:
    """Put identifiers into the registry's tables, of which the journal has long forgotten."""
    await source.fetch("INSERT INTO enterprises VALUES ('e1', 'x', 'active', now(), now()) ON CONFLICT DO NOTHING")
    await source.fetch(
        "INSERT INTO prefixes (prefix, name, enterprise_id, created_at, updated_at) "
        "VALUES ($1, 'x', 'e1', now(), now()) ON CONFLICT DO NOTHING",
        SCOPE,
    )
    await source.fetch(
        "INSERT INTO identifiers "
        "(prefix_id, key, spelling, state, values, version, created_at, updated_at) "
        "SELECT p.id, 'hdl:' || upper(named.spelling), named.spelling, $2, '[]', 4, "
        "'2031-05-05T16:30:00Z', now() FROM unnest($1::text[]) AS named(spelling), prefixes p",
        list(names),
        state,
    )
    await source.fetch("UPDATE journal_state SET dropped_xid = pg_current_xact_id()")


async def test_a_registry_older_than_its_journal_is_reported_whole(registry_database: str, tmp_path: Path) -> None:
    async with Source(registry_database) as source:
        await register(source, [f"{SCOPE}/{n}" for n in range(120)])
        await register(source, [f"{SCOPE}/gone"], "withdrawn")
        async with (
            top_node(tmp_path) as collector,
            reporting(reporting_settings(registry_database, collector.url, default_template=TEMPLATE)) as metrics,
        ):
            await eventually(lambda: _has(collector, f"{SCOPE}/0"))
            await eventually(source.all_acknowledged)
            held = await collector.identifiers()
            assert shown(metrics, "idnode_sync_rows_total", table="T9", outcome="rejected") == 0
            await source.write(("create", f"{SCOPE}/new", ""))
            await eventually(lambda: _has(collector, f"{SCOPE}/new"))
    assert set(held) == {f"{SCOPE}/{n}" for n in range(120)}
    assert held[f"{SCOPE}/7"]["ver"] == 4
    assert held[f"{SCOPE}/7"]["data"]["metadata_id"] == "88.118/TPL-PUMP"


async def test_reporting_that_fell_behind_the_journal_catches_up_with_what_is_true_now(
    registry_database: str, tmp_path: Path
) -> None:
    async with Source(registry_database) as source, top_node(tmp_path) as collector:
        settings = reporting_settings(registry_database, collector.url, default_template=TEMPLATE)
        async with reporting(settings):
            await source.template()
            await source.write(*(("create", f"{SCOPE}/{n}", "") for n in range(10)))
            await eventually(source.all_acknowledged)
        await source.fetch("DELETE FROM journal")
        await register(source, [f"{SCOPE}/{n}" for n in (*range(5), 11)])
        await register(source, [f"{SCOPE}/{n}" for n in (*range(5, 10), 12)], "withdrawn")
        async with reporting(settings):
            await eventually(lambda: _has(collector, f"{SCOPE}/11"))
            await eventually(source.all_acknowledged)
            live = await collector.live()
            assert not [key for key in await source.open_rows() if key.startswith(SCOPE)]
    assert live == {f"{SCOPE}/{n}": (4, None) for n in (*range(5), 11)}


async def _has(collector: Collector, identifier: str) -> bool:
    return identifier in await collector.identifiers()


async def test_a_database_that_is_away_is_one_kind_of_error(registry_database: str) -> None:
    async with Source(registry_database) as source, given_context(registry_database) as context:
        reader = batcher_of(context)
        await reader.step()
        await source.write(("create", f"{SCOPE}/A", ""))

        async def cut_while_in_use() -> None:
            async with connected(context.pool) as connection:
                pid = await connection.fetchval("SELECT pg_backend_pid()")
                await source.fetch("SELECT pg_terminate_backend($1)", pid)
                await connection.fetchval("SELECT 1")

        with pytest.raises(DatabaseAway):
            await cut_while_in_use()
        await eventually(reader.step, retrying=DatabaseAway)
        assert await queued(source) == [f"{SCOPE}/A"]


async def test_lost_connections_to_the_database_lose_nothing(registry_database: str, tmp_path: Path) -> None:
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> $1"
    async with (
        Source(registry_database) as source,
        top_node(tmp_path) as collector,
        reporting(reporting_settings(registry_database, collector.url, limits=Limits(max_rows=10))),
    ):
        (own,) = await source.fetch("SELECT pg_backend_pid() AS pid")
        for n in range(20):
            await source.write(*(("create", f"{SCOPE}/{n}-{m}", "") for m in range(10)))
            await source.fetch(cut, own["pid"])
        await eventually(source.all_acknowledged, 20)
        assert differences(source.live(), await collector.live()) == {}
        assert await collector.streams() == await source.sequences()


async def test_old_bodies_are_dropped_and_then_cannot_be_sent_again(registry_database: str, tmp_path: Path) -> None:
    async with Source(registry_database) as source:
        async with top_node(tmp_path) as collector:
            async with reporting(reporting_settings(registry_database, collector.url)):
                await source.write(("create", f"{SCOPE}/A", ""))
                await eventually(source.all_acknowledged)
            (stream,) = await source.fetch("SELECT stream_id FROM report_streams")
            async with given_context(registry_database) as context, connected(context.pool) as connection:
                assert await batches.reopen(connection, stream["stream_id"], range(1, 2))
                await streams.rewind(connection, stream["stream_id"], 0)
            async with reporting(reporting_settings(registry_database, collector.url)):
                await eventually(source.all_acknowledged)
        async with given_context(registry_database) as context, connected(context.pool) as connection:
            assert await batches.forget_bodies(connection, datetime.now(UTC) - timedelta(days=35), 10) == 0
            assert await batches.forget_bodies(connection, datetime.now(UTC) + timedelta(days=1), 10) == 1
            assert not await batches.reopen(connection, stream["stream_id"], range(1, 2))
        async with (
            top_node(tmp_path / "forgetful") as collector,
            reporting(reporting_settings(registry_database, collector.url)),
        ):
            halted = "SELECT halted_reason FROM report_streams WHERE halted_reason IS NOT NULL"
            (row,) = await eventually(lambda: source.fetch(halted))
    assert "lost sequences 1 to 1" in row["halted_reason"]
