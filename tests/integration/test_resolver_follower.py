"""The follower against a real replica: it builds, follows, resumes and rebuilds, and lookups never stop."""

import asyncio
import contextlib
import resource
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from identifiers.changes import START, Cursor
from resolver.environment import MapLimits
from resolver.follower import Follower
from resolver.follower_states import State
from resolver.hot_table_reader import HotTableReader
from resolver.hot_table_writer import HotTableWriter
from resolver.lookup import Absent, Found, Gone, Lookup
from resolver.pace import Pace
from resolver.replica_reader import ReplicaReader
from tests.hot_parts import public_json
from tests.integration.memory_journal import PREFIX, MemoryJournal
from tests.support import eventually
from tests.unit.replica_states import url

QUICK = Pace(batch_changes=10, poll_s=0.01, check_s=0.02, verify_s=0.02, backoff_first_s=0.01, backoff_max_s=0.05)
SMALL = MapLimits(1 << 20, 1 << 26)


class Running:
    """A follower at work, with what it announced and counted."""

    def __init__(
        self, journal: MemoryJournal, directory: Path, pace: Pace, limits: MapLimits, *, hot_table: bool
    ) -> None:
        self.registry = CollectorRegistry()
        self.announced: list[Cursor] = []
        self.woken = asyncio.Event()
        self.follower = Follower(
            journal,
            directory,
            self.announce,
            woken=self.woken,
            pace=pace,
            map_limits=limits,
            hot_table=hot_table,
            registry=self.registry,
        )
        self.on_announcement: Callable[[], None] = lambda: None

    def announce(self, cursor: Cursor) -> None:
        self.announced.append(cursor)
        self.on_announcement()

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0

    async def reached(self, cursor: Cursor) -> None:
        await eventually(lambda: self.follower.state is State.FOLLOWING and self.follower.cursor >= cursor)


@asynccontextmanager
async def following(
    journal: MemoryJournal, directory: Path, pace: Pace = QUICK, limits: MapLimits = SMALL, *, hot_table: bool = True
) -> AsyncIterator[Running]:
    running = Running(journal, directory, pace, limits, hot_table=hot_table)
    task = asyncio.create_task(running.follower.run())
    try:
        yield running
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def found(directory: Path, suffix: str) -> str:
    """Return the kind of answer a fresh reader gives."""
    reader = ReplicaReader(directory)
    try:
        return type(Lookup(reader).find(f"{PREFIX}/{suffix}")).__name__
    finally:
        reader.close()


def generations(directory: Path) -> list[str]:
    return [path.name for path in directory.glob("gen-*")]


@pytest.fixture
def journal() -> MemoryJournal:
    journal = MemoryJournal()
    for number in range(7):
        journal.add(f"SN{number}", url(f"https://example.com/{number}"))
    return journal


async def test_a_missing_replica_is_built_from_a_snapshot_and_then_followed(
    journal: MemoryJournal, tmp_path: Path
) -> None:
    async with following(journal, tmp_path) as running:
        await running.reached(journal.rows[-1].cursor)
        assert found(tmp_path, "SN6") == "Found"
        await running.reached(journal.add("SN7"))
        assert found(tmp_path, "SN7") == "Found"
        assert running.metric("idnode_replica_rebuilds_total", reason="missing") == 1
        assert running.announced == sorted(running.announced)
        assert running.announced[-1] == journal.rows[-1].cursor


async def test_a_withdrawal_reaches_open_readers(journal: MemoryJournal, tmp_path: Path) -> None:
    async with following(journal, tmp_path) as running:
        await running.reached(journal.rows[-1].cursor)
        lookup = Lookup(ReplicaReader(tmp_path))
        assert isinstance(lookup.find(f"{PREFIX}/SN1"), Found)
        await running.reached(journal.add("SN1", state="withdrawn"))
        assert isinstance(lookup.find(f"{PREFIX}/SN1"), Gone)


async def test_a_restarted_follower_resumes_from_its_own_cursor(journal: MemoryJournal, tmp_path: Path) -> None:
    async with following(journal, tmp_path) as running:
        await running.reached(journal.rows[-1].cursor)
    position = journal.add("later")
    async with following(journal, tmp_path) as running:
        await running.reached(position)
        assert running.announced[0] == Cursor(position.xid - 1, position.seq - 1)
    assert journal.snapshots == 1
    assert found(tmp_path, "later") == "Found"


