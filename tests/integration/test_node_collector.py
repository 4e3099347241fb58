"""From the workers' spool into the database."""

import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from prometheus_client import CollectorRegistry

from node.collector import Collector
from registry.database import Pool, open_pool
from registry.errors import Unavailable
from resolver.counting import Tallies
from resolver.spool import Spool

AT = 1_763_800_000


@pytest.fixture
async def pool(registry_database: str) -> AsyncIterator[Pool]:
    pool = await open_pool(registry_database, connections_max=2)
    yield pool
    await pool.close()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "lookups"


async def count_lookups(directory: Path, address: str, count: int, process: str = "worker-0") -> Path:
    """Count lookups as a worker does, and return the segment that came of it."""
    before = files(directory)
    tallies = Tallies()
    for _ in range(count):
        tallies.record("88.118.8", address, "found", "handle-json", AT, 7)
    await Spool(directory, tallies, process, clock=lambda: AT).flush()
    [segment] = files(directory) - before
    return segment


def files(directory: Path) -> set[Path]:
    return set(directory.glob("*"))


async def stored(pool: Pool) -> list[tuple[str, int]]:
    rows = await pool.fetch("SELECT address, count FROM lookup_counts ORDER BY address")
    return [(row["address"], row["count"]) for row in rows]


async def test_what_workers_counted_is_added_up_and_the_files_are_gone(pool: Pool, directory: Path) -> None:
    await count_lookups(directory, "192.0.2.1", 3)
    await count_lookups(directory, "192.0.2.1", 4, process="worker-1")
    await count_lookups(directory, "2001:db8::1", 1)
    await Collector(directory, pool).collect()
    assert await stored(pool) == [("192.0.2.1", 7), ("2001:db8::1", 1)]
    assert not files(directory)


async def test_a_segment_stored_before_a_crash_is_removed_and_not_counted_again(pool: Pool, directory: Path) -> None:
    segment = await count_lookups(directory, "192.0.2.1", 3)
    shutil.copy(segment, kept := directory.parent / segment.name)
    await Collector(directory, pool).collect()
    shutil.move(kept, segment)
    await Collector(directory, pool).collect()
    assert await stored(pool) == [("192.0.2.1", 3)]
    assert not segment.exists()


async def test_a_segment_the_database_can_never_take_is_set_aside_and_the_others_go_on(
    pool: Pool, directory: Path
) -> None:
    bad = await count_lookups(directory, "192.0.2.1", 3)
    content = orjson.loads(bad.read_bytes())
    content["prefixes"][0]["sources"][0][0] = "no address"
    bad.write_bytes(orjson.dumps(content))
    await count_lookups(directory, "192.0.2.2", 4)
    metrics = CollectorRegistry()
    await Collector(directory, pool, metrics).collect()
    assert await stored(pool) == [("192.0.2.2", 4)]
    assert [path.suffix for path in files(directory)] == [".bad"]
    assert metrics.get_sample_value("idnode_spool_segments_collected_total", {"outcome": "set_aside"}) == 1


async def test_more_segments_than_fit_in_one_round_are_all_taken(pool: Pool, directory: Path) -> None:
    for _ in range(60):
        await count_lookups(directory, "192.0.2.1", 1)
    await Collector(directory, pool).collect()
    assert await stored(pool) == [("192.0.2.1", 60)]


async def test_while_the_database_is_away_the_files_stay(tmp_path: Path, directory: Path) -> None:
    segment = await count_lookups(directory, "192.0.2.1", 3)
    away = await open_pool(f"postgresql://idnode@/none?host={tmp_path}")
    try:
        with pytest.raises(Unavailable):
            await Collector(directory, away).collect()
    finally:
        away.terminate()
    assert segment.exists()


async def test_an_absent_spool_holds_nothing(pool: Pool, tmp_path: Path) -> None:
    await Collector(tmp_path / "absent", pool).collect()
    assert await stored(pool) == []


async def test_it_is_noted_up_to_when_everything_is_collected(pool: Pool, directory: Path) -> None:
    now = [datetime.fromtimestamp(AT, UTC)]
    collector = Collector(directory, pool, clock=lambda: now[0])
    await count_lookups(directory, "192.0.2.1", 1)
    await collector.collect()
    assert await pool.fetchval("SELECT drained_at FROM spool_drained") == now[0]
    for seconds, noted in ((5, 0), (10, 15)):
        now[0] += timedelta(seconds=seconds)
        await collector.collect()
        assert await pool.fetchval("SELECT drained_at FROM spool_drained") == datetime.fromtimestamp(AT + noted, UTC)
