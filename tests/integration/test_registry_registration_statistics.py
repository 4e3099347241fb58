"""Registrations measured and counted: each request that wrote once, and totals that equal the tables."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
import pytest

from identifiers.changes import Change
from registry import day_figures, journal_days, registration_counts
from registry.database import connect
from registry.measured_time import Stretch, measured_seconds
from registry.registration_counts import count_registrations
from registry.statistics import beijing_day, store_segment
from resolver.effective import EffectiveTimes
from resolver.spool import Spool, read_segments
from tests.registry_api import VALUES, Api, Client, running_api

if TYPE_CHECKING:
    import asyncpg

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
PATH = "/api/v1/identifiers/88.118.8"
PROBE = "e" * 64


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path, probe_secret=PROBE) as running:
        yield running


@pytest.fixture
async def owner(api: Api) -> Client:
    owner = await api.holder("enterprise_administrator", await api.prefix())
    api.context.samples.drain()
    return owner


@pytest.fixture
async def opened(api: Api) -> AsyncIterator[Connection]:
    connection = await connect(api.dsn)
    yield connection
    await connection.close()


def samples(api: Api) -> dict[tuple[str, bool], tuple[int, int]]:
    """Return requests and identifiers by prefix, and forget them."""
    return {
        (one["prefix"], one["is_node"]): (one["latency"]["count"], one["items"]) for one in api.context.samples.drain()
    }


def row(name: str) -> dict[str, Any]:
    return {"identifier": f"88.118.8/{name}", "values": VALUES}


async def test_each_request_that_wrote_identifiers_is_one_sample(api: Api, owner: Client) -> None:
    one = {"values": VALUES}
    await owner("PUT", f"{PATH}/A", one)
    assert samples(api) == {("88.118.8", False): (1, 1), ("88.118", True): (1, 1)}
    await owner("PUT", f"{PATH}/A", one)  # is so already
    await owner("PUT", f"{PATH}/%20", one)
    await owner("GET", f"{PATH}/A")
    await owner("PUT", f"{PATH}/B", one, headers={"Idn-Probe": PROBE})
    assert samples(api) == {}
    await owner("PATCH", f"{PATH}/A", {"values": [{"index": 7, "type": "NOTE", "data": "x"}]})
    await owner.batch([row("A"), *(row(f"N{n}") for n in range(30))], "?on_conflict=skip&wait=false")
    assert samples(api) == {("88.118.8", False): (2, 31), ("88.118", True): (2, 31)}


async def test_a_request_is_timed_from_its_last_octet(api: Api, owner: Client, today: datetime) -> None:
    await owner("PUT", f"{PATH}/A", {"values": VALUES})
    (one, _) = api.context.samples.drain()
    assert 0 < one["latency"]["min_us"] == one["latency"]["max_us"] < 10_000_000
    assert one["latency"]["sum_us"] == one["latency"]["max_us"]
    assert beijing_day(one["day_at"]) == beijing_day(int(today.timestamp()))


async def totals(connection: Connection) -> dict[str, int]:
    """Return the registered identifiers by prefix, counted in the table."""
    rows = await connection.fetch(
        "SELECT p.prefix, count(i.key) FILTER (WHERE i.state = 'active') AS n "
        "FROM prefixes AS p LEFT JOIN identifiers AS i ON i.prefix_id = p.id GROUP BY p.prefix"
    )
    return {row["prefix"]: row["n"] for row in rows}


async def told(connection: Connection, day: date, *prefixes: str) -> dict[str, tuple[int, int]]:
    await count_registrations(connection, datetime.now(UTC))
    found = await day_figures.registered(connection, day, prefixes)
    return {prefix: (one.added, one.total) for prefix, one in found.items()}


async def test_totals_equal_the_tables_after_every_kind_of_change(
    api: Api, owner: Client, opened: Connection, today: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registration_counts, "PAGE_ROWS", 7)
    day = beijing_day(int(today.timestamp()))
    await owner.batch([row(f"N{n}") for n in range(20)], "?wait=false")
    assert await told(opened, day, "88.118.8") == {"88.118.8": (20, 20)}
    for name in ("N1", "N2"):
        await owner("DELETE", f"{PATH}/{name}")
    await owner.batch([row("N1"), row("N3"), row("X")], "?on_conflict=replace&wait=false")
    await owner("PUT", f"{PATH}/Y", {"values": VALUES})
    figures = await told(opened, day, "88.118.8", "88.118.9")
    assert {"88.118.8": figures["88.118.8"][1]} == await totals(opened)
    assert figures["88.118.9"] == (0, 0)
    assert await told(opened, day - timedelta(days=1), "88.118.8") == {"88.118.8": (0, 0)}


async def test_where_the_journal_was_dropped_the_tables_are_counted(
    api: Api, owner: Client, opened: Connection, today: datetime
) -> None:
    day = beijing_day(int(today.timestamp()))
    await owner.batch([row(f"N{n}") for n in range(10)], "?wait=false")
    await owner("DELETE", f"{PATH}/N1")
    later = datetime.now(UTC) + timedelta(days=2)
    await journal_days.ensure_partitions(opened, later)
    await journal_days.seal_days(opened, later)
    assert await journal_days.drop_before(opened, later.date())
    assert await told(opened, day, "88.118.8") == {"88.118.8": (10, 9)}
    await owner("PUT", f"{PATH}/Z", {"values": VALUES})
    # A sealed day takes no more rows: what comes now counts for the day of the test's later time.
    assert await told(opened, day, "88.118.8") == {"88.118.8": (10, 9)}
    assert await told(opened, later.date(), "88.118.8") == {"88.118.8": (1, 10)}
    assert await day_figures.prefixes_registered(opened, day, "88.118") == day_figures.Registered(1, 1)


async def test_how_soon_registrations_could_be_looked_up(opened: Connection, tmp_path: Path) -> None:
    at = datetime(2031, 5, 6, 12, tzinfo=UTC)
    times = EffectiveTimes()
    changes = [Change(1, n, at, "identifier", f"hdl:88.118.8/{n}", "create", b"{}") for n in range(99)]
    others = [Change(1, 1, at, "identifier", "hdl:88.118.8/1", "update", b"{}")]
    times.seen(changes + others, at.timestamp() + 0.01)
    times.seen([changes[0]], at.timestamp() + 1.0)
    await Spool(tmp_path, times, "follower", section="effective", clock=at.timestamp).flush()
    for segment in read_segments(tmp_path):
        assert await store_segment(opened, msgspec.to_builtins(segment.content))
    found = await day_figures.effective(opened, date(2031, 5, 1), date(2031, 5, 31))
    assert found.count == 100
    assert found.sum_us == pytest.approx(99 * 10_000 + 1_000_000, abs=200)
    assert found.p99_us == pytest.approx(10_000, rel=0.1)


def test_what_was_not_measured_is_taken_off_once() -> None:
    start = datetime(2031, 5, 6, tzinfo=UTC)

    def stretch(process: str, begin: int, end: int) -> Stretch:
        return Stretch(process, start + timedelta(seconds=begin), start + timedelta(seconds=end))

    def measured(*stretches: Stretch) -> int:
        return measured_seconds(sorted(stretches), ("worker", "registry"), start, start + timedelta(seconds=100))

    whole = stretch("registry", -10, 110)
    assert measured(whole, stretch("worker-0", -5, 40), stretch("worker-0", 40, 100)) == 100
    assert measured(whole, stretch("worker-0", 0, 40), stretch("worker-0", 50, 100)) == 90
    assert measured(whole, stretch("worker-0", 0, 40), stretch("worker-1", 40, 100)) == 100
    assert measured(whole, stretch("worker-0", 0, 40), stretch("worker-0", 50, 100), stretch("worker-1", 0, 100)) == 90
    assert measured(stretch("registry", 45, 100), stretch("worker-0", 0, 40), stretch("worker-0", 50, 100)) == 50
    assert measured(whole) == 0