async def test_a_wake_is_answered_without_waiting_for_the_poll(journal: MemoryJournal, tmp_path: Path) -> None:
    async with following(journal, tmp_path, Pace(poll_s=3_600.0)) as running:
        await running.reached(journal.rows[-1].cursor)
        await eventually(lambda: running.follower.lag_s == 0.0)
        readings = journal.readings
        position = journal.add("woken")
        assert journal.readings == readings
        running.woken.set()
        await running.reached(position)


async def test_more_changes_than_one_batch_are_read_without_pause(journal: MemoryJournal, tmp_path: Path) -> None:
    async with following(journal, tmp_path, Pace(batch_changes=10, poll_s=3_600.0)) as running:
        await running.reached(journal.rows[-1].cursor)
        await eventually(lambda: running.follower.lag_s == 0.0)
        for number in range(95):
            position = journal.add(f"many{number}")
        running.woken.set()
        await running.reached(position)
        await eventually(lambda: running.metric("idnode_replica_changes_total") >= 95)
        assert running.metric("idnode_replica_batch_changes_bucket", le="10.0") >= 10


async def test_a_source_that_is_away_stops_nothing_but_following(journal: MemoryJournal, tmp_path: Path) -> None:
    async with following(journal, tmp_path) as running:
        await running.reached(journal.rows[-1].cursor)
        lookup = Lookup(ReplicaReader(tmp_path))
        journal.away = True
        position = journal.add("meanwhile")
        await eventually(lambda: running.follower.state is State.WAITING_FOR_SOURCE)
        assert isinstance(lookup.find(f"{PREFIX}/SN1"), Found)
        assert isinstance(lookup.find(f"{PREFIX}/meanwhile"), Absent)
        await eventually(lambda: running.follower.lag_s > 1.0)
        journal.away = False
        await running.reached(position)
        assert isinstance(lookup.find(f"{PREFIX}/meanwhile"), Found)
        await eventually(lambda: running.follower.lag_s == 0.0)
        assert running.metric("idnode_follower_failures_total", what="source") >= 1
        assert journal.snapshots == 1


async def test_a_start_without_a_source_waits_and_then_builds(journal: MemoryJournal, tmp_path: Path) -> None:
    journal.away = True
    async with following(journal, tmp_path) as running:
        await eventually(lambda: running.metric("idnode_follower_failures_total", what="source") >= 3)
        assert running.follower.cursor == START
        journal.away = False
        await running.reached(journal.rows[-1].cursor)


async def test_a_cursor_older_than_the_journal_takes_a_snapshot(journal: MemoryJournal, tmp_path: Path) -> None:
    async with following(journal, tmp_path) as running:
        await running.reached(journal.rows[-1].cursor)
    journal.add("SN1", state="withdrawn")
    last = journal.add("newer")
    rows = list(journal.rows)
    journal.drop_before(rows[-2].cursor)
    journal.rows = rows  # what a snapshot holds is the state, not the rows that led to it
    async with following(journal, tmp_path) as running:
        await eventually(lambda: running.metric("idnode_replica_rebuilds_total", reason="expired") == 1)
        await running.reached(last)
    assert found(tmp_path, "SN1") == "Gone"
    assert found(tmp_path, "newer") == "Found"


async def test_rows_read_behind_a_gap_are_not_applied(journal: MemoryJournal, tmp_path: Path) -> None:
    """Changes dropped while the follower was away must not be skipped, even when later ones can be read."""
    async with following(journal, tmp_path) as running:
        await running.reached(journal.rows[-1].cursor)
        before = running.follower.cursor
    journal.add("dropped")
    journal.add("kept")
    journal.drop_before(journal.rows[-2].cursor)
    journal.break_snapshot_after = 0
    async with following(journal, tmp_path) as running:
        await eventually(lambda: journal.snapshots >= 3)
        assert running.announced[-1] == before
    assert found(tmp_path, "kept") == "Absent"


async def test_another_journal_makes_a_new_replica(journal: MemoryJournal, tmp_path: Path) -> None:
    async with following(journal, tmp_path) as running:
        await running.reached(journal.rows[-1].cursor)
        journal.restore("journal-2", journal.rows[:3])
        await eventually(lambda: running.metric("idnode_replica_rebuilds_total", reason="epoch") == 1)
        await running.reached(journal.rows[-1].cursor)
    assert found(tmp_path, "SN1") == "Found"
    assert found(tmp_path, "SN6") == "Absent"


