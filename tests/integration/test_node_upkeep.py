"""What the registry's process does for its tables beside answering."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from identifiers.changes import Cursor
from node import upkeep
from node.upkeep import keep_tables, measure_journal
from registry.barrier import ReplicaBarrier
from registry.context import RegistryContext
from registry.database import open_pool
from resolver.progress import ProgressServer
from tests.support import eventually

CHANGE = "INSERT INTO journal (actor, kind, key, op, after) VALUES ('x', 'prefix', '1', 'update', '{}')"
LATER = datetime(2031, 5, 17, 12, tzinfo=UTC)


@asynccontextmanager
async def context_on(dsn: str, socket: Path, now: datetime) -> AsyncIterator[RegistryContext]:
    pool = await open_pool(dsn, connections_max=2)
    try:
        async with ReplicaBarrier(socket) as barrier:
            yield RegistryContext(pool, barrier, bytes(32), clock=lambda: now)
    finally:
        pool.terminate()


@asynccontextmanager
async def running(work: object) -> AsyncIterator[None]:
    task = asyncio.ensure_future(work)  # type: ignore[call-overload]
    yield
    task.cancel()
    await asyncio.wait({task})


async def journal_days(context: RegistryContext) -> set[str]:
    rows = await context.pool.fetch("SELECT relname FROM pg_class WHERE relname ~ '^journal_[0-9]{8}$'")
    return {row["relname"] for row in rows}


async def test_the_journal_gets_its_coming_days_and_loses_those_kept_long_enough(
    registry_database: str, tmp_path: Path
) -> None:
    socket = tmp_path / "socket"
    earlier = LATER - timedelta(days=30)
    async with context_on(registry_database, socket, earlier) as before, running(keep_tables(before, 10)):
        await eventually(lambda: journal_days(before))
    async with context_on(registry_database, socket, LATER) as context, running(keep_tables(context, 10)):

        async def moved_on() -> bool:
            days = await journal_days(context)
            return "journal_20310517" in days and not any(day < "journal_20310507" for day in days)

        await eventually(moved_on)


async def test_maintenance_goes_on_by_itself_when_the_database_is_back(
    registry_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(upkeep, "MAINTAIN_EVERY_S", 0.05)
    async with context_on(registry_database, tmp_path / "socket", LATER) as context:
        await context.pool.execute("ALTER TABLE idempotency_keys RENAME TO away")
        async with running(keep_tables(context, 10)):
            await eventually(lambda: "the tables are not maintained now" in caplog.text)
            await context.pool.execute("ALTER TABLE away RENAME TO idempotency_keys")
            await context.pool.execute("INSERT INTO lookup_segments VALUES (gen_random_uuid(), 'w', '2030-01-01')")

            async def forgotten() -> bool:
                return await context.pool.fetchval("SELECT count(*) FROM lookup_segments") == 0

            await eventually(forgotten)
    assert caplog.text.count("the tables are not maintained now") == 1


async def test_the_journal_depth_is_what_the_replica_has_not_read(registry_database: str, tmp_path: Path) -> None:
    metrics = CollectorRegistry()
    socket = tmp_path / "socket"
    async with (
        ProgressServer(socket, asyncio.Event()) as progress,
        context_on(registry_database, socket, LATER) as context,
    ):
        progress.announce(Cursor(0, 0))
        for _ in range(3):
            await context.pool.execute(CHANGE)
        await eventually(lambda: context.barrier.position is not None)
        async with running(measure_journal(context, metrics)):
            await eventually(lambda: metrics.get_sample_value("idnode_journal_depth") == 3)
