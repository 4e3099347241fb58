"""The journal source on PostgreSQL: snapshots that fit the journal, reconnecting, and saying that it cannot."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from identifiers.changes import START, Change, Cursor, SourceUnavailable
from registry import snapshot as snapshots
from registry.authority import Principal
from registry.database import Connection, Pool, open_pool, transaction
from registry.journal_source import PostgresJournalSource
from registry.service import accounts, identifiers, prefixes
from registry.service.change import Outcome, make_change
from registry.states import identifier_state
from registry.tables import identifiers as table

if TYPE_CHECKING:
    from resolver.source import JournalSource

ADMIN = Principal("acc_test", "administrator")
PREFIXES = ("88.118.8", "88.118.9")


@asynccontextmanager
async def registry(dsn: str) -> AsyncIterator[tuple[Pool, PostgresJournalSource]]:
    pool = await open_pool(dsn, connections_max=30)
    source = PostgresJournalSource(dsn)
    try:
        for prefix in PREFIXES:
            async with transaction(pool) as connection:
                await prefixes.create(connection, ADMIN, datetime.now(UTC), prefix=prefix, name=prefix)
        yield pool, source
    finally:
        await source.aclose()
        await pool.close()


async def put(pool: Pool, name: str, data: Any = "x") -> Outcome:
    async def work(connection: Connection) -> Outcome:
        values = [{"index": 1, "type": "URL", "data": str(data)}]
        written = await identifiers.put(connection, ADMIN, datetime.now(UTC), name, values=values)
        return Outcome(status=200, body=msgspec.Raw(b"{}"), cursor=written.cursor)

    return await make_change(pool, datetime.now(UTC), work)


class Mirror:
    """Applies changes as a follower does: the last state of each key."""

    def __init__(self) -> None:
        self.states: dict[tuple[str, str], bytes] = {}

    def apply(self, changes: list[Change]) -> None:
        self.states |= {(change.kind, change.key): change.after for change in changes}

    def identifiers(self) -> dict[str, bytes]:
        return {key: after for (kind, key), after in self.states.items() if kind == "identifier"}

    async def follow(self, source: PostgresJournalSource, after: Cursor) -> None:
        while found := await source.changes(after, 100):
            self.apply(found)
            after = found[-1].cursor


async def stored(pool: Pool) -> dict[str, bytes]:
    """Read what the tables say, state by state."""
    found = {}
    async with pool.acquire() as connection:
        for prefix in await prefixes.page(connection, ADMIN, "", 10):
            for record in await table.page(connection, prefix.id, "", 100_000):
                found[record.key] = identifier_state(record, prefix.prefix)
    return found


async def test_it_is_the_source_a_follower_asks_for(registry_database: str) -> None:
    source: JournalSource = PostgresJournalSource(registry_database)
    assert await source.oldest() == START
    await source.aclose()


async def test_a_snapshot_and_the_changes_behind_it_are_the_exact_state_under_concurrent_writes(
    registry_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "BATCH", 7)
    rng = random.Random(3)
    async with registry(registry_database) as (pool, source):
        names = [f"{prefix}/SN{number}" for prefix in PREFIXES for number in range(30)]
        for name in names[::2]:
            await put(pool, name, "before")
        stop = asyncio.Event()

        async def write() -> None:
            while not stop.is_set():
                await put(pool, rng.choice(names), rng.random())

        mirrors = []
        async with pool.acquire() as slow, asyncio.TaskGroup() as writers:
            for _ in range(12):
                writers.create_task(write())
            async with slow.transaction():
                # Runs all the while, so every snapshot has changes behind its horizon that it already holds.
                values = [{"index": 1, "type": "URL", "data": "slow"}]
                await identifiers.put(slow, ADMIN, datetime.now(UTC), f"{PREFIXES[0]}/SLOW", values=values)
                for _ in range(5):
                    mirror = Mirror()
                    async with source.snapshot() as snapshot:
                        async for batch in snapshot.states():
                            assert len(batch) <= 7 + 7
                            mirror.apply(batch)
                    mirrors.append((mirror, snapshot.cursor))
            stop.set()
        truth = await stored(pool)
        for mirror, cursor in mirrors:
            await mirror.follow(source, cursor)
            assert mirror.identifiers() == truth
        assert f"hdl:{PREFIXES[0]}/SLOW" in truth


async def test_a_snapshot_holds_prefixes_accounts_credentials_then_identifiers_with_the_journal_s_own_octets(
    registry_database: str,
) -> None:
    async with registry(registry_database) as (pool, source):
        for number in range(3):
            await put(pool, f"88.118.8/SN{number}")
        async with transaction(pool) as connection:
            await identifiers.withdraw(connection, ADMIN, datetime.now(UTC), "88.118.8/SN0", successor="88.118.8/SN1")
            issued = [
                await accounts.issue(
                    connection, None, datetime.now(UTC), role="reader", enterprise=None, label="r", expires_at=None
                )
                for _ in range(2)
            ]
            await accounts.revoke(connection, ADMIN, datetime.now(UTC), issued[0][0].id)
        journal = Mirror()
        await journal.follow(source, START)
        async with source.snapshot() as snapshot:
            changes = [change async for batch in snapshot.states() for change in batch]
            assert snapshot.epoch == await source.epoch()
            assert {change.cursor for change in changes} == {snapshot.cursor}
    kinds = [change.kind for change in changes]
    assert kinds == ["prefix"] * 2 + ["identity"] * 2 + ["credential"] + ["identifier"] * 3
    for change in changes:
        assert change.after == journal.states[change.kind, change.key]
        assert change.op == "create"


async def test_nothing_is_read_twice_after_a_snapshot_of_a_quiet_registry(registry_database: str) -> None:
    async with registry(registry_database) as (pool, source):
        await put(pool, "88.118.8/SN1")
        async with source.snapshot() as snapshot:
            pass
        assert await source.changes(snapshot.cursor, 10) == []
        outcome = await put(pool, "88.118.8/SN2")
        assert [change.cursor for change in await source.changes(snapshot.cursor, 10)] == [outcome.cursor]


async def test_a_lost_connection_is_said_at_most_once_and_mended_by_the_next_call(registry_database: str) -> None:
    async with registry(registry_database) as (pool, source):
        await put(pool, "88.118.8/SN1")
        before = await source.changes(START, 10)
        killed = await pool.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%journal%'"
        )
        assert killed >= 1
        # The loss may have been noticed before the call, and then there is nothing to say.
        with suppress(SourceUnavailable):
            assert await source.changes(START, 10) == before
        assert await source.changes(START, 10) == before


async def test_a_database_that_is_not_there_is_unavailable(tmp_path: Any) -> None:
    source = PostgresJournalSource(f"postgresql://nobody@/nowhere?host={tmp_path}")
    for call in (source.changes(START, 1), source.epoch(), source.oldest()):
        with pytest.raises(SourceUnavailable):
            await call
    with pytest.raises(SourceUnavailable):
        async with source.snapshot():
            pass


async def test_a_cancelled_read_leaves_no_answer_for_the_next_one(registry_database: str) -> None:
    async with registry(registry_database) as (pool, source):
        await put(pool, "88.118.8/SN1")
        before = await source.changes(START, 10)
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("LOCK TABLE journal IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await source.changes(START, 10)
        assert await source.changes(START, 10) == before


async def test_a_reader_that_steps_back_sees_the_past_again(registry_database: str) -> None:
    async with registry(registry_database) as (pool, source):
        end = (await put(pool, "88.118.8/SN1")).cursor
        assert end is not None
        assert await source.changes(end, 10) == []
        assert (await source.changes(START, 100))[-1].cursor == end