async def test_damage_a_reader_met_is_repaired(journal: MemoryJournal, tmp_path: Path) -> None:
    async with following(journal, tmp_path) as running:
        await running.reached(journal.rows[-1].cursor)
        reader = ReplicaReader(tmp_path)
        reader.report_damage("a record does not match its checksum")
        await eventually(lambda: running.metric("idnode_replica_rebuilds_total", reason="damaged") == 1)
        await running.reached(journal.rows[-1].cursor)
        assert reader.refresh()
        assert isinstance(Lookup(reader).find(f"{PREFIX}/SN6"), Found)
        assert not (tmp_path / "damaged").exists()


async def test_a_deleted_replica_is_built_again(journal: MemoryJournal, tmp_path: Path) -> None:
    async with following(journal, tmp_path) as running:
        await running.reached(journal.rows[-1].cursor)
        (tmp_path / "current").unlink()
        await eventually(lambda: running.metric("idnode_replica_rebuilds_total", reason="missing") == 2)
        await running.reached(journal.rows[-1].cursor)
    assert found(tmp_path, "SN6") == "Found"


async def test_a_replica_cut_short_before_the_start_is_built_again(journal: MemoryJournal, tmp_path: Path) -> None:
    async with following(journal, tmp_path) as running:
        await running.reached(journal.rows[-1].cursor)
    data = (tmp_path / "current" / "data.mdb").resolve()
    data.write_bytes(data.read_bytes()[:8192])
    async with following(journal, tmp_path) as running:
        await running.reached(journal.rows[-1].cursor)
        assert running.metric("idnode_replica_rebuilds_total", reason="damaged") == 1
    assert found(tmp_path, "SN6") == "Found"


async def test_a_rebuild_that_breaks_off_leaves_the_old_replica_serving(journal: MemoryJournal, tmp_path: Path) -> None:
    async with following(journal, tmp_path) as running:
        await running.reached(journal.rows[-1].cursor)
        lookup = Lookup(ReplicaReader(tmp_path))
        current = (tmp_path / "current").resolve()
        journal.break_snapshot_after = 3
        journal.restore("journal-2", list(journal.rows))
        await eventually(lambda: journal.snapshots >= 4)
        assert (tmp_path / "current").resolve() == current
        assert isinstance(lookup.find(f"{PREFIX}/SN6"), Found)
        journal.break_snapshot_after = None
        await eventually(lambda: running.metric("idnode_replica_rebuilds_total", reason="epoch") == 1)
    assert (tmp_path / "current").resolve() != current
    assert generations(tmp_path) == [(tmp_path / "current").resolve().name]


async def test_a_change_that_cannot_be_rendered_holds_nothing_up(journal: MemoryJournal, tmp_path: Path) -> None:
    async with following(journal, tmp_path) as running:
        await running.reached(journal.rows[-1].cursor)
        journal.append_raw("identifier", f"hdl:{PREFIX}/SN1", b'{"identifier":"half a st')
        journal.append_raw("credential", "", b"{}")
        await running.reached(journal.add("behind it"))
        await eventually(lambda: running.metric("idnode_replica_changes_skipped_total") == 2)
    assert found(tmp_path, "behind it") == "Found"
    assert found(tmp_path, "SN1") == "Found"


