"""Lookup statistics: segments are added up once, and the busiest second is found over all workers."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from registry.busiest_seconds import fold_seconds
from registry.database import connect
from registry.day_figures import Peak, busiest_second
from registry.statistics import SegmentError, beijing_day, forget_segments, store_segment

if TYPE_CHECKING:
    import asyncpg

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
NOON = int(datetime(2025, 11, 22, 4, 0, tzinfo=UTC).timestamp())  # in Beijing
DAY = date(2025, 11, 22)


@pytest.fixture
async def opened(registry_database: str) -> AsyncIterator[Connection]:
    connection = await connect(registry_database)
    yield connection
    await connection.close()


def latency(**figures: int) -> dict[str, int]:
    return {"count": 2, "sum_us": 30, "min_us": 10, "min_at": NOON, "max_us": 20, "max_at": NOON + 1, **figures}


def segment(begin: int = NOON, **prefix: Any) -> dict[str, Any]:
    counted = {
        "prefix": "88.118.8",
        "sources": [["192.0.2.1", "found", 2], ["2001:db8::1", "absent", 1]],
        "latency": latency(),
        "seconds": [[begin, 2], [begin + 1, 1]],
        "faces": {"handle-json": 3},
        **prefix,
    }
    return {
        "v": 1,
        "id": str(uuid.uuid4()),
        "process": "worker-0",
        "from": begin,
        "to": begin + 10,
        "prefixes": [counted],
    }


async def rows(connection: Connection, table: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in await connection.fetch(f"SELECT * FROM {table} ORDER BY 1, 2, 3")]


async def test_segments_add_up_and_each_counts_once(opened: Connection) -> None:
    first = segment()
    assert await store_segment(opened, first)
    assert not await store_segment(opened, first)
    assert await store_segment(opened, segment())
    assert await rows(opened, "lookup_counts") == [
        (DAY, "88.118.8", "192.0.2.1", "found", 4),
        (DAY, "88.118.8", "2001:db8::1", "absent", 2),
    ]
    assert await rows(opened, "lookup_faces") == [(DAY, "88.118.8", "handle-json", 6)]


async def test_latency_keeps_the_first_moments_of_its_extremes(opened: Connection) -> None:
    for figures in (
        latency(min_us=5, min_at=NOON + 50, max_us=70, max_at=NOON + 60),
        latency(min_us=5, min_at=NOON + 40, max_us=70, max_at=NOON + 70),
        latency(min_us=9, min_at=NOON, max_us=60, max_at=NOON),
    ):
        await store_segment(opened, segment(latency=figures))
    (row,) = await rows(opened, "lookup_latency")
    at = datetime.fromtimestamp(NOON, UTC)
    assert row == (DAY, "88.118.8", 6, 90, 5, at + timedelta(seconds=40), 70, at + timedelta(seconds=60))


async def test_the_busiest_second_is_summed_over_workers_before_it_is_folded(opened: Connection) -> None:
    now = datetime.now(UTC)
    await store_segment(opened, segment(seconds=[[NOON, 5], [NOON + 1, 4]]), now=now)
    await store_segment(opened, segment(seconds=[[NOON + 1, 3]]), now=now + timedelta(seconds=100))
    await fold_seconds(opened, now + timedelta(seconds=130))
    assert await rows(opened, "lookup_peaks") == [(DAY, "88.118.8", 5, datetime.fromtimestamp(NOON, UTC))]
    await fold_seconds(opened, now + timedelta(seconds=230))
    assert await rows(opened, "lookup_peaks") == [(DAY, "88.118.8", 7, datetime.fromtimestamp(NOON + 1, UTC))]
    assert await rows(opened, "lookup_seconds") == []
    await store_segment(opened, segment(seconds=[[NOON - 5, 7], [NOON + 9, 7]]), now=now)
    await fold_seconds(opened, now + timedelta(hours=1))
    assert await rows(opened, "lookup_peaks") == [(DAY, "88.118.8", 7, datetime.fromtimestamp(NOON - 5, UTC))]


async def test_seconds_of_the_last_days_wait_for_hosts_that_tell_of_them_late(opened: Connection) -> None:
    at = datetime.fromtimestamp(NOON, UTC) + timedelta(minutes=5)
    await store_segment(opened, segment(seconds=[[NOON + n, 1 + n] for n in range(70)]), now=at)
    await fold_seconds(opened, at + timedelta(minutes=5))
    assert len(await rows(opened, "lookup_seconds")) == 60
    assert len(await rows(opened, "lookup_node_seconds")) == 70
    hours_later = at + timedelta(hours=30)
    await store_segment(opened, segment(seconds=[[NOON + 60, 50], [NOON + 2, 90]]), now=hours_later)
    for now in (hours_later, hours_later + timedelta(minutes=5), at + timedelta(days=4)):
        await fold_seconds(opened, now)
        of_prefix = await busiest_second(opened, DAY, "88.118.8", below=False)
        of_node = await busiest_second(opened, DAY, "88.118", below=True)
        assert of_prefix == of_node == Peak(111, datetime.fromtimestamp(NOON + 60, UTC)), now
    assert await rows(opened, "lookup_seconds") == await rows(opened, "lookup_node_seconds") == []


async def test_a_segment_is_late_when_its_day_should_be_told_and_only_then(opened: Connection) -> None:
    midnight = datetime(2025, 11, 22, 16, 0, tzinfo=UTC)
    last = int(midnight.timestamp()) - 10
    await store_segment(opened, segment(last), now=midnight + timedelta(seconds=119))
    assert await rows(opened, "late_days") == []
    idle = segment(last) | {"prefixes": []}
    await store_segment(opened, idle, now=midnight + timedelta(hours=1))
    await store_segment(opened, segment(last - 86_400), now=midnight + timedelta(hours=2))
    await store_segment(opened, segment(last - 90 * 86_400), now=midnight + timedelta(hours=2))
    endless = segment(1) | {"to": last + 10, "prefixes": []}
    await store_segment(opened, endless, now=midnight + timedelta(hours=3))
    noted = {day: at for day, at, _ in await rows(opened, "late_days")}
    assert len(noted) == 63
    assert max(noted) == DAY
    assert set(noted.values()) == {midnight + timedelta(hours=3)}


async def test_days_are_beijing_s(opened: Connection) -> None:
    midnight = int(datetime(2025, 11, 22, 16, 0, tzinfo=UTC).timestamp())
    assert (beijing_day(midnight - 1), beijing_day(midnight)) == (date(2025, 11, 22), date(2025, 11, 23))
    await store_segment(opened, segment(midnight - 5, seconds=[[midnight - 1, 1], [midnight, 2]]))
    assert {row[0] for row in await rows(opened, "lookup_counts")} == {date(2025, 11, 22)}
    await fold_seconds(opened, datetime.now(UTC) + timedelta(hours=1))
    assert [row[0] for row in await rows(opened, "lookup_peaks")] == [date(2025, 11, 22), date(2025, 11, 23)]


async def test_names_of_no_prefix_are_counted_without_sources(opened: Connection) -> None:
    bare = segment(prefix="")
    del bare["prefixes"][0]["sources"]
    assert await store_segment(opened, bare)
    assert await rows(opened, "lookup_counts") == []
    assert (await rows(opened, "lookup_latency"))[0][1] == ""


async def test_an_empty_segment_is_stored_as_such(opened: Connection) -> None:
    empty = {**segment(), "prefixes": []}
    assert await store_segment(opened, empty)
    assert not await store_segment(opened, empty)


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"id": "not-a-uuid"},
        {"from": -1},
        {"process": "x" * 65},
        {"prefixes": [{"prefix": "88.118.8"}]},
        segment(sources=[["192.0.2.1", "eaten", 1]]),
        segment(sources=[["somewhere", "found", 1]]),
        segment(sources=[["192.0.2.1", "found", 0]]),
        segment(seconds=[["noon", 1]]),
        segment(faces={"html": -1}),
        segment(latency={"count": 1}),
    ],
)
async def test_a_segment_of_another_shape_is_refused_and_leaves_nothing(opened: Connection, change: Any) -> None:
    with pytest.raises(SegmentError):
        await store_segment(opened, segment() | change)
    assert await rows(opened, "lookup_segments") == []


async def test_ids_of_old_segments_are_forgotten(opened: Connection) -> None:
    now = datetime.now(UTC)
    await store_segment(opened, segment(), now=now - timedelta(days=100))
    await store_segment(opened, segment(), now=now)
    await forget_segments(opened, now)
    assert len(await rows(opened, "lookup_segments")) == 1
