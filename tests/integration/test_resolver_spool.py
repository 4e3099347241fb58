"""The spool on a real disk: whole segments, kept through refusals, bounded."""

import asyncio
import contextlib
import json
import os
import stat
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from resolver.counting import Tallies
from resolver.spool import Segment, Spool, SpoolLimits, read_segments, remove
from tests.support import eventually

NOW = 1_800_000_000


def spool(directory: Path, tallies: Tallies, limits: SpoolLimits | None = None, process: str = "worker-0") -> Spool:
    return Spool(directory, tallies, process, clock=lambda: NOW, limits=limits)


def count(tallies: Tallies, *addresses: str, prefix: str = "88.118.8") -> None:
    for address in addresses:
        tallies.record(prefix, address, "found", "redirect", NOW, 5)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def make_older(directory: Path, seconds: float) -> None:
    for path in directory.iterdir():
        moment = path.stat().st_mtime - seconds
        os.utime(path, (moment, moment))


def total(segments: list[Segment]) -> int:
    return sum(counts.latency.count for segment in segments for counts in segment.content.prefixes)


async def test_what_was_counted_comes_back_and_can_be_removed(tmp_path: Path) -> None:
    tallies = Tallies()
    written = spool(tmp_path, tallies)
    count(tallies, "192.0.2.1", "192.0.2.1", "192.0.2.2")
    count(tallies, "192.0.2.3", prefix="")
    assert await written.flush()
    (segment,) = read_segments(tmp_path)
    assert segment.path.name == f"{segment.content.id}.json"
    assert (segment.content.process, segment.content.from_s, segment.content.to_s) == ("worker-0", NOW, NOW)
    counts = {counts.prefix: counts for counts in segment.content.prefixes}
    assert counts["88.118.8"].sources == [("192.0.2.1", "found", 2), ("192.0.2.2", "found", 1)]
    assert counts["88.118.8"].seconds == [(NOW, 3)]
    assert counts["88.118.8"].faces == {"redirect": 3}
    assert counts[""].sources == []
    remove(segment)
    remove(segment)
    assert list(read_segments(tmp_path)) == []


async def test_the_file_has_the_agreed_members(tmp_path: Path) -> None:
    tallies = Tallies()
    count(tallies, "192.0.2.1")
    await spool(tmp_path, tallies).flush()
    (name,) = names(tmp_path)
    path = tmp_path / name
    content = json.loads(path.read_bytes())
    assert list(content) == ["v", "id", "process", "from", "to", "prefixes"]
    assert content["v"] == 1
    assert set(content["prefixes"][0]) == {"prefix", "day_at", "sources", "latency", "seconds", "faces"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_segments_meet_and_tell_of_idle_minutes_too(tmp_path: Path) -> None:
    now, tallies = [NOW], Tallies()
    written = Spool(tmp_path, tallies, "worker-0", clock=lambda: now[0])
    for seconds in (59, 1, 30, 10, 5):
        now[0] += seconds
        if seconds == 30:
            count(tallies, "192.0.2.1")
        assert await written.flush()
    await written.close()
    stretches = sorted((one.content.from_s - NOW, one.content.to_s - NOW) for one in read_segments(tmp_path))
    assert stretches == [(0, 60), (60, 90), (90, 105)]


async def test_nothing_counted_leaves_no_file(tmp_path: Path) -> None:
    assert await spool(tmp_path / "spool", Tallies()).flush()
    assert list(read_segments(tmp_path / "spool")) == []


@pytest.mark.parametrize(
    ("limits", "addresses"),
    [(SpoolLimits(flush_s=0.05), 1), (SpoolLimits(flush_s=3_600.0, flush_keys=20), 20)],
)
async def test_segments_are_written_by_time_and_by_number_of_keys(
    limits: SpoolLimits, addresses: int, tmp_path: Path
) -> None:
    tallies = Tallies()
    written = spool(tmp_path, tallies, limits)
    task = asyncio.create_task(written.run(check_s=0.01))
    for number in range(2):
        count(tallies, *[f"192.0.2.{address}" for address in range(addresses)])
        await eventually(lambda: len(list(read_segments(tmp_path))) > number)  # noqa: B023 - waited for inside the loop
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert total(list(read_segments(tmp_path))) == 2 * addresses


async def test_few_keys_wait_for_their_time(tmp_path: Path) -> None:
    tallies = Tallies()
    written = spool(tmp_path, tallies, SpoolLimits(flush_s=3_600.0, flush_keys=20))
    task = asyncio.create_task(written.run(check_s=0.001))
    count(tallies, "192.0.2.1")
    for _ in range(20):
        await asyncio.sleep(0)
    assert list(read_segments(tmp_path)) == []
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await written.close()
    assert total(list(read_segments(tmp_path))) == 1


async def test_a_disk_that_refuses_loses_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    directory = tmp_path / "spool"
    directory.write_text("in the way")
    tallies = Tallies()
    written = spool(directory, tallies)
    for _ in range(3):
        count(tallies, "192.0.2.1")
        assert not await written.flush()
    assert sum("cannot be written" in message for message in caplog.messages) == 1
    directory.unlink()
    assert await written.flush()
    assert await written.flush()
    assert total(list(read_segments(directory))) == 3


async def test_memory_is_bounded_while_the_disk_refuses(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    directory = tmp_path / "spool"
    directory.write_text("in the way")
    tallies = Tallies()
    written = spool(directory, tallies, SpoolLimits(held_keys_max=10))
    for _ in range(5):
        count(tallies, *[f"192.0.2.{address}" for address in range(12)])
        assert not await written.flush()
        assert tallies.keys <= 12
    assert "were dropped" in caplog.text


async def test_the_oldest_segments_make_room_and_that_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    registry = CollectorRegistry()
    tallies = Tallies()
    written = Spool(tmp_path, tallies, "worker-0", limits=SpoolLimits(octets_max=1_000), registry=registry)
    for number in range(8):
        count(tallies, f"192.0.2.{number}")
        await written.flush()
        make_older(tmp_path, 10.0)
    left = list(read_segments(tmp_path))
    assert sum(segment.path.stat().st_size for segment in left) <= 1_000
    assert [segment.content.prefixes[0].sources[0][0] for segment in left][-1] == "192.0.2.7"
    assert registry.get_sample_value("idnode_spool_segments_dropped_total") == 8 - len(left) > 0
    assert registry.get_sample_value("idnode_spool_segments_total") == 8
    assert sum("over its limit" in message for message in caplog.messages) == 1


async def test_what_cannot_be_read_is_set_aside_and_the_rest_is_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tallies = Tallies()
    count(tallies, "192.0.2.1")
    await spool(tmp_path, tallies).flush()
    (tmp_path / "half.json").write_text('{"v":1,"id":"half')
    (tmp_path / "newer.json").write_text('{"v":2,"id":"x","process":"w","from":1,"to":2,"prefixes":[]}')
    (tmp_path / "worker-0.tmp").write_text("unfinished")
    assert total(list(read_segments(tmp_path))) == 1
    assert [name for name in names(tmp_path) if name.endswith(".bad")] == ["half.bad", "newer.bad"]
    assert "half.json" in caplog.text
    assert total(list(read_segments(tmp_path))) == 1


async def test_a_crash_leaves_at_most_one_unfinished_file_of_each_process(tmp_path: Path) -> None:
    tallies = Tallies()
    (tmp_path / "worker-0.tmp").write_text("unfinished")
    count(tallies, "192.0.2.1")
    await spool(tmp_path, tallies).flush()
    (name,) = names(tmp_path)
    assert name.endswith(".json")