async def test_a_map_at_its_limit_is_said_and_corrupts_nothing(
    journal: MemoryJournal, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(300):
        last = journal.add(f"large{number}", url("https://example.com/" + "x" * 4_000))
    async with following(journal, tmp_path, limits=MapLimits(1 << 20, 1 << 20)) as running:
        await eventually(lambda: running.metric("idnode_follower_failures_total", what="replica") >= 2)
    assert "raise replica.map_max_octets" in caplog.text
    assert sum("cannot be written" in message for message in caplog.messages) == 1
    assert sum("will be rebuilt" in message for message in caplog.messages) == 1
    async with following(journal, tmp_path) as running:
        await running.reached(last)
    assert found(tmp_path, "large299") == "Found"


async def test_a_full_disk_is_waited_out(
    journal: MemoryJournal, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A limit on the size of files fails writes as a full disk does, and leaves them half-done in the same way."""
    async with following(journal, tmp_path) as running:
        await running.reached(journal.rows[-1].cursor)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "current" / "data.mdb").stat().st_size, hard))
        try:
            for number in range(50):
                last = journal.add(f"large{number}", url("https://example.com/" + "x" * 4_000))
            await eventually(lambda: running.metric("idnode_follower_failures_total", what="replica") >= 2)
            assert found(tmp_path, "SN6") == "Found"
            assert found(tmp_path, "large49") == "Absent"
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert "cannot be written" in caplog.text
        await running.reached(last)
    assert found(tmp_path, "large49") == "Found"
    assert journal.snapshots == 1


def hot(reader: HotTableReader, suffix: str) -> bytes | None:
    """Return what the hot table has for a name behind the prefix."""
    find = reader.turn()
    return public_json(find(f"hdl:{PREFIX}/{suffix}".encode())) if find else None


async def test_a_hot_table_is_filled_shown_and_changed_before_a_change_is_announced(
    journal: MemoryJournal, tmp_path: Path
) -> None:
    async with following(journal, tmp_path) as running:
        await eventually(lambda: running.metric("idnode_hot_table_state", state="live") == 1)
        assert running.metric("idnode_hot_table_entries") == 7
        reader = HotTableReader((tmp_path / "current").resolve())
        at_announcement: list[bytes | None] = []
        running.on_announcement = lambda: at_announcement.append(hot(reader, "SN1"))
        for number in range(20):
            await running.reached(journal.add("SN1", url(f"https://example.com/{number}")))
            assert f'com/{number}"'.encode() in (at_announcement[-1] or b"")
        await running.reached(journal.add("SN1", state="withdrawn"))
        assert at_announcement[-1] is None
        await eventually(lambda: running.metric("idnode_hot_table_entries") == 6)
        assert running.metric("idnode_hot_table_garbage_octets") > 0


async def test_a_hot_table_outlives_its_follower_unless_it_is_not_wanted_any_more(
    journal: MemoryJournal, tmp_path: Path
) -> None:
    async with following(journal, tmp_path) as running:
        await eventually(lambda: running.metric("idnode_hot_table_state", state="live") == 1)
    reader = HotTableReader((tmp_path / "current").resolve())
    link = (tmp_path / "current" / "hot").readlink()
    async with following(journal, tmp_path) as running:
        await running.reached(journal.add("SN1", url("https://example.com/new")))
        assert b"/new" in (hot(reader, "SN1") or b"")
        assert (tmp_path / "current" / "hot").readlink() == link
    async with following(journal, tmp_path, hot_table=False) as running:
        await running.reached(journal.rows[-1].cursor)
        assert hot(reader, "SN1") is None
        assert not list((tmp_path / "current").resolve().glob("hot*"))
        assert running.metric("idnode_hot_table_state", state="off") == 1


async def test_a_filling_waits_in_the_pauses_between_changes_that_keep_coming(
    journal: MemoryJournal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slices = 0

    def fill(_: HotTableWriter) -> bool:
        nonlocal slices
        slices += 1
        return True

    monkeypatch.setattr(HotTableWriter, "tend", fill)
    monkeypatch.setattr(HotTableWriter, "due", lambda _: True)
    async with following(journal, tmp_path, replace(QUICK, busy_s=1_000, tend_busy_s=1_000)) as running:
        await eventually(lambda: slices > 3)
        await running.reached(journal.add("SN9", url("https://example.com/9")))
        before, read_before = slices, journal.readings
        await eventually(lambda: journal.readings > read_before + 5)
        assert slices <= before + 1


async def test_a_hot_table_is_filled_while_changes_keep_coming(
    journal: MemoryJournal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resolver.hot_table_writer.SLICE_RECORDS", 20)
    for number in range(1_000):
        journal.add(f"bulk{number}", url("https://example.com/old"))
    async with following(journal, tmp_path, Pace(batch_changes=10, ahead_changes=5, poll_s=0.01)) as running:
        await running.reached(journal.rows[-1].cursor)
        for number in range(0, 1_000, 7):
            last = journal.add(f"bulk{number}", url("https://example.com/new"))
        await running.reached(last)
        await eventually(lambda: running.metric("idnode_hot_table_state", state="live") == 1)
        reader = HotTableReader((tmp_path / "current").resolve())
        for number in range(1_000):
            expected = b"/old" if number % 7 else b"/new"
            assert expected in (hot(reader, f"BULK{number}") or b""), number


async def test_a_hot_table_without_room_holds_nothing_up(
    journal: MemoryJournal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("os.posix_fallocate", refuse)
    async with following(journal, tmp_path) as running:
        await eventually(lambda: "the hot table" in caplog.text)
        await running.reached(journal.add("SN7"))
        assert running.metric("idnode_hot_table_state", state="off") == 1
        assert running.metric("idnode_follower_failures_total", what="replica") == 0
    assert found(tmp_path, "SN7") == "Found"
